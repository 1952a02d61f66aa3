"""A model whose body and head are plain arithmetic and remember what they were asked."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from benchmark.decoders.interface import Phase
from benchmark.models.loading import LanguageModel
from tests.checkpoints import CPU


class RememberingBody(nn.Module):
    """Its hidden state is the place itself, one number; it keeps every canvas and mask that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.canvases: list[list[list[int]]] = []
        self.masks: list[list[list[int]] | None] = []
        self.positions: list[list[list[int]] | None] = []

    def forward(
        self,
        *,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        **_: object,
    ) -> SimpleNamespace:
        self.canvases.append(input_ids.tolist())
        self.masks.append(None if attention_mask is None else attention_mask.tolist())
        self.positions.append(None if position_ids is None else position_ids.tolist())
        positions = torch.arange(input_ids.shape[1], dtype=torch.float32).expand(input_ids.shape)
        return SimpleNamespace(last_hidden_state=positions[..., None])


class RememberingHead(nn.Module):
    """Logits by a function of the position; it keeps the positions of every call."""

    def __init__(self, vocabulary: int, logits: Callable[[int], list[float]]) -> None:
        super().__init__()
        self.out_features = vocabulary
        self.read: list[list[int]] = []
        self._logits = logits

    def forward(self, hidden: Tensor) -> Tensor:
        self.read.append([int(position) for position in hidden[:, 0]])
        return torch.tensor([self._logits(position) for position in self.read[-1]])


@dataclass
class FakeModel:
    """The body and the head, and the model that they make."""

    vocabulary: int
    logits: Callable[[int], list[float]]
    mask_id: int | None = None
    body: RememberingBody = field(default_factory=RememberingBody)

    def __post_init__(self) -> None:
        self.head = RememberingHead(self.vocabulary, self.logits)
        self.model = LanguageModel(
            body=self.body,
            head=self.head,
            device=CPU,
            context=1000,
            vocabulary=self.vocabulary,
            mask_id=self.mask_id,
            weights_bytes=0,
        )


class Marked:
    """Phases that are kept in their order; the device settles after so many passes."""

    def __init__(self, settles_after: int = 0, *, runs_in: bool = True) -> None:
        self.phases: list[Phase] = []
        self._left, self._runs_in = settles_after, runs_in

    def mark(self, phase: Phase) -> None:
        self.phases.append(phase)

    def is_settled(self) -> bool:
        self._left -= 1
        return self._left < 0

    def runs_in(self) -> bool:
        return self._runs_in
