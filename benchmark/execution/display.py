"""What a person sees: a live line while a run works, a line when it is done, a table at the end.

On a terminal the live line is redrawn between samples only: a thread that draws would disturb the clock.
Elsewhere there are plain lines and nothing that moves.
"""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from analysis.report.words.numbers import number
from analysis.statistics.metrics import metrics
from benchmark.util.progress import Stage
from crossover.printable import printable
from crossover.records.record import Measurement, Record, StoppedBy
from crossover.terminal import say


class RunDisplay:
    """The live line of one run: its number in the sweep, its name, its stage, the samples taken."""

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = printable(title)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[stage]}", markup=False),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            auto_refresh=False,
            disable=not console.is_terminal,
        )
        self._task = TaskID(0)

    def __enter__(self) -> "RunDisplay":
        """Begin to draw."""
        self._progress.start()
        self._task = self._progress.add_task(self._title, total=1, stage=str(Stage.loading))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wipe the line."""
        self._progress.stop()

    def report(self, stage: Stage, done: int, total: int) -> None:
        """Draw the stage, and how many of its parts are done."""
        part = f"{stage} {done + 1}/{total}" if total > 1 else str(stage)
        self._progress.update(self._task, completed=done, total=total, stage=part, refresh=True)


def title(index: int, size: int, name: str) -> str:
    """A run's name with its number in the sweep."""
    return f"[{index + 1}/{size}] {name}" if size > 1 else name


def finished(console: Console, heading: str, record: Record) -> None:
    """One line for a run that has ended, and a line for each of its cautions."""
    if record.measurement is None:
        assert record.failure is not None
        say(console, f"{heading}  {record.failure.kind.words}")
        return
    figures = metrics(record)
    judged = f"  perplexity {figures['quality/perplexity']:.1f}" if "quality/perplexity" in figures else ""
    latency, rate = figures["latency/e2e_s"], figures["throughput/tok_per_s"]
    say(console, f"{heading}  {number(latency)} s  {rate:,.0f} tok/s{judged}")
    say(console, *(f"  {line}" for line in cautions(record.measurement)))


def cautions(measured: Measurement) -> list[str]:
    """A line for each fact that a reader must know before quoting the figures."""
    lines = [] if measured.fallback is None else [measured.fallback]
    if measured.watched is not None and measured.watched.is_unclean:
        lines.append(f"{measured.watched.verdict}: {measured.watched.why}")
    if measured.warmup_too_short:
        lines.append(f"the first sample was far slower: {len(measured.warmup_s)} warm-up runs are too few")
    if measured.stopped_by is StoppedBy.budget:
        share = measured.interval_share
        interval = (
            "the median has no 95% interval" if share is None else f"the median's 95% interval is {share:.0%} wide"
        )
        lines.append(f"time budget spent: {interval} after {len(measured.samples)} samples")
    return lines
