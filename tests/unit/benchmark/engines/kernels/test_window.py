"""Triton's interpreter runs the kernel on a CPU: `TRITON_INTERPRET=1 pytest` where Triton is installed."""

import os

import pytest
import torch

pytest.importorskip("triton")
if os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("needs TRITON_INTERPRET=1", allow_module_level=True)

from benchmark.engines.kernels.window import Plan
from tests.window_attention import Case, both

CPU = torch.device("cpu")


@pytest.mark.parametrize("tables", [1, 2])
@pytest.mark.parametrize(
    "case",
    [
        Case(2, 8, 45, 4, 4, 16, start=30, plan=Plan(1, 16, 1, 2)),
        Case(2, 8, 45, 4, 2, 16, start=0, plan=Plan(3, 16, 1, 2)),
        Case(2, 5, 37, 4, 1, 32, start=32, plan=Plan(4, 16, 1, 2)),
        Case(2, 32, 70, 2, 2, 16, start=11, plan=Plan(8, 32, 2, 2)),
        Case(2, 4, 48, 4, 1, 16, start=20, plan=Plan(3, 16, 1, 2), in_blocks=True),
        Case(2, 4, 48, 2, 1, 16, start=0, plan=Plan(4, 16, 1, 2), in_blocks=True),
        Case(2, 4, 48, 4, 1, 16, start=20, plan=Plan(3, 16, 1, 2), in_blocks=True, normed=True),
        Case(2, 4, 48, 4, 2, 16, start=20, plan=Plan(1, 16, 1, 2), biased=True, normed=True),
    ],
    ids=str,
)
def test_attention_and_the_kept_keys_are_those_of_tensor_operations(case: Case, tables: int) -> None:
    by_kernel, expected = both(case, CPU, rows_of_tables=tables)
    torch.testing.assert_close(by_kernel.attended, expected.attended, atol=5e-6, rtol=0)
    torch.testing.assert_close(by_kernel.keys, expected.keys, atol=5e-6 if case.normed else 0, rtol=0)
    assert torch.equal(by_kernel.values, expected.values)
