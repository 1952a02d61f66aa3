"""Choose tokens from hidden states: greedy or sampled, with the model's confidence in the choice.

Dimensions: B rows, M positions, D hidden, V vocabulary, C positions of one chunk.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from benchmark.engines.sampling.noise import gumbel

CHUNK_LOGITS = 1 << 26
"""Logits computed at a time: 256 MiB in float32, so that no tensor of all positions by V exists."""

NOISE_SHARE = 8
"""With noise, the logits at a time are this many times fewer: noise takes four tensors of float64 beside them."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The chosen token at each position, and the position's score in float32, both [B, M].

    The score is the token's softmax probability unless the head's pick finds another.
    """

    tokens_BM: Tensor
    scores_BM: Tensor


class Pick(Protocol):
    """Chooses one entry of each row of logits."""

    def chunk_logits(self, temperature: float) -> int:
        """Number of logits at a time."""

    def __call__(
        self, logits_CV: Tensor, cells_C: Tensor, temperature: float, forbidden_id: int | None
    ) -> tuple[Tensor, Tensor]:
        """The chosen entries [C], and the positions' scores in float32 [C]. May overwrite the logits."""


@dataclass(frozen=True)
class TensorPick:
    """Picks with tensor operations, on any device."""

    def chunk_logits(self, temperature: float) -> int:
        """See Pick."""
        return CHUNK_LOGITS // NOISE_SHARE if temperature else CHUNK_LOGITS

    def __call__(
        self, logits_CV: Tensor, cells_C: Tensor, temperature: float, forbidden_id: int | None
    ) -> tuple[Tensor, Tensor]:
        """See Pick."""
        logits_CV = logits_CV.float()
        total_C = logits_CV.logsumexp(dim=-1)
        if forbidden_id is not None:
            logits_CV[:, forbidden_id] = -torch.inf
        tokens_C = noisy(logits_CV, cells_C, temperature).argmax(dim=-1)
        best_C = logits_CV.gather(-1, tokens_C[:, None]).squeeze(-1)
        return tokens_C, (best_C - total_C).exp()


def noisy(logits_CV: Tensor, cells_C: Tensor, temperature: float) -> Tensor:
    """Logits with Gumbel noise of the positions' cells; as they are at temperature 0."""
    if temperature == 0:
        return logits_CV
    return gumbel(cells_C, logits_CV.shape[-1]).mul_(temperature).add_(logits_CV)


@dataclass(frozen=True, kw_only=True)
class Head:
    """A model's output head, read with a temperature.

    `forbidden_id` is never chosen, though it keeps its share of the probability: a mask token must
    not be written, and the confidence of every other choice stays what the published code computes.
    """

    linear: nn.Module
    temperature: float
    forbidden_id: int | None
    pick: Pick = field(default_factory=TensorPick)

    @property
    def is_greedy(self) -> bool:
        """Whether the choice takes no noise: what stands for the positions' cells is then not read."""
        return self.temperature == 0

    def positions_with(self, logits: int) -> int:
        """How many positions have at most so many logits together; 1 at least."""
        return max(1, logits // int(self.linear.out_features))  # type: ignore[arg-type] # of either layer, but not of Module

    def choose(self, hidden_BMD: Tensor, cells_BM: Tensor) -> Choice:
        """Argmax of the logits, with Gumbel noise when the temperature is above 0."""
        return self._choose((self.linear(chunk) for chunk in self._chunks(hidden_BMD)), cells_BM)

    def choose_guided(self, hidden_BMD: Tensor, free_BMD: Tensor, scale: float, cells_BM: Tensor) -> Choice:
        """The same with classifier-free guidance: logits `free + (scale + 1) * (conditional - free)`."""
        pairs = zip(self._chunks(hidden_BMD), self._chunks(free_BMD), strict=True)
        guided = ((self.linear(conditional), self.linear(free)) for conditional, free in pairs)
        return self._choose((free + (scale + 1) * (conditional - free) for conditional, free in guided), cells_BM)

    def _chunks(self, hidden_BMD: Tensor) -> tuple[Tensor, ...]:
        chunks: tuple[Tensor, ...] = hidden_BMD.flatten(0, 1).split(self._chunk_length())
        return chunks

    def _chunk_length(self) -> int:
        return self.positions_with(self.pick.chunk_logits(self.temperature))

    def _choose(self, logits_chunks: Iterator[Tensor], cells_BM: Tensor) -> Choice:
        cells_chunks = cells_BM.flatten().split(self._chunk_length())
        chosen = [
            self.pick(logits_CV, cells_C, self.temperature, self.forbidden_id)
            for logits_CV, cells_C in zip(logits_chunks, cells_chunks, strict=True)
        ]
        tokens, scores = (torch.cat(parts).view(cells_BM.shape) for parts in zip(*chosen, strict=True))
        return Choice(tokens_BM=tokens, scores_BM=scores)
