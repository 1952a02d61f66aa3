"""The choice of tokens as a Triton kernel: it reads the logits once and writes no tensor of their size.

Each row of logits is read in parts, one program a part. A program keeps the sum of exponentials (the online
softmax of Milakov and Gimelshein, arXiv 1805.02867), the best score and its entry; a second kernel joins the
parts. Among equal scores the lower entry wins, in every block and between parts. Noise is that of sampling/noise.py,
bit for bit up to the logarithm of the device.

Dimensions: C rows of logits, V vocabulary, W parts of a row.
"""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from benchmark.engines.sampling.noise import GOLDEN, MULTIPLIER_1, MULTIPLIER_2

CHUNK_LOGITS = 1 << 28
"""Logits computed at a time: 512 MiB in bfloat16."""

BLOCK = 4096
PROGRAMS = 264
"""The number of programs that keeps a GPU's multiprocessors busy; few rows are cut into more parts."""

LARGEST_PARTS = 16

GOLDEN_STEP = tl.constexpr(GOLDEN)
FIRST_MULTIPLIER = tl.constexpr(MULTIPLIER_1)
SECOND_MULTIPLIER = tl.constexpr(MULTIPLIER_2)
LOWEST = tl.constexpr(-3.0e38)


@triton.jit
def _fold(word, bits: tl.constexpr):
    mask: tl.constexpr = (1 << (64 - bits)) - 1
    return word ^ ((word >> bits) & mask)


@triton.jit
def _gumbel(cell, entry):
    word = cell + (entry.to(tl.int64) + 1) * GOLDEN_STEP
    word = _fold(word, 30) * FIRST_MULTIPLIER
    word = _fold(word, 27) * SECOND_MULTIPLIER
    word = _fold(word, 31)
    unit = (((word >> 12) & ((1 << 52) - 1)).to(tl.float64) + 0.5) * 2.220446049250313e-16
    return -tl.log(-tl.log(unit))


@triton.jit
def _read_parts(
    logits, cells, part_maximum, part_total, part_score, part_entry, part_logit,
    vocabulary, row_stride, part_length, temperature, forbidden,
    noisy: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    part = tl.program_id(1)
    parts = tl.num_programs(1)
    start = part * part_length
    end = tl.minimum(start + part_length, vocabulary)
    cell = tl.load(cells + row)
    maximum = tl.full((), LOWEST, tl.float32)
    total = tl.full((), 0.0, tl.float32)
    score = tl.full((), float("-inf"), tl.float64 if noisy else tl.float32)
    entry = tl.full((), 0, tl.int32)
    logit = tl.full((), float("-inf"), tl.float32)
    for first in range(start, end, block):
        entries = first + tl.arange(0, block)
        inside = entries < end
        values = tl.load(logits + row * row_stride + entries, mask=inside, other=float("-inf")).to(tl.float32)
        higher = tl.maximum(maximum, tl.max(values, 0))
        total = total * tl.exp(maximum - higher) + tl.sum(tl.exp(values - higher), 0)
        maximum = higher
        allowed = tl.where(entries == forbidden, float("-inf"), values)
        if noisy:
            scores = allowed.to(tl.float64) + _gumbel(cell, entries) * tl.load(temperature)
            scores = tl.where(inside, scores, float("-inf"))
        else:
            scores = allowed
        best = tl.max(scores, 0)
        if best > score:
            score = best
            entry = tl.min(tl.where(scores == best, entries, vocabulary), 0)
            logit = tl.max(tl.where(entries == entry, allowed, float("-inf")), 0)
    out = row * parts + part
    tl.store(part_maximum + out, maximum)
    tl.store(part_total + out, total)
    tl.store(part_score + out, score)
    tl.store(part_entry + out, entry)
    tl.store(part_logit + out, logit)


@triton.jit
def _join_parts(part_maximum, part_total, part_score, part_entry, part_logit, tokens, confidence, parts: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    each = row * parts + tl.arange(0, parts)
    maxima = tl.load(part_maximum + each)
    maximum = tl.max(maxima, 0)
    total = tl.sum(tl.load(part_total + each) * tl.exp(maxima - maximum), 0)
    scores = tl.load(part_score + each)
    entries = tl.load(part_entry + each)
    entry = tl.min(tl.where(scores == tl.max(scores, 0), entries, 2147483647), 0)
    logit = tl.max(tl.where(entries == entry, tl.load(part_logit + each), float("-inf")), 0)
    tl.store(tokens + row, entry.to(tl.int64))
    tl.store(confidence + row, tl.exp(logit - maximum - tl.log(total)))


@dataclass(frozen=True)
class KernelPick:
    """See Pick. Runs on a GPU."""

    def chunk_logits(self, temperature: float) -> int:
        """See Pick; noise takes no memory here."""
        del temperature
        return CHUNK_LOGITS

    def __call__(
        self, logits_CV: Tensor, cells_C: Tensor, temperature: float, forbidden_id: int | None
    ) -> tuple[Tensor, Tensor]:
        """See Pick."""
        rows, vocabulary = logits_CV.shape
        parts = _parts(rows, vocabulary)
        part_length = triton.cdiv(triton.cdiv(vocabulary, parts), BLOCK) * BLOCK
        new = logits_CV.new_empty
        floats = [new((rows, parts), dtype=torch.float32) for _ in range(3)]
        score = new((rows, parts), dtype=torch.float64 if temperature else torch.float32)
        entry = new((rows, parts), dtype=torch.int32)
        partial = (floats[0], floats[1], score, entry, floats[2])
        tokens_C, confidence_C = new(rows, dtype=torch.int64), new(rows, dtype=torch.float32)
        _read_parts[(rows, parts)](
            *(logits_CV, cells_C.contiguous(), *partial),
            *(vocabulary, logits_CV.stride(0), part_length, new((1,), dtype=torch.float64).fill_(temperature)),
            -1 if forbidden_id is None else forbidden_id,
            noisy=temperature > 0,
            block=BLOCK,
            num_warps=8,
        )
        _join_parts[(rows,)](*partial, tokens_C, confidence_C, parts=parts, num_warps=1)
        return tokens_C, confidence_C


def _parts(rows: int, vocabulary: int) -> int:
    """A power of two: one for many rows, more for few."""
    parts = 1
    while parts < LARGEST_PARTS and rows * parts < PROGRAMS and vocabulary > BLOCK * parts:
        parts *= 2
    return parts
