"""What intervals are, and what they rest on."""

from collections.abc import Collection, Sequence

from analysis.parity.parity import Parity
from analysis.report.words.numbers import listed

FEW_SAMPLES = (
    "Where each sample of a process resembles the one before it, its interval contains the truth in fewer than 93% of"
    " sweeps with fewer than 16 samples, and in about half with 5 to 7; where a clock stays in one of two states for"
    " some samples, in 81 to 87% with 10 to 32. With 2 to 4 samples, the noise is taken to be lognormal."
)
"""What an interval of one process does not promise."""


def basis(parities: Sequence[Parity]) -> str:
    """What kind of intervals these are, and what they rest on."""
    prompts, resamples = {each.prompts for each in parities}, {each.resamples for each in parities}
    level = f"{parities[0].baseline.level:.0%}"
    return (
        f"Brackets hold {level} confidence intervals: of all sweeps, the procedure behind them contains the truth in"
        f" {level}. Those of the steps to parity and of the crossing hold for all K of a row together, in at least"
        f" {level}. No interval allows for the number of rows. 'Reaches' means that the interval excludes falling short"
        f" by more than the margin. Quality rests on {_span(prompts)} prompts and {max(resamples):,} resamples of them."
        f" {_timing_basis(parities)}"
    )


def _timing_basis(parities: Sequence[Parity]) -> str:
    """What the intervals of latencies and speed-ups cover."""
    processes = {each.processes for each in parities}
    if max(processes) == 1:
        margins = listed(sorted({f"{each.verdict_margin:.0%}" for each in parities}))
        return (
            "Each run was timed in one process: intervals of latency and speed cover the noise within it and not the"
            f" difference to another process, so that no verdict is given on less than {margins}. {FEW_SAMPLES}"
        )
    several = f"Latency and speed rest on {_span(processes)} processes a run (Student's t on their log medians)."
    return several + (f" Where it is one, they cover that process alone. {FEW_SAMPLES}" if 1 in processes else "")


def _span(numbers: Collection[int]) -> str:
    few, many = min(numbers), max(numbers)
    return f"{few}" if few == many else f"{few} to {many}"
