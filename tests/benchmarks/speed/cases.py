"""The shapes to time, and how one is timed."""

import gc
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median

import torch

from benchmark.decoders.factory import make_decoder
from benchmark.decoders.interface import Batch, make_batch
from benchmark.decoders.prompts import random_prompts
from benchmark.engines.factory import PassFactory
from benchmark.hardware.clock import CudaClock
from benchmark.measurement.measure import time_once
from benchmark.models.checkpoint import ASSETS, read_config
from benchmark.roofline.work import Ceilings, floor_s, passes, shape_of, total
from crossover.records.run import Run
from crossover.records.settings import (
    Attention,
    Device,
    Diffusion,
    Engine,
    Family,
    Model,
    Precision,
    Prompts,
    Remasking,
    Weights,
)

CUDA = torch.device("cuda")


GIB = 2**30


FOLDERS = {Family.diffusion: "llada_8b", Family.autoregressive: "llama3_8b"}


@dataclass(frozen=True)
class Case:
    """A shape to time: `steps` forward passes of diffusion over it, or as many new tokens as it has."""

    family: Family
    batch: int
    length: int
    steps: int | None
    large: bool = False


CASES = (
    Case(Family.diffusion, 1, 128, 32),
    Case(Family.diffusion, 1, 512, 32),
    Case(Family.diffusion, 8, 1024, 8),
    Case(Family.diffusion, 32, 1024, 4, large=True),
    Case(Family.diffusion, 64, 2048, 2, large=True),
    Case(Family.autoregressive, 1, 512, None),
    Case(Family.autoregressive, 8, 512, None),
    Case(Family.autoregressive, 32, 1024, None, large=True),
)


@dataclass(frozen=True)
class Timing:
    """Milliseconds a step or token, of the prefill, and to prepare; memory; how far the phases are from the whole."""

    pass_ms: float
    prefill_ms: float | None
    preparing_s: float
    reserved_gib: float
    phases_share: float


def a_run(case: Case, engine: Engine, attention: Attention = Attention.flash2, **changes: object) -> Run:
    """The run of a case; prompts and weights are random."""
    output_tokens = case.length - case.length // 2
    diffusion = Diffusion(
        steps=case.steps or 1,
        block_length=output_tokens,
        remasking=Remasking.low_confidence,
        guidance_scale=0.0,
    )
    run = Run(
        model=Model(name=FOLDERS[case.family], family=case.family, checkpoint="", revision=None, context=4096),
        diffusion=None if case.steps is None else diffusion,
        batch=case.batch,
        length=case.length,
        prompt_fraction=0.5,
        temperature=0.0,
        seed=0,
        warmup=1,
        repeats=1,
        device=Device.cuda,
        precision=Precision.bfloat16,
        prompts=Prompts(source="", count=case.batch),
        judge=None,
        engine=engine,
        attention=attention,
        weights=Weights.random,
    )
    return replace(run, **changes)  # type: ignore[arg-type]


def a_batch(run: Run, factory: PassFactory) -> Batch:
    """Random prompts for a run."""
    prompts = random_prompts(
        vocabulary=factory.model.vocabulary,
        mask_id=factory.model.mask_id,
        prompt_tokens=run.prompt_tokens,
        count=run.batch,
        seed=0,
    )
    return make_batch([prompt.tokens for prompt in prompts], list(range(run.batch)), CUDA)


def timed(run: Run, factory: PassFactory, *, samples: int = 3) -> Timing:
    """Median of some samples after a warm-up of the same shape."""
    decoder, batch = make_decoder(run, factory, factory.kernel(run.attention)), a_batch(run, factory)
    preparing_s = decoder.prepare(batch, run.output_tokens)
    time_once(decoder, batch, run.output_tokens, CudaClock())
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    taken = [time_once(decoder, batch, run.output_tokens, CudaClock()).timing for _ in range(samples)]
    phases = [(sum(timing.step_s) + (timing.prefill_s or 0.0)) / timing.latency_s for timing in taken]
    each = [sum(timing.step_s) / len(timing.step_s) for timing in taken]
    prefills = [timing.prefill_s for timing in taken if timing.prefill_s is not None]
    return Timing(
        pass_ms=median(each) * 1e3,
        prefill_ms=median(prefills) * 1e3 if prefills else None,
        preparing_s=preparing_s,
        reserved_gib=torch.cuda.max_memory_reserved() / GIB,
        phases_share=median(phases),
    )


def replay_ms(replay: Callable[[], object], repeats: int = 12) -> float:
    times, clock = [], CudaClock()
    for _ in range(repeats):
        start = clock.mark()
        replay()
        end = clock.mark()
        clock.synchronize()
        times.append(end.seconds_since(start) * 1e3)
    return median(times[2:])


def floor_ms(run: Run, ceilings: Ceilings, folder: str | None = None) -> tuple[float, float]:
    """Least milliseconds a step or token by both ceilings, and those of reading the weights alone."""
    shape = shape_of(read_config(ASSETS / (folder or FOLDERS[run.model.family])), 2)
    works = list(passes(run, shape))[0 if run.diffusion else 1 :]
    return floor_s(works, ceilings) / len(works) * 1e3, shape.weights_bytes / ceilings.copy_bytes_per_s * 1e3


def tflop_per_pass(run: Run) -> float:
    """Arithmetic of one step or token."""
    works = list(passes(run, shape_of(read_config(ASSETS / FOLDERS[run.model.family]), 2)))[0 if run.diffusion else 1 :]
    return total(works).flop / len(works) / 1e12
