from pathlib import Path

import pytest
import yaml

from benchmark.cli.messages import complaint
from crossover.errors import UserError
from tests.composition import config


def complain(*overrides: str) -> str | None:
    """What the user reads after giving these."""
    try:
        config(*overrides)
    except Exception as error:  # noqa: BLE001 (any library's, as on the command line)
        return complaint(error)
    raise AssertionError(f"{overrides} is allowed")


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("batch=abc", "batch=abc is not allowed: give a whole number"),
        ("batch=1.5", "batch=1.5 is not allowed: give a whole number"),
        ("length=", "length= is not allowed: give a whole number"),
        ("prompts.count=x", "prompts.count=x is not allowed: give a whole number"),
        ("temperature=hot", "temperature=hot is not allowed: give a number"),
        ("precision.dtype=fp8", "precision.dtype=fp8 is not allowed: give one of auto, bfloat16, float32"),
        ("model.family=rnn", "model.family=rnn is not allowed: give one of autoregressive, diffusion"),
        ("hardware.remote=maybe", "hardware.remote=maybe is not allowed: give true or false"),
        (
            "hydra/launcher=x",
            (
                "hydra/launcher=x is not known; choose one of basic, crossover_slurm, inline, isolated,"
                " local_gpus, submitit_local, submitit_slurm"
            ),
        ),
        (
            "judge=null",
            "a group takes a name, as in judge=none or model=tiny_llada: --help lists the groups and their names",
        ),
        (
            "output_dir=~/x",
            "output_dir=~/x is not allowed, since ~ is known to a shell alone: write the folder out, or $HOME/...",
        ),
        (
            "output_dir=a,b",
            (
                "output_dir=a,b gives several values: add -m to run them as a sweep,"
                " python -m benchmark -m output_dir=a,b; one value that has a comma"
                " needs quotation marks, \"output_dir='a,b'\""
            ),
        ),
        ("steps", "'steps' cannot be read: write KEY=VALUE, or with -m KEY=A,B for several values"),
        (
            "steps=1,2",
            "steps=1,2 gives several values: add -m to run them as a sweep, python -m benchmark -m steps=1,2",
        ),
    ],
)
def test_a_value_is_refused_with_what_is_allowed(override: str, line: str) -> None:
    assert complain(override) == line


@pytest.mark.parametrize(
    ("override", "beginning"),
    [
        ("stpes=3", "there is no key 'stpes' (did you mean 'steps'?): --help lists all"),
        ("modle=tiny_llada", "there is no key 'modle' (did you mean 'model'?): --help lists all"),
        (
            "model.checkpont=a",
            "there is no key 'model.checkpont' (did you mean 'model.checkpoint'?): --help lists all",
        ),
        ("engine=compield", "engine=compield is not allowed (did you mean 'compiled'?): give one of auto, "),
        ("temp=1", "there is no key 'temp' (did you mean 'temperature'?): --help lists all"),
        ("batch_size=1", "there is no key 'batch_size' (did you mean 'batch'?): --help lists all"),
        ("threshold=1", "there is no key 'threshold' (did you mean 'policy.threshold'?): --help lists all"),
        ("judge.foo=1", "there is no key 'judge.foo'; the keys are judge.checkpoint, "),
        ("hydra.lancher=1", "there is no key 'hydra.lancher': `python -m benchmark --cfg hydra` shows Hydra's own"),
        (
            "hydra.launcher.partition=x",
            "the launcher has no key 'hydra.launcher.partition': give keys of the launcher that hardware= chooses",
        ),
        ("+new=1", "there is no key 'new': set one of model, "),
        ("model=nope", "model=nope is not known; choose one of diffucoder_7b, "),
        ("sweep=dmeo", "sweep=dmeo is not known (did you mean 'demo'?); choose one of demo, "),
        ("judge=tny", "judge=tny is not known (did you mean 'tiny'?); choose one of auto, none, smollm2, tiny"),
    ],
)
def test_an_unknown_name_is_named_with_its_likely_meaning(override: str, beginning: str) -> None:
    line = complain(override)
    assert line is not None
    assert line.startswith(beginning)


def test_a_value_that_a_choice_needs_is_asked_for() -> None:
    assert complain("tracking=server") == "tracking.uri has no value: give it, tracking.uri=..."


@pytest.mark.parametrize("override", ["hardware.remote=maybe", "steps=${nope}", "batch=[1]"])
def test_whatever_is_wrong_with_an_override_is_said_in_one_line(override: str) -> None:
    line = complain(override)
    assert line
    assert "\n" not in line
    assert override.partition("=")[0] in line


def test_a_line_that_was_written_for_the_user_stays() -> None:
    assert complaint(UserError("use a multiple of 5")) == "use a multiple of 5"


def test_a_file_of_conf_that_is_no_yaml_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nfamily: diffusion\n checkpoint: x\n")
    with pytest.raises(yaml.YAMLError) as raised, file.open() as stream:
        yaml.safe_load(stream)
    assert complaint(raised.value) == f"{file}, line 3: mapping values are not allowed here: mend its YAML"


def test_a_folder_that_cannot_be_written_is_named() -> None:
    line = complaint(PermissionError(13, "Permission denied", "/outputs/records"))
    assert line == (
        "/outputs/records: Permission denied; if it belongs to the output, give another folder, output_dir=FOLDER"
    )


def test_an_error_of_our_own_is_not_blamed_on_the_user() -> None:
    assert complaint(ZeroDivisionError("division by zero")) is None
