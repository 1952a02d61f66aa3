from dataclasses import replace

import numpy as np
import pytest

from analysis.parity.quality import METRICS
from analysis.report.figures.parallelism import areas, draw_parallelism
from analysis.report.study import Study, study
from crossover.records.record import Record
from crossover.records.run import Run
from tests.factories import a_diffusion, a_measurement, a_record, a_run, a_score, an_autoregressive_run


def of(run: Run, right: int, passes: int) -> Record:
    scores = tuple(a_score(prompt_id=f"q{index}", correct=float(index < right)) for index in range(40))
    return a_record(run, measurement=replace(a_measurement(), scores=scores, forward_passes=passes))


@pytest.fixture(scope="module")
def answered() -> Study:
    ladder = [of(a_run(diffusion=a_diffusion(steps=k)), right, k) for k, right in ((2, 10), (4, 29), (8, 30))]
    return study([of(an_autoregressive_run(), 30, 8), *ladder], metrics=tuple(METRICS.values()))


def test_accuracy_stands_against_forwards_and_tokens_per_forward(answered: Study) -> None:
    drawing = draw_parallelism(answered.panels["accuracy"])
    assert drawing is not None
    left, right = drawing.figure.axes
    (forwards, *_), (tokens, *_) = (axes.get_lines() for axes in (left, right))
    assert np.asarray(forwards.get_xdata()).tolist() == [2, 4, 8]
    assert np.asarray(tokens.get_xdata()).tolist() == [4.0, 2.0, 1.0]
    assert "in 4 (K=4)" in drawing.alt


def test_the_area_of_the_baseline_is_its_accuracy_in_percent(answered: Study) -> None:
    (panel,) = answered.panels["accuracy"]
    of_diffusion, of_baseline = areas(panel)
    assert of_baseline == pytest.approx(75.0)
    assert 75.0 < of_diffusion < 150.0, "two settings count; the fastest loses too much"


def test_other_metrics_have_no_such_figure(answered: Study) -> None:
    for name, panels in answered.panels.items():
        if name != "accuracy":
            assert draw_parallelism(panels) is None
