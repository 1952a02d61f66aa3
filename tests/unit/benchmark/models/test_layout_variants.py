"""What checkpoints of the layouts may look like: what means the same, and what is refused, in a line."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.models.weights import check_checkpoint
from crossover.errors import UserError
from crossover.records.settings import Family
from tests.checkpoints import MASK_ID, VOCABULARY, llada_settings, llada_tensors, write_checkpoint
from tests.layouts import load, logits, settings, tensors

D = Family.diffusion


def changed(name: str, **changes: Any) -> dict[str, Any]:
    """config.json with some keys changed; those changed to `...` are not there."""
    return {key: value for key, value in settings(name, **changes).items() if value is not ...}


SAME: dict[str, tuple[str, dict[str, Any], dict[str, tuple[int, ...]]]] = {
    "rotary buffers, old names": ("Dream", {}, {"model.layers.0.self_attn.rotary_emb.inv_freq": (2,)}),
    "rotary buffers, newer names": ("sdar", {}, {"model.rotary_emb.original_inv_freq": (2,)}),
    "rotary buffers of an encoder": ("nemotron_labs_diffusion", {}, {"encoder.rotary_emb.inv_freq": (2,)}),
    "a tied head that is stored, too": ("sdar", {}, {"lm_head.weight": (VOCABULARY, 16)}),
    "the base in an object": (
        "Fast_dLLM_Qwen",
        {"rope_theta": ..., "rope_parameters": {"rope_type": "default", "rope_theta": 1e6}},
        {},
    ),
    "a base that is a whole number": ("sdar", {"rope_theta": 1000000}, {}),
    "no size of a head": ("sdar", {"head_dim": ...}, {}),
    "a size of a head that is null": ("a2d-qwen3", {"head_dim": None}, {}),
    "no size of a head, and no norms": ("nemotron_labs_diffusion", {"head_dim": ...}, {}),
    "a window that is off": ("Dream", {"use_sliding_window": False, "sliding_window": 4096}, {}),
    "classes, code and types": (
        "Dream",
        {"architectures": ["DreamModel"], "auto_map": {"AutoModel": "modeling_dream.DreamModel"}, "dtype": "float16"},
        {},
    ),
    "keys of training": (
        "sdar",
        {"fuse_cross_entropy": True, "debug": False, "ep_size": 1, "attn_implementation": "flash_attention_2"},
        {},
    ),
    "trained by blocks last": ("nemotron_labs_diffusion", {"dlm_paradigm": "sbd_block_diff"}, {}),
    "keys of two losses": (
        "nemotron_labs_diffusion",
        {"ar_loss_weight": 1.0, "dlm_loss_weight": None, "dp_varying_mask_ratio": False, "attn_implementation": "sdpa"},
        {},
    ),
    "no biases asked for, which there are": ("Dream", {"attention_bias": False}, {}),
    "a mask among the tokenizer's words": ("sdar", {"mask_token_id": ...}, {}),
    "several ends": ("sdar", {"eos_token_id": [0, 2]}, {}),
}
"""What a checkpoint may have and mean the same: changes of config.json, and tensors besides."""


@pytest.mark.parametrize("which", SAME)
def test_checkpoints_that_mean_the_same_compute_the_same(tmp_path: Path, which: str) -> None:
    name, changes, more = SAME[which]
    weights = tensors(name, D)
    extra = {stored: torch.ones(shape) for stored, shape in more.items()}
    usual = write_checkpoint(tmp_path / "usual", settings(name), weights)
    other = write_checkpoint(tmp_path / "other", changed(name, **changes), weights | extra, shards=2)
    check_checkpoint(other, D, "./here")
    tokens = torch.tensor([[5, 9, 2, 7, 3]])
    assert load(other, D).mask_id == MASK_ID
    torch.testing.assert_close(logits(load(other, D), tokens), logits(load(usual, D), tokens))


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "no rotation": ("nemotron_labs_diffusion", {"rope_parameters": ..., "rope_theta": ...}, "has no rope_parameters"),
    "two bases": (
        "sdar",
        {"rope_theta": 1e4, "rope_parameters": {"rope_type": "default", "rope_theta": 1e6}},
        r"rope_parameters.rope_theta=1000000.0: it must be that of rope_theta beside it, 10000.0",
    ),
    "a length of blocks that is a word": ("sdar", {"block_size": "4"}, "block_size=4: it must be a whole number"),
    "a length of blocks that is a switch": ("sdar", {"block_size": True}, "block_size=True: it must be"),
    "a mask that is a switch": ("sdar", {"mask_token_id": True}, "mask_token_id"),
    "blocks where none are known": ("Dream", {"block_size": 32}, "has block_size=32, .* type 'Dream' has no blocks"),
    "a window that is on": ("sdar", {"use_sliding_window": True}, "use_sliding_window=true"),
    "layers with windows": ("Fast_dLLM_Qwen", {"layer_types": ["full_attention", "sliding_attention"]}, "layer_types"),
    "lengths that change the rotation": ("Dream", {"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "dynamic"),
    "rotation in three parts": ("Dream", {"rope_scaling": {"type": "mrope"}}, "mrope"),
    "tied by a word": ("sdar", {"tie_word_embeddings": "true"}, "tie_word_embeddings"),
    "untied without a head": ("sdar", {"tie_word_embeddings": ...}, r"the weight lm_head\.weight is missing"),
    "experts": ("sdar", {"num_experts": 128}, "num_experts"),
    "another type": ("sdar", {"model_type": "sdar_moe"}, "type 'sdar_moe', which cannot be measured"),
}


@pytest.mark.parametrize("which", REFUSED)
def test_a_checkpoint_that_would_be_read_wrongly_is_refused_in_a_line(tmp_path: Path, which: str) -> None:
    name, changes, said = REFUSED[which]
    folder = write_checkpoint(tmp_path, changed(name, **changes), tensors(name, D))
    with pytest.raises(UserError, match=said) as refused:
        check_checkpoint(folder, D, "./here")
    assert "\n" not in str(refused.value)


def test_a_mask_beyond_the_vocabulary_is_refused(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, changed("Fast_dLLM_Qwen", mask_token_id=...), tensors("Fast_dLLM_Qwen", D))
    (folder / "tokenizer_config.json").write_text("{}")
    with pytest.raises(UserError, match="the published sampler, 151665, is beyond the vocabulary of 24: add it"):
        check_checkpoint(folder, D, "./here")


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("nemotron_labs_diffusion", "encoder.layers.1.self_attn.q_proj.weight"),
        ("nemotron_labs_diffusion", "diffusion_head.weight"),
        ("Dream", "model.layers.0.self_attn.v_proj.bias"),
        ("sdar", "model.layers.1.self_attn.q_norm.weight"),
    ],
)
def test_a_weight_is_named_as_the_checkpoint_has_it(tmp_path: Path, name: str, gone: str) -> None:
    weights = tensors(name, D)
    wrong = weights | {gone: torch.ones(2, 3)}
    del weights[gone]
    with pytest.raises(UserError, match=rf"the weight {re.escape(gone)} is missing"):
        check_checkpoint(write_checkpoint(tmp_path / "gone", settings(name), weights), D, "./here")
    with pytest.raises(UserError, match=rf" {re.escape(gone)} has the shape \(2, 3\)"):
        check_checkpoint(write_checkpoint(tmp_path / "wrong", settings(name), wrong), D, "./here")


def test_a_weight_of_llada_is_named_as_its_checkpoint_has_it(tmp_path: Path) -> None:
    for gone in llada_tensors():
        weights = {name: tensor for name, tensor in llada_tensors().items() if name != gone}
        with pytest.raises(UserError, match=rf"the weight {re.escape(gone)} is missing"):
            check_checkpoint(write_checkpoint(tmp_path, llada_settings(), weights), D, "./here")
