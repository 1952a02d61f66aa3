import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.axes import Axes

from analysis.parity.flags import Disturbance
from analysis.report.figures.bound import draw_bound
from analysis.report.figures.curves import draw_curves
from analysis.report.figures.front import draw_front, front
from analysis.report.figures.memory import draw_memory
from analysis.report.figures.panel import MOST_PANELS
from analysis.report.figures.scaling import draw_scaling
from analysis.report.figures.staleness import draw_staleness
from analysis.report.figures.style import Drawing
from analysis.report.figures.timeline import draw_timeline
from analysis.report.points import points
from crossover.records.machine import Verdict, Watched
from crossover.records.staleness import Staleness
from tests.factories import a_failed_record, a_measurement, a_record
from tests.studies import a_panel, a_parity, a_study, a_sweep, not_reached

if TYPE_CHECKING:
    from crossover.records.record import Record


def drawn(drawing: Drawing | None) -> Drawing:
    assert drawing is not None
    return drawing


def legend(drawing: Drawing) -> set[str]:
    return {text.get_text() for text in drawing.figure.legends[0].get_texts()}


def words(axes: Axes) -> set[str]:
    return {text.get_text() for text in axes.texts}


def test_quality_shows_both_arms_the_band_and_the_mark() -> None:
    drawing = drawn(draw_curves([a_panel()]))
    (axes,) = drawing.figure.axes
    assert legend(drawing) == {"small", "causal", "steps to parity"}
    assert len(axes.patches) == 1  # the baseline's band
    assert (axes.get_title("left"), axes.get_title("right")) == ("B = 1, N = 16", "parity: K = 4")
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xscale()) == ("steps K", "Generative perplexity", "log")
    assert drawing.alt.startswith("At B=1, N=16 small reaches")


def test_parity_that_is_not_reached_has_no_mark_but_a_word() -> None:
    drawing = drawn(draw_curves([a_panel(not_reached())]))
    assert "steps to parity" not in legend(drawing)
    (axes,) = drawing.figure.axes
    assert axes.get_title("right") == "parity: K > 8"
    assert axes.get_yscale() == "log"  # of perplexity, whatever it spans
    assert [line for line in axes.lines if str(line.get_marker()) in {"D", "<", ">"}] == []


def test_a_long_title_leaves_the_answer_a_line_of_its_own() -> None:
    (axes,) = drawn(draw_curves([replace(a_panel(), setting="gpu=A100")])).figure.axes
    assert axes.get_title("left") == "B = 1, N = 16, gpu=A100\nparity: K = 4"


def test_the_crossing_lies_at_the_foot_with_an_arrow_where_its_interval_goes_on() -> None:
    crossing = replace(a_parity().crossing, high=math.inf)
    (axes,) = drawn(draw_curves([a_panel(a_parity(crossing=crossing))])).figure.axes
    x_by_marker = {str(line.get_marker()): float(np.asarray(line.get_xdata())[0]) for line in axes.lines}
    assert (x_by_marker["D"], x_by_marker["|"]) == (3.6, 2.9)
    assert x_by_marker[">"] == pytest.approx(axes.get_xlim()[1])
    assert "<" not in x_by_marker


def test_the_human_line_is_drawn_in_each_figure_of_quality() -> None:
    for draw in (draw_curves, draw_front):
        for human, drawn in ((17.0, 1), (None, 0)):
            drawing = draw([a_panel(a_parity(human=human))])
            assert drawing is not None
            (axes,) = drawing.figure.axes
            heights = [line.get_ydata()[0] for line in axes.lines if line.get_label() == "true continuations"]  # type: ignore[index]
            assert heights == [17.0] * drawn
            assert ("true continuations" in drawing.caption) == bool(drawn)


def test_entropy_stands_below_its_curve() -> None:
    (panel, _) = a_study().panels["perplexity"]
    above, below = drawn(draw_curves([panel])).figure.axes
    assert below.get_ylabel() == "entropy,\nnats"
    assert above.get_xlabel() == ""
    assert below.get_xlabel() == "steps K"


def test_a_figure_of_many_panels_shows_some_and_says_so() -> None:
    drawing = drawn(draw_curves([a_panel(a_parity(batch=batch)) for batch in range(1, 40)]))
    assert len(drawing.figure.axes) == MOST_PANELS
    assert f"{MOST_PANELS} of 39 panels" in drawing.caption


def test_the_front_leaves_out_what_is_beaten_in_both() -> None:
    assert front([(1, 9), (2, 5), (3, 7), (4, 4)], higher_is_better=False) == [(1, 9), (2, 5), (4, 4)]
    assert front([(1, 9), (2, 5), (3, 10)], higher_is_better=True) == [(1, 9), (3, 10)]
    assert front([(1, 9), (1, 5)], higher_is_better=False) == [(1, 5)]


def test_quality_against_latency_labels_every_k() -> None:
    drawing = drawn(draw_front([a_panel()]))
    (axes,) = drawing.figure.axes
    assert words(axes) == {"2", "4", "8"}
    assert legend(drawing) == {"small", "causal", "Pareto front"}


def test_scaling_has_latency_and_throughput_for_each_length() -> None:
    drawing = drawn(draw_scaling(points(a_sweep(lengths=(16, 32)))))
    assert len(drawing.figure.axes) == 4
    assert legend(drawing) == {"causal", "small K=2", "small K=4", "small K=8"}
    assert {axes.get_ylabel() for axes in drawing.figure.axes} >= {"latency of a batch, s", "throughput, tokens/s"}


def test_runs_at_other_settings_are_lines_of_their_own() -> None:
    records = a_sweep(batches=(1, 8))
    hot = [replace(each, run=replace(each.run, temperature=0.5)) for each in records if each.run.diffusion]
    drawing = drawn(draw_scaling(points([*records, *hot])))
    assert legend(drawing) >= {"small K=2", "small K=2 T=0.5", "causal"}
    batches = [[float(batch) for batch in np.asarray(line.get_xdata())] for line in drawing.figure.axes[0].lines]
    assert all(len({*each}) == len(each) for each in batches), "a line has one point a batch"


def test_of_very_many_lines_those_through_most_points_are_drawn() -> None:
    records = [
        replace(each, run=replace(each.run, temperature=0.5, seed=seed))
        for seed in range(6)
        for each in a_sweep(batches=(1, 8) if seed else (1, 2, 4))
    ]
    drawing = drawn(draw_scaling(points(records)))
    assert len(legend(drawing)) == 12
    assert {"causal", "small K=8"} <= legend(drawing)
    assert "Of all lines the 12 through most points" in drawing.caption


def test_runs_that_are_missing_for_lack_of_memory_are_counted() -> None:
    caption = drawn(draw_scaling(points([*a_sweep(), a_failed_record()]))).caption
    assert "missing: 1 of the runs" in caption
    assert "missing" not in drawn(draw_scaling(points(a_sweep()))).caption


@pytest.mark.parametrize(("lengths", "label"), [((16, 32), "length N, tokens"), ((16,), "batch B")])
def test_memory_runs_along_what_varies(lengths: tuple[int, ...], label: str) -> None:
    drawing = drawn(draw_memory(points(a_sweep(lengths=lengths))))
    assert {axes.get_xlabel() for axes in drawing.figure.axes} == {label}


def test_a_point_that_ran_out_of_memory_is_a_cross() -> None:
    records = a_sweep()
    lost = a_failed_record(replace(records[-1].run, batch=64))
    drawing = drawn(draw_memory(points([*records, lost])))
    assert "small, out of memory" in legend(drawing)
    assert lost.name in drawing.alt
    crosses = [line for line in drawing.figure.axes[0].lines if line.get_marker() == "X"]
    assert [np.asarray(line.get_xdata()).tolist() for line in crosses] == [[64]]


def test_the_timeline_has_tokens_and_steps() -> None:
    tokens, steps = drawn(draw_timeline(points(a_sweep()))).figure.axes
    assert (tokens.get_ylabel(), steps.get_ylabel()) == ("time of a token, ms", "time of a step, ms")
    assert len(steps.lines) == 2  # one for each batch


def test_staleness_has_a_line_for_each_run_that_was_compared() -> None:
    staleness = Staleness(computed=(8, 4), kl_nats=(0.0, 0.2), equal_share=(1.0, 0.5))
    compared = a_record(measurement=a_measurement(staleness=staleness))
    divergence, equal = drawn(draw_staleness(points([compared, a_record()]))).figure.axes
    assert [np.asarray(line.get_ydata()).tolist() for line in divergence.lines] == [[0.0, 0.2]]
    assert [np.asarray(line.get_ydata()).tolist() for line in equal.lines] == [[1.0, 0.5]]


def test_what_was_not_measured_is_not_drawn() -> None:
    failed: list[Record] = [a_failed_record()]
    assert draw_scaling(points(failed)) is None
    assert draw_timeline(points(failed)) is None
    assert draw_staleness(points(failed)) is None
    assert draw_bound(points(a_sweep())) is None
    assert draw_curves([]) is None
    assert draw_front([]) is None
    assert draw_memory([]) is None


def test_a_drawing_is_saved_twice_and_alike_for_alike_data(tmp_path: Path) -> None:
    first, second = (drawn(draw_curves([a_panel()])).save(tmp_path) for _ in range(2))
    assert first.svg == second.svg
    assert {file.name for file in tmp_path.iterdir()} == {"quality-perplexity.svg", "quality-perplexity.png"}


def test_runs_that_were_not_timed_on_a_clean_machine_are_ringed_and_told() -> None:
    disturbed = (Disturbance(arm="K=4", verdict=Verdict.disturbed, why="CPU busy"),)
    drawing = drawn(draw_front([a_panel(a_parity(disturbed=disturbed))]))
    assert "machine not clean" in legend(drawing)
    assert (
        "1 of the runs shown were not timed on a clean machine, and have a grey circle around them." in drawing.caption
    )
    assert "machine not clean" not in legend(drawn(draw_front([a_panel()])))
    assert "quality does not depend on it" in drawn(draw_curves([a_panel(a_parity(disturbed=disturbed))])).caption
    watched = Watched(verdict=Verdict.disturbed, why="CPU busy", labelled=())
    first, *others = a_sweep()
    assert first.measurement is not None
    busy = points([replace(first, measurement=replace(first.measurement, watched=watched)), *others])
    scaling = drawn(draw_scaling(busy))
    assert "machine not clean" in legend(scaling)
    for drawing in (scaling, drawn(draw_memory(busy)), drawn(draw_timeline(busy))):
        assert "Not measured on a clean machine: 1 of these 8 runs." in drawing.caption
    assert "clean" not in drawn(draw_scaling(points(a_sweep()))).caption
