"""Whether models have the same vocabulary: the same text is the same tokens to both, whatever else they know."""

import json
from collections.abc import Iterable
from pathlib import Path

from benchmark.models.checkpoint import find, tokenizer_files
from crossover.errors import UserError
from crossover.records.settings import Model


def check_vocabularies(models: Iterable[Model]) -> None:
    """Make sure that all models split text alike. Tokens that were added, such as a mask, are not compared.

    Raises:
        UserError: naming two that do not.
    """
    first: tuple[Model, dict[str, int]] | None = None
    for model in dict.fromkeys(models):
        words = vocabulary(find(model.checkpoint, model.revision))
        if first is None:
            first = model, words
        elif words != first[1]:
            raise UserError(
                f"{first[0].name} and {model.name} have different vocabularies, and this pair needs the same one: give"
                " checkpoints of one tokenizer, or pair.tokenizer=own"
            )


def vocabulary(folder: Path) -> dict[str, int]:
    """The words of a checkpoint's tokenizer with their numbers, without those that were added to it."""
    file, *_ = tokenizer_files(folder)
    content = json.loads(file.read_text(encoding="utf-8"))
    words = content["model"]["vocab"] if file.name == "tokenizer.json" else content
    return dict(words)
