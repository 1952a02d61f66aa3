from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from benchmark.models.loading import load_model
from benchmark.models.weights import check_checkpoint
from crossover.errors import BrokenProtocolError, UserError
from crossover.records.settings import Family
from tests.checkpoints import (
    CPU,
    HIDDEN,
    LAYERS,
    llada_settings,
    llada_tensors,
    llama_settings,
    llama_tensors,
    write_checkpoint,
    write_llama,
)

NORM = "model.norm.weight"


def load(folder: Path, family: Family = Family.autoregressive) -> torch.Tensor:
    model = load_model(folder, family, dtype=torch.float32, device=CPU)
    with torch.inference_mode():
        hidden = model.body(input_ids=torch.tensor([[5, 9, 2]]), use_cache=False).last_hidden_state
        logits: torch.Tensor = model.head(hidden)
        return logits


@pytest.mark.parametrize("name", ["model.layers.0.self_attn.rotary_emb.inv_freq", "model.rotary_emb.inv_freq"])
def test_frequencies_that_older_programs_stored_are_left_alone(tmp_path: Path, llama: Path, name: str) -> None:
    folder = write_checkpoint(tmp_path, llama_settings(), llama_tensors() | {name: torch.full((4,), torch.nan)})
    assert torch.equal(load(folder), load(llama))


@pytest.mark.parametrize(
    "name", ["consolidated.safetensors", "consolidated.00.safetensors", "adapter_model.safetensors"]
)
@pytest.mark.parametrize("shards", [1, 2])
def test_files_that_are_not_the_models_are_left_alone(tmp_path: Path, llama: Path, name: str, shards: int) -> None:
    folder = write_llama(tmp_path, shards=shards)
    save_file({"layers.0.weight": torch.ones(2)}, folder / name)
    assert torch.equal(load(folder), load(llama))


def test_shards_need_no_index(tmp_path: Path, llama: Path) -> None:
    folder = write_llama(tmp_path, shards=3)
    (folder / "model.safetensors.index.json").unlink()
    assert torch.equal(load(folder), load(llama))
    (folder / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(UserError, match=r"the shard model-00002-of-00003\.safetensors is missing"):
        load(folder)


def test_one_file_of_another_name_is_the_model(tmp_path: Path, llama: Path) -> None:
    folder = write_llama(tmp_path)
    (folder / "model.safetensors").rename(folder / "mine.safetensors")
    assert torch.equal(load(folder), load(llama))


def test_a_weight_in_two_files_is_refused_with_both_names(tmp_path: Path) -> None:
    folder = write_llama(tmp_path)
    (folder / "model.safetensors").rename(folder / "a.safetensors")
    save_file({NORM: torch.ones(HIDDEN)}, folder / "b.safetensors")
    with pytest.raises(UserError, match=r"model\.norm\.weight is in a\.safetensors and in b\.safetensors"):
        check_checkpoint(folder, Family.autoregressive, str(folder))


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.float8_e4m3fn])
def test_quantised_weights_are_refused_before_they_are_read(tmp_path: Path, dtype: torch.dtype) -> None:
    folder = write_checkpoint(tmp_path, llama_settings(), llama_tensors() | {NORM: torch.ones(HIDDEN).to(dtype)})
    with pytest.raises(
        UserError, match=r"model\.safetensors holds model\.norm\.weight as .*: quantised weights are not"
    ):
        check_checkpoint(folder, Family.autoregressive, str(folder))


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_weights_that_are_not_finite_are_named(tmp_path: Path, value: float) -> None:
    tensors = llama_tensors()
    tensors["model.layers.1.mlp.up_proj.weight"][3, 4] = value
    folder = write_checkpoint(tmp_path, llama_settings(), tensors)
    with pytest.raises(BrokenProtocolError, match=r"not finite .* in model\.layers\.1\.mlp\.up_proj\.weight"):
        load(folder)


def test_finite_weights_whose_logits_are_not_are_refused_too(tmp_path: Path) -> None:
    tensors = llama_tensors()
    tensors["lm_head.weight"].fill_(3e38)
    folder = write_checkpoint(tmp_path, llama_settings(), tensors)
    with pytest.raises(BrokenProtocolError, match="its logits are not finite"):
        load(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "its header is cut short"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "it is a pointer of Git LFS: git lfs pull"),
        (b"\x02\0\0\0\0\0\0\0[]", "cannot be read"),
        (b"\xff" * 100, "its header is cut short, or it is no safetensors file"),
    ],
)
def test_a_file_that_holds_no_weights_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    file = write_llama(tmp_path) / "model.safetensors"
    file.write_bytes(content)
    with pytest.raises(UserError, match=rf"model\.safetensors cannot be read.*{message}|model\.safetensors {message}"):
        check_checkpoint(tmp_path, Family.autoregressive, "./here")


def test_a_file_that_lost_its_end_is_named_with_both_sizes(tmp_path: Path) -> None:
    file = write_llama(tmp_path) / "model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-10])
    with pytest.raises(UserError, match=rf"it was cut short: {len(whole) - 10} of {len(whole)} bytes"):
        check_checkpoint(tmp_path, Family.autoregressive, "./here")


def test_the_biases_of_a_llada_attention_are_honoured(tmp_path: Path, llada: Path) -> None:
    biases = {
        f"model.transformer.blocks.{layer}.{name}_proj.bias": torch.full((HIDDEN,), 0.25)
        for layer in range(LAYERS)
        for name in "qkv"
    }
    folder = write_checkpoint(tmp_path / "on", llada_settings(include_qkv_bias=True), llada_tensors() | biases)
    zero = {name: torch.zeros(HIDDEN) for name in biases}
    same = write_checkpoint(tmp_path / "zero", llada_settings(include_qkv_bias=True), llada_tensors() | zero)
    assert torch.equal(load(same, Family.diffusion), load(llada, Family.diffusion))
    assert not torch.allclose(load(folder, Family.diffusion), load(llada, Family.diffusion))
    check_checkpoint(folder, Family.diffusion, "./here", compiled=True)


def test_biases_that_config_json_does_not_ask_for_are_named_with_their_file(tmp_path: Path) -> None:
    bias = {"model.transformer.blocks.0.ff_out.bias": torch.zeros(HIDDEN)}
    folder = write_checkpoint(tmp_path, llada_settings(), llada_tensors() | bias)
    with pytest.raises(
        UserError, match=r"blocks\.0\.ff_out\.bias is not known to this architecture \(model\.safetensors\)"
    ):
        load(folder, Family.diffusion)


def test_a_sound_checkpoint_passes(llama: Path, llada: Path) -> None:
    check_checkpoint(llama, Family.autoregressive, "./here", compiled=True)
    check_checkpoint(llada, Family.diffusion, "./here", compiled=True)
