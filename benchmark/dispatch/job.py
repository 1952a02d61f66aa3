"""A job on its node, or a process of its own on this machine: `python -m benchmark.dispatch.job BATCH [TASK]`.

The batch holds the points of each task; a task of a SLURM array knows its number.
"""

import argparse
import os
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from benchmark.dispatch.batches import PointBatch, read_batch
from benchmark.dispatch.claims import Owner, this_process
from benchmark.dispatch.context import SweepContext, sweep_context
from benchmark.dispatch.ledger import Sweep, read_sweep
from benchmark.dispatch.processes import lives
from benchmark.dispatch.worker import run_points
from benchmark.slurm.signals import Stopped, told_to_stop
from crossover.errors import LostDeviceError, UserError
from crossover.interrupt import INTERRUPTED
from crossover.records.record import FailureKind, Record
from crossover.terminal import end_with, make_console, say

KILL_S = 60.0
"""Time for SLURM to end a job that is to be started again."""


def main(arguments: list[str]) -> int:
    """Run the points of a task. Returns 0 when each was measured, is a result, or is measured by another process."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmark.dispatch.job", description="What a sweep starts; not by hand."
    )
    parser.add_argument("batch", type=Path, help="the file in the sweep's ledger that says which points are whose")
    parser.add_argument("task", type=int, nargs="?", default=os.environ.get("SLURM_ARRAY_TASK_ID"))
    options = parser.parse_args(arguments)
    if options.task is None:
        parser.error("which task is neither given nor in SLURM_ARRAY_TASK_ID")
    try:
        batch = read_batch(options.batch)
        sweep = sweep_of(options.batch)
    except UserError as error:
        end_with(str(error))
    with told_to_stop():
        try:
            records = run_task(sweep, batch, options.task)
        except Stopped as stop:
            if stop.kind is FailureKind.preempted and batch.slurm:
                _start_again()
            return INTERRUPTED
        except KeyboardInterrupt:
            return INTERRUPTED
        except LostDeviceError as error:
            say(make_console(stderr=True), str(error))
            return 1
    return int(any(record is not None and _failed(record) for record in records))


def sweep_of(file: Path) -> Sweep:
    """The sweep whose batch is in `file`.

    Raises:
        UserError: when its ledger cannot be read.
    """
    return read_sweep(file.parents[2], file.parent.name)


def run_task(sweep: Sweep, batch: PointBatch, task: int) -> list[Record | None]:
    """Run the points of a task of a batch. Returns the record of each; None where another process is at it.

    Raises:
        KeyboardInterrupt: when the process was told to stop.
    """
    owner = _owner(sweep.id) if batch.slurm else this_process(sweep.id)
    context = sweep_context(sweep, make_console())
    is_wanted = partial(is_left, context, batch) if batch.shared else lambda _: True
    return run_points(context, batch.tasks[task], owner, is_wanted)


def is_left(context: SweepContext, batch: PointBatch, index: int) -> bool:
    """Whether a point that several processes share is left to be measured.

    A point in which one of them died has its failure, and no other process tries it. Without the driver nobody sees
    what they do, so they begin no further point.
    """
    point = context.sweep.entries[index]
    context.records.refresh({point.key})
    tried = (each for each in context.records.of({point.key}) if each.sweep == context.sweep.id)
    if any(each.replicate_key == point.replicate_key and each.started_at >= batch.at for each in tried):
        return False
    return lives(batch.driver) is not False


def _start_again() -> None:
    """Ask SLURM to queue this job again: one that was preempted and ends by itself would count as failed."""
    command = ["scontrol", "requeue", os.environ["SLURM_JOB_ID"]]
    with suppress(OSError, subprocess.TimeoutExpired):  # its record says what became of it, and a rerun measures it
        if subprocess.run(command, check=False, timeout=KILL_S).returncode == 0:
            time.sleep(KILL_S)


def _failed(record: Record) -> bool:
    return record.failure is not None and not record.failure.kind.is_result


def _owner(sweep: str) -> Owner:
    job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    return this_process(sweep, job=job, restarts=int(os.environ.get("SLURM_RESTART_COUNT", "0")))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
