"""The kernel of a window's attention on a GPU, in bfloat16 at the sizes of an 8B, and in float32."""

import pytest
import torch

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")]

CUDA = torch.device("cuda")
SHAPES = ((1, 512, 480), (4, 1024, 32), (8, 1000, 700), (32, 1024, 512))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("rows", "length", "start"), SHAPES)
def test_attention_is_that_of_tensor_operations(rows: int, length: int, start: int, groups: int) -> None:
    from benchmark.engines.kernels.window import plan_of
    from tests.window_attention import Case, both

    plan = plan_of(rows, length, 32 // groups)
    case = Case(rows, 32, length, 32, 32 // groups, 128, start=start, plan=plan, dtype=torch.bfloat16)
    by_kernel, expected = both(case, CUDA, rows_of_tables=rows)
    error = (by_kernel.attended - expected.attended).norm() / expected.attended.norm()
    assert error < 5e-3
    torch.testing.assert_close(by_kernel.keys, expected.keys, rtol=2**-7, atol=2**-7)
    assert torch.equal(by_kernel.values, expected.values)


@pytest.mark.parametrize("normed", [False, True])
@pytest.mark.parametrize("start", [0, 4, 256, 508])
@pytest.mark.parametrize("rows", [1, 8])
def test_a_block_sees_no_keys_behind_itself(rows: int, start: int, *, normed: bool) -> None:
    from benchmark.engines.kernels.window import plan_of
    from tests.window_attention import Case, both

    plan = plan_of(rows, 512, 8)
    case = Case(rows, 4, 512, 32, 8, 128, start=start, plan=plan, dtype=torch.bfloat16, in_blocks=True, normed=normed)
    by_kernel, expected = both(case, CUDA, rows_of_tables=1)
    error = (by_kernel.attended - expected.attended).norm() / expected.attended.norm()
    assert error < 5e-3


@pytest.mark.parametrize("parts", [1, 4])
def test_float32_is_computed_in_float32(parts: int) -> None:
    from benchmark.engines.kernels.window import Plan
    from tests.window_attention import Case, both

    by_kernel, expected = both(Case(2, 16, 130, 4, 2, 64, start=64, plan=Plan(parts, 32, 1, 4)), CUDA)
    torch.testing.assert_close(by_kernel.attended, expected.attended, atol=1e-5, rtol=0)
    torch.testing.assert_close(by_kernel.keys, expected.keys, atol=1e-6, rtol=0)
