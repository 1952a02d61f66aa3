"""Hand points of a sweep to the GPUs of this machine: a process pinned to each, which measures one point at a time.

A process runs points of one model, which it claims one by one as jobs do. So processes of this sweep and of others may
work on the same points, and each point is measured once. A GPU whose process has ended gets the next, for the task that
slot_tasks.py chooses. Where there are several GPUs the points of a task that take longest come first, so that none is
left with a long one at the end; but for a sweep that spares points by the failures of smaller ones.
"""

import os
import signal
import subprocess
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path

from benchmark.dispatch.backends import END_S, process_state
from benchmark.dispatch.batches import add_tasks, read_batch
from benchmark.dispatch.claims import Claims
from benchmark.dispatch.context import SweepContext
from benchmark.dispatch.ledger import GridPoint
from benchmark.dispatch.point_status import PointStatus
from benchmark.dispatch.reconcile import begun_by, reconcile_process, reconcile_worker
from benchmark.dispatch.resume import resume_policy, start_of
from benchmark.dispatch.slot_tasks import OpenTask, by_model, expected_seconds, longest_first, next_task
from benchmark.dispatch.wait import JobWaiter
from benchmark.hardware.slots import Slot
from benchmark.slurm.client import Slurm
from benchmark.util.child_python import python_command, safe_variables
from benchmark.util.logs import last_words
from benchmark.util.no_links import open_to_append
from crossover.records.record import Record

LOOK_S = 1.0
"""The longest time between two looks at the processes."""


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A process on a slot, the task whose points it claims, its log, and when it started by the monotonic clock."""

    process: subprocess.Popen[bytes]
    task: int
    log: Path
    started_s: float


@dataclass(kw_only=True)
class Share:
    """What a slot did: the points that its processes began, and the seconds that they took in all."""

    points: int = 0
    seconds: float = 0.0


class LocalGpus:
    """The slots of this machine, their processes, and the points of one sweep that they measure."""

    def __init__(
        self,
        context: SweepContext,
        indices: Sequence[int],
        slots: Sequence[Slot],
    ) -> None:
        self._context = context
        self._sweep = context.sweep
        self._indices = indices
        self._seconds = expected_seconds(self._sweep, indices)
        self._tasks = by_model(self._sweep, indices)
        if len(slots) > 1 and not self._sweep.skip_dominated:
            self._tasks = longest_first(self._tasks, self._seconds)
        self._slots = {slot.name: slot for slot in slots}
        self._workers: dict[str, Worker] = {}
        self._shares = {slot.name: Share() for slot in slots}
        self._started = 0
        self._claims = Claims(Path(self._sweep.output_dir))
        self._waiter = JobWaiter(context, Slurm(), longest_s=LOOK_S)
        self._before = {start_of(each) for each in self._records()}
        self._file = add_tasks(self._sweep, self._tasks, slurm=False, shared=True)

    def run(self) -> None:
        """Measure the points, and return when no process is left that could.

        Raises:
            KeyboardInterrupt: when the person at the keyboard stopped it, after the processes have ended.
        """
        names = ", ".join(self._slots)
        self._context.say(f"measuring one grid point at a time on each of: {names}")
        try:
            self._waiter.wait(self._indices, self._look, is_over=lambda: not self._workers)
        finally:
            self._stop()
            self._context.say("; ".join(starmap(share_words, self._shares.items())))

    def _look(self, _: Collection[PointStatus]) -> int:
        """See which processes have ended, and start others. No point waits to be submitted."""
        for name, worker in list(self._workers.items()):
            if (ended := worker.process.poll()) is not None:
                del self._workers[name]
                begun = self._count(name, worker)
                self._conclude(name, worker, ended, begun=begun)
        for name in list(self._slots):
            if name not in self._workers:
                self._start(name)
        return 0

    def _start(self, name: str) -> None:
        """Start a process on a free slot, if any task has a point that nobody measures or has measured."""
        task = next_task(self._open(), [worker.task for worker in self._workers.values()])
        if task is None:
            return
        log = self._sweep.logs / f"{self._file.stem}.{task}.{self._started}.log"
        self._started += 1
        command = python_command("benchmark.dispatch.job", str(self._file), str(task))
        slot = self._slots[name]
        environment = os.environ | safe_variables() | slot.variables
        with open_to_append(log) as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, start_new_session=True)
        bind(process.pid, slot.cores)
        self._workers[name] = Worker(process=process, task=task, log=log, started_s=time.monotonic())

    def _open(self) -> list[OpenTask]:
        """The tasks that have points which nobody measures or has measured."""
        entries, policy = self._sweep.entries, resume_policy(self._sweep)
        records = self._records()
        done = policy.done(records) | policy.outcomes(each for each in records if start_of(each) not in self._before)

        def is_open(point: GridPoint) -> bool:
            return point.replicate_key not in done and self._claims.holder(point.replicate_key) is None

        left = [[index for index in indices if is_open(entries[index])] for indices in self._tasks]
        return [
            OpenTask(
                task=task,
                trial=entries[indices[0]].replicate or 0,
                points=len(indices),
                seconds=sum(self._seconds[index] for index in indices),
            )
            for task, indices in enumerate(left)
            if indices
        ]

    def _records(self) -> list[Record]:
        """The records of the points."""
        keys = {self._sweep.entries[index].key for index in self._indices}
        self._context.records.refresh(keys)
        return self._context.records.of(keys)

    def _count(self, name: str, worker: Worker) -> int:
        """Add what a process did to its slot's share. Returns the number of points that it began."""
        begun = len(begun_by(self._sweep, self._tasks[worker.task], worker.process.pid))
        self._shares[name].points += begun
        self._shares[name].seconds += time.monotonic() - worker.started_s
        return begun

    def _conclude(self, name: str, worker: Worker, ended: int, *, begun: int) -> None:
        """Write the record of the point that a process died in; give up a slot whose process began no point."""
        if not ended:
            return
        indices, pid, state = self._tasks[worker.task], worker.process.pid, process_state(ended)
        recorded = reconcile_worker(self._sweep, indices, pid, state, worker.log, self._context.records)
        why = last_words(worker.log) if ended > 0 else f" (its log: {worker.log})"  # the killed have no last words
        for index in recorded:
            self._context.say(f"{self._sweep.entries[index].title}: {state.failure[1]} on {name}{why}")
        if begun or all(each.task != worker.task for each in self._open()):
            return
        self._context.say(f"{name} is left out, since its process ended before it began a grid point{why}")
        del self._slots[name]
        if not self._slots:  # the next process would end in the same way
            batch = read_batch(self._file)
            for task in range(len(self._tasks)):
                reconcile_process(self._sweep, batch, task, state, worker.log, self._context.records)

    def _stop(self) -> None:
        """Tell the processes that are left to stop, and wait until they have written their records."""
        if not self._workers:
            return
        for worker in self._workers.values():
            worker.process.send_signal(signal.SIGINT)
        for worker in self._workers.values():
            try:
                worker.process.wait(END_S)
            except subprocess.TimeoutExpired:
                worker.process.kill()  # the next program that looks at the sweep writes its record
                worker.process.wait()
        for name, worker in self._workers.items():
            self._count(name, worker)
        self._waiter.finish(self._indices)


def share_words(name: str, share: Share) -> str:
    """What a slot did, in words."""
    return f"{name}: {share.points} grid point{'' if share.points == 1 else 's'} in {share.seconds:.0f} s"


def bind(pid: int, cores: frozenset[int]) -> None:
    """Keep a process that has just begun, and so has one thread, on its cores: neighbours then have others.

    It watches its own cores for other processes, so that its neighbours do not count as a disturbance either.
    """
    if cores:
        with suppress(OSError):  # it has ended, or the system does not allow it
            os.sched_setaffinity(pid, cores)
