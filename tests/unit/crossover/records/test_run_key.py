"""What makes two runs the same one."""

from dataclasses import replace
from typing import Any

from crossover.records.policies import Cache, CacheName, Policy, PolicyName
from crossover.records.settings import (
    Attention,
    Device,
    Encoder,
    Engine,
    HeldOut,
    Judge,
    Model,
    Precision,
    Prompts,
    Remasking,
    Stopping,
    Weights,
)
from tests.factories import a_diffusion, a_run, an_autoregressive_run, without_contents

AN_ENCODER = Encoder(checkpoint="./encoder", revision=None, layer=2)
CHANGES: list[dict[str, Any]] = [
    {"model": replace(a_run().model, checkpoint="./other")},
    {"model": replace(a_run().model, revision="main")},
    {"model": replace(a_run().model, context=65)},
    {"diffusion": a_diffusion(steps=2)},
    {"diffusion": a_diffusion(block_length=4)},
    {"diffusion": a_diffusion(remasking=Remasking.random)},
    {"diffusion": a_diffusion(guidance_scale=1.0)},
    {"batch": 1},
    {"length": 18},
    {"prompt_fraction": 0.25},
    {"temperature": 0.1},
    {"temperature": 0.1, "seed": 1},
    {"warmup": 0},
    {"repeats": 3},
    {"device": Device.cuda},
    {"precision": Precision.bfloat16},
    {"prompts": Prompts(source="./other.jsonl", count=2)},
    {"prompts": Prompts(source="./prompts.jsonl", count=3)},
    {"judge": None},
    {"judge": Judge(checkpoint="./other", revision=None, precision=Precision.float32)},
    {"encoder": AN_ENCODER},
    {"encoder": replace(AN_ENCODER, layer=3)},
    {"likelihood": HeldOut(documents=2, samples=4, orders=1)},
    {"likelihood": HeldOut(documents=2, samples=4, orders=2)},
]


def test_each_setting_that_changes_the_result_changes_the_key() -> None:
    keys = [a_run(**changes).key for changes in [{}, *CHANGES]]
    assert len(set(keys)) == len(CHANGES) + 1


def test_a_seed_that_changes_nothing_makes_no_other_run() -> None:
    assert a_run(seed=1).key == a_run().key
    assert a_run(seed=1, diffusion=a_diffusion(remasking=Remasking.random)).key != (
        a_run(diffusion=a_diffusion(remasking=Remasking.random)).key
    )


def test_the_key_does_not_know_what_the_model_is_called() -> None:
    model = a_run().model
    renamed = Model(
        name="other",
        family=model.family,
        checkpoint=model.checkpoint,
        revision=model.revision,
        context=model.context,
    )
    assert a_run(model=renamed).key == a_run().key


def test_the_key_does_not_know_where_judge_and_encoder_live() -> None:
    judge, elsewhere = a_run().judge, replace(AN_ENCODER, device=Device.cuda)
    assert judge is not None
    assert a_run(judge=replace(judge, device=Device.cuda)).key == a_run().key
    assert a_run(encoder=elsewhere).key == a_run(encoder=AN_ENCODER).key


def test_the_key_of_a_run_is_the_same_tomorrow() -> None:
    assert a_run().key == "2b39c11136d3da66"


def test_what_a_run_demands_of_its_machine_is_no_part_of_its_key() -> None:
    assert a_run(gpu="A100", strict=True).key == a_run().key


def test_a_run_that_stops_by_precision_or_is_profiled_is_another_one() -> None:
    precise = a_run(stopping=Stopping(interval=0.03, budget_s=30.0))
    assert len({a_run().key, precise.key, a_run(profile=True).key}) == 3


def test_contents_are_part_of_the_key_and_a_run_without_them_keeps_its_own() -> None:
    run = a_run()
    other = replace(run, model=replace(run.model, content="a" * 16))
    assert len({run.key, other.key, replace(other, model=replace(other.model, content="b" * 16)).key}) == 3
    assert without_contents(other).key == run.key
    prompts = replace(run, prompts=replace(run.prompts, content="a" * 16))
    assert run.judge is not None
    judge = replace(run, judge=replace(run.judge, content="a" * 16))
    assert len({run.key, prompts.key, judge.key}) == 3
    assert without_contents(prompts) == without_contents(judge) == run


def test_the_seed_of_a_likelihood_that_is_drawn_makes_another_run() -> None:
    held_out = HeldOut(documents=2, samples=4, orders=1)
    assert a_run(likelihood=held_out, seed=1).key != a_run(likelihood=held_out).key


def test_a_run_of_many_settings_keeps_its_key_tomorrow() -> None:
    """A record counts for the run that its key was made of: a setting that is renamed or left out would lose it."""
    everything = a_run(
        model=replace(a_run().model, content="a" * 16),
        diffusion=a_diffusion(
            block_length=4,
            policy=Policy(name=PolicyName.threshold, threshold=0.9),
            cache=Cache(name=CacheName.dual, refresh=2),
        ),
        engine=Engine.compiled,
        attention=Attention.eager,
        temperature=0.5,
        seed=3,
        stopping=Stopping(interval=0.03, budget_s=30.0),
        profile=True,
        threads=2,
        encoder=AN_ENCODER,
        likelihood=HeldOut(documents=2, samples=4, orders=1),
    )
    assert everything.key == "bc3efa6ee32d4b37"
    assert (
        an_autoregressive_run(timed_share=0.1, settle_s=0.5, weights=Weights.random, judge=None).key
        == "9a0c4ac71f9da623"
    )
