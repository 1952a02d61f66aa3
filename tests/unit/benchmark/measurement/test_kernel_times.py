import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from benchmark.measurement.kernel_times import HEAD, Span, by_kind, kind_of, marked, operators

MS = 1_000_000


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("nvjet_tst_256x128_64x4_2x1_v_bz_coopA_NNT", "matrix"),
        ("void cutlass::Kernel2<cutlass_80_wmma_tensorop_bf16_s161616gemm_bf16_32x32_32x1_tn_align8>", "matrix"),
        ("sm90_xmma_gemm_bf16bf16_bf16f32_f32_tn_n_tilesize64x64x64", "matrix"),
        ("void gemv2T_kernel_val<int, int, __nv_bfloat16>", "matrix"),
        ("aten::addmm", "matrix"),
        ("_gemv", "matrix"),
        ("_skinny_gemm", "matrix"),
        ("_swiglu_gemm", "matrix"),
        ("void pytorch_flash::flash_fwd_kernel<Flash_fwd_kernel_traits<128, 128, 64, 4>>", "attention"),
        ("fmha_cutlassF_bf16_aligned_64x128_rf_sm80(PyTorchMemEffAttention)", "attention"),
        ("aten::_scaled_dot_product_flash_attention_for_cpu", "attention"),
        ("void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float, at::native::ArgMaxOps<float>>>", "head"),
        ("_read_parts", "head"),
        ("triton_poi_fused__flash_attention_forward__to_copy_mul_neg_3", "other"),
        ("triton_red_fused_add_mean_mul_pow_rsqrt_0", "other"),
        ("Memcpy DtoD (Device -> Device)", "other"),
        ("aten::addcmul", "other"),
    ],
)
def test_kinds_are_told_by_the_names_of_kernels(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_times_are_summed_by_kind_and_gaps_are_idle() -> None:
    spans = [
        Span("gemm", 0, 4 * MS),
        Span("flash", 5 * MS, 6 * MS),
        Span("copy", 5 * MS, 7 * MS),  # on another stream, beside it
        Span("gemm", 10 * MS, 12 * MS),
    ]
    kinds = {kind.kind: (round(kind.seconds * 1e3, 9), kind.calls) for kind in by_kind(spans, [], 0.013)}
    # 4 ms between kernels, and 1 ms before the first or after the last
    assert kinds == {"matrix": (6.0, 2), "attention": (1.0, 1), "head": (0.0, 0), "other": (2.0, 1), "idle": (5.0, 0)}


def test_what_runs_within_the_head_is_the_heads() -> None:
    spans = [
        Span("gemm", 0, MS),
        Span("gemm", 2 * MS, 3 * MS),
        Span("copy", 3 * MS, 4 * MS),
        Span("gemm", 9 * MS, 10 * MS),
    ]
    calls = {kind.kind: kind.calls for kind in by_kind(spans, [Span(HEAD, 2 * MS, 5 * MS)], 0.01)}
    assert calls == {"matrix": 2, "attention": 0, "head": 2, "other": 0, "idle": 0}


def test_operators_of_a_cpu_are_the_heads_inside_it_and_leave_no_hook_behind() -> None:
    body, head = nn.Linear(64, 64), nn.Linear(64, 512)
    x = torch.randn(32, 64)
    with torch.inference_mode(), marked(head), profile(activities=[ProfilerActivity.CPU]) as profiler:
        head(body(x))
    times = {kind.kind: kind for kind in operators(profiler, 10.0)}
    assert times["matrix"].seconds > 0
    assert times["head"].seconds > 0
    assert sum(time.seconds for time in times.values()) == pytest.approx(10.0)
    assert not head._forward_hooks
    assert not head._forward_pre_hooks
