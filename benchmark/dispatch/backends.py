"""Hand points of a sweep to this process, or to processes of this machine. `slurm_array.py` hands them to SLURM."""

import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmark.dispatch.batches import add_tasks, packed, read_batch
from benchmark.dispatch.claims import this_process
from benchmark.dispatch.context import SweepContext
from benchmark.dispatch.reconcile import reconcile_process
from benchmark.dispatch.worker import run_points
from benchmark.slurm.job_state import JobState
from benchmark.util.child_python import python_command, safe_variables
from benchmark.util.logs import last_words
from benchmark.util.no_links import open_to_append
from crossover.outlet import READER_LEFT, leave

END_S = 60.0
"""How long a process that was told to stop may take to write its record."""


def inline(context: SweepContext, indices: Sequence[int]) -> None:
    """Run points in this process, one after another.

    Raises:
        KeyboardInterrupt: when the person at the keyboard stopped it.
    """
    add_tasks(context.sweep, [[index] for index in indices], slurm=False)
    run_points(context, indices, this_process(context.sweep.id))


def isolated(context: SweepContext, indices: Sequence[int], *, pack: int) -> None:
    """Run points in processes of their own on this machine, `pack` in each, one process after another.

    When a process dies at a point, another process runs the points after it.

    Raises:
        KeyboardInterrupt: when the person at the keyboard stopped it.
    """
    while indices:
        tasks = packed(context.sweep, indices, pack)
        file = add_tasks(context.sweep, tasks, slurm=False)
        indices = [index for task in range(len(tasks)) for index in _run_task(context, file, task)]


def _run_task(context: SweepContext, file: Path, task: int) -> list[int]:
    """Run the points of a task in a process. Returns the points that it died before."""
    sweep = context.sweep
    log = sweep.logs / f"{file.stem}.{task}.log"
    ended = _in_a_process(python_command("benchmark.dispatch.job", str(file), str(task)), log)
    if not ended:
        return []
    if ended == READER_LEFT:  # what it prints is read by whoever reads what this process prints
        leave()
    state = process_state(ended)
    leftover = reconcile_process(sweep, read_batch(file), task, state, log, context.records)
    if leftover.recorded:
        names, how = ", ".join(sweep.entries[index].title for index in leftover.recorded), state.failure[1]
        context.say(f"{names}: {how}{last_words(log)}")
    return leftover.untried


def process_state(ended: int) -> JobState:
    """How a process of this machine ended, as the state of a SLURM job."""
    here = socket.gethostname()
    return JobState(name="FAILED", exit_status=max(0, ended), signal=max(0, -ended) or None, nodes=here)


def _in_a_process(command: Sequence[str], log: Path) -> int:
    """Run a command to its end, with its standard error in a log. Ctrl-C reaches it once, however it was sent."""
    environment = os.environ | safe_variables()
    with (
        open_to_append(log) as errors,
        subprocess.Popen(command, stderr=errors, env=environment, start_new_session=True) as process,
    ):
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()  # the next program that looks at the sweep writes its record
                process.wait()
            raise
        finally:
            if not log.stat().st_size:
                log.unlink()
