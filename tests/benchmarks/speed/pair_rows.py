"""What is timed of each model of the pairs: the passes of one generation, by kind, beside their floors."""

import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import mean, median

import torch
from torch import Tensor

from benchmark.decoders.factory import make_decoder
from benchmark.decoders.schedule import planned_forwards
from benchmark.engines.factory import PassFactory
from benchmark.hardware.clock import CudaClock
from benchmark.measurement.measure import time_once
from benchmark.models.checkpoint import ASSETS, read_config
from benchmark.roofline.work import Ceilings, Shape, Work, block_pass, floor_s, kept_pass, prefill_pass, shape_of
from crossover.records.policies import Blocks, Cache, CacheName
from crossover.records.run import Run
from crossover.records.settings import Attention, Diffusion, Engine, Family, Remasking
from tests.benchmarks.speed.cases import CUDA, GIB, Case, a_batch, a_run, floor_ms, timed

SHAPES = ((1, 512), (8, 1024), (32, 1024))
BLOCK = 4
SHARE = {Engine.compiled: 8, Engine.published: 32}
"""A continuation's new tokens are one in so many: each costs as much as the others."""

STEPS = {1: 16, 8: 8, 32: 4}
BASELINE_STEPS = {1: 6, 8: 3, 32: 2}
BLOCKS = {Engine.compiled: 8, Engine.published: 2}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One kind of pass at a shape: its time, the least that it could take, and the memory reserved meanwhile."""

    model: str
    name: str
    batch: int
    length: int
    ms: float
    floor_ms: float
    gib: float


Rows = Callable[[str, PassFactory, tuple[int, int], Engine, Ceilings], Iterator[Row]]


def token_rows(
    folder: str, factory: PassFactory, at: tuple[int, int], engine: Engine, ceilings: Ceilings
) -> Iterator[Row]:
    """One token of a continuation, and the pass that reads the prompt."""
    batch, length = at
    fraction = 1 - 1 / SHARE[engine]
    run = a_run(Case(Family.autoregressive, batch, length, None), engine, prompt_fraction=fraction)
    timing = timed(run, factory, samples=1)
    floor, _ = floor_ms(run, ceilings, folder)
    prompt = prefill_pass(_shape(folder), batch=batch, prompt_tokens=run.prompt_tokens)
    yield _row(folder, "token", at, timing.pass_ms, floor, timing.reserved_gib)
    if timing.prefill_ms is not None and engine is Engine.compiled:
        least = 1e3 * floor_s([prompt], ceilings)
        yield _row(folder, f"prompt of {run.prompt_tokens}", at, timing.prefill_ms, least, 0.0)


def canvas_rows(
    folder: str, factory: PassFactory, at: tuple[int, int], engine: Engine, ceilings: Ceilings
) -> Iterator[Row]:
    """A step of diffusion over the whole canvas, half of it prompt."""
    steps = (STEPS if engine is Engine.compiled else BASELINE_STEPS)[at[0]]
    run = a_run(Case(Family.diffusion, *at, steps), engine)
    timing = timed(run, factory, samples=1)
    yield _row(folder, "diffusion step", at, timing.pass_ms, floor_ms(run, ceilings, folder)[0], timing.reserved_gib)


def block_rows(
    folder: str, factory: PassFactory, at: tuple[int, int], engine: Engine, ceilings: Ceilings
) -> Iterator[Row]:
    """A step of one block against kept keys, the pass that keeps a finished block, and the prompt's."""
    run = block_run(at, engine)
    assert run.diffusion is not None
    planned = list(planned_forwards(run.diffusion, run.prompt_tokens, run.output_tokens, run.batch))
    works = [block_pass(_shape(folder), forward, block_length=BLOCK, keeps=True) for forward in planned]
    kinds = [_kind(computed=forward.computed, read=forward.read) for forward in planned]
    times_s, gib = _passes_s(run, factory)
    assert len(times_s) == len(planned)
    for kind in dict.fromkeys(kinds):
        chosen = [index for index, each in enumerate(kinds) if each == kind]
        least = mean(1e3 * floor_s([works[index]], ceilings) for index in chosen)
        yield _row(folder, kind, at, 1e3 * median(times_s[index] for index in chosen), least, gib)
    if engine is Engine.compiled:
        yield _alone(folder, factory, at, ceilings)


def _kind(*, computed: int, read: int) -> str:
    if computed != BLOCK:
        return "prompt in blocks"
    return "step of a block" if read else "pass that keeps a block"


def block_run(at: tuple[int, int], engine: Engine) -> Run:
    batch, length = at
    output = BLOCKS[engine] * BLOCK
    diffusion = Diffusion(
        steps=output,
        block_length=BLOCK,
        remasking=Remasking.low_confidence,
        guidance_scale=0.0,
        cache=Cache(name=CacheName.exact),
        blocks=Blocks.sequence,
    )
    run = a_run(Case(Family.autoregressive, batch, length, None), engine, prompt_fraction=1 - output / length)
    return replace(run, diffusion=diffusion, model=replace(run.model, family=Family.diffusion))


def _passes_s(run: Run, factory: PassFactory) -> tuple[Sequence[float], float]:
    """Seconds of every forward pass of the second of two generations, and the memory reserved."""
    decoder, batch = make_decoder(run, factory, factory.kernel(run.attention)), a_batch(run, factory)
    decoder.prepare(batch, run.output_tokens)
    time_once(decoder, batch, run.output_tokens, CudaClock())
    _forget_peaks()
    steps_s = time_once(decoder, batch, run.output_tokens, CudaClock()).timing.step_s
    return steps_s, torch.cuda.max_memory_reserved() / GIB


def _alone(folder: str, factory: PassFactory, at: tuple[int, int], ceilings: Ceilings) -> Row:
    """The same step without its policy: one forward pass and the choice of a token at each position."""
    batch, length = at
    half, first = length // 2, length - BLOCK
    passes, head = factory.canvas(Engine.compiled, factory.kernel(Attention.flash2)), factory.head(Engine.compiled, 0.0)
    tokens_BL = torch.randint(0, 100, (batch, length), device=CUDA)
    positions_BM = torch.arange(first, length, device=CUDA).expand(batch, -1)
    passes.prepare(batch, half, half, padded=False, widths=(BLOCK,))
    cells_BM = torch.zeros_like(positions_BM)

    def step() -> Tensor:
        hidden_BMD = passes.hidden(tokens_BL, None, positions_BM, range(first, length))
        return head.choose(hidden_BMD, cells_BM).tokens_BM

    work = kept_pass(_shape(folder), batch=batch, length=length, computed=BLOCK, read=BLOCK)
    return _of_work(folder, "step of a block, without its policy", at, step, work, ceilings)


def _of_work(
    folder: str, name: str, at: tuple[int, int], step: Callable[[], object], work: Work, ceilings: Ceilings
) -> Row:
    _forget_peaks()
    ms = in_a_row_ms(step)
    return _row(folder, name, at, ms, 1e3 * floor_s([work], ceilings), torch.cuda.max_memory_reserved() / GIB)


@torch.inference_mode()
def in_a_row_ms(step: Callable[[], object], repeats: int = 40) -> float:
    """The median of steps that follow each other as in a generation: the host does not wait between them."""
    clock = CudaClock()
    step()
    marks = [clock.mark()]
    for _ in range(repeats):
        step()
        marks.append(clock.mark())
    clock.synchronize()
    return 1e3 * median(end.seconds_since(start) for start, end in pairwise(marks))


def _forget_peaks() -> None:
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()


def _shape(folder: str) -> Shape:
    return shape_of(read_config(ASSETS / folder), 2)


def _row(folder: str, name: str, at: tuple[int, int], ms: float, floor: float, gib: float) -> Row:
    return Row(model=folder, name=name, batch=at[0], length=at[1], ms=ms, floor_ms=floor, gib=gib)


ROWS: dict[str, Rows] = {
    "qwen3_8b": token_rows,
    "sdar_8b": block_rows,
    "dream_7b": canvas_rows,
    "qwen25_7b": token_rows,
}
"""What is timed of each model."""
