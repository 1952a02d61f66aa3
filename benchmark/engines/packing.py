"""A Llama's weights with neighbouring matrices fused: one product for q, k and v, one for gate and up.

The fused tensors are the only copy: the modules that they came from keep views of them.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers import LlamaModel
from transformers.models.llama.modeling_llama import LlamaDecoderLayer

from benchmark.models.configuration import check_compiled


class LayerWeights(NamedTuple):
    """One decoder layer. Matrices are [out, in], as torch's linear takes them."""

    input_norm: Tensor
    qkv: Tensor
    output: Tensor
    post_norm: Tensor
    gate_up: Tensor
    down: Tensor


def pack(body: LlamaModel) -> tuple[LayerWeights, ...]:
    """The weights of every layer, fused one layer at a time so that no second copy of the model exists.

    Raises:
        UserError: when the projections have biases or another activation, which neither LLaDA's nor Llama 3's have.
    """
    check_compiled(body.config.to_dict(), "this checkpoint")
    return tuple(_pack(layer) for layer in body.layers if isinstance(layer, LlamaDecoderLayer))


def _pack(layer: LlamaDecoderLayer) -> LayerWeights:
    attention, mlp = layer.self_attn, layer.mlp
    return LayerWeights(
        input_norm=layer.input_layernorm.weight.detach(),
        qkv=_fuse(attention.q_proj, attention.k_proj, attention.v_proj),
        output=attention.o_proj.weight.detach(),
        post_norm=layer.post_attention_layernorm.weight.detach(),
        gate_up=_fuse(mlp.gate_proj, mlp.up_proj),
        down=mlp.down_proj.weight.detach(),
    )


def _fuse(*linears: nn.Linear) -> Tensor:
    fused = torch.cat([linear.weight.detach() for linear in linears])
    parts = fused.split([linear.out_features for linear in linears])
    for linear, part in zip(linears, parts, strict=True):
        linear.weight = nn.Parameter(part, requires_grad=False)
    return fused
