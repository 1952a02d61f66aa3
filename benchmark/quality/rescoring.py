"""Score the texts of a record again. Of two scorers, one that fails costs its own figures alone."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from benchmark.quality.backfill import complete
from benchmark.quality.human import human_scores, human_texts, judge_human
from benchmark.quality.score import Scorers, failure_of, rescore, without_failure_of
from benchmark.util.progress import Report
from crossover.errors import UserError
from crossover.records.record import Record
from crossover.records.run import Run

T = TypeVar("T")


@dataclass
class Attempt:
    """Does something with each scorer. `tell` hears of each of several that failed."""

    tell: Callable[[str], None]
    has_failed: bool = field(default=False, init=False)

    def each(self, names: Iterable[str], start: T, action: Callable[[T, str], T]) -> T:
        """`start` after the action with each scorer, without what failed.

        Raises:
            UserError: when every one of several failed.
            Exception: whatever it was, when there is one scorer.
        """
        names, failures = list(names), []
        for name in names:
            try:
                start = action(start, name)
            except Exception as error:  # whatever it is, the other scorer may still have its figures
                if len(names) == 1:
                    raise
                failures.append(failure_of(name, error))
        if failures and len(failures) == len(names):
            raise UserError("; ".join(failures))
        for failure in failures:
            self.tell(f"{failure}; the {failure.split()[1]}'s figures stay as they are")
        self.has_failed = self.has_failed or bool(failures)
        return start


def rescored(source: Record, run: Run, scorers: Scorers, report: Report) -> Record:
    """The record of `run`, which is that of `source` with other scorers.

    Raises:
        UserError: when a figure is not a number.
    """
    assert source.measurement is not None
    measured = source.measurement
    scores = rescore(complete(measured, run.output_tokens), measured.generated, scorers, report)
    human, failure = measured.human, measured.quality_failure
    if scorers.judge is not None:
        human = judge_human(human_scores(measured), human_texts(measured.generated), scorers.judge, run.judge)
        failure = without_failure_of("judge", failure)
    if scorers.encoder is not None:
        failure = without_failure_of("encoder", failure)
    record = replace(
        source,
        key=run.key,
        run=run,
        measurement=replace(measured, scores=scores, human=human, quality_failure=failure),
    )
    try:
        record.to_json()
    except ValueError as error:
        raise UserError(f"{source.name}: {error}: give another judge or encoder") from error
    return record
