"""Likelihood of held-out continuations given their prompts. It does not depend on the text that the model wrote.

Exact for an autoregressive model. For a diffusion model two upper bounds of -log p(continuation | prompt):

- LLaDA's [arXiv 2502.09992, appendix A.2]: mask l of the N tokens, l uniform on 1..N and the positions
  uniform without replacement, and take N / l times the loss of the masked ones. Drawn in strata of l.
  A model that attends in blocks gets it block by block, each after the true text before it
  [arXiv 2503.09573]: it was trained so, and sees nothing of later blocks.
- that of the sampler in K steps: the positions in a random order, cut into K blocks as the sampler's
  schedule cuts them; a block's tokens are predicted together, from the prompt and the earlier blocks.
  With K = N it is the any-order autoregressive likelihood. Blocks of the decoder keep their order, and so do those of a
  block-causal model, which are counted from the prompt's first position: the prompt may end inside one.

Guidance and temperature enter neither; the mask token keeps its share of the probability.

Dimensions: R rows (maskings of one document), P prompt tokens, N continuation tokens, L = P + N,
S scored positions of all rows, H pairs of samples, O orders, K steps, D hidden, V vocabulary.
"""

import itertools
import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.decoders.prompts import Prompt
from benchmark.decoders.schedule import parts_of_output
from benchmark.engines.sampling.head import CHUNK_LOGITS
from benchmark.models.loading import LanguageModel
from benchmark.models.modules import block_causal
from benchmark.quality.memo import remember
from benchmark.util.progress import Report, Stage
from crossover.records.policies import Blocks
from crossover.records.settings import Diffusion, HeldOut
from crossover.records.texts import DocumentLikelihood

TOKENS_AT_ONCE = 1 << 14
"""Tokens of one forward pass, so that a large model's activations stay small."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A sum of -log p in nats, and its standard error where it was drawn more than once."""

    nats: float
    se_nats: float | None


@dataclass(frozen=True, kw_only=True)
class Document:
    """A prompt's ids and those of its true continuation."""

    prompt: Sequence[int]
    answer: Sequence[int]


def likelihoods(
    model: LanguageModel,
    prompts: Sequence[Prompt],
    held_out: HeldOut,
    diffusion: Diffusion | None,
    seed: int,
    report: Report,
) -> tuple[DocumentLikelihood, ...]:
    """Likelihood of each prompt's true continuation.

    Draws depend only on the seed and the document: runs that differ in K see the same orders. So a value that does not
    depend on K is computed once for a model, and no value is computed again for another batch.
    """
    scored = []
    for index, prompt in enumerate(prompts):
        report(Stage.likelihood, index, len(prompts))
        document = Document(prompt=tuple(prompt.tokens), answer=tuple(prompt.reference_tokens))
        whole, steps = _both(model, document, held_out, diffusion, f"{seed}/{index}")
        scored.append(
            DocumentLikelihood(
                prompt_id=prompt.name,
                text_bytes=len(prompt.reference.encode()),
                nats=whole.nats,
                nats_se=whole.se_nats,
                k_step_nats=None if steps is None else steps.nats,
                k_step_nats_se=None if steps is None else steps.se_nats,
                cluster=prompt.cluster,
            )
        )
    return tuple(scored)


def autoregressive_nats(model: LanguageModel, document: Document) -> float:
    """The exact -log p(continuation | prompt) of a causal model; the prompt has at least one token."""
    tokens_L = torch.tensor([*document.prompt, *document.answer], device=model.device)
    with torch.inference_mode():
        hidden_LD = model.body(input_ids=tokens_L[None], use_cache=False).last_hidden_state[0]
        nats_N = _nats(model, hidden_LD[len(document.prompt) - 1 : -1], tokens_L[len(document.prompt) :])
    return float(nats_N.sum())


def monte_carlo_bound(model: LanguageModel, document: Document, samples: int, generator: torch.Generator) -> Estimate:
    """LLaDA's bound from `samples` maskings of each part of the answer, two in each of samples / 2 equal strata of l.

    The two maskings of a stratum differ only by chance, so their difference gives the error of the mean without bias.
    """
    bounds = [_bound_of(model, document, span, samples, generator) for span in _spans(model, document)]
    squares = [bound.se_nats**2 for bound in bounds if bound.se_nats is not None]
    return Estimate(nats=sum(bound.nats for bound in bounds), se_nats=math.sqrt(sum(squares)))


def _spans(model: LanguageModel, document: Document) -> list[range]:
    """The parts of the answer that are predicted one after the other: the model's blocks, or all of it."""
    size, start = len(document.answer), len(document.prompt)
    if not model.attends_in_blocks:
        return [range(size)]
    length = model.architecture.block_length
    assert length is not None
    ends = [*range(length - start % length, size, length), size]
    return [range(first, end) for first, end in itertools.pairwise([0, *ends])]


def _bound_of(
    model: LanguageModel, document: Document, span: range, samples: int, generator: torch.Generator
) -> Estimate:
    """The bound of a part of the answer, given what is before it."""
    size = len(span)
    draws_H2 = torch.rand((samples // 2, 2), generator=generator, dtype=torch.float64)
    strata_H1 = torch.arange(samples // 2)[:, None]
    masks_R = ((strata_H1 + draws_H2) / (samples // 2) * size).ceil().clamp(min=1).flatten()
    scored_RN = torch.zeros(samples, len(document.answer), dtype=torch.bool)
    scored_RN[:, span.start : span.stop] = _ranks(samples, size, generator) < masks_R[:, None]
    behind_N = torch.arange(len(document.answer)) >= span.stop
    nats_H2 = (masked_nats(model, document, scored_RN | behind_N, scored_RN) * size / masks_R).view(-1, 2)
    squares = (nats_H2[:, 0] - nats_H2[:, 1]).square().sum()
    return Estimate(nats=float(nats_H2.mean()), se_nats=float(squares.sqrt() / samples))


def k_step_bound(
    model: LanguageModel, document: Document, diffusion: Diffusion, orders: int, generator: torch.Generator
) -> Estimate:
    """The bound of the sampler in K steps, averaged over random orders; decoder blocks keep their order."""
    size = len(document.answer)
    parts = list(parts_of_output(diffusion, len(document.prompt), size))
    draws_ON = torch.rand((orders, size), generator=generator, dtype=torch.float64)
    ranks_ON = torch.cat([draws_ON[:, each.start : each.stop].argsort(dim=1) + each.start for each, _ in parts], dim=1)
    bounds_K1 = torch.tensor([0, *itertools.accumulate(itertools.chain(*(shares for _, shares in parts)))])[:, None]
    masked_OKN = ranks_ON[:, None] >= bounds_K1[:-1]
    scored_OKN = masked_OKN & (ranks_ON[:, None] < bounds_K1[1:])
    nats_O, step = torch.zeros(orders, dtype=torch.float64), 0
    for view in _views(model, document, diffusion, parts):
        steps = slice(step, step + view.steps)
        masked_RN, scored_RN = (each[:, steps].flatten(0, 1) for each in (masked_OKN, scored_OKN))
        nats_O += masked_nats(model, document, masked_RN, scored_RN, view).view(orders, -1).sum(dim=1)
        step = steps.stop
    return Estimate(nats=float(nats_O.mean()), se_nats=float(nats_O.std() / math.sqrt(orders)) if orders > 1 else None)


@dataclass(frozen=True, kw_only=True)
class _View:
    """What positions see in some steps, [L, L], by the model's own pattern where that is None; where logits are read.

    With `is_shifted` those of a position are read at the one before it.
    """

    steps: int
    visible_LL: Tensor | None
    is_shifted: bool


def _views(
    model: LanguageModel, document: Document, diffusion: Diffusion, parts: Sequence[tuple[range, list[int]]]
) -> Iterator[_View]:
    """The view of all steps. In a causal context each part has its own: a block's first token is read causally."""
    prompt, size = len(document.prompt), len(document.prompt) + len(document.answer)
    place_L = torch.arange(size, device=model.device)
    if not diffusion.causal_context:
        in_blocks = diffusion.blocks is Blocks.sequence
        visible_LL = block_causal(place_L, place_L, diffusion.block_length) if in_blocks else None
        steps = sum(len(shares) for _, shares in parts)
        yield _View(steps=steps, visible_LL=visible_LL, is_shifted=model.is_shifted)
        return
    for part, shares in parts:
        is_first = part.start % diffusion.block_length == 0
        first = prompt + part.start // diffusion.block_length * diffusion.block_length
        causal_LL = place_L <= place_L[:, None]
        in_block_LL = (place_L[:, None] >= first) & (place_L < first + diffusion.block_length)
        visible_LL = causal_LL if is_first else causal_LL | in_block_LL
        yield _View(steps=len(shares), visible_LL=visible_LL, is_shifted=is_first)


@torch.inference_mode()
def masked_nats(
    model: LanguageModel, document: Document, masked_RN: Tensor, scored_RN: Tensor, view: _View | None = None
) -> Tensor:
    """Sum of -log p over each row's scored positions, its masked positions masked: [R], float64, on the CPU."""
    assert model.mask_id is not None
    is_shifted = model.is_shifted if view is None else view.is_shifted
    seen = {} if view is None or view.visible_LL is None else {"attention_mask": view.visible_LL[None, None]}
    rows = max(1, TOKENS_AT_ONCE // (len(document.prompt) + len(document.answer)))
    answer_N = torch.tensor(document.answer, device=model.device)
    prompt_P = torch.tensor(document.prompt, dtype=torch.int64, device=model.device)
    totals = []
    for masked, scored in zip(masked_RN.split(rows), scored_RN.split(rows), strict=True):
        chosen_RN = scored.to(model.device)
        noisy_RN = answer_N.expand(len(masked), -1).masked_fill(masked.to(model.device), model.mask_id)
        tokens_RL = torch.cat([prompt_P.expand(len(masked), -1), noisy_RN], dim=1)
        hidden_RLD = model.body(input_ids=tokens_RL, use_cache=False, **seen).last_hidden_state
        first = len(prompt_P) - (1 if is_shifted else 0)
        read_RND = hidden_RLD[:, first : first + len(answer_N)]
        nats_S = _nats(model, read_RND[chosen_RN], answer_N.expand_as(chosen_RN)[chosen_RN])
        rows_S = scored.nonzero()[:, 0]
        totals.append(torch.zeros(len(masked), dtype=torch.float64).index_add_(0, rows_S, nats_S))
    return torch.cat(totals)


def _both(
    model: LanguageModel,
    document: Document,
    held_out: HeldOut,
    diffusion: Diffusion | None,
    seed: str,
) -> tuple[Estimate, Estimate | None]:
    """The likelihood or its bound, and for diffusion the bound in K steps. Known values are not computed again."""
    if diffusion is None:
        exact = remember(model.body, document, lambda: autoregressive_nats(model, document))
        return Estimate(nats=exact, se_nats=None), None
    samples, orders = held_out.samples, held_out.orders
    assert samples is not None
    assert orders is not None
    which, draws = (document, seed, orders), _generator(seed)
    blocks = (diffusion.steps, diffusion.block_length, diffusion.sub_block_length, diffusion.causal_context)
    # The orders are drawn first, and their number of draws does not depend on K and the blocks.
    _ranks(orders, len(document.answer), draws)
    steps = remember(
        model.body, (which, blocks), lambda: k_step_bound(model, document, diffusion, orders, _generator(seed))
    )
    return remember(model.body, (which, samples), lambda: monte_carlo_bound(model, document, samples, draws)), steps


def _generator(seed: str) -> torch.Generator:
    """Seeded by a digest, because PyTorch's generator on the CPU looks at the lower 32 bits alone."""
    return torch.Generator().manual_seed(zlib.crc32(seed.encode()))


def _nats(model: LanguageModel, hidden_SD: Tensor, targets_S: Tensor) -> Tensor:
    """-log p of each target, in chunks of the vocabulary's logits: shape [S], float64, on the CPU."""
    size = max(1, CHUNK_LOGITS // model.vocabulary)
    chunks = zip(hidden_SD.split(size), targets_S.split(size), strict=True)
    nats = [torch.nn.functional.cross_entropy(model.head(h).float(), t, reduction="none") for h, t in chunks]
    return torch.cat(nats).double().cpu()


def _ranks(rows: int, size: int, generator: torch.Generator) -> Tensor:
    """A uniformly random permutation of 0..size - 1 in each row."""
    return torch.rand((rows, size), generator=generator, dtype=torch.float64).argsort(dim=1)
