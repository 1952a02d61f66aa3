"""What a run does not depend on: where its record goes, and how its sweep is run."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from crossover.errors import UserError


class Rerun(StrEnum):
    """What is run although it has a record: nothing, what has not been measured, everything."""

    none = "none"
    failed = "failed"
    all = "all"


class Strictness(StrEnum):
    """What becomes of a run that the machine disturbed: it is marked, is a failure, or is measured again."""

    off = "false"
    on = "true"
    retry = "retry"


class Tokenizers(StrEnum):
    """Whether both models of a pair have the same vocabulary, or each its own."""

    shared = "shared"
    own = "own"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run does not depend on: where its record goes, and how its sweep is run."""

    output_dir: Path
    tracking_uri: str | None
    experiment: str
    sweep: str
    remote: bool
    dry_run: bool = False
    gpu: str | None = None
    rerun: Rerun = Rerun.none
    skip_dominated: bool = False
    pack: int = 1
    detach: bool = False
    replicates: int = 1
    strict: Strictness = Strictness.off
    retries: int = 0
    gpus: tuple[str, ...] | None = None
    shares_tokenizer: bool = False


def require_folder(output_dir: str) -> str:
    """The name of the output folder as given, before anybody makes a folder of it.

    Raises:
        UserError: when it is empty, or begins with a ~ that the shell has left.
    """
    if not output_dir.strip():
        raise UserError("output_dir= has no value: give a folder, such as output_dir=outputs")
    if output_dir.startswith("~"):
        raise UserError(
            f"output_dir={output_dir} is not allowed, since ~ stands for a folder in a shell alone:"
            ' write the folder out, or output_dir="$HOME/..."'
        )
    return output_dir
