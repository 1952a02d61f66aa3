"""Runs of the tiny models that the tests on a GPU measure."""

from dataclasses import replace

from crossover.records.run import Run
from crossover.records.settings import (
    Device,
    Diffusion,
    Family,
    Model,
    Precision,
    Prompts,
    Remasking,
)

TINY = Run(
    model=Model(
        name="tiny_llada", family=Family.diffusion, checkpoint="builtin:tiny_llada", revision=None, context=512
    ),
    diffusion=Diffusion(steps=8, block_length=64, remasking=Remasking.low_confidence, guidance_scale=0.0),
    batch=2,
    length=128,
    prompt_fraction=0.5,
    temperature=0.8,
    seed=0,
    warmup=3,
    repeats=3,
    device=Device.cuda,
    precision=Precision.bfloat16,
    prompts=Prompts(source="builtin:prompts/austen.jsonl", count=4),
    judge=None,
)
TINY_LLAMA = replace(
    TINY,
    model=Model(
        name="tiny_llama", family=Family.autoregressive, checkpoint="builtin:tiny_llama", revision=None, context=512
    ),
    diffusion=None,
)
