from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmark.engines.compiled.packing import pack
from benchmark.models.loading import load_model
from crossover.errors import UserError
from crossover.records.settings import Family
from tests.checkpoints import CPU, write_llama


def test_packed_weights_are_the_only_copy(tmp_path: Path) -> None:
    model = load_model(write_llama(tmp_path), Family.autoregressive, dtype=torch.float32, device=CPU)
    tokens = torch.tensor([[5, 9, 2, 7]])
    before = model.llama(tokens).logits
    layers = pack(model)
    assert torch.equal(model.llama(tokens).logits, before)
    for packed, layer in zip(layers, model.llama.model.layers, strict=True):
        fused = packed.qkv.untyped_storage().data_ptr()
        assert layer.self_attn.v_proj.weight.untyped_storage().data_ptr() == fused


def test_biases_are_refused(tmp_path: Path) -> None:
    model = load_model(write_llama(tmp_path), Family.autoregressive, dtype=torch.float32, device=CPU)
    biased = replace(model, known=replace(model.architecture, has_output_bias=True))
    with pytest.raises(UserError, match="a bias behind the attention, which engine=compiled does not know"):
        pack(biased)
