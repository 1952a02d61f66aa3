"""Cases that the published code wrote on tiny random models, and those models as plain modules."""

import json
from functools import cache
from typing import Any

from torch import nn

from tests.paths import KNOWN_ANSWERS
from tests.references.dream import plain_model

KINDS = {"tiny_random_sdar": "Qwen3", "tiny_random_dream": "Qwen2"}


def cases(folder: str, file: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((KNOWN_ANSWERS / folder / file).read_text())["generate"]
    return found


@cache
def model(folder: str) -> tuple[nn.Module, int]:
    return plain_model(folder, KINDS[folder])


BLOCK_CASES = [
    *cases("tiny_random_sdar", "cases_block_diffusion.json"),
    *cases("tiny_random_sdar", "cases_entropy_bounded.json"),
]
