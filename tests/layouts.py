"""A small fake checkpoint of each official layout."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmark.models.architecture import architecture_of
from benchmark.models.loading import LanguageModel, load_model
from crossover.records.settings import Family
from tests.checkpoints import CPU, END_ID, MASK_ID, VOCABULARY, write_checkpoint
from tests.factories import CONTEXT

QWEN: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": CONTEXT,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1e6,
    "tie_word_embeddings": False,
    "sliding_window": 32,
    "use_sliding_window": False,
    "max_window_layers": 2,
    "eos_token_id": END_ID,
}
YARN = {
    "rope_type": "yarn",
    "rope_theta": 1e6,
    "factor": 4.0,
    "original_max_position_embeddings": 8,
    "beta_fast": 32.0,
    "beta_slow": 1.0,
    "mscale": 1.0,
    "mscale_all_dim": 1.0,
    "llama_4_scaling_beta": 0.1,
}
MASK = {"mask_token_id": MASK_ID}
CONFIGS: dict[str, dict[str, Any]] = {
    "qwen2": QWEN,
    "qwen2 tied": QWEN | {"tie_word_embeddings": True},
    "qwen3": QWEN | {"head_dim": 8},
    "Dream": QWEN | MASK | {"pad_token_id": END_ID, "rope_scaling": None},
    "sdar": QWEN | MASK | {"head_dim": 8, "block_size": 4, "tie_word_embeddings": True},
    "Fast_dLLM_Qwen": QWEN | MASK | {"bd_size": 8, "layer_types": ["full_attention"] * 2},
    "a2d-qwen3": QWEN | MASK | {"head_dim": 8, "tie_word_embeddings": True},
    "nemotron_labs_diffusion": QWEN
    | MASK
    | {
        "head_dim": 8,
        "block_size": 4,
        "rope_parameters": YARN,
        "sliding_window": None,
        "dlm_paradigm": "bidirectional",
    },
}


def settings(name: str, **changes: Any) -> dict[str, Any]:
    return CONFIGS[name] | {"model_type": name.split(maxsplit=1)[0]} | changes


def tensors(name: str, family: Family) -> dict[str, Tensor]:
    """Random weights under the names of the layout."""
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for known, shape in architecture_of(settings(name), family, "./here").shapes().items():
        stored = known
        if "nemotron" in name:
            stored = "diffusion_head.weight" if known == "lm_head.weight" else known.replace("model.", "encoder.", 1)
        drawn = torch.randn(shape, generator=generator)
        weights[stored] = 1 + 0.1 * drawn if "norm" in known else 0.5 * drawn
    return weights


def write(folder: Path, name: str, family: Family, **changes: Any) -> Path:
    return write_checkpoint(folder, settings(name, **changes), tensors(name, family))


def load(folder: Path, family: Family) -> LanguageModel:
    return load_model(folder, family, dtype=torch.float32, device=CPU)


def logits(model: LanguageModel, tokens: Tensor) -> Tensor:
    with torch.inference_mode():
        computed: Tensor = model.head(model.body(input_ids=tokens, use_cache=False).last_hidden_state)
        return computed
