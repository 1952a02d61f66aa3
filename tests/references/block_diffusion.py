"""Block diffusion as a reader would write it first: one row, everything recomputed under the mask, plain lists."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

Logits = Callable[[list[int]], Tensor]
"""From the tokens so far, to their logits [L, V]."""


@dataclass(frozen=True, kw_only=True)
class BlockSampling:
    """`rule`: a strategy of SDAR's, `entropy_bounded` or `editing`. `kept`: count the exact cache's forward passes.

    With a `text` its tokens are written in the place of the model's own.
    """

    rule: str
    output_tokens: int
    block_length: int
    steps_per_block: int
    kept: bool
    threshold: float = 0.0
    gamma: float = 0.0
    editing_threshold: float = 1.0
    max_post_steps: int = 0
    transfers: int = 1
    text: tuple[int, ...] | None = None


@dataclass
class WrittenBlocks:
    """Tokens, the forward pass after which each was first written, positions of each pass, and what was edited.

    `nats` is the sum of -log p of the tokens when they were written, the mask token left out.
    """

    tokens: list[int] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    computed: list[int] = field(default_factory=list)
    edits: list[tuple[int, int, int]] = field(default_factory=list)
    nats: float = 0.0


def block_causal_logits(model: Any, block_length: int) -> Logits:
    """Logits of transformers' modules, where a position sees its own block and those before it."""

    @torch.no_grad()
    def logits(tokens: list[int]) -> Tensor:
        block_L = torch.arange(len(tokens)) // block_length
        hidden_LL = block_L[None] > block_L[:, None]
        mask_11LL = torch.zeros(hidden_LL.shape).masked_fill(hidden_LL, -torch.inf)[None, None]
        out_LV: Tensor = model(torch.tensor([tokens]), attention_mask=mask_11LL, use_cache=False).logits[0]
        return out_LV.clone()

    return logits


def block_diffusion(logits: Logits, prompt: list[int], mask_id: int, sampling: BlockSampling) -> WrittenBlocks:
    """The row's tokens, and how they came about."""
    block = sampling.block_length
    whole = len(prompt) // block * block
    total = -(-(len(prompt) + sampling.output_tokens) // block) * block
    canvas = prompt + [mask_id] * (total - len(prompt))
    written = WrittenBlocks(at=[0] * (total - len(prompt)))
    if sampling.kept and whole:
        written.computed.append(whole)
    for first in range(whole, total, block):
        _fill(logits, canvas, first, len(prompt), mask_id, sampling, written)
        if sampling.kept:
            written.computed.append(block)
    end = len(prompt) + sampling.output_tokens
    written.tokens, written.at = canvas[len(prompt) : end], written.at[: sampling.output_tokens]
    written.edits = [edit for edit in written.edits if edit[1] < sampling.output_tokens]
    return written


def _fill(
    logits: Logits,
    canvas: list[int],
    first: int,
    prompt: int,
    mask_id: int,
    sampling: BlockSampling,
    written: WrittenBlocks,
) -> None:
    end, forward, after = first + sampling.block_length, 0, 0
    while True:
        undecided = [place for place in range(first, end) if canvas[place] == mask_id]
        if not undecided:
            after += 1
            if sampling.rule != "editing" or after > sampling.max_post_steps:
                return
        rows_LV = logits(canvas[:end]).float()
        written.computed.append(sampling.block_length if sampling.kept else end)
        chances = rows_LV.softmax(dim=-1)
        rows_LV[:, mask_id] = -torch.inf
        tokens: list[int] = rows_LV.argmax(dim=-1).tolist()
        confidence = {place: float(chances[place, tokens[place]]) for place in range(first, end)}
        chosen = _chosen(undecided, confidence, rows_LV, forward, sampling) if undecided else []
        edited = [
            place
            for place in range(max(first, prompt), end)
            if sampling.rule == "editing"
            and place not in undecided
            and tokens[place] != canvas[place]
            and confidence[place] > sampling.editing_threshold
        ]
        for place in chosen if sampling.text else ():
            tokens[place] = sampling.text[place - prompt] if sampling.text else 0
            written.nats -= float(rows_LV[place].double().log_softmax(dim=-1)[tokens[place]])
        for place in (*chosen, *edited):
            canvas[place] = tokens[place]
        for place in chosen:
            written.at[place - prompt] = len(written.computed)
        written.edits += [(len(written.computed), place - prompt, tokens[place]) for place in edited]
        if not undecided and not edited:
            return
        forward += 1


def _chosen(
    undecided: list[int], confidence: dict[int, float], rows_LV: Tensor, forward: int, sampling: BlockSampling
) -> list[int]:
    falling = sorted(undecided, key=lambda place: (-confidence[place], place))
    each, extra = divmod(sampling.block_length, sampling.steps_per_block)
    quota = each + (forward < extra)
    match sampling.rule:
        case "sequential":
            return undecided[:quota]
        case "low_confidence_static":
            return falling[:quota]
        case "entropy_bounded":
            return _bounded(undecided, rows_LV, sampling.gamma)
        case "editing":
            quota = sampling.transfers
    sure = [place for place in undecided if confidence[place] > sampling.threshold]
    return sure if len(sure) >= min(quota, len(undecided)) else falling[:quota]


def _bounded(undecided: list[int], rows_LV: Tensor, gamma: float) -> list[int]:
    chances = rows_LV.softmax(dim=-1)
    entropies = {place: float(torch.special.entr(chances[place]).sum()) for place in undecided}
    rising = sorted(undecided, key=lambda place: (entropies[place], place))
    return [
        place for rank, place in enumerate(rising) if rank == 0 or sum(entropies[p] for p in rising[:rank]) <= gamma
    ]
