"""Latency and throughput against batch, a column for each length."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from matplotlib.axes import Axes

from analysis.report.figures.style import (
    BASELINE,
    MARKERS,
    PURPLE,
    SHADES,
    Drawing,
    error_bars,
    grid,
    legend,
    look,
    plain_log,
    ring,
    shown_of,
    whole_numbers,
)
from analysis.report.points import Point, about_machines, spread_out

MOST_LENGTHS = 4

MOST_LINES = 12
ALIKE = 1.5
"""Values within this ratio get a margin of it, since a logarithmic axis would add decades around them."""

Kind = tuple[bool, str, tuple[str, ...]]
"""Whether it diffuses, the model, and the settings besides steps, batch and length."""
Spread = tuple[float, float, float]
"""A middle, and the quartiles below and above it."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """The points of one line: a baseline, or a diffusion model at one number of steps, at the same other settings."""

    model: str
    steps: int | None
    settings: tuple[str, ...]
    told: tuple[str, ...]
    """Those of the settings that not all lines share."""
    look: dict[str, Any]

    @property
    def label(self) -> str:
        """Label in the legend."""
        steps = () if self.steps is None else (f"K={self.steps}",)
        return " ".join((self.model, *steps, *self.told))

    def through(self, points: Sequence[Point]) -> list[Point]:
        """Its points, by batch."""
        return sorted((point for point in points if self.holds(point)), key=lambda point: point.batch)

    def holds(self, point: Point) -> bool:
        """Whether the point lies on it."""
        return (point.model, point.steps, point.settings) == (self.model, self.steps, self.settings)


def draw_scaling(points: Sequence[Point]) -> Drawing | None:
    """None when nothing was measured."""
    measured = [point for point in points if "latency/e2e_s" in point.values]
    if not measured:
        return None
    lost = sum(point.ran_out_of_memory for point in points)
    every = sorted({point.length for point in measured})
    lengths, lines = spread_out(every, MOST_LENGTHS), lines_of(measured)
    with look():
        figure, cells = grid(2 * len(lengths), max(2, len(lengths)), size=(3.4, 2.5))
        axes = [figure.add_subplot(cell) for cell in cells]
        for length, above, below in zip(lengths, axes, axes[len(lengths) :], strict=False):
            chosen = [point for point in measured if point.length == length]
            _draw(above, lines, chosen, latency)
            _draw(below, lines, chosen, throughput)
            above.set_title(f"N = {length}")
        axes[0].set_ylabel("latency of a batch, s")
        axes[len(lengths)].set_ylabel("throughput, tokens/s")
        legend(figure, axes, columns=6)
    return Drawing(
        name="latency-throughput",
        title="Latency and throughput against batch",
        caption="Median of the timed samples, or of the medians of several processes; bars span the quartiles."
        + (f" Of all lines the {MOST_LINES} through most points." if len(lines) == MOST_LINES else "")
        + about_machines(measured)
        + (f" Out of memory and so missing: {lost} of the runs; see the peak memory." if lost else "")
        + shown_of(len(lengths), len(every)),
        alt="Latency of a batch and throughput, both on logarithmic axes, against batch size, for length"
        f" {', '.join(map(str, lengths))}; lines: {', '.join(line.label for line in lines)}.",
        figure=figure,
    )


def lines_of(points: Sequence[Point]) -> list[Line]:
    """Baselines first, then diffusion models over a few of their steps; of many, those through most points."""
    ladder = spread_out((point.steps for point in points if point.steps is not None), len(SHADES))
    looks_of_steps = dict(zip(ladder, zip(SHADES[len(SHADES) - len(ladder) :], MARKERS, strict=False), strict=True))
    common = set.intersection(*(set(point.settings) for point in points))
    kinds = dict.fromkeys((point.diffuses, point.model, point.settings) for point in points)
    looks = _looks(sorted(kinds))
    wanted = [point for point in points if point.steps is None or point.steps in looks_of_steps]
    numbers = Counter((point.diffuses, point.model, point.settings, point.steps) for point in wanted)
    kept = sorted((each for each, _ in numbers.most_common(MOST_LINES)), key=lambda each: (*each[:3], each[3] or 0))
    lines = []
    for diffuses, model, settings, steps in kept:
        style = looks[diffuses, model, settings]
        if steps is not None:
            shade, marker = looks_of_steps[steps]
            style = style | {"color": shade, "marker": marker}
        told = tuple(each for each in settings if each not in common)
        lines.append(Line(model=model, steps=steps, settings=settings, told=told, look=style))
    return lines


def _looks(kinds: Sequence[Kind]) -> dict[Kind, dict[str, Any]]:
    """A colour for each baseline, a dash for each diffusion model, both at each of their settings."""
    baselines = ({"color": color, "marker": "s", "linestyle": "--", "zorder": 3} for color in cycle((BASELINE, PURPLE)))
    targets = ({"linestyle": style} for style in cycle(("-", "-.", ":")))
    return {kind: next(targets if kind[0] else baselines) for kind in kinds}


def latency(point: Point) -> Spread:
    """Median and quartiles, in s."""
    values = point.values
    return values["latency/e2e_s"], values["latency/e2e_p25_s"], values["latency/e2e_p75_s"]


def throughput(point: Point) -> Spread:
    """Median and quartiles, in tokens/s."""
    middle, low, high = latency(point)
    tokens = point.values["throughput/tok_per_s"] * middle
    return tokens / middle, tokens / high, tokens / low


def _is_drawn(point: Point, lines: Sequence[Line]) -> bool:
    return any(line.holds(point) for line in lines)


def _draw(axes: Axes, lines: Sequence[Line], points: Sequence[Point], value: Callable[[Point], Spread]) -> None:
    for line in lines:
        if own := line.through(points):
            spreads = [value(point) for point in own]
            axes.errorbar(
                [point.batch for point in own],
                [middle for middle, _, _ in spreads],
                yerr=error_bars(spreads),
                label=line.label,
                capsize=2,
                **line.look,
            )
    ring(axes, [(point.batch, value(point)[0]) for point in points if point.is_unclean and _is_drawn(point, lines)])
    whole_numbers(axes, [point.batch for point in points], "batch B")
    highest, lowest = max(value(point)[2] for point in points), min(value(point)[1] for point in points)
    if highest < ALIKE * lowest:
        axes.set_ylim(lowest / ALIKE, highest * ALIKE)
    plain_log(axes, "y", highest / lowest)
