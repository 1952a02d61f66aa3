import pytest
import torch

from analysis.statistics.forward_passes.composition import Forward
from benchmark.decoders.interface import Generation
from benchmark.decoders.plan import Plan
from benchmark.measurement.composed import completed, completing
from benchmark.measurement.measure import Timed, Timing
from tests.factories import a_run

PLAN = Plan(forwards=tuple(Forward(1, kept, 1) for kept in (10, 11, 12, 13, 14)), timed=(0, 2, 4))


def a_timed(prefill_s: float | None) -> Timed:
    timing = Timing(latency_s=8.0, host_latency_s=10.0, prefill_s=prefill_s, step_s=(1.0, 3.0, 4.0))
    passes = 3 + (prefill_s is not None)
    return Timed(generation=Generation(tokens_BN=torch.zeros(1, 6), forward_passes=passes), timing=timing)


def test_the_passes_that_were_left_out_take_what_lies_between_their_neighbours() -> None:
    whole = completed(PLAN, a_timed(prefill_s=None))
    assert whole.timing.latency_s == pytest.approx(1 + 2 + 3 + 3.5 + 4)
    assert whole.timing.step_s == (1.0, 3.0, 4.0)
    assert whole.generation.forward_passes == 5


def test_the_prefill_is_added_as_it_was_timed() -> None:
    whole = completed(PLAN, a_timed(prefill_s=0.5))
    assert whole.timing.latency_s == pytest.approx(0.5 + 13.5)
    assert whole.generation.forward_passes == 6


def test_the_hosts_reading_keeps_its_ratio_to_the_devices() -> None:
    whole = completed(PLAN, a_timed(prefill_s=None))
    assert whole.timing.host_latency_s / whole.timing.latency_s == pytest.approx(10 / 8)


def test_the_record_says_which_passes_were_timed() -> None:
    forwards = completed(PLAN, a_timed(prefill_s=None)).forwards
    assert forwards is not None
    assert (forwards.planned, forwards.index, forwards.kept) == (5, (0, 2, 4), (10, 12, 14))
    assert forwards.composed_share == pytest.approx(0.4)


def test_a_run_that_times_all_needs_nothing_made_whole() -> None:
    assert completing(a_run()) is None
