import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend

from benchmark.engines import attention
from benchmark.engines.attention import Flash2Package, Flash2Torch, Kernel, Plain, Sdpa, choose_kernel, for_masks
from benchmark.engines.attention_adapter import pinned, use_kernel
from benchmark.models.loading import load_model
from crossover.errors import UserError
from crossover.records.settings import Attention, Family
from tests.checkpoints import CPU, random_model
from tests.paths import KNOWN_ANSWERS


def test_flash_attention_is_refused_where_it_cannot_run() -> None:
    with pytest.raises(UserError, match="attention=flash2 needs an NVIDIA GPU"):
        choose_kernel(Attention.flash2, heads=2, head=8, dtype=torch.bfloat16, device=CPU)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("causal", [True, False])
def test_the_kernels_agree(groups: int, *, causal: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    q = torch.randn(2, 5, 4, 8, generator=generator, dtype=torch.float64)
    k, v = (torch.randn(2, 5, 4 // groups, 8, generator=generator, dtype=torch.float64) for _ in range(2))
    kernels: list[Kernel] = [
        Plain(),
        choose_kernel(Attention.sdpa, heads=4, head=8, dtype=torch.float64, device=CPU),
    ]
    first, second = (kernel.full(q, k, v, None, causal=causal) for kernel in kernels)
    assert torch.allclose(first, second, atol=1e-6)
    seen = torch.tensor([3, 3], dtype=torch.int32)
    cached = [kernel.cached(q[:, 2:3], k, v, seen, None) for kernel in kernels]
    expected = Plain().full(q[:, 2:3], k[:, :3], v[:, :3], None, causal=False)
    assert all(torch.allclose(each, expected, atol=1e-6) for each in cached)


@pytest.mark.parametrize("queries", [1, 63, 64, 70])
@pytest.mark.parametrize("masked", [True, False])
def test_sdpa_meets_few_numbers_of_queries(queries: int, *, masked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    met: list[int] = []

    def meet(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, *, is_causal: bool) -> Tensor:
        met.append(q.shape[2])
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, mask, is_causal=is_causal)

    monkeypatch.setattr(attention, "scaled_dot_product_attention", meet)
    q, k, v = (torch.randn(2, length, 4, 8, dtype=torch.float64) for length in (queries, 100, 100))
    mask = torch.arange(100).expand(2, queries, -1) >= torch.tensor([0, 30])[:, None, None] if masked else None
    kernel = choose_kernel(Attention.sdpa, heads=4, head=8, dtype=torch.float64, device=CPU)
    attended = kernel.full(q, k, v, mask, causal=False)
    assert torch.allclose(attended, Plain().full(q, k, v, mask, causal=False), atol=1e-6)
    assert met == [-(-queries // 64) * 64]


def test_heads_that_share_a_key_become_queries_of_it_where_there_are_many_rows() -> None:
    q = torch.randn(2, 1, 8, 16)
    many, few = Flash2Torch(multiprocessors=1), Flash2Torch(multiprocessors=1000)
    grouped = torch.compile(many.arranged, backend="eager", fullgraph=True)(q, 2)
    assert grouped.shape == (2, 4, 2, 16)
    assert all(torch.equal(grouped[:, query, key], q[:, 0, key * 4 + query]) for query in range(4) for key in range(2))
    assert many.arranged(q, 8) is q
    assert few.arranged(q, 2) is q


def test_transformers_modules_compute_with_our_kernel() -> None:
    class Counting(Plain):
        calls = 0

        def full(self, *arguments: Any, **options: Any) -> Tensor:
            Counting.calls += 1
            return super().full(*arguments, **options)

    model = random_model(Family.diffusion).llama.model
    tokens = torch.tensor([[5, 9, 2, 7]])
    expected = model(tokens).last_hidden_state
    kernel = Counting()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("benchmark.engines.attention_adapter.Plain", type("Other", (nn.Module,), {}))
        use_kernel(model, kernel)
    assert torch.allclose(model(tokens).last_hidden_state, expected, atol=1e-6)
    assert Counting.calls == len(model.layers)
    use_kernel(model, Plain())


def test_the_flash_attn_package_is_called_as_it_wants_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = SimpleNamespace(
        flash_attn_func=lambda q, k, v, causal: Plain().full(q, k, v, None, causal=causal),
        flash_attn_with_kvcache=lambda q, k, v, cache_seqlens: Plain().cached(q, k, v, cache_seqlens, None),
    )
    monkeypatch.setitem(sys.modules, "flash_attn", stand_in)
    kernel = Flash2Package("2.8.3")
    q, k, v = (torch.randn(2, 5, heads, 8) for heads in (4, 2, 2))
    seen = torch.tensor([3, 3], dtype=torch.int32)
    assert kernel.name == "flash2 (flash-attn 2.8.3)"
    assert torch.equal(kernel.full(q, k, v, None, causal=True), Plain().full(q, k, v, None, causal=True))
    assert torch.equal(kernel.cached(q[:, :1], k, v, seen, None), Plain().cached(q[:, :1], k, v, seen, None))
    with pytest.raises(UserError, match="without padding"):
        kernel.full(q, k, v, torch.ones(2, 5, 5, dtype=torch.bool), causal=True)


class _Named:
    """A kernel that transformers' modules reach through the adapter alone, as they reach FlashAttention-2."""

    name = "another"

    def full(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, *, causal: bool) -> Tensor:
        return Plain().full(q, k, v, mask, causal=causal)


def test_a_kernel_of_ours_gets_the_mask_of_blocks_in_transformers_modules() -> None:
    tokens_1L = torch.tensor([[5, 9, 2, 7, 8, 3, 6, 4, 11, 12]])
    model = load_model(KNOWN_ANSWERS / "tiny_random_sdar", Family.diffusion, dtype=torch.float32, device=CPU)
    with torch.inference_mode():
        use_kernel(model.llama.model, Plain())
        expected = model.body(input_ids=tokens_1L, use_cache=False).last_hidden_state
        use_kernel(model.llama.model, _Named())  # type: ignore[arg-type]  # as much of a kernel as the modules need
        by_kernel = model.body(input_ids=tokens_1L, use_cache=False).last_hidden_state
    torch.testing.assert_close(by_kernel, expected)


def test_flash_attention_leaves_the_masks_of_blocks_to_a_kernel_that_takes_them() -> None:
    assert for_masks(Flash2Torch(132)) == Sdpa(SDPBackend.EFFICIENT_ATTENTION)
    assert for_masks(Plain()) == Plain()


def test_where_the_efficient_kernel_is_pinned_shared_keys_may_go_to_another() -> None:
    """On a GPU in float32 the kernel is found by its number, whose enum is not the one that has the name."""
    with pinned(Sdpa(SDPBackend(SDPBackend.EFFICIENT_ATTENTION.value)), padded=False):
        assert torch.backends.cuda.math_sdp_enabled()
    with pinned(Sdpa(SDPBackend.FLASH_ATTENTION), padded=False):
        assert not torch.backends.cuda.math_sdp_enabled()
