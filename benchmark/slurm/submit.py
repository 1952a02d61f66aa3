"""Submit arrays of SLURM jobs by submitit's executor. The jobs read their points from a ledger.

Stock submitit pickles a function for each job after it has the array's id; here everything is on disk before.
"""

import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

from submitit.core.utils import FailedJobError
from submitit.slurm.slurm import SlurmExecutor

from benchmark.slurm.client import SETUP_FAILED
from crossover.errors import UserError

CHECK = (
    "crossover_check() { if [ $1 -ne 0 ]; then"
    f' echo "hydra.launcher.setup: this line failed with status $1: $2" >&2; exit {SETUP_FAILED}; fi; }}'
)
CPUS = 'export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-1}"'
"""Since SLURM 22.05 a step has one CPU unless an option says otherwise."""


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
            UserError: with SLURM's own message, when it refuses.
        """
        self.parameters["map_count"] = tasks
        command = f"{shlex.quote(sys.executable)} -u -m benchmark.dispatch.job {shlex.quote(str(file))}"
        try:
            with redirect_stderr(StringIO()):  # submitit prints what it also raises
                return str(self._submit_command(command).job_id)
        except FailedJobError as error:
            raise UserError(
                f"SLURM refused the jobs: {_words(error)}; hydra.launcher says what they ask for"
            ) from error


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
