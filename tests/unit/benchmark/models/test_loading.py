import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmark.models.loading import LanguageModel, load_model, load_tokenizer
from crossover.errors import UserError
from crossover.records.settings import Family
from tests.checkpoints import (
    CPU,
    END_ID,
    HIDDEN,
    MASK_ID,
    VOCABULARY,
    llada_settings,
    llada_tensors,
    llama_settings,
    llama_tensors,
    write_checkpoint,
    write_llada,
    write_llama,
)
from tests.factories import CONTEXT

TOKENS = torch.tensor([[5, 9, 2, 7, MASK_ID, 3]])
SHORT = "model.layers.0.mlp.up_proj.weight"


def load(folder: Path, family: Family, dtype: torch.dtype = torch.float32) -> LanguageModel:
    return load_model(folder, family, dtype=dtype, device=CPU)


def logits(model: LanguageModel, tokens: Tensor = TOKENS) -> Tensor:
    with torch.inference_mode():
        computed: Tensor = model.head(model.body(input_ids=tokens, use_cache=False).last_hidden_state)
        return computed


def test_a_diffusion_model_sees_what_comes_later_and_an_autoregressive_one_does_not(llada: Path, llama: Path) -> None:
    changed = TOKENS.clone()
    changed[0, -1] = 11
    both_ways, causal = load(llada, Family.diffusion), load(llama, Family.autoregressive)
    assert not torch.allclose(logits(both_ways)[0, 0], logits(both_ways, changed)[0, 0])
    torch.testing.assert_close(logits(causal)[0, :-1], logits(causal, changed)[0, :-1])
    assert not torch.allclose(logits(causal)[0, -1], logits(causal, changed)[0, -1])


def test_the_ids_and_sizes_come_from_the_config(llada: Path, llama: Path) -> None:
    model = load(llada, Family.diffusion)
    assert (model.context, model.vocabulary, model.mask_id) == (CONTEXT, VOCABULARY, MASK_ID)
    assert load(llama, Family.autoregressive).mask_id is None


@pytest.mark.parametrize("shards", [2, 5])
def test_shards_make_the_same_model_as_one_file(tmp_path: Path, shards: int, llada: Path, llama: Path) -> None:
    for whole, write, family in ((llada, write_llada, Family.diffusion), (llama, write_llama, Family.autoregressive)):
        sharded = load(write(tmp_path / family, shards=shards), family)
        assert torch.equal(logits(sharded), logits(load(whole, family)))


@pytest.mark.parametrize(("dtype", "size"), [(torch.float32, 4), (torch.bfloat16, 2)])
def test_every_weight_has_the_type_asked_for_and_counts_its_bytes(llada: Path, dtype: torch.dtype, size: int) -> None:
    model = load(llada, Family.diffusion, dtype)
    parameters = [*model.body.parameters(), *model.head.parameters()]
    assert {parameter.dtype for parameter in parameters} == {dtype}
    assert not any(parameter.requires_grad for parameter in parameters)
    assert model.weights_bytes == size * sum(tensor.numel() for tensor in llada_tensors().values())


def test_positions_are_rotated_in_float32_whatever_the_weights_are(llada: Path) -> None:
    model = load(llada, Family.diffusion, torch.bfloat16)
    assert {buffer.dtype for buffer in model.body.buffers()} == {torch.float32}


@pytest.mark.parametrize("keep_head", [True, False])
def test_a_tied_checkpoint_uses_its_embeddings_as_its_head(tmp_path: Path, *, keep_head: bool) -> None:
    tensors = llama_tensors()
    if not keep_head:
        del tensors["lm_head.weight"]
    folder = write_checkpoint(tmp_path, llama_settings(tie_word_embeddings=True), tensors)
    model = load(folder, Family.autoregressive)
    assert torch.equal(next(model.head.parameters()), tensors["model.embed_tokens.weight"])
    untied = sum(tensor.numel() for tensor in llama_tensors().values())
    assert model.weights_bytes == 4 * (untied - VOCABULARY * HIDDEN)


def test_a_tied_diffusion_checkpoint_uses_its_embeddings_as_its_head(tmp_path: Path) -> None:
    tensors = llada_tensors()
    del tensors["model.transformer.ff_out.weight"]
    model = load(write_checkpoint(tmp_path, llada_settings(weight_tying=True), tensors), Family.diffusion)
    assert torch.equal(next(model.head.parameters()), tensors["model.transformer.wte.weight"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({SHORT: None}, f"the weight {SHORT} is missing; copy or save the checkpoint"),
        ({SHORT: None, "model.norm.weight": None}, f"the weight {SHORT} and 1 more is missing"),
        ({"model.extra.weight": torch.ones(1)}, "the weight model.extra.weight is not known to this architecture"),
        ({SHORT: torch.ones(2, 3)}, rf"{SHORT} has the shape \(2, 3\), config.json asks for \(24, 16\)"),
    ],
)
def test_a_weight_that_is_missing_extra_or_misshapen_is_named(
    tmp_path: Path, change: dict[str, Tensor | None], message: str
) -> None:
    tensors = {name: tensor for name, tensor in (llama_tensors() | change).items() if tensor is not None}
    folder = write_checkpoint(tmp_path, llama_settings(), tensors)
    with pytest.raises(UserError, match=message):
        load(folder, Family.autoregressive)


def test_a_file_that_was_cut_short_is_named(tmp_path: Path) -> None:
    file = write_llama(tmp_path) / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(
        UserError, match=r"model\.safetensors cannot be read .*; copy or save the checkpoint to this folder again"
    ):
        load(tmp_path, Family.autoregressive)


def test_a_checkpoint_of_the_other_family_is_refused(llada: Path, llama: Path) -> None:
    for folder, family in ((llada, Family.autoregressive), (llama, Family.diffusion)):
        with pytest.raises(UserError, match="is of type"):
            load(folder, family)


def test_a_config_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config\.json cannot be read"):
        load(tmp_path, Family.autoregressive)


def test_the_tokenizer_knows_the_words_and_the_special_ids(llama: Path) -> None:
    tokenizer = load_tokenizer(llama)
    assert tokenizer("w5 w3").input_ids == [5, 3]
    assert tokenizer.eos_token_id == END_ID


def test_a_tokenizer_runs_no_code_of_the_checkpoint(tmp_path: Path) -> None:
    folder = write_llama(tmp_path)
    (folder / "evil.py").write_text("raise SystemExit('ran')")
    settings: dict[str, Any] = {"tokenizer_class": "Evil", "auto_map": {"AutoTokenizer": ["evil.Evil", "evil.Evil"]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    assert load_tokenizer(folder)("w5").input_ids == [5]


def test_a_model_runs_no_code_of_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = {"AutoConfig": "evil.Evil", "AutoModelForCausalLM": "evil.Evil"}
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("somebody was asked"))
    for write, family in ((write_llama, Family.autoregressive), (write_llada, Family.diffusion)):
        folder = write(tmp_path / family, auto_map=code)
        (folder / "evil.py").write_text(f"open({str(tmp_path / 'trace')!r}, 'w')\nclass Evil: pass\n")
        load(folder, family)
    assert not (tmp_path / "trace").exists()


def test_a_tokenizer_that_cannot_be_read_is_named_in_one_line(tmp_path: Path) -> None:
    folder = write_llama(tmp_path)
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match=r"its tokenizer cannot be read .*; copy or save the checkpoint") as refused:
        load_tokenizer(folder)
    assert "\n" not in str(refused.value)


def test_a_checkpoint_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"it holds no tokenizer\.json"):
        load_tokenizer(tmp_path)
