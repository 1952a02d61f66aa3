"""The schema of `conf/`: every key with its type, what it means, and its default unless a group's file gives it.

The keys of groups are in groups.py. `python -m benchmark --help` and docs/keys.md print both.
"""

from dataclasses import dataclass

from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from benchmark.config.declaring import choice, group, key, listed
from benchmark.config.groups import (
    CacheConfig,
    EncoderConfig,
    HardwareConfig,
    JudgeConfig,
    LikelihoodConfig,
    ModelConfig,
    PairConfig,
    PolicyConfig,
    PrecisionConfig,
    PromptsConfig,
    StoppingConfig,
    SweepConfig,
    TimingConfig,
    TrackingConfig,
)
from benchmark.config.settings import Rerun, Strictness, require_folder
from crossover.records.policies import Rows
from crossover.records.settings import Attention, Engine, Weights


@dataclass
class Config:
    """Everything that can be set on the command line."""

    model: ModelConfig = group("the model to measure; each 8B model needs a GPU", ModelConfig)
    hardware: HardwareConfig = group("where and how grid points run", HardwareConfig)
    precision: PrecisionConfig = group("the model's number type", PrecisionConfig)
    prompts: PromptsConfig = group("the documents that both models continue", PromptsConfig)
    judge: JudgeConfig = group("the model that scores the texts that were timed", JudgeConfig)
    encoder: EncoderConfig = group("the model behind BERTScore", EncoderConfig)
    likelihood: LikelihoodConfig = group("the model's likelihood of the true continuations", LikelihoodConfig)
    policy: PolicyConfig = group("which masked positions a diffusion model's forward pass writes", PolicyConfig)
    cache: CacheConfig = group("keys and values that a diffusion model keeps between forward passes", CacheConfig)
    timing: TimingConfig = group("whether all forward passes are timed; sampled is for weights=random", TimingConfig)
    tracking: TrackingConfig = group("the MLflow store", TrackingConfig)
    sweep: SweepConfig = group("a grid by its name", SweepConfig)
    pair: PairConfig = group("both models of a comparison, with what makes them comparable", PairConfig)
    tasks: str | None = key(
        "a task of lm-evaluation-harness, or a .yaml file of one, instead of prompts.source: docs/tasks.md",
        None,
    )
    steps: int = key("K: forward passes of a diffusion model; an autoregressive model ignores it", 32, "at least 1")
    batch: int = key("B: sequences generated together", 1, "at least 1")
    length: int = key("N: prompt and output tokens together", 128, "at least 2")
    prompt_fraction: float = key("share of `length` that is prompt", 0.5, "between 0 and 1")
    block_length: int | None = key(
        "tokens that diffusion decides block by block; null is the model's own blocks, or else the whole output",
        None,
        "at least 1",
    )
    sub_block_length: int | None = key(
        "tokens of a block that are decided before the block's next ones, for models of shifted logits in blocks:"
        " Fast-dLLM v2's order; null is the whole block",
        None,
        "at least 1",
    )
    causal_context: bool = key(
        "true: a block-causal model keeps keys and values that attend causally, and begins each block with the token"
        " that they give: Nemotron-Labs-Diffusion's order",
        default=False,
    )
    rows: Rows = key(
        "independent: where a policy follows the text, a row goes on to its next block without waiting for others",
        Rows.together,
    )
    temperature: float = key("0 is greedy", 0.0, "at least 0")
    engine: str = choice("how forward passes are executed; auto is compiled on a GPU, eager on a CPU", Engine)
    attention: str = choice("the attention kernel; auto is flash2 on a GPU in bfloat16, else sdpa", Attention)
    weights: Weights = key("random: the architecture alone, for time and memory without a download", Weights.checkpoint)
    seed: int = key("fixes the noise of sampling and of random weights", 0, "0 to 2147483647")
    warmup: int = key("discarded runs of the same shape before the timed ones", 3, "at least 0")
    repeats: int | None = key(
        "a fixed number of timed samples; null: as many as the rule `stopping` asks for", None, "at least 1"
    )
    stopping: StoppingConfig = group("when there are enough samples", StoppingConfig)
    profile: bool = key("true: one more pass that says where time, memory and energy go", default=False)
    staleness: bool = key(
        "true: where there is a cache, one more generation that compares each step's logits with those without it",
        default=False,
    )
    strict: str = listed(
        "true: a run that the machine disturbed, or whose GPU cannot be watched, is a failure; retry: a disturbed run"
        " is measured again at the end of the command",
        Strictness,
        Strictness.off.value,
    )
    retries: int = key("strict=retry: the most times that a disturbed run is measured again", 3, "at least 1")
    replicates: int = key(
        "R: processes, or jobs on SLURM, in which each grid point is measured, so that intervals cover what differs"
        " between processes",
        1,
        "at least 1",
    )
    dry_run: bool = key("true: each point's predicted time and memory are shown, and nothing is run", default=False)
    output_dir: str = key("the folder of records, logs and the local MLflow store", "outputs")
    rerun: Rerun = key(
        "run again what has a record: none (not even out_of_memory), failed (all not measured), or all", Rerun.none
    )
    skip_dominated: bool = key(
        "true: skip points with a larger batch or length than one of the same curve that ran out of memory",
        default=False,
    )
    pack: int = key("grid points of one job, which loads their model once", 1, "at least 1")
    detach: bool = key(
        "true: hand a sweep to SLURM and end; python -m benchmark.status follows the sweep",
        default=False,
    )


def register() -> None:
    """Make the schema known to Hydra, under the name that conf/config.yaml starts with.

    Hydra makes its own folder in `output_dir` before the program runs, so conf/config.yaml checks the name.
    """
    OmegaConf.register_new_resolver("require_folder", require_folder, replace=True)
    ConfigStore.instance().store(name="schema", node=Config)
