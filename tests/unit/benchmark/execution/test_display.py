"""What a person is told beside a run's figures."""

import pytest
from rich.console import Console

from benchmark.execution.display import RunDisplay, cautions, finished, title
from benchmark.util.progress import Stage
from crossover.records.machine import Verdict, Watched
from crossover.records.record import Measurement, StoppedBy
from crossover.terminal import make_console
from tests.factories import EVIL_NAME, a_failed_record, a_measurement, a_record

BUSY = Watched(verdict=Verdict.disturbed, why="CPU busy with other processes in 2 of 2 samples", labelled=())
CAPPED = Watched(verdict=Verdict.clean, why="GPU at its power limit in 2 of 2 samples", labelled=())


@pytest.mark.parametrize(
    ("measured", "lines"),
    [
        (a_measurement(), []),
        (a_measurement(watched=BUSY), ["disturbed: CPU busy with other processes in 2 of 2 samples"]),
        (a_measurement(watched=CAPPED), []),
        (a_measurement(warmup_too_short=True), ["the first sample was far slower: 1 warm-up runs are too few"]),
        (a_measurement(fallback="this is engine=eager"), ["this is engine=eager"]),
        (a_measurement(stopped_by=StoppedBy.precision, interval_share=0.02), []),
        (
            a_measurement(stopped_by=StoppedBy.budget, interval_share=0.118),
            ["time budget spent: the median's 95% interval is 12% wide after 2 samples"],
        ),
        (
            a_measurement(stopped_by=StoppedBy.budget),
            ["time budget spent: the median has no 95% interval after 2 samples"],
        ),
    ],
)
def test_what_was_not_as_it_should_be_is_said(measured: Measurement, lines: list[str]) -> None:
    assert cautions(measured) == lines


def test_it_stands_below_the_runs_line() -> None:
    console = Console(record=True, width=200)
    finished(console, "a run", a_record(measurement=a_measurement(watched=BUSY)))
    first, second = console.export_text().splitlines()
    assert first.startswith("a run  ")
    assert second == "  disturbed: CPU busy with other processes in 2 of 2 samples"


def test_a_name_is_shown_as_it_is_typed(capsys: pytest.CaptureFixture[str]) -> None:
    console, record = make_console(), a_record(name=EVIL_NAME)
    heading = title(0, 2, record.name)
    finished(console, heading, record)
    finished(console, heading, a_failed_record(name=EVIL_NAME))
    with RunDisplay(Console(force_terminal=True, width=200, emoji=False), heading) as display:
        display.report(Stage.repeats, 1, 2)
    first, second, *drawn = capsys.readouterr().out.split("\n", 2)
    shown = r"[1/2] [/b] :smile: [red]small[/red]\ \x1b[2J  "
    assert first.startswith(f"{shown}3.00 s")
    assert second == f"{shown}out of memory"
    assert shown.strip() in drawn[0]
