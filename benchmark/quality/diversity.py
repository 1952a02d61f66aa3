"""Diversity of one output's tokens. It is read beside perplexity, since repetition lowers perplexity."""

import math
from collections import Counter
from collections.abc import Sequence


def entropy_nats(tokens: Sequence[int]) -> float:
    """Shannon entropy of the token frequencies within one output; at most log(len(tokens))."""
    counts = Counter(tokens).values()
    return -sum(count / len(tokens) * math.log(count / len(tokens)) for count in counts) + 0.0


def distinct(tokens: Sequence[int], size: int) -> float | None:
    """Share of the n-grams of `size` that are distinct [Li et al., arXiv 1510.03055]; None without any."""
    grams = [tuple(tokens[start : start + size]) for start in range(len(tokens) - size + 1)]
    return len(set(grams)) / len(grams) if grams else None


def repetition(tokens: Sequence[int], size: int) -> float | None:
    """Share of the n-grams that repeat an earlier one, seq-rep-n [Welleck et al., arXiv 1908.04319]."""
    share = distinct(tokens, size)
    return None if share is None else 1 - share
