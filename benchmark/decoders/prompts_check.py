"""Look at the prompts of many runs before any of them is dispatched. No model is loaded for it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from benchmark.decoders.prompts import Prompt, Survey, repetitions, say_repeated, survey
from benchmark.decoders.questions import asked, holds_questions, shortage
from benchmark.models.architecture import architecture_of
from benchmark.models.checkpoint import find, read_config
from benchmark.tasks.chat import require_template
from crossover.errors import UserError
from crossover.records.run import Run
from crossover.records.settings import Weights

Group = TypeVar("Group")


def check_prompts(runs: Sequence[Run]) -> list[str]:
    """What is to be said of the runs' prompts: documents that repeat, lengths that have too few of them.

    Raises:
        UserError: when a source is no file of prompts, or suffices for none of the runs that read it.
    """
    reading = [run for run in runs if run.weights is Weights.checkpoint]  # random weights get random prompts
    asking = {source for source in {run.prompts.source for run in reading} if holds_questions(source)}
    said = _check_questions([run for run in reading if run.prompts.source in asking])
    reading = [run for run in reading if run.prompts.source not in asking]
    _refuse_ignored(reading)
    surveys = _surveys(reading)
    for source in dict.fromkeys(run.prompts.source for run in reading):
        mine = [run for run in reading if run.prompts.source == source]
        surveyed = [surveys[_what(run)] for run in mine]
        lacks = [lack for run, one in zip(mine, surveyed, strict=True) if (lack := one.shortage(_needed(run)))]
        if len(lacks) == len(mine):
            raise UserError(f"prompts.source={lacks[0]}")
        said += [each.repeated for each in surveyed if each.repeated][:1]
        said += [f"prompts.source={lack}" for lack in lacks[:1]]
    return said


def _check_questions(runs: Sequence[Run]) -> list[str]:
    """The same of runs whose prompts have answers."""
    said: list[str] = []
    for source, of_source in _by(runs, lambda run: replace(run.prompts, count=0)).items():
        lacks: dict[str, str | None] = {}
        repeated: list[str] = []
        for checkpoint, of_model in _by(of_source, lambda run: (run.model.checkpoint, run.model.revision)).items():
            questions = _asked(of_model, find(*checkpoint))
            pairs = repetitions((f"prompt {each.name!r}", each.digest) for each in questions)
            repeated = [say for say in [say_repeated(source.source, pairs, f"{len(questions)} prompts")] if say]
            lacks |= {
                run.key: shortage(source, questions, prompt_tokens=run.prompt_tokens, count=_needed(run))
                for run in of_model
            }
        told = [f"prompts.source={lack}" for lack in lacks.values() if lack]
        if len(told) == len(lacks):
            raise UserError(told[0])
        said += [*told[:1], *repeated]
    return said


def _asked(runs: Sequence[Run], folder: Path) -> list[Prompt]:
    """The prompts that runs of one model and one source read."""
    from benchmark.models.loading import load_tokenizer  # torch and transformers, which texts do without

    for run in runs:
        if run.likelihood is not None:
            raise UserError(
                f"likelihood=on scores what follows a prompt in its document, and prompts.source={run.prompts.source}"
                " holds prompts with answers: give likelihood=none"
            )
        if run.prompts.chat:
            require_template(folder, run.model.checkpoint)
    vocabulary = architecture_of(read_config(folder), runs[0].model.family, str(folder)).vocabulary
    return asked(runs[0].prompts, load_tokenizer(folder), max(map(_needed, runs)), vocabulary)


def _refuse_ignored(runs: Sequence[Run]) -> None:
    """What is for prompts with answers would change nothing for texts."""
    for prompts in dict.fromkeys(run.prompts for run in runs):
        for name, value in (("chat", prompts.chat), ("shots", prompts.shots), ("rule", prompts.rule)):
            if value:
                shown = str(value).lower() if isinstance(value, bool) else value
                raise UserError(
                    f"prompts.{name}={shown} is for prompts with answers, and prompts.source={prompts.source} holds"
                    f' texts: leave it out, or give {{"prompt": ..., "answer": ...}}'
                )


def _by(runs: Sequence[Run], read: Callable[[Run], Group]) -> dict[Group, list[Run]]:
    groups: dict[Group, list[Run]] = {}
    for run in runs:
        groups.setdefault(read(run), []).append(run)
    return groups


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
