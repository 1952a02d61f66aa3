from types import SimpleNamespace
from typing import Any

import pytest
from torch.autograd import DeviceType  # type: ignore[attr-defined]  # not in its __all__

from benchmark.measurement.kernel_times import Span
from tests.benchmarks.tracing import TraceError, span_of, traced_generation

US = 1000
SYNCHRONIZE = Span("cudaDeviceSynchronize", 0, 10 * US)
START = Span("cudaEventRecordWithFlags", 20 * US, 25 * US)
LAUNCH = Span("cudaLaunchKernel", 30 * US, 600 * US)
FIRST = Span("fill", 610 * US, 620 * US)
STEP = Span("cudaEventRecordWithFlags", 650 * US, 655 * US)
LAST = Span("gemm", 700 * US, 1020 * US)
WAITED = Span("cudaDeviceSynchronize", 710 * US, 1030 * US)


@pytest.mark.parametrize(
    "name", ["cudaEventRecord", "cudaEventRecordWithFlags", "cudaEventRecord_v3020", "cuEventRecord"]
)
def test_a_generation_begins_with_the_call_that_records_its_start_and_ends_with_the_last_activity(name: str) -> None:
    start = Span(name, START.start_ns, START.end_ns)
    span = span_of([WAITED, STEP, LAUNCH, start, SYNCHRONIZE], [LAST, FIRST])
    assert span.begin == name
    assert span.begin_s == pytest.approx(5e-6)
    assert span.seconds == pytest.approx(1000e-6)
    assert span.from_first_activity_s == pytest.approx(410e-6)


def test_the_activity_that_ends_last_need_not_begin_last() -> None:
    long = Span("copy", 615 * US, 2020 * US)
    assert span_of([START], [FIRST, long, LAST]).seconds == pytest.approx(2000e-6)


def test_where_a_trace_leaves_records_out_it_begins_where_the_wait_before_it_ended() -> None:
    earlier = Span("cudaStreamSynchronize", -50 * US, -40 * US)
    span = span_of([earlier, SYNCHRONIZE, LAUNCH, WAITED], [FIRST, LAST])
    assert span.begin == "the return of cudaDeviceSynchronize"
    assert span.seconds == pytest.approx(1010e-6)


def test_records_of_later_steps_alone_do_not_tell_of_the_beginning() -> None:
    with pytest.raises(TraceError, match=r"neither a call that records an event nor one that waits.*cudaLaunchKernel$"):
        span_of([LAUNCH, STEP, WAITED], [FIRST, LAST])


def test_kernels_alone_are_refused_and_so_is_a_device_that_did_nothing() -> None:
    with pytest.raises(TraceError, match="it has no calls of the host"):
        span_of([], [FIRST, LAST])
    with pytest.raises(TraceError, match="no activity on the GPU, only cudaDeviceSynchronize"):
        span_of([SYNCHRONIZE], [])


def test_host_and_device_are_told_apart_in_what_the_profiler_hands_out() -> None:
    def event(span: Span, device: DeviceType) -> Any:
        return SimpleNamespace(
            name=lambda: span.name,
            device_type=lambda: device,
            start_ns=lambda: span.start_ns,
            duration_ns=lambda: span.end_ns - span.start_ns,
            is_user_annotation=lambda: False,
        )

    waiting = Span("Context Sync", 0, 5000 * US)  # newer profilers show what the host waits for as the device's
    events = [event(call, DeviceType.CPU) for call in (SYNCHRONIZE, START, LAUNCH, STEP, WAITED)]
    events += [event(each, DeviceType.CUDA) for each in (waiting, FIRST, LAST)]
    profiler: Any = SimpleNamespace(profiler=SimpleNamespace(kineto_results=SimpleNamespace(events=lambda: events)))
    assert traced_generation(profiler).seconds == pytest.approx(1000e-6)
