"""What `cached_steps` times: shapes, and how one of them is measured on any device."""

import gc
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch

from benchmark.decoders.factory import make_decoder
from benchmark.decoders.interface import Batch, Decoder, make_batch
from benchmark.decoders.prompts import random_prompts
from benchmark.decoders.schedule import Forward
from benchmark.engines.factory import PassFactory
from benchmark.hardware.clock import Clock, CudaClock, CudaMark
from benchmark.measurement.measure import Timed, time_once
from benchmark.roofline.work import Ceilings, Shape, floor_s, kept_pass
from crossover.records.policies import QUOTA, Cache, CacheName, Policy
from crossover.records.run import Run
from crossover.records.settings import Attention, Device, Diffusion, Engine, Family, Precision, Remasking
from tests.benchmarks.speed.cases import GIB, Case, a_run

AHEAD_CYCLES = 200_000_000
"""A tenth of a second, in which the host queues as much work as the driver takes."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A shape to time: `blocks` of output after a prompt; a goal, and what a trial by hand took, in milliseconds."""

    cache: CacheName
    batch: int
    length: int
    blocks: int
    trial_ms: float | None = None
    goal_ms: float | None = None
    samples: int = 3
    is_quick: bool = False
    block: int = 32
    steps: int = 8

    @property
    def label(self) -> str:
        """Its shape in words."""
        middle = " middle block" if self.cache is CacheName.prefix else ""
        return f"{self.cache} B={self.batch} N={self.length}{middle}"

    @property
    def output_tokens(self) -> int:
        """New tokens of a row."""
        return self.blocks * self.block

    @property
    def width(self) -> int:
        """Positions that its cached step computes; with a prefix cache, that of the middle block."""
        if self.cache is CacheName.dual:
            return self.block
        return (self.blocks - self.blocks // 2) * self.block


ROWS = (
    Row(cache=CacheName.dual, batch=1, length=512, blocks=8, trial_ms=6.67, goal_ms=5.9, is_quick=True),
    Row(cache=CacheName.dual, batch=8, length=1024, blocks=8, trial_ms=9.73, goal_ms=8.0, is_quick=True),
    Row(cache=CacheName.dual, batch=4, length=1024, blocks=8, trial_ms=7.50, goal_ms=6.8),
    Row(cache=CacheName.dual, batch=32, length=1024, blocks=3, trial_ms=31.8, goal_ms=29, samples=1),
    Row(cache=CacheName.prefix, batch=8, length=1024, blocks=16, samples=1),
    Row(cache=CacheName.dual, batch=32, length=2048, blocks=3, trial_ms=37.4, goal_ms=33, samples=1),
)


class AheadClock(CudaClock):
    """Holds the device up before the first moment, so that no step waits for its host."""

    def __init__(self) -> None:
        self._is_first = True

    def mark(self) -> CudaMark:
        if self._is_first:
            torch.cuda._sleep(AHEAD_CYCLES)
        self._is_first = False
        return super().mark()


@dataclass(frozen=True, kw_only=True)
class Place:
    """What all rows are measured with. `ahead` makes a clock under which the host is ahead of the device."""

    factory: PassFactory
    shape: Shape
    ceilings: Ceilings
    attention: Attention = Attention.flash2
    clock: Callable[[], Clock] = CudaClock
    ahead: Callable[[], Clock] = AheadClock

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.factory.model.device


@dataclass(frozen=True, kw_only=True)
class Steps:
    """A generation's steps: medians in milliseconds of those with kept keys and values, their floor, and the others'.

    Attributes:
        generation_ms: by the host's clock.
        busy_ms: the sum of all steps while the host is ahead; as long as without that where it cannot be ahead.
    """

    cached_ms: float
    floor_ms: float
    whole_ms: float
    generation_ms: float
    busy_ms: float
    preparing_s: float
    reserved_gib: float
    forwards: int
    spare: int

    @property
    def waiting_share(self) -> float:
        """The part of a generation in which the device had nothing to do."""
        return 1 - self.busy_ms / self.generation_ms


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A prepared decoder with its batch."""

    run: Run
    decoder: Decoder
    batch: Batch
    preparing_s: float

    def timed(self, clock: Clock) -> Timed:
        """One generation."""
        return time_once(self.decoder, self.batch, self.run.output_tokens, clock)


def run_of(row: Row, place: Place, engine: Engine, policy: Policy = QUOTA, steps: int | None = None) -> Run:
    """The run of a row; `steps` are those of a block."""
    case = Case(Family.diffusion, row.batch, row.length, steps=1)
    on_gpu = place.device.type == "cuda"
    return a_run(
        case,
        engine,
        place.attention,
        prompt_fraction=(row.length - row.output_tokens) / row.length,
        device=Device.cuda if on_gpu else Device.cpu,
        precision=Precision.bfloat16 if on_gpu else Precision.float32,
        diffusion=Diffusion(
            steps=(steps or row.steps) * row.blocks,
            block_length=row.block,
            remasking=Remasking.low_confidence,
            guidance_scale=0.0,
            policy=policy,
            cache=Cache(name=row.cache),
        ),
    )


def ready(run: Run, place: Place) -> Ready:
    """The run's decoder, prepared and warmed up."""
    assert run.output_tokens == round(run.length * (1 - run.prompt_fraction)), run
    model = place.factory.model
    prompts = random_prompts(
        vocabulary=model.vocabulary, mask_id=model.mask_id, prompt_tokens=run.prompt_tokens, count=run.batch, seed=0
    )
    batch = make_batch([prompt.tokens for prompt in prompts], list(range(run.batch)), place.device)
    decoder = make_decoder(run, place.factory, place.factory.kernel(run.attention))
    made = Ready(run=run, decoder=decoder, batch=batch, preparing_s=decoder.prepare(batch, run.output_tokens))
    made.timed(place.clock())
    return made


def measured(row: Row, place: Place, run: Run) -> Steps:
    """Time generations of a run of this row."""
    made = ready(run, place)
    gc.collect()
    on_gpu = place.device.type == "cuda"
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    taken = [made.timed(place.clock()) for _ in range(row.samples)]
    ahead = made.timed(place.ahead()).timing
    steps = [
        (forward, seconds)
        for timed in taken
        for forward, seconds in zip(timed.generation.forwards, timed.timing.step_s, strict=True)
    ]
    cached = [(forward, seconds) for forward, seconds in steps if forward.computed == row.width]
    return Steps(
        cached_ms=median(seconds for _, seconds in cached) * 1e3,
        floor_ms=median(floor_ms(row, place, forward) for forward, _ in cached),
        whole_ms=median(seconds for forward, seconds in steps if forward.computed == row.length) * 1e3,
        generation_ms=median(timed.timing.host_latency_s for timed in taken) * 1e3,
        busy_ms=sum(ahead.step_s) * 1e3,
        preparing_s=made.preparing_s,
        reserved_gib=torch.cuda.max_memory_reserved() / GIB if on_gpu else 0.0,
        forwards=len(taken[0].generation.forwards),
        spare=taken[0].generation.spare_passes,
    )


def floor_ms(row: Row, place: Place, forward: Forward) -> float:
    """The least time of a step: weights, kept keys and values, or arithmetic, whichever takes longest."""
    work = kept_pass(place.shape, batch=row.batch, length=row.length, computed=forward.computed, read=forward.read)
    return floor_s([work], place.ceilings) * 1e3
