"""Keys of config.json that change what a model computes: which are honoured, and which values are refused.

docs/inputs.md shows the same table. A key that is not listed there is not read.
"""

import math
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any

from crossover.errors import UserError

ACTIVATIONS = ("silu", "swish", "gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "quick_gelu", "relu", "relu2")
SILU = ("silu", "swish")
ROPE_TYPES: dict[str, tuple[str, ...]] = {
    "default": (),
    "linear": ("factor",),
    "llama3": ("factor", "low_freq_factor", "high_freq_factor"),
    "yarn": ("factor",),
}
"""Those whose frequencies do not depend on the length of a text, and what each needs."""

ROPE_KEYS = ("rope_parameters", "rope_scaling", "rope_theta")

COMMON: dict[str, tuple[object, ...]] = {
    "quantization_config": (),
    "alibi": (False,),
    "clip_qkv": (),
    "partial_rotary_factor": (1,),
    "qk_norm": (False,),
    "use_qk_norm": (False,),
    "qk_layernorm": (False,),
    "num_experts": (0, 1),
    "num_local_experts": (0, 1),
}
SCALES: dict[str, tuple[object, ...]] = {
    "attention_chunk_size": (),
    "attention_multiplier": (),
    "attn_logit_softcapping": (),
    "embedding_multiplier": (1,),
    "final_logit_softcapping": (),
    "logit_scale": (1,),
    "logits_scaling": (1,),
    "query_pre_attn_scalar": (),
    "residual_multiplier": (1,),
    "use_sliding_window": (False,),
}


class Keys(StrEnum):
    """Whose keys a config.json has: the headings of docs/inputs.md."""

    llada = "LLaDA"
    llama = "Llama"
    qwen = "Qwen"
    nemotron = "Nemotron"


ALLOWED: dict[Keys, dict[str, tuple[object, ...]]] = {
    Keys.llada: COMMON
    | {
        "activation_type": ("silu",),
        "attention_layer_norm": (False,),
        "bias_for_layer_norm": (False,),
        "block_group_size": (1,),
        "block_type": ("llama",),
        "hidden_act": SILU,
        "include_bias": (False,),
        "input_emb_norm": (False,),
        "layer_norm_type": ("rms",),
        "layer_norm_with_affine": (True,),
        "rope": (True,),
        "rope_full_precision": (True,),
        "rope_scaling": (),
        "scale_logits": (False,),
        "sliding_window": (),
    },
    Keys.llama: COMMON
    | SCALES
    | {
        "hidden_act": ACTIVATIONS,
        "is_causal": (True,),
        "sliding_window": (),
        "use_bidirectional_attention": (False,),
    },
    Keys.qwen: COMMON | SCALES | {"hidden_act": SILU, "mlp_bias": (False,), "use_mrope": (False,)},
    Keys.nemotron: COMMON
    | SCALES
    | {
        "attention_bias": (False,),
        "dlm_paradigm": ("bidirectional", "block_diff", "sbd_block_diff", "autoregressive"),
        "hidden_act": SILU,
        "mlp_bias": (False,),
        "num_ar_layers": (0,),
        "num_diffusion_layers": (0,),
        "sliding_window": (),
    },
}
"""The values that each key may have, besides null and being absent."""

UNREAD = frozenset(
    {
        *("_name_or_path", "architectures", "attention_dropout", "auto_map", "chunk_size_feed_forward", "dtype"),
        *("id2label", "is_encoder_decoder", "label2id", "output_attentions", "output_hidden_states", "pretraining_tp"),
        *("problem_type", "return_dict", "torch_dtype", "transformers_version", "use_cache"),
    }
)
"""Keys that change nothing here; transformers would refuse a checkpoint for a value of another type."""

SWITCHES = ("attention_bias", "mlp_bias", "tie_word_embeddings")
NUMBERS = ("rms_norm_eps", "rope_theta", "initializer_range")
MOST_LAYERS = 10_000
"""More would be a mistake, and each has a dozen weights to be looked for."""
SIZES = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
IDS = ("bos_token_id", "eos_token_id", "pad_token_id", "mask_token_id")


def check_computation(config: Mapping[str, Any], keys: Keys, where: str) -> None:
    """Refuse a config.json that asks for a computation that no engine here does.

    Raises:
        UserError: naming the key, its value, and what it may be.
    """
    for key, allowed in ALLOWED[keys].items():
        value = config.get(key)
        if value is not None and not any(value == each for each in allowed):
            raise _refusal(where, key, value, allowed)
    if keys is Keys.nemotron and all(config.get(key) is None for key in ROPE_KEYS):
        raise UserError(f"checkpoint {where}: config.json has no rope_parameters: add those of the checkpoint")
    if keys is not Keys.llada:
        _check_rope(config, where)
        _check_layers(config, where)


def check_sizes(settings: Mapping[str, Any], where: str) -> None:
    """Refuse sizes that make no model, and ids of special tokens without an embedding; in the names of transformers.

    Raises:
        UserError: naming the key and its value.
    """
    for key in SIZES:
        if key not in settings:
            raise UserError(f"checkpoint {where}: config.json has no {key!r}: add it, or copy the checkpoint's own")
    for key in (*SIZES, "num_key_value_heads", "max_position_embeddings", "head_dim"):
        value = settings.get(key, 1)
        is_absent = value is None and key not in SIZES
        if not is_absent and not (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
            raise _unusable(where, key, value, "a whole number from 1")
    if settings["num_hidden_layers"] > MOST_LAYERS:
        raise _unusable(where, "num_hidden_layers", settings["num_hidden_layers"], f"at most {MOST_LAYERS}")
    heads, key_heads = settings["num_attention_heads"], settings.get("num_key_value_heads")
    if settings.get("head_dim") is None and settings["hidden_size"] % heads:
        raise _unusable(where, "num_attention_heads", heads, f"a divisor of the hidden size {settings['hidden_size']}")
    if key_heads is not None and heads % key_heads:
        raise _unusable(where, "num_key_value_heads", key_heads, f"a divisor of the {heads} heads")
    _check_ids(settings, where)
    _check_kinds(settings, where)


def read_keys(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that are read. `null` counts as absent, except of tokens, which other programs know defaults of."""
    return {
        key: float(value) if key in NUMBERS and isinstance(value, int) and not isinstance(value, bool) else value
        for key, value in settings.items()
        if key not in UNREAD and (value is not None or key in IDS)
    }


def _check_kinds(settings: Mapping[str, Any], where: str) -> None:
    for key in SWITCHES:
        if not isinstance(settings.get(key, False), bool):
            raise _unusable(where, key, settings[key], "true or false")
    rope = settings.get("rope_parameters") or {}
    numbers = {key: settings[key] for key in NUMBERS if key in settings}
    numbers |= {"rope_theta": rope["rope_theta"]} if rope.get("rope_theta") is not None else {}
    for key, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise _unusable(where, key, value, "a number above 0")


def _check_rope(config: Mapping[str, Any], where: str) -> None:
    for key in ROPE_KEYS[:2]:
        rope = config.get(key)
        if rope is None:
            continue
        if not isinstance(rope, dict):
            raise _unusable(where, key, rope, "an object")
        kind = rope.get("rope_type", rope.get("type", "default"))
        if kind not in ROPE_TYPES:
            raise _refusal(where, f"{key}.rope_type", kind, tuple(ROPE_TYPES))
        if missing := [name for name in ROPE_TYPES[kind] if not isinstance(rope.get(name), int | float)]:
            raise _unusable(where, f"{key}.{missing[0]}", rope.get(missing[0]), f"a number for rope_type={kind!r}")
        if rope.get("partial_rotary_factor", 1) != 1:
            raise _refusal(where, f"{key}.partial_rotary_factor", rope["partial_rotary_factor"], (1,))
        _check_theta(config, key, rope, where)


def _check_theta(config: Mapping[str, Any], key: str, rope: Mapping[str, Any], where: str) -> None:
    """Older files have the base beside this object, newer ones in it; one that was edited may have two."""
    outer, inner = config.get("rope_theta"), rope.get("rope_theta")
    if isinstance(outer, int | float) and isinstance(inner, int | float) and outer != inner:
        raise _unusable(where, f"{key}.rope_theta", inner, f"that of rope_theta beside it, {_shown(outer)}")


def _check_layers(config: Mapping[str, Any], where: str) -> None:
    kinds = config.get("layer_types")
    for kind in kinds if isinstance(kinds, list) else []:
        if kind != "full_attention":
            raise _refusal(where, "layer_types", kind, ("full_attention",))


def _check_ids(settings: Mapping[str, Any], where: str) -> None:
    for key in IDS:
        given = settings.get(key)
        may_be_several = key == "eos_token_id"
        tokens = given if may_be_several and isinstance(given, list) else [given]
        for token in tokens:
            _check_id(where, key, token, settings["vocab_size"])


def _check_id(where: str, key: str, token: object, vocabulary: int) -> None:
    if token is None or (key != "mask_token_id" and token == -1):  # -1 is how some say that there is none
        return
    if not isinstance(token, int) or not 0 <= token < vocabulary:
        raise _unusable(where, key, token, f"a token from 0 to {vocabulary - 1}, which have embeddings")


def _refusal(where: str, key: str, value: object, allowed: Collection[object]) -> UserError:
    may = " or ".join(map(_shown, allowed)) if allowed else "null"
    return UserError(
        f"checkpoint {where}: config.json has {key}={_shown(value)}, which changes what the model computes and is not"
        f" supported: it may be {may}; give another checkpoint"
    )


def _unusable(where: str, key: str, value: object, wanted: str) -> UserError:
    return UserError(f"checkpoint {where}: config.json has {key}={_shown(value)}: it must be {wanted}")


def _shown(value: object) -> str:
    shown = str(value).lower() if isinstance(value, bool) else repr(value) if isinstance(value, str) else str(value)
    return shown if len(shown) < 60 else f"{shown[:57]}..."  # noqa: PLR2004 (about half a line)
