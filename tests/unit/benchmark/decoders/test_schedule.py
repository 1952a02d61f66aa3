"""The one schedule that decoders run, and by which work and memory are predicted."""

from benchmark.decoders.schedule import Step, writing_steps


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
