"""What a policy is given and what it returns.

Dimensions: B rows, M positions of the block that may still be open.
"""

from typing import Protocol

import torch
from torch import Tensor

from benchmark.engines.sampling.scores import Score


class Policy(Protocol):
    """Chooses the positions to write from their scores, and from the number of the forward pass in its block.

    Scores are minus infinity where a position is not open, and such a position is never written whatever is chosen.
    """

    @property
    def score(self) -> Score:
        """What it ranks positions by."""

    @property
    def most_forwards(self) -> int:
        """The most forward passes that a block takes."""

    def planned(self, forward: int) -> int | None:
        """Positions of each row that this forward pass writes, where that is known before it; else None."""

    def choose(self, scores_BM: Tensor, forward: int) -> Tensor:
        """True at the positions to write, [B, M]: one at least in each row that has an open one."""


def descending(scores_BM: Tensor) -> Tensor:
    """Positions in the order of their scores; equals keep their order, so the lower position comes first."""
    return scores_BM.sort(dim=1, descending=True, stable=True).indices


def ranks(order_BM: Tensor) -> Tensor:
    """The place of each position in the order, from 0."""
    places_BM = torch.arange(order_BM.shape[1], device=order_BM.device).expand_as(order_BM)
    return torch.empty_like(order_BM).scatter_(1, order_BM, places_BM)


def is_open(scores_BM: Tensor) -> Tensor:
    """Where a position is open; also where a model's score is no number."""
    return scores_BM != -torch.inf


def leading(order_BM: Tensor, counts_B1: Tensor) -> Tensor:
    """True at the first so many positions of the order of each row."""
    return ranks(order_BM) < counts_B1
