from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from analysis.parity.quality import PERPLEXITY
from benchmark.config.settings import Settings
from benchmark.dispatch.context import SweepContext, sweep_context
from benchmark.dispatch.ledger import GridPoint, grid_point
from benchmark.store.journal import Journal
from benchmark.sweep.bisection import conclude_search
from benchmark.sweep.driver import SweepDriver
from benchmark.sweep.parity_search import Goal, RungVerdict, Search, find_ladders, in_words, reaching
from benchmark.sweep.plan import Plan
from benchmark.sweep.prepare import make_sweep
from benchmark.sweep.trials import in_trials
from crossover.errors import UserError
from crossover.records.policies import FactorRule, Policy, PolicyName
from crossover.records.record import Record
from crossover.records.run import Run
from crossover.terminal import make_console
from tests.factories import a_diffusion, a_failed_record, a_measurement, a_record, a_run, a_score, an_autoregressive_run

LADDER = (1, 2, 4, 8)
BASELINE = grid_point(an_autoregressive_run(), ["baseline"])
RUNGS = tuple(grid_point(a_run(diffusion=a_diffusion(steps=steps)), [str(steps)]) for steps in LADDER)


def judged(run: Run, nats: float) -> Record:
    """A record whose texts have so many nats a token, the prompts a little apart."""
    scores = tuple(a_score(prompt_id=str(prompt), nll_nats=10 * nats + prompt, judge_tokens=10) for prompt in range(8))
    return a_record(run, measurement=a_measurement(scores=scores))


def search(folder: Path, record: Callable[[Run], Record], *, replicates: int = 1) -> Search:
    """A search whose jobs are done by writing the record that `record` gives for each run."""
    journal = Journal(output_dir=folder)
    journal.prepare()
    points = (BASELINE, *RUNGS)

    def hand_out(context: SweepContext, indices: Sequence[int], _: Settings) -> None:
        for index in indices:
            now = datetime.now(UTC).isoformat()
            point = context.sweep.entries[index]
            made = replace(record(point.run), started_at=now, finished_at=now, replicate=point.replicate)
            journal.write(replace(made, sweep=context.sweep.id, environment=None))

    settings = Settings(output_dir=folder, tracking_uri=None, experiment="", sweep="sought", remote=False)
    planned = in_trials(Plan(points=points, total=len(points)), replicates)
    sweep = make_sweep(planned, settings)
    sweep.write()
    driver = SweepDriver(
        context=sweep_context(sweep, make_console()),
        plan=planned,
        settings=settings,
        hand_out=hand_out,
        tracker=None,
    )
    driver.read_records()
    return Search(driver=driver, ladders=find_ladders(planned.points), goal=Goal(metric=PERPLEXITY, margin=0.0))


def steps_of(search_end: Search) -> list[int]:
    return [point.run.diffusion.steps for point in search_end.launched if point.run.diffusion]


def improves_to_parity_at_4(run: Run) -> Record:
    return judged(run, 3.0 if run.diffusion is None else 5.0 - run.diffusion.steps / 2)


def test_only_the_rungs_in_question_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    search_end = search(tmp_path, improves_to_parity_at_4)
    search_end.run()
    search_end.say_findings()
    assert search_end.launched[0] == BASELINE
    assert sorted(steps_of(search_end)) == [2, 4]
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "parity is shown from K=4 by generative perplexity (K=2 falls short, K=4 reaches; not measured: 1, 8)" in said
    )
    assert "3 runs instead of the 5 of the whole grid" in said


def test_an_unreached_baseline_is_said_to_be_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    search_end = search(tmp_path, lambda run: judged(run, 1.0 if run.diffusion is None else 4.0))
    search_end.run()
    search_end.say_findings()
    assert "parity is not reached up to K=8" in capsys.readouterr().out


def test_a_rung_that_failed_is_passed_over(tmp_path: Path) -> None:
    def record(run: Run) -> Record:
        failed = run.diffusion is not None and run.diffusion.steps == 4
        return a_failed_record(run) if failed else improves_to_parity_at_4(run)

    search_end = search(tmp_path, record)
    search_end.run()
    assert 8 in steps_of(search_end)
    assert len(steps_of(search_end)) == len(set(steps_of(search_end)))


def test_without_its_baseline_a_ladder_is_left_after_one_rung(tmp_path: Path) -> None:
    search_end = search(tmp_path, lambda run: a_failed_record(run) if run.diffusion is None else judged(run, 3.0))
    search_end.run()
    assert len(steps_of(search_end)) == 1


@pytest.mark.parametrize("points", [RUNGS, (BASELINE,)], ids=["no baseline", "no diffusion"])
def test_a_search_needs_both_arms(points: tuple[GridPoint, ...]) -> None:
    with pytest.raises(UserError, match="both arms"):
        find_ladders(points)


def test_contradicting_rungs_are_said_to_be_so() -> None:
    shown = {1: RungVerdict.short, 2: RungVerdict.reaches, 8: RungVerdict.short}
    assert "contradict" in in_words(conclude_search(LADDER, reaching(shown)), shown, "F1")


def test_a_rung_whose_texts_leave_it_open_is_not_said_to_reach(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its estimate each rung is better than the baseline; its prompts differ too much for that to be shown."""

    def record(run: Run) -> Record:
        spread = 0 if run.diffusion is None else 40
        nats = [30.0 + (spread if prompt % 2 else -spread - 1) * (run.diffusion is not None) for prompt in range(8)]
        scores = tuple(a_score(prompt_id=str(at), nll_nats=nll + 50, judge_tokens=10) for at, nll in enumerate(nats))
        return a_record(run, measurement=a_measurement(scores=scores))

    search_end = search(tmp_path, record)
    search_end.run()
    search_end.say_findings()
    said = " ".join(capsys.readouterr().out.split())
    assert "parity is not decided up to K=8 by generative perplexity (K=2 not decided, K=4 not decided" in said


def test_a_rung_is_measured_in_all_its_processes_before_the_next_is_chosen(tmp_path: Path) -> None:
    search_end = search(tmp_path, improves_to_parity_at_4, replicates=2)
    search_end.run()
    kinds = [
        (point.replicate, point.run.diffusion.steps if point.run.diffusion else None) for point in search_end.launched
    ]
    assert kinds == [(0, 2), (0, None), (1, None), (1, 2), (0, 4), (1, 4)]


def test_too_few_scored_prompts_end_the_search_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def record(run: Run) -> Record:
        return a_record(run, measurement=a_measurement(scores=(a_score(),)))

    search_end = search(tmp_path, record)
    search_end.run()
    search_end.say_findings()
    assert len(steps_of(search_end)) == 1
    assert "nothing could be compared" in " ".join(capsys.readouterr().out.split())


def test_a_search_again_launches_nothing_that_is_done(tmp_path: Path) -> None:
    first = search(tmp_path, improves_to_parity_at_4)
    first.run()
    again = search(tmp_path, lambda run: pytest.fail(f"{run.name} was run again"))
    again.run()
    assert again.known() == first.known() == [BASELINE, RUNGS[1], RUNGS[2]]


def test_the_settings_of_a_knob_are_rungs_in_the_order_of_their_forward_passes() -> None:
    def threshold(knob: float) -> Policy:
        return Policy(name=PolicyName.threshold, threshold=knob)

    def factor(knob: float) -> Policy:
        return Policy(name=PolicyName.factor, factor=knob, factor_rule=FactorRule.plain)

    policies = (threshold(0.9), factor(1.0), threshold(0.5), factor(3.0))
    points = [grid_point(a_run(diffusion=a_diffusion(policy=policy)), [policy.label]) for policy in policies]
    thresholds, factors = find_ladders([*points, BASELINE])
    assert [thresholds.name(rung) for rung in thresholds.rungs] == ["threshold=0.5", "threshold=0.9"]
    assert [factors.name(rung) for rung in factors.rungs] == ["factor=3", "factor=1"]
    finding = conclude_search((1, 2), {1: False, 2: True})
    verdicts = {1: RungVerdict.short, 2: RungVerdict.reaches}
    said = in_words(finding, verdicts, "perplexity", thresholds.name)
    assert said == "parity is shown from threshold=0.9 by perplexity (threshold=0.5 falls short, threshold=0.9 reaches)"
