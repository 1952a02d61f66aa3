import math
import re
from typing import Any

import pytest
import torch
from transformers import LlamaConfig

from benchmark.models.architecture import architecture_of, module_settings
from benchmark.models.configuration import ALLOWED, ROPE_TYPES, Keys
from benchmark.models.layouts import Modules
from benchmark.models.modules import MODELS, module_config
from crossover.errors import UserError
from crossover.records.settings import Family
from tests.checkpoints import llada_settings
from tests.checkpoints import llama_settings as plain_llama_settings
from tests.paths import ROOT

PAGE = (ROOT / "docs" / "inputs.md").read_text(encoding="utf-8")
KEYS = [(whose, key) for whose, keys in ALLOWED.items() for key in keys]
FAMILIES = {Keys.llada: Family.diffusion, Keys.llama: Family.autoregressive, Keys.qwen: Family.autoregressive}
TYPES = {Keys.qwen: "qwen3", Keys.nemotron: "nemotron_labs_diffusion"}
FAMILIES[Keys.nemotron] = Family.autoregressive


def of_keys(whose: Keys, key: str, value: object) -> dict[str, Any]:
    kind = {"model_type": TYPES[whose]} if whose in TYPES else {}
    return settings(FAMILIES[whose], **kind, **{key: value})


def settings(family: Family, **changes: Any) -> dict[str, Any]:
    make = plain_llama_settings if family is Family.autoregressive else llada_settings
    return make(**changes)


@pytest.mark.parametrize(("whose", "key"), KEYS)
def test_each_key_that_changes_the_computation_is_honoured_or_refused(whose: Keys, key: str) -> None:
    for value in (None, *ALLOWED[whose][key]):
        module_settings(of_keys(whose, key, value), FAMILIES[whose], "./here")
    switches = [not value for value in ALLOWED[whose][key] if isinstance(value, bool)]
    for value in (*switches, "strange", 3.5, 7):
        with pytest.raises(UserError, match=f"checkpoint ./here: config.json has {key}=.* it may be ") as refused:
            module_settings(of_keys(whose, key, value), FAMILIES[whose], "./here")
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("whose", "key"), KEYS)
def test_the_table_names_every_key_with_what_it_may_be(whose: Keys, key: str) -> None:
    row = re.search(rf"^\| `{key}` \| ([^|]+) \|", PAGE.split(f"### {whose.value}")[1], re.MULTILINE)
    assert row is not None
    for value in ALLOWED[whose][key]:
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        assert f"`{shown}`" in row[1]


@pytest.mark.parametrize("kind", ["dynamic", "longrope", "ntk"])
@pytest.mark.parametrize("key", ["rope_scaling", "rope_parameters"])
def test_frequencies_that_depend_on_the_length_are_refused(key: str, kind: str) -> None:
    for name in ("rope_type", "type"):
        rope = {name: kind, "factor": 2.0, "rope_theta": 10000.0}
        with pytest.raises(UserError, match=f"config.json has {key}.rope_type='{kind}'"):
            module_settings(settings(Family.autoregressive, **{key: rope}), Family.autoregressive, "./here")


@pytest.mark.parametrize("kind", [each for each in ROPE_TYPES if each != "default"])
def test_scaled_frequencies_are_honoured_under_both_names(kind: str) -> None:
    scaling = {"rope_type": kind, "factor": 4.0, "original_max_position_embeddings": 16}
    scaling |= {"low_freq_factor": 1.0, "high_freq_factor": 4.0}
    configs = [
        module_config(settings(Family.autoregressive, **changes), Family.autoregressive, "./here", attention="sdpa")
        for changes in ({}, {"rope_scaling": scaling}, {"rope_parameters": scaling | {"rope_theta": 10000.0}})
    ]
    plain, older, newer = (MODELS[Modules.llama](config).model.rotary_emb.inv_freq for config in configs)
    assert not torch.equal(plain, older)
    assert torch.equal(older, newer)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"attention_bias": True}, "a bias behind the attention"),
        ({"mlp_bias": True}, "biases in the MLP"),
        ({"hidden_act": "gelu"}, "hidden_act='gelu'"),
        ({"hidden_act": "relu"}, "hidden_act='relu'"),
    ],
)
def test_the_compiled_engine_refuses_what_it_does_not_know(change: dict[str, Any], what: str) -> None:
    architecture = architecture_of(settings(Family.autoregressive, **change), Family.autoregressive, "./here")
    with pytest.raises(UserError, match=f"./here has {what}, which engine=compiled does not know: use engine=eager"):
        architecture.check_compiled("./here")


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3"])
@pytest.mark.parametrize(
    "changes",
    [{}, {"tie_word_embeddings": True}, {"attention_bias": True}, {"head_dim": 4}],
    ids=lambda changes: next(iter(changes), "plain"),
)
def test_the_weights_that_are_asked_for_are_those_of_the_model(kind: str, changes: dict[str, Any]) -> None:
    config = settings(Family.autoregressive, model_type=kind, **changes)
    asked = architecture_of(config, Family.autoregressive, "./here")
    made = module_config(config, Family.autoregressive, "./here", attention="sdpa")
    with torch.device("meta"):
        state = MODELS[asked.modules](made).state_dict()
    expected = {name: tuple(tensor.shape) for name, tensor in state.items()}
    if asked.is_tied:
        del expected["lm_head.weight"]
    assert asked.shapes() == expected


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("hidden_size", "16", "a whole number from 1"),
        ("num_hidden_layers", 0, "a whole number from 1"),
        ("num_hidden_layers", 2**63, "at most 10000"),
        ("num_attention_heads", 3, "a divisor of the hidden size 16"),
        ("num_key_value_heads", 5, "a divisor of the 2 heads"),
        ("vocab_size", True, "a whole number from 1"),
        ("rms_norm_eps", [], "a number above 0"),
        ("rms_norm_eps", 0, "a number above 0"),
        ("rms_norm_eps", math.nan, "a number above 0"),
        ("mlp_bias", "no", "true or false"),
        ("pad_token_id", [], "a token from 0 to 23"),
        ("eos_token_id", [0, 24], "a token from 0 to 23"),
        ("pad_token_id", 99, "a token from 0 to 23"),
        ("rope_scaling", 4, "an object"),
        ("rope_scaling.low_freq_factor", None, "a number for rope_type='llama3'"),
    ],
)
def test_a_value_that_makes_no_model_is_named(key: str, value: object, wanted: str) -> None:
    changes = {"rope_scaling": {"rope_type": "llama3", "factor": 8}} if "." in key else {key: value}
    with pytest.raises(UserError, match=rf"checkpoint ./here: config.json has {key}=.*: it must be {wanted}"):
        module_settings(settings(Family.autoregressive, **changes), Family.autoregressive, "./here")


def test_a_size_that_is_null_is_missing() -> None:
    config = settings(Family.autoregressive, num_attention_heads=None)
    with pytest.raises(UserError, match=r"config.json has no 'num_attention_heads': add it"):
        module_settings(config, Family.autoregressive, "./here")


@pytest.mark.parametrize("family", Family)
def test_the_theta_of_the_rotation_is_a_number(family: Family) -> None:
    changes = {"rope_theta": "x"} if family is Family.diffusion else {"rope_parameters": {"rope_theta": "x"}}
    with pytest.raises(UserError, match=r"config.json has rope_theta='x': it must be a number above 0"):
        module_settings(settings(family, **changes), family, "./here")


@pytest.mark.parametrize(
    "changes",
    [
        {"mlp_bias": None, "attention_bias": None, "rms_norm_eps": 1},
        {"use_cache": 1.5, "pretraining_tp": [1], "torch_dtype": math.nan, "dtype": 4, "problem_type": True},
        {"transformers_version": 5, "return_dict": {}, "id2label": 3, "attention_dropout": "x"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_null_counts_as_absent_and_what_is_not_read_may_be_anything(changes: dict[str, Any]) -> None:
    made = module_config(settings(Family.autoregressive, **changes), Family.autoregressive, "./here", attention="sdpa")
    assert isinstance(made, LlamaConfig)
    assert (made.mlp_bias, made.attention_bias) == (False, False)


@pytest.mark.parametrize("mask", [24, -1, "x", None])
def test_a_mask_without_an_embedding_is_refused(mask: object) -> None:
    with pytest.raises(UserError, match=r"checkpoint \./here: config\.json has .*mask_token_id"):
        architecture_of(settings(Family.diffusion, mask_token_id=mask), Family.diffusion, "./here")


def test_a_llada_config_may_leave_sizes_to_others() -> None:
    changes = {"mlp_hidden_size": None, "mlp_ratio": 3, "n_kv_heads": None, "multi_query_attention": True}
    translated = module_settings(settings(Family.diffusion, **changes), Family.diffusion, "./here")
    assert (translated["intermediate_size"], translated["num_key_value_heads"]) == (48, 1)
