"""Submit arrays of SLURM jobs by submitit's executor. The jobs read their points from a ledger.

Stock submitit pickles a function for each job after it has the array's id; here everything is on disk before.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

from submitit.core.utils import FailedJobError
from submitit.slurm.slurm import SlurmExecutor

from benchmark.slurm.client import SchedulerDownError, Slurm
from benchmark.slurm.job_state import SETUP_FAILED
from benchmark.util.child_python import shell_command
from crossover.errors import UserError

CHECK = (
    "crossover_check() { if [ $1 -ne 0 ]; then"
    f' echo "hydra.launcher.setup: this line failed with status $1: $2" >&2; exit {SETUP_FAILED}; fi; }}'
)
CPUS = 'export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-1}"'
"""Since SLURM 22.05 a step has one CPU unless an option says otherwise."""


SUBMIT_LIMIT = re.compile(
    r"\w*Submit\w*Limit|accounting/QOS policy|Invalid job array specification|temporarily unable to accept job",
    re.IGNORECASE,
)
"""What sbatch says when it would take fewer jobs, or the same jobs once others have ended."""
OTHER_LIMIT = re.compile(r"\b(?:QOS|Assoc)(?!\w*Submit)\w+Limit\b")
"""A limit on what each job asks for, which fewer jobs would exceed too."""
ANSWER = re.compile(r"^Submitted batch job (\d+)(?: on cluster \S+)?\s*$", re.MULTILINE)
PARSABLE = re.compile(r"^(\d+)(?:;\S+)?\s*$", re.MULTILINE)
"""The answer of sbatch where a site's wrapper gives it `--parsable`."""


class TooManyJobsError(Exception):
    """SLURM takes no array of this size now; it may take a smaller one. The message is SLURM's own."""


class ArrayExecutor(SlurmExecutor):
    """Submits arrays of one command."""

    def __init__(self, folder: Path, parameters: Mapping[str, Any]) -> None:
        super().__init__(folder)
        given = {name: value for name, value in parameters.items() if value is not None}
        setup = [*checked(given.pop("setup", [])), CPUS]
        converted = self._convert_parameters(given)
        self.update_parameters(**converted, setup=setup, stderr_to_stdout=True, srun_args=["--open-mode=append"])

    def submit_batch(self, file: Path, tasks: int) -> str:
        """Submit an array that runs a batch of a ledger. Returns the array's id.

        Raises:
            TooManyJobsError: when it refuses the number of jobs.
            UserError: with SLURM's own message, when it refuses for another reason, or gives no id.
        """
        self.parameters["map_count"] = tasks
        command = shell_command("benchmark.dispatch.job", str(file))
        try:
            with redirect_stderr(StringIO()):  # submitit prints what it also raises
                return str(self._submit_command(command).job_id)
        except FailedJobError as error:
            words = _words(error)
            if is_submit_limit(words):
                limit = re.search(r"\w*Submit\w*Limit", words)
                raise TooManyJobsError(limit[0] if limit else words) from error
            raise UserError(f"SLURM refused the jobs: {words}; hydra.launcher says what they ask for") from error

    def _get_job_id_from_submission_command(self, string: bytes | str) -> str:  # type: ignore[override]  # called by self
        """The id in sbatch's answer. A site's wrapper may print lines of its own that speak of other jobs."""
        said = string if isinstance(string, str) else string.decode()
        jobs = job_ids(said)
        try:
            ours = [job for job in jobs if Slurm().is_of(job, self.folder)]
        except SchedulerDownError:
            ours = jobs if len(jobs) == 1 else []
        if not ours:
            raise UserError(
                f"sbatch answered {' '.join(said.split())!r}, which names no job of this sweep: look for the jobs with"
                " squeue, cancel them, and submit with SLURM's own sbatch"
            )
        return ours[0]


def job_ids(said: str) -> list[str]:
    """The ids that sbatch's answer may name: of its own line, or else of lines that are nothing but a number."""
    return list(dict.fromkeys(ANSWER.findall(said) or PARSABLE.findall(said)))


def is_submit_limit(words: str) -> bool:
    """Whether SLURM refused the number of jobs, rather than what each asks for."""
    return SUBMIT_LIMIT.search(words) is not None and OTHER_LIMIT.search(words) is None


def checked(setup: Sequence[str]) -> list[str]:
    """The setup lines, each followed by a check of its exit status: a job whose setup failed must not go on."""
    lines = [CHECK] if setup else []
    for line in setup:
        lines += [line, f"crossover_check $? {shlex.quote(line)}"]
    return lines


def _words(error: Exception) -> str:
    """The message of sbatch, without its name before each line."""
    lines = [line.removeprefix("sbatch: ").removeprefix("error: ") for line in str(error).splitlines()]
    return "; ".join(line for line in lines if line)
