"""Prompts as an instruct model's chat template writes them, and as base models read them, with examples before them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crossover.errors import UserError, first_line

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BETWEEN = " "
"""Between a prompt and its answer, where the prompt does not end with white space."""
BEHIND = "\n\n"
"""Behind an example."""


@dataclass(frozen=True, kw_only=True)
class Shot:
    """An example: a prompt with the answer that is right."""

    prompt: str
    answer: str


def plain_prompt(prompt: str, shots: Sequence[Shot]) -> str:
    """The examples one after another, then the prompt."""
    return "".join(f"{_with_answer(shot)}{BEHIND}" for shot in shots) + prompt


def chat_prompt(prompt: str, shots: Sequence[Shot], tokenizer: "PreTrainedTokenizerBase") -> str:
    """A conversation in which the examples were answered, up to where the answer to the prompt begins.

    Raises:
        UserError: when the template cannot write it.
    """
    turns = [{"role": "user", "content": prompt}]
    for shot in reversed(shots):
        turns[:0] = [{"role": "user", "content": shot.prompt}, {"role": "assistant", "content": shot.answer}]
    try:
        return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
    except Exception as error:  # a template is a program of the checkpoint's and may raise anything
        raise UserError(f"prompts.chat=true: the checkpoint's chat template fails ({first_line(error)})") from error


def require_template(folder: Path, checkpoint: str) -> None:
    """Make sure that a checkpoint's tokenizer has a chat template, without loading it.

    Raises:
        UserError: when it has none.
    """
    if not template_of(folder):
        raise UserError(
            f"prompts.chat=true: checkpoint {checkpoint} has no chat template in chat_template.jinja or"
            " tokenizer_config.json: leave prompts.chat out, or give an instruct model"
        )


def template_of(folder: Path) -> str | None:
    """The chat template of a checkpoint's tokenizer; None where it has none."""
    try:
        if (file := folder / "chat_template.jinja").is_file():
            return file.read_text(encoding="utf-8")
        settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None
    template = settings.get("chat_template") if isinstance(settings, dict) else None
    return None if not template else template if isinstance(template, str) else json.dumps(template)


def _with_answer(shot: Shot) -> str:
    between = "" if shot.prompt[-1:].isspace() or shot.answer[:1].isspace() else BETWEEN
    return f"{shot.prompt}{between}{shot.answer}"
