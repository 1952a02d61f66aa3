"""The state of a job in SLURM's words, and what it means for a point that has no record."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from benchmark.slurm.pending import explain
from crossover.records.record import FailureKind

ALIVE = frozenset(
    [
        "PENDING",
        "RUNNING",
        "CONFIGURING",
        "COMPLETING",
        "SUSPENDED",
        "STOPPED",
        "REQUEUED",
        "REQUEUE_FED",
        "REQUEUE_HOLD",
        "RESIZING",
        "SIGNALING",
        "STAGE_OUT",
        "SPECIAL_EXIT",
        "RESV_DEL_HOLD",
        "REVOKED",
    ]
)
WAITING = frozenset(
    ["PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"]
)
UNKNOWN = "UNKNOWN"
SETUP_FAILED = 97
"""The exit status of a job whose setup line failed."""
KILLED = 9
SHELL_SIGNAL = 128
"""A shell's exit status for a program that a signal ended is this and the signal's number."""


@dataclass(frozen=True, kw_only=True)
class JobState:
    """A job as the scheduler sees it; `UNKNOWN` when it has forgotten the job, which is over then.

    Attributes:
        reason: why it waits, in SLURM's word.
        queued_at: when it was queued for the last time.
    """

    name: str = UNKNOWN
    exit_status: int | None = None
    signal: int | None = None
    nodes: str = ""
    reason: str = ""
    queued_at: datetime | None = None

    @property
    def is_over(self) -> bool:
        """Whether no process of the job runs now or will run later."""
        return self.name not in ALIVE

    @property
    def is_waiting(self) -> bool:
        """Whether it has not begun."""
        return self.name in WAITING

    def waits_for(self, now: datetime | None = None) -> str | None:
        """Why it waits, and what to do about it, once that is worth telling; `{jobs}` stands for the jobs' names."""
        if not self.is_waiting:
            return None
        waited = None if self.queued_at is None else (now or datetime.now().astimezone()) - self.queued_at
        return explain(self.reason, waited)

    @property
    def went_through(self) -> bool:
        """Whether its program ended by itself and without an error."""
        return self.name == "COMPLETED"

    @property
    def failure(self) -> tuple[FailureKind, str]:
        """Why a job that left no record ended: the kind of failure, and a message."""
        if self.name in REASONS:
            kind, words = REASONS[self.name]
            return kind, words.format(nodes=self.nodes or "a node")
        return self._by_exit()

    def _by_exit(self) -> tuple[FailureKind, str]:
        if self.exit_status == SETUP_FAILED:
            return FailureKind.error, "a line of hydra.launcher.setup failed, its log says which"
        ended_by = self.signal or ((self.exit_status or 0) - SHELL_SIGNAL)
        if ended_by == KILLED:
            return FailureKind.killed, f"the process was killed (SIGKILL) on {self.nodes or 'its node'}"
        if ended_by > 0:
            return FailureKind.killed, f"the process ended by signal {ended_by} on {self.nodes or 'its node'}"
        return FailureKind.error, f"the job ended with exit status {self.exit_status} before it wrote a record"


REASONS: Mapping[str, tuple[FailureKind, str]] = {
    "OUT_OF_MEMORY": (
        FailureKind.out_of_memory,
        "the job used more memory than it had: raise hydra.launcher.mem_gb, give rerun=failed",
    ),
    "TIMEOUT": (FailureKind.timeout, "the job's time limit was reached: raise hydra.launcher.timeout_min"),
    "DEADLINE": (FailureKind.timeout, "the job's deadline was reached"),
    "NODE_FAIL": (FailureKind.node_lost, "{nodes} was lost"),
    "BOOT_FAIL": (FailureKind.node_lost, "{nodes} did not start"),
    "PREEMPTED": (FailureKind.preempted, "preempted by another job"),
    "CANCELLED": (FailureKind.cancelled, "the job was cancelled"),
    UNKNOWN: (FailureKind.lost, "the job is gone, and the scheduler remembers nothing of it"),
}
