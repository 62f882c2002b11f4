"""What a running attempt tells of itself, as arguments."""

from jobworker.store.report import AttemptReport, LogChunk, Progress


def test_a_report_is_its_progress_and_its_chunks() -> None:
    chunks = (LogChunk(0, 1000, b"one"), LogChunk(3, 1001, b"\x00"))
    report = AttemptReport("the-id", 7, Progress(0.5, "half"), chunks)
    progress = b'{"fraction":0.5,"message":"half"}'
    assert report.arguments() == ["the-id", 7, progress, 2, 0, 1000, b"one", 3, 1001, b"\x00"]


def test_what_is_not_new_is_empty() -> None:
    assert AttemptReport("the-id", 7).arguments() == ["the-id", 7, b"", 0]


def test_no_more_than_500_characters_of_a_message_are_kept() -> None:
    _, _, progress, _ = AttemptReport("the-id", 7, Progress(None, "ä" * 501)).arguments()
    assert progress == f'{{"fraction":null,"message":"{"ä" * 500}"}}'.encode()


def test_the_size_of_a_report_covers_what_it_sends() -> None:
    report = AttemptReport("i" * 36, 2**52, Progress(0.5, "ä" * 600), (LogChunk(2**52, 2**52, b"x" * 32_768),) * 3)
    sent = sum(len(item) if isinstance(item, bytes) else len(str(item)) for item in report.arguments())
    assert sent <= report.size_bytes <= sent + 500
