from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.errors import UserError
from crossover.records.policies import Blocks, Cache, CacheName, Policy, PolicyName
from crossover.records.run import Run, split_length
from crossover.records.settings import (
    Attention,
    Device,
    Diffusion,
    Encoder,
    Engine,
    HeldOut,
    Precision,
    Prompts,
    Remasking,
    Weights,
    usual_attention,
)
from tests.factories import a_diffusion, a_run, an_autoregressive_run

DELAYED = Policy(name=PolicyName.delayed_threshold, threshold=0.9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 0}, "batch=0 is not allowed: give a number of at least 1"),
        ({"warmup": -1}, "warmup=-1 is not allowed: give a number of at least 0"),
        ({"repeats": 0}, "repeats=0 is not allowed: give a number of at least 1"),
        ({"seed": -1}, "seed=-1 is not allowed: give a number of at least 0"),
        ({"temperature": -0.1}, "temperature=-0.1 is not allowed: give a number of at least 0"),
        ({"temperature": float("nan")}, "temperature=nan is not allowed: give a number of at least 0"),
        ({"temperature": float("inf")}, "temperature=inf is not allowed: give a number of at least 0"),
        ({"prompts": Prompts(source="p", count=0)}, "prompts.count=0 is not allowed: give a number of at least 1"),
        ({"length": 1}, "length=1 is not allowed: give a number of at least 2"),
        ({"prompt_fraction": 0.0}, "prompt_fraction=0.0 is not allowed: give a number between 0 and 1, such as 0.5"),
        ({"prompt_fraction": 1.0}, "prompt_fraction=1.0 is not allowed: give a number between 0 and 1, such as 0.5"),
        (
            {"prompt_fraction": 0.99},
            "prompt_fraction=0.99 of length=16 leaves 16 prompt and 0 output tokens: each must be at least 1",
        ),
    ],
)
def test_a_value_that_no_model_could_run_is_refused_with_what_is_allowed(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as refused:
        a_run(**changes)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps=0 is not allowed: give a number of at least 1"),
        ({"block_length": 0}, "block_length=0 is not allowed: give a number of at least 1"),
        ({"guidance_scale": -1.0}, "model.guidance_scale=-1.0 is not allowed: give a number of at least 0"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as refused:
        a_diffusion(**changes)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (a_run(diffusion=a_diffusion(steps=8)), None),
        (a_run(diffusion=a_diffusion(steps=3)), None),
        (a_run(diffusion=a_diffusion(steps=6, block_length=4)), None),
        (a_run(length=64, diffusion=a_diffusion(block_length=32)), None),
        (
            a_run(diffusion=a_diffusion(steps=9)),
            "steps=9 is more than the 8 masked tokens: the steps past 8 would change no token",
        ),
        (
            a_run(diffusion=a_diffusion(steps=3, block_length=4)),
            "steps=3 does not divide over 2 blocks (output 8, block_length 4): use a multiple of 2",
        ),
        (a_run(diffusion=a_diffusion(block_length=3)), "block_length=3 does not divide the output of 8 tokens"),
        (a_run(diffusion=a_diffusion(block_length=16)), "block_length=16 does not divide the output of 8 tokens"),
        (a_run(diffusion=a_diffusion(steps=4, policy=DELAYED)), None),
        (
            a_run(diffusion=a_diffusion(steps=3, policy=DELAYED)),
            "steps=3 does not divide the output of 8 tokens, as policy=delayed_threshold needs",
        ),
        (a_run(length=66), "length=66 is more than the context of small, 64 tokens"),
        (an_autoregressive_run(length=64), None),
        (an_autoregressive_run(length=65), "length=65 is more than the context of causal, 64 tokens"),
    ],
)
def test_a_point_that_no_machine_can_run_says_why(run: Run, reason: str | None) -> None:
    assert run.infeasible == reason


@pytest.mark.parametrize(
    ("length", "fraction", "parts"), [(128, 0.5, (64, 64)), (16, 0.25, (4, 12)), (2, 0.5, (1, 1)), (10, 0.33, (3, 7))]
)
def test_a_length_is_split_into_prompt_and_output(length: int, fraction: float, parts: tuple[int, int]) -> None:
    run = an_autoregressive_run(length=length, prompt_fraction=fraction)
    assert (run.prompt_tokens, run.output_tokens) == parts


@given(length=st.integers(2, 5000), fraction=st.floats(0, 1))
def test_no_token_of_a_length_is_lost(length: int, fraction: float) -> None:
    try:
        prompt_tokens, output_tokens = split_length(length, fraction)
    except UserError:
        assert not 1 <= round(length * fraction) < length
    else:
        assert prompt_tokens + output_tokens == length
        assert min(prompt_tokens, output_tokens) >= 1


@pytest.mark.parametrize(
    ("repeats", "batch", "count", "samples"), [(5, 4, 16, 5), (2, 1, 16, 16), (2, 3, 16, 6), (1, 64, 1, 1)]
)
def test_a_run_takes_enough_samples_to_decode_all_its_prompts(
    repeats: int, batch: int, count: int, samples: int
) -> None:
    assert a_run(repeats=repeats, batch=batch, prompts=Prompts(source="p", count=count)).samples == samples


def test_the_name_says_what_is_unusual() -> None:
    assert a_run().name == "small K=4 B=2 N=16"
    assert a_run(temperature=0.8, seed=2).name == "small K=4 B=2 N=16 T=0.8 seed=2"
    assert a_run(temperature=0.8, seed=0).name == "small K=4 B=2 N=16 T=0.8"
    assert a_run(seed=2).name == a_run().name
    unusual = a_diffusion(block_length=4, remasking=Remasking.random, guidance_scale=0.5)
    assert a_run(diffusion=unusual).name == "small K=4 B=2 N=16 block=4 random guidance=0.5"
    assert an_autoregressive_run(prompt_fraction=0.25).name == "causal B=2 N=16 prompt=4"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"documents": 0}, "likelihood.documents=0 is not allowed: give a number of at least 1"),
        ({"samples": 0}, "likelihood.samples=0 is not allowed: give a number of at least 2"),
        (
            {"samples": 3},
            (
                "likelihood.samples=3 is not allowed: give an even number,"
                " since samples are drawn in pairs that tell their own error"
            ),
        ),
        ({"orders": 0}, "likelihood.orders=0 is not allowed: give a number of at least 1"),
    ],
)
def test_an_estimate_that_could_not_be_is_refused(changes: dict[str, int], message: str) -> None:
    with pytest.raises(UserError) as refused:
        HeldOut(**{"documents": 1, "samples": 2, "orders": 1} | changes)
    assert str(refused.value) == message


def test_layers_are_counted_from_1() -> None:
    with pytest.raises(UserError, match=r"encoder\.layer=0 is not allowed: give a number of at least 1"):
        Encoder(checkpoint="./encoder", revision=None, layer=0)


def test_a_name_begins_with_what_a_sweep_varies() -> None:
    assert a_run().name == "small K=4 B=2 N=16"
    assert an_autoregressive_run().name == "causal B=2 N=16"


def test_a_run_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        a_run().batch = 3  # type: ignore[misc]


def test_a_checkpoint_that_is_not_the_usual_one_shows_in_the_name_and_not_twice_in_the_key() -> None:
    run = a_run()
    variant = replace(run, model=replace(run.model, variant="tuned", content="abcdef0123456789"))
    assert variant.name.startswith("small (tuned abcdef) K=")
    assert replace(variant, model=replace(variant.model, variant=None)).key == variant.key
    assert replace(variant.model, content=None).label == "small (tuned)"


def test_random_weights_need_one_batch_whatever_prompts_there_are() -> None:
    prompts = Prompts(source="p", count=16)
    assert a_run(weights=Weights.random, judge=None, repeats=1, batch=2, prompts=prompts).samples == 1


@pytest.mark.parametrize(
    "diffusion",
    [
        a_diffusion(policy=Policy(name=PolicyName.threshold, threshold=0.9), guidance_scale=1.0),
        a_diffusion(cache=Cache(name=CacheName.dual), remasking=Remasking.random),
        a_diffusion(cache=Cache(name=CacheName.dual, refresh=2)),
        a_diffusion(block_length=4, sub_block_length=2, blocks=Blocks.sequence, cache=Cache(name=CacheName.exact)),
    ],
    ids=["guidance", "random", "refresh", "sub-blocks"],
)
def test_what_the_published_loops_do_not_have_is_refused_there(diffusion: Diffusion) -> None:
    a_run(engine=Engine.eager, diffusion=diffusion)
    with pytest.raises(UserError, match="engine=published is the published loops"):
        a_run(engine=Engine.published, diffusion=diffusion)


@pytest.mark.parametrize("device", Device)
@pytest.mark.parametrize("precision", Precision)
def test_flash_attention_is_for_gpus_in_bfloat16_and_the_usual_kernel_there(
    device: Device, precision: Precision
) -> None:
    flash2 = {"attention": Attention.flash2, "device": device, "precision": precision}
    if (device, precision) == (Device.cuda, Precision.bfloat16):
        assert usual_attention(device, precision) is a_run(**flash2).attention
        return
    assert usual_attention(device, precision) is Attention.sdpa
    with pytest.raises(UserError, match=f"attention=flash2 runs on a GPU in bfloat16, not in {precision} on {device}"):
        a_run(**flash2)
