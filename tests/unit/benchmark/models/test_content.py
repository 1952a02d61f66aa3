import os
import shutil
from pathlib import Path

import pytest

from benchmark.models import content as module
from benchmark.models.content import checkpoint_content, file_content
from benchmark.util.cache import extend_cache, read_cache
from crossover.errors import UserError


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is large enough to be looked up, in a test's sense of large."""
    monkeypatch.setattr(module, "KEPT_FROM_BYTES", 4)
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"weights")
    return file


def test_the_same_bytes_have_one_hash_wherever_they_are(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text("text")
    (tmp_path / "c").write_text("texT")
    assert file_content(tmp_path / "a") == file_content(tmp_path / "b") != file_content(tmp_path / "c")


def test_a_file_is_read_once(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = file_content(large)
    monkeypatch.setattr(module, "_hash", lambda file: pytest.fail(f"{file} was read again"))
    assert file_content(large) == first


def test_a_file_replaced_in_place_is_read_again_even_with_its_old_size_and_time(large: Path) -> None:
    before, seen = file_content(large), large.stat()
    other = large.with_name("other")
    other.write_bytes(b"WEIGHTS")
    os.utime(other, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    other.replace(large)
    assert (large.stat().st_size, large.stat().st_mtime_ns) == (seen.st_size, seen.st_mtime_ns)
    assert file_content(large) != before


def test_a_file_written_over_in_its_place_is_read_again(large: Path) -> None:
    before = file_content(large)
    os.utime(large, ns=(1, 1))  # as a copy that keeps its source's time
    file_content(large)
    large.write_bytes(b"WEIGHTS")
    assert file_content(large) != before


def test_a_cache_that_holds_nonsense_is_not_believed(large: Path) -> None:
    before = file_content(large)
    extend_cache(module.CACHE, {str(large): "nonsense"})
    assert file_content(large) == before
    assert read_cache(module.CACHE)[str(large)][-1] == before


def test_the_hub_s_client_has_hashed_a_large_file_already(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = tmp_path / "blobs" / ("ab" * 32)
    blob.parent.mkdir()
    blob.write_bytes(b"weights")
    (tmp_path / "model.safetensors").symlink_to(blob)
    monkeypatch.setattr(module, "_hash", lambda file: pytest.fail(f"{file} was read"))
    assert file_content(tmp_path / "model.safetensors") == "ab" * 8


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_weights_configuration_and_tokenizer_each_make_another_checkpoint(
    name: str, llada: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(llada, tmp_path / "copy"))
    assert checkpoint_content(copy) == checkpoint_content(llada)
    changed = bytearray((copy / name).read_bytes())
    changed[-2] ^= 1
    (copy / name).write_bytes(changed)
    assert checkpoint_content(copy) != checkpoint_content(llada)


def test_a_readme_makes_no_other_checkpoint(llada: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(llada, tmp_path / "copy"))
    (copy / "README.md").write_text("hello")
    assert checkpoint_content(copy) == checkpoint_content(llada)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere cannot be read: No such file"):
        file_content(tmp_path / "nowhere")
