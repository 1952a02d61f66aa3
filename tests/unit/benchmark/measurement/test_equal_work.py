from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from benchmark.decoders.interface import Generation
from benchmark.decoders.prompts import Prompt
from benchmark.measurement.equal_work import check_equal_work
from benchmark.measurement.measure import Timing
from crossover.errors import BrokenProtocolError
from crossover.records.policies import Policy, PolicyName
from crossover.records.run import Run
from crossover.records.settings import Engine
from tests.factories import a_diffusion, a_run, an_autoregressive_run

MASK = 1
ROWS = [(0, 1), (0, 1)]
PROMPTS = [
    Prompt(number=row, name=str(row), tokens=[row + 2] * 8, text="", reference_tokens=[], reference="")
    for row in (0, 1)
]
RIGHT = Generation(
    tokens_BN=torch.full((2, 8), 5), forward_passes=4, prompts_BP=torch.tensor([prompt.tokens for prompt in PROMPTS])
)


STEPS = Timing(latency_s=1.0, host_latency_s=1.0, prefill_s=None, step_s=(0.25,) * 4)


def check(*samples: Generation, untimed: Generation = RIGHT, run: Run | None = None, timing: Timing = STEPS) -> None:
    timed = [SimpleNamespace(generation=each, timing=timing, forwards=None) for each in samples]
    measured: Any = SimpleNamespace(untimed=untimed, samples=timed)
    check_equal_work(run or a_run(), measured, ROWS[: len(samples)], PROMPTS, MASK)


def with_token(token: int) -> Generation:
    tokens_BN = RIGHT.tokens_BN.clone()
    tokens_BN[1, 3] = token
    return replace(RIGHT, tokens_BN=tokens_BN)


def test_work_as_agreed_passes() -> None:
    check(RIGHT, RIGHT)


@pytest.mark.parametrize(("passes", "allowed"), [(1, False), (2, True), (8, True), (9, False)])
def test_a_policy_that_follows_the_text_takes_a_pass_a_block_at_least_and_a_pass_a_token_at_most(
    passes: int, *, allowed: bool
) -> None:
    policy = Policy(name=PolicyName.threshold, threshold=0.9)
    run = a_run(diffusion=a_diffusion(block_length=4, policy=policy))
    made = replace(RIGHT, forward_passes=passes)
    timing = replace(STEPS, step_s=(0.1,) * passes)
    if allowed:
        check(made, untimed=made, run=run, timing=timing)
        return
    with pytest.raises(BrokenProtocolError, match=f"made {passes} forward passes where its schedule has 2 to 8"):
        check(made, untimed=made, run=run, timing=timing)


def test_steps_are_those_that_were_counted_and_the_same_in_every_repeat() -> None:
    run = a_run(diffusion=a_diffusion(policy=Policy(name=PolicyName.threshold, threshold=0.9)))
    with pytest.raises(BrokenProtocolError, match="4 steps were timed where the schedule has 0 and 5"):
        check(replace(RIGHT, forward_passes=5), untimed=replace(RIGHT, forward_passes=5), run=run)
    with pytest.raises(BrokenProtocolError, match="4 and 5 forward passes were made in two repeats"):
        check(RIGHT, untimed=replace(RIGHT, forward_passes=5), run=run)


@pytest.mark.parametrize(
    ("generation", "words"),
    [
        (replace(RIGHT, tokens_BN=torch.full((2, 7), 5)), "the output has 2 x 7 tokens, not 2 x 8"),
        (replace(RIGHT, tokens_BN=torch.full((1, 8), 5)), "the output has 1 x 8 tokens, not 2 x 8"),
        (replace(RIGHT, forward_passes=5), "made 5 forward passes where its schedule has 4"),
        (with_token(MASK), "1 mask tokens are left"),
        (replace(RIGHT, prompts_BP=torch.full((2, 8), 2)), "8 prompt tokens of a batch were changed"),
        (with_token(6), "1 of 16 tokens differ between two repeats"),
    ],
)
def test_each_violation_is_named(generation: Generation, words: str) -> None:
    with pytest.raises(BrokenProtocolError, match=words):
        check(RIGHT, generation)


def test_the_first_sample_is_compared_with_the_memory_pass() -> None:
    with pytest.raises(BrokenProtocolError, match="differ between two repeats"):
        check(RIGHT, untimed=with_token(6))


def test_the_published_loop_may_choose_the_mask() -> None:
    masked = with_token(MASK)
    check(masked, untimed=masked, run=a_run(engine=Engine.published))


@pytest.mark.parametrize(
    ("timing", "words"),
    [
        (replace(STEPS, step_s=(0.5,) * 3), "0 prefills and 3 steps were timed where the schedule has 0 and 4"),
        (replace(STEPS, prefill_s=0.1), "1 prefills and 4 steps were timed"),
    ],
)
def test_what_the_clock_saw_end_are_the_schedules_steps(timing: Timing, words: str) -> None:
    with pytest.raises(BrokenProtocolError, match=words):
        check(RIGHT, timing=timing)


def test_a_guided_step_makes_two_passes_and_a_continuation_has_a_prefill() -> None:
    settings = a_diffusion(guidance_scale=1.0)
    twice = replace(RIGHT, forward_passes=8)
    check(twice, untimed=twice, run=a_run(diffusion=settings))
    each = replace(RIGHT, forward_passes=8)
    check(each, untimed=each, run=an_autoregressive_run(), timing=replace(STEPS, prefill_s=0.1, step_s=(0.1,) * 7))
    with pytest.raises(BrokenProtocolError, match="0 prefills and 8 steps were timed where the schedule has 1 and 7"):
        check(each, untimed=each, run=an_autoregressive_run(), timing=replace(STEPS, step_s=(0.1,) * 8))
