"""The program as a user starts it: in a process of its own, from a folder of the user's."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from crossover.records.record import FailureKind
from tests.paths import ROOT
from tests.programs import ENVIRONMENT, QUICK, benchmark, command, records

pytestmark = pytest.mark.process


def test_without_arguments_it_measures_one_point_of_the_tiny_diffusion_model(tmp_path: Path) -> None:
    done = benchmark(tmp_path, *QUICK)
    assert done.returncode == 0, done.stderr
    (record,) = records(tmp_path)
    assert record.measurement is not None
    assert record.name == "tiny_llada K=32 B=1 N=128"
    assert record.measurement.forward_passes == 32
    assert record.name in done.stdout
    assert "perplexity" in done.stdout
    assert "outputs/records" in done.stdout
    assert "\x1b" not in done.stdout
    assert done.stderr == ""


def test_a_sweep_runs_equal_points_once_and_goes_on_past_infeasible_ones(tmp_path: Path) -> None:
    done = benchmark(tmp_path, "-m", "steps=2,100", "model=tiny_llama,tiny_llada", *QUICK)
    assert done.returncode == 0, done.stderr
    ended = {record.name: record.failure and record.failure.kind for record in records(tmp_path)}
    assert ended == {
        "tiny_llama B=1 N=128": None,
        "tiny_llada K=2 B=1 N=128": None,
        "tiny_llada K=100 B=1 N=128": FailureKind.infeasible,
    }
    assert "4 grid points: 2 to run, 1 the same as another" in done.stdout
    assert len(records(tmp_path)) == 3


def test_an_infeasible_point_alone_is_recorded_and_ends_with_1(tmp_path: Path) -> None:
    done = benchmark(tmp_path, "length=513", *QUICK)
    assert done.returncode == 1
    (record,) = records(tmp_path)
    assert record.failure is not None
    assert record.failure.kind is FailureKind.infeasible
    assert "context" in record.failure.message
    assert record.failure.message in done.stdout


def test_the_same_command_again_runs_only_what_is_missing_and_shows_all(tmp_path: Path) -> None:
    assert benchmark(tmp_path, "-m", "steps=2", *QUICK).returncode == 0
    done = benchmark(tmp_path, "-m", "steps=2,4", *QUICK)
    assert done.returncode == 0, done.stderr
    assert "2 grid points: 1 to run, 1 done before, skipped" in done.stdout
    assert len(records(tmp_path)) == 2
    naming = [line for line in done.stdout.splitlines() if "tiny_llada" in line and "disturbed" not in line]
    assert len(naming) == 3, "a line for the one that ran, and both rows; a busy machine has a remark on it besides"
    again = benchmark(tmp_path, "steps=2", *QUICK, "rerun=all")
    assert again.returncode == 0, again.stderr
    assert len(records(tmp_path)) == 3


def test_a_record_that_cannot_be_read_is_set_aside_and_its_point_run_again(tmp_path: Path) -> None:
    benchmark(tmp_path, "steps=2", *QUICK)
    (file,) = (tmp_path / "outputs" / "records").glob("*.json")
    file.write_text(file.read_text()[:1000])
    done = benchmark(tmp_path, "steps=2", *QUICK)
    assert done.returncode == 0, done.stderr
    assert "set aside, since it cannot be read, and run again" in done.stdout
    assert len(records(tmp_path)) == 1
    assert len(list((tmp_path / "outputs" / "records").glob("*.broken"))) == 1


@pytest.mark.parametrize("pack", [1, 2])
def test_isolated_a_process_that_is_killed_leaves_a_record_of_its_point_and_no_other_is_lost(
    tmp_path: Path, pack: int
) -> None:
    options = [option for option in QUICK if option != "hardware=cpu"]
    grid = ("-m", "steps=64,2", "hardware=isolated", f"pack={pack}")
    with subprocess.Popen(
        command(*grid, *options), cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    ) as process:
        child = begun(tmp_path)
        os.kill(child, signal.SIGKILL)
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    ended = {record.run.diffusion.steps: record.failure for record in records(tmp_path) if record.run.diffusion}
    assert ended[2] is None
    assert ended[64] is not None
    assert ended[64].kind is FailureKind.killed
    assert "killed" in output


DEAD = "import os, sys\nif 'benchmark.dispatch.job' in sys.orig_argv: sys.modules['benchmark.dispatch.claims'] = None"


def test_isolated_a_process_that_dies_before_its_point_leaves_one_record_and_the_next_command_measures(
    tmp_path: Path,
) -> None:
    (tmp_path / "dead").mkdir()
    (tmp_path / "dead" / "sitecustomize.py").write_text(DEAD)
    options = [option for option in QUICK if option != "hardware=cpu"]
    arguments = ("-m", "steps=2,4", "hardware=isolated", *options)
    environment = ENVIRONMENT | {"PYTHONPATH": f"{ROOT}:{tmp_path / 'dead'}"}
    done = subprocess.run(
        command(*arguments), cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert (done.returncode, done.stderr) == (1, "")
    told = r"tiny_llada K=2 B=1 N=128: the job ended .*: ModuleNotFoundError: .*dispatch\.claims.* \(its log: .*\.log\)"
    assert re.search(told, done.stdout), done.stdout
    failures = [record.failure for record in records(tmp_path)]
    assert [failure.kind for failure in failures if failure] == [FailureKind.error] * 2
    assert all("benchmark.dispatch.claims" in str(failure.log_tail) for failure in failures if failure)
    again = benchmark(tmp_path, *arguments)
    assert again.returncode == 0, again.stdout
    assert "2 grid points: 2 to run" in again.stdout
    assert sorted(record.measurement is not None for record in records(tmp_path)) == [False, False, True, True]


def test_choices_of_one_launcher_sweep_together_by_it_whatever_the_usual_one_is(tmp_path: Path) -> None:
    own = tmp_path / "own" / "hardware"
    own.mkdir(parents=True)
    lines = [
        "# @package _global_",
        "defaults: [override /hydra/launcher: isolated]",
        "hardware: {name: own, device: cpu}",
    ]
    (own / "own.yaml").write_text("\n".join(lines))
    options = [option for option in QUICK if option != "hardware=cpu"]
    with subprocess.Popen(
        command("--config-dir", "own", "-m", "hardware=isolated,own", "steps=2", *options),
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert begun(tmp_path) != process.pid


def begun(folder: Path) -> int:
    """The process that has claimed the first point, once it has."""
    for _ in range(1000):
        for claim in folder.glob("outputs/claims/*.1"):
            return int(json.loads(claim.read_text())["pid"])
        time.sleep(0.1)
    raise TimeoutError


def test_help_names_every_group_and_every_key(tmp_path: Path) -> None:
    done = benchmark(tmp_path, "--help")
    assert done.returncode == 0
    models = ", ".join(sorted(file.stem for file in (ROOT / "conf" / "model").glob("[!_]*.yaml")))
    assert f"model: {models}" in " ".join(done.stdout.split())
    assert all(name in models for name in ("llada", "llama", "tiny_llada", "tiny_llama", "tiny_twin"))
    for key in ("steps=32 ", "output_dir=outputs ", "model.checkpoint=", "prompts.count=", "sweep=demo"):
        assert key in done.stdout
    assert not list(tmp_path.iterdir())


BAD = {
    "unknown model": (["model=lama"], "did you mean 'llama'"),
    "no number": (["batch=abc"], "give a whole number"),
    "no steps": (["steps=0"], "at least 1"),
    "negative length": (["length=-5"], "at least 2"),
    "a typo in a key": (["bach=8"], "did you mean 'batch'"),
    "a typo in a group's key": (["model.chekpoint=x"], "did you mean 'model.checkpoint'"),
    "a key that is added": (["+bach=8"], "no key 'bach'"),
    "no folder": (["model.checkpoint=./nowhere"], "no such folder"),
    "no checkpoint": (["model.checkpoint=."], "no config.json"),
    "a checkpoint of the other family": (["model=tiny_llama", "model.checkpoint=builtin:tiny_llada"], "model=llada"),
    "an output folder that is a file": (["output_dir=/dev/null/x"], "output_dir=FOLDER"),
    "an output folder in a sweep": (["-m", "output_dir=/dev/null/x"], "output_dir=FOLDER"),
    "a sweep without -m": (["batch=1,8"], "add -m"),
    "a bad point in a sweep": (["-m", "steps=4,0"], "steps=0"),
    "two launchers": (["-m", "hardware=local,isolated"], "give a command for each"),
    "a launcher without a sweep": (["hydra/launcher=isolated"], "add -m"),
    "jobs elsewhere for points here": (["-m", "hydra/launcher=crossover_slurm", "tracking=none"], "hardware=a100 or"),
    "no prompts": (["prompts.source=./none.jsonl"], "no such file"),
    "an encoder without its layer": (["encoder.checkpoint=builtin:tiny_judge"], "encoder.layer=6"),
    "an encoder that is not there": (["encoder.checkpoint=./none", "encoder.layer=1"], "no such folder"),
    "a layer that is not there": (["encoder.checkpoint=builtin:tiny_judge", "encoder.layer=99"], "layers"),
    "a judge on a GPU that is not there": (["judge.device=cuda"], "no CUDA GPU"),
    "an odd number of samples": (["likelihood=on", "likelihood.samples=3"], "even number"),
    "no override": (["steps"], "steps=VALUE"),
    "a model without its GPU": (["model=llada"], "needs a CUDA GPU"),
    "a model without its weights": (["model=llada", "hardware=a100"], "hf download GSAI-ML/LLaDA-8B-Base"),
    "a GPU that is not there": (["hardware=gpu"], "no CUDA GPU"),
    "a server that is not there": (["tracking=server", "tracking.uri=http://127.0.0.1:9"], "tracking=none"),
    "a server without an address": (["tracking=server"], "tracking.uri"),
}


@pytest.mark.parametrize(("arguments", "advice"), BAD.values(), ids=BAD)
def test_bad_input_gets_one_line_and_leaves_no_record(tmp_path: Path, arguments: list[str], advice: str) -> None:
    done = benchmark(tmp_path, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert advice in done.stderr
    assert not list((tmp_path / "outputs" / "records").glob("*"))


def test_ctrl_c_keeps_what_is_done_records_what_was_stopped_and_ends_with_130(tmp_path: Path) -> None:
    grid = ("-m", "steps=1,64,32", "batch=8", "length=512", "tracking=none", "hardware=cpu", "prompts.count=8")
    with subprocess.Popen(
        command(*grid, "repeats=1"),
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,  # noqa: PLW1509 (no threads here)
    ) as process:
        wait_for_second_point(tmp_path)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    first, second = records(tmp_path)
    assert first.measurement is not None
    assert second.failure is not None
    assert second.failure.kind is FailureKind.interrupted
    assert "1 of 3 grid points have no record" in output


def hear_ctrl_c() -> None:
    """Undo what a shell does to its background jobs, and through them to their children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for_second_point(folder: Path) -> None:
    """Until the second point is claimed, and a moment more for its run to begin."""
    for _ in range(1000):
        if len(list(folder.glob("outputs/claims/*.1"))) > 1:
            time.sleep(1)
            return
        time.sleep(0.1)
    raise TimeoutError
