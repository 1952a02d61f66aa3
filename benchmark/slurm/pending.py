"""Why a job waits, in words: `Reason` of `scontrol show job`, and what a user can do about it."""

from collections.abc import Mapping
from datetime import timedelta

LASTING = timedelta(minutes=1)
"""How long a job waits before its reason is told, unless it would wait for good."""
NO_REASON = frozenset({"", "None", "(null)"})
RELEASE = "scontrol release {jobs}"
NEVER = "it will never start: scancel {jobs}, and give the command again"
REMEDIES: Mapping[str, str] = {
    "launch failed requeued held": RELEASE,
    "job requeued in held state": RELEASE,
    "JobHeldUser": RELEASE,
    "JobHeldAdmin": "an administrator holds it, and can scontrol release {jobs}",
    "BadConstraints": f"no node has what hydra.launcher asks for, {NEVER} with less",
    "DependencyNeverSatisfied": NEVER,
    "PartitionTimeLimit": f"hydra.launcher.timeout_min is above the partition's limit, {NEVER} with less",
    "PartitionNodeLimit": f"the partition gives a job fewer nodes, {NEVER} on another hydra.launcher.partition",
    "InvalidAccount": f"hydra.launcher.account is none of yours, {NEVER} with another",
    "InvalidQOS": f"hydra.launcher.qos is none of yours, {NEVER} with another",
}
"""What to do about a job that does not start by itself. `{jobs}` stands for the jobs' names."""


def explain(reason: str, waited: timedelta | None) -> str | None:
    """A reason in words, with its remedy; None for no reason, and for a usual one before it has lasted."""
    words = reason.strip("()").replace("_", " ")
    if reason in NO_REASON:
        return None
    if words in REMEDIES:
        return f"{words}: {REMEDIES[words]}"
    return words if waited is not None and waited >= LASTING else None
