"""What a reader must know before quoting a parity: a line each."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from analysis.parity.choice import Choice, Reading
from analysis.parity.entropy_gap import ENTROPY_BOUND
from analysis.parity.evidence import Evidence
from analysis.parity.quality import Metric
from analysis.statistics.intervals import Interval
from analysis.statistics.latency_checks import why_no_latency
from analysis.statistics.robust import far_above
from analysis.statistics.shares import McNemar
from crossover.records.machine import Verdict
from crossover.records.record import Record
from crossover.records.texts import Score

LARGE = 100.0
"""Nats that no text has."""
COPIED, COPIED_BEYOND = "copied_4", 0.25
"""A text's figure, and how far the mean of an arm may lie above that of the baseline and of the authors."""
MOST_NAMED = 4
"""Texts that a line names."""
LEAST_P = 0.0001
"""Smaller probabilities are not told apart."""


@dataclass(frozen=True, kw_only=True)
class Disturbance:
    """An arm whose machine was not left alone, or could not be watched, and why; of several runs in how many."""

    arm: str
    verdict: Verdict
    why: str


def score_flags(evidence: Evidence) -> list[str]:
    """Whether prompts were left out, and which depend on each other."""
    asked, known = evidence.asked, len(evidence.prompts)
    lacking = [f"{asked - known} of {asked} prompts lack a score in some run"] if known < asked else []
    shared = f"the {known} prompts come from {evidence.clusters} sources, which were drawn whole"
    return lacking + ([shared] if evidence.clusters < known else [])


def broken_flags(steps: Sequence[int], evidence: Evidence, metric: Metric) -> list[str]:
    """Which texts are so much worse than the others of their arm that the mean is theirs; and what the others say."""
    if metric.is_share:  # right or wrong is never far off
        return []
    sign = -1.0 if metric.higher_is_better else 1.0
    lines = []
    for k, rate_P in zip((None, *steps), evidence.rate_AP, strict=True):
        broken = [name for name, far in zip(evidence.prompts, far_above(sign * rate_P), strict=True) if far]
        if broken:
            shown = ", ".join(broken[:MOST_NAMED]) + (", ..." if len(broken) > MOST_NAMED else "")
            worst = sign * float(np.max(sign * rate_P))
            lines.append(
                f"{len(broken)} of {len(rate_P)} texts of {_arm(k)} break down ({shown}; {worst:.3g}"
                f" {metric.advantage_unit}, median {np.median(rate_P):.3g}){_without(steps, k, evidence, metric)}"
            )
    return lines


def share_flags(steps: Sequence[int], tests: Sequence[McNemar]) -> list[str]:
    """How many answers one arm alone has right, and McNemar's test of each K."""
    shown = [
        f"K={k} {test.baseline_alone} and {test.other_alone}, p {_probability(test.p)}"
        for k, test in zip(steps, tests, strict=False)
    ]
    heading = "answers right in the baseline alone and in diffusion alone, and McNemar's exact test"
    return [f"{heading}: {'; '.join(shown)}"] if shown else []


def _probability(p: float) -> str:
    return f"= {p:.2g}" if p >= LEAST_P else f"< {LEAST_P}"


def choice_flags(steps: Sequence[int], choice: Choice, speedup: Interval | None) -> list[str]:
    """Whether S_parity, or the speed-up there, needs a word of caution."""
    flags = []
    if choice.first != choice.holds_from:
        holds = "not held at the largest K" if choice.holds_from is None else f"holds from K={choice.holds_from} on"
        flags.append(f"reached first at K={choice.first}, but lost again; {holds}")
    if choice.first is not None and choice.reading is Reading.undecided:
        flags.append(f"may not be reached up to K={steps[-1]}: the speed-up's interval assumes that it is")
    if speedup is not None and not speedup.is_bounded:
        flags.append("the speed-up has no interval: too few latencies")
    return flags


def timing_flags(arms: Mapping[str, Sequence[Record]], *, wanted: bool) -> list[str]:
    """Which runs have no usable latency, and where one sample stands alone; `wanted` where a speed-up was to be had."""
    lines = []
    for name, records in arms.items():
        reasons = {why_no_latency(each.measurement) for each in records if each.measurement is not None}
        if None not in reasons:
            lines.append(f"{name} has no latency: {', '.join(sorted(filter(None, reasons)))}")
    once = any(len(records) == 1 and _samples(records[0]) == 1 for records in arms.values())
    return lines + (["a latency was timed once only: no speed-up"] if once and wanted else [])


def unbounded_flags(names: Sequence[str], quality: Sequence[Interval], metric: Metric) -> list[str]:
    """Which arms' quality the prompts do not bound."""
    vast = [name for name, each in zip(names, quality, strict=True) if not math.isfinite(each.estimate)]
    unbounded = [name for name, each in zip(names, quality, strict=True) if not each.is_bounded and name not in vast]
    lines = [f"{metric.label} of {', '.join(vast)} is more than a number can hold"] if vast else []
    if not unbounded:
        return lines
    return [
        *lines,
        f"{metric.label} of {', '.join(unbounded)} has no bound: too few prompts, or too few that differ",
    ]


def disturbances(arms: Mapping[str, Sequence[Record]]) -> tuple[Disturbance, ...]:
    """The arms that were timed on a machine that was disturbed, or that could not be watched."""
    disturbed = []
    for name, records in arms.items():
        watched = [each.measurement.watched for each in records if each.measurement and each.measurement.watched]
        unclean = [each for each in watched if each.is_unclean]
        if unclean:
            verdict = Verdict.disturbed if Verdict.disturbed in {each.verdict for each in unclean} else Verdict.unknown
            share = f"{len(unclean)} of {len(records)} runs; " if len(records) > 1 else ""
            disturbed.append(Disturbance(arm=name, verdict=verdict, why=f"{share}{unclean[0].why or ''}"))
    return tuple(disturbed)


def copying(arms: Mapping[str, Sequence[Record]]) -> dict[str, str]:
    """The arms whose texts copy their prompts far more than the baseline's and the authors' do, and that in words."""
    baseline, *others = ((name, records[0].measurement) for name, records in arms.items())
    usual = [_copied(texts) for texts in (() if baseline[1] is None else (baseline[1].scores, baseline[1].human))]
    most = max((each for each in usual if each is not None), default=None)
    shares = {name: None if measured is None else _copied(measured.scores) for name, measured in others}
    return {
        name: f"texts of {name} copy {share:.0%} of their runs of 4 words from their prompts, the baseline and the"
        f" authors at most {most:.0%}: the judge misleads"
        for name, share in shares.items()
        if share is not None and most is not None and share > most + COPIED_BEYOND
    }


def _copied(texts: Sequence[Score]) -> float | None:
    known = [text.figures[COPIED] for text in texts if COPIED in text.figures]
    return fmean(known) if known else None


def entropy_flags(k: int, gap: Interval | None) -> list[str]:
    """Whether the entropies of the baseline's texts and of those at `k` steps differ too much."""
    if gap is None or abs(gap.estimate) <= ENTROPY_BOUND:
        return []
    side = "above" if gap.estimate > 0 else "below"
    size = abs(gap.estimate)
    shown = f"{size:.2f}" if size < LARGE else f"{size:.3g}"
    return [f"entropy at K={k} is {shown} nats {side} the baseline's, more than {ENTROPY_BOUND:g}: the judge misleads"]


def _without(steps: Sequence[int], k: int | None, evidence: Evidence, metric: Metric) -> str:
    """What the middle of the texts says of this K."""
    if k is None:
        return ""
    trimmed = evidence.trimmed[steps.index(k)]
    return (
        f"; a mean without the best and the worst fifth of the texts is {trimmed.estimate:+.3g} {metric.advantage_unit}"
        f" [{trimmed.low:+.3g}, {trimmed.high:+.3g}] past parity"
    )


def _arm(k: int | None) -> str:
    return "the baseline" if k is None else f"K={k}"


def _samples(record: Record) -> int:
    return 0 if record.measurement is None else len(record.measurement.samples)
