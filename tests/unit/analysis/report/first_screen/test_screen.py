from dataclasses import replace

from analysis.parity.break_even import BreakEven
from analysis.report.first_screen.certainty import certainty
from analysis.report.first_screen.circumstances import circumstances
from analysis.report.first_screen.map_cells import map_cells
from analysis.report.first_screen.screen import NOT_MEASURED, NOTHING, first_screen
from analysis.report.map.study import pair_maps
from analysis.report.points import points
from analysis.statistics.intervals import Interval
from crossover.records.machine import Verdict, Watched
from crossover.records.record import Record
from crossover.records.settings import Weights
from tests.factories import a_failed_record, an_environment
from tests.studies import a_parity, a_study, a_sweep


def watched(record: Record, verdict: Verdict) -> Record:
    assert record.measurement is not None
    seen = Watched(verdict=verdict, labelled=(), why=None)
    return replace(record, measurement=replace(record.measurement, watched=seen))


def test_it_says_how_many_runs_on_what() -> None:
    records = [*a_sweep(batches=(1,), environment=an_environment()), a_failed_record()]
    runs, machine = circumstances(points(records))
    assert runs.startswith("5 runs, 4 measured, 1 failed (1 out of memory); on 2026-03-01")
    assert an_environment().cpu in machine
    assert "float32" in machine
    assert "temperature 0" in machine
    random = [replace(record, run=replace(record.run, weights=Weights.random, judge=None)) for record in records]
    assert "; random weights" in circumstances(points(random))[1]
    assert "; checkpoints and random weights" in circumstances(points([*records, *random]))[1]


def test_it_says_how_many_threads_a_cpu_computed_with() -> None:
    for number, words in ((1, "1 thread"), (4, "4 threads")):
        environment = replace(an_environment(), gpu=None, cpu_threads=number)
        _, machine = circumstances(points(a_sweep(batches=(1,), environment=environment)))
        assert f"{environment.cpu}, {words};" in machine


def test_it_says_how_many_machines_were_not_clean() -> None:
    clean = [watched(record, Verdict.clean) for record in a_sweep(batches=(1,))]
    assert certainty([], points(clean), ()) == ("The machine was clean in all 4 measured processes.",)
    mixed = [watched(clean[0], Verdict.disturbed), watched(clean[1], Verdict.unknown), *clean[2:]]
    assert certainty([], points(mixed), ()) == (
        "The machine was clean in 2, disturbed in 1 and of unknown state in 1 of 4 measured processes.",
    )
    assert certainty([], points(a_sweep(batches=(1,))), ())[0].startswith("The machine was not watched in all 4")


def test_it_says_what_intervals_rest_on() -> None:
    (alone,) = certainty([a_parity(prompts=24)], [], ())
    assert "95% confidence intervals, of quality over 24 prompts" in alone
    assert "timed in one process, so a difference in speed of less than 10% gets no verdict" in alone
    (several,) = certainty([a_parity(processes=3)], [], ())
    assert several.endswith("Each run was timed in at least 3 processes.")


def test_it_says_how_many_cells_have_an_interval_and_how_many_are_composed() -> None:
    def told(*cells: BreakEven) -> str:
        (sentence,) = certainty([], [], cells)
        return sentence

    (pair,) = pair_maps(a_sweep(batches=(1, 8), lengths=(16,)))
    measured = pair.cells[0]
    composed = replace(measured, is_composed=True, processes=0)
    assert told(measured) == "The table of break-even has an interval for every cell of the map."
    assert told(composed) == (
        "Cells of the map with an interval: 0 of 1. Composed from the times of single forward passes: 1."
    )
    assert told(replace(measured, is_composed=True)) == (
        "Cells of the map with an interval: 1 of 1. Composed from the times of single forward passes: 1."
    )
    assert told(measured, composed, composed) == (
        "Cells of the map with an interval: 1 of 3. Composed from the times of single forward passes: 2."
    )


def test_the_map_is_a_row_a_length_the_longest_first() -> None:
    (pair,) = pair_maps(a_sweep(batches=(1, 8), lengths=(16, 32)))
    shown = map_cells(pair)
    assert shown.batches == (1, 8)
    assert [length for length, _ in shown.rows] == [32, 16]
    assert all(cell.text and 1 <= cell.tone <= 5 for _, cells in shown.rows for cell in cells)
    assert "small (whole canvas) must write to be faster than causal" in shown.title


def test_the_more_tokens_a_pass_must_write_the_darker_is_its_cell() -> None:
    (pair,) = pair_maps(a_sweep(batches=(1,), lengths=(16,)))
    cell = pair.cells[0]

    def tone(tokens: float) -> int:
        forwards = cell.layout.output_tokens / tokens
        made = replace(cell, forwards=Interval(forwards, forwards, forwards))
        ((_, (shown,)),) = map_cells(replace(pair, cells=(made,))).rows
        return shown.tone

    tones = [tone(tokens) for tokens in (0.01, 1.0, 2.0, 4.0, 8.0, 1e6)]
    assert tones == sorted(tones)
    assert (tones[0], tones[-1]) == (1, 5)
    assert len(set(tones)) > 2


def test_a_large_map_keeps_its_ends() -> None:
    (pair,) = pair_maps(a_sweep(batches=range(1, 13), lengths=(16, 32)))
    shown = map_cells(pair)
    assert len(shown.batches) == 8
    assert (shown.batches[0], shown.batches[-1]) == (1, 12)


def test_what_cannot_be_compared_has_no_verdict_and_no_map() -> None:
    alone = [record for record in a_sweep() if record.run.diffusion is None]
    screen = first_screen(a_study(alone))
    assert screen.verdicts == first_screen(a_study([*alone, a_failed_record()])).verdicts == (NOTHING,)
    assert (screen.map, screen.rows, screen.more_rows) == (None, (), 0)
    assert screen.of


def test_where_nothing_was_measured_it_says_so() -> None:
    screen = first_screen(a_study([a_failed_record()]))
    assert screen.verdicts == (NOT_MEASURED,)
    assert screen.of == ("1 run, 0 measured, 1 failed (1 out of memory); on 2026-03-01 (UTC).",)
    assert screen.certainty == ()
