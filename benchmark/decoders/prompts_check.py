"""Look at the prompts of many runs before any of them is dispatched. No model is loaded for it."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.decoders.prompts import Survey, survey
from benchmark.models.architecture import architecture_of
from benchmark.models.checkpoint import find, read_config
from crossover.errors import UserError
from crossover.records.run import Run
from crossover.records.settings import Weights


def check_prompts(runs: Sequence[Run]) -> list[str]:
    """What is to be said of the runs' prompts: documents that repeat, lengths that have too few of them.

    Raises:
        UserError: when a source is no file of prompts, or suffices for none of the runs that read it.
    """
    reading = [run for run in runs if run.weights is Weights.checkpoint]  # random weights get random prompts
    surveys = _surveys(reading)
    said: list[str] = []
    for source in dict.fromkeys(run.prompts.source for run in reading):
        mine = [run for run in reading if run.prompts.source == source]
        surveyed = [surveys[_what(run)] for run in mine]
        lacks = [lack for run, one in zip(mine, surveyed, strict=True) if (lack := one.shortage(_needed(run)))]
        if len(lacks) == len(mine):
            raise UserError(f"prompts.source={lacks[0]}")
        said += [each.repeated for each in surveyed if each.repeated][:1]
        said += [f"prompts.source={lack}" for lack in lacks[:1]]
    return said


def _surveys(runs: Sequence[Run]) -> dict[tuple[str, Path, int], Survey]:
    needed: dict[tuple[str, Path, int], int] = {}
    vocabularies: dict[Path, int] = {}
    for run in runs:
        source, folder, length = _what(run)
        needed[source, folder, length] = max(_needed(run), needed.get((source, folder, length), 0))
        if folder not in vocabularies:
            vocabularies[folder] = architecture_of(read_config(folder), run.model.family, str(folder)).vocabulary
    return {
        (source, folder, length): survey(source, folder, length=length, count=count, vocabulary=vocabularies[folder])
        for (source, folder, length), count in needed.items()
    }


def _what(run: Run) -> tuple[str, Path, int]:
    return run.prompts.source, find(run.model.checkpoint, run.model.revision), run.length


def _needed(run: Run) -> int:
    """The documents that a run reads: those that it decodes, and those whose likelihood is asked for."""
    return max(run.prompts.count, run.batch, 0 if run.likelihood is None else run.likelihood.documents)
