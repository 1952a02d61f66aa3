"""A summary has the metrics of its record, and none of what they were computed from."""

import io
import pickle
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from analysis.report.notes import notes
from analysis.report.terminal_table import table
from analysis.statistics.metrics import metrics
from analysis.statistics.summary import figures_of, summary, with_metrics
from crossover.records.record import Measurement, Record
from tests.factories import a_failed_record, a_measurement, a_record, a_run, a_score


def shown(records: Sequence[Record]) -> str:
    console = Console(width=200, file=io.StringIO())
    with console.capture() as captured:
        console.print(table(records, width=200))
    return captured.get()


def test_a_summary_has_the_metrics_of_its_record() -> None:
    record = a_record(measurement=a_measurement(human=(a_score(),)))
    made = summary(record)
    assert figures_of(made) == figures_of(record) == metrics(record)
    assert "human/perplexity" in figures_of(made)


def test_a_whole_record_can_have_its_metrics_beside_it() -> None:
    record = a_record(measurement=a_measurement(human=(a_score(),)))
    made = with_metrics(record)
    assert made.figures == metrics(record)
    assert {name: value for name, value in vars(made).items() if name != "figures"} == vars(record)


def test_metrics_stay_where_a_summary_gets_another_label() -> None:
    made = summary(a_record())
    assert figures_of(replace(made, name="another")) == made.figures


def test_a_summary_says_all_else_that_its_record_says() -> None:
    measured = a_measurement(fallback="no kernel", quality_failure="no memory")
    record = a_record(measurement=measured)
    made = summary(record)
    bare = replace(measured, samples=measured.samples[:1], generated=(), scores=())
    assert {name: value for name, value in vars(made).items() if name != "figures"} == vars(
        replace(record, measurement=bare)
    )


def test_a_table_of_summaries_says_what_one_of_records_says() -> None:
    measured = replace(a_measurement(human=(a_score(),)), fallback="no kernel")
    records = [a_record(measurement=measured), a_failed_record(a_run(batch=1))]
    assert notes([summary(each) for each in records]) == notes(records)
    assert shown([summary(each) for each in records]) == shown(records)
    assert any("judge" in line for line in notes(records))


def test_a_failed_record_has_a_summary_without_metrics() -> None:
    made = summary(a_failed_record())
    assert made.failure == a_failed_record().failure
    assert figures_of(made) == {}


def test_a_summary_is_small_where_there_are_many_samples() -> None:
    """It goes from one process to another."""

    def size(measured: Measurement) -> int:
        return len(pickle.dumps(summary(a_record(measurement=measured))))

    many = a_measurement()
    many = replace(many, samples=many.samples * 500, scores=many.scores * 500)
    assert size(many) < 1.2 * size(a_measurement())
