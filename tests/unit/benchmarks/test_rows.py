import pytest

from benchmarks.rows import Row, exit_if_failed, markdown, show, timings


def test_a_series_is_its_median_and_the_rest_in_words() -> None:
    row = timings("kill", [3.0, 1.0, 2.0, 50.0, 2.5])
    assert (row.value, row.unit) == (2.5, "ms")
    assert row.detail == "n=5, least 1, p99 50, most 50"


def test_the_ratio_stands_beside_what_it_is_a_ratio_to() -> None:
    row = Row("drain", 4000.0, "jobs/s", "n=10", "the bare script", 8000.0, "at least 3,000")
    assert row.cells == ("drain", "4,000 jobs/s (n=10)", "0.5 times the bare script (8,000 jobs/s)", "at least 3,000")


@pytest.mark.parametrize("value", [None, 0.0, -3.0])
def test_what_never_came_or_came_early_has_no_ratio(value: float | None) -> None:
    assert Row("kill", value, "ms", against="ours", base=2.0).cells[2] == ""


def test_what_never_came_says_so() -> None:
    assert Row("kill", None, "ms", "alive after 5 s").cells[1] == "never (alive after 5 s)"


def test_what_is_only_counted_needs_no_unit() -> None:
    assert Row("soak", 5000, "", "of all kinds").cells[1] == "5,000 (of all kinds)"


def test_rows_become_a_table_of_markdown() -> None:
    table = markdown([Row("memory", 48.25, "MiB", asked="under 60 MiB")])
    assert table.splitlines() == [
        "| what | measured | ratio to what | asked |",
        "| --- | --- | --- | --- |",
        "| memory | 48.2 MiB |  | under 60 MiB |",
    ]


def test_a_row_is_printed_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    show(Row("memory", 48.25, "MiB"))
    assert capsys.readouterr().out.split() == ["memory", "48.2", "MiB"]


def test_a_failure_ends_a_measurement_with_its_reason() -> None:
    exit_if_failed([Row("memory", 48.25, "MiB")])
    with pytest.raises(SystemExit, match="grew"):
        exit_if_failed([Row("memory", 48.25, "MiB"), Row("soak", 1.0, "", failure="it grew")])
