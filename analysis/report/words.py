"""What a parity says, in sentences."""

import math
from collections.abc import Sequence

from analysis.parity.choice import Reading
from analysis.parity.quality import METRICS
from analysis.parity.steps_to_parity import Parity
from analysis.statistics.intervals import Interval

THOUSAND = 1000
ALIKE = 1.2
"""An interval around 1 whose ends have a ratio below this is called "about as fast"."""
SLIGHT = 0.025
"""A probability up to this is not worth a remark."""


def answer(parity: Parity) -> str:
    """The steps to parity and the speed-up there, in a sentence or two."""
    who = f"At {batch_and_length(parity)} {parity.diffusion}"
    if parity.first_steps is None:
        return f"{who} does not reach {_goal(parity)} up to K={parity.steps[-1]}{_perhaps(parity)}."
    how = "already" if parity.reading is Reading.smallest else ""
    reached = f"{who} {how} reaches".replace("  ", " ")
    at = "at the smallest K measured, " if parity.reading is Reading.smallest else "from "
    steps = f"K={parity.first_steps} ({_steps_interval(parity)})"
    return f"{reached} {_goal(parity)} {at}{steps} and {speed(parity)}.{_meeting(parity)}"


def speed(parity: Parity) -> str:
    """The speed-up at parity in words, with its interval."""
    speedup = parity.speedup
    if speedup is None:
        return "has no known speed-up there"
    times = f"{ratio(speedup.estimate)} times as fast {_ends(speedup)}"
    if speedup.low > 1:
        return f"is {times} there"
    if speedup.high < 1:
        return f"is slower there, {times}"
    if speedup.high < ALIKE * speedup.low:
        return f"is about as fast there, {times}"
    return f"may be faster or slower there, {times}"


def remarks(parity: Parity) -> tuple[str, ...]:
    """Sentences that qualify the answer."""
    turns = "" if parity.monotone or parity.first_steps != parity.holds_from_steps else _turns(parity)
    return tuple(_sentence(text) for text in (turns, *parity.flags) if text)


def steps_to_parity(parity: Parity) -> str:
    """S_parity for a table: a number, `at most` the smallest K, or `more than` the largest."""
    if parity.first_steps is None:
        return f"> {parity.steps[-1]}"
    return f"≤ {parity.first_steps}" if parity.reading is Reading.smallest else str(parity.first_steps)


def crossing(parity: Parity) -> str:
    """The crossing for a table: a number with its interval, whose ends may lie beyond the ladder."""
    crossing = parity.crossing
    middle, low, high = (_on_ladder(parity, each) for each in (crossing.steps, crossing.low, crossing.high))
    return middle if low == high else f"{middle} [{low}, {high}]"


def basis(parities: Sequence[Parity]) -> str:
    """The data behind the intervals: numbers of prompts and resamples."""
    prompts, resamples = {each.prompts for each in parities}, {each.resamples for each in parities}
    few, many = min(prompts), max(prompts)
    number_of = f"{few}" if few == many else f"{few} to {many}"
    return (
        f"Intervals of quality rest on {number_of} prompts and {max(resamples):,} resamples of them."
        " The steps to parity are one of a few K: their interval, and that of the speed-up where several K remain,"
        " hold in at least 95% of all sweeps, the others in 95%."
    )


def batch_and_length(parity: Parity) -> str:
    """A parity's batch and length."""
    return f"B={parity.batch}, N={parity.length}"


def ratio(value: float) -> str:
    """Three significant digits below 1, two above."""
    return f"{value:#.2g}" if value < 1 else f"{value:#.3g}".rstrip(".")


def ratio_interval(interval: Interval) -> str:
    """A ratio with its interval."""
    return f"{ratio(interval.estimate)} {_ends(interval)}"


def number(value: float) -> str:
    """Three significant digits; whole numbers from a thousand on, with commas rather than powers of ten."""
    return f"{value:,.0f}" if abs(value) >= THOUSAND else f"{value:#.3g}".rstrip(".")


def interval(interval: Interval) -> str:
    """Estimate with its interval."""
    return f"{number(interval.estimate)} [{number(interval.low)}, {number(interval.high)}]"


def inside(label: str) -> str:
    """A label within a sentence: without its capital, unless it is a name such as BERTScore."""
    return label if label[:2].isupper() else label[:1].lower() + label[1:]


def listed(items: Sequence[object]) -> str:
    """a, b and c."""
    words = [str(item) for item in items]
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def _on_ladder(parity: Parity, steps: float) -> str:
    """A number of steps, or the end of the ladder beyond which it lies."""
    if steps == 0.0:
        return f"≤ {parity.steps[0]}"
    return number(steps) if math.isfinite(steps) else f"> {parity.steps[-1]}"


def _ends(interval: Interval) -> str:
    return f"[{ratio(interval.low)}, {ratio(interval.high)}]"


def _goal(parity: Parity) -> str:
    margin = f" within a margin of {number(parity.margin)}" if parity.margin else ""
    return f"{parity.baseline_model}'s {inside(METRICS[parity.metric].label)}{margin}"


def _perhaps(parity: Parity) -> str:
    """The probability that other prompts would reach parity at some K."""
    chance = max(parity.reaches_probability, default=0.0)
    return f" (another draw of prompts would at some K with probability {chance:.2f})" if chance > SLIGHT else ""


def _steps_interval(parity: Parity) -> str:
    """Every K that the prompts do not rule out. Few K are possible, so that the level is at least 95%, not exactly."""
    level = f"at least {parity.baseline.level:.0%} sure"
    low, high = parity.first_steps_interval
    if low is None:
        return f"{level}: not reached"
    if high is None:
        return f"{level}: {low} to more than {parity.steps[-1]}"
    return f"{level}: {low} alone" if low == high else f"{level}: {low} to {high}"


def _meeting(parity: Parity) -> str:
    """The crossing, and the speed-up there."""
    if parity.crossing_speedup is None:
        return ""
    there = f"where it would be {ratio_interval(parity.crossing_speedup)} times as fast"
    return f" Between the measured K the curves cross at {crossing(parity)}, {there}."


def _turns(parity: Parity) -> str:
    """A curve that is not monotone, where both readings of its parity agree; a flag says so where they differ."""
    kept = "" if parity.first_steps is None else f", yet from K={parity.first_steps} on all reach the baseline"
    return f"quality does not rise with every step{kept}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."
