"""The loops of policies that follow the text, beside a device whose answers come late."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmark.decoders.diffusion import MaskedDiffusionDecoder
from benchmark.decoders.factory import make_decoder
from benchmark.decoders.interface import Generation, Phase, make_batch
from benchmark.decoders.remaining import ImmediateReadback, PendingNumber, Remaining
from crossover.records.policies import Cache, CacheName, FactorRule, Policy, PolicyName, Rows
from crossover.records.settings import Attention, Family
from tests.checkpoints import CPU
from tests.decoding import factory
from tests.factories import a_diffusion, a_run

PROMPTS = [[5, 9, 2, 7], [3, 4, 4, 6], [1, 8, 8, 2]]
POLICIES = (
    Policy(name=PolicyName.threshold, threshold=0.02),
    Policy(name=PolicyName.threshold, threshold=1.0),
    Policy(name=PolicyName.factor, factor=1.9, factor_rule=FactorRule.fast_dllm),
    Policy(name=PolicyName.entropy_bounded, gamma=9.0),
)
CACHES = (None, Cache(name=CacheName.prefix), Cache(name=CacheName.dual), Cache(name=CacheName.dual, refresh=2))


@dataclass(frozen=True)
class FakeQueue:
    """A device that lets the host go ahead."""

    goes_ahead: bool = True

    def send(self, number: Tensor) -> PendingNumber:
        return ImmediateReadback().send(number)


@dataclass
class Marked:
    phases: list[Phase] = field(default_factory=list)

    def mark(self, phase: Phase) -> None:
        self.phases.append(phase)

    def is_settled(self) -> bool:
        return True

    def runs_in(self) -> bool:
        return True


def generate(decoder: MaskedDiffusionDecoder, marked: Marked | None = None) -> Generation:
    batch = make_batch(PROMPTS, list(range(len(PROMPTS))), CPU)
    return decoder.decode(batch, 12, marked or Marked())


def decoder_of(policy: Policy, cache: Cache | None = None, **changes: Any) -> MaskedDiffusionDecoder:
    run = a_run(diffusion=a_diffusion(steps=12, block_length=6, policy=policy, cache=cache, **changes))
    made = factory(Family.diffusion)
    decoder = make_decoder(run, made, made.kernel(Attention.sdpa))
    assert isinstance(decoder, MaskedDiffusionDecoder)
    return decoder


def same(first: Generation, second: Generation) -> bool:
    assert first.written_at_BN is not None
    assert second.written_at_BN is not None
    return (
        torch.equal(first.tokens_BN, second.tokens_BN)
        and torch.equal(first.written_at_BN, second.written_at_BN)
        and first.forwards == second.forwards
        and first.forward_passes == second.forward_passes
    )


@pytest.mark.parametrize("cache", CACHES, ids=str)
@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.label)
def test_a_late_answer_changes_no_token_and_no_recorded_forward_pass(policy: Policy, cache: Cache | None) -> None:
    decoder, marked = decoder_of(policy, cache), Marked()
    at_once = generate(replace(decoder, readback=ImmediateReadback()))
    late = generate(replace(decoder, readback=FakeQueue()), marked)
    assert same(at_once, late)
    assert at_once.spare_passes == 0
    assert late.spare_passes <= 2  # one a block
    assert marked.phases.count(Phase.step) == late.forward_passes
    assert marked.phases.count(Phase.spare) == late.spare_passes


@pytest.mark.parametrize("changes", [{"rows": Rows.independent}, {"guidance_scale": 0.5}], ids=str)
def test_nor_with_independent_rows_nor_with_guidance(changes: dict[str, Any]) -> None:
    decoder = decoder_of(POLICIES[0], **changes)
    assert same(
        generate(replace(decoder, readback=ImmediateReadback())), generate(replace(decoder, readback=FakeQueue()))
    )


@dataclass(frozen=True)
class OneThenAll:
    """Writes one position after each of some forward passes, then all: the host cannot see that coming."""

    usual: Any
    ones: int

    def __getattr__(self, name: str) -> Any:
        return getattr(self.usual, name)

    def choose(self, scores_BM: Tensor, forward: int) -> Tensor:
        first = torch.arange(scores_BM.shape[1]) == 0
        return (first if forward < self.ones else torch.ones_like(first)).expand_as(scores_BM)


@pytest.mark.parametrize(("cache", "guidance"), [*((cache, 0.0) for cache in CACHES), (None, 0.5)], ids=str)
def test_a_spare_pass_is_counted_apart_and_writes_nothing(cache: Cache | None, guidance: float) -> None:
    made, marked = decoder_of(POLICIES[1], cache, guidance_scale=guidance), Marked()
    decoder = replace(made, policy=OneThenAll(made.policy, ones=2))
    at_once = generate(replace(decoder, readback=ImmediateReadback()))
    late = generate(replace(decoder, readback=FakeQueue()), marked)
    passes = 2 if guidance else 1
    assert same(at_once, late)
    assert at_once.forward_passes == 6 * passes  # three steps a block
    assert late.spare_passes == 2 * passes
    assert marked.phases == [*[Phase.step] * 3, Phase.spare] * 2


def test_the_host_goes_ahead_only_where_more_is_left_than_two_passes_wrote() -> None:
    left = Remaining(FakeQueue(), [8])
    assert not left.is_far  # nothing is under way
    counts = {8: [1] * 8, 7: [1] * 7, 4: [1] * 4, 3: [1] * 3}
    went = []
    for count in counts.values():
        left.ask(torch.tensor([count]).bool())
        went.append(left.is_far)
        assert left.learn() == len(count)
    assert went == [False, True, True, False]  # 8 of 8 left after nothing written; 7; 4 of 7, of which 3 went at once
