"""The table of break-even: one row for each batch, length and way of computing."""

from collections.abc import Sequence

from analysis.parity.break_even import CACHES, NONE, BreakEven
from analysis.report.tables import Raw, Table
from analysis.report.words.numbers import interval, listed, number
from analysis.statistics.forward_passes.pace import Way
from analysis.statistics.intervals import Interval

TITLE = "Break-even: forward passes below which diffusion is faster, and tokens that each must write"
NAMES = ("diffusion", "baseline", "policy", "weights")
HEADINGS = (
    *("B", "N", *NAMES, "way", "block", "forwards", "tokens"),
    *("tokens at limit", "tokens for energy", "baseline % of limit", "diffusion % of limit", "times", "machine"),
)
WAYS = {Way.whole: "whole", Way.dual: "dual", Way.block_causal: "causal blocks"}
SAID_BY_WAY = {NONE, CACHES[Way.block_causal]}
"""What is kept, where the way says it."""
OPTIONAL = ("tokens at limit", "tokens for energy", "baseline % of limit", "diffusion % of limit", "machine")
"""Columns that are left out where no row has a value."""


def break_even_table(rows: Sequence[BreakEven]) -> Table:
    """A row for each; names that all rows share stand in the title."""
    shown = [_shown(each) for each in rows]
    same = {name: shown[0][name] for name in NAMES if shown and len({row[name] for row in shown}) == 1}
    empty = {name for name in OPTIONAL if not any(row[name] for row in shown)}
    headings = tuple(name for name in HEADINGS if name not in {*same, *empty})
    models = " against ".join(same[name] for name in ("diffusion", "baseline") if name in same)
    weights = f"{same['weights']} weights" if "weights" in same else ""
    about = [part for part in (models, same.get("policy", ""), weights, _processes(rows)) if part]
    return Table(
        name="break-even",
        title=": ".join([TITLE, *([", ".join(about)] if about else [])]),
        headings=headings,
        words=frozenset({*NAMES, "way", "times", "machine"}),
        rows=tuple(tuple(row[heading] for heading in headings) for row in shown),
        raw=tuple(_raw(each) for each in rows),
    )


def _processes(rows: Sequence[BreakEven]) -> str:
    """What the intervals cover."""
    counts = {each.processes for each in rows if each.has_interval}
    if not counts:
        return ""
    return "one process each" if counts == {1} else f"{listed(sorted(counts))} processes a run"


def _shown(each: BreakEven) -> dict[str, str]:
    cells = (
        str(each.batch),
        str(each.layout.length),
        each.diffusion,
        each.baseline,
        each.policy,
        each.weights.value,
        WAYS[each.layout.way] if each.cache in SAID_BY_WAY else each.cache,
        str(each.layout.block),
        _figure(each, each.forwards),
        _figure(each, each.tokens) + ("" if each.is_reachable else f" > {each.layout.block}"),
        *("" if value is None else number(value) for value in (each.beside.least_tokens, each.beside.joule_tokens)),
        *map(_percent, (each.beside.baseline_share, each.beside.diffusion_share)),
        "composed" if each.is_composed else "measured",
        "disturbed" if each.disturbed else "",
    )
    return dict(zip(HEADINGS, cells, strict=True))


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f}"


def _figure(each: BreakEven, value: Interval) -> str:
    return interval(value) if each.has_interval else number(value.estimate)


def _raw(each: BreakEven) -> Raw:
    return {
        "batch": each.batch,
        "length": each.layout.length,
        "output_tokens": each.layout.output_tokens,
        "diffusion": each.diffusion,
        "baseline": each.baseline,
        "policy": each.policy,
        "way": each.layout.way.value,
        "cache": each.cache,
        "weights": each.weights.value,
        "block": each.layout.block,
        "baseline_latency_s": each.baseline_s,
        **_ends("break_even_forwards", each, each.forwards),
        **_ends("tokens_per_forward_needed", each, each.tokens),
        "reachable": each.is_reachable,
        "tokens_per_forward_needed_at_the_limit": each.beside.least_tokens,
        "tokens_per_forward_needed_in_joules": each.beside.joule_tokens,
        "baseline_share_of_limit": each.beside.baseline_share,
        "diffusion_share_of_limit": each.beside.diffusion_share,
        "times": "composed" if each.is_composed else "measured",
        "processes": each.processes or None,
        "disturbed": each.disturbed,
    }


def _ends(name: str, each: BreakEven, value: Interval) -> dict[str, float | None]:
    known = each.has_interval
    return {
        name: value.estimate,
        f"{name}_low": value.low if known else None,
        f"{name}_high": value.high if known else None,
    }
