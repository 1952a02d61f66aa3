"""Our attention kernels in transformers' modules, so that eager and compiled layers run the same ones."""

from contextlib import AbstractContextManager, nullcontext

from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import AttentionInterface, PreTrainedModel

from benchmark.engines.attention import Kernel, Plain, Sdpa, for_masks

NAME = "crossover"
"""transformers takes any name with "flash" in it for a package of its own to load."""


def use_kernel(body: PreTrainedModel, kernel: Kernel) -> None:
    """Make transformers' attention modules compute with `kernel`."""
    match kernel:
        case Sdpa():
            body.set_attn_implementation("sdpa")
        case Plain():
            body.set_attn_implementation("eager")
        case _:
            AttentionInterface.register(NAME, _through(kernel))
            body.set_attn_implementation(NAME)


def pinned(kernel: Kernel, *, padded: bool) -> AbstractContextManager[object]:
    """Fix the kernel that PyTorch takes for `sdpa`, which transformers leaves open; a mask may need another kernel."""
    if not isinstance(kernel, Sdpa):
        return nullcontext()
    backends = [kernel.backend]
    if padded or kernel.backend == SDPBackend.EFFICIENT_ATTENTION:  # which takes no shared keys, as modules give them
        backends += [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
    return sdpa_kernel(backends)


def _through(kernel: Kernel):  # type: ignore[no-untyped-def] # noqa: ANN202 (transformers' own signature)
    def attend(
        module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **_: object
    ) -> tuple[Tensor, None]:
        causal = query.shape[2] > 1 and getattr(module.config, "is_causal", True)
        q, k, v = (x.transpose(1, 2) for x in (query, key, value))
        if attention_mask is not None and getattr(module.config, "attends_in_blocks", False):
            return for_masks(kernel).full(q, k, v, attention_mask[:, 0], causal=False), None
        return kernel.full(q, k, v, attention_mask, causal=bool(causal)), None

    return attend
