"""The configuration's schema: every key, its type, and the default of those that conf/ leaves out."""

from dataclasses import dataclass, field
from enum import StrEnum

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from benchmark.config.settings import Rerun
from crossover.records.settings import Family, Precision, Remasking, Weights


class DeviceChoice(StrEnum):
    """A device, or the GPU where there is one."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class PrecisionChoice(StrEnum):
    """A type, or bfloat16 on a GPU and float32 on a CPU."""

    auto = "auto"
    bfloat16 = "bfloat16"
    float32 = "float32"


class EngineChoice(StrEnum):
    """An engine, or compiled on a GPU and eager on a CPU."""

    auto = "auto"
    published = "published"
    eager = "eager"
    compiled = "compiled"


class AttentionChoice(StrEnum):
    """An attention kernel, or flash2 where it runs and else sdpa."""

    auto = "auto"
    flash2 = "flash2"
    sdpa = "sdpa"
    eager = "eager"


@dataclass
class ModelConfig:
    """The model group. `remasking` and `guidance_scale` are read for diffusion models alone."""

    name: str = MISSING
    family: Family = MISSING
    checkpoint: str = MISSING
    revision: str | None = None
    context: int = MISSING
    architecture: str | None = None
    requires_gpu: bool = False
    remasking: Remasking = Remasking.low_confidence
    guidance_scale: float = 0.0


@dataclass
class HardwareConfig:
    """The hardware group. `remote` says that jobs run on other machines, through hydra.launcher.

    `gpu` are words that the GPU's name must have, such as `A100 80GB`.
    """

    name: str = MISSING
    device: DeviceChoice = DeviceChoice.auto
    remote: bool = False
    gpu: str | None = None


@dataclass
class PrecisionConfig:
    """The precision group."""

    dtype: PrecisionChoice = PrecisionChoice.auto


@dataclass
class PromptsConfig:
    """The prompts group."""

    source: str = MISSING
    count: int = MISSING


@dataclass
class JudgeConfig:
    """The judge group; without a checkpoint nothing is judged. The device `auto` is the run's."""

    checkpoint: str | None = None
    revision: str | None = None
    precision: Precision = Precision.float32
    device: DeviceChoice = DeviceChoice.auto


@dataclass
class EncoderConfig:
    """The encoder group; without a checkpoint there is no BERTScore. The device `auto` is the run's."""

    checkpoint: str | None = None
    revision: str | None = None
    layer: int | None = None
    device: DeviceChoice = DeviceChoice.auto


@dataclass
class LikelihoodConfig:
    """The likelihood group; without documents nothing is measured. An autoregressive model reads `documents` alone."""

    documents: int | None = None
    samples: int = 32
    orders: int = 2


@dataclass
class TrackingConfig:
    """The tracking group; without a URI nothing is tracked."""

    uri: str | None = MISSING
    experiment: str = "crossover"


@dataclass
class StoppingConfig:
    """When a run without a fixed number of repeats ends; see docs/protocol.md."""

    least: int = MISSING
    interval: float = MISSING
    budget_s: float = MISSING


@dataclass
class SweepConfig:
    """The sweep's name, and what the sweeper tells each of its jobs."""

    name: str = "run"
    id: str | None = None
    index: int = 0


@dataclass
class Config:
    """Everything that can be set on the command line."""

    model: ModelConfig = field(default_factory=ModelConfig)
    hardware: HardwareConfig = field(default_factory=HardwareConfig)
    precision: PrecisionConfig = field(default_factory=PrecisionConfig)
    prompts: PromptsConfig = field(default_factory=PromptsConfig)
    judge: JudgeConfig = field(default_factory=JudgeConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    likelihood: LikelihoodConfig = field(default_factory=LikelihoodConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    sweep: SweepConfig = field(default_factory=SweepConfig)
    steps: int = MISSING
    batch: int = MISSING
    length: int = MISSING
    prompt_fraction: float = MISSING
    block_length: int | None = None
    temperature: float = MISSING
    engine: EngineChoice = EngineChoice.auto
    attention: AttentionChoice = AttentionChoice.auto
    weights: Weights = Weights.checkpoint
    seed: int = MISSING
    warmup: int = MISSING
    repeats: int | None = None
    stopping: StoppingConfig = field(default_factory=StoppingConfig)
    profile: bool = False
    strict: bool = False
    dry_run: bool = False
    output_dir: str = MISSING
    rerun: Rerun = MISSING
    skip_dominated: bool = MISSING
    pack: int = MISSING
    detach: bool = MISSING


def register() -> None:
    """Make the schema known to Hydra, under the name that conf/config.yaml starts with."""
    ConfigStore.instance().store(name="schema", node=Config)
