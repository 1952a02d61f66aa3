"""The kernel that rotates queries and keys on a GPU, at the sizes of Qwen3-8B and Qwen2.5-7B."""

import pytest
import torch

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")]

CUDA = torch.device("cuda")


@pytest.mark.parametrize(("heads", "key_heads", "biased"), [(32, 8, False), (28, 4, True)])
@pytest.mark.parametrize(("rows", "tokens"), [(1, 1), (8, 1), (32, 1), (8, 4)])
def test_queries_and_the_cache_are_those_of_tensor_operations(
    rows: int, tokens: int, heads: int, key_heads: int, *, biased: bool
) -> None:
    from benchmark.engines.attention import Flash2Torch
    from benchmark.engines.compiled.layer import as_they_are
    from tests.rotation import Rotated, both_queries, both_rotations

    case = Rotated(rows, tokens, heads, key_heads, 128, biased=biased, normed=not biased, dtype=torch.bfloat16)
    arranged = Flash2Torch(132).arranged if tokens == 1 else as_they_are
    by_kernel, expected = both_rotations(case, CUDA, arranged=arranged)
    torch.testing.assert_close(by_kernel, expected, rtol=2**-6, atol=2**-6)
    torch.testing.assert_close(*both_queries(case, CUDA), rtol=2**-6, atol=2**-6)
