"""A Llama's weights with neighbouring matrices fused: one product for q, k and v, one for gate and up.

The fused tensors are the only copy: the modules that they came from keep views of them.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmark.engines.compiled.layer import NOTHING, Finish
from benchmark.models.loading import LanguageModel


class LayerWeights(NamedTuple):
    """One decoder layer. Matrices are [out, in], as torch's linear takes them; `finish` belongs to the product qkv."""

    input_norm: Tensor
    qkv: Tensor
    output: Tensor
    post_norm: Tensor
    gate_up: Tensor
    down: Tensor
    finish: Finish = NOTHING


def pack(model: LanguageModel) -> tuple[LayerWeights, ...]:
    """The weights of every layer, fused one layer at a time so that no second copy of the model exists.

    Raises:
        UserError: when the architecture asks for what the compiled engine does not know.
    """
    model.architecture.check_compiled("this checkpoint")
    return tuple(_pack(layer) for layer in model.llama.model.layers)


def _pack(layer: Any) -> LayerWeights:  # noqa: ANN401 (the layers of any of the modules)
    attention, mlp = layer.self_attn, layer.mlp
    return LayerWeights(
        input_norm=layer.input_layernorm.weight.detach(),
        qkv=_fuse(attention.q_proj, attention.k_proj, attention.v_proj),
        output=attention.o_proj.weight.detach(),
        post_norm=layer.post_attention_layernorm.weight.detach(),
        gate_up=_fuse(mlp.gate_proj, mlp.up_proj),
        down=mlp.down_proj.weight.detach(),
        finish=_finish(attention),
    )


def _finish(attention: Any) -> Finish:  # noqa: ANN401 (the attention of any of the modules)
    projections = (attention.q_proj, attention.k_proj, attention.v_proj)
    biases = [linear.bias.detach() for linear in projections if linear.bias is not None]
    norms = [norm.weight.detach() for name in ("q_norm", "k_norm") if (norm := getattr(attention, name, None))]
    return Finish(torch.cat(biases) if biases else None, *norms)


def _fuse(*linears: nn.Linear) -> Tensor:
    fused = torch.cat([linear.weight.detach() for linear in linears])
    parts = fused.split([linear.out_features for linear in linears])
    for linear, part in zip(linears, parts, strict=True):
        linear.weight = nn.Parameter(part, requires_grad=False)
    return fused
