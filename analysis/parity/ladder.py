"""The rungs of a diffusion model's ladder: K steps, or the settings of a policy's knob.

Where a policy follows the text alone, K is the number of forward passes that a setting took, the mean of its samples,
rounded. Settings of one ladder do the same work in each pass, so that fewer passes take less time. Of settings that
took equally many the slower one has the next whole number, so that none is lost.
"""

from collections.abc import Iterable, Mapping
from statistics import fmean, median

from crossover.records.record import Record
from crossover.records.run import Run
from crossover.records.settings import Diffusion


def ladder_name(run: Run) -> str:
    """The model's name with what all rungs have in common."""
    return " ".join([run.model.label, *run.ladder_sampling])


def setting(diffusion: Diffusion) -> int | str:
    """What tells a rung from the others: steps, or the policy with its knob."""
    return diffusion.steps if diffusion.policy.has_steps else diffusion.policy.label


def by_steps(records: Iterable[Record]) -> dict[int, Record]:
    """The records of one ladder by K, smallest first."""
    rungs: dict[int, Record] = {}
    for record in sorted(records, key=_passes_and_latency):
        diffusion = record.run.diffusion
        assert diffusion is not None
        steps = diffusion.steps
        if not diffusion.policy.has_steps:
            steps = max(round(_passes_and_latency(record)[0]), max(rungs, default=0) + 1)
        rungs[steps] = record
    return dict(sorted(rungs.items()))


def settings_of(rungs: Mapping[int, Record]) -> dict[int, str]:
    """The policy with its knob by K; empty where K is a number of steps."""
    named = ((steps, record.run.diffusion) for steps, record in rungs.items())
    return {
        steps: diffusion.policy.label
        for steps, diffusion in named
        if diffusion is not None and not diffusion.policy.has_steps
    }


def _passes_and_latency(record: Record) -> tuple[float, float]:
    """Forward passes, the mean of the samples that tell them, and the median latency in seconds."""
    measured = record.measurement
    assert measured is not None, "ladders hold measured runs"
    told = [len(sample.forwards.computed) for sample in measured.samples if sample.forwards is not None]
    passes = fmean(told) if told else measured.forward_passes
    return passes, median(sample.latency_s for sample in measured.samples)
