"""Both families as one architecture: config.json and tensor names become those of transformers' Llama.

LLaDA is the Llama architecture without the causal mask, so transformers' Llama modules hold both.
The tables below are the whole difference between the two layouts on disk.
"""

import re
from typing import TYPE_CHECKING, Any

from benchmark.models.configuration import check_computation, check_sizes
from crossover.errors import UserError
from crossover.records.settings import Family

if TYPE_CHECKING:
    from transformers import LlamaConfig

MODEL_TYPES = {Family.autoregressive: "llama", Family.diffusion: "llada"}

PLAIN_OUTPUTS = {"return_dict": True, "output_hidden_states": False, "output_attentions": False}
"""What config.json may say of a model's outputs has no say here."""

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


def llama_name(name: str, family: Family) -> str:
    """A tensor's name in transformers' Llama, from its name in the checkpoint.

    A name that the layout does not know is returned as it is, for the loader to report.
    """
    if family is Family.autoregressive:
        return name
    for pattern, replacement in LLADA_NAMES.items():
        if match := re.fullmatch(pattern, name):
            return match.expand(replacement)
    return name


def check_family(config: dict[str, Any], family: Family, where: str) -> None:
    """Make sure that a checkpoint is of the family that its model's config says.

    Raises:
        UserError: naming the architecture that it has and the model to choose for it.
    """
    model_type, wanted = config.get("model_type"), MODEL_TYPES[family]
    if model_type != wanted:
        suits = [model for model, kind in (("llama", "llama"), ("llada", "llada")) if kind == model_type]
        advice = f"use model={suits[0]} for it" if suits else "only llama and llada checkpoints can be measured"
        raise UserError(f"checkpoint {where} is of type {model_type!r}, not {wanted!r}: {advice}")


def llama_config(config: dict[str, Any], family: Family, where: str, *, attention: str) -> "LlamaConfig":
    """The architecture as transformers' LlamaConfig; for LLaDA with attention in both directions.

    Raises:
        UserError: when a value that the architecture needs is missing or impossible, or asks for another computation.
    """
    from transformers import LlamaConfig

    settings = llama_settings(config, family, where)
    try:
        return LlamaConfig(**settings | PLAIN_OUTPUTS | {"attn_implementation": attention})
    except Exception as error:  # its validators raise errors of their own
        reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        raise UserError(f"checkpoint {where}: config.json makes no model ({reason[0].strip()}): correct it") from error


def llama_settings(config: dict[str, Any], family: Family, where: str) -> dict[str, Any]:
    """A config.json in the names of LlamaConfig, checked.

    Raises:
        UserError: as `llama_config` does.
    """
    check_computation(config, family, where)
    try:
        settings = dict(config) if family is Family.autoregressive else _from_llada(config)
    except KeyError as error:
        raise UserError(
            f"checkpoint {where}: config.json has no {error}, which a LLaDA checkpoint must have"
        ) from error
    check_sizes(settings, where)
    if not isinstance(settings.get("mask_token_id", 0), int):
        raise UserError(f"checkpoint {where}: config.json has no mask_token_id, which a LLaDA checkpoint must have")
    settings["tie_word_embeddings"] = bool(settings.get("tie_word_embeddings"))
    return settings


def _from_llada(config: dict[str, Any]) -> dict[str, Any]:
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
        "attention_bias": bool(config.get("include_qkv_bias")),
        "qkv_bias_alone": bool(config.get("include_qkv_bias")),
        "bos_token_id": None,
        "eos_token_id": config["eos_token_id"],
        "pad_token_id": config["pad_token_id"],
        "mask_token_id": config["mask_token_id"],
        "is_causal": False,
    }


def _mlp_size(config: dict[str, Any]) -> Any:  # noqa: ANN401 (whatever config.json holds)
    if config.get("mlp_hidden_size") is None and "mlp_ratio" in config:
        return config["mlp_ratio"] * config["d_model"]
    return config["mlp_hidden_size"]
