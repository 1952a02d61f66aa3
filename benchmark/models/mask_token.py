"""The mask token of a checkpoint whose config.json names none: the one that its tokenizer's files name."""

import json
from pathlib import Path
from typing import Any


def mask_of_tokenizer(folder: Path) -> int | None:
    """The number of the token that the tokenizer calls its mask; None where it names none, or one that it has not."""
    settings = _read(folder / "tokenizer_config.json")
    name = settings.get("mask_token") or _read(folder / "special_tokens_map.json").get("mask_token")
    text = name.get("content") if isinstance(name, dict) else name
    if text is None:
        return None
    whole = _read(folder / "tokenizer.json")
    words = (whole.get("model") or {}).get("vocab")
    known = words if isinstance(words, dict) else _read(folder / "vocab.json")
    added = [(each.get("content"), each.get("id")) for each in whole.get("added_tokens") or []]
    added += list(_read(folder / "added_tokens.json").items())
    added += [(each.get("content"), int(number)) for number, each in settings.get("added_tokens_decoder", {}).items()]
    number = (known | dict(added)).get(text)
    return number if isinstance(number, int) else None


def _read(file: Path) -> dict[str, Any]:
    """The file's object; an empty one where there is none. Who needs the tokenizer says what is wrong with it."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
