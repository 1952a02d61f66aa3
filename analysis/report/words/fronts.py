"""What fronts say, in sentences."""

from analysis.parity.fronts.parity import Front, Fronts
from analysis.parity.quality import METRICS
from analysis.report.words.numbers import inside, interval, listed
from analysis.report.words.parity import answer


def front_answer(fronts: Fronts) -> str:
    """The parity between the fronts, or why there is none."""
    if fronts.parity is not None:
        return answer(fronts.parity)
    baseline, *ladder = fronts.fronts
    who = f"{fronts.diffusion} and {fronts.baseline_model}"
    missing = [baseline] if baseline.around is None else ladder
    named = fronts.baseline_model if baseline.around is None else f"{fronts.diffusion} at every K"
    return (
        f"At B={fronts.batch}, N={fronts.length} there is no parity by {inside(METRICS[fronts.metric].label)} between"
        f" the fronts of {who}: of {named}, no two temperatures have entropies around the"
        f" {baseline.human_entropy:.2f} nats of the authors' text ({listed([_reach(front) for front in missing])})."
    )


def temperatures(front: Front) -> str:
    """The temperatures of a front, in a row."""
    return ", ".join(f"{point.temperature:g}" for point in front.points)


def entropies(front: Front) -> str:
    """From the smallest entropy of a front to the largest."""
    known = [point.entropy.estimate for point in front.points]
    return f"{min(known):.2f} to {max(known):.2f}"


def around(front: Front) -> str:
    """The two temperatures between which a front is read."""
    return "" if front.around is None else f"{front.around[0]:g}, {front.around[1]:g}"


def quality_there(front: Front) -> str:
    """Quality at the authors' entropy."""
    return "" if front.at_human is None else interval(front.at_human)


def _reach(front: Front) -> str:
    arm = "baseline" if front.steps is None else f"K={front.steps}"
    return f"{arm}: {entropies(front)} at T={temperatures(front)}"
