import re

import pytest

from benchmark.models.architecture import layout_of, module_name
from benchmark.models.layouts import LAYOUTS
from benchmark.models.modules import module_config
from crossover.errors import UserError
from crossover.records.settings import Family
from tests.checkpoints import llada_settings, llada_tensors, llama_settings, llama_tensors


def renamed(names: list[str]) -> list[str]:
    return [module_name(name, LAYOUTS["llada"]) for name in names]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("model.transformer.wte.weight", "model.embed_tokens.weight"),
        ("model.transformer.ln_f.weight", "model.norm.weight"),
        ("model.transformer.ff_out.weight", "lm_head.weight"),
        ("model.transformer.blocks.0.q_proj.weight", "model.layers.0.self_attn.q_proj.weight"),
        ("model.transformer.blocks.7.k_proj.weight", "model.layers.7.self_attn.k_proj.weight"),
        ("model.transformer.blocks.31.v_proj.weight", "model.layers.31.self_attn.v_proj.weight"),
        ("model.transformer.blocks.31.attn_out.weight", "model.layers.31.self_attn.o_proj.weight"),
        ("model.transformer.blocks.31.ff_proj.weight", "model.layers.31.mlp.gate_proj.weight"),
        ("model.transformer.blocks.31.up_proj.weight", "model.layers.31.mlp.up_proj.weight"),
        ("model.transformer.blocks.31.ff_out.weight", "model.layers.31.mlp.down_proj.weight"),
        ("model.transformer.blocks.31.attn_norm.weight", "model.layers.31.input_layernorm.weight"),
        ("model.transformer.blocks.31.ff_norm.weight", "model.layers.31.post_attention_layernorm.weight"),
    ],
)
def test_each_published_name_has_its_place_in_llama(name: str, expected: str) -> None:
    assert module_name(name, LAYOUTS["llada"]) == expected


def test_both_layouts_have_the_same_weights() -> None:
    assert sorted(renamed(list(llada_tensors()))) == sorted(llama_tensors())


@pytest.mark.parametrize("name", ["model.transformer.blocks.0.ff_out.bias", "model.transformer.wpe.weight", "x"])
def test_an_unknown_name_is_left_for_the_loader_to_report(name: str) -> None:
    assert module_name(name, LAYOUTS["llada"]) == name


def test_names_of_an_autoregressive_checkpoint_stay() -> None:
    assert module_name("model.transformer.wte.weight", LAYOUTS["llama"]) == "model.transformer.wte.weight"


@pytest.mark.parametrize(
    ("model_type", "family", "advice"),
    [
        ("llada", Family.autoregressive, "is of type 'llada', which is diffusion, not autoregressive: use model=llada"),
        ("llama", Family.diffusion, "is of type 'llama', which is autoregressive, not diffusion: use model=llama"),
        (
            "Dream",
            Family.autoregressive,
            "is of type 'Dream', which is diffusion, not autoregressive: use model=dream_7b",
        ),
        ("gpt2", Family.autoregressive, "is of type 'gpt2', which cannot be measured: give one of llama, llada, qwen2"),
        (None, Family.diffusion, "is of type None, which cannot be measured: give one of llama, llada"),
    ],
)
def test_a_checkpoint_of_another_family_is_refused_with_advice(model_type: str, family: Family, advice: str) -> None:
    with pytest.raises(UserError, match=re.escape(f"checkpoint ./here {advice}")):
        layout_of({"model_type": model_type}, family, "./here")


def test_a_checkpoint_of_its_family_is_accepted() -> None:
    for family in Family:  # one set of weights may be trained both ways, as the tiny twin is
        layout_of({"model_type": "sdar"}, family, "./here")
    layout_of(llada_settings(), Family.diffusion, "./here")
    layout_of(llama_settings(), Family.autoregressive, "./here")


def test_a_llada_config_becomes_a_llama_that_looks_both_ways() -> None:
    settings = llada_settings(n_layers=3, d_model=32, n_heads=4, n_kv_heads=2, rope_theta=500000.0)
    config = module_config(settings, Family.diffusion, "./here", attention="sdpa")
    assert (config.num_hidden_layers, config.hidden_size) == (3, 32)
    assert (config.num_attention_heads, config.num_key_value_heads) == (4, 2)
    assert config.rope_parameters == {"rope_type": "default", "rope_theta": 500000.0}
    assert config.is_causal is False


def test_an_autoregressive_config_is_taken_as_it_is() -> None:
    config = module_config(llama_settings(hidden_size=32), Family.autoregressive, "./here", attention="eager")
    assert (config.hidden_size, config.num_key_value_heads) == (32, 1)
    assert config._attn_implementation == "eager"


def test_what_older_llada_configs_leave_out_follows_from_the_rest() -> None:
    settings = llada_settings(n_kv_heads=None, embedding_size=None, vocab_size=40)
    config = module_config(settings, Family.diffusion, "./here", attention="sdpa")
    assert (config.num_key_value_heads, config.vocab_size) == (2, 40)


@pytest.mark.parametrize("name", ["d_model", "rope_theta", "weight_tying", "mask_token_id"])
def test_a_llada_config_without_a_needed_value_names_it(name: str) -> None:
    settings = llada_settings()
    del settings[name]
    with pytest.raises(UserError, match=f"checkpoint ./here: config.json has no '{name}'"):
        module_config(settings, Family.diffusion, "./here", attention="sdpa")
