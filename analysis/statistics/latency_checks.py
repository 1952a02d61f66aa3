"""Whether a measurement has a latency at all. Tables ask for it, and do without the library that intervals need."""

from crossover.records.record import Measurement

SHORTEST_S, LONGEST_S = 1e-9, 1e9
"""What a clock of nanoseconds can show of a generation."""


def why_no_latency(measurement: Measurement) -> str | None:
    """Why a measurement has no latency: a sample of no or negative time, or of centuries. None when it has one."""
    wrong = [s.latency_s for s in measurement.samples if not SHORTEST_S <= s.latency_s <= LONGEST_S]
    return f"a sample took {wrong[0]:g} s" if wrong else None
