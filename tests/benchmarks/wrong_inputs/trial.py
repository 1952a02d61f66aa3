"""One wrong command line given to the program in this process, and how it ends."""

import contextlib
import io
import sys
import traceback
from dataclasses import dataclass

from hydra.core.global_hydra import GlobalHydra

from benchmark.cli.main import main
from crossover.outlet import USAGE_ERROR
from tests.benchmarks.wrong_inputs.generation import Wrong

QUICK = ("tracking=none", "warmup=0", "repeats=1", "prompts.count=1", "judge=none", "hardware=cpu")
"""What makes a run short that should have been refused, where the wrong words leave it free."""


LONGEST = 1000
"""Characters of a line that a person still reads to its end."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How the program ended."""

    code: object
    out: str
    err: str
    raised: str

    def faults(self, wrong: Wrong) -> list[str]:
        """What is not as it must be."""
        faults = {
            "traceback": bool(self.raised) or "Traceback" in self.err + self.out,
            f"exit code {self.code}": self.code != USAGE_ERROR,
            f"{self.err.count(chr(10))} lines": self.err.count("\n") != 1,
            "no 'error: '": not self.err.startswith("error: "),
            f"{len(self.err)} characters": len(self.err) > LONGEST,
            "does not name what was given": not any(_names(self.err, word) for word in wrong.words),
        }
        return [name for name, holds in faults.items() if holds]


def _names(err: str, word: str) -> bool:
    """Whether a complaint repeats the key of an override, its group or its value, or an option."""
    key, _, value = word.lstrip("+~").partition("=")
    parts = (part.strip("'\" ").lower() for part in (key, key.partition(".")[0], value))
    return any(part in err.lower() for part in parts if part)


def run(wrong: Wrong) -> Ended:
    """Give a command line to the program in this process."""
    words = [*(extra for extra in QUICK if extra.partition("=")[0] not in " ".join(wrong.words)), *wrong.words]
    out, err, raised, code = io.StringIO(), io.StringIO(), "", 0
    sys.argv = ["benchmark", *words]
    GlobalHydra.instance().clear()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:  # noqa: BLE001 (whatever a user would see as a traceback)
            raised = traceback.format_exc()
    return Ended(code=code, out=out.getvalue(), err=err.getvalue(), raised=raised)
