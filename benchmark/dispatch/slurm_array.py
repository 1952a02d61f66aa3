"""Hand points of a sweep to SLURM, and wait for them."""

from collections.abc import Callable, Collection, Sequence
from functools import partial

from benchmark.dispatch.batches import add_tasks, note_job_id, packed
from benchmark.dispatch.context import SweepContext
from benchmark.dispatch.ledger import Sweep
from benchmark.dispatch.point_status import JobStatus, PointStatus
from benchmark.dispatch.submission import Submission
from benchmark.dispatch.wait import JobWaiter
from benchmark.slurm.client import SchedulerDownError, Slurm, is_here
from benchmark.slurm.submit import ArrayExecutor, TooManyJobsError
from crossover.errors import UserError


class SlurmArray:
    """Hands points to SLURM and waits for them."""

    def __init__(self, context: SweepContext, after_look: Callable[[], None] = lambda: None) -> None:
        self._context = context
        self._sweep = context.sweep
        self._slurm = Slurm()
        self._waiter = JobWaiter(context, self._slurm, after_look)
        self._jobs: list[str] = []
        self._submission = Submission([], 1, lambda _: None)
        self._submitted = 0
        self._pack = 1

    def submit(self, indices: Sequence[int], parameters: dict[str, object], *, pack: int) -> None:
        """Submit the points as arrays no larger than the cluster's limits, and say how to cancel them.

        Raises:
            UserError: when SLURM is not here, or refuses all of them.
        """
        self._pack = pack
        tasks = packed(self._sweep, indices, pack)
        executor = _executor(self._sweep, parameters)
        self._submission = Submission(tasks, self._largest(), partial(self._submit, executor))
        try:
            self._submission.begin()
        except UserError as error:
            if not self._jobs:
                raise
            self._give_up(error)
        if not self._jobs:
            raise UserError(
                f"{self._refusal()}: give the command again when others of yours have ended, or with pack=, which puts"
                " several points into a job"
            )

    def wait(self, indices: Sequence[int]) -> None:
        """Submit what is left as jobs end, and wait until all jobs are over; Ctrl-C cancels them.

        Raises:
            KeyboardInterrupt: after that.
        """
        if self._submission.left:
            self._context.say(
                f"{self._refusal()}: the rest ({self._submission.left}) is submitted as jobs end, while this command"
                f" runs; {self._fewer_jobs()} needs fewer jobs"
            )
        try:
            self._waiter.wait(indices, self._submit_more)
        except KeyboardInterrupt:
            self._submission.drop()
            self._cancel(indices)
            raise

    def leave(self) -> None:
        """Do not wait: say what nobody will submit."""
        if self._submission.left:
            fewer, left = self._fewer_jobs(), self._submission.drop()
            self._context.say(
                f"{self._refusal()}: {left} jobs were not submitted; give the command again when others have ended,"
                f" or with {fewer}"
            )

    def _submit(self, executor: ArrayExecutor, tasks: list[list[int]]) -> None:
        file = add_tasks(self._sweep, tasks, slurm=True)
        try:
            job = executor.submit_batch(file, len(tasks))
        except (TooManyJobsError, UserError):
            file.unlink()
            raise
        note_job_id(file, job)
        self._jobs.append(job)
        self._submitted += len(tasks)
        jobs = f"{len(tasks)} jobs" if len(tasks) > 1 else "1 job"
        self._context.say(f"submitted {jobs} as SLURM array {job}; to cancel: scancel {job}")

    def _submit_more(self, statuses: Collection[PointStatus]) -> int:
        """Submit more as jobs end, while SLURM answers. Returns the number of jobs that are still to be submitted."""
        if not any(each.job_status is JobStatus.unknown for each in statuses):
            try:
                self._submission.go_on(sum(not each.is_live for each in statuses))
            except UserError as error:
                self._give_up(error)
        return self._submission.left

    def _give_up(self, error: UserError) -> None:
        left = self._submission.drop()
        self._context.say(f"{error}; {left} jobs were not submitted: give the command again when others have ended")

    def _refusal(self) -> str:
        return f"SLURM takes no more jobs now ({self._submission.refusal})"

    def _fewer_jobs(self) -> str:
        """The setting with which as many jobs as were submitted would have been enough."""
        points = self._pack * (self._submission.left + self._submitted)
        pack = -(-points // self._submitted)
        return f"pack={pack} (points of a model in one job)"

    def _largest(self) -> int:
        try:
            return self._slurm.largest_array()
        except SchedulerDownError as error:
            raise UserError(f"SLURM does not answer ({error}): try again when it does") from error

    def _cancel(self, indices: Sequence[int]) -> None:
        """Cancel those jobs that the scheduler knows as this sweep's: an id alone might be another's by now."""
        try:
            ours = [job for job in self._jobs if self._slurm.is_of(job, self._sweep.logs)]
            problem = self._slurm.cancel(ours) if ours else None
        except SchedulerDownError as error:
            ours, problem = [], str(error)
        if problem is not None:
            self._context.say(f"SLURM did not cancel the jobs ({problem}): scancel {' '.join(self._jobs)}")
            return
        self._context.say(
            f"cancelled SLURM array {', '.join(ours)}; what is measured is kept. Waiting for the last records"
            if ours
            else "the jobs are over; what is measured is kept"
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
