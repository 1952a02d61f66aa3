"""The one schedule that decoders run, and by which work and memory are predicted."""

import pytest

from benchmark.decoders.schedule import Step, blocks_of, planned_forwards, window_widths, writing_steps
from crossover.records.policies import QUOTA, USUAL_EPS, Cache, CacheName, Policy, PolicyName
from tests.factories import a_diffusion


def test_steps_are_numbered_over_all_blocks() -> None:
    """Four tokens in three steps are two, one, one; the second block goes on counting."""
    assert list(writing_steps(8, 4, 6)) == [
        Step(number=0, block=0, masked=4, writes=2),
        Step(number=1, block=0, masked=2, writes=1),
        Step(number=2, block=0, masked=1, writes=1),
        Step(number=3, block=1, masked=4, writes=2),
        Step(number=4, block=1, masked=2, writes=1),
        Step(number=5, block=1, masked=1, writes=1),
    ]


def test_a_step_that_writes_nothing_is_left_out_and_still_counted() -> None:
    """Two blocks of one token in two steps each: only the first of each writes."""
    assert [(step.number, step.block, step.writes) for step in writing_steps(2, 1, 4)] == [(0, 0, 1), (2, 1, 1)]


THRESHOLD, DELAYED, DYNAMIC = (
    Policy(name=name, threshold=0.9)
    for name in (PolicyName.threshold, PolicyName.delayed_threshold, PolicyName.low_confidence_dynamic)
)
DREAM, ORIGIN = (Policy(name=name, eps=USUAL_EPS) for name in (PolicyName.maskgit_plus, PolicyName.origin))


@pytest.mark.parametrize(
    ("policy", "most", "fewest"),
    [
        (QUOTA, [8, 6, 4, 2], [8, 6, 4, 2]),
        (Policy(name=PolicyName.sequential), [8, 6, 4, 2], [8, 6, 4, 2]),
        (THRESHOLD, [8, 7, 6, 5, 4, 3, 2, 1], [8]),
        (DELAYED, [8, 7, 6, 5, 4, 3, 2, 1], [8, 6, 4, 2]),
        (DYNAMIC, [8, 6, 4, 2], [8]),
        (DREAM, [8, 7, 5, 3], [8, 7, 5, 3]),  # of what is left 1/4, 1/3 and 1/2, rounded down, and the rest
        (ORIGIN, [8, 7, 5, 3], [8]),
    ],
    ids=lambda each: each.name if isinstance(each, Policy) else None,
)
def test_the_most_and_the_fewest_passes_of_a_policy_read_what_is_left(
    policy: Policy, most: list[int], fewest: list[int]
) -> None:
    settings = a_diffusion(steps=4, block_length=8, policy=policy)
    assert [each.read for each in planned_forwards(settings, 8, 8, 2)] == most
    assert [each.read for each in planned_forwards(settings, 8, 8, 2, fewest=True)] == fewest


def test_windows_have_a_width_each_and_the_whole_canvas_one_where_a_block_has_a_second_pass() -> None:
    blocks = blocks_of(4, 8, 4)
    assert window_widths(Cache(name=CacheName.dual), 12, blocks) == (12, 4)
    assert window_widths(Cache(name=CacheName.prefix), 12, blocks) == (12, 8, 4)
    for none in (None, Cache(name=CacheName.dual, refresh=1)):
        assert window_widths(none, 12, blocks) == ()
    assert window_widths(Cache(name=CacheName.dual), 12, blocks_of(4, 8, 1)) == ()
