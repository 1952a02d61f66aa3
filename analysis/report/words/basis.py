"""What intervals are, and what they rest on."""

from collections.abc import Collection, Sequence

from analysis.parity.steps_to_parity import Parity
from analysis.report.words.numbers import listed

FEW_SAMPLES = (
    "Where fewer than 16 samples of a process follow each other closely, its interval holds in fewer than 93% of all"
    " sweeps."
)
"""What an interval of one process does not promise."""


def basis(parities: Sequence[Parity]) -> str:
    """What kind of intervals these are, and what they rest on."""
    prompts, resamples = {each.prompts for each in parities}, {each.resamples for each in parities}
    level = f"{parities[0].baseline.level:.0%}"
    return (
        f"Brackets hold {level} confidence intervals: the procedure behind them contains the truth in so many of all"
        " sweeps. Those of the steps to parity and of the crossing hold for all K of a row together, and in at least as"
        " many; each row stands by itself. 'Reaches' means that the interval excludes falling short by more than the"
        f" margin. Quality rests on {_span(prompts)} prompts and {max(resamples):,} resamples of them."
        f" {_timing_basis(parities)}"
    )


def _timing_basis(parities: Sequence[Parity]) -> str:
    """What the intervals of latencies and speed-ups cover."""
    processes = {each.processes for each in parities}
    if max(processes) == 1:
        margins = listed(sorted({f"{each.verdict_margin:.0%}" for each in parities}))
        return (
            "Each run was timed in one process: intervals of latency and speed cover the noise within it and not what"
            f" another process would take, so that no verdict is given on less than {margins}. {FEW_SAMPLES}"
        )
    several = (
        f"Latency and speed rest on {_span(processes)} processes a run, by the medians of each (t on the logarithm)."
    )
    return several + (f" Where it is one, they cover that process alone. {FEW_SAMPLES}" if 1 in processes else "")


def _span(numbers: Collection[int]) -> str:
    few, many = min(numbers), max(numbers)
    return f"{few}" if few == many else f"{few} to {many}"
