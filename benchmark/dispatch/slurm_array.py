"""Hand points of a sweep to SLURM, and wait for them."""

from collections.abc import Callable, Sequence

from benchmark.dispatch.batches import add_tasks, note_job_id, packed
from benchmark.dispatch.context import SweepContext
from benchmark.dispatch.ledger import Sweep
from benchmark.dispatch.wait import JobWaiter
from benchmark.slurm.client import SchedulerDownError, Slurm, is_here
from benchmark.slurm.submit import ArrayExecutor
from crossover.errors import UserError


class SlurmArray:
    """Hands points to SLURM and waits for them."""

    def __init__(self, context: SweepContext, after_look: Callable[[], None] = lambda: None) -> None:
        self._context = context
        self._sweep = context.sweep
        self._slurm = Slurm()
        self._waiter = JobWaiter(context, self._slurm, after_look)
        self._jobs: list[str] = []

    def submit(self, indices: Sequence[int], parameters: dict[str, object], *, pack: int) -> None:
        """Submit the points as arrays no larger than the cluster's limit, and say how to cancel them.

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
            self._waiter.wait(indices)
        except KeyboardInterrupt:
            self._cancel(indices)
            raise

    def _submit(self, executor: ArrayExecutor, tasks: list[list[int]]) -> None:
        file = add_tasks(self._sweep, tasks, slurm=True)
        try:
            job = executor.submit_batch(file, len(tasks))
        except UserError as error:
            file.unlink()
            if not self._jobs:
                raise
            self._context.say(
                f"{error}; {len(tasks)} jobs were not submitted: give the command again when others have ended"
            )
            return
        note_job_id(file, job)
        self._jobs.append(job)
        jobs = f"{len(tasks)} jobs" if len(tasks) > 1 else "1 job"
        self._context.say(f"submitted {jobs} as SLURM array {job}; to cancel: scancel {job}")

    def _largest(self) -> int:
        try:
            return self._slurm.largest_array()
        except SchedulerDownError as error:
            raise UserError(f"SLURM does not answer ({error}): try again when it does") from error

    def _cancel(self, indices: Sequence[int]) -> None:
        problem = self._slurm.cancel(self._jobs)
        if problem is not None:
            self._context.say(f"SLURM did not cancel the jobs ({problem}): scancel {' '.join(self._jobs)}")
            return
        self._context.say(
            f"cancelled SLURM array {', '.join(self._jobs)}; what is measured is kept. Waiting for the last records"
        )
        self._waiter.wait(indices)


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
