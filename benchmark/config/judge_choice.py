"""Which judge `judge=auto` stands for: one that knows more than the models that it judges."""

from dataclasses import replace

from benchmark.config.declaring import AUTO
from benchmark.config.groups import JudgeConfig, ModelConfig
from benchmark.models.checkpoint import find, is_remote
from crossover.errors import UserError

TINY_JUDGE = "builtin:tiny_judge"
LARGE_JUDGE = "HuggingFaceTB/SmolLM2-1.7B"
"""A Llama model that is neither arm, of another maker and other text; on the hub, open to everybody."""

TINY_BYTES = 1 << 30
"""Weights of a checkpoint on this machine from which the tiny judge knows less than the model."""


def chosen_judge(judge: JudgeConfig, model: ModelConfig) -> JudgeConfig:
    """The judge as it was asked for; where nobody asked, the tiny one for a tiny model and the large one for others."""
    if judge.checkpoint != AUTO:
        return judge
    return replace(judge, checkpoint=TINY_JUDGE if is_tiny(model) else LARGE_JUDGE)


def is_tiny(model: ModelConfig) -> bool:
    """Whether a model is so small that the tiny judge may judge it, by its checkpoint's size where that is here."""
    if is_remote(model.checkpoint):
        return not model.requires_gpu
    try:
        folder = find(model.checkpoint, None)
    except UserError:  # which is said where the checkpoint is read
        return not model.requires_gpu
    return sum(file.stat().st_size for file in folder.glob("*.safetensors")) < TINY_BYTES
