"""Which arms were not timed on a clean machine, and why."""

from collections import defaultdict
from collections.abc import Sequence

from analysis.parity.flags import Disturbance
from crossover.records.machine import Verdict


def machine(disturbances: Sequence[Disturbance]) -> str:
    """Which arms were not timed on a clean machine, in few words; nothing when all were."""
    by_verdict: dict[str, list[str]] = defaultdict(list)
    for each in disturbances:
        by_verdict[each.verdict].append(each.arm)
    return "; ".join(f"{verdict}: {_arms(arms)}" for verdict, arms in by_verdict.items())


def reasons(disturbances: Sequence[Disturbance]) -> list[str]:
    """Why arms were not timed on a clean machine: those of one reason in a line."""
    by_reason: dict[tuple[str, str], list[str]] = defaultdict(list)
    for each in disturbances:
        by_reason[each.verdict, each.why].append(each.arm)
    words = {
        Verdict.disturbed: "timed on a disturbed machine",
        Verdict.unknown: "timed on a machine that could not be watched",
    }
    return [
        f"{words[Verdict(verdict)]}: {_arms(arms)}{f' ({why})' if why else ''}"
        for (verdict, why), arms in by_reason.items()
    ]


def _arms(names: Sequence[str]) -> str:
    """Arms in a row; of K its letter once."""
    ladder = [name.removeprefix("K=") for name in names if name.startswith("K=")]
    return ", ".join(
        [*(name for name in names if not name.startswith("K=")), *([f"K={', '.join(ladder)}"] if ladder else [])]
    )
