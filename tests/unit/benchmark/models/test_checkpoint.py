import json
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from benchmark.models.checkpoint import (
    ASSETS,
    advice,
    find,
    is_remote,
    read_config,
    require_tokenizer,
    resolve,
    weight_files,
)
from crossover.errors import UserError
from tests.checkpoints import write_llama


class FakeHub:
    """A hub with a cache, either of which may have the one checkpoint in `folder`; the cache may have less."""

    def __init__(self, folder: Path, *, cached: bool = False, online: bool = False, cache: Path | None = None) -> None:
        self.folder, self.cached, self.online = folder, cached or cache is not None, online
        self.cache = cache or folder
        self.asked: list[dict[str, Any]] = []

    def __call__(self, checkpoint: str, *, local_files_only: bool = False, **options: Any) -> str:
        self.asked.append({"checkpoint": checkpoint, "cache": local_files_only, **options})
        if self.cached if local_files_only else self.online:
            return str(self.cache if local_files_only else self.folder)
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


@pytest.mark.parametrize(
    ("left", "lack"),
    [
        (("config.json",), "its tokenizer"),
        (("config.json", "tokenizer.json"), "its weights"),
        (("tokenizer.json", "model.safetensors"), "its config.json"),
    ],
)
def test_a_cache_that_has_a_part_alone_is_completed_from_the_hub(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: tuple[str, ...], lack: str
) -> None:
    for name in left:
        shutil.copy(llama / name, tmp_path)
    hub = FakeHub(llama, cache=tmp_path, online=True)
    assert ask(hub, monkeypatch) == llama
    assert [asked["cache"] for asked in hub.asked] == [True, False]
    with pytest.raises(
        UserError, match=f"'someone/model' is on this machine without {lack} and the hub did not give it"
    ):
        ask(FakeHub(llama, cache=tmp_path), monkeypatch)


def test_a_cache_without_a_shard_is_completed_from_the_hub(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (write_llama(tmp_path, shards=2) / "model-00002-of-00002.safetensors").unlink()
    assert ask(FakeHub(llama, cache=tmp_path, online=True), monkeypatch) == llama


def test_of_a_model_whose_config_alone_is_asked_for_the_cache_need_not_have_more(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(llama / "config.json", tmp_path)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", FakeHub(llama, cache=tmp_path))
    assert find("someone/model", None, ("config.json",)) == tmp_path


def test_what_to_do_depends_on_where_the_files_came_from(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--someone--model" / "snapshots" / ("0" * 40)
    assert advice(snapshot) == "download it again with `hf download someone/model --force-download`"
    assert advice(ASSETS / "tiny_llama") == "install the package again"
    assert advice(tmp_path) == "copy or save the checkpoint to this folder again, whole"


def test_a_file_is_no_folder(llama: Path) -> None:
    with pytest.raises(UserError, match=r"model\.safetensors': this is a file: give the folder"):
        resolve(str(llama / "model.safetensors"))


def test_an_index_names_files_of_its_folder_alone(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../b.safetensors"}}))
    with pytest.raises(UserError, match=r"names '\.\./b\.safetensors', which is not a file of this folder"):
        weight_files(tmp_path)


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
    with pytest.raises(
        UserError, match=r"it holds no tokenizer\.json, .*; copy the checkpoint's tokenizer files there"
    ):
        require_tokenizer(tmp_path)


@pytest.mark.parametrize("name", ["tokenizer_config.json", "special_tokens_map.json"])
@pytest.mark.parametrize("content", [b"{", b"[]", b"\x80", b""])
def test_a_tokenizers_settings_that_cannot_be_read_are_found_without_loading_it(
    tmp_path: Path, name: str, content: bytes
) -> None:
    folder = write_llama(tmp_path / "model")
    require_tokenizer(folder)
    (folder / name).write_bytes(content)
    with pytest.raises(UserError, match=rf"checkpoint .*model: {name} (cannot be read|holds no object)"):
        require_tokenizer(folder)
