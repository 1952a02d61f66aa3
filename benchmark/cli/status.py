"""Show the progress of sweeps: `python -m benchmark.status [OUTPUT_DIR] [--all] [--follow] [--reconcile]`.

A look writes nothing, so that it works in a folder of somebody else and on a full disk. Jobs that are gone without a
record are shown as the record would show them; with `--reconcile` the record is written.
"""

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from analysis.report.line_table import as_cell
from analysis.report.notes import failures
from benchmark.cli.messages import complaint
from benchmark.dispatch.batches import find_batches
from benchmark.dispatch.claims import Claims
from benchmark.dispatch.ledger import Sweep, SweepReader, sweeps_folder
from benchmark.dispatch.point_status import JobStatus, PointStatus, point_statuses, waiting
from benchmark.dispatch.reconcile import left_out, reconcile
from benchmark.dispatch.resume import resume_policy
from benchmark.slurm.client import Slurm
from benchmark.store.journal import Journal
from benchmark.store.record_index import RecordIndex
from crossover.command_line import Parser
from crossover.errors import UserError
from crossover.printable import printable
from crossover.records.record import Record
from crossover.terminal import ending_in_one_line, make_console

LOOK_S = 5.0
LONGEST = timedelta(days=3650)
"""The longest time for which an end is expected; where clocks were wrong, records may lie further apart."""
SHOWN = 5
"""Sweeps that are shown unless all are asked for: those under way, and the latest."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The numbers of a sweep's points by their outcome, and the time at which the last is expected.

    Attributes:
        done: measured.
        results: failures that are a result of the point, such as out of memory.
        failed: to be run again by the same command.
        untried: neither run nor handed out.
        waiting: why jobs wait, and what to do about it.
        ends_at: when the points that are under way will have ended, at the pace of those that have.
    """

    sweep: Sweep
    done: int
    results: int
    failed: tuple[Record, ...]
    running: int
    queued: int
    unknown: int
    untried: int
    ends_at: datetime | None
    waiting: tuple[str, ...] = ()

    @property
    def is_left(self) -> bool:
        """Whether points were left behind, rather than spared by a search."""
        return bool(self.untried) and not self.is_live and not self.sweep.search

    @property
    def is_live(self) -> bool:
        """Whether any point is under way."""
        return bool(self.running or self.queued or self.unknown)


def main(arguments: Sequence[str] | None = None) -> None:
    """Show sweeps, once or until nothing is under way."""
    options = _parser().parse_args(arguments)
    console = make_console()
    with ending_in_one_line(complaint):
        if not sweeps_folder(options.output_dir).is_dir():
            raise UserError(f"{options.output_dir} holds no sweeps: give the output_dir of a benchmark")
        if options.follow:
            _follow(options, console)
        else:
            survey = _survey(options)
            console.print(_table(survey.look(), survey.damaged, options, console.width))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m benchmark.status",
        description="Show sweeps: done, failed, running, queued, expected end. Writes nothing without --reconcile.",
    )
    parser.add_argument("output_dir", nargs="?", type=Path, default=Path("outputs"), help="default: outputs")
    parser.add_argument("--follow", "--watch", "-f", action="store_true", help="look again until nothing is under way")
    parser.add_argument("--all", "-a", action="store_true", help=f"also sweeps that ended before the last {SHOWN}")
    parser.add_argument("--reconcile", action="store_true", help="write the records of jobs gone without one")
    return parser


def _survey(options: argparse.Namespace) -> "Survey":
    return Survey(options.output_dir, writes=options.reconcile)


def _follow(options: argparse.Namespace, console: Console) -> None:
    survey = _survey(options)
    with Live(console=console, auto_refresh=False) as live:
        while True:
            sweeps = survey.look()
            live.update(_table(sweeps, survey.damaged, options, console.width), refresh=True)
            if not any(each.is_live for each in sweeps):
                break
            time.sleep(LOOK_S)
    if not console.is_terminal:
        console.line()  # a terminal has its last line ended by Live, and a file has not


class Survey:
    """Looks at the sweeps of an output folder, as often as asked; each ledger and each record is read once.

    One that `writes` gives jobs that are gone without a record theirs.
    """

    def __init__(self, output_dir: Path, *, writes: bool) -> None:
        self._writes = writes
        if writes:
            Journal(output_dir=output_dir).prepare()
        self._slurm = Slurm()
        self._sweeps = SweepReader(output_dir)
        self._claims = Claims(output_dir, only_looks=not writes)
        self._records = RecordIndex(Journal(output_dir=output_dir.absolute(), only_looks=not writes))
        self._damaged: list[str] = []

    @property
    def damaged(self) -> list[str]:
        """A line for each file that the last look could not read."""
        return [*self._sweeps.unreadable, *self._damaged]

    def look(self) -> list[Progress]:
        """The progress of every sweep, oldest first."""
        sweeps = self._sweeps.all()
        self._damaged = [line for sweep in sweeps if not sweep.is_closed for line in find_batches(sweep).damaged]
        return [self._progress(sweep) for sweep in sweeps]

    def _progress(self, sweep: Sweep) -> Progress:
        statuses = [] if sweep.is_closed else self._statuses(sweep)
        keys = {point.key for point in sweep.entries}
        self._records.refresh(keys)
        missing = left_out(sweep, statuses, self._records)
        records = sorted([*self._records.of(keys), *missing], key=lambda record: record.started_at)
        return progress(sweep, statuses, records)

    def _statuses(self, sweep: Sweep) -> list[PointStatus]:
        if self._writes:
            return reconcile(sweep, self._slurm, self._records)
        return point_statuses(sweep, self._slurm, self._claims)


def progress(sweep: Sweep, statuses: Sequence[PointStatus], records: Sequence[Record]) -> Progress:
    """The progress of one sweep, from the status of its points and their records, oldest first."""
    policy = resume_policy(sweep)
    records = [each for each in records if each.replicate_key in sweep.indices]
    done, latest = policy.done(records), policy.outcomes(records)
    live = {
        each.point.replicate_key: each.job_status
        for each in statuses
        if each.is_live and each.point.replicate_key not in done
    }
    failed = [record for key, record in latest.items() if key not in done and key not in live]
    measured = [record for record in done.values() if record.failure is None]
    by_status = Counter(live.values())
    return Progress(
        sweep=sweep,
        done=len(measured),
        results=len(done) - len(measured),
        failed=tuple(failed),
        running=by_status[JobStatus.running],
        queued=by_status[JobStatus.queued],
        unknown=by_status[JobStatus.unknown],
        untried=len(sweep.entries) - len(done) - len(failed) - len(live),
        waiting=tuple(waiting(each for each in statuses if each.point.replicate_key in live)),
        ends_at=expected_end(measured, len(live), by_status[JobStatus.running]),
    )


def expected_end(measured: Sequence[Record], left: int, at_once: int, now: datetime | None = None) -> datetime | None:
    """The time at which `left` points, `at_once` at a time, will have ended at the mean pace of the measured ones."""
    if not measured or not left:
        return None
    taken = [datetime.fromisoformat(each.finished_at) - datetime.fromisoformat(each.started_at) for each in measured]
    mean = sum(taken, timedelta()) / len(taken)
    rounds = -(-left // max(1, at_once))
    return (now or datetime.now(UTC)) + mean * rounds if mean < LONGEST / rounds else None


def _table(
    sweeps: Sequence[Progress], damaged: Sequence[str], options: argparse.Namespace, width: int
) -> RenderableType:
    latest = len(sweeps) - SHOWN
    shown = [each for index, each in enumerate(sweeps) if options.all or each.is_live or index >= latest]
    table = _numbers([_row(each) for each in shown])
    lines = [line for each in shown for line in failures(each.failed)]
    lines += [line for each in shown for line in each.waiting]
    notes = [Text(printable(line)[: 2 * width]) for line in lines] + [Text(printable(line)) for line in damaged]
    if any(each.failed or each.is_left for each in shown):
        notes.append(Text("The same command runs again what failed or was not tried."))
    return Group(table, *notes)


def _numbers(rows: Sequence[tuple[str | Text, ...]]) -> Table:
    """A table of the rows. Columns after the third that are empty in all of them are left out: terminals are narrow."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    kept = [index for index in range(len(HEADINGS)) if index < ALWAYS or any(row[index] for row in rows)]
    for index in kept:
        is_name = not index
        table.add_column(
            HEADINGS[index],
            justify="left" if is_name else "right",
            no_wrap=not is_name,
            overflow="fold" if is_name else "ellipsis",
            min_width=NARROWEST if is_name else len(HEADINGS[index]),
        )
    for row in rows:
        table.add_row(*(row[index] for index in kept))
    return table


ALWAYS = 3
"""The first columns, which a table always has."""
NARROWEST = 12
"""Columns of a terminal in which a sweep's name is broken into lines, where there are no more."""
HEADINGS = ("sweep", "points", "done", "results", "failed", "running", "queued", "not tried", "expected end")


def _row(each: Progress) -> tuple[str | Text, ...]:
    end = "" if each.ends_at is None else each.ends_at.astimezone().strftime("%d %b %H:%M")
    if each.unknown:
        end = "SLURM is silent"
    numbers = (each.done, each.results, len(each.failed), each.running, each.queued + each.unknown, each.untried)
    return (
        as_cell(each.sweep.id),
        str(len(each.sweep.entries)),
        *(str(number) if number else "" for number in numbers),
        end,
    )
