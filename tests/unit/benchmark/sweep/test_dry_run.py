import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from benchmark.cli.main import main
from benchmark.roofline.work import Ceilings
from benchmark.sweep import dry_run as module
from benchmark.sweep.dry_run import Forecast, Target, forecast, show_forecast, summary, target_of
from crossover.records.policies import Policy, PolicyName
from crossover.records.run import Run
from crossover.records.settings import Attention, Device, Engine, Precision
from crossover.terminal import make_console
from tests.factories import EVIL_NAME, a_diffusion, a_run

FAST = Ceilings(copy_bytes_per_s=1e12, matrix_flop_per_s=1e13)


@pytest.fixture
def run(llada: Path) -> Run:
    return a_run(model=replace(a_run().model, checkpoint=str(llada)))


@pytest.fixture(autouse=True)
def tight(monkeypatch: pytest.MonkeyPatch) -> None:
    """A target with room for the small model in batches of 2, and not of 50,000."""
    target = Target(name="here", ceilings=FAST, memory_bytes=50_000_000)
    monkeypatch.setattr(module, "target_of", lambda *_, **__: target)


def test_points_that_do_not_fit_are_named_and_cost_nothing(run: Run) -> None:
    forecasts = forecast([run, replace(run, batch=50_000)], remote=False)
    assert [each.note for each in forecasts] == ["", "does not fit into 0.0466 GiB"]
    lines = summary(forecasts, remote=False, infeasible=3)
    assert lines[0].startswith("2 jobs, one after another: about ")
    assert lines[1] == "1 will not fit"
    assert lines[2].startswith("3 more cannot be run on any machine")


def test_a_policy_that_follows_the_text_takes_from_to(run: Run) -> None:
    policy = Policy(name=PolicyName.threshold, threshold=0.9)
    paced = replace(run, diffusion=a_diffusion(steps=8, block_length=4, policy=policy))
    (forecasts,) = forecast([paced], remote=False)
    assert forecasts.prediction is not None
    assert forecasts.prediction.least_latency_s is not None
    assert forecasts.prediction.latency_s == pytest.approx(4 * forecasts.prediction.least_latency_s)
    console = Console(width=200, record=True)
    show_forecast(console, [forecasts], remote=False, infeasible=0)
    assert re.search(r"small B=2 N=16 block=4 threshold=0\.9 +here +0\.\d+ to 0\.\d+ ", console.export_text())


def test_a_model_is_loaded_once_for_neighbours_and_by_every_job_of_a_cluster(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def cost_s(*_: object, loads: bool, starts: bool, compiles: bool) -> float:
        del compiles
        asked.append(loads)
        return float(starts)

    monkeypatch.setattr(module, "cost_s", cost_s)
    forecast([run, replace(run, batch=1)], remote=False)
    forecast([run, replace(run, batch=1)], remote=True)
    assert asked == [True, False, True, True]


def test_a_checkpoint_that_is_not_there_has_no_forecast_and_stops_none(run: Run) -> None:
    lost = replace(run, model=replace(run.model, checkpoint="./nowhere"))
    forecasts = forecast([lost, run], remote=False)
    assert forecasts[0].prediction is None
    assert "there is no such folder" in forecasts[0].note
    assert forecasts[1].prediction is not None


def test_the_table_has_a_line_for_each_point(run: Run) -> None:
    console = Console(record=True, width=150)
    show_forecast(console, forecast([run, replace(run, batch=1)], remote=False), remote=False, infeasible=0)
    text = console.export_text()
    assert text.count("small K=4") == 2
    assert "all that is known fits" in text


def test_a_gpu_that_is_not_here_has_its_kinds_nominal_ceilings() -> None:
    run = a_run(device=Device.cuda, precision=Precision.bfloat16, gpu="H200", engine=Engine.eager)
    assert target_of(run, remote=True).name == "H200, nominal"
    assert target_of(replace(run, gpu=None), remote=True).name == "A100, nominal"


def test_the_memory_that_a_run_demands_is_its_gpus_and_an_unknown_gpu_is_not_passed_over_in_silence() -> None:
    run = a_run(device=Device.cuda, precision=Precision.bfloat16, gpu="A100 40GB", engine=Engine.eager)
    assert target_of(run, remote=True).memory_bytes == 39 << 30
    assert target_of(replace(run, gpu="a100"), remote=True).memory_bytes == 79 << 30
    assert target_of(replace(run, gpu="V100 32GB"), remote=True).name == "A100, nominal, for want of V100 32GB"


@pytest.mark.parametrize(
    ("seconds", "gpu", "said"),
    [
        (3600 * 123.4, True, "about 123 GPU-hours"),
        (3600 * 1234.0, True, "about 1,234 GPU-hours"),
        (3600 * 12.34, True, "about 12.3 GPU-hours"),
        (36.0, True, "about 0.01 GPU-hours"),
        (42.0, False, "about 42 s"),
        (5400.0, False, "about 90 min"),
        (36000.0, False, "about 10 h"),
    ],
)
def test_long_and_short_sweeps_are_told_in_words_for_people(run: Run, seconds: float, *, gpu: bool, said: str) -> None:
    on = replace(run, device=Device.cuda, attention=Attention.sdpa, precision=Precision.bfloat16) if gpu else run
    forecasts = [Forecast(run=on, prediction=None, seconds=seconds, note="")]
    assert said in summary(forecasts, remote=True, infeasible=0)[0]


def test_a_dry_run_runs_nothing_and_ends_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["-m", "model=tiny_llama,tiny_llada", "steps=4,8,100", "dry_run=true"]
    words += ["replicates=3", f"output_dir={tmp_path}"]
    monkeypatch.setattr("sys.argv", ["benchmark", *words])
    main()
    shown = capsys.readouterr().out
    assert "9 jobs (3 of each point), one after another" in shown
    assert shown.count("tiny_llada") == 2
    assert "1 more cannot be run on any machine" in shown
    assert not (tmp_path / "records").exists()


def test_a_forecast_shows_a_name_as_it_is_typed(capsys: pytest.CaptureFixture[str]) -> None:
    run = a_run(model=replace(a_run().model, name=EVIL_NAME))
    unknown = Forecast(run=run, prediction=None, seconds=0.0, note="[/b]")
    show_forecast(make_console(), [unknown], remote=True, infeasible=0)
    assert r"[/b] :smile: [red]small[/red]\ \x1b[2J K=4 B=2 N=16" in capsys.readouterr().out
