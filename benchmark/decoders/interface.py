"""A decoder's input and output, and how it marks its phases.

Dimensions: B rows of a batch, P prompt tokens, N output tokens.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from benchmark.decoders.schedule import Forward


class Phase(StrEnum):
    """What a decoder has just finished when it marks its progress; what it left out is not timed (`timing=sampled`)."""

    prefill = "prefill"
    step = "step"
    left_out = "left_out"
    settling = "settling"
    """Forward passes that were made and are not timed, so that the next ones meet the device as a long run would."""
    spare = "spare"
    """A forward pass that was begun before the host knew that nothing was left to write."""


class Phases(Protocol):
    """Receives the end of each phase. The measurement reads clocks there; decoders never do."""

    def mark(self, phase: Phase) -> None:
        """Note that `phase` has ended on the host; the device may still be working on it."""

    def is_settled(self) -> bool:
        """Whether the device is as it will be for the rest of the generation; until then a pass is made untimed."""

    def runs_in(self) -> bool:
        """Whether a pass behind a gap is made once untimed first, since the host takes long to queue it beside it."""


class Unmarked:
    """Phases of a generation that is not timed."""

    def mark(self, phase: Phase) -> None:
        """Forget it."""

    def is_settled(self) -> bool:
        """Nothing is timed, so nothing waits."""
        return True

    def runs_in(self) -> bool:
        """The passes are those that are made where they are timed."""
        return True


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Prompts on the device.

    Attributes:
        tokens_BP: prompt ids, shorter prompts padded on the left.
        padding_BP: True at padding; None when no row is padded, which keeps attention free of masks.
        streams_B: one random stream a row (int64), so that a row's noise depends on its prompt and
            never on its position or its neighbours in the batch.
    """

    tokens_BP: Tensor
    padding_BP: Tensor | None
    streams_B: Tensor


class Edit(NamedTuple):
    """A token of the output that was replaced: after which step, in which row, where, and by what."""

    step: int
    row: int
    position: int
    token: int


@dataclass(frozen=True, kw_only=True)
class Generation:
    """Exactly N new tokens a row, and the number of evaluations of the model's body that they took.

    Attributes:
        prompts_BP: the part of the canvas before the tokens after the last step, padding included; a check reads it.
        forwards: each of the evaluations, where they are of a canvas.
        written_at_BN: the step after which each token was first written, from 1; None where a decoder does not tell.
        edits: tokens that were replaced after that.
        spare_passes: evaluations beside these that wrote nothing, see Phase.spare.
    """

    tokens_BN: Tensor
    forward_passes: int
    prompts_BP: Tensor | None = None
    forwards: tuple[Forward, ...] = ()
    written_at_BN: Tensor | None = None
    spare_passes: int = 0
    edits: tuple[Edit, ...] = ()


class Decoder(Protocol):
    """Generates from prompts."""

    def prepare(self, batch: Batch, output_tokens: int) -> float:
        """Do once what batches of this shape need, such as compiling. Returns the seconds that it took."""

    def decode(self, batch: Batch, output_tokens: int, phases: Phases) -> Generation:
        """Generate exactly `output_tokens` tokens for each row."""


def make_batch(
    prompts: list[list[int]], streams: list[int], device: torch.device, *, padded_to: int | None = None
) -> Batch:
    """Prompts of any lengths as one batch on `device`.

    They are padded to the longest, or all to `padded_to` tokens: then batches of any prompts have the same shape, and
    are marked as padded even where none is, so that what was compiled for one serves all.
    """
    longest = max(map(len, prompts)) if padded_to is None else padded_to
    lengths_B1 = torch.tensor([[len(prompt)] for prompt in prompts])
    padding_BP = torch.arange(longest) < longest - lengths_B1
    is_padded = padded_to is not None or min(map(len, prompts)) < longest
    return Batch(
        tokens_BP=torch.tensor([padded(prompt, longest) for prompt in prompts], device=device),
        padding_BP=padding_BP.to(device) if is_padded else None,
        streams_B=torch.tensor(streams, dtype=torch.int64, device=device),
    )


def padded(prompt: list[int], tokens: int) -> list[int]:
    """The prompt behind so many zeros that it has that many tokens."""
    return [0] * (tokens - len(prompt)) + prompt
