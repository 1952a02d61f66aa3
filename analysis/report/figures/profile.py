"""Where the time of the profiled runs goes, by kinds of operations, and their memory along a generation."""

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes

from analysis.report.figures.style import (
    BASELINE,
    DIFFUSION,
    GREY,
    MARK,
    PURPLE,
    SHADES,
    Drawing,
    legend,
    look,
    panels,
    shown_of,
)
from analysis.report.points import Point, spread_out
from analysis.report.words.numbers import GIB
from crossover.records.profile import MemoryPoint, Profile

MOST = 10
STRIP = 0.8
"""Height of a strip, of the distance between two."""
PARTS: dict[str, Callable[[MemoryPoint], int]] = {
    "weights": lambda each: each.weights_bytes,
    "cache": lambda each: each.cache_bytes,
    "rest": lambda each: each.rest_bytes,
}
LOOKS = ((SHADES[3], ""), (SHADES[0], ".."), (SHADES[1], ""))
MEMORY = (
    " Beside it, memory along a generation as a strip for each run, whose height is its share of the largest: weights"
    " dark at the foot, cache dotted, the rest lighter; the number is the most."
)
COLOURS = (DIFFUSION, BASELINE, MARK, PURPLE, GREY)
HATCHES = ("", "//", "..", "\\\\", "--")
"""They tell kinds apart in grey."""


def draw_profile(points: Sequence[Point]) -> Drawing | None:
    """A bar for each profiled run, and its memory where that was recorded; None without a profile."""
    profiled = [(point, profile) for point in points if (profile := _profile(point)) is not None and profile.kinds]
    if not profiled:
        return None
    shown = [profiled[index] for index in spread_out(range(len(profiled)), MOST)]
    along = any(profile.memory for _, profile in shown)
    with look():
        figure, axes = panels(2 if along else 1, 2, size=(4.4, 0.8 + 0.34 * len(shown)))
        _bars(axes[0], shown)
        if along:
            _memory(axes[1], shown)
        legend(figure, axes[:1], columns=5)
    kinds = ", ".join(_kinds(shown))
    return Drawing(
        name="profile",
        title="Where time and memory go",
        caption=f"Shares of the time of one generation, by kind of operation ({kinds}), measured after the samples and"
        " slowed down by the profiler." + (MEMORY if along else "") + shown_of(len(shown), len(profiled)),
        alt=" ".join(_in_words(point, profile) for point, profile in shown),
        figure=figure,
    )


def _profile(point: Point) -> Profile | None:
    return None if point.record.measurement is None else point.record.measurement.profile


def _kinds(shown: Sequence[tuple[Point, Profile]]) -> list[str]:
    return list(dict.fromkeys(kind.kind for _, profile in shown for kind in profile.kinds))


def _share(profile: Profile, kind: str) -> float:
    total_s = sum(each.seconds for each in profile.kinds)
    return sum(each.seconds for each in profile.kinds if each.kind == kind) / total_s if total_s > 0 else 0.0


def _bars(axes: Axes, shown: Sequence[tuple[Point, Profile]]) -> None:
    rows = range(len(shown))
    left = [0.0 for _ in rows]
    for index, kind in enumerate(_kinds(shown)):
        shares = [_share(profile, kind) for _, profile in shown]
        style = index % len(COLOURS)
        axes.barh(rows, shares, left=left, color=COLOURS[style], hatch=HATCHES[style], ec="white", lw=0.5, label=kind)
        left = [before + share for before, share in zip(left, shares, strict=True)]
    axes.set(title="time", xlabel="share of the time", xlim=(0, 1))
    axes.set_yticks(rows, [_name(point) for point, _ in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")


def _memory(axes: Axes, shown: Sequence[tuple[Point, Profile]]) -> None:
    """A strip for each run, as high as its memory is of the largest: weights, cache and the rest on one another."""
    most = max(each.used_bytes for _, profile in shown for each in profile.memory)
    for row, (_, profile) in enumerate(shown):
        if not profile.memory:
            continue
        floor = [row + STRIP / 2] * len(profile.memory)
        times = [each.at_s / (profile.memory[-1].at_s or 1.0) for each in profile.memory]
        for (part, read), (colour, hatch) in zip(PARTS.items(), LOOKS, strict=True):
            height = [STRIP * read(each) / most for each in profile.memory]
            top = [low - high for low, high in zip(floor, height, strict=True)]  # the axis points down
            axes.fill_between(times, floor, top, color=colour, hatch=hatch, ec="white", lw=0, label=part)
            floor = top
        peak = max(each.used_bytes for each in profile.memory) / GIB
        axes.text(1.02, row, f"{peak:.3g} GiB", va="center")
    axes.set(title="memory: weights, cache, rest", xlabel="share of the generation's time", xlim=(0, 1))
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_yticks([])
    axes.grid(visible=False)


def _name(point: Point) -> str:
    steps = "" if point.steps is None else f" K={point.steps}"
    return f"{point.model}{steps} B={point.batch} N={point.length}"


def _in_words(point: Point, profile: Profile) -> str:
    shares = ", ".join(f"{kind.kind} {_share(profile, kind.kind):.0%}" for kind in profile.kinds)
    most = max((each.used_bytes for each in profile.memory), default=0) / GIB
    return f"{_name(point)}: {shares}{f'; at most {most:.3g} GiB' if most else ''}."
