"""The lines below a terminal's table: what the figures in it do not say."""

from collections import defaultdict
from collections.abc import Sequence

from analysis.report.terminal_table import MIB, MOST_NAMED, failures, few, human_line, unclean
from crossover.records.profile import Profile
from crossover.records.record import Record


def notes(records: Sequence[Record]) -> list[str]:
    """The human line, disturbances, fallbacks, profiles, and why points are missing."""
    return [
        *human_line(records),
        *unclean(records),
        *fallbacks(records),
        *profiles(records),
        *failures(records),
    ]


def fallbacks(records: Sequence[Record]) -> list[str]:
    """Why another engine ran than was asked for: the runs of one reason in a line."""
    by_reason: dict[str, dict[str, None]] = defaultdict(dict)
    for record in records:
        if record.measurement is not None and record.measurement.fallback is not None:
            by_reason[record.measurement.fallback][record.name] = None
    return [f"another engine ran than asked for ({why}), in {few(list(names))}" for why, names in by_reason.items()]


def profiles(records: Sequence[Record]) -> list[str]:
    """Where the time of the profiled runs went: a line for each of the first, and how many more there are."""
    profiled = [(each.name, each.measurement.profile) for each in records if each.measurement]
    lines = [f"profile of {name}: {_shares(profile)}" for name, profile in profiled if profile is not None]
    more = len(lines) - MOST_NAMED
    return lines if more <= 0 else [*lines[:MOST_NAMED], f"profiles of {more} more are in the report and in MLflow"]


def _shares(profile: Profile) -> str:
    """The shares of the kinds of operations, largest first; memory and energy where they were recorded."""
    kinds = sorted(profile.kinds, key=lambda each: -each.seconds)
    total_s = sum(each.seconds for each in kinds)
    shares = [f"{each.kind} {each.seconds / total_s:.0%}" for each in kinds if total_s > 0 and each.seconds > 0]
    energy = [] if profile.energy is None else [f"{profile.energy.joules_per_token:.3g} J a token"]
    return ", ".join([*shares, *_memory(profile), *energy])


def _memory(profile: Profile) -> list[str]:
    """The least and the most that was allocated along a generation."""
    used = [each.used_bytes / MIB for each in profile.memory]
    return [f"memory {min(used):,.0f} to {max(used):,.0f} MiB"] if used else []
