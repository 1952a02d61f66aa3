"""The modules of transformers that hold every model, and block-causal attention in them.

Dimensions: B rows, Q positions of a pass, S positions that have keys.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Ministral3Config,
    Ministral3ForCausalLM,
    PretrainedConfig,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from benchmark.models.architecture import Architecture, architecture_of, module_settings
from benchmark.models.layouts import Modules, Pattern
from crossover.errors import UserError
from crossover.records.settings import Family

CausalModel = LlamaForCausalLM | Qwen2ForCausalLM | Qwen3ForCausalLM | Ministral3ForCausalLM
"""A body, `model`, and a head, `lm_head`. All have parts of the same names."""

PLAIN_OUTPUTS = {"return_dict": True, "output_hidden_states": False, "output_attentions": False}
"""What config.json may say of a model's outputs has no say here."""

CONFIGS: dict[Modules, type[PretrainedConfig]] = {
    Modules.llama: LlamaConfig,
    Modules.qwen2: Qwen2Config,
    Modules.qwen3: Qwen3Config,
    Modules.ministral3: Ministral3Config,
}

MODELS: dict[Modules, Callable[[Any], CausalModel]] = {
    Modules.llama: LlamaForCausalLM,
    Modules.qwen2: Qwen2ForCausalLM,
    Modules.qwen3: Qwen3ForCausalLM,
    Modules.ministral3: Ministral3ForCausalLM,
}


def module_config(config: Mapping[str, Any], family: Family, where: str, *, attention: str) -> PretrainedConfig:
    """The configuration of the modules that hold a checkpoint; for diffusion with attention in both directions.

    Raises:
        UserError: as `architecture_of` does, or when transformers makes no model of it.
    """
    architecture, settings = architecture_of(config, family, where), module_settings(config, family, where)
    settings |= PLAIN_OUTPUTS | {"attn_implementation": attention, "is_causal": architecture.pattern is Pattern.causal}
    settings |= {"head_dim": architecture.head, "num_key_value_heads": architecture.key_heads, "sliding_window": None}
    settings.pop("model_type", None)
    try:
        return CONFIGS[architecture.modules](**settings)
    except Exception as error:  # its validators raise errors of their own
        reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        raise UserError(f"checkpoint {where}: config.json makes no model ({reason[0].strip()}): correct it") from error


MASK_DIMENSIONS = 4


def attend_by_pattern(model: CausalModel, architecture: Architecture) -> None:
    """Make the modules attend as the architecture does, whoever calls them.

    Causal and full attention are a matter of their configuration. Block-causal attention is a mask of every pass, with
    blocks as long as the model was trained with; or it is what the pass brings, a mask [B, 1, Q, S], True where it may
    see.
    """
    if architecture.pattern is not Pattern.block_causal:
        return
    assert architecture.block_length is not None
    model.config.attends_in_blocks = True  # for kernels that take no mask, see attention_adapter.py
    block_length = architecture.block_length

    def masked(module: nn.Module, args: Any, inputs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:  # noqa: ANN401
        given = inputs.get("attention_mask")
        visible_B1QS = given if given is not None and given.dim() == MASK_DIMENSIONS else _visible(inputs, block_length)
        if module.config._attn_implementation == "eager":  # type: ignore[union-attr] # noqa: SLF001 (nothing public tells)
            lowest = torch.finfo(model.lm_head.weight.dtype).min
            hidden_B1QS = torch.zeros_like(visible_B1QS, dtype=model.lm_head.weight.dtype)
            return args, inputs | {"attention_mask": hidden_B1QS.masked_fill(~visible_B1QS, lowest)}
        return args, inputs | {"attention_mask": visible_B1QS}

    model.model.register_forward_pre_hook(masked, with_kwargs=True)


def block_causal(queries_Q: Tensor, keys_S: Tensor, block_length: int, first_block: int = 0) -> Tensor:
    """Which keys a query may see, [..., Q, S], by the positions of both; a block begins at `first_block`."""
    return (keys_S - first_block) // block_length <= (queries_Q[..., None] - first_block) // block_length


def _visible(inputs: dict[str, Any], block_length: int) -> Tensor:
    """The mask of a pass, [B or 1, 1, Q, S]; its blocks are counted from the first position of the canvas.

    So padding in front of a row must fill whole blocks.
    """
    tokens_BQ, cache, padding_mask_BS = inputs["input_ids"], inputs.get("past_key_values"), inputs.get("attention_mask")
    width = tokens_BQ.shape[1]
    first = 0 if cache is None else cache.get_seq_length()
    keys = width if cache is None else cache.get_mask_sizes(width, 0)[0]
    positions_S = torch.arange(keys, device=tokens_BQ.device)
    queries_Q = torch.arange(first, first + width, device=tokens_BQ.device)
    visible_B1QS = block_causal(queries_Q, positions_S, block_length)[None, None]
    if padding_mask_BS is None:
        return visible_B1QS
    own_QS = queries_Q[:, None] == positions_S  # padding sees itself, so that nothing is divided by zero
    shown_B1QS: Tensor = visible_B1QS & padding_mask_BS[:, None, None].bool() | own_QS
    return shown_B1QS
