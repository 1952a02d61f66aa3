"""Pairs of models that were timed under equal controls, and what their passes cost."""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from itertools import product

from analysis.parity.arm_costs import ArmCosts, arm_costs, continuation, prefill, timed_costs, way_of
from analysis.parity.comparability import measured_alike, newest
from analysis.parity.controls import CONTROLS, controls_of
from analysis.parity.identity import told_apart
from analysis.statistics.forward_passes.composition import Forward
from analysis.statistics.forward_passes.counted_work import Pass
from analysis.statistics.forward_passes.pace import Layout, Way, generation_cost
from analysis.statistics.timing import latency, median_interval
from crossover.records.record import Record
from crossover.records.run import Run

OF_TEXTS = frozenset({"documents", "judged_text", "judge", "encoder", "prompts", "prompt_count", "seed"})
"""Controls on which time does not depend."""
OF_SHAPE = frozenset({"output_tokens", "prompt_tokens"})


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A diffusion model and a baseline under equal controls, with all that was measured of them."""

    diffusion: str
    baseline: str
    of_diffusion: Sequence[tuple[Record, ...]]
    of_baseline: Sequence[tuple[Record, ...]]
    diffusion_costs: ArmCosts
    baseline_costs: ArmCosts

    def baseline_run(self, batch: int, length: int, prompt_tokens: int) -> tuple[Record, ...] | None:
        """The processes that measured a continuation of this shape: the most, and whole ones before sampled ones."""
        fitting = self._baselines.get((batch, length, prompt_tokens), ())
        return min(fitting, key=lambda each: (-len(each), each[0].run.timed_share is not None), default=None)

    @cached_property
    def by_process(self) -> Sequence["Pair"]:
        """The pair as each process that timed both models shows it: its own runs, with their seconds alone."""
        runs = (*self.of_diffusion, *self.of_baseline)
        indices = sorted({each.replicate or 0 for replicates in runs for each in replicates})
        made = (_of_process(self, index) for index in indices) if len(indices) > 1 else ()
        return [each for each in made if each.of_diffusion and each.of_baseline]

    @cached_property
    def _baselines(self) -> Mapping[tuple[int, int, int], Sequence[tuple[Record, ...]]]:
        """The baseline's runs by their shape."""
        by_shape: dict[tuple[int, int, int], list[tuple[Record, ...]]] = defaultdict(list)
        for each in self.of_baseline:
            by_shape[shape(each[0].run)].append(each)
        return by_shape

    def cost(self, layout: Layout, batch: int, forwards: float) -> float:
        """Seconds of a continuation in so many forward passes, composed of single ones.

        Raises:
            KeyError: when a pass that it needs was not timed.
        """
        prompt = self._prompt(layout, batch) if layout.way is Way.block_causal else 0.0
        keeps = layout.way is not Way.whole
        return generation_cost(layout, partial(self.diffusion_costs.one, batch, keeps=keeps), forwards, prompt)

    def blocks(self, way: Way) -> set[int]:
        """Lengths of the blocks that were measured in this way."""
        return self._blocks.get(way, set())

    @cached_property
    def _blocks(self) -> Mapping[Way | None, set[int]]:
        """The same of each way: thousands of runs have been read for it."""
        lengths: dict[Way | None, set[int]] = defaultdict(set)
        for run in (each[0].run for each in self.of_diffusion):
            if run.diffusion is not None:
                lengths[way_of(run)].add(run.diffusion.block_length)
        return lengths

    def _prompt(self, layout: Layout, batch: int) -> float:
        """The pass over a prompt by a block-causal model; where it was not timed, the baseline's."""
        tokens = layout.prompt_tokens
        if not self.blocks(Way.block_causal):
            return self.baseline_costs.one(batch, prefill(tokens))
        with contextlib.suppress(KeyError):
            return self.diffusion_costs.one(batch, Forward(tokens, tokens, 0), keeps=True)
        return self.baseline_costs.one(batch, prefill(tokens))

    def least_cost(self, layout: Layout, batch: int, forwards: float) -> float:
        """The same at the limit of the device."""

        def least_s(forward: Forward) -> float:
            return self.diffusion_costs.least_s(Pass(rows=batch, forward=forward, keeps=layout.way is not Way.whole))

        prompt = 0.0
        if layout.way is Way.block_causal:
            prompt = self.baseline_costs.least_s(continuation(batch, layout.prompt_tokens, 1)[0])
        return generation_cost(layout, least_s, forwards, prompt)

    def baseline_seconds(self, batch: int, layout: Layout) -> float:
        """Seconds of the baseline's continuation: measured, or else composed.

        Raises:
            KeyError: when a pass that it needs was not timed.
        """
        return self._continuation_s(batch, layout.length, layout.prompt_tokens)

    @cached_property
    def _continuation_s(self) -> Callable[[int, int, int], float]:
        """The same by batch, length and prompt, each once: every way of computing is compared with it."""
        return cache(self._timed_continuation)

    def _timed_continuation(self, batch: int, length: int, prompt_tokens: int) -> float:
        replicates = self.baseline_run(batch, length, prompt_tokens)
        measured = (
            None if replicates is None else latency([each.measurement for each in replicates if each.measurement])
        )
        if measured is not None:
            return median_interval(measured).estimate
        tokens = (Forward(1, prompt_tokens + step, 1) for step in range(1, length - prompt_tokens))
        one = partial(self.baseline_costs.one, batch)
        return one(prefill(prompt_tokens)) + sum(map(one, tokens))

    def least_baseline(self, batch: int, layout: Layout) -> float:
        """The same at the limit of the device."""
        if self.baseline_costs.work is None:
            raise KeyError(batch, layout)
        passes = continuation(batch, layout.prompt_tokens, layout.output_tokens)
        return sum(map(self.baseline_costs.least_s, passes))


def pairs_of(records: Iterable[Record], allow: Collection[str] = frozenset()) -> list[Pair]:
    """Every diffusion model with every baseline whose runs share all controls on which the time of a pass depends."""
    allowed = {*allow, *OF_TEXTS}
    measured = [each for each in newest(told_apart(tuple(records)), allowed) if each[0].measurement is not None]
    alike: dict[object, list[tuple[Record, ...]]] = defaultdict(list)
    for each in measured:
        alike[controls_of(each[0], {*allowed, *OF_SHAPE} & CONTROLS.keys())].append(measured_alike(each, allowed))
    return [pair for group in alike.values() for pair in _pairs(group)]


def _pairs(group: Sequence[tuple[Record, ...]]) -> Iterator[Pair]:
    by_model: dict[tuple[bool, str], list[tuple[Record, ...]]] = defaultdict(list)
    for each in group:
        by_model[each[0].run.diffusion is None, each[0].run.model.label].append(each)
    made = {name: arm_costs([record for each in alike for record in each]) for name, alike in by_model.items()}
    for diffusion, baseline in product(sorted(by_model), sorted(by_model)):
        if not diffusion[0] and baseline[0]:
            yield Pair(
                diffusion=diffusion[1],
                baseline=baseline[1],
                of_diffusion=by_model[diffusion],
                of_baseline=by_model[baseline],
                diffusion_costs=made[diffusion],
                baseline_costs=made[baseline],
            )


def _of_process(pair: Pair, index: int) -> Pair:
    own = [
        [(each,) for replicates in runs for each in replicates if (each.replicate or 0) == index]
        for runs in (pair.of_diffusion, pair.of_baseline)
    ]
    diffusion, baseline = (timed_costs([each for (each,) in runs]) for runs in own)
    return replace(pair, of_diffusion=own[0], of_baseline=own[1], diffusion_costs=diffusion, baseline_costs=baseline)


def shape(run: Run) -> tuple[int, int, int]:
    """Batch, length, and tokens of the prompt."""
    return run.batch, run.length, run.prompt_tokens
