"""What the answer is of: how many runs, when, on what, at which settings."""

from collections import Counter
from collections.abc import Iterable, Sequence

from analysis.report.points import Point
from analysis.report.words.numbers import first_listed
from crossover.records.record import Record
from crossover.records.settings import Weights

MOST = 2
"""Values of one setting that are named."""


def circumstances(points: Sequence[Point]) -> tuple[str, ...]:
    """Two sentences: the runs with their days, and the machine with the settings of speed and text."""
    return (_runs(points), *_machine([point.record for point in points if not point.failed]))


def _runs(points: Sequence[Point]) -> str:
    measured = sum(not point.failed for point in points)
    kinds = Counter(point.failed for point in points if point.failed)
    told = ", ".join(f"{number:,} {kind}" for kind, number in kinds.most_common())
    failed = f", {kinds.total():,} failed ({told})" if kinds else ""
    days = sorted({point.record.started_at[:10] for point in points})
    when = f"on {days[0]}" if len(days) == 1 else f"from {days[0]} to {days[-1]}"
    runs = "run" if len(points) == 1 else "runs"
    return f"{len(points):,} {runs}, {measured:,} measured{failed}; {when} (UTC)."


def _machine(records: Sequence[Record]) -> tuple[str, ...]:
    """The device and what speed depends on; nothing without a measured run."""
    known = [record.environment for record in records if record.environment is not None]
    if not known:
        return ()
    engines = _few(f"{each.engine}" for each in known)
    random = sum(record.run.weights is Weights.random for record in records)
    weights = "random weights" if random == len(records) else "checkpoints and random weights"
    told = [
        _few(each.gpu or f"{each.cpu}, {_threads(each.cpu_threads)}" for each in known),
        f"{_few(record.run.precision.value for record in records)}, {engines}",
        f"temperature {_few(f'{record.run.temperature:g}' for record in records)}",
        *([weights] if random else []),
    ]
    return (f"{'; '.join(told)}.",)


def _threads(number: int) -> str:
    return "1 thread" if number == 1 else f"{number} threads"


def _few(values: Iterable[str]) -> str:
    """The commonest of the values."""
    return first_listed([value for value, _ in Counter(values).most_common()], MOST)
