"""Break-even at the limit of the device, and how far the arms are from it."""

from dataclasses import replace

import pytest

from analysis.parity.arm_costs import prefill
from analysis.parity.break_even import composed_break_evens, predictions
from analysis.parity.timed_pairs import Pair
from analysis.statistics.forward_passes.composition import Forward, costs
from analysis.statistics.forward_passes.pace import Way
from tests.factories import a_record, a_run
from tests.timed_pairs import a_pair


def with_work() -> Pair:
    """Passes that take more than their least time, each by another share; see tests/timed_pairs.py."""
    pair = a_pair()
    kept = costs([(Forward(16, 16, 8), 64.0), (Forward(8, 16, 4), 24.0)])
    tokens = costs([(prefill(8), 40.0), *((Forward(1, 8 + step, 1), 24.0) for step in range(1, 8))])
    return replace(
        pair,
        of_diffusion=((a_record(a_run()),),),
        diffusion_costs=replace(pair.diffusion_costs, kept_seconds={2: kept}),
        baseline_costs=replace(pair.baseline_costs, seconds={2: tokens}),
    )


def test_at_the_limit_both_arms_take_the_least_time_of_their_passes() -> None:
    (cell,) = composed_break_evens(with_work(), [Way.dual], [2], [16])
    assert cell.forwards.estimate == pytest.approx(7.0)  # 40 + 7 x 24 = 64 + 6 x 24
    assert cell.beside.baseline_share == pytest.approx((2 * 8 + 7 * 2) / 208)
    assert cell.beside.diffusion_share == pytest.approx((2 * 16 + 6 * 2 * 8) / 208)
    assert cell.beside.least_tokens == pytest.approx(8 / (30 / 32))


def test_predictions_are_of_cells_whose_work_is_known() -> None:
    pair = with_work()
    assert predictions(pair, [Way.whole], [2, 4], [16]) == pytest.approx(
        {(Way.whole, rows, 16): 8 / (30 / 32) for rows in (2, 4)}
    )
    blind = replace(pair, baseline_costs=replace(pair.baseline_costs, work=None))
    assert predictions(blind, [Way.whole], [2], [16]) == {}
    assert composed_break_evens(blind, [Way.dual], [2], [16])[0].beside.least_tokens is None
