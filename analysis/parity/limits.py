"""What stands beside a break-even: the limit of the device, the distance from it, and energy."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from analysis.parity.timed_pairs import Pair
from analysis.statistics.forward_passes.pace import Layout, Way, forwards_within
from crossover.records.record import Record


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What stands beside a break-even; None where it is not known.

    Attributes:
        least_tokens: tokens per forward needed if both arms were at the limit of the device, by counted work.
        joule_tokens: the same for equal energy: mean power of each arm times composed time.
        baseline_share, diffusion_share: the arms' floors over their times, at break-even.
    """

    least_tokens: float | None = None
    joule_tokens: float | None = None
    baseline_share: float | None = None
    diffusion_share: float | None = None


def beside_of(pair: Pair, layout: Layout, batch: int, budget: float, forwards: float) -> Beside:
    """What stands beside a break-even at so many forward passes, which cost as much as the baseline's budget."""
    cost_of, least_cost = partial(pair.cost, layout, batch), partial(pair.least_cost, layout, batch)
    a_block = max(1.0, forwards / layout.blocks)

    def joule_tokens() -> float:
        power = pair.baseline_costs.power(batch) / pair.diffusion_costs.power(batch, layout.way)
        return layout.output_tokens / forwards_of_time(cost_of, layout, budget * power)

    return Beside(
        least_tokens=known_or_none(partial(least_tokens, pair, layout, batch)),
        joule_tokens=known_or_none(joule_tokens),
        baseline_share=known_or_none(lambda: pair.least_baseline(batch, layout) / budget),
        diffusion_share=known_or_none(lambda: least_cost(a_block) / cost_of(a_block)),
    )


def with_own_limits(beside: Beside, layout: Layout, diffusion: Record, baseline: Record) -> Beside:
    """What the two records say of their own floors, where the passes of all records together do not."""
    assert diffusion.measurement is not None
    assert baseline.measurement is not None
    own, other = diffusion.measurement.limits, baseline.measurement.limits
    if own is None or other is None or layout.way is not Way.whole or beside.least_tokens is not None:
        return beside
    each_s = own.floor_s / diffusion.measurement.forward_passes
    return replace(
        beside,
        least_tokens=layout.output_tokens * each_s / other.floor_s,
        baseline_share=other.floor_share,
        diffusion_share=own.floor_share,
    )


def least_tokens(pair: Pair, layout: Layout, batch: int) -> float:
    """Tokens per forward needed if both arms were at the limit of the device."""
    least_cost = partial(pair.least_cost, layout, batch)
    return layout.output_tokens / forwards_of_time(least_cost, layout, pair.least_baseline(batch, layout))


def known_or_none(figure: Callable[[], float]) -> float | None:
    """The figure; None where a pass that it needs was not timed."""
    try:
        return figure()
    except KeyError:
        return None


def forwards_of_time(cost_of: Callable[[float], float], layout: Layout, budget: float) -> float:
    """The forward passes of a generation, all blocks together, that cost as much as the budget."""
    return layout.blocks * forwards_within(cost_of, budget)
