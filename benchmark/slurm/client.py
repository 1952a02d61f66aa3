"""The states of jobs, asked of SLURM in one question for many. An unreachable scheduler is never a job failure.

The controller knows a job for some minutes after its end (MinJobAge), the accounting for months. Where the accounting
is missing or down, only the controller is asked.
"""

import re
import shutil
import subprocess
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from pathlib import Path

from benchmark.slurm.job_state import UNKNOWN, JobState
from benchmark.util.ranges import expand

ASK_S = 30.0
FORGOTTEN = "Invalid job id"
"""What SLURM's commands say of a job that the controller does not know, or knows no more."""


class SchedulerDownError(Exception):
    """The scheduler does not answer. The state of its jobs is unknown then.

    Attributes:
        said: all that its command printed, of which the message is one line.
    """

    def __init__(self, message: str, said: str = "") -> None:
        super().__init__(message)
        self.said = said


class Slurm:
    """The cluster that this machine belongs to."""

    def states(self, jobs: Collection[str]) -> dict[str, JobState]:
        """The state of each job, named `ARRAY_TASK` or `JOB`.

        Raises:
            SchedulerDownError: when the controller cannot be asked.
        """
        if not jobs:
            return {}
        known: dict[str, JobState] = {}
        for job in sorted({job.partition("_")[0] for job in jobs}):
            known |= _from_controller(job)
        if forgotten := {job for job in jobs if job not in known}:
            known |= {job: state for job, state in _from_accounting(forgotten).items() if job in forgotten}
        return {job: known.get(job, JobState()) for job in jobs}

    def cancel(self, jobs: Iterable[str]) -> str | None:
        """Cancel jobs. Returns the scheduler's message when it did not cancel them."""
        try:
            _ask("scancel", *jobs)
        except SchedulerDownError as error:
            return str(error)
        return None

    def is_of(self, job: str, folder: Path) -> bool:
        """Whether the controller knows a job whose script or output lies in `folder`.

        Raises:
            SchedulerDownError: when the controller cannot be asked.
        """
        ours = (f" StdOut={folder}/", f" Command={folder}/")
        return any(fact in line for line in _job_lines(job) for fact in ours)

    def largest_array(self) -> int:
        """The number of tasks that one array may have."""
        match = re.search(r"MaxArraySize\s*=\s*(\d+)", _ask("scontrol", "show", "config"))
        return int(match[1]) if match else 1000


def is_here() -> bool:
    """Whether this machine can talk to SLURM."""
    return shutil.which("scontrol") is not None


def parse_job(line: str) -> dict[str, str]:
    """The facts of a line of `scontrol -o show job`."""
    return dict(re.findall(r"(?:^|\s)(\w+)=(\S*)", line))


def _from_controller(job: str) -> dict[str, JobState]:
    states: dict[str, JobState] = {}
    for line in _job_lines(job):
        facts = parse_job(line)
        state = _state(
            facts["JobState"],
            facts.get("ExitCode", ""),
            facts.get("NodeList", ""),
            facts.get("Reason", ""),
            facts.get("SubmitTime", ""),
        )
        states |= dict.fromkeys(_names(facts), state)
    return states


def _job_lines(job: str) -> list[str]:
    """The controller's lines about a job, one for each task of an array; none when it does not know the job.

    A site's wrapper or a plugin may print lines of its own before or after.

    Raises:
        SchedulerDownError: when the controller cannot be asked, or its answer is neither.
    """
    try:
        answer = _ask("scontrol", "-o", "show", "job", job)
    except SchedulerDownError as error:
        if FORGOTTEN in error.said:
            return []
        raise
    lines = [line for line in answer.splitlines() if "JobState" in parse_job(line)]
    if not lines and FORGOTTEN not in answer:
        raise SchedulerDownError(f"scontrol said nothing about job {job}", answer)
    return lines


def _names(facts: Mapping[str, str]) -> list[str]:
    """The jobs of a line: tasks of an array that have not begun share one line."""
    if "ArrayJobId" not in facts:
        return [facts["JobId"]]
    return [f"{facts['ArrayJobId']}_{task}" for task in expand(facts.get("ArrayTaskId", ""))]


def _from_accounting(jobs: Collection[str]) -> dict[str, JobState]:
    """The state in the accounting. A job that the controller has forgotten is over, whatever the accounting says."""
    ids = ",".join(sorted({job.partition("_")[0] for job in jobs}))
    try:
        answer = _ask("sacct", "-n", "-P", "-X", "-o", "JobID,State,ExitCode,NodeList", "-j", ids)
    except SchedulerDownError:
        return {}
    states: dict[str, JobState] = {}
    for row in (line.split("|") for line in answer.splitlines()):
        if len(row) == 4 and (state := _state(*row[1:])).is_over:  # noqa: PLR2004 (as many as were asked for)
            states[row[0]] = state
    return states


def _state(name: str, exit_code: str, nodes: str, reason: str = "", queued_at: str = "") -> JobState:
    match = re.match(r"(\d+):(\d+)", exit_code)
    return JobState(
        name=name.split(maxsplit=1)[0].rstrip("+") if name else UNKNOWN,
        exit_status=int(match[1]) if match else None,
        signal=int(match[2]) or None if match else None,
        nodes="" if nodes in {"(null)", "None assigned"} else nodes,
        reason=reason,
        queued_at=_moment(queued_at),
    )


def _moment(text: str) -> datetime | None:
    """A time that SLURM printed, which is this machine's local time; None for `Unknown`."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        return None


def _ask(*command: str) -> str:
    """The output of a command of SLURM.

    Raises:
        SchedulerDownError: with its message, when it fails, is not installed or takes too long.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ASK_S, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise SchedulerDownError(f"{command[0]}: {error}") from error
    if done.returncode:
        said = f"{done.stderr}\n{done.stdout}"
        raise SchedulerDownError(_complaint(said) or f"{command[0]} ended with {done.returncode}", said)
    return done.stdout


def _complaint(said: str) -> str | None:
    """The line that tells what is wrong: the first that speaks of an error, since warnings may stand before it."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return next((line for line in lines if "error" in line.lower()), lines[0] if lines else None)
