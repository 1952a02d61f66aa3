"""A trace of real work tells where it began, and how long it took."""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from tests.benchmarks.tracing import traced_generation

pytestmark = pytest.mark.gpu

PRODUCTS = 200


def test_a_trace_agrees_with_events_around_the_same_work() -> None:
    a = torch.randn(4096, 4096, device="cuda", dtype=torch.bfloat16)
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    for _ in range(2):  # the first time loads kernels, and CUPTI
        with profile(activities=[ProfilerActivity.CUDA], acc_events=True) as profiler:
            torch.cuda.synchronize()
            start.record()
            for _ in range(PRODUCTS):
                a @ a
            end.record()
            torch.cuda.synchronize()
    traced = traced_generation(profiler)
    assert traced.begin.startswith("cu")
    assert traced.seconds >= traced.from_first_activity_s
    assert traced.seconds == pytest.approx(start.elapsed_time(end) * 1e-3, rel=0.01)
