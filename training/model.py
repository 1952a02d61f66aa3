"""Llama modules of transformers, causal or with attention in both directions, and their LLaDA names on disk."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM

from training.settings import CONTEXT, Architecture, Objective
from training.tokenizer import END_OF_TEXT_ID, MASK_ID

LAYER_NAMES = {
    "self_attn.q_proj": "q_proj",
    "self_attn.k_proj": "k_proj",
    "self_attn.v_proj": "v_proj",
    "self_attn.o_proj": "attn_out",
    "mlp.gate_proj": "ff_proj",
    "mlp.up_proj": "up_proj",
    "mlp.down_proj": "ff_out",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ff_norm",
}
OUTER_NAMES = {
    "model.embed_tokens.weight": "model.transformer.wte.weight",
    "model.norm.weight": "model.transformer.ln_f.weight",
    "lm_head.weight": "model.transformer.ff_out.weight",
}


def build_model(architecture: Architecture, objective: Objective) -> LlamaForCausalLM:
    """A freshly initialised model; with the diffusion objective every position sees all others."""
    config = LlamaConfig(
        vocab_size=architecture.vocabulary,
        hidden_size=architecture.hidden,
        num_hidden_layers=architecture.layers,
        num_attention_heads=architecture.heads,
        num_key_value_heads=architecture.heads,
        intermediate_size=architecture.mlp,
        max_position_embeddings=CONTEXT,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=END_OF_TEXT_ID,
        pad_token_id=None,  # padding shares its id with end-of-text, whose embedding must learn
        use_cache=objective is Objective.CAUSAL,
    )
    config.is_causal = objective is Objective.CAUSAL
    return LlamaForCausalLM(config)


def add_dropout(model: LlamaForCausalLM, probability: float) -> None:
    """Drop embeddings and what each sub-layer adds to the residual stream, while training."""

    def drop(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return functional.dropout(output, probability, training=module.training)

    for name, module in model.named_modules():
        if name.endswith(("embed_tokens", "o_proj", "down_proj")):
            module.register_forward_hook(drop)


def llada_name(llama_name: str) -> str:
    """The name that LLaDA's checkpoints give to a weight of the Llama modules."""
    if llama_name in OUTER_NAMES:
        return OUTER_NAMES[llama_name]
    _model, _layers, index, rest = llama_name.split(".", 3)
    return f"model.transformer.blocks.{index}.{LAYER_NAMES[rest.removesuffix('.weight')]}.weight"


def llada_config(architecture: Architecture) -> dict[str, Any]:
    """LLaDA's own config.json for a model of this shape."""
    return {
        "activation_type": "silu",
        "alibi": False,
        "alibi_bias_max": 8.0,
        "architectures": ["LLaDAModelLM"],
        "attention_dropout": 0.0,
        "attention_layer_norm": False,
        "attention_layer_norm_with_affine": True,
        "bias_for_layer_norm": None,
        "block_group_size": 1,
        "block_type": "llama",
        "d_model": architecture.hidden,
        "embedding_dropout": 0.0,
        "embedding_size": architecture.vocabulary,
        "eos_token_id": END_OF_TEXT_ID,
        "flash_attention": False,
        "include_bias": False,
        "include_qkv_bias": False,
        "init_cutoff_factor": None,
        "init_device": "cpu",
        "init_fn": "normal",
        "init_std": 0.02,
        "input_emb_norm": False,
        "layer_norm_type": "rms",
        "layer_norm_with_affine": True,
        "mask_token_id": MASK_ID,
        "max_sequence_length": CONTEXT,
        "mlp_hidden_size": architecture.mlp,
        "mlp_ratio": 4,
        "model_type": "llada",
        "multi_query_attention": None,
        "n_heads": architecture.heads,
        "n_kv_heads": architecture.heads,
        "n_layers": architecture.layers,
        "pad_token_id": END_OF_TEXT_ID,
        "precision": None,
        "residual_dropout": 0.0,
        "rms_norm_eps": 1e-5,
        "rope": True,
        "rope_full_precision": True,
        "rope_theta": 10_000.0,
        "scale_logits": False,
        "torch_dtype": "bfloat16",
        "use_cache": False,
        "vocab_size": architecture.vocabulary,
        "weight_tying": False,
    }


def save_model(model: LlamaForCausalLM, architecture: Architecture, objective: Objective, folder: Path) -> None:
    """Write bfloat16 weights and config.json, in the layout of the model's family."""
    folder.mkdir(parents=True, exist_ok=True)
    rename = llada_name if objective is Objective.DIFFUSION else str
    weights = {
        rename(name): weight.detach().to("cpu", torch.bfloat16).contiguous()
        for name, weight in model.state_dict().items()
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    config = llada_config(architecture)
    if objective is Objective.CAUSAL:
        config = model.config.to_dict() | {"architectures": ["LlamaForCausalLM"], "dtype": "bfloat16"}
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def load_model(architecture: Architecture, objective: Objective, folder: Path, device: str = "cpu") -> LlamaForCausalLM:
    """Read back what `save_model` wrote, in float32 and ready to evaluate."""
    model = build_model(architecture, objective)
    rename = llada_name if objective is Objective.DIFFUSION else str
    stored = load_file(folder / "model.safetensors")
    model.load_state_dict({name: stored[rename(name)].float() for name in model.state_dict()})
    nn.Module.to(model, torch.device(device))
    model.eval()
    return model
