"""Requests for likelihoods: of a continuation given its context, and whether the model would have written it.

Exact for an autoregressive model. Of a diffusion model it is the exact likelihood of the sampler, in as many steps as
the run has, and at most one for each token of the continuation, as one block; or minus LLaDA's bound, from below.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from benchmark.decoders.interface import make_batch
from benchmark.execution.model_cache import LoadedModel
from benchmark.harness.arguments import Arguments, Likelihood
from benchmark.harness.writing import TextRequest, Writer
from benchmark.quality.likelihood.held_out import Document, monte_carlo_bound
from benchmark.quality.likelihood.sampler import ends_with_block, sampler_of
from crossover.errors import UserError
from crossover.records.settings import Engine

SEED = 0


@dataclass(frozen=True, kw_only=True)
class PairRequest:
    """A context and its continuation, in tokens; `index` is its position among the requests."""

    index: int
    context: tuple[int, ...]
    continuation: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Scored:
    """log p of a continuation in nats, whether greedy decoding writes it, and what its batch cost.

    Attributes:
        forwards: passes that made the likelihood; LLaDA's bound has one for each masking.
        rows: requests that were read together, by the bound one after another.
        latency_s: of the batch, the decoding that answers whether it is greedy included.
    """

    log_likelihood: float
    is_greedy: bool
    forwards: int
    rows: int
    latency_s: float


def causal_scores(loaded: LoadedModel, pairs: Sequence[PairRequest], rows: int) -> Iterator[tuple[PairRequest, Scored]]:
    """Of an autoregressive model: one pass over each batch of whole sequences, padded on the right."""
    ordered = sorted(pairs, key=lambda each: -len(each.context) - len(each.continuation))
    for first in range(0, len(ordered), rows):
        together = ordered[first : first + rows]
        start = time.perf_counter()
        read = _causal(loaded, together)
        latency_s = time.perf_counter() - start
        for pair, (log, greedy) in zip(together, read, strict=True):
            scored = Scored(log_likelihood=log, is_greedy=greedy, forwards=1, rows=len(together), latency_s=latency_s)
            yield pair, scored


@torch.inference_mode()
def _causal(loaded: LoadedModel, together: Sequence[PairRequest]) -> list[tuple[float, bool]]:
    """What stands on the right of a token is hidden from it, so that padding there needs no mask."""
    model = loaded.model
    sequences = [[*each.context, *each.continuation][:-1] for each in together]
    longest = max(map(len, sequences))
    tokens_BL = torch.tensor([each + [0] * (longest - len(each)) for each in sequences], device=model.device)
    hidden_BLD = model.body(input_ids=tokens_BL, use_cache=False).last_hidden_state
    return [
        _scored(model.head(hidden_LD[len(each.context) - 1 :][: len(each.continuation)]), each.continuation)
        for each, hidden_LD in zip(together, hidden_BLD, strict=True)
    ]


def _scored(logits_NV: Tensor, continuation: Sequence[int]) -> tuple[float, bool]:
    truth_N1 = torch.tensor(continuation, device=logits_NV.device)[:, None]
    logs_NV = logits_NV.float().log_softmax(-1)
    return float(logs_NV.gather(1, truth_N1).sum()), bool((logits_NV.argmax(-1) == truth_N1[:, 0]).all())


def diffusion_scores(
    arguments: Arguments, loaded: LoadedModel, pairs: Sequence[PairRequest], rows: int, *, greedy: bool
) -> Iterator[tuple[PairRequest, Scored]]:
    """Of a diffusion model: continuations of one length together. `greedy`: decode them, too, to compare."""
    ordered = sorted(pairs, key=lambda each: (len(each.continuation), -len(each.context)))
    for size, alike in groupby(ordered, key=lambda each: len(each.continuation)):
        short = arguments.for_output(size)
        writer = Writer(short, loaded, rows) if greedy else None
        same = list(alike)
        for first in range(0, len(same), rows):
            together = same[first : first + rows]
            start = time.perf_counter()
            logs, forwards = _logs(short, loaded, together)
            written = [()] * len(together) if writer is None else _written(writer, together)
            latency_s = time.perf_counter() - start
            for pair, log, tokens in zip(together, logs, written, strict=True):
                scored = Scored(
                    log_likelihood=log,
                    is_greedy=tokens == pair.continuation,
                    forwards=forwards,
                    rows=len(together),
                    latency_s=latency_s,
                )
                yield pair, scored


def _written(writer: Writer, together: Sequence[PairRequest]) -> list[tuple[int, ...]]:
    """What greedy decoding writes behind each context."""
    requests = [
        TextRequest(
            index=each.index,
            tokens=each.context,
            output_tokens=len(each.continuation),
            temperature=0.0,
            until=(),
        )
        for each in together
    ]
    return [tuple(tokens) for tokens in writer.decode(requests)[0]]


def _logs(arguments: Arguments, loaded: LoadedModel, together: Sequence[PairRequest]) -> tuple[list[float], int]:
    """The likelihoods, and the forward passes that they took."""
    if arguments.likelihood is Likelihood.bound:
        return [_bound(arguments, loaded, each) for each in together], arguments.bound_samples
    return _of_sampler(arguments, loaded, together)


def _bound(arguments: Arguments, loaded: LoadedModel, pair: PairRequest) -> float:
    document = _document(pair)
    generator = torch.Generator().manual_seed(SEED)
    return -monte_carlo_bound(loaded.model, document, arguments.bound_samples, generator).nats


def _document(pair: PairRequest) -> Document:
    return Document(prompt=pair.context, answer=pair.continuation)


def _of_sampler(arguments: Arguments, loaded: LoadedModel, together: Sequence[PairRequest]) -> tuple[list[float], int]:
    device, width = loaded.model.device, max(len(each.context) for each in together)
    run = arguments.run(
        rows=len(together), prompt_tokens=width, output_tokens=len(together[0].continuation), temperature=0.0
    )
    assert run.diffusion is not None
    if not all(ends_with_block(run.diffusion, _document(each)) for each in together):
        raise UserError(
            f"the sampler of a model with blocks of {run.diffusion.block_length} has a likelihood of continuations that"
            " end with a block: use loglikelihood=bound"
        )
    sampler = sampler_of(run, run.diffusion, loaded.factory, Engine.eager)  # shapes vary too much to compile
    batch = make_batch([list(each.context) for each in together], [0] * len(together), device)
    answers_BN = torch.tensor([each.continuation for each in together], device=device)
    read = sampler.read(batch, answers_BN)
    return [-nats for nats in read.nats_B.tolist()], read.forward_passes
