import torch

from benchmark.decoders.interface import make_batch
from benchmark.engines.positions import rotary_positions
from tests.checkpoints import CPU


def test_prompts_of_one_length_need_no_padding() -> None:
    batch = make_batch([[1, 2], [3, 4]], [7, 8], CPU)
    assert batch.tokens_BP.tolist() == [[1, 2], [3, 4]]
    assert batch.padding_BP is None


def test_shorter_prompts_are_padded_on_the_left() -> None:
    batch = make_batch([[5], [1, 2, 3]], [7, 8], CPU)
    assert batch.tokens_BP[:, -1].tolist() == [5, 3]
    assert batch.padding_BP is not None
    assert batch.padding_BP.tolist() == [[True, True, False], [False, False, False]]


def test_a_stream_may_use_all_bits_but_the_sign() -> None:
    batch = make_batch([[1]], [2**63 - 1], CPU)
    assert batch.streams_B.dtype is torch.int64
    assert batch.streams_B.tolist() == [2**63 - 1]


def test_positions_begin_at_zero_where_the_padding_ends() -> None:
    padding = torch.tensor([[True, True, False, False], [False, False, False, False]])
    assert rotary_positions(padding)[0, 2:].tolist() == [0, 1]
    assert rotary_positions(padding)[1].tolist() == [0, 1, 2, 3]
    assert rotary_positions(padding).min() == 0
