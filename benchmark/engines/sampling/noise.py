"""Random numbers that belong to a token's position, not to the order of drawing.

Each number is a hash of (row's stream, step, position, vocabulary index): the same on every device,
in every batch, and for any subset of positions. So a row gives the tokens that it gives alone, and
computing logits only where a token can be written changes nothing. The hash is SplitMix64 (Steele,
Lea, Flood: Fast splittable pseudorandom number generators, 2014), whose every output passes BigCrush.

Dimensions: B rows, M positions, V vocabulary.
"""

import torch
from torch import Tensor


def _signed(word: int) -> int:
    return word - (1 << 64) if word >= 1 << 63 else word


GOLDEN = _signed(0x9E3779B97F4A7C15)
MULTIPLIER_1 = _signed(0xBF58476D1CE4E5B9)
MULTIPLIER_2 = _signed(0x94D049BB133111EB)


def cells(streams_B: Tensor, step: int | Tensor, positions_BM: Tensor) -> Tensor:
    """One 64-bit state for each position [B, M] at this step, which may be one for each row, [B, 1]."""
    rows_B1 = _mix(streams_B[:, None] * GOLDEN + step)
    return _mix(rows_B1 + positions_BM * GOLDEN)


def uniform(cells_BM: Tensor) -> Tensor:
    """One number in (0, 1) for each position, float64 [B, M]."""
    return _unit(_mix(cells_BM))


def gumbel(cells_BM: Tensor, vocabulary: int) -> Tensor:
    """Standard Gumbel noise for each position and vocabulary entry, float64 [B, M, V].

    In float64 because float32 caps the noise and distorts the sampling [arXiv 2409.02908].
    """
    index_V = torch.arange(1, vocabulary + 1, device=cells_BM.device) * GOLDEN
    return _unit(_mix(cells_BM[..., None] + index_V)).log_().neg_().log_().neg_()


def _mix(state: Tensor) -> Tensor:
    state = _fold(state, 30).mul_(MULTIPLIER_1)
    state = _fold(state, 27).mul_(MULTIPLIER_2)
    return _fold(state, 31)


def _fold(word: Tensor, bits: int) -> Tensor:
    return _shift_right(word, bits).bitwise_xor_(word)


def _shift_right(word: Tensor, bits: int) -> Tensor:
    return (word >> bits).bitwise_and_((1 << (64 - bits)) - 1)  # int64 shifts copy the sign; the mask clears it


def _unit(word: Tensor) -> Tensor:
    # 52 bits: a half added to 53 of them would round the largest up to 1, whose Gumbel noise is infinite
    return _shift_right(word, 12).to(torch.float64).add_(0.5).mul_(2.0**-52)
