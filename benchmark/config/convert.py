"""The configuration's one way out: to a Run and to Settings. Hydra stops here."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf, open_dict

from benchmark.config.checks import NAME, refuse_ignored, refuse_unknown, refuse_unlisted
from benchmark.config.declaring import AUTO
from benchmark.config.folder import CONF
from benchmark.config.groups import (
    EncoderConfig,
    HardwareConfig,
    JudgeConfig,
    LikelihoodConfig,
    PrecisionConfig,
    StoppingConfig,
)
from benchmark.config.judge_choice import chosen_judge
from benchmark.config.quoting import in_quotes, quoted
from benchmark.config.sampling import to_diffusion
from benchmark.config.schema import Config, register
from benchmark.config.settings import Settings, Strictness, Tokenizers, require_folder
from benchmark.config.variant import variant_of
from benchmark.models.checkpoint import is_remote
from benchmark.tasks.harness_tasks import HARNESS
from crossover.addresses import without_credentials
from crossover.errors import UserError
from crossover.records.policies import LOSSY
from crossover.records.run import Run
from crossover.records.settings import (
    Attention,
    Device,
    Encoder,
    Engine,
    Family,
    HeldOut,
    Judge,
    Model,
    Precision,
    Prompts,
    Stopping,
    Weights,
    at_least,
    usual_attention,
    usual_engine,
)


def of_folder(output_dir: Path) -> str:
    """The override that names this output_dir, whatever characters its name has."""
    return f"output_dir={in_quotes(str(output_dir.absolute()))}"


def config_of(overrides: Sequence[str]) -> Config:
    """The configuration that these overrides make, outside Hydra's own command line."""
    register()
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        return to_config(compose("config", overrides=list(map(quoted, overrides))))


def to_config(composed: DictConfig) -> Config:
    """The composed configuration as plain dataclasses, without Hydra's own part.

    User and password of the store go from its address to the environment: see `without_credentials`.

    Raises:
        UserError: when a key is not in the schema, or a value is off its list or would change nothing.
    """
    known = composed
    if "hydra" in composed:
        known = composed.copy()
        with open_dict(known):
            known.pop("hydra")
    config = OmegaConf.to_object(known)
    assert isinstance(config, Config)
    refuse_unknown(config)
    config.strict = config.strict.lower()  # Hydra reads a bare true as a truth value, and writes it True
    refuse_unlisted(config)
    refuse_ignored(config)
    if config.tracking.uri is not None:
        config.tracking.uri = without_credentials(config.tracking.uri, "tracking.uri")
    return config


def to_run(config: Config, gpu_count: Callable[[], int]) -> Run:
    """The grid point that a configuration describes, on the device that this machine has.

    Raises:
        UserError: when a value is not allowed, or the model needs a GPU that is not there.
    """
    device = _device(config.hardware, gpu_count)
    precision = _precision(config.precision, device)
    is_scored = config.weights is Weights.checkpoint  # random weights say nothing worth scoring
    if device is Device.cpu and config.model.requires_gpu and is_remote(config.model.checkpoint):
        raise UserError(
            f"model={config.model.name} needs a CUDA GPU with about 20 GB and this machine offers none:"
            " use hardware=a100 on a SLURM cluster, or model=tiny_llada or tiny_llama on any machine"
        )
    at_least("model.context", config.model.context, 2)
    stopping = to_stopping(config.stopping)  # checked where repeats replace it, too
    return Run(
        model=Model(
            name=config.model.name,
            family=config.model.family,
            checkpoint=config.model.checkpoint,
            revision=config.model.revision,
            context=config.model.context,
            architecture=config.model.architecture,
            variant=variant_of(config.model.name, config.model.checkpoint, config.model.revision),
        ),
        diffusion=to_diffusion(config) if config.model.family is Family.diffusion else None,
        batch=config.batch,
        length=config.length,
        prompt_fraction=config.prompt_fraction,
        temperature=config.temperature,
        seed=config.seed,
        warmup=config.warmup,
        repeats=config.stopping.least if config.repeats is None else config.repeats,
        device=device,
        precision=precision,
        prompts=_prompts(config),
        judge=to_judge(chosen_judge(config.judge, config.model)) if is_scored else None,
        encoder=to_encoder(config.encoder) if is_scored else None,
        likelihood=_likelihood(config.likelihood, config.model.family) if is_scored else None,
        engine=_chosen(Engine, config.engine) or usual_engine(device),
        attention=_chosen(Attention, config.attention) or usual_attention(device, precision),
        weights=config.weights,
        stopping=None if config.repeats is not None else stopping,
        profile=config.profile,
        staleness=config.staleness and config.model.family is Family.diffusion and config.cache.name in LOSSY,
        gpu=config.hardware.gpu if device is Device.cuda else None,
        strict=config.strict == Strictness.on,
        threads=config.hardware.threads,
        timed_share=config.timing.share,
        settle_s=config.timing.settle_s,
    )


def _prompts(config: Config) -> Prompts:
    given = Prompts(**vars(config.prompts))
    return given if config.tasks is None else replace(given, source=f"{HARNESS}{config.tasks}", rule=None)


def to_stopping(config: StoppingConfig) -> Stopping:
    """When to stop, where no number of repeats is fixed.

    Raises:
        UserError: when a value is not allowed.
    """
    at_least("stopping.least", config.least, 1)
    return Stopping(interval=config.interval, budget_s=config.budget_s)


def to_judge(config: JudgeConfig) -> Judge | None:
    """The judge that the group describes, if any."""
    if config.checkpoint is None:
        return None
    return Judge(
        checkpoint=config.checkpoint,
        revision=config.revision,
        precision=config.precision,
        device=_chosen(Device, config.device),
    )


def to_encoder(config: EncoderConfig) -> Encoder | None:
    """The encoder that the group describes, if any.

    Raises:
        UserError: when it lacks its layer.
    """
    if config.checkpoint is None:
        return None
    if config.layer is None:
        raise UserError(
            f"encoder.layer has no value: say which layer of {config.checkpoint} to compare, such as encoder.layer=6"
        )
    return Encoder(
        checkpoint=config.checkpoint,
        revision=config.revision,
        layer=config.layer,
        device=_chosen(Device, config.device),
    )


def to_settings(config: Config) -> Settings:
    """The configuration's other half. Relative paths become absolute, since jobs may start elsewhere.

    Raises:
        UserError: when a value is not allowed.
    """
    for name in ("pack", "replicates", "retries"):
        at_least(name, getattr(config, name), 1)
    strict = Strictness(config.strict)
    if not NAME.fullmatch(config.sweep.name):
        raise UserError(
            f"sweep.name={config.sweep.name} is not allowed: give letters, digits, '.', '_' and '-', the first a letter"
            " or digit"
        )
    return Settings(
        output_dir=Path(require_folder(config.output_dir)).absolute(),
        tracking_uri=None if config.tracking.uri is None else _absolute(config.tracking.uri),
        experiment=config.tracking.experiment,
        sweep=config.sweep.name,
        remote=config.hardware.remote,
        dry_run=config.dry_run,
        gpu=config.hardware.gpu,
        rerun=config.rerun,
        skip_dominated=config.skip_dominated,
        pack=config.pack,
        detach=config.detach,
        replicates=config.replicates,
        strict=strict,
        shares_tokenizer=config.pair.tokenizer is Tokenizers.shared,
        retries=config.retries if strict is Strictness.retry else 0,
        gpus=_listed(config.hardware.gpus),
    )


def _listed(names: str | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(name.strip() for name in names.split(","))


def _device(config: HardwareConfig, gpu_count: Callable[[], int]) -> Device:
    return _chosen(Device, config.device) or (Device.cuda if gpu_count() else Device.cpu)


def _precision(config: PrecisionConfig, device: Device) -> Precision:
    usual = Precision.bfloat16 if device is Device.cuda else Precision.float32
    return _chosen(Precision, config.dtype) or usual


Member = TypeVar("Member", bound=StrEnum)


def _chosen(members: type[Member], value: str) -> Member | None:
    """The member that a key of `choice` names; None for `auto`."""
    return None if value == AUTO else members(value)


def _likelihood(config: LikelihoodConfig, family: Family) -> HeldOut | None:
    if config.documents is None:
        return None
    is_bound = family is Family.diffusion
    return HeldOut(
        documents=config.documents,
        samples=config.samples if is_bound else None,
        orders=config.orders if is_bound else None,
    )


def _absolute(uri: str) -> str:
    scheme, separator, path = uri.partition(":///")
    if scheme != "sqlite" or not separator:
        return uri
    return f"{scheme}:///{Path(path).expanduser().absolute()}"
