"""The exact likelihood of text under block diffusion: the decoder itself writes the given text, and each pass is read.

See sampler.py. The decoder's loop, its policy and its cache choose the positions; the tokens are the text's.
-log p of each is that of the pass after which it is written. A block that ends behind the text has masks there which
the sampler would draw, and which its further passes would read. So a text has an exact likelihood where it ends with a
block.

Dimensions: B rows, N output tokens, M positions, L of the canvas, D hidden, V vocabulary, S positions of all rows.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmark.decoders.blocks.canvas import BlockCanvas
from benchmark.decoders.blocks.decoder import BlockDiffusionDecoder
from benchmark.decoders.blocks.step import Predictor
from benchmark.decoders.interface import Batch, Unmarked
from benchmark.decoders.remaining import ImmediateReadback
from benchmark.engines.sampling.head import CHUNK_LOGITS, Choice
from benchmark.quality.likelihood.answer_nats import AnswerNats


@dataclass(frozen=True, kw_only=True)
class TextPredictor(Predictor):
    """Its tokens are those of a text; `nats_BN` hold -log p of each as the pass has it that writes it."""

    mask_id: int
    text_BN: Tensor
    nats_BN: Tensor

    def choose(self, canvas: BlockCanvas, positions_BM: Tensor, hidden_BMD: Tensor, number: int | Tensor) -> Choice:
        """See Predictor. Positions are ranked by the model's own choice there."""
        choice = super().choose(canvas, positions_BM, hidden_BMD, number)
        outputs_BM = (positions_BM - canvas.firsts_B1).clamp(0, self.text_BN.shape[1] - 1)
        tokens_BM = self.text_BN.gather(1, outputs_BM)
        is_masked_BM = canvas.own(positions_BM) & (canvas.written_at_BL.gather(1, positions_BM) == 0)
        nats_BM = self._nats(hidden_BMD, tokens_BM)
        self.nats_BN[is_masked_BM.nonzero()[:, 0], outputs_BM[is_masked_BM]] = nats_BM[is_masked_BM]
        return replace(choice, tokens_BM=tokens_BM)

    def _nats(self, hidden_BMD: Tensor, tokens_BM: Tensor) -> Tensor:
        """-log p of tokens, without the mask token: [B, M], float64."""
        size = self.head.positions_with(CHUNK_LOGITS)
        chunks = []
        for hidden_SD, tokens_S in zip(
            hidden_BMD.flatten(0, 1).split(size), tokens_BM.flatten().split(size), strict=True
        ):
            logits_SV = self.head.linear(hidden_SD).float()
            logits_SV[:, self.mask_id] = -torch.inf
            chunks.append(torch.nn.functional.cross_entropy(logits_SV, tokens_S, reduction="none"))
        return torch.cat(chunks).double().view(tokens_BM.shape)


@dataclass(frozen=True, kw_only=True)
class BlockSamplerLikelihood:
    """Reads how likely given texts are that end with a block; `decoder` is the run's, at temperature 0."""

    decoder: BlockDiffusionDecoder

    @torch.inference_mode()
    def read(self, batch: Batch, answers_BN: Tensor) -> AnswerNats:
        """-log p of each row's answer given its prompt. A mask token makes it infinite."""
        made = self.decoder
        nats_BN = torch.zeros(answers_BN.shape, dtype=torch.float64, device=answers_BN.device)
        predictor = TextPredictor(
            passes=made.passes,
            head=made.head,
            is_shifted=made.is_shifted,
            score=made.policy.score,
            mask_id=made.mask_id,
            text_BN=answers_BN,
            nats_BN=nats_BN,
        )
        scoring = replace(made, predictor=predictor, readback=ImmediateReadback())
        generation = scoring.decode(batch, answers_BN.shape[1], Unmarked())
        return AnswerNats(nats_B=nats_BN.sum(dim=1).cpu(), forward_passes=generation.forward_passes)
