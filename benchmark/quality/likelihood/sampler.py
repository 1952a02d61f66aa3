"""The exact likelihood of text under the sampler that a diffusion run uses, at temperature 1.

At each forward pass the policy chooses positions from the state alone: it ranks them by the model's own prediction, the
likeliest token at each. Tokens are drawn there independently, from the softmax without the mask token, which is never
written. So a text has one order of writing and its probability is a product: the true tokens are written at the
positions that the policy chooses, and -log p of each at the moment of its writing is summed [arXiv 2603.01367]. The
probabilities of all texts add up to 1, for each number of steps, block length and policy.

A decoder at a temperature above 0 ranks a position by the probability of the token that it drew there. At temperature
0, and under policies that rank by the whole distribution, its order is the one here.

Dimensions: B rows, P prompt tokens, N output tokens, L = P + N, M positions that may be open, S positions to be
written, D hidden, V vocabulary.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmark.decoders.blocks.decoder import BlockDiffusionDecoder
from benchmark.decoders.factory import make_decoder, policy_of
from benchmark.decoders.interface import Batch, make_batch
from benchmark.decoders.open_positions import OpenPositions, whole_block
from benchmark.decoders.policies.interface import Policy
from benchmark.decoders.prompts import Prompt
from benchmark.decoders.schedule import blocks_of, computed_positions, window_widths
from benchmark.engines.factory import PassFactory
from benchmark.engines.interface import CanvasPasses
from benchmark.engines.sampling.head import CHUNK_LOGITS, Head
from benchmark.quality.likelihood.answer_nats import AnswerNats
from benchmark.quality.likelihood.block_sampler import BlockSamplerLikelihood
from benchmark.quality.likelihood.held_out import Document
from benchmark.quality.memo import known_values
from benchmark.util.progress import Report, Stage
from crossover.records.policies import Blocks, Cache, PolicyName
from crossover.records.run import Run
from crossover.records.settings import Diffusion, Engine, Remasking
from crossover.records.texts import DocumentLikelihood


@dataclass(frozen=True, kw_only=True)
class SamplerLikelihood:
    """Writes given texts as a masked-diffusion decoder writes its own, and says how likely each was.

    `head` is read at temperature 0, where its choice is the likeliest token and its score belongs to the state.
    """

    passes: CanvasPasses
    head: Head
    mask_id: int
    policy: Policy
    block_length: int
    cache: Cache | None = None
    guidance_scale: float = 0.0
    is_shifted: bool = False

    @torch.inference_mode()
    def read(self, batch: Batch, answers_BN: Tensor) -> AnswerNats:
        """How likely each row's answer is given its prompt. A mask token makes -log p infinite."""
        rows, prompt_tokens = batch.tokens_BP.shape
        output_tokens = answers_BN.shape[1]
        blocks = blocks_of(prompt_tokens, output_tokens, self.block_length)
        widths = window_widths(self.cache, prompt_tokens + output_tokens, blocks)
        padding_BL = None
        if batch.padding_BP is not None:
            padding_BL = torch.nn.functional.pad(batch.padding_BP, (0, output_tokens))
        self.passes.prepare(rows, prompt_tokens, output_tokens, padded=padding_BL is not None, widths=widths)
        truth_BL = torch.cat([batch.tokens_BP, answers_BN], dim=1)
        tokens_BL = torch.cat([batch.tokens_BP, torch.full_like(answers_BN, self.mask_id)], dim=1)
        nats_B, forward_passes = torch.zeros(rows, dtype=torch.float64), 0
        for block in blocks:
            masked, forward = whole_block(block, rows, tokens_BL.device), 0
            while masked.most:
                computed = computed_positions(self.cache, prompt_tokens + output_tokens, block, forward)
                hidden = self._hidden(tokens_BL, padding_BL, masked, computed, prompt_tokens)
                forward_passes += len(hidden)
                written_BM = self._chosen(hidden, masked, forward)
                truth_BM = truth_BL.gather(1, masked.positions_BM)
                nats_B.index_add_(0, written_BM.nonzero()[:, 0].cpu(), self._nats(hidden, written_BM, truth_BM))
                old_BM = tokens_BL.gather(1, masked.positions_BM)
                tokens_BL.scatter_(1, masked.positions_BM, truth_BM.where(written_BM, old_BM))
                masked = masked.without(written_BM, self.policy.planned(forward))
                forward += 1
        return AnswerNats(nats_B=nats_B, forward_passes=forward_passes)

    def _hidden(
        self, tokens_BL: Tensor, padding_BL: Tensor | None, masked: OpenPositions, computed: range, prompt_tokens: int
    ) -> tuple[Tensor, ...]:
        """Hidden states of the open positions, [B, M, D]; with guidance also those without a prompt."""
        canvases = [tokens_BL]
        if self.guidance_scale:
            canvases.append(tokens_BL.clone())
            canvases[1][:, :prompt_tokens] = self.mask_id
        read_BM = masked.positions_BM
        if self.is_shifted:
            read_BM = (read_BM - 1).clamp(min=computed.start)
        return tuple(self.passes.hidden(canvas_BL, padding_BL, read_BM, computed) for canvas_BL in canvases)

    def _chosen(self, hidden: tuple[Tensor, ...], masked: OpenPositions, forward: int) -> Tensor:
        """Where the policy writes, [B, M]."""
        cells_BM = torch.zeros_like(masked.positions_BM)  # there is no noise at temperature 0
        if self.guidance_scale:
            choice = self.head.choose_guided(hidden[0], hidden[1], self.guidance_scale, cells_BM)
        else:
            choice = self.head.choose(hidden[0], cells_BM)
        return masked.only(self.policy.choose(masked.closed(choice.scores_BM), forward))

    def _nats(self, hidden: tuple[Tensor, ...], written_BM: Tensor, truth_BM: Tensor) -> Tensor:
        """-log p of the true tokens that are written: [S], float64, on the CPU."""
        size = self.head.positions_with(CHUNK_LOGITS)
        hidden_SD = [each_BMD[written_BM].split(size) for each_BMD in hidden]
        chunks = []
        for *states, truth_S in zip(*hidden_SD, truth_BM[written_BM].split(size), strict=True):
            conditional_SV, *free_SV = (self.head.linear(state).float() for state in states)
            logits_SV = conditional_SV
            if free_SV:
                logits_SV = free_SV[0] + (self.guidance_scale + 1) * (conditional_SV - free_SV[0])
            logits_SV[:, self.mask_id] = -torch.inf
            chunks.append(torch.nn.functional.cross_entropy(logits_SV, truth_S, reduction="none"))
        return torch.cat(chunks).double().cpu()


Sampler = SamplerLikelihood | BlockSamplerLikelihood


def sampler_nats(
    run: Run, factory: PassFactory, engine: Engine, documents: Sequence[Document], report: Report
) -> list[float | None]:
    """-log p of each document's answer under the run's sampler; None where that is not what is computed here.

    An answer that holds the mask token, which is never written, has no likelihood either. Documents are read `batch` at
    a time, so that a compiled engine meets the shape of the run. Known values are not computed again.
    """
    settings = run.diffusion
    assert settings is not None
    if not _has_likelihood(settings):
        return [None] * len(documents)
    known = known_values(factory.model.body)
    readable = [each for each in dict.fromkeys(documents) if ends_with_block(settings, each)]
    unknown = [each for each in readable if (each, settings) not in known]
    sampler = sampler_of(run, settings, factory, engine) if unknown else None
    for first in range(0, len(unknown), run.batch):
        assert sampler is not None
        report(Stage.likelihood, first, len(unknown))
        rows = unknown[first : first + run.batch]
        nats = _read(sampler, [*rows, *[rows[-1]] * (run.batch - len(rows))], factory.model.device)
        known.update({(row, settings): value for row, value in zip(rows, nats, strict=False)})
    values = (known.get((each, settings), math.inf) for each in documents)
    return [value if math.isfinite(value) else None for value in values]


def ends_with_block(settings: Diffusion, document: Document) -> bool:
    """Whether nothing is decoded behind a document's answer, which a block-causal model's last block may do."""
    if settings.blocks is Blocks.output:
        return True
    begun = 0 if settings.causal_context else len(document.prompt)
    return (begun + len(document.answer)) % settings.block_length == 0


def _has_likelihood(settings: Diffusion) -> bool:
    """Whether positions follow from the state, tokens are drawn from the whole softmax, and none is replaced."""
    policy = settings.policy
    drawn = settings.remasking is Remasking.random or policy.draws_positions
    cut = policy.top_p is not None or policy.top_k is not None
    return not (drawn or cut or policy.name is PolicyName.editing)


def with_sampler(
    likelihoods: Sequence[DocumentLikelihood],
    run: Run,
    factory: PassFactory,
    engine: Engine,
    prompts: Sequence[Prompt],
    report: Report,
) -> tuple[DocumentLikelihood, ...]:
    """The likelihoods of the prompts' true continuations, with that of the run's sampler, which `engine` computes."""
    if run.diffusion is None:
        return tuple(replace(each, sampler_nats=each.nats) for each in likelihoods)
    documents = [Document(prompt=tuple(each.tokens), answer=tuple(each.reference_tokens)) for each in prompts]
    nats = sampler_nats(run, factory, engine, documents, report)
    return tuple(replace(each, sampler_nats=value) for each, value in zip(likelihoods, nats, strict=True))


def _read(sampler: Sampler, documents: Sequence[Document], device: torch.device) -> list[float]:
    """-log p of each document's answer; all of them are of one length."""
    batch = make_batch([list(each.prompt) for each in documents], [0] * len(documents), device)
    answers_BN = torch.tensor([list(each.answer) for each in documents], device=device)
    nats: list[float] = sampler.read(batch, answers_BN).nats_B.tolist()
    return nats


def sampler_of(run: Run, settings: Diffusion, factory: PassFactory, engine: Engine) -> Sampler:
    """The sampler of a run with these settings, as `engine` computes it."""
    assert factory.model.mask_id is not None
    plain = Engine.eager if engine is Engine.published else engine  # whose loop writes the same, more slowly
    if settings.blocks is Blocks.sequence:
        greedy = replace(run, engine=plain, temperature=0.0, diffusion=settings)
        decoder = make_decoder(greedy, factory, factory.kernel(run.attention))
        assert isinstance(decoder, BlockDiffusionDecoder)
        return BlockSamplerLikelihood(decoder=decoder)
    policy = policy_of(run, settings, factory)
    return SamplerLikelihood(
        passes=factory.canvas(plain, factory.kernel(run.attention)),
        head=factory.head(plain, 0.0, policy.score),
        mask_id=factory.model.mask_id,
        policy=policy,
        block_length=settings.block_length,
        cache=settings.cache,
        guidance_scale=settings.guidance_scale,
        is_shifted=factory.model.is_shifted,
    )
