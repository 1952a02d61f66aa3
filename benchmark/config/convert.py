"""The configuration's one way out: to a Run and to Settings. Hydra stops here."""

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf, open_dict

from benchmark.config.schema import (
    AttentionChoice,
    Config,
    DeviceChoice,
    EncoderConfig,
    EngineChoice,
    JudgeConfig,
    LikelihoodConfig,
    PrecisionChoice,
    StoppingConfig,
    register,
)
from benchmark.config.settings import Settings
from benchmark.models.checkpoint import is_remote
from crossover.errors import UserError
from crossover.records.run import Run, split_length
from crossover.records.settings import (
    Attention,
    Device,
    Diffusion,
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
    usual_attention,
    usual_engine,
)

PACKAGE = Path(__file__).parents[1]
CONF = next(folder for folder in (PACKAGE / "conf", PACKAGE.parent / "conf") if folder.is_dir())
"""The configuration's folder: inside an installed package, beside it in a checkout."""


def of_folder(output_dir: Path) -> str:
    """The override that names this output_dir, whatever characters its name has."""
    return "output_dir='{}'".format(str(output_dir.absolute()).replace("'", "\\'"))


def config_of(overrides: Sequence[str]) -> Config:
    """The configuration that these overrides make, outside Hydra's own command line."""
    register()
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        return to_config(compose("config", overrides=list(overrides)))


def to_config(composed: DictConfig) -> Config:
    """The composed configuration as plain dataclasses, without Hydra's own part."""
    known = composed.copy()
    with open_dict(known):
        known.pop("hydra", None)
    _refuse_unknown(known, Config())
    config = OmegaConf.to_object(known)
    assert isinstance(config, Config)
    return config


def _refuse_unknown(known: DictConfig, schema: object, group: str = "") -> None:
    """Hydra lets `+key=value` add what is not in the schema; here it would change nothing."""
    names = [entry.name for entry in fields(schema)]  # type: ignore[arg-type]  # an instance of a dataclass
    for key in map(str, known):
        if key not in names:
            keys = ", ".join(group + name for name in names)
            raise UserError(f"there is no key {group + key!r}: set one of {keys}")
        if is_dataclass(inner := getattr(schema, key)):
            _refuse_unknown(known[key], inner, f"{key}.")


def to_run(config: Config, gpu_count: Callable[[], int]) -> Run:
    """The grid point that a configuration describes, on the device that this machine has.

    Raises:
        UserError: when a value is not allowed, or the model needs a GPU that is not there.
    """
    device = _device(config.hardware.device, gpu_count)
    precision = _precision(config.precision.dtype, device)
    is_scored = config.weights is Weights.checkpoint  # random weights say nothing worth scoring
    if device is Device.cpu and config.model.requires_gpu and is_remote(config.model.checkpoint):
        raise UserError(
            f"model={config.model.name} needs a CUDA GPU with about 20 GB and this machine offers none:"
            " use hardware=a100 on a SLURM cluster, or model=tiny_llada or tiny_llama on any machine"
        )
    output_tokens = split_length(config.length, config.prompt_fraction)[1]
    diffusion = Diffusion(
        steps=config.steps,
        block_length=output_tokens if config.block_length is None else config.block_length,
        remasking=config.model.remasking,
        guidance_scale=config.model.guidance_scale,
    )
    return Run(
        model=Model(
            name=config.model.name,
            family=config.model.family,
            checkpoint=config.model.checkpoint,
            revision=config.model.revision,
            context=config.model.context,
            architecture=config.model.architecture,
        ),
        diffusion=diffusion if config.model.family is Family.diffusion else None,
        batch=config.batch,
        length=config.length,
        prompt_fraction=config.prompt_fraction,
        temperature=config.temperature,
        seed=config.seed,
        warmup=config.warmup,
        repeats=config.stopping.least if config.repeats is None else config.repeats,
        device=device,
        precision=precision,
        prompts=Prompts(source=config.prompts.source, count=config.prompts.count),
        judge=to_judge(config.judge) if is_scored else None,
        encoder=to_encoder(config.encoder) if is_scored else None,
        likelihood=_likelihood(config.likelihood, config.model.family) if is_scored else None,
        engine=_engine(config.engine, device),
        attention=_attention(config.attention, device, precision),
        weights=config.weights,
        stopping=None if config.repeats is not None else to_stopping(config.stopping),
        profile=config.profile,
        gpu=config.hardware.gpu if device is Device.cuda else None,
        strict=config.strict,
    )


def to_stopping(config: StoppingConfig) -> Stopping:
    """When to stop, where no number of repeats is fixed.

    Raises:
        UserError: when a value is not allowed.
    """
    if config.least < 1:
        raise UserError(f"stopping.least={config.least} is not allowed: give a number of at least 1")
    return Stopping(interval=config.interval, budget_s=config.budget_s)


def to_judge(config: JudgeConfig) -> Judge | None:
    """The judge that the group describes, if any."""
    if config.checkpoint is None:
        return None
    return Judge(
        checkpoint=config.checkpoint,
        revision=config.revision,
        precision=config.precision,
        device=_own_device(config.device),
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
        device=_own_device(config.device),
    )


def to_settings(config: Config) -> Settings:
    """The configuration's other half. Relative paths become absolute, since jobs may start elsewhere."""
    if config.output_dir.startswith("~"):
        raise UserError(
            f"output_dir={config.output_dir}: nobody expands the ~ here; write the folder out, or $HOME/..."
        )
    if config.pack < 1:
        raise UserError(f"pack={config.pack} is not allowed: give a number of at least 1")
    return Settings(
        output_dir=Path(config.output_dir).absolute(),
        tracking_uri=None if config.tracking.uri is None else _absolute(config.tracking.uri),
        experiment=config.tracking.experiment,
        sweep=config.sweep.id or config.sweep.name,
        index=config.sweep.index,
        remote=config.hardware.remote,
        dry_run=config.dry_run,
        gpu=config.hardware.gpu,
        rerun=config.rerun,
        skip_dominated=config.skip_dominated,
        pack=config.pack,
        detach=config.detach,
    )


def _device(choice: DeviceChoice, gpu_count: Callable[[], int]) -> Device:
    if choice is DeviceChoice.auto:
        return Device.cuda if gpu_count() else Device.cpu
    return Device(choice.value)


def _precision(choice: PrecisionChoice, device: Device) -> Precision:
    if choice is PrecisionChoice.auto:
        return Precision.bfloat16 if device is Device.cuda else Precision.float32
    return Precision(choice.value)


def _engine(choice: EngineChoice, device: Device) -> Engine:
    return usual_engine(device) if choice is EngineChoice.auto else Engine(choice.value)


def _attention(choice: AttentionChoice, device: Device, precision: Precision) -> Attention:
    return usual_attention(device, precision) if choice is AttentionChoice.auto else Attention(choice.value)


def _own_device(choice: DeviceChoice) -> Device | None:
    """None stands for the run's."""
    return None if choice is DeviceChoice.auto else Device(choice.value)


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
