"""Triton's interpreter runs the kernel on a CPU: `TRITON_INTERPRET=1 pytest` where Triton is installed."""

import os

import pytest
import torch

pytest.importorskip("triton")
if os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("needs TRITON_INTERPRET=1", allow_module_level=True)

from benchmark.engines.attention import Flash2Torch
from tests.rotation import Rotated, both_queries, both_rotations

CPU = torch.device("cpu")


@pytest.mark.parametrize("tables", [1, 3])
@pytest.mark.parametrize(
    "case",
    [
        Rotated(3, 1, 4, 2, 16, biased=False, normed=True),
        Rotated(3, 4, 4, 1, 16, biased=False, normed=True),
        Rotated(3, 1, 7, 1, 32, biased=True, normed=False),
        Rotated(3, 5, 6, 2, 16, biased=True, normed=True),
        Rotated(3, 1, 2, 2, 16, biased=False, normed=False),
    ],
    ids=str,
)
def test_queries_and_the_cache_are_those_of_tensor_operations(case: Rotated, tables: int) -> None:
    by_kernel, expected = both_rotations(case, CPU, rows_of_tables=tables)
    torch.testing.assert_close(by_kernel, expected, atol=3e-6, rtol=0)
    torch.testing.assert_close(*both_queries(case, CPU, rows_of_tables=tables), atol=3e-6, rtol=0)


@pytest.mark.parametrize("multiprocessors", [2, 1000])
def test_queries_lie_as_attention_wants_them(multiprocessors: int) -> None:
    arranged = Flash2Torch(multiprocessors).arranged
    by_kernel, expected = both_rotations(Rotated(3, 1, 6, 2, 16, biased=True, normed=True), CPU, arranged=arranged)
    torch.testing.assert_close(by_kernel, expected, atol=3e-6, rtol=0)
