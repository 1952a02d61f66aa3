"""Break-even: the forward passes below which diffusion is faster than the baseline, whatever its quality.

It is the latency of the baseline over that of one forward pass; the tokens per forward that diffusion needs are N_out
over it. It needs no trained weights. Where all passes of a run are alike, both latencies are those of whole runs, and
the interval is that of their ratio: with several processes by the medians of each, with one it covers that process
alone. Where passes differ (a cache), or a run is missing, times are composed from single passes
(`statistics.forward_passes.pace`). Where several processes timed the passes, each gives its own break-even, composed of
nothing but what it timed, and the interval is Student's t over their logarithms. With one process the interval carries
the ratio's own through the composition: both arms are taken to vary as a whole. What one process composes of runs at
other shapes has no interval.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import numpy as np

from analysis.parity.arm_costs import way_of
from analysis.parity.flags import disturbances
from analysis.parity.limits import Beside, beside_of, forwards_of_time, known_or_none, least_tokens, with_own_limits
from analysis.parity.timed_pairs import Pair, shape
from analysis.statistics.forward_passes.pace import Layout, Way
from analysis.statistics.intervals import Interval
from analysis.statistics.timing import Latency, latency, median_interval, over_processes, ratio_interval, summarise
from crossover.records.policies import QUOTA, Cache, CacheName, Rows
from crossover.records.record import Record
from crossover.records.run import USUAL_PROMPT_FRACTION, Run, split_length
from crossover.records.settings import Diffusion, Remasking, Weights

NONE = "none"
CACHES = {
    Way.whole: NONE,
    Way.dual: Cache(name=CacheName.dual).label,
    Way.block_causal: Cache(name=CacheName.exact).label,
}
"""What the cells of the map keep."""
BLOCK = 32
"""Positions of a block where none was measured."""
LEAST_PROCESSES = 2
"""One process says nothing of another."""

Measured = tuple[float, "BreakEven", tuple[Record, ...]]
"""How far the run's own steps are from its break-even, that, and the processes of the run."""


@dataclass(frozen=True, kw_only=True)
class BreakEven:
    """Of one diffusion model computing in one way against one baseline, at one batch and length.

    Attributes:
        policy: what the runs wrote by; of a composed one, any.
        cache: what they kept, in words; `none` of a whole canvas.
        weights: of both models, the checkpoints' or random ones.
        forwards: those that take as long as the baseline; their ends are equal where there is no interval.
        tokens: tokens per forward that diffusion needs to be as fast.
        is_composed: whether either arm's time was composed from passes of other runs, or of sampled ones.
        processes: fewest processes behind a run; 0 without an interval.
    """

    batch: int
    layout: Layout
    diffusion: str
    baseline: str
    policy: str
    cache: str
    weights: Weights
    forwards: Interval
    baseline_s: float
    is_composed: bool
    processes: int
    beside: Beside
    disturbed: bool = False

    @property
    def tokens(self) -> Interval:
        """Tokens per forward needed."""
        output = self.layout.output_tokens
        return Interval(output / self.forwards.estimate, output / self.forwards.high, output / self.forwards.low)

    @property
    def is_reachable(self) -> bool:
        """Whether a block can be written in so few passes: each takes one at least."""
        return self.forwards.estimate >= self.layout.blocks

    @property
    def has_interval(self) -> bool:
        """Whether noise is known."""
        return self.processes > 0


def break_evens(pair: Pair) -> list[BreakEven]:
    """One for each batch, length, policy, cache and block that were measured beside a baseline of the same shape."""
    series: dict[tuple[object, ...], list[tuple[Record, ...]]] = defaultdict(list)
    for replicates in pair.of_diffusion:
        run = replicates[0].run
        assert run.diffusion is not None
        series[*shape(run), run.diffusion.block_length, _policy(run.diffusion), _cache(run.diffusion)].append(
            replicates
        )
    made = (_of_series(pair, rungs) for _, rungs in sorted(series.items(), key=lambda item: tuple(map(str, item[0]))))
    known = [each for each in made if each is not None]
    return sorted(
        known, key=lambda each: (each.diffusion, each.layout.way, each.policy, each.batch, each.layout.length)
    )


def composed_break_evens(
    pair: Pair,
    ways: Iterable[Way],
    batches: Iterable[int],
    lengths: Iterable[int],
    measured: Iterable[BreakEven] | None = None,
) -> list[BreakEven]:
    """One for each cell of a grid, half prompt, that was measured or can be composed from passes.

    `measured` is what `break_evens` gives, where it is known.
    """
    exact = {
        (each.layout.way, each.batch, each.layout.length): each
        for each in (break_evens(pair) if measured is None else measured)
        if each.policy == QUOTA.label
        and each.cache == CACHES[each.layout.way]
        and each.layout == _layout(pair, each.layout.way, each.layout.length)
    }
    cells = product(_possible(pair, ways), batches, lengths)
    made = (exact.get(cell) or _composed(pair, *cell) for cell in cells)
    return [each for each in made if each is not None]


def predictions(
    pair: Pair, ways: Iterable[Way], batches: Iterable[int], lengths: Iterable[int]
) -> dict[tuple[Way, int, int], float]:
    """Tokens per forward needed at the device's limit, for each cell of a grid of which the records span the work."""
    known = {
        cell: known_or_none(partial(least_tokens, pair, _layout(pair, cell[0], cell[2]), cell[1]))
        for cell in product(_possible(pair, ways), batches, lengths)
    }
    return {cell: tokens for cell, tokens in known.items() if tokens is not None}


def _possible(pair: Pair, ways: Iterable[Way]) -> list[Way]:
    """Those of the ways that the diffusion model could compute in: a block-causal one in no other."""
    in_blocks = bool(pair.blocks(Way.block_causal))
    return [way for way in ways if not in_blocks or way is Way.block_causal]


def _of_series(pair: Pair, rungs: Sequence[tuple[Record, ...]]) -> BreakEven | None:
    """Of runs that differ in steps alone, by those of most processes, whole ones first, the nearest to their answer."""
    run = rungs[0][0].run
    baseline = pair.baseline_run(*shape(run))
    if baseline is None or run.diffusion is None:
        return None
    baseline_s = latency([each.measurement for each in baseline if each.measurement])
    made = []
    for replicates in rungs:
        own_s = latency([each.measurement for each in replicates if each.measurement])
        if baseline_s is not None and own_s is not None:
            made.append(_measured(pair, replicates, baseline, own_s, baseline_s))
    known = [each for each in made if each is not None]
    if not known:
        return None
    _, nearest, replicates = min(known, key=_standing)
    beside = beside_of(pair, nearest.layout, nearest.batch, nearest.baseline_s, nearest.forwards.estimate)
    return replace(nearest, beside=with_own_limits(beside, nearest.layout, replicates[0], baseline[0]))


def _standing(measured: Measured) -> tuple[int, bool, float]:
    """Where a run stands among those of its series, the first counts: composed times may be off by some percent."""
    away, made, replicates = measured
    return -made.processes, replicates[0].run.timed_share is not None, away


def _measured(
    pair: Pair, replicates: tuple[Record, ...], baseline: tuple[Record, ...], own_s: Latency, baseline_s: Latency
) -> Measured | None:
    """The break-even by one run, without what stands beside it."""
    run, measured = replicates[0].run, replicates[0].measurement
    assert run.diffusion is not None
    assert measured is not None
    layout = _layout_of(run, run.diffusion)
    budget, ratio = median_interval(baseline_s).estimate, ratio_interval(baseline_s, own_s)
    if measured.forward_passes < 1:  # then nobody can say what one took
        return None
    at, several = partial(forwards_of_time, partial(pair.cost, layout, run.batch), layout), None
    if layout.way is Way.whole:
        at = partial(_divided, median_interval(own_s).estimate / measured.forward_passes)
    else:
        several = _over_processes(pair, layout, run.batch)
    processes = 0 if ratio is None else min(own_s.processes, baseline_s.processes)
    try:
        forwards, processes = several or (_forwards(at, budget, ratio), processes)
    except KeyError:
        return None
    sampled = any(each[0].run.timed_share is not None for each in (replicates, baseline))
    made = BreakEven(
        batch=run.batch,
        layout=layout,
        diffusion=pair.diffusion,
        baseline=pair.baseline,
        policy=_policy(run.diffusion),
        cache=_cache(run.diffusion),
        weights=run.weights,
        forwards=forwards,
        baseline_s=budget,
        is_composed=sampled or layout.way is not Way.whole,
        processes=processes,
        disturbed=bool(disturbances({"baseline": baseline, "diffusion": replicates})),
        beside=Beside(),
    )
    return abs(np.log(forwards.estimate / measured.forward_passes)), made, replicates


def _forwards(at: Callable[[float], float], budget: float, ratio: Interval | None) -> Interval:
    """The forward passes that the baseline's time allows; the interval of the arms' ratio becomes theirs."""
    ends = (1.0, 1.0) if ratio is None else (ratio.low / ratio.estimate, ratio.high / ratio.estimate)
    return Interval(at(budget), at(budget * ends[0]), at(budget * ends[1]))


def _composed(pair: Pair, way: Way, batch: int, length: int) -> BreakEven | None:
    layout = _layout(pair, way, length)
    try:
        budget, single = pair.baseline_seconds(batch, layout), _budgeted(pair, layout, batch)
    except KeyError:
        return None
    forwards, processes = _over_processes(pair, layout, batch) or (Interval(single, single, single), 0)
    return BreakEven(
        batch=batch,
        layout=layout,
        diffusion=pair.diffusion,
        baseline=pair.baseline,
        policy=QUOTA.label,
        cache=CACHES[way],
        weights=pair.of_diffusion[0][0].run.weights,
        forwards=forwards,
        baseline_s=budget,
        is_composed=True,
        processes=processes,
        beside=beside_of(pair, layout, batch, budget, forwards.estimate),
    )


def _over_processes(pair: Pair, layout: Layout, batch: int) -> tuple[Interval, int] | None:
    """The forward passes by the times of each process alone, and how many processes; None of fewer than two."""
    each_process = (known_or_none(partial(_budgeted, each, layout, batch)) for each in pair.by_process)
    known = [each for each in each_process if each is not None]
    if len(known) < LEAST_PROCESSES:
        return None
    return median_interval(over_processes([summarise([each]) for each in known])), len(known)


def _budgeted(pair: Pair, layout: Layout, batch: int) -> float:
    """The forward passes that the baseline's time allows, all composed of single ones."""
    budget = pair.baseline_seconds(batch, layout)
    return forwards_of_time(partial(pair.cost, layout, batch), layout, budget)


def _divided(each_s: float, budget: float) -> float:
    return budget / each_s


def _layout_of(run: Run, settings: Diffusion) -> Layout:
    way = way_of(run)
    assert way is not None
    return Layout(
        way=way, prompt_tokens=run.prompt_tokens, output_tokens=run.output_tokens, block=settings.block_length
    )


def _layout(pair: Pair, way: Way, length: int) -> Layout:
    prompt_tokens, output_tokens = split_length(length, USUAL_PROMPT_FRACTION)
    block = output_tokens
    if way is not Way.whole:
        block = min(output_tokens, min(pair.blocks(way), default=BLOCK))
    return Layout(way=way, prompt_tokens=prompt_tokens, output_tokens=output_tokens, block=block)


def _policy(settings: Diffusion) -> str:
    """The policy, and what else but steps and blocks decides what is written, e.g. `quota guidance=1.5`."""
    random = settings.remasking is Remasking.random
    guided, independent = settings.guidance_scale > 0, settings.rows is not Rows.together
    words = (
        str(settings.remasking) if random else settings.policy.label,
        *([f"guidance={settings.guidance_scale:g}"] if guided else []),
        *([f"rows={settings.rows}"] if independent else []),
    )
    return " ".join(words)


def _cache(settings: Diffusion) -> str:
    return NONE if settings.cache is None else settings.cache.label
