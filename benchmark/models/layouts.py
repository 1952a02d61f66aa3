"""The layouts of checkpoints on disk, by the `model_type` of their config.json: one row each.

A layout says which of transformers' modules hold its weights, under which names, and how a position attends to others.
docs/pairs.md says which sources each row was checked against.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from benchmark.models.configuration import Keys
from crossover.records.settings import Family

Config = Mapping[str, Any]


class Pattern(StrEnum):
    """Which positions a position attends to.

    causal: itself and those before it.
    full: all.
    block_causal: those of its own block and of the blocks before it. Blocks are counted from a row's first position.
    """

    causal = "causal"
    full = "full"
    block_causal = "block_causal"


class Modules(StrEnum):
    """The modules of transformers that compute a layout."""

    llama = "llama"
    qwen2 = "qwen2"
    qwen3 = "qwen3"
    ministral3 = "ministral3"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One way in which checkpoints are stored.

    Attributes:
        families: the ways in which such a model can generate.
        model: the value of `model=` that a user may want for it.
        names: patterns of the checkpoint's names, and the names of transformers' modules; a name in no pattern stays.
        keys: whose keys its config.json has.
        settings: config.json in the names of transformers' configurations.
        pattern: how a position attends when the model generates by diffusion.
        is_shifted: in diffusion, whether the logits of a position are made at the position before it.
        block_key: the key of config.json that holds the length of the blocks that the model was trained with.
        is_in_blocks: whether that key must be there; without it a model that need not have it attends by `pattern`.
        mask_id: the mask token of the published sampler, where config.json names none.
    """

    families: tuple[Family, ...]
    model: str
    keys: Keys
    modules: Callable[[Config], Modules]
    names: Mapping[str, str] = field(default_factory=dict)
    settings: Callable[[Config], dict[str, Any]] = dict
    pattern: Pattern = Pattern.causal
    is_shifted: bool = False
    block_key: str | None = None
    is_in_blocks: bool = False
    mask_id: int | None = None


def _llada_settings(config: Config) -> dict[str, Any]:
    return {
        "vocab_size": config.get("embedding_size") or config["vocab_size"],
        "hidden_size": config["d_model"],
        "intermediate_size": _mlp_size(config),
        "num_hidden_layers": config["n_layers"],
        "num_attention_heads": config["n_heads"],
        "num_key_value_heads": config.get("n_kv_heads")
        or (1 if config.get("multi_query_attention") else config["n_heads"]),
        "max_position_embeddings": config["max_sequence_length"],
        "rms_norm_eps": config["rms_norm_eps"],
        "rope_parameters": {"rope_type": "default", "rope_theta": config["rope_theta"]},
        "tie_word_embeddings": config["weight_tying"],
        "bos_token_id": None,
        "eos_token_id": config["eos_token_id"],
        "pad_token_id": config["pad_token_id"],
        "mask_token_id": config["mask_token_id"],
    }


def _mlp_size(config: Config) -> Any:  # noqa: ANN401 (whatever config.json holds)
    if config.get("mlp_hidden_size") is None and "mlp_ratio" in config:
        return config["mlp_ratio"] * config["d_model"]
    return config["mlp_hidden_size"]


LLADA_NAMES = {
    r"model\.transformer\.wte\.weight": "model.embed_tokens.weight",
    r"model\.transformer\.ln_f\.weight": "model.norm.weight",
    r"model\.transformer\.ff_out\.weight": "lm_head.weight",
    r"model\.transformer\.blocks\.(\d+)\.([qkv])_proj\.(weight|bias)": r"model.layers.\1.self_attn.\2_proj.\3",
    r"model\.transformer\.blocks\.(\d+)\.attn_out\.weight": r"model.layers.\1.self_attn.o_proj.weight",
    r"model\.transformer\.blocks\.(\d+)\.ff_proj\.weight": r"model.layers.\1.mlp.gate_proj.weight",
    r"model\.transformer\.blocks\.(\d+)\.up_proj\.weight": r"model.layers.\1.mlp.up_proj.weight",
    r"model\.transformer\.blocks\.(\d+)\.ff_out\.weight": r"model.layers.\1.mlp.down_proj.weight",
    r"model\.transformer\.blocks\.(\d+)\.attn_norm\.weight": r"model.layers.\1.input_layernorm.weight",
    r"model\.transformer\.blocks\.(\d+)\.ff_norm\.weight": r"model.layers.\1.post_attention_layernorm.weight",
}

NEMOTRON_NAMES = {
    r"encoder\.(.+)": r"model.\1",
    r"diffusion_head\.weight": "lm_head.weight",
}

LAYOUTS = {
    "llama": Layout(families=(Family.autoregressive,), model="llama", keys=Keys.llama, modules=lambda _: Modules.llama),
    "llada": Layout(
        families=(Family.diffusion,),
        model="llada",
        keys=Keys.llada,
        modules=lambda config: Modules.qwen2 if config.get("include_qkv_bias") else Modules.llama,
        names=LLADA_NAMES,
        settings=_llada_settings,
        pattern=Pattern.full,
    ),
    "qwen2": Layout(
        families=(Family.autoregressive,), model="qwen25_7b", keys=Keys.qwen, modules=lambda _: Modules.qwen2
    ),
    "qwen3": Layout(
        families=(Family.autoregressive,), model="qwen3_8b", keys=Keys.qwen, modules=lambda _: Modules.qwen3
    ),
    "Dream": Layout(
        families=(Family.diffusion,),
        model="dream_7b",
        keys=Keys.qwen,
        modules=lambda _: Modules.qwen2,
        pattern=Pattern.full,
        is_shifted=True,
    ),
    "sdar": Layout(
        families=(Family.diffusion, Family.autoregressive),
        model="sdar_8b",
        keys=Keys.qwen,
        modules=lambda _: Modules.qwen3,
        block_key="block_size",
        is_in_blocks=True,
    ),
    "Fast_dLLM_Qwen": Layout(
        families=(Family.diffusion,),
        model="fast_dllm_v2_7b",
        keys=Keys.qwen,
        modules=lambda _: Modules.qwen2,
        is_shifted=True,
        block_key="bd_size",
        is_in_blocks=True,
        mask_id=151665,
    ),
    "a2d-qwen3": Layout(
        families=(Family.diffusion,),
        model="qwen3_0_6b_mdlm",
        keys=Keys.qwen,
        modules=lambda _: Modules.qwen3,
        pattern=Pattern.full,
        block_key="block_size",
    ),
    "nemotron_labs_diffusion": Layout(
        families=(Family.diffusion, Family.autoregressive),
        model="nemotron_8b",
        keys=Keys.nemotron,
        modules=lambda _: Modules.ministral3,
        names=NEMOTRON_NAMES,
        block_key="block_size",
        is_in_blocks=True,
    ),
}
"""Every `model_type` that can be measured."""
