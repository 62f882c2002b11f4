import pytest

from jobworker.cli.errors import Failed
from jobworker.cli.linux import require_linux


@pytest.mark.parametrize("release", ["5.4.0", "5.15.0-91-generic", "6.18.44", "10.0"])
def test_a_new_enough_linux_is_accepted(release: str) -> None:
    require_linux("the supervisor", system="Linux", release=release)


@pytest.mark.parametrize(
    ("system", "release"), [("Linux", "5.3.18"), ("Linux", "4.19"), ("Darwin", "25.1.0"), ("Windows", "11")]
)
def test_anything_else_is_one_clear_sentence(system: str, release: str) -> None:
    with pytest.raises(Failed) as refused:
        require_linux("the supervisor", system=system, release=release)
    assert refused.value.message == (
        f"the supervisor needs Linux 5.4 or newer, and this is {system} {release}; "
        "the API and the client commands run here too"
    )
