"""Peak memory against length, a panel for each batch; points that ran out of memory are crosses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from analysis.report.figures.style import (
    BASELINE,
    DIFFUSION,
    GREEN,
    GREY,
    INK,
    PURPLE,
    Drawing,
    columns_for,
    legend,
    look,
    panels,
    shown_of,
    whole_numbers,
)
from analysis.report.points import Point, about_machines, spread_out
from analysis.report.words.numbers import GIB

PEAK = "max_memory_reserved"
MOST_PANELS = 9


@dataclass(frozen=True, kw_only=True)
class Axis:
    """The setting along the x axis of a panel, and the setting that differs from panel to panel."""

    words: str
    label: str
    value: Callable[[Point], int]
    panel_name: str
    panel: Callable[[Point], int]


LENGTH = Axis(
    words="length",
    label="length N, tokens",
    value=lambda point: point.length,
    panel_name="B",
    panel=lambda point: point.batch,
)
BATCH = Axis(
    words="batch",
    label="batch B",
    value=lambda point: point.batch,
    panel_name="N",
    panel=lambda point: point.length,
)


def draw_memory(points: Sequence[Point]) -> Drawing | None:
    """None when no point has a peak and none ran out of memory. A single length is drawn against batch instead."""
    known = [point for point in points if PEAK in point.values or point.ran_out_of_memory]
    if not known:
        return None
    axis = LENGTH if len({point.length for point in known}) > 1 else BATCH
    every = sorted({axis.panel(point) for point in known})
    chosen, ceiling = spread_out(every, MOST_PANELS), _ceiling(known)
    with look():
        figure, axes = panels(len(chosen), columns_for(len(chosen)))
        for value, panel in zip(chosen, axes, strict=True):
            _panel(panel, [point for point in known if axis.panel(point) == value], known, axis, ceiling)
            panel.set(title=f"{axis.panel_name} = {value}", ylabel="peak memory, GiB")
        legend(figure, axes)
    lost = [point.record.name for point in known if point.ran_out_of_memory]
    return Drawing(
        name="memory",
        title=f"Peak memory against {axis.words}",
        caption="Reserved by PyTorch's allocator on a GPU, resident on a CPU, over one untimed generation."
        " A line is the mean over steps, its bars the least and the most."
        + (" A cross ran out of memory." if lost else "")
        + about_machines(known)
        + shown_of(len(chosen), len(every)),
        alt=f"Peak memory in GiB against {axis.words}, for {axis.panel_name} = {', '.join(map(str, chosen))};"
        f" {len(lost)} points ran out of memory{': ' + ', '.join(lost[:12]) if lost else ''}.",
        figure=figure,
    )


def _ceiling(points: Sequence[Point]) -> float | None:
    """The GPU's memory in GiB, when something ran out of it."""
    sizes = {
        point.record.environment.gpu_memory_bytes
        for point in points
        if point.ran_out_of_memory and point.record.environment is not None
    }
    known = [size for size in sizes if size is not None]
    return max(known) / GIB if known else None


def _panel(axes: Axes, points: Sequence[Point], known: Sequence[Point], axis: Axis, ceiling: float | None) -> None:
    peaks = [point.values[PEAK] / GIB for point in known if PEAK in point.values]
    top = ceiling or 1.15 * max(peaks, default=1.0)
    colors = _colors(known)
    for model, color in colors.items():
        own = [point for point in points if point.model == model]
        diffuses = any(point.diffuses for point in own)
        _line(axes, [point for point in own if PEAK in point.values], axis, color, label=model)
        lost = sorted({axis.value(point) for point in own if point.ran_out_of_memory})
        if lost:
            label = f"{model}, out of memory"
            axes.plot(lost, [top] * len(lost), "X" if diffuses else "x", color=color, ms=8, mew=1.8, label=label)
    if ceiling:
        axes.axhline(ceiling, color=GREY, lw=0.8, ls=":")
        axes.annotate("the GPU's memory", (0.01, ceiling), xycoords=("axes fraction", "data"), va="bottom", color=GREY)
    axes.set_ylim(0, top * 1.14)
    whole_numbers(axes, [axis.value(point) for point in known], axis.label)
    axes.tick_params(labelcolor=INK)


def _line(axes: Axes, points: Sequence[Point], axis: Axis, color: str, *, label: str) -> None:
    if not points:
        return
    values = sorted({axis.value(point) for point in points})
    peaks = [[point.values[PEAK] / GIB for point in points if axis.value(point) == value] for value in values]
    means = [sum(each) / len(each) for each in peaks]
    below = [mean - min(each) for mean, each in zip(means, peaks, strict=True)]
    above = [max(each) - mean for mean, each in zip(means, peaks, strict=True)]
    marker, style = ("o", "-") if points[0].diffuses else ("s", "--")
    axes.errorbar(
        values, means, yerr=[below, above], color=color, marker=marker, linestyle=style, capsize=2, label=label
    )


def _colors(points: Sequence[Point]) -> dict[str, str]:
    targets = sorted({point.model for point in points if point.diffuses})
    baselines = sorted({point.model for point in points if not point.diffuses})
    return dict(zip(baselines, (BASELINE, PURPLE) * 9, strict=False)) | dict(
        zip(targets, (DIFFUSION, GREEN) * 9, strict=False)
    )
