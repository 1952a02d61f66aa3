"""One architecture for all models: Llama's layers, and what a configuration adds to them.

config.json and the names of tensors become those of transformers' modules (layouts.py); `Architecture` is what engines
and counts of work go by.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.models.configuration import SILU, check_computation, check_sizes, read_keys
from benchmark.models.layouts import LAYOUTS, Layout, Modules, Pattern
from crossover.errors import UserError
from crossover.records.settings import Family

if TYPE_CHECKING:
    from torch import Tensor


GROUP = re.compile(r"\([^)]*\)")
"""A group of a layout's pattern of names; none has another in it."""


@dataclass(frozen=True, kw_only=True)
class QueryScale:
    """Queries grow with the logarithm of their position, in steps of `until` positions; the first ones do not."""

    beta: float
    until: int

    def of(self, positions: "Tensor") -> "Tensor":
        """The factor of each position's queries, float32."""
        return 1 + self.beta * (1 + (positions // self.until).float()).log()


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """What a model computes, rotary embeddings apart, which its modules make.

    Attributes:
        head: size of an attention head, which need not be `hidden / heads`.
        has_qkv_bias: biases on queries, keys and values.
        has_output_bias: a bias behind the attention.
        has_head_norms: root-mean-square norms of each query and key over a head, before the rotation.
        is_tied: the output head is the embedding.
        pattern: which positions a position attends to.
        block_length: length of the blocks that a block-causal model was trained with; None for others.
        is_shifted: the logits of a position are made at the position before it; position 0 keeps its own.
        mask_id: the token that diffusion replaces; None for an autoregressive model.
        block_key: what config.json calls the length of the blocks.
    """

    modules: Modules
    layers: int
    hidden: int
    intermediate: int
    heads: int
    key_heads: int
    head: int
    vocabulary: int
    activation: str = "silu"
    is_tied: bool = False
    has_qkv_bias: bool = False
    has_output_bias: bool = False
    has_mlp_bias: bool = False
    has_head_norms: bool = False
    pattern: Pattern = Pattern.causal
    block_length: int | None = None
    is_shifted: bool = False
    mask_id: int | None = None
    query_scale: QueryScale | None = None
    block_key: str | None = None

    def check_compiled(self, where: str) -> None:
        """Refuse what only transformers' own modules compute.

        Raises:
            UserError: saying what it is, and the engine to use.
        """
        kinds = {
            "a bias behind the attention": self.has_output_bias,
            "biases in the MLP": self.has_mlp_bias,
            f"hidden_act={self.activation!r}": self.activation not in SILU,
        }
        if refused := [kind for kind, is_asked in kinds.items() if is_asked]:
            raise UserError(f"{where} has {refused[0]}, which engine=compiled does not know: use engine=eager")

    def require_blocks(self, where: str) -> None:
        """Refuse a block-causal model whose blocks are of no known length.

        Raises:
            UserError: naming the key that says it.
        """
        if self.pattern is Pattern.block_causal and self.block_length is None:
            raise UserError(
                f"checkpoint {where}: config.json has no {self.block_key}, the length of the blocks that the model was"
                " trained with: give model.block_length"
            )

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The name and shape of every weight, in the names of transformers' modules."""
        shapes: dict[str, tuple[int, ...]] = {
            "model.embed_tokens.weight": (self.vocabulary, self.hidden),
            "model.norm.weight": (self.hidden,),
        }
        if not self.is_tied:
            shapes["lm_head.weight"] = (self.vocabulary, self.hidden)
        for layer in range(self.layers):
            shapes |= {f"model.layers.{layer}.{name}": shape for name, shape in self._layer().items()}
        return shapes

    def _layer(self) -> dict[str, tuple[int, ...]]:
        queries, keys = self.heads * self.head, self.key_heads * self.head
        inner, outer = (self.intermediate, self.hidden), (self.hidden, self.intermediate)
        matrices: dict[str, tuple[tuple[int, int], bool]] = {
            "self_attn.q": ((queries, self.hidden), self.has_qkv_bias),
            "self_attn.k": ((keys, self.hidden), self.has_qkv_bias),
            "self_attn.v": ((keys, self.hidden), self.has_qkv_bias),
            "self_attn.o": ((self.hidden, queries), self.has_output_bias),
            "mlp.gate": (inner, self.has_mlp_bias),
            "mlp.up": (inner, self.has_mlp_bias),
            "mlp.down": (outer, self.has_mlp_bias),
        }
        shapes: dict[str, tuple[int, ...]] = {
            "input_layernorm.weight": (self.hidden,),
            "post_attention_layernorm.weight": (self.hidden,),
        }
        if self.has_head_norms:
            shapes |= {f"self_attn.{name}_norm.weight": (self.head,) for name in "qk"}
        for name, (shape, is_biased) in matrices.items():
            shapes[f"{name}_proj.weight"] = shape
            if is_biased:
                shapes[f"{name}_proj.bias"] = shape[:1]
        return shapes


def layout_of(config: Mapping[str, Any], family: Family, where: str) -> Layout:
    """The layout of a checkpoint of the family that its model's configuration says.

    Raises:
        UserError: naming the type that it has, and the model to choose for it.
    """
    model_type = config.get("model_type")
    layout = LAYOUTS.get(str(model_type))
    if layout is None:
        raise UserError(
            f"checkpoint {where} is of type {model_type!r}, which cannot be measured: give one of {', '.join(LAYOUTS)}"
        )
    if family not in layout.families:
        raise UserError(
            f"checkpoint {where} is of type {model_type!r}, which is {layout.families[0]}, not {family}:"
            f" use model={layout.model} for it"
        )
    return layout


def module_name(name: str, layout: Layout) -> str:
    """A tensor's name in transformers' modules, from its name in the checkpoint.

    A name that the layout does not know is returned as it is, for the loader to report.
    """
    for pattern, replacement in layout.names.items():
        if match := re.fullmatch(pattern, name):
            return match.expand(replacement)
    return name


def stored_name(name: str, layout: Layout) -> str:
    """The name in the checkpoint of a tensor of transformers' modules: `module_name` the other way round."""
    for pattern, replacement in layout.names.items():
        groups = GROUP.findall(pattern)
        known = re.escape(replacement)
        for number, group in enumerate(groups, start=1):
            known = known.replace(rf"\\{number}", group)
        if match := re.fullmatch(known, name):
            values = iter(match.groups())
            return GROUP.sub(lambda _: next(values), pattern).replace(r"\.", ".")  # noqa: B023 (called at once)
    return name


def module_settings(config: Mapping[str, Any], family: Family, where: str) -> dict[str, Any]:
    """A config.json in the names of transformers' configurations, checked.

    Raises:
        UserError: when a value that the architecture needs is missing or impossible, or asks for another computation.
    """
    layout = layout_of(config, family, where)
    check_computation(config, layout.keys, where)
    try:
        settings = read_keys(layout.settings(config))
    except KeyError as error:
        raise UserError(
            f"checkpoint {where}: config.json has no {error}, which a checkpoint of type {config['model_type']!r} must"
            " have"
        ) from error
    check_sizes(settings, where)
    settings["tie_word_embeddings"] = bool(settings.get("tie_word_embeddings"))
    return settings


def architecture_of(
    config: Mapping[str, Any], family: Family, where: str, *, block_length: int | None = None
) -> Architecture:
    """What a checkpoint computes, when it generates as its family does.

    `block_length` is that of a block-causal model whose config.json names none.

    Raises:
        UserError: as `module_settings` does, or when there is no mask token where one is needed.
    """
    layout, settings = layout_of(config, family, where), module_settings(config, family, where)
    modules, heads = layout.modules(config), settings["num_attention_heads"]
    everywhere = bool(settings.get("attention_bias")) and modules is not Modules.qwen2
    by_diffusion = family is Family.diffusion
    length = _block_length(config, layout, where, block_length) if by_diffusion else None
    return Architecture(
        modules=modules,
        layers=settings["num_hidden_layers"],
        hidden=settings["hidden_size"],
        intermediate=settings["intermediate_size"],
        heads=heads,
        key_heads=settings.get("num_key_value_heads") or heads,
        head=settings.get("head_dim") or settings["hidden_size"] // heads,
        vocabulary=settings["vocab_size"],
        activation=settings.get("hidden_act") or "silu",
        is_tied=settings["tie_word_embeddings"],
        has_qkv_bias=everywhere or modules is Modules.qwen2,
        has_output_bias=everywhere,
        has_mlp_bias=bool(settings.get("mlp_bias")) and modules is Modules.llama,
        has_head_norms=modules is Modules.qwen3,
        pattern=_pattern(layout, length) if by_diffusion else Pattern.causal,
        block_length=length,
        block_key=layout.block_key,
        is_shifted=by_diffusion and layout.is_shifted,
        mask_id=_mask_id(settings, layout, where) if by_diffusion else None,
        query_scale=_query_scale(settings) if modules is Modules.ministral3 else None,
    )


def _pattern(layout: Layout, block_length: int | None) -> Pattern:
    return Pattern.block_causal if layout.is_in_blocks or block_length is not None else layout.pattern


def _query_scale(settings: Mapping[str, Any]) -> QueryScale | None:
    rope = settings.get("rope_parameters") or {}
    beta, until = rope.get("llama_4_scaling_beta"), rope.get("original_max_position_embeddings")
    return QueryScale(beta=beta, until=until) if beta and until else None


def _mask_id(settings: Mapping[str, Any], layout: Layout, where: str) -> int:
    mask_id = settings.get("mask_token_id", layout.mask_id)
    if not isinstance(mask_id, int) or isinstance(mask_id, bool):
        raise UserError(f"checkpoint {where}: config.json has no mask_token_id, which diffusion needs: add it")
    if mask_id >= settings["vocab_size"]:
        raise UserError(
            f"checkpoint {where}: config.json has no mask_token_id, and that of the published sampler, {mask_id}, is"
            f" beyond the vocabulary of {settings['vocab_size']}: add it"
        )
    return mask_id


def _block_length(config: Mapping[str, Any], layout: Layout, where: str, given: int | None) -> int | None:
    if layout.block_key is None:
        if config.get("block_size") is not None:
            raise UserError(
                f"checkpoint {where}: config.json has block_size={config['block_size']}, and a model of type"
                f" {config['model_type']!r} has no blocks that are known here: give another checkpoint"
            )
        return None
    length = config.get(layout.block_key)
    if length is not None and (not isinstance(length, int) or isinstance(length, bool) or length < 1):
        raise UserError(
            f"checkpoint {where}: config.json has {layout.block_key}={length}: it must be a whole number from 1"
        )
    return length or given
