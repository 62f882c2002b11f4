"""Ids of jobs."""

from uuid import UUID

import pytest

from jobworker.store.ids import is_job_id, new_job_id


def test_an_id_is_a_uuid_of_version_7_in_its_canonical_form() -> None:
    job_id = new_job_id()
    assert UUID(job_id).version == 7
    assert is_job_id(job_id)


def test_ids_sort_in_the_order_in_which_they_were_made_and_never_repeat() -> None:
    ids = [new_job_id() for _ in range(10_000)]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("text", ["00000000-0000-0000-0000-000000000000", "6fa459ea-ee8a-4ca4-894e-db77e160355e"])
def test_a_uuid_of_any_version_is_an_id(text: str) -> None:
    assert is_job_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pause",
        "6FA459EA-EE8A-4CA4-894E-DB77E160355E",
        "{6fa459ea-ee8a-4ca4-894e-db77e160355e}",
        "urn:uuid:6fa459ea-ee8a-4ca4-894e-db77e160355e",
        "6fa459eaee8a4ca4894edb77e160355e",
        "6fa459ea-ee8a-4ca4-894e-db77e160355e\n",
        "6fa459ea-ee8a-4ca4-894e-db77e160355",
        "6fa459ea-ee8a-4ca4-894e-db77e160355é",
        "job:*",
    ],
)
def test_anything_else_is_none(text: str) -> None:
    assert not is_job_id(text)
