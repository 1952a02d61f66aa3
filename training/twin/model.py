"""Qwen3 modules of transformers, and SDAR's official layout on disk, which is Qwen3's with a block size and a mask id.

Loaded as Qwen3 the weights are a causal model; under a block-causal mask they are a block-diffusion model. Logits are
not shifted in the latter, as in SDAR: those of a masked position are of that position's own token.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import Qwen3Config, Qwen3ForCausalLM

from training.settings import CONTEXT, Architecture
from training.tokenizer import END_OF_TEXT_ID, MASK_ID
from training.twin.settings import Twin


def build_model(architecture: Architecture) -> Qwen3ForCausalLM:
    """A freshly initialised model with tied embeddings."""
    config = Qwen3Config(
        vocab_size=architecture.vocabulary,
        hidden_size=architecture.hidden,
        num_hidden_layers=architecture.layers,
        num_attention_heads=architecture.heads,
        num_key_value_heads=architecture.heads,
        head_dim=architecture.hidden // architecture.heads,
        intermediate_size=architecture.mlp,
        max_position_embeddings=CONTEXT,
        rms_norm_eps=1e-6,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=END_OF_TEXT_ID,
        pad_token_id=None,  # padding shares its id with end-of-text, whose embedding must learn
        use_cache=False,
    )
    return Qwen3ForCausalLM(config)


def add_dropout(model: Qwen3ForCausalLM, twin: Twin) -> None:
    """Drop embeddings and what each sub-layer adds, while training, at the rate of each row's objective."""

    def drop(module: nn.Module, _inputs: tuple[Tensor, ...], output_BLD: Tensor) -> Tensor:
        if not module.training:
            return output_BLD
        row_B = torch.arange(output_BLD.size(0), device=output_BLD.device)
        keep_B = torch.where(
            row_B < twin.causal_rows(output_BLD.size(0)), 1 - twin.causal_dropout, 1 - twin.schedule.dropout
        )
        keep_B11 = keep_B[:, None, None].to(output_BLD.dtype)
        return output_BLD * (torch.rand_like(output_BLD) < keep_B11) / keep_B11

    for name, module in model.named_modules():
        if name.endswith(("embed_tokens", "o_proj", "down_proj")):
            module.register_forward_hook(drop)


def hidden_states(model: Qwen3ForCausalLM, ids_BC: Tensor, mask: Tensor, position_C: Tensor | None = None) -> Tensor:
    """The body's output under a mask of shape [C, C] or [B, C, C]: shape [B, C, D]."""
    mask_B1CC = mask.view(-1, 1, *mask.shape[-2:])
    positions = None if position_C is None else position_C[None]
    output = model.model(input_ids=ids_BC, attention_mask=mask_B1CC, position_ids=positions, use_cache=False)
    states: Tensor = output.last_hidden_state
    return states


def masked_logits(model: Qwen3ForCausalLM, ids_BC: Tensor, mask: Tensor, position_C: Tensor | None = None) -> Tensor:
    """Logits of every position under a mask: shape [B, C, V]."""
    logits_BCV: Tensor = model.lm_head(hidden_states(model, ids_BC, mask, position_C))
    return logits_BCV


def sdar_config(architecture: Architecture, block_length: int) -> dict[str, Any]:
    """SDAR's own config.json for a model of this shape, without the names of code to run."""
    return {
        "architectures": ["SDARForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "block_size": block_length,
        "bos_token_id": None,
        "eos_token_id": END_OF_TEXT_ID,
        "head_dim": architecture.hidden // architecture.heads,
        "hidden_act": "silu",
        "hidden_size": architecture.hidden,
        "initializer_range": 0.02,
        "intermediate_size": architecture.mlp,
        "mask_token_id": MASK_ID,
        "max_position_embeddings": CONTEXT,
        "max_window_layers": architecture.layers,
        "model_type": "sdar",
        "num_attention_heads": architecture.heads,
        "num_hidden_layers": architecture.layers,
        "num_key_value_heads": architecture.heads,
        "pad_token_id": END_OF_TEXT_ID,
        "rms_norm_eps": 1e-6,
        "rope_scaling": None,
        "rope_theta": 10_000,
        "sliding_window": None,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "use_cache": False,
        "use_sliding_window": False,
        "vocab_size": architecture.vocabulary,
    }


def save_model(model: Qwen3ForCausalLM, twin: Twin, folder: Path) -> None:
    """Write bfloat16 weights, the tied head left out, and config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name: weight.detach().to("cpu", torch.bfloat16).contiguous()
        for name, weight in model.state_dict().items()
        if name != "lm_head.weight"
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    config = sdar_config(twin.architecture, twin.block_length)
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def load_model(architecture: Architecture, folder: Path, device: str = "cpu") -> Qwen3ForCausalLM:
    """Read back what `save_model` wrote, in float32 and ready to evaluate."""
    model = build_model(architecture)
    stored = load_file(folder / "model.safetensors")
    stored["lm_head.weight"] = stored["model.embed_tokens.weight"]
    model.load_state_dict({name: stored[name].float() for name in model.state_dict()})
    model.tie_weights()
    nn.Module.to(model, torch.device(device))
    model.eval()
    return model
