"""What a parity says, in sentences."""

import math
from collections import defaultdict
from collections.abc import Sequence

from analysis.parity.choice import Reading
from analysis.parity.entropy_gap import ENTROPY_BOUND
from analysis.parity.parity import Parity, speed_of
from analysis.parity.quality import METRICS
from analysis.report.words.disturbances import machine, reasons
from analysis.report.words.numbers import inside, interval, listed, number, ratio_interval
from analysis.statistics.intervals import Interval


def answer(parity: Parity) -> str:
    """The one sentence that a reader came for: what is shown, what is shown not to be, or that neither is."""
    where, last = f"At {batch_and_length(parity)}", parity.steps[-1]
    who = f"{where} {parity.diffusion}"
    match parity.reading:
        case Reading.not_reached:
            claim = f"{who} does not reach {_goal(parity)} up to K={last}: every K {_known(parity)} falls short."
        case Reading.undecided:
            claim = (
                f"{where} it is not decided whether {parity.diffusion} reaches {_goal(parity)} up to K={last}:"
                f" {_steps_interval(parity)}.{_at_estimate(parity)}"
            )
        case Reading.smallest | Reading.reached:
            claim = f"{where} {_reached(parity)}."
    return f"{claim}{_settings(parity)}{_there(parity)}{_meeting(parity)}{_entropies(parity)}{_disturbed(parity)}"


def disagreements(parities: Sequence[tuple[Parity, str]]) -> list[str]:
    """A sentence for each comparison whose metrics say different steps to parity; each parity with its setting."""
    alike: dict[tuple[object, ...], list[Parity]] = defaultdict(list)
    for parity, setting in parities:
        alike[parity.batch, parity.length, parity.diffusion, parity.baseline_model, setting].append(parity)
    return [
        f"The metrics disagree at {batch_and_length(group[0])} on the steps to {group[0].baseline_model}'s quality:"
        f" {'; '.join(f'{steps_to_parity(each)} by {inside(label(each))}' for each in group)}."
        for group in alike.values()
        if len({steps_to_parity(each) for each in group}) > 1
    ]


def label(parity: Parity) -> str:
    """The metric by which a parity was found, and whether it was read between fronts."""
    name = METRICS[parity.metric].label
    return name if parity.at_entropy is None else f"{name} at the authors' entropy"


def speed(parity: Parity) -> str:
    """The speed-up at parity in words, with its interval; a verdict beyond the margin alone."""
    if parity.speedup is None:
        return "is there of unknown speed"
    return f"{speed_of(parity)} there, {ratio_interval(parity.speedup)} times as fast{_processes(parity)}"


def remarks(parity: Parity) -> tuple[str, ...]:
    """Sentences that qualify the answer."""
    turns = "" if parity.monotone or parity.first_steps != parity.holds_from_steps else _turns(parity)
    return tuple(_sentence(text) for text in (turns, *reasons(parity.disturbed), *parity.flags) if text)


def steps_to_parity(parity: Parity) -> str:
    """S_parity for a table: a number, `at most` the smallest K, `more than` the largest, or that nothing is decided."""
    if parity.reading is Reading.undecided:
        return "not decided"
    if parity.first_steps is None:
        return f"> {parity.steps[-1]}"
    return f"≤ {parity.first_steps}" if parity.reading is Reading.smallest else str(parity.first_steps)


def crossing(parity: Parity) -> str:
    """The crossing for a table: a number with its interval, whose ends may lie beyond the ladder."""
    crossing = parity.crossing
    middle, low, high = (_on_ladder(parity, each) for each in (crossing.steps, crossing.low, crossing.high))
    return middle if low == high else f"{middle} [{low}, {high}]"


def batch_and_length(parity: Parity) -> str:
    """A parity's batch and length."""
    return f"B={parity.batch}, N={parity.length}"


def _on_ladder(parity: Parity, steps: float) -> str:
    """A number of steps, or the end of the ladder beyond which it lies."""
    if steps == 0.0:
        return f"≤ {parity.steps[0]}"
    return number(steps) if math.isfinite(steps) else f"> {parity.steps[-1]}"


def _goal(parity: Parity) -> str:
    nats = "" if parity.at_entropy is None else f" of {parity.at_entropy:.2f} nats"
    margin = f" within a margin of {parity.margin:g}" if parity.margin else ""
    return f"{parity.baseline_model}'s {inside(label(parity))}{nats}{margin}"


def _settings(parity: Parity) -> str:
    """Under a policy that follows the text, which settings the K are."""
    if not parity.settings:
        return ""
    rungs = listed([f"K={steps} {name}" for steps, name in parity.settings.items()])
    return f" K counts forward passes, by the policy's setting: {rungs}."


def _known(parity: Parity) -> str:
    """Which K a claim is of: all that were measured, or those whose fronts reach the authors' entropy."""
    return "measured" if parity.at_entropy is None else "that was read there"


def _there(parity: Parity) -> str:
    """Of fronts, what either arm has at the authors' entropy, and the authors themselves."""
    if parity.at_entropy is None:
        return ""
    k = parity.first_steps or parity.steps[-1]
    own = interval(parity.quality[parity.steps.index(k)])
    authors = "" if parity.human is None else f", the authors' text {number(parity.human)}"
    return (
        f" There {parity.diffusion} has {own} at K={k}, {parity.baseline_model} {interval(parity.baseline)}{authors}."
    )


def _entropies(parity: Parity) -> str:
    """At one temperature, by how much the texts differ in entropy, and that a judge's parity is none where they do."""
    gap = parity.entropy_gap
    if gap is None:
        return ""
    k = parity.first_steps or parity.steps[-1]
    side = "below" if gap.estimate < 0 else "above"
    size = Interval(abs(gap.estimate), *sorted((abs(gap.low), abs(gap.high)))) if gap.low * gap.high > 0 else gap
    told = f"at K={k} the entropy of {parity.diffusion}'s texts is {interval(size)} nats {side} the baseline's"
    if size is gap:
        told = f"at K={k} the entropy of {parity.diffusion}'s texts differs by {interval(gap)} nats from the baseline's"
    if abs(gap.estimate) <= ENTROPY_BOUND:
        return f" {told[:1].upper()}{told[1:]}; sweep=front reads parity at the authors' entropy."
    does = "rewards" if gap.estimate < 0 else "punishes"
    return (
        f" The texts are not equally varied: {told}, which the judge {does}. So this is no parity at equal entropy;"
        " sweep=front looks for one."
    )


def _reached(parity: Parity) -> str:
    """Which K is shown to reach the baseline, and the speed at the first that does by its estimate."""
    low, high = parity.first_steps_interval
    already = " already" if parity.reading is Reading.smallest else ""
    at = (
        f"at the smallest K {_known(parity)}, K={high}"
        if already
        else f"at K={high}"
        if low == high
        else f"by K={high}"
    )
    shown = f"{parity.diffusion}{already} reaches {_goal(parity)} {at} ({_steps_interval(parity)})"
    return (
        f"{shown} and {speed(parity)}" if high == parity.first_steps else f"{shown}.{_at_estimate(parity)}".rstrip(".")
    )


def _at_estimate(parity: Parity) -> str:
    """The speed at the estimate of the fewest steps."""
    return f" At the estimate, K={parity.first_steps}, it {speed(parity)}." if parity.first_steps is not None else ""


def _steps_interval(parity: Parity) -> str:
    """Every K that the prompts do not rule out."""
    low, high = parity.first_steps_interval
    ends = (
        f"K={low} alone"
        if low == high
        else f"K={low} to {'beyond ' if high is None else ''}K={high or parity.steps[-1]}"
    )
    return f"{parity.baseline.level:.0%} confidence interval of the fewest steps: {ends}"


def _meeting(parity: Parity) -> str:
    """The crossing, and the speed-up there."""
    if parity.crossing_speedup is None:
        return ""
    there = f"where it would be {ratio_interval(parity.crossing_speedup)} times as fast"
    between = "measured K" if parity.at_entropy is None else "K that were read"
    return f" Between the {between} the curves cross at {crossing(parity)}, {there}."


def _disturbed(parity: Parity) -> str:
    """That the answer rests on runs whose machine was not left alone."""
    return f" The timing behind this is not clean ({machine(parity.disturbed)})." if parity.disturbed else ""


def _processes(parity: Parity) -> str:
    return " (one process each)" if parity.processes == 1 else ""


def _turns(parity: Parity) -> str:
    """A curve that is not monotone, where both readings of its parity agree; a flag says so where they differ."""
    kept = "" if parity.first_steps is None else f", yet from K={parity.first_steps} on all reach the baseline"
    return f"quality does not rise with every step{kept}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."
