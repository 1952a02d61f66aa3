"""Attention kernels by name, the same for every engine and both arms. The chosen kernel runs; none replaces it.

FlashAttention-2 (Dao, arXiv 2307.08691) is the flash-attn package where that is installed, else the copy of
its kernels that PyTorch carries. `sdpa` is the kernel that PyTorch would choose, pinned so that it is the one
that runs; with a mask, which not every kernel takes, PyTorch may choose its memory-efficient or its plain one
instead. `eager` is two matrix products with a softmax in float32 between them.

Dimensions: B rows, Q queries a row, S keys a row, H query heads, G key heads, d of a head.
"""

import importlib.metadata
import importlib.util
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import pad, scaled_dot_product_attention

from crossover.errors import UserError
from crossover.records.settings import Attention

FLASH_HEAD_MULTIPLE = 8
FLASH_HEAD_LIMIT = 256

UNSPLIT_SHARE = 1.6
"""From this many rows times key heads a multiprocessor on, FlashAttention-2 does not split the keys of a row."""

SDPA_QUERIES = 64
"""Fewer queries than keys are filled up to a multiple of so many: cuDNN makes a plan for each number that it meets."""


class Kernel(Protocol):
    """One way of computing attention."""

    @property
    def name(self) -> str:
        """What ran, for the record."""

    def full(self, q_BQHd: Tensor, k_BSGd: Tensor, v_BSGd: Tensor, mask_BQS: Tensor | None, *, causal: bool) -> Tensor:
        """Attention among the tokens of one pass, [B, Q, H, d]: causal, or with a mask, True where it may see."""

    def seen(self, q_BQHd: Tensor, k_BSGd: Tensor, v_BSGd: Tensor, seen_B: Tensor, mask_BQS: Tensor | None) -> Tensor:
        """Attention of some queries to the first `seen_B` (int32) keys of a row, [B, Q, H, d]; a mask hides more."""

    def arranged(self, q_B1Hd: Tensor, key_heads: int) -> Tensor:
        """The queries of one new token as `cached` takes them: a function for the compiler, which makes it free."""

    def cached(self, q_BQHd: Tensor, k_BSGd: Tensor, v_BSGd: Tensor, seen_B: Tensor, mask_B1S: Tensor | None) -> Tensor:
        """Attention of arranged queries to the first `seen_B` (int32) keys of a cache, [B, 1, H, d]."""


class _AsTheyAre:
    """Queries of one new token, [B, 1, H, d]."""

    def arranged(self, q_B1Hd: Tensor, key_heads: int) -> Tensor:
        """See Kernel."""
        del key_heads
        return q_B1Hd


@dataclass(frozen=True)
class Flash2Package(_AsTheyAre):
    """The flash-attn package's kernels."""

    version: str

    @property
    def name(self) -> str:
        """With the package's version."""
        return f"flash2 (flash-attn {self.version})"

    def full(self, q_BQHd: Tensor, k_BSGd: Tensor, v_BSGd: Tensor, mask_BQS: Tensor | None, *, causal: bool) -> Tensor:
        """See Kernel."""
        from flash_attn import flash_attn_func

        _refuse_mask(mask_BQS)
        out_BQHd: Tensor = flash_attn_func(q_BQHd, k_BSGd, v_BSGd, causal=causal)
        return out_BQHd

    def seen(self, q_BQHd: Tensor, k_BSGd: Tensor, v_BSGd: Tensor, seen_B: Tensor, mask_BQS: Tensor | None) -> Tensor:
        """See Kernel."""
        from flash_attn import flash_attn_with_kvcache

        _refuse_mask(mask_BQS)
        out_BQHd: Tensor = flash_attn_with_kvcache(q_BQHd, k_BSGd, v_BSGd, cache_seqlens=seen_B)
        return out_BQHd

    cached = seen


@dataclass(frozen=True)
class Flash2Torch:
    """PyTorch's copy of the FlashAttention-2 kernels, called by their own name."""

    multiprocessors: int

    @property
    def name(self) -> str:
        """With PyTorch's version."""
        return f"flash2 (torch {torch.__version__})"

    def full(self, q_BQHd: Tensor, k_BSGd: Tensor, v_BSGd: Tensor, mask_BQS: Tensor | None, *, causal: bool) -> Tensor:
        """See Kernel."""
        _refuse_mask(mask_BQS)
        queries, keys = q_BQHd.shape[1], k_BSGd.shape[1]
        out_BQHd: Tensor = torch.ops.aten._flash_attention_forward(  # noqa: SLF001 (its only name)
            q_BQHd,
            k_BSGd,
            v_BSGd,
            None,
            None,
            queries,
            keys,
            0.0,
            causal,
            False,  # noqa: FBT003
        )[0]
        return out_BQHd

    def seen(self, q_BQHd: Tensor, k_BSGd: Tensor, v_BSGd: Tensor, seen_B: Tensor, mask_BQS: Tensor | None) -> Tensor:
        """See Kernel. Heads that share a key become as many queries, so that its keys are read once."""
        _refuse_mask(mask_BQS)
        queries, key_heads = q_BQHd.shape[1], k_BSGd.shape[2]
        grouped_BXGd = q_BQHd.unflatten(2, (key_heads, -1)).transpose(2, 3).flatten(1, 2)
        out_BXGd = self._first_keys(grouped_BXGd, k_BSGd, v_BSGd, seen_B)
        out_BQHd: Tensor = out_BXGd.unflatten(1, (queries, -1)).transpose(2, 3).flatten(2, 3)
        return out_BQHd

    def arranged(self, q_B1Hd: Tensor, key_heads: int) -> Tensor:
        """See Kernel. Heads that share a key become as many queries, [B, H / G, G, d], where there are many rows.

        The kernel would do the same by itself, with three copies. For few rows it then also splits the keys, which
        nothing but its own way makes it do.
        """
        rows, _, heads, _ = q_B1Hd.shape
        if heads == key_heads or rows * key_heads < UNSPLIT_SHARE * self.multiprocessors:
            return q_B1Hd
        grouped_BQGd: Tensor = q_B1Hd.unflatten(2, (key_heads, -1)).transpose(2, 3).squeeze(1).contiguous()
        return grouped_BQGd

    def cached(self, q_BQHd: Tensor, k_BSGd: Tensor, v_BSGd: Tensor, seen_B: Tensor, mask_B1S: Tensor | None) -> Tensor:
        """See Kernel."""
        _refuse_mask(mask_B1S)
        return self._first_keys(q_BQHd, k_BSGd, v_BSGd, seen_B).transpose(1, 2).flatten(1, 2)[:, None]

    def _first_keys(self, q_BQHd: Tensor, k_BSGd: Tensor, v_BSGd: Tensor, seen_B: Tensor) -> Tensor:
        """Rows are given as sequences of S positions each, of which the kernel reads those seen: [B, Q, H, d]."""
        (rows, queries), positions = q_BQHd.shape[:2], k_BSGd.shape[1]
        first_query_B, first_key_B = _offsets(rows, queries, positions, q_BQHd.device)
        out_XHd: Tensor = torch.ops.aten._flash_attention_forward(  # noqa: SLF001 (its only name)
            *(q_BQHd.flatten(0, 1), k_BSGd.flatten(0, 1), v_BSGd.flatten(0, 1)),
            *(first_query_B, first_key_B, queries, positions, 0.0, False, False),
            seqused_k=seen_B,
        )[0]
        out_BQHd: Tensor = out_XHd.unflatten(0, (rows, queries))
        return out_BQHd


@dataclass(frozen=True)
class Sdpa(_AsTheyAre):
    """PyTorch's scaled_dot_product_attention with its backend pinned."""

    backend: SDPBackend

    @property
    def name(self) -> str:
        """With the backend's name, e.g. `sdpa (cudnn)`."""
        return f"sdpa ({self.backend.name.removesuffix('_ATTENTION').lower()})"

    def full(self, q_BQHd: Tensor, k_BSGd: Tensor, v_BSGd: Tensor, mask_BQS: Tensor | None, *, causal: bool) -> Tensor:
        """See Kernel."""
        queries = q_BQHd.shape[1]
        if queries < k_BSGd.shape[1] and not causal and (missing := -queries % SDPA_QUERIES):
            q_BQHd = pad(q_BQHd, (0, 0, 0, 0, 0, missing))
            mask_BQS = None if mask_BQS is None else pad(mask_BQS, (0, 0, 0, missing), value=True)
        return self._attend(q_BQHd, k_BSGd, v_BSGd, mask_BQS, causal=causal)[:, :queries]

    def seen(self, q_BQHd: Tensor, k_BSGd: Tensor, v_BSGd: Tensor, seen_B: Tensor, mask_BQS: Tensor | None) -> Tensor:
        """See Kernel."""
        return self._attend(q_BQHd, k_BSGd, v_BSGd, _within(seen_B, k_BSGd.shape[1], mask_BQS), causal=False)

    cached = seen

    def _attend(
        self, q_BQHd: Tensor, k_BSGd: Tensor, v_BSGd: Tensor, mask_BQS: Tensor | None, *, causal: bool
    ) -> Tensor:
        mask_B1QS = None if mask_BQS is None else mask_BQS[:, None]
        groups = q_BQHd.shape[2] // k_BSGd.shape[2]
        q, k, v = (x.transpose(1, 2) for x in (q_BQHd, _repeat(k_BSGd, groups), _repeat(v_BSGd, groups)))
        others = [] if mask_BQS is None else [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
        with sdpa_kernel([self.backend, *others]):
            return scaled_dot_product_attention(q, k, v, mask_B1QS, is_causal=causal).transpose(1, 2)


@dataclass(frozen=True)
class Plain(_AsTheyAre):
    """Two matrix products and a softmax."""

    @property
    def name(self) -> str:
        """The kernel's only name."""
        return "eager"

    def full(self, q_BQHd: Tensor, k_BSGd: Tensor, v_BSGd: Tensor, mask_BQS: Tensor | None, *, causal: bool) -> Tensor:
        """See Kernel."""
        if causal:
            queries, keys = q_BQHd.shape[1], k_BSGd.shape[1]
            mask_BQS = torch.ones(1, queries, keys, dtype=torch.bool, device=q_BQHd.device).tril(keys - queries)
        return self._attend(q_BQHd, k_BSGd, v_BSGd, mask_BQS)

    def seen(self, q_BQHd: Tensor, k_BSGd: Tensor, v_BSGd: Tensor, seen_B: Tensor, mask_BQS: Tensor | None) -> Tensor:
        """See Kernel."""
        return self._attend(q_BQHd, k_BSGd, v_BSGd, _within(seen_B, k_BSGd.shape[1], mask_BQS))

    cached = seen

    def _attend(self, q_BQHd: Tensor, k_BSGd: Tensor, v_BSGd: Tensor, mask_BQS: Tensor | None) -> Tensor:
        groups = q_BQHd.shape[2] // k_BSGd.shape[2]
        k_BSHd, v_BSHd = _repeat(k_BSGd, groups), _repeat(v_BSGd, groups)
        scores_BHQS = torch.einsum("bqhd,bshd->bhqs", q_BQHd, k_BSHd).float() * q_BQHd.shape[-1] ** -0.5
        if mask_BQS is not None:
            scores_BHQS = scores_BHQS.masked_fill(~mask_BQS[:, None], torch.finfo(torch.float32).min)
        weights_BHQS = scores_BHQS.softmax(dim=-1).to(v_BSHd.dtype)
        return torch.einsum("bhqs,bshd->bqhd", weights_BHQS, v_BSHd)


def choose_kernel(attention: Attention, *, heads: int, head: int, dtype: torch.dtype, device: torch.device) -> Kernel:
    """The kernel behind a name, for heads of size `head` on this device.

    Raises:
        UserError: when it cannot run there.
    """
    match attention:
        case Attention.flash2:
            _check_flash(head, device)
            return _flash(device)
        case Attention.sdpa:
            return Sdpa(_preferred(heads, head, dtype, device))
        case Attention.eager:
            return Plain()


def for_masks(kernel: Kernel) -> Kernel:
    """The kernel for block-causal masks: FlashAttention-2 takes no mask, PyTorch's efficient one does."""
    return Sdpa(SDPBackend.EFFICIENT_ATTENTION) if isinstance(kernel, Flash2Package | Flash2Torch) else kernel


def _flash(device: torch.device) -> Kernel:
    version = _flash_version()
    if version is not None:
        return Flash2Package(version)
    return Flash2Torch(torch.cuda.get_device_properties(device).multi_processor_count)


def _preferred(heads: int, head: int, dtype: torch.dtype, device: torch.device) -> SDPBackend:
    """The backend that PyTorch would choose here for a sequence without padding."""
    sample_1HSd = torch.zeros(1, heads, 128, head, dtype=dtype, device=device)
    choice: int = torch._fused_sdp_choice(sample_1HSd, sample_1HSd, sample_1HSd)  # noqa: SLF001 (nothing public tells)
    return SDPBackend(choice)


def _check_flash(head: int, device: torch.device) -> None:
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < (8, 0):
        raise UserError("attention=flash2 needs an NVIDIA GPU of compute capability 8.0 or newer: use attention=sdpa")
    if head % FLASH_HEAD_MULTIPLE or head > FLASH_HEAD_LIMIT:
        raise UserError(
            f"attention=flash2 takes heads of a multiple of {FLASH_HEAD_MULTIPLE} up to {FLASH_HEAD_LIMIT}, and this"
            f" model's have {head}: use attention=sdpa"
        )


@cache
def _offsets(rows: int, queries: int, positions: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Where each row's queries and its keys begin, and where the last end.

    They are never freed, a few bytes a shape: every layer reads them, and so does every graph recorded with them.
    """
    each_B = torch.arange(rows + 1, dtype=torch.int32, device=device)
    return each_B * queries, each_B * positions


@cache
def _flash_version() -> str | None:
    if importlib.util.find_spec("flash_attn") is None:
        return None
    return importlib.metadata.version("flash-attn")


def _refuse_mask(mask: Tensor | None) -> None:
    if mask is not None:
        raise UserError("attention=flash2 takes prompts of one length, without padding: use attention=sdpa")


def _repeat(x_BSGd: Tensor, groups: int) -> Tensor:
    return x_BSGd if groups == 1 else x_BSGd.repeat_interleave(groups, dim=2)


def _within(seen_B: Tensor, positions: int, mask_B1S: Tensor | None) -> Tensor:
    """The mask of the cache's positions whose keys may be seen."""
    written_B1S = torch.arange(positions, device=seen_B.device)[None, None] < seen_B[:, None, None]
    return written_B1S if mask_B1S is None else written_B1S & mask_B1S
