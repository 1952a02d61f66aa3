"""Times of generations, by hand."""

from functools import partial

import pytest

from analysis.statistics.forward_passes.composition import Forward
from analysis.statistics.forward_passes.pace import Layout, Way, forwards_within, generation_cost


def cost(forward: Forward) -> float:
    """A second for each position computed, a tenth for each attended to, a hundredth for each read."""
    return forward.computed + forward.kept / 10 + forward.read / 100


def layout(way: Way) -> Layout:
    return Layout(way=way, prompt_tokens=8, output_tokens=8, block=4)


def test_a_whole_canvas_pays_all_positions_at_each_pass() -> None:
    by_hand = 2 * (2 * (16 + 1.6) + (4 + 2) / 100)  # two blocks, two passes each, that read 4 and 2
    assert generation_cost(layout(Way.whole), cost, 2) == pytest.approx(by_hand)


def test_a_dual_cache_pays_a_whole_canvas_once_a_block() -> None:
    by_hand = 2 * ((16 + 1.6 + 0.04) + (4 + 1.6 + 0.03) + (4 + 1.6 + 0.02) + (4 + 1.6 + 0.01))
    assert generation_cost(layout(Way.dual), cost, 4) == pytest.approx(by_hand)


def test_block_causal_passes_attend_to_what_is_before_and_pay_one_more_a_block() -> None:
    first = 3 * (4 + 1.2) + (4 + 2 + 3) / 100  # two passes and the one that keeps, which attend to 8 + 4 positions
    second = 3 * (4 + 1.6) + (4 + 2 + 3) / 100
    by_hand = 5 + first + second
    assert generation_cost(layout(Way.block_causal), cost, 2, prefill=5) == pytest.approx(by_hand)


@pytest.mark.parametrize("way", list(Way))
@pytest.mark.parametrize("forwards", [1.0, 2.5, 4.0, 60.0])
def test_the_passes_that_a_time_allows_take_that_time(way: Way, forwards: float) -> None:
    cost_of = partial(generation_cost, layout(way), cost)
    assert forwards_within(cost_of, cost_of(forwards)) == pytest.approx(forwards, rel=1e-6)


def test_passes_that_cost_nothing_never_take_as_long() -> None:
    with pytest.raises(KeyError):
        forwards_within(lambda forwards: 2 - 1 / forwards, 2.0)


def test_where_one_pass_a_block_takes_too_long_its_share_is_told() -> None:
    cost_of = partial(generation_cost, layout(Way.dual), cost)
    assert forwards_within(cost_of, cost_of(1.0) / 4) == pytest.approx(0.25)
