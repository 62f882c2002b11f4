"""Requests counted in shared memory: by bounded labels only, over all processes, whatever becomes of one."""

import os
import signal
from itertools import product
from typing import Any

from jobworker.api.traffic import MAX_PATHS, METHODS, OTHER, STATUSES, UNMATCHED, Traffic, TrafficRow

PATHS = ("/jobs", "/jobs/{job_id}")


def row_of(traffic: Traffic, number: int = 0) -> TrafficRow:
    row = traffic.row(number)
    row.name_paths(PATHS)
    return row


def counts(traffic: Traffic) -> dict[tuple[str, str], dict[str, int]]:
    return {(one.path, one.method): one.statuses for one in traffic.asked(PATHS)}


def test_answers_are_counted_by_path_method_and_status() -> None:
    traffic = Traffic()
    row = row_of(traffic)
    for status in ("202", "202", "429"):
        row.answered("/jobs", "POST", status, 0.003, 0.0)
    row.answered("/jobs/{job_id}", "GET", "200", 0.5, 0.0)
    assert counts(traffic) == {
        ("/jobs", "POST"): {"202": 2, "429": 1},
        ("/jobs/{job_id}", "GET"): {"200": 1},
    }


def test_times_go_into_the_bucket_whose_bound_they_do_not_exceed() -> None:
    traffic = Traffic()
    row = row_of(traffic)
    for seconds in (0.0, 0.001, 0.0011, 60.0, 61.0):
        row.answered("/jobs", "POST", "202", seconds, 2.0)
    [asked] = traffic.asked(PATHS)
    assert asked.latency.counts == [2, 1, *[0] * 12, 1, 1]
    assert asked.latency.sum_seconds == 121.0021
    assert (traffic.waited().count, traffic.waited().sum_seconds) == (5, 10.0)


def test_what_a_client_makes_up_has_no_label_of_its_own() -> None:
    traffic = Traffic()
    row = row_of(traffic)
    for path, method, status in product((None, "/wp-admin", 'a"\n'), ("BREW", "get", ""), ("999", "", "-1")):
        row.answered(path, method, status, 1e9, -1.0)
    assert counts(traffic) == {(UNMATCHED, OTHER): {OTHER: 27}}


def test_every_cell_is_its_own() -> None:
    traffic = Traffic(2)
    paths = tuple(map(str, range(MAX_PATHS)))
    for number in (0, 1):
        row = traffic.row(number)
        row.name_paths(paths)
        for path, method, status in product(paths, METHODS, STATUSES):
            row.answered(path, method, status, 61.0, 0.0)
    found = list(traffic.asked(paths))
    assert len(found) == MAX_PATHS * len(METHODS)
    assert all(one.statuses == dict.fromkeys(STATUSES, 2) for one in found)
    assert all(one.latency.counts[-1] == one.latency.count == 2 * len(STATUSES) for one in found)
    assert traffic.in_progress() == 0


def test_a_process_that_is_killed_takes_no_count_along_and_its_successor_goes_on() -> None:
    traffic = Traffic(2)
    row_of(traffic, 1).answered("/jobs", "POST", "202", 0.1, 0.0)
    pid = os.fork()
    if pid == 0:
        die_while_serving(row_of(traffic, 0))
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
    assert counts(traffic) == {("/jobs", "POST"): {"202": 2}}
    assert traffic.in_progress() == 1
    successor = row_of(traffic, 0)
    serve = successor.around(lambda _environ, _start: traffic.in_progress())
    assert (traffic.in_progress(), serve({}, print), traffic.in_progress()) == (0, 1, 0)
    successor.answered("/jobs", "POST", "202", 0.1, 0.0)
    assert counts(traffic) == {("/jobs", "POST"): {"202": 3}}


def die_while_serving(row: TrafficRow) -> None:
    def serve(_environ: dict[str, Any], _start_response: object) -> None:
        row.answered("/jobs", "POST", "202", 0.1, 0.0)
        os.kill(os.getpid(), signal.SIGKILL)

    row.around(serve)({}, print)
