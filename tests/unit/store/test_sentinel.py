"""URLs of Sentinels, and what is made of their answers; real ones are in tests/integration/store/test_sentinel.py."""

from typing import Any

import pytest

from jobworker.store.errors import StoreError, StoreMisconfigured, StoreUnavailable
from jobworker.store.sentinel import SentinelUrl, Survey, is_sentinel_url

HERE = ("10.0.0.1", 26379)


def state(**options: Any) -> dict[str, Any]:
    return {"ip": "10.0.0.9", "port": 6379, "is_master": True, "is_sdown": False, "is_odown": False, **options}


def test_a_url_says_where_the_sentinels_are_and_what_servers_and_sentinels_want_to_hear() -> None:
    url = SentinelUrl.parse(
        "sentinel://us%40er:p%3Aw@a:1,b,[::1]:3/my%20jobs/2?sentinel_username=s&sentinel_password=q"
    )
    assert url.sentinels == (("a", 1), ("b", 26379), ("::1", 3))
    assert url.service == "my jobs"
    assert url.options == {"username": "us@er", "password": "p:w", "db": 2, "ssl": False}
    assert url.sentinel_options == {"username": "s", "password": "q", "ssl": False}


def test_tls_and_its_files_are_for_both() -> None:
    url = SentinelUrl.parse("sentinels://a/jobs?ssl_ca_certs=/ca.crt&ssl_check_hostname=false&client_name=me")
    shared = {"ssl": True, "ssl_ca_certs": "/ca.crt", "ssl_check_hostname": False}
    assert url.sentinel_options == shared
    assert url.options == {**shared, "client_name": "me"}


@pytest.mark.parametrize(
    "url", ["sentinel://a", "sentinel://a/", "sentinel:///jobs", "sentinel://a,/jobs", "sentinel://:1/j"]
)
def test_a_url_without_a_sentinel_or_a_service_is_none(url: str) -> None:
    with pytest.raises(ValueError, match="name"):
        SentinelUrl.parse(url)


def test_the_scheme_tells_sentinels_from_servers() -> None:
    assert [is_sentinel_url(f"{scheme}://h/s") for scheme in ("sentinel", "sentinels", "redis", "rediss", "unix")] == [
        *(True, True, False, False, False)
    ]


def test_the_master_is_where_a_sentinel_says() -> None:
    assert Survey("jobs").master({"jobs": state(), "other": state(port=1)}) == ("10.0.0.9", 6379)


@pytest.mark.parametrize("trouble", [{"is_sdown": True}, {"is_odown": True}, {"is_master": False}])
def test_a_master_that_is_held_for_down_is_none_and_waiting_may_help(trouble: dict[str, bool]) -> None:
    survey = Survey("jobs")
    assert survey.master({"jobs": state(**trouble)}) is None
    survey.refused(HERE, StoreMisconfigured("wrong password"))
    assert type(survey.failure()) is StoreUnavailable
    assert "the service jobs has no master at the moment" in str(survey.failure())


@pytest.mark.parametrize(
    ("error", "kind"), [(StoreUnavailable("gone"), StoreUnavailable), (StoreMisconfigured("wrong"), StoreMisconfigured)]
)
def test_waiting_helps_only_if_one_of_them_is_away(error: StoreError, kind: type[StoreError]) -> None:
    survey = Survey("jobs")
    survey.refused(("10.0.0.2", 1), StoreMisconfigured("wrong"))
    survey.refused(HERE, error)
    assert type(survey.failure()) is kind
    assert f"10.0.0.2:1: wrong; 10.0.0.1:26379: {error}" in str(survey.failure())


def test_who_knows_nothing_of_the_service_says_what_it_knows() -> None:
    survey = Survey("jobs")
    assert survey.master({"b": state(), "a": state()}) is None
    assert survey.master({}) is None
    assert type(survey.failure()) is StoreMisconfigured
    assert str(survey.failure()) == "no Sentinel that answers knows the service jobs; they know: a, b"
    survey.refused(HERE, StoreUnavailable("gone"))
    assert type(survey.failure()) is StoreUnavailable
