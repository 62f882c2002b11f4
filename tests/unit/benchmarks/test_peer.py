from pathlib import Path

import pytest

from benchmarks.peers.peer import Peer, compared
from benchmarks.rows import Row


def test_a_peer_stands_beside_our_row_of_the_same_name() -> None:
    ours = [Row("drain: 2 workers", 4000.0, "jobs/s")]
    row = compared(Row("rq==3: drain: 2 workers", 100.0, "jobs/s"), ours)
    assert row.cells[2] == "0.025 times ours (4,000 jobs/s)"


def test_what_only_a_peer_has_stands_alone() -> None:
    assert compared(Row("rq==3: kill: tree, processes left", 3.0, "of 4"), []).cells[2] == ""


def test_a_peer_that_cannot_be_installed_is_skipped_with_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    peer = Peer("rq", "no requirement", tmp_path)
    assert list(peer.measure(1)) == []
    assert "rq is skipped: no requirement cannot be installed" in capsys.readouterr().err
