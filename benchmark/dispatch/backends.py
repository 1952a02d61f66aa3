"""Hand points of a sweep out: to this process, to processes of this machine, to SLURM."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmark.dispatch.claims import this_process
from benchmark.dispatch.ledger import Sweep, new_batch, read_batch, submitted
from benchmark.dispatch.reconcile import reconcile_process
from benchmark.dispatch.wait import JobWaiter
from benchmark.dispatch.worker import Worker
from benchmark.slurm.client import JobState, SchedulerDownError, Slurm, is_here
from benchmark.slurm.submit import ArrayExecutor
from benchmark.util.logs import tail
from crossover.errors import UserError

END_S = 60.0
"""How long a process that was told to stop may take to write its record."""


def inline(sweep: Sweep, indices: Sequence[int], console: Console) -> None:
    """Run points in this process, one after another.

    Raises:
        KeyboardInterrupt: when the person at the keyboard stopped it.
    """
    _hand_out(sweep, [[index] for index in indices], slurm=False)
    worker = Worker(sweep, this_process(sweep.id), console)
    for index in indices:
        worker.perform(index)


def isolated(sweep: Sweep, indices: Sequence[int], console: Console, *, pack: int) -> None:
    """Run points in processes of their own on this machine, `pack` in each, one process after another.

    Points behind one at which a process died are run by another.

    Raises:
        KeyboardInterrupt: when the person at the keyboard stopped it.
    """
    while indices:
        tasks = packed(sweep, indices, pack)
        file = _hand_out(sweep, tasks, slurm=False)
        indices = [index for task in range(len(tasks)) for index in _untried(sweep, file, task, console)]


def _untried(sweep: Sweep, file: Path, task: int, console: Console) -> list[int]:
    """Run the points of a task in a process; those that it did not come to, because it died at one before them."""
    log = sweep.logs / f"{file.stem}.{task}.log"
    ended = _in_a_process([sys.executable, "-u", "-m", "benchmark.dispatch.job", str(file), str(task)], log)
    if not ended:
        return []
    state = _state(ended)
    left = reconcile_process(sweep, read_batch(file), task, state, log)
    if left.recorded:
        names, how = ", ".join(sweep.entries[index].name for index in left.recorded), state.failure[1]
        why = f": {said.splitlines()[-1]} (its log: {log})" if (said := tail(log)) else ""
        console.print(f"{names}: {how}{why}", markup=False, highlight=False, soft_wrap=True)
    return left.untried


def _state(ended: int) -> JobState:
    """How a process of this machine ended, as SLURM says it of a job's."""
    here = socket.gethostname()
    return JobState(name="FAILED", exit_status=max(0, ended), signal=max(0, -ended) or None, nodes=here)


def _in_a_process(command: Sequence[str], log: Path) -> int:
    """Run a command to its end, its standard error in a log; Ctrl-C reaches it once, however it was sent."""
    with log.open("ab") as errors, subprocess.Popen(command, stderr=errors, start_new_session=True) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()  # whoever looks at the sweep next writes its record
                process.wait()
            raise
        finally:
            if not log.stat().st_size:
                log.unlink()


class SlurmArray:
    """Hands points to SLURM and waits for them."""

    def __init__(self, sweep: Sweep, console: Console, each: Callable[[], None] = lambda: None) -> None:
        self._sweep = sweep
        self._console = console
        self._slurm = Slurm()
        self._watch = JobWaiter(sweep, console, self._slurm, each)
        self._jobs: list[str] = []

    def submit(self, indices: Sequence[int], parameters: dict[str, object], *, pack: int) -> None:
        """Submit arrays, as many as the cluster's largest demands, and say how to cancel them.

        Raises:
            UserError: when SLURM is not here, or refuses the first of them.
        """
        tasks = packed(self._sweep, indices, pack)
        executor = _executor(self._sweep, parameters)
        largest = self._largest()
        for start in range(0, len(tasks), largest):
            self._submit(executor, tasks[start : start + largest])

    def wait(self, indices: Sequence[int]) -> None:
        """Wait until all jobs are over; Ctrl-C cancels them.

        Raises:
            KeyboardInterrupt: after that.
        """
        try:
            self._watch.wait(indices)
        except KeyboardInterrupt:
            self._cancel(indices)
            raise

    def _submit(self, executor: ArrayExecutor, tasks: list[list[int]]) -> None:
        file = _hand_out(self._sweep, tasks, slurm=True)
        try:
            job = executor.submit_batch(file, len(tasks))
        except UserError as error:
            file.unlink()
            if not self._jobs:
                raise
            self._say(f"{error}; {len(tasks)} jobs were not submitted: give the command again when others have ended")
            return
        submitted(file, job)
        self._jobs.append(job)
        jobs = f"{len(tasks)} jobs" if len(tasks) > 1 else "1 job"
        self._say(f"submitted {jobs} as SLURM array {job}; to cancel: scancel {job}")

    def _largest(self) -> int:
        try:
            return self._slurm.largest_array()
        except SchedulerDownError as error:
            raise UserError(f"SLURM does not answer ({error}): try again when it does") from error

    def _cancel(self, indices: Sequence[int]) -> None:
        problem = self._slurm.cancel(self._jobs)
        if problem is not None:
            self._say(f"SLURM did not cancel the jobs ({problem}): scancel {' '.join(self._jobs)}")
            return
        self._say(
            f"cancelled SLURM array {', '.join(self._jobs)}; what is measured is kept. Waiting for the last records"
        )
        self._watch.wait(indices)

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def packed(sweep: Sweep, indices: Sequence[int], pack: int) -> list[list[int]]:
    """Points in groups of at most `pack`, of one model each, in their order."""
    tasks: list[list[int]] = []
    for index in indices:
        model = sweep.entries[index].run.model
        if tasks and len(tasks[-1]) < pack and sweep.entries[tasks[-1][0]].run.model == model:
            tasks[-1].append(index)
        else:
            tasks.append([index])
    return tasks


def _executor(sweep: Sweep, parameters: dict[str, object]) -> ArrayExecutor:
    if not is_here():
        raise UserError(
            "this machine cannot submit SLURM jobs (it has no sbatch): start from the cluster's login node,"
            " or use hardware=local"
        )
    try:
        return ArrayExecutor(sweep.logs, parameters)
    except (RuntimeError, ValueError, TypeError) as error:
        raise UserError(f"hydra.launcher: {' '.join(str(error).split())}") from error


def _hand_out(sweep: Sweep, tasks: Sequence[Sequence[int]], *, slurm: bool) -> Path:
    sweep.reopen()
    return sweep.add(new_batch(tasks, datetime.now(UTC).isoformat(), slurm=slurm))
