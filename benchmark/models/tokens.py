"""Token ids of texts. A tokenizer's settings for truncation, padding and ends of sequence have no say in them.

The rule for the beginning: what a tokenizer puts before a text (Llama 3's BOS) stays there and counts as a token; what
it puts behind a text (an end of sequence) is left out, since a prompt goes on.
"""

from collections.abc import Collection, Sequence
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.models.checkpoint import advice, tokenizer_files
from crossover.errors import UserError, first_line

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

CHARACTERS_PER_TOKEN = 8
"""More than any English tokenizer packs into a token on average."""

WORDS_BEHIND = 8
"""So many whole words must follow the tokens that are taken from the beginning of a text."""


def backend(tokenizer: "PreTrainedTokenizerBase") -> "Tokenizer":
    """The library's tokenizer under transformers' one, told to cut and fill nothing."""
    plain: Tokenizer = tokenizer.backend_tokenizer
    plain.no_truncation()
    plain.no_padding()
    return plain


def read_backend(folder: Path) -> "Tokenizer":
    """A checkpoint's tokenizer without transformers, as `backend` gives it.

    Raises:
        UserError: when its tokenizer.json is none.
    """
    from tokenizers import Tokenizer

    whole = folder / "tokenizer.json"
    if not whole.is_file() and tokenizer_files(folder):
        from benchmark.models.loading import load_tokenizer

        return backend(load_tokenizer(folder))
    try:
        plain = Tokenizer.from_file(str(whole))
    except Exception as error:  # the library raises Exception itself
        raise unreadable(folder, error) from error
    plain.no_truncation()
    plain.no_padding()
    return plain


def unreadable(folder: Path, error: Exception) -> UserError:
    """That a checkpoint's tokenizer cannot be read, and what to do."""
    return UserError(f"checkpoint {folder}: its tokenizer cannot be read ({first_line(error)}); {advice(folder)}")


def leading_ids(tokenizer: "Tokenizer") -> list[int]:
    """What the tokenizer puts before a text."""
    probe = tokenizer.encode("a")
    before = takewhile(lambda pair: pair[1], zip(probe.ids, probe.special_tokens_mask, strict=True))
    return [token for token, _ in before]


def text_ids(tokenizer: "Tokenizer", text: str) -> list[int]:
    """The tokens of a whole text, with nothing before or behind them."""
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return ids


def first_ids(tokenizer: "Tokenizer", text: str, count: int) -> list[int]:
    """The first `count` tokens of a text, what leads it among them; fewer where the text has no more.

    Only as much of the text is tokenised as shows them. A tokenizer first splits a text into words, from left to
    right, and then each word for itself. So the tokens of a cut text are those of the whole, but for its last words.
    A tokenizer that does not split into words gets the whole text.
    """
    leading = leading_ids(tokenizer)
    wanted = max(0, count - len(leading))
    size = max(1, wanted + WORDS_BEHIND) * CHARACTERS_PER_TOKEN
    while size < len(text):
        encoding = tokenizer.encode(text[:size], add_special_tokens=False)
        if _settled(encoding.word_ids, wanted):
            return (leading + encoding.ids[:wanted])[:count]
        size *= 4
    return (leading + text_ids(tokenizer, text)[:wanted])[:count]


def until_end(tokens: Sequence[int], ends: Collection[int]) -> int:
    """How many tokens stand before the first end of sequence."""
    return next((index for index, token in enumerate(tokens) if token in ends), len(tokens))


def _settled(words: list[int | None], wanted: int) -> bool:
    """Whether enough words follow the first `wanted` tokens of a cut text, by the word that each token is of."""
    if len(words) <= wanted:
        return False
    last, final = words[wanted - 1] if wanted else -1, words[-1]
    return last is not None and final is not None and final - last > WORDS_BEHIND
