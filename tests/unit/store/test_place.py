"""Where a job stands, by its record."""

from collections.abc import Mapping

import pytest

from jobworker.store.keys import Keys
from jobworker.store.place import Place, place_of

KEYS = Keys("p")


@pytest.mark.parametrize(
    ("job", "place"),
    [
        (
            {"status": "pending", "queue": "images", "priority": "8", "sequence": "5"},
            Place("p:{0}:ready:images", 2 * 2**44 + 5),
        ),
        ({"status": "scheduled", "run_at_ms": "7"}, Place("p:{0}:scheduled", 7)),
        (
            {"status": "running", "owner": "a", "epoch": "3", "token": "9"},
            Place("p:{0}:running:a:3", 9),
        ),
        ({"status": "failed", "ended_ms": "11"}, Place("p:{0}:ended:failed", 11)),
    ],
)
def test_each_state_has_its_index_and_its_score(job: Mapping[str, str], place: Place) -> None:
    assert place_of(KEYS, job) == place


@pytest.mark.parametrize("job", [{}, {"status": "lost"}, {"status": "failed"}, {"status": "failed", "ended_ms": "x"}])
def test_a_damaged_record_stands_nowhere(job: Mapping[str, str]) -> None:
    with pytest.raises((KeyError, ValueError)):
        place_of(KEYS, job)
