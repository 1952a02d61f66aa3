"""What a run does not depend on: where its record goes, and how its sweep is run."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Rerun(StrEnum):
    """What is run although it has a record: nothing, what has not been measured, everything."""

    none = "none"
    failed = "failed"
    all = "all"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run does not depend on: where its record goes, and its place in a sweep."""

    output_dir: Path
    tracking_uri: str | None
    experiment: str
    sweep: str
    index: int
    remote: bool
    dry_run: bool = False
    gpu: str | None = None
    rerun: Rerun = Rerun.none
    skip_dominated: bool = False
    pack: int = 1
    detach: bool = False
