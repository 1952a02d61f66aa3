"""The latency of a whole generation of which a share was made and timed (`timing=sampled`).

Composed: the prefill as it was timed, and the sum over all forward passes of the schedule, each as long as those that
were timed say (analysis/statistics/forward_passes/composition.py). What is in a generation besides forward passes is
not in it; the decoders have nothing besides. The host's clock saw the share alone; its reading is stretched as the
device's is, so that their ratio still shows whether the two agree.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from analysis.statistics.forward_passes.composition import costs
from benchmark.decoders.plan import Plan, plan_of
from benchmark.measurement.measure import Timed
from crossover.records.forwards import TimedForwards
from crossover.records.run import Run


def completing(run: Run) -> Callable[[Timed], Timed] | None:
    """What makes a whole generation of one that was made in part; None for a run that times all of it."""
    plan = plan_of(run)
    return None if plan is None else partial(completed, plan)


def completed(plan: Plan, timed: Timed) -> Timed:
    """The generation with its composed latency, and which of its passes were timed."""
    timing, made = timed.timing, [plan.forwards[index] for index in plan.timed]
    passes_s = costs(zip(made, timing.step_s, strict=True)).seconds(plan.forwards)
    latency_s = (timing.prefill_s or 0.0) + passes_s
    prefills = timed.generation.forward_passes - len(made)
    return replace(
        timed,
        timing=replace(
            timing, latency_s=latency_s, host_latency_s=timing.host_latency_s * latency_s / timing.latency_s
        ),
        generation=replace(timed.generation, forward_passes=len(plan.forwards) + prefills, forwards=()),
        forwards=TimedForwards(
            planned=len(plan.forwards),
            index=plan.timed,
            computed=tuple(forward.computed for forward in made),
            kept=tuple(int(forward.kept) for forward in made),
            read=tuple(int(forward.read) for forward in made),
            generations=timed.of_generations,
        ),
    )
