"""Wrong words end in one line before anything runs, and options may stand anywhere."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmark.cli.arguments import arranged
from crossover.errors import UserError
from tests.benchmarks.wrong_inputs.generation import COUNT, Wrong, generate
from tests.benchmarks.wrong_inputs.trial import run

LINES = {
    "table": "'table' is no KEY=VALUE: it is `python -m analysis table`",
    "report outputs": "'report' is no KEY=VALUE: it is `python -m analysis report`",
    "status": "'status' is no KEY=VALUE: it is `python -m benchmark.status`",
    "help": "'help' is no KEY=VALUE: it is `crossover --help`",
    "--verison": (
        "there is no option '--verison' (did you mean '--version'?): write KEY=VALUE, -m for a sweep, or --help for all"
        " keys"
    ),
    "--model tiny_llada": "there is no option '--model': write model=VALUE, without dashes",
    "--steps=4": "there is no option '--steps=4': write steps=4, without dashes",
    "model tiny_llada": "'model' has no value: write model=tiny_llada",
    "steps": "'steps' has no value: write steps=VALUE",
    "steps batch=2": "'steps' has no value: write steps=VALUE",
    "steps:4": "'steps:4' cannot be read: write steps=4",
    "~steps": "~steps is not allowed, since every key has a value: give another, KEY=VALUE",
    "steps=null": "steps=null is not allowed: give a whole number",
    "block_length={a:1}": "block_length={a:1} is not allowed: give a whole number or null",
    "model.name={a:1}": "model.name={a:1} is not allowed: give a text",
    "profile=2": "profile=2 is not allowed: give true or false",
    "-m profile=true,2": "profile=2 is not allowed: give true or false",
    "stopping=3": (
        "stopping=3 is not allowed, since stopping is a group: set one of stopping.least, stopping.interval,"
        " stopping.budget_s"
    ),
    "steps=${nope}": (
        "steps takes its value from ${nope}, which is not known: give a value, or the name of a key of docs/keys.md"
    ),
    "judge=[1]": "judge=[1] is not known; choose one of auto, none, smollm2, tiny",
    "hardware=_slurm": (
        "hardware=_slurm is not known; choose one of a100, cpu, gpu, isolated, local, local_gpus, slurm_cpu"
    ),
    "=3": "'=3' cannot be read: write KEY=VALUE",
    "hydra=nope": (
        "there is no group 'hydra': choose from cache, encoder, hardware, judge, likelihood, model, pair, policy,"
        " precision, prompts, sweep, timing, tracking"
    ),
    "+steps=3": "'steps' is there already: leave out the +, steps=VALUE",
    "-x": "there is no option '-x': write KEY=VALUE, -m for a sweep, or --help for all keys",
    "--resolve": "--resolve is for showing the configuration: give --cfg job with it",
    "hydra.job.chdir=true": (
        "hydra.job.chdir=true is not allowed: output_dir=FOLDER says where results go, and jobs start here"
    ),
    "output_dir=": "output_dir= has no value: give a folder, such as output_dir=outputs",
    "output_dir='~/x'": (
        "output_dir=~/x is not allowed, since ~ stands for a folder in a shell alone:"
        ' write the folder out, or output_dir="$HOME/..."'
    ),
    "output_dir=~/x": (
        "output_dir=~/x is not allowed, since ~ is known to a shell alone: write the folder out, or $HOME/..."
    ),
    "sweep.name='[/x]'": (
        "sweep.name=[/x] is not allowed: give letters, digits, '.', '_' and '-', the first a letter or digit"
    ),
    "sweep.name=../../esc": (
        "sweep.name=../../esc is not allowed: give letters, digits, '.', '_' and '-', the first a letter or digit"
    ),
    "+sweep.id=../../x": "there is no key 'sweep.id': set one of sweep.name",
    "tracking.uri=''": "tracking.uri= has no value: give a text or null",
    "model.checkpoint=''": "model.checkpoint= has no value: give a text",
    "seed=2147483648": "seed=2147483648 is not allowed: give a whole number of at most 2147483647",
    "hardware.device=cpu hardware.gpu=H100": (
        "hardware.gpu=H100 is not allowed with hardware.device=cpu: give hardware.gpu=null, or another hardware.device"
    ),
    "hardware.gpus=0,1": "hardware.gpus is for hardware=local_gpus: give that with -m, or set CUDA_VISIBLE_DEVICES",
    "detach=true": (
        "detach=true is for jobs on a cluster, and these points run on this machine:"
        " leave it out, or give hardware=a100"
    ),
    "encoder.layer=3": "encoder.layer=3 needs an encoder: give encoder=minilm or encoder.checkpoint=FOLDER",
    "likelihood.samples=4": "likelihood.samples=4 needs documents to score: give likelihood=on",
    "stopping.least=-5 repeats=3": "stopping.least=-5 is not allowed: give a number of at least 1",
    "model.revision=main": (
        "model.revision=main is for checkpoints on the hub, and model.checkpoint is builtin:tiny_llada:"
        " leave the revision out, or give a hub id"
    ),
}


@pytest.mark.parametrize(("words", "line"), LINES.items(), ids=LINES)
def test_a_wrong_command_ends_with_2_and_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["benchmark"])
    wrong = Wrong(kind="", words=tuple(words.split(" ")))
    ended = run(wrong)
    assert not ended.faults(wrong), ended
    assert ended.err == f"error: {line}\n"
    assert not list(tmp_path.rglob("records"))
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize("words", ["--cfg nope", "--cfg job -m", "--cfg job -p nope"])
def test_a_wrong_option_is_named_with_what_is_allowed(words: str) -> None:
    with pytest.raises(UserError, match=words.rsplit(maxsplit=1)[-1]) as refused:
        arranged(words.split())
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("words", ["-m steps=2,4 batch=1", "steps=2,4 -m batch=1", "steps=2,4 batch=1 --multirun"])
def test_options_may_stand_anywhere(words: str) -> None:
    assert arranged(words.split())[1:] == ["steps=2,4", "batch=1"]
    assert arranged(words.split())[0] in {"-m", "--multirun"}


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("", "an empty word cannot be read: write KEY=VALUE"),
        (" ", "an empty word cannot be read: write KEY=VALUE"),
        ("steps=4 batch=2", "'steps=4 batch=2' is read as one word: leave out the quotation marks around it"),
    ],
)
def test_a_word_that_a_shell_made_of_none_or_of_several_is_named(word: str, line: str) -> None:
    with pytest.raises(UserError) as refused:
        arranged([word])
    assert str(refused.value) == line


@pytest.mark.parametrize(
    "words", ["--shell-completion", "--shell-completion install=tcsh", "--shell-completion steps=4"]
)
def test_another_completion_than_of_a_known_shell_is_refused(words: str) -> None:
    with pytest.raises(UserError) as refused:
        arranged(words.split())
    assert str(refused.value) == f"{words}: give install=SHELL or uninstall=SHELL, with one of bash, zsh, fish"


@pytest.mark.parametrize("words", ["-sc install=bash", "--shell-completion uninstall=zsh", "-sc query=fish"])
def test_the_completion_of_a_shell_stays_as_it_is(words: str) -> None:
    assert arranged(words.split()) == words.split()


def test_what_hydra_takes_stays_as_it_is() -> None:
    words = ["--cfg", "job", "-p", "model", "model=glob(tiny*)", "judge.checkpoint='a b'", "profile=true", "profile=no"]
    assert arranged(words) == words
    assert arranged(["~hydra.launcher.additional_parameters.exclusive"])


@pytest.mark.parametrize("given", ["0,1", "[0,1]", "'0,1'"])
def test_a_list_of_gpus_is_one_value_and_no_sweep(given: str) -> None:
    assert arranged(["-m", f"hardware.gpus={given}", "batch=1,8"]) == ["-m", "hardware.gpus='0,1'", "batch=1,8"]
    assert arranged(["hardware.gpus=null"]) == ["hardware.gpus=null"]


EVERY = generate(COUNT)
SAMPLE = list(dict.fromkeys([*EVERY[::30], *{wrong.kind: wrong for wrong in EVERY}.values()]))
"""Some of each kind, and always the same."""


def test_there_are_five_hundred_wrong_command_lines_and_always_the_same() -> None:
    assert len(set(EVERY)) == COUNT
    assert generate(COUNT) == EVERY


def faults_of(wrong_lines: Sequence[Wrong]) -> dict[tuple[str, ...], list[str]]:
    """The command lines that did not end as they must, and how they ended."""
    ends = {wrong.words: run(wrong) for wrong in wrong_lines}
    faults = {wrong.words: ends[wrong.words].faults(wrong) for wrong in wrong_lines}
    return {words: [*each, ends[words].err] for words, each in faults.items() if each}


def test_wrong_command_lines_of_every_kind_end_as_they_must(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["benchmark"])
    assert faults_of(SAMPLE) == {}
    assert not list(tmp_path.rglob("records/*"))


@pytest.mark.process  # for its seconds
def test_all_five_hundred_end_as_they_must(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["benchmark"])
    assert faults_of(EVERY) == {}
    assert not list(tmp_path.rglob("records/*"))
