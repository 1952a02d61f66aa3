"""Both families as one architecture: config.json and tensor names become those of transformers' Llama.

LLaDA is the Llama architecture without the causal mask, so transformers' Llama modules hold both.
The tables below are the whole difference between the two layouts on disk.
"""

import re
from typing import TYPE_CHECKING, Any

from crossover.errors import UserError
from crossover.records.settings import Family

if TYPE_CHECKING:
    from transformers import LlamaConfig

MODEL_TYPES = {Family.autoregressive: "llama", Family.diffusion: "llada"}

LLADA_NAMES = {
    r"model\.transformer\.wte\.weight": "model.embed_tokens.weight",
    r"model\.transformer\.ln_f\.weight": "model.norm.weight",
    r"model\.transformer\.ff_out\.weight": "lm_head.weight",
    r"model\.transformer\.blocks\.(\d+)\.([qkv])_proj\.weight": r"model.layers.\1.self_attn.\2_proj.weight",
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
        UserError: naming the architecture that was found and the model to choose for it.
    """
    found, wanted = config.get("model_type"), MODEL_TYPES[family]
    if found != wanted:
        suits = [model for model, kind in (("llama", "llama"), ("llada", "llada")) if kind == found]
        advice = f"use model={suits[0]} for it" if suits else "only llama and llada checkpoints can be measured"
        raise UserError(f"checkpoint {where} is of type {found!r}, not {wanted!r}: {advice}")


def llama_config(config: dict[str, Any], family: Family, where: str, *, attention: str) -> "LlamaConfig":
    """The architecture as transformers' LlamaConfig; for LLaDA with attention in both directions.

    Raises:
        UserError: when a value that the architecture needs is missing.
    """
    from transformers import LlamaConfig

    try:
        settings = config if family is Family.autoregressive else _from_llada(config)
        return LlamaConfig(**settings | {"attn_implementation": attention})
    except KeyError as error:
        raise UserError(
            f"checkpoint {where}: config.json has no {error}, which a LLaDA checkpoint must have"
        ) from error


def _from_llada(config: dict[str, Any]) -> dict[str, Any]:
    return {
        "vocab_size": config.get("embedding_size") or config["vocab_size"],
        "hidden_size": config["d_model"],
        "intermediate_size": config["mlp_hidden_size"],
        "num_hidden_layers": config["n_layers"],
        "num_attention_heads": config["n_heads"],
        "num_key_value_heads": config.get("n_kv_heads") or config["n_heads"],
        "max_position_embeddings": config["max_sequence_length"],
        "rms_norm_eps": config["rms_norm_eps"],
        "rope_parameters": {"rope_type": "default", "rope_theta": config["rope_theta"]},
        "tie_word_embeddings": config["weight_tying"],
        "bos_token_id": None,
        "eos_token_id": config["eos_token_id"],
        "pad_token_id": config["pad_token_id"],
        "mask_token_id": config["mask_token_id"],
        "is_causal": False,
    }
