import json
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from benchmark.models.checkpoint import is_remote, read_config, require_tokenizer, resolve, weight_files
from crossover.errors import UserError
from tests.checkpoints import write_llama


class FakeHub:
    """A hub with a cache, either of which may have the one checkpoint that lies in `folder`."""

    def __init__(self, folder: Path, *, cached: bool = False, online: bool = False) -> None:
        self.folder, self.cached, self.online = folder, cached, online
        self.asked: list[dict[str, Any]] = []

    def __call__(self, checkpoint: str, *, local_files_only: bool = False, **options: Any) -> str:
        self.asked.append({"checkpoint": checkpoint, "cache": local_files_only, **options})
        if self.cached if local_files_only else self.online:
            return str(self.folder)
        raise OSError("no route to the hub.\nsecond line")


def ask(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub)
    return resolve("someone/model", "v1")


def test_a_folder_is_found_as_it_is(llama: Path) -> None:
    assert resolve(str(llama)) == llama


def test_a_folder_may_be_given_relative_to_here(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(llama.parent)
    assert resolve(f"./{llama.name}").samefile(llama)
    assert resolve(llama.name).samefile(llama)


@pytest.mark.parametrize("name", ["tiny_llama", "tiny_llada", "tiny_judge"])
def test_the_package_brings_its_own_checkpoints(name: str) -> None:
    folder = resolve(f"builtin:{name}")
    require_tokenizer(folder)
    assert weight_files(folder)


@pytest.mark.parametrize("checkpoint", ["builtin:huge", "./nowhere", "/nowhere/at/all", "~/nowhere", "nowhere"])
def test_a_folder_that_is_not_there_is_named(checkpoint: str) -> None:
    with pytest.raises(UserError, match=f"checkpoint '{checkpoint}': there is no such folder"):
        resolve(checkpoint)


def test_a_folder_without_a_config_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"it holds no config\.json, so it is no checkpoint"):
        resolve(str(tmp_path))


def test_a_folder_without_weights_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"it holds no \*\.safetensors of the model; copy or save"):
        resolve(str(tmp_path))


@pytest.mark.parametrize(
    ("checkpoint", "remote"),
    [("GSAI-ML/LLaDA-8B-Base", True), ("builtin:tiny_llada", False), ("./a/b", False), ("/a/b", False), ("a", False)],
)
def test_only_two_names_with_a_slash_between_mean_the_hub(checkpoint: str, *, remote: bool) -> None:
    assert is_remote(checkpoint) is remote


def test_a_folder_here_comes_before_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("someone/model").mkdir(parents=True)
    assert not is_remote("someone/model")


def test_what_is_in_the_hubs_cache_needs_no_network(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = FakeHub(llama, cached=True)
    assert ask(hub, monkeypatch) == llama
    assert [asked["cache"] for asked in hub.asked] == [True]
    assert hub.asked[0]["revision"] == "v1"


def test_what_is_not_in_the_cache_is_downloaded_without_pickled_weights(
    llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = FakeHub(llama, online=True)
    assert ask(hub, monkeypatch) == llama
    assert [asked["cache"] for asked in hub.asked] == [True, False]
    assert hub.asked[1]["revision"] == "v1"
    assert not [pattern for pattern in hub.asked[1]["allow_patterns"] if pattern.endswith((".bin", ".py", "*"))]


def test_without_a_network_the_user_hears_how_to_get_the_checkpoint(
    llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError) as refused:
        ask(FakeHub(llama), monkeypatch)
    assert "'someone/model' is not on this machine and the hub did not give it (no route to the hub)" in str(
        refused.value
    )
    assert "hf download someone/model" in str(refused.value)


def test_the_shards_are_those_that_the_index_names(tmp_path: Path) -> None:
    folder = write_llama(tmp_path, shards=3)
    (folder / "consolidated.safetensors").touch()
    names = [file.name for file in weight_files(folder)]
    assert names == [f"model-0000{i}-of-00003.safetensors" for i in (1, 2, 3)]


def test_a_shard_that_is_missing_is_named(tmp_path: Path) -> None:
    folder = write_llama(tmp_path, shards=2)
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(UserError, match=r"the shard model-00002-of-00002\.safetensors is missing; copy or save"):
        weight_files(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weight_map": []}'])
def test_an_index_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(UserError, match=r"model\.safetensors\.index\.json is not an index of weights"):
        weight_files(tmp_path)


def test_a_config_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama", "é": [1]}))
    assert read_config(tmp_path) == {"model_type": "llama", "é": [1]}


@pytest.mark.parametrize(
    ("text", "message"), [("{", "config.json cannot be read"), ("[]", "config.json holds no object")]
)
def test_a_config_that_is_no_object_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError, match=message):
        read_config(tmp_path)


def test_a_checkpoint_without_a_tokenizer_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"it holds no tokenizer\.json; copy the checkpoint's tokenizer files there"):
        require_tokenizer(tmp_path)
