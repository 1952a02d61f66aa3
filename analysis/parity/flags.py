"""What a reader must know before quoting a parity: a line each."""

from collections.abc import Sequence
from statistics import fmean

from analysis.parity.choice import Choice
from analysis.statistics.intervals import Interval
from crossover.records.record import Measurement


def score_flags(arms: Sequence[Measurement], prompts: Sequence[str]) -> list[str]:
    """Whether prompts were left out."""
    asked = max(len(arm.scores) for arm in arms)
    return [f"{asked - len(prompts)} of {asked} prompts lack a score in some run"] if len(prompts) < asked else []


def choice_flags(steps: Sequence[int], choice: Choice, speedup: Interval | None) -> list[str]:
    """Whether S_parity, or the speed-up there, needs a word of caution."""
    flags = []
    if choice.first != choice.holds_from:
        holds = "not held at the largest K" if choice.holds_from is None else f"holds from K={choice.holds_from} on"
        flags.append(f"reached first at K={choice.first}, but lost again; {holds}")
    if choice.first is not None and choice.interval[1] is None:
        flags.append(f"may not be reached up to K={steps[-1]}: the speed-up's interval assumes that it is")
    if choice.first is not None and speedup is None:
        flags.append("a latency was timed once only: no speed-up")
    return flags


def entropy_flags(
    steps: Sequence[int],
    arms: Sequence[Measurement],
    prompts: Sequence[str],
    choice: Choice,
    bound: float | None,
) -> list[str]:
    """Whether the arms' entropies differ at S_parity, or at the largest K where it is not reached."""
    if bound is None:
        return []
    k = choice.first or steps[-1]
    gap = _entropy(arms[1 + steps.index(k)], prompts) - _entropy(arms[0], prompts)
    if abs(gap) <= bound:
        return []
    side = "above" if gap > 0 else "below"
    return [f"entropy at K={k} is {abs(gap):.2f} nats {side} the baseline's, more than {bound:g}: perplexity misleads"]


def _entropy(arm: Measurement, prompts: Sequence[str]) -> float:
    wanted = set(prompts)
    return fmean(score.entropy_nats for score in arm.scores if score.prompt_id in wanted)
