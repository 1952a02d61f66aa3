"""The lines below a terminal's table: what the figures in it do not say."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from analysis.report.terminal_table import BITS, PERPLEXITY, SAMPLERS, UNCLEAN
from analysis.report.words.numbers import MIB, first_listed, perplexity
from analysis.statistics.summary import figures_of
from crossover.records.machine import Watched
from crossover.records.profile import Profile
from crossover.records.record import Record

MOST_NAMED = 4
"""Runs that a line names, and lines of one kind."""
MEMORY_KEY = "MiB: peak memory"
JUDGED_KEY = "bits/byte and perplexity: of the texts under the judge, lower is better"
JUDGED = (BITS, PERPLEXITY)
SAMPLER_KEY = "sampler's: bits/byte of the true continuations under the model itself, as it samples"


def notes(records: Sequence[Record]) -> list[str]:
    """What the columns are, the human line, disturbances, fallbacks, profiles, and why points are missing."""
    return [
        *column_key(records),
        *human_line(records),
        *unclean(records),
        *fallbacks(records),
        *profiles(records),
        *failures(records),
    ]


def human_line(records: Sequence[Record]) -> list[str]:
    """What the judge says of the documents' true continuations: a line for each different figure."""
    known = [figures for figures in map(figures_of, records) if "human/bits_per_byte" in figures]
    lines = [
        f"the documents' true continuations: {each['human/bits_per_byte']:.2f} bits/byte,"
        f" perplexity {perplexity(each['human/perplexity'])}"
        for each in known
    ]
    return list(dict.fromkeys(lines))[:MOST_NAMED]


def unclean(records: Sequence[Record]) -> list[str]:
    """What the mark beside a latency means, and why each is marked."""
    watched = [(record.name, record.measurement.watched) for record in records if record.measurement is not None]
    reasons = [(_verdict(each), name) for name, each in watched if each is not None and each.is_unclean]
    return [f"{UNCLEAN} {reason}, in {names}" for reason, names in _by_reason(reasons)]


def column_key(records: Sequence[Record]) -> list[str]:
    """What the headings of a terminal's table do not say; nothing where no run was measured."""
    measured = [figures_of(record) for record in records if record.measurement is not None]
    judged = any(not figures.keys().isdisjoint(JUDGED) for figures in measured)
    first = [*([MEMORY_KEY] if measured else []), *([JUDGED_KEY] if judged else [])]
    sampled = any(SAMPLERS in figures for figures in measured)
    return [*(["; ".join(first)] if first else []), *([SAMPLER_KEY] if sampled else [])]


def fallbacks(records: Sequence[Record]) -> list[str]:
    """Why another engine ran than was asked for."""
    reasons = [(record.measurement.fallback, record.name) for record in records if record.measurement is not None]
    known = [(reason, name) for reason, name in reasons if reason is not None]
    return [f"another engine ran than asked for ({reason}), in {names}" for reason, names in _by_reason(known)]


def profiles(records: Sequence[Record]) -> list[str]:
    """Where the time of the profiled runs went: a line for each of the first, and how many more there are."""
    profiled = [(each.name, each.measurement.profile) for each in records if each.measurement]
    lines = [f"profile of {name}: {_shares(profile)}" for name, profile in profiled if profile is not None]
    more = len(lines) - MOST_NAMED
    return lines if more <= 0 else [*lines[:MOST_NAMED], f"profiles of {more} more are in the report and in MLflow"]


def failures(records: Sequence[Record]) -> list[str]:
    """A line for each point that was not measured or not judged, with its reason."""
    unmeasured = [f"{record.title}: {record.failure.words}" for record in records if record.failure is not None]
    scored = [(record.title, record.measurement.quality_failure) for record in records if record.measurement]
    return unmeasured + [f"{title}: not judged: {reason}" for title, reason in scored if reason is not None]


def _by_reason(reasons: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Each reason once, with the first runs that have it; of a reason and a run's name."""
    names: dict[str, dict[str, None]] = defaultdict(dict)  # in their order, each once
    for reason, name in reasons:
        names[reason][name] = None
    return [(reason, first_listed(list(alike), MOST_NAMED)) for reason, alike in names.items()]


def _verdict(watched: Watched) -> str:
    return f"{watched.verdict}: {watched.why}" if watched.why else f"{watched.verdict}"


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
