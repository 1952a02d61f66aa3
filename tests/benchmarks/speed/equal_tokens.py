"""The share of equal tokens among the engines."""

from collections.abc import Iterator
from functools import partial

import torch

from benchmark.decoders.factory import make_decoder
from benchmark.decoders.interface import Unmarked, make_batch
from benchmark.decoders.prompts import read_prompts
from benchmark.engines.attention import Kernel
from benchmark.engines.factory import PassFactory
from benchmark.models.checkpoint import ASSETS
from benchmark.models.loading import load_model, load_tokenizer
from crossover.records.run import Run
from crossover.records.settings import (
    Attention,
    Engine,
    Family,
    Precision,
)
from tests.benchmarks.speed.cases import CUDA, Case, a_run

TINY = {Family.diffusion: "tiny_llada", Family.autoregressive: "tiny_llama"}


def say_tokens() -> None:
    """Equal tokens of the trained tiny pair, 64 held-out prompts of 64 tokens and as many new ones."""
    print("Share of equal tokens, tiny pair, 64 prompts, 64 new tokens (K=32), temperature 0 and 1:")
    for family, dtype in ((f, d) for f in TINY for d in (torch.float32, torch.bfloat16)):
        factory = PassFactory(load_model(ASSETS / TINY[family], family, dtype=dtype, device=CUDA))
        for attention in (Attention.sdpa,) if dtype is torch.float32 else (Attention.flash2, Attention.sdpa):
            for line in _shares(family, factory, attention):
                print(f"- {TINY[family]} {str(dtype).removeprefix('torch.')} {attention}: {line}", flush=True)


def _shares(family: Family, factory: PassFactory, attention: Attention) -> Iterator[str]:
    kernel = factory.kernel(attention)
    for temperature in (0.0, 1.0):
        case = Case(family, 64, 128, 32 if family is Family.diffusion else None)
        written = {}
        for engine in Engine:
            precision = Precision.bfloat16 if attention is Attention.flash2 else Precision.float32
            run = a_run(case, engine, attention, precision=precision, temperature=temperature)
            written[engine] = [_written(run, factory, kernel, family) for _ in range(2)]
        eager, compiled = written[Engine.eager][0], written[Engine.compiled][0]
        repeats = ", ".join(f"{engine} {_equal(*pair):.4f}" for engine, pair in written.items())
        also = "" if temperature else f", published and compiled {_equal(written[Engine.published][0], compiled):.4f}"
        yield f"temperature {temperature:g}: eager and compiled {_equal(eager, compiled):.4f}{also}; twice {repeats}"


def _written(run: Run, factory: PassFactory, kernel: Kernel, family: Family) -> torch.Tensor:
    tokenizer = load_tokenizer(ASSETS / TINY[family])
    read = partial(read_prompts, "builtin:prompts/austen.jsonl", tokenizer)
    prompts = read(prompt_tokens=run.prompt_tokens, output_tokens=run.output_tokens, count=run.batch)
    batch = make_batch([prompt.tokens for prompt in prompts], list(range(run.batch)), CUDA)
    decoder = make_decoder(run, factory, kernel)
    decoder.prepare(batch, run.output_tokens)
    return decoder.decode(batch, run.output_tokens, Unmarked()).tokens_BN


def _equal(first: torch.Tensor, second: torch.Tensor) -> float:
    return float((first == second).float().mean())
