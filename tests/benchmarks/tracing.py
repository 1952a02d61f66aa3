"""How long a generation took by its trace: CUPTI's timestamps alone, nothing of the clock that the program reads.

The span begins with the host's call that records the start event, which waits for nothing since the device is idle
then, and ends with the last activity on the device. The host works from the one until it has launched the first
activity; a span that begins with the first activity leaves that out, and is given beside it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from torch.autograd import DeviceType  # type: ignore[attr-defined]  # not in its __all__
from torch.profiler import profile

from benchmark.measurement.kernel_times import Span, device_spans

RECORD = re.compile(r"cu(da)?EventRecord")
"""cudaEventRecord, cudaEventRecordWithFlags or the driver's cuEventRecord: versions of PyTorch differ."""
SYNCHRONIZE = re.compile(r"cu(da)?\w*Synchronize")
NAMES_SHOWN = 12


class TraceError(Exception):
    """A trace does not show when its generation began."""


@dataclass(frozen=True, kw_only=True)
class Traced:
    """A generation by its trace.

    Attributes:
        begin: what the span begins with.
        begin_s: how long that call took, within which the device noted its event.
        seconds: from there to the end of the last activity on the device.
        from_first_activity_s: from the start of the first activity on the device.
    """

    begin: str
    begin_s: float
    seconds: float
    from_first_activity_s: float


def traced_generation(profiler: profile) -> Traced:
    """The one generation in a finished trace.

    Raises:
        TraceError: when the trace has no activity on the device, or no call before it that tells of the beginning.
    """
    activities, _ = device_spans(profiler)
    return span_of(host_calls(profiler), activities)


def host_calls(profiler: profile) -> list[Span]:
    """Calls of the CUDA runtime and driver, and whatever else ran on the host."""
    events = profiler.profiler.kineto_results.events()  # type: ignore[union-attr]
    return [
        Span(event.name(), event.start_ns(), event.start_ns() + event.duration_ns())
        for event in events
        if event.device_type() != DeviceType.CUDA
    ]


def span_of(calls: Sequence[Span], activities: Sequence[Span]) -> Traced:
    """The generation's span, from the host's calls and the device's activities.

    Raises:
        TraceError: see traced_generation.
    """
    if not activities:
        raise TraceError(f"the trace has no activity on the GPU, only {_names(calls)}")
    first_ns, last_ns = min(each.start_ns for each in activities), max(each.end_ns for each in activities)
    begin = _begin([call for call in calls if call.start_ns <= first_ns], first_ns)
    return Traced(
        begin=begin.name,
        begin_s=(begin.end_ns - begin.start_ns) * 1e-9,
        seconds=(last_ns - begin.start_ns) * 1e-9,
        from_first_activity_s=(last_ns - first_ns) * 1e-9,
    )


def _begin(before: Sequence[Span], first_ns: int) -> Span:
    """The first call that records an event; where the trace leaves such calls out, the return of the last wait."""
    records = [call for call in before if RECORD.match(call.name)]
    if records:
        return min(records, key=lambda call: call.start_ns)
    waits = [call for call in before if SYNCHRONIZE.match(call.name) and call.end_ns <= first_ns]
    if waits:
        last = max(waits, key=lambda call: call.end_ns)
        return Span(f"the return of {last.name}", last.end_ns, last.end_ns)
    raise TraceError(
        "before the first activity on the GPU the trace has neither a call that records an event nor one that"
        f" waits for the device, so it does not tell when the generation began; it has {_names(before)}"
    )


def _names(calls: Sequence[Span]) -> str:
    names = sorted({call.name for call in calls})
    shown = ", ".join(names[:NAMES_SHOWN]) or "no calls of the host"
    return shown if len(names) <= NAMES_SHOWN else f"{shown} and {len(names) - NAMES_SHOWN} more"
