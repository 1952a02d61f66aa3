"""What the published loops of diffusion models share.

Their noise is PyTorch's, from the run's seed. They may guess a mask, and leave it there.

Dimensions: B rows, L positions, V vocabulary.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.decoders.interface import Batch
from benchmark.engines.attention import Kernel
from benchmark.models.modules import CausalModel
from crossover.records.settings import Diffusion


@dataclass(frozen=True, kw_only=True)
class PublishedLoop:
    """What each loop runs on, and by which settings.

    Attributes:
        is_shifted: whether the model gives a position's logits at the one before it.
    """

    model: CausalModel
    kernel: Kernel
    mask_id: int
    diffusion: Diffusion
    temperature: float
    seed: int
    is_shifted: bool = False

    def prepare(self, batch: Batch, output_tokens: int) -> float:
        """See Decoder: there is nothing to do."""
        del batch, output_tokens
        return 0.0

    def generator(self) -> torch.Generator:
        """The noise of one generation."""
        return torch.Generator(self.model.device).manual_seed(self.seed)

    def aligned(self, logits_BLV: Tensor) -> Tensor:
        """The model's logits, each at the position that it is of; where they are shifted, the first keeps its own."""
        if not self.is_shifted:
            return logits_BLV
        return torch.cat([logits_BLV[:, :1], logits_BLV[:, :-1]], dim=1)


def noisy(logits_BLV: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """What the published code takes the argmax of: the logits, or at a temperature what their argmax samples."""
    if temperature == 0:
        return logits_BLV
    wide_BLV = logits_BLV.double()
    uniform_BLV = torch.rand(wide_BLV.shape, dtype=torch.float64, device=wide_BLV.device, generator=generator)
    return wide_BLV.exp() / (-uniform_BLV.log()) ** temperature
