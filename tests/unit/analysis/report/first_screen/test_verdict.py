from analysis.report.first_screen.verdict import MOST_ROWS, rows, verdicts
from analysis.statistics.intervals import Interval
from tests.studies import a_parity, not_reached, undecided


def test_comparisons_are_counted_by_what_is_shown() -> None:
    slower = a_parity(batch=8, speedup=Interval(0.5, 0.4, 0.6))
    (told,) = verdicts([(a_parity(), ""), (slower, ""), (not_reached(), ""), (undecided(), "")])
    assert told == (
        "In 1 of 4 comparisons small reaches causal's quality and is faster there, 1.30 times as fast;"
        " in 1 small reaches causal's quality and is slower there, 0.50 times as fast;"
        " in 1 small does not reach causal's quality;"
        " in 1 it is not decided whether small reaches causal's quality."
    )


def test_speeds_of_one_outcome_are_given_as_a_range() -> None:
    faster = a_parity(batch=8, speedup=Interval(2.5, 2.4, 2.6))
    (told,) = verdicts([(a_parity(), ""), (faster, "")])
    assert told == (
        "In both comparisons small reaches causal's quality and is faster there, 1.30 to 2.50 times as fast."
    )


def test_the_commonest_outcome_comes_first() -> None:
    (told,) = verdicts([(not_reached(), ""), *[(a_parity(), "")] * 1500])
    assert told.startswith("In 1,500 of 1,501 comparisons small reaches")
    assert told.endswith("; in 1 small does not reach causal's quality.")


def test_models_go_unnamed_where_there_are_several_pairs() -> None:
    (told,) = verdicts([(a_parity(), ""), (a_parity(diffusion="large"), "")])
    assert "diffusion reaches the baseline's quality" in told


def test_texts_that_are_not_equally_varied_are_counted() -> None:
    apart = a_parity(entropy_gap=Interval(-0.5, -0.6, -0.4))
    alike = a_parity(entropy_gap=Interval(0.1, 0.0, 0.2))
    assert verdicts([(apart, ""), (alike, "")])[1] == (
        "In 1 of 2 comparisons the texts differ in entropy by more than 0.25 nats: no parity at equal entropy."
    )
    assert len(verdicts([(alike, "")])) == 1


def test_a_judges_liking_for_less_varied_texts_is_not_called_parity() -> None:
    apart = a_parity(entropy_gap=Interval(-3.8, -4.0, -3.6))
    told, doubt = verdicts([(apart, "")])
    assert told == (
        "In the one comparison the judge scores small's texts at least as well as causal's, but they are not equally"
        " varied."
    )
    assert doubt.endswith("no parity at equal entropy.")


def test_without_a_comparison_nothing_is_claimed() -> None:
    assert verdicts([]) == ()


def test_a_row_has_the_interval_of_the_steps_or_that_nothing_is_decided() -> None:
    reached, open_, short = rows([(a_parity(), ""), (undecided(), "seed=1"), (not_reached(), "")])
    assert (reached.where, reached.metric) == ("B=1, N=16", "generative perplexity")
    assert (reached.steps, reached.interval, reached.speed) == ("4", "[4, 8]", "1.30 [1.20, 1.40]")
    assert (open_.where, open_.steps, open_.interval) == ("B=1, N=16, seed=1", "not decided", "[4, > 8]")
    assert (short.steps, short.interval, short.speed) == ("> 8", "", "")
    assert len(rows([(a_parity(), "")] * 20)) == MOST_ROWS
