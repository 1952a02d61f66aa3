"""Where the time of the profiled runs goes, by kinds of operations, and their memory along a generation."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from analysis.report.figures.style import (
    BASELINE,
    DIFFUSION,
    GREY,
    MARK,
    PURPLE,
    Drawing,
    legend,
    look,
    panels,
    shown_of,
)
from analysis.report.points import Point, spread_out
from crossover.records.profile import Profile

MOST = 10
GIB = 2**30
COLOURS = (DIFFUSION, BASELINE, MARK, PURPLE, GREY)
HATCHES = ("", "//", "..", "\\\\", "--")
"""They tell kinds apart in grey."""


def draw_profile(points: Sequence[Point]) -> Drawing | None:
    """A bar for each profiled run, and its memory where that was recorded; None without a profile."""
    profiled = [(point, profile) for point in points if (profile := _profile(point)) is not None and profile.kinds]
    if not profiled:
        return None
    shown = [profiled[index] for index in spread_out(range(len(profiled)), MOST)]
    along = [(point, profile) for point, profile in shown if profile.memory]
    with look():
        figure, axes = panels(2 if along else 1, 2, size=(4.4, 0.8 + 0.34 * len(shown)))
        _bars(axes[0], shown)
        if along:
            _memory(axes[1], along)
        legend(figure, axes[:1], columns=5)
    kinds = ", ".join(_kinds(shown))
    return Drawing(
        name="profile",
        title="Where time and memory go",
        caption=f"Shares of the time of one generation, by kind of operation ({kinds}), measured after the samples and"
        " slowed down by the profiler."
        + (" Beside it, allocated memory along a generation." if along else "")
        + shown_of(len(shown), len(profiled)),
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
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")


def _memory(axes: Axes, along: Sequence[tuple[Point, Profile]]) -> None:
    for index, (point, profile) in enumerate(along):
        times = [each.at_s for each in profile.memory]
        used = [(each.weights_bytes + each.cache_bytes + each.rest_bytes) / GIB for each in profile.memory]
        axes.plot(times, used, color=COLOURS[index % len(COLOURS)], ls=("-", "--", ":", "-.")[index % 4], lw=1.2)
        axes.annotate(_name(point), (times[-1], used[-1]), fontsize=7, ha="right", va="bottom")
    axes.set(title="memory", xlabel="time in the generation, s", ylabel="allocated, GiB")
    axes.set_ylim(bottom=0)


def _name(point: Point) -> str:
    steps = "" if point.steps is None else f" K={point.steps}"
    return f"{point.model}{steps} B={point.batch} N={point.length}"


def _in_words(point: Point, profile: Profile) -> str:
    shares = ", ".join(f"{kind.kind} {_share(profile, kind.kind):.0%}" for kind in profile.kinds)
    return f"{_name(point)}: {shares}."
