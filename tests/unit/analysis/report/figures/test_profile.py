from analysis.report.figures.profile import draw_profile
from analysis.report.points import Point
from tests.factories import MEMORY_ALONG, a_profile
from tests.studies import a_sweep, profiled


def test_the_figure_has_a_bar_a_run_and_memory_where_it_was_recorded() -> None:
    points = [Point(each) for each in a_sweep()]
    assert draw_profile(points) is None
    drawing = draw_profile([Point(profiled(each.record)) for each in points])
    assert drawing is not None
    assert len(drawing.figure.axes) == 1
    assert len(drawing.figure.axes[0].patches) == 2 * len(points)
    assert "matrix 75%" in drawing.alt
    with_memory = draw_profile(
        [Point(profiled(points[0].record, a_profile(memory=MEMORY_ALONG))), Point(profiled(points[1].record))]
    )
    assert with_memory is not None
    _, strips = with_memory.figure.axes
    assert len(strips.collections) == 3, "weights, cache and rest of the run that has them"
    assert [text.get_text() for text in strips.texts] == ["0.00781 GiB"]
