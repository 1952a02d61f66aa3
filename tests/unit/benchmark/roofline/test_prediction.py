from dataclasses import replace

import pytest

from benchmark.roofline.prediction import COMPILE_S, JOB_START_S, REACH, cost_s, made_share, predict
from benchmark.roofline.work import Ceilings, diffusion_pass, floor_s, passes
from crossover.records.run import Run
from crossover.records.settings import Attention, Device, Engine, Precision, Weights
from tests.factories import a_diffusion, a_run, an_autoregressive_run
from tests.model_shapes import LLADA, SMALL

H100 = Ceilings(copy_bytes_per_s=2.99e12, matrix_flop_per_s=750e12)


def on_gpu(batch: int, length: int, steps: int = 1, engine: Engine = Engine.compiled) -> Run:
    settings = a_diffusion(steps=steps, block_length=length // 2)
    model = replace(a_run().model, context=8192)
    return a_run(
        model=model,
        diffusion=settings,
        batch=batch,
        length=length,
        device=Device.cuda,
        precision=Precision.bfloat16,
        engine=engine,
        attention=Attention.sdpa,
    )


@pytest.mark.parametrize(
    ("batch", "length", "engine", "measured_ms"),
    [
        (1, 512, Engine.compiled, 12.4),
        (8, 1024, Engine.compiled, 190.0),
        (32, 2048, Engine.compiled, 1588.0),
        (1, 512, Engine.eager, 20.3),
        (32, 1024, Engine.eager, 1036.0),
        (32, 1024, Engine.published, 1114.0),
    ],
)
def test_steps_of_the_8b_model_are_predicted_within_a_quarter(
    batch: int, length: int, engine: Engine, measured_ms: float
) -> None:
    predicted_ms = predict(on_gpu(batch, length, engine=engine), LLADA, H100).latency_s * 1e3
    assert predicted_ms == pytest.approx(measured_ms, rel=0.25)


def test_a_compiled_step_takes_its_floor_over_what_the_engine_reaches() -> None:
    floor = floor_s([diffusion_pass(LLADA, batch=8, length=1024, read=512)], H100)
    assert predict(on_gpu(8, 1024), LLADA, H100).latency_s == pytest.approx(floor / REACH[Engine.compiled])


def test_a_run_costs_its_generations_and_what_comes_before_them() -> None:
    run = replace(on_gpu(1, 512), weights=Weights.random, judge=None)
    prediction = predict(run, LLADA, H100)
    generations = (run.warmup + run.samples) * prediction.latency_s
    assert cost_s(run, LLADA, prediction, loads=True, starts=True) == pytest.approx(
        generations + COMPILE_S + JOB_START_S
    )
    plain = replace(on_gpu(1, 512, engine=Engine.eager), weights=Weights.checkpoint)
    loading = cost_s(plain, LLADA, prediction, loads=True, starts=False)
    assert loading - cost_s(plain, LLADA, prediction, loads=False, starts=False) == pytest.approx(16.0, rel=0.01)


def test_a_shape_is_compiled_once() -> None:
    run = replace(on_gpu(1, 512), weights=Weights.random, judge=None)
    prediction = predict(run, LLADA, H100)
    first, later = (
        cost_s(run, LLADA, prediction, loads=False, starts=False, compiles=compiles) for compiles in (True, False)
    )
    assert first - later == pytest.approx(COMPILE_S)


@pytest.mark.parametrize(("batch", "length", "passes"), [(8, 512, 6), (32, 2048, 3)])
def test_a_generation_in_part_costs_the_passes_that_are_made(batch: int, length: int, passes: int) -> None:
    """Three of 64 are timed; behind a gap each is made once more, unless it is long."""
    run = replace(
        on_gpu(batch, length),
        timed_share=0.02,
        judge=None,
        weights=Weights.random,
        diffusion=a_diffusion(steps=64, block_length=length // 2),
    )
    latency_s = predict(run, LLADA, H100).latency_s
    assert made_share(run, latency_s) == passes / 64


FAST = Ceilings(copy_bytes_per_s=1e18, matrix_flop_per_s=1e18)
"""A device on which nothing takes time but launching."""
SLOW = Ceilings(copy_bytes_per_s=1e3, matrix_flop_per_s=1e3)
"""One on which launching takes none."""


@pytest.mark.parametrize(
    ("device", "engine", "launch_s"),
    [
        (Device.cpu, Engine.eager, 0.25e-3),
        (Device.cuda, Engine.eager, 0.75e-3),
        (Device.cuda, Engine.published, 0.75e-3),
    ],
)
def test_a_pass_takes_at_least_the_launching_of_its_layers(device: Device, engine: Engine, launch_s: float) -> None:
    """8 tokens, so 8 passes of 2 layers."""
    run = an_autoregressive_run(device=device, engine=engine)
    assert predict(run, SMALL, FAST).latency_s == pytest.approx(8 * 2 * launch_s)


def test_a_cuda_graph_needs_no_launching() -> None:
    run = an_autoregressive_run(device=Device.cuda, engine=Engine.compiled)
    assert predict(run, SMALL, FAST).latency_s < 1e-9


def test_a_cpu_reaches_half_of_its_ceilings() -> None:
    run = an_autoregressive_run()
    assert predict(run, SMALL, SLOW).latency_s == pytest.approx(2 * floor_s(passes(run, SMALL), SLOW))
