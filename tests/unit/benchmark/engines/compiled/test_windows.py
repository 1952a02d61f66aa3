"""Which kernel a window's attention gets, by shape and device; the kernels themselves need a GPU."""

import pytest
import torch

from benchmark.engines.attention import Flash2Torch, Kernel, Plain
from benchmark.engines.compiled import windows
from benchmark.engines.compiled.layer import Sizes
from benchmark.engines.compiled.windows import (
    InOneKernel,
    RotatedFirst,
    WindowAttention,
    window_attention_of,
)

SIZES = Sizes(heads=32, key_heads=32, head=16)
FLASH = Flash2Torch(multiprocessors=132)


def chosen(kernel: Kernel, *, rows: int, window: int, in_blocks: bool = False) -> WindowAttention:
    keys = torch.zeros(1, rows, 512, SIZES.key_heads, SIZES.head)
    return window_attention_of(kernel, lambda *_: torch.empty(0), SIZES, window, keys, in_blocks=in_blocks)


@pytest.fixture
def hopper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "is_hopper", lambda: True)
    monkeypatch.setattr(windows, "_cudnn", lambda *_: Plain())


@pytest.mark.usefixtures("hopper")
def test_few_queries_of_many_heads_get_our_kernel_and_many_get_another() -> None:
    ours, few_heads, between, many = (
        chosen(FLASH, rows=rows, window=window) for rows, window in ((4, 32), (1, 32), (4, 96), (4, 128))
    )
    assert isinstance(ours, InOneKernel)
    assert ours.other_kernel is not None
    for usual in (few_heads, between):
        assert isinstance(usual, RotatedFirst)
        assert (usual.kernel, usual.other_kernel) == (FLASH, None)
    assert isinstance(many, RotatedFirst)
    assert (many.kernel, many.other_kernel) == (Plain(), "eager, faster for many queries")


@pytest.mark.usefixtures("hopper")
def test_blocks_that_see_nothing_behind_themselves_get_our_kernel_or_the_named_one() -> None:
    assert isinstance(chosen(FLASH, rows=1, window=32, in_blocks=True), InOneKernel)
    usual = chosen(FLASH, rows=4, window=128, in_blocks=True)
    assert isinstance(usual, RotatedFirst)
    assert usual.kernel is FLASH


@pytest.mark.usefixtures("hopper")
def test_where_cudnn_cannot_be_had_the_named_kernel_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "_cudnn", lambda *_: None)
    many = chosen(FLASH, rows=4, window=128)
    assert isinstance(many, RotatedFirst)
    assert many.kernel is FLASH


@pytest.mark.usefixtures("hopper")
def test_another_kernel_than_flash_attention_computes_all_by_itself() -> None:
    for window in (32, 128):
        usual = chosen(Plain(), rows=4, window=window)
        assert isinstance(usual, RotatedFirst)
        assert usual.kernel == Plain()


def test_so_does_flash_attention_on_an_older_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "is_hopper", lambda: False)
    usual = chosen(FLASH, rows=4, window=32)
    assert isinstance(usual, RotatedFirst)
    assert usual.kernel is FLASH
