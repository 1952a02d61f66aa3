"""Tasks that are submitted as SLURM takes them: a cluster bounds the size of an array, and the jobs a user may have."""

import time
from collections.abc import Callable, Sequence

from benchmark.slurm.submit import TooManyJobsError

AGAIN_S = 60.0
"""How long to wait before trying again when none of our own jobs has ended: another job of this user may have."""


class Submission:
    """The tasks of a sweep that are still to be submitted, each a list of its points' indices.

    `submit` submits some of them as one array; it raises `TooManyJobsError` when SLURM does not take so many.
    """

    def __init__(
        self,
        tasks: Sequence[list[int]],
        largest: int,
        submit: Callable[[list[list[int]]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._left = list(tasks)
        self._largest = largest
        self._submit = submit
        self._clock = clock
        self._tried = clock()
        self._over = 0
        self.refusal = ""
        """SLURM's words when it took no more."""

    @property
    def left(self) -> int:
        """The number of tasks that are still to be submitted."""
        return len(self._left)

    def begin(self) -> None:
        """Submit what SLURM takes now.

        Raises:
            UserError: when it refuses for another reason than the number of jobs.
        """
        self._submit_up_to(self._largest)

    def go_on(self, over: int) -> None:
        """Submit more once jobs have ended, of which `over` have so far.

        Raises:
            UserError: when SLURM refuses for another reason than the number of jobs.
        """
        ended = over - self._over
        if self._left and (ended > 0 or self._clock() - self._tried >= AGAIN_S):
            self._over = over
            self._submit_up_to(max(1, ended))

    def drop(self) -> int:
        """Submit no more. Returns the number of tasks that were left."""
        left = len(self._left)
        self._left.clear()
        return left

    def _submit_up_to(self, size: int) -> None:
        """Submit arrays of at most `size` tasks, each half as large after a refusal, until one task is refused."""
        size = min(size, self._largest)
        self._tried = self._clock()
        while self._left and size:
            tasks = self._left[:size]
            try:
                self._submit(tasks)
            except TooManyJobsError as error:
                self.refusal = str(error)
                size = len(tasks) // 2
            else:
                del self._left[: len(tasks)]
