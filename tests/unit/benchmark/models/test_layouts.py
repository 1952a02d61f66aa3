"""Each official layout, by a small fake checkpoint of it."""

import json
from pathlib import Path

import pytest
import torch

from benchmark.engines.factory import PassFactory
from benchmark.models.architecture import architecture_of
from benchmark.models.checkpoint import read_config
from benchmark.models.layouts import LAYOUTS, Pattern
from benchmark.models.loading import LanguageModel, load_model, random_model
from benchmark.models.weights import check_checkpoint
from crossover.errors import UserError
from crossover.records.settings import Attention, Engine, Family
from tests.checkpoints import CPU, MASK_ID, VOCABULARY, llada_settings, llada_tensors, write_checkpoint
from tests.layouts import CONFIGS, load, logits, settings, tensors, write

A, D = Family.autoregressive, Family.diffusion
CASES = [(name, family) for name in CONFIGS for family in LAYOUTS[name.split()[0]].families]
LENGTH = 16


def seen_by(model: LanguageModel, position: int) -> list[int]:
    """The positions whose token changes what the model says at `position`."""
    tokens = torch.arange(2, 2 + LENGTH)[None] % VOCABULARY
    usual = logits(model, tokens)[0, position]
    others = tokens.repeat(LENGTH, 1)
    others.fill_diagonal_(23)
    changed = logits(model, others)[:, position]
    return [each for each in range(LENGTH) if not torch.equal(changed[each], usual)]


@pytest.mark.parametrize(("name", "family"), CASES)
def test_a_position_attends_as_the_layout_says(tmp_path: Path, name: str, family: Family) -> None:
    model = load(write(tmp_path, name, family), family)
    last = {Pattern.causal: 5, Pattern.full: LENGTH - 1, Pattern.block_causal: 7}[model.architecture.pattern]
    assert seen_by(model, 5) == list(range(last + 1))
    assert model.mask_id == (MASK_ID if family is D else None)


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize(("name", "family"), CASES)
def test_compiled_layers_give_what_the_modules_give(tmp_path: Path, name: str, family: Family) -> None:
    model = load(write(tmp_path, name, family), family)
    factory = PassFactory(model)
    tokens = (torch.arange(2 * LENGTH).view(2, -1) * 7) % VOCABULARY
    expected = logits(model, tokens)
    if family is A:
        passes = factory.causal(Engine.compiled, factory.kernel(Attention.sdpa), factory.head(Engine.compiled, 0.0))
        with torch.inference_mode():
            passes.begin(tokens, None, torch.zeros(2, dtype=torch.long), 2)
            passes.advance()
            passes.advance()
        first = expected[:, -1].argmax(dim=-1, keepdim=True)
        second = logits(model, torch.cat([tokens, first], dim=1))[:, -1].argmax(dim=-1, keepdim=True)
        assert torch.equal(passes.written(), torch.cat([first, second], dim=1))
        return
    canvas = factory.canvas(Engine.compiled, factory.kernel(Attention.sdpa))
    canvas.prepare(2, LENGTH // 2, LENGTH // 2, padded=False)
    with torch.inference_mode():
        hidden = canvas.hidden(tokens, None, torch.arange(LENGTH).expand(2, -1))
        torch.testing.assert_close(model.head(hidden), expected, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize(("name", "family"), CASES)
def test_a_weight_that_is_missing_extra_or_misshapen_is_named(tmp_path: Path, name: str, family: Family) -> None:
    weights = tensors(name, family)
    gone = next(each for each in weights if each.endswith("1.self_attn.k_proj.weight"))
    others = {each: tensor for each, tensor in weights.items() if each != gone}
    for number, (stored, said) in enumerate(
        [
            (others, r"the weight .*1\.self_attn\.k_proj\.weight is missing"),
            (weights | {"model.strange.weight": torch.ones(1)}, r"strange\.weight is not known to this architecture"),
            (others | {gone: torch.ones(2, 3)}, r"1\.self_attn\.k_proj\.weight has the shape \(2, 3\), config.json"),
        ]
    ):
        folder = write_checkpoint(tmp_path / str(number), settings(name), stored)
        with pytest.raises(UserError, match=said):
            check_checkpoint(folder, family, "./here")


@pytest.mark.parametrize(("name", "family"), CASES)
def test_random_weights_take_the_same_layout(tmp_path: Path, name: str, family: Family) -> None:
    folder = write(tmp_path, name, family)
    random, loaded = random_model(folder, family, dtype=torch.float32, device=CPU), load(folder, family)
    assert random.architecture == loaded.architecture
    assert random.weights_bytes == loaded.weights_bytes
    assert logits(random, torch.tensor([[5, 9, 2]])).isfinite().all()


def test_biases_count_where_config_json_has_none_of_them(tmp_path: Path) -> None:
    """Qwen2's biases are part of its type; without them the logits would be others."""
    weights = tensors("Dream", D)
    zero = {name: torch.zeros_like(each) if name.endswith("bias") else each for name, each in weights.items()}
    tokens = torch.tensor([[5, 9, 2, 7]])
    with_biases = load(write_checkpoint(tmp_path / "with", settings("Dream"), weights), D)
    without = load(write_checkpoint(tmp_path / "without", settings("Dream"), zero), D)
    assert not torch.allclose(logits(with_biases, tokens), logits(without, tokens))


@pytest.mark.parametrize(("name", "key"), [("sdar", "block_size"), ("Fast_dLLM_Qwen", "bd_size")])
def test_blocks_of_no_known_length_are_refused(name: str, key: str) -> None:
    config = settings(name)
    del config[key]
    with pytest.raises(UserError, match=f"config.json has no {key}, .* give model.block_length"):
        architecture_of(config, D, "./here").require_blocks("./here")
    assert architecture_of(config, D, "./here", block_length=8).block_length == 8


def test_the_mask_of_fast_dllm_is_that_of_its_sampler_and_of_others_their_own() -> None:
    config = settings("Fast_dLLM_Qwen", vocab_size=151936)
    del config["mask_token_id"]
    assert architecture_of(config, D, "./here").mask_id == 151665
    config = settings("sdar")
    del config["mask_token_id"]
    with pytest.raises(UserError, match="json has no mask_token_id"):
        architecture_of(config, D, "./here")


def test_a_model_that_may_be_in_blocks_is_so_where_its_configuration_says(tmp_path: Path) -> None:
    folder = write(tmp_path, "a2d-qwen3", D)
    model = load_model(folder, D, dtype=torch.float32, device=CPU, block_length=8)
    assert seen_by(model, 5) == list(range(8))


def test_queries_grow_from_the_first_positions_on() -> None:
    scale = architecture_of(settings("nemotron_labs_diffusion"), D, "./here").query_scale
    assert scale is not None
    of_positions = scale.of(torch.tensor([0, 7, 8, 16]))
    torch.testing.assert_close(of_positions, torch.tensor([1.0, 1.0, 1.0693147, 1.1098612]))


def test_a_llada_with_biases_is_computed_by_compiled_layers(tmp_path: Path) -> None:
    biases = {
        f"model.transformer.blocks.{layer}.{name}_proj.bias": torch.full((16,), 0.25)
        for layer in range(2)
        for name in "qkv"
    }
    folder = write_checkpoint(tmp_path, llada_settings(include_qkv_bias=True), llada_tensors() | biases)
    check_checkpoint(folder, D, "./here", compiled=True)
    assert load(folder, D).architecture.has_qkv_bias


@pytest.mark.parametrize("name", ["<|MASK|>", {"content": "<|MASK|>", "special": True}])
@pytest.mark.parametrize("where", ["tokenizer_config.json", "special_tokens_map.json"])
@pytest.mark.parametrize("added", ["tokenizer.json", "added_tokens.json", "tokenizer_config.json"])
def test_a_mask_that_config_json_does_not_name_is_the_tokenizers(
    tmp_path: Path, name: object, where: str, added: str
) -> None:
    """SDAR's published sampler takes the tokenizer's mask token, and so does dLLM's."""
    config = settings("sdar")
    del config["mask_token_id"]
    folder = write_checkpoint(tmp_path, config, {})
    numbers: dict[str, dict[str, object]] = {
        "tokenizer.json": {"added_tokens": [{"id": 21, "content": "<|MASK|>"}]},
        "added_tokens.json": {"<|MASK|>": 21},
        "tokenizer_config.json": {"added_tokens_decoder": {"21": {"content": "<|MASK|>"}}},
    }
    files: dict[str, dict[str, object]] = {"tokenizer_config.json": {}, "special_tokens_map.json": {}, added: {}}
    files[where]["mask_token"] = name
    files[added] |= numbers[added]
    for file, content in files.items():
        (folder / file).write_text(json.dumps(content))
    assert architecture_of(read_config(folder), D, "./here").mask_id == 21
