import math

import pytest
import torch

from benchmark.engines.sampling.noise import _unit, cells, gumbel, uniform

PLACES = torch.arange(400).expand(50, -1)
STREAMS = torch.arange(50)


def splitmix64_finalizer(word: int) -> int:
    """The published function on Python's integers of any size."""
    mask = (1 << 64) - 1
    word &= mask
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & mask
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & mask
    return word ^ (word >> 31)


def test_the_hash_is_the_published_one_on_signed_words() -> None:
    stream, step, position, golden = 2**41 + 7, 12, 345, 0x9E3779B97F4A7C15
    row = splitmix64_finalizer(stream * golden + step)
    expected = splitmix64_finalizer(row + position * golden)
    assert cells(torch.tensor([stream]), step, torch.tensor([[position]])).item() % 2**64 == expected


def test_the_same_place_has_the_same_number_in_any_batch_and_any_order() -> None:
    whole = uniform(cells(STREAMS, 3, PLACES))
    rows, positions = torch.tensor([31, 4]), torch.tensor([[399, 0, 17], [5, 6, 7]])
    part = uniform(cells(STREAMS[rows], 3, positions))
    assert torch.equal(part, whole[rows].gather(1, positions))


def test_the_noise_of_an_entry_does_not_depend_on_the_size_of_the_vocabulary() -> None:
    states = cells(STREAMS, 0, PLACES[:, :3])
    assert torch.equal(gumbel(states, 7), gumbel(states, 20)[..., :7])


@pytest.mark.parametrize("change", ["stream", "step", "position"])
def test_stream_step_and_place_each_change_the_number(change: str) -> None:
    stream, step, position = torch.tensor([5]), 6, torch.tensor([[7]])
    before = cells(stream, step, position)
    after = cells(stream + (change == "stream"), step + (change == "step"), position + (change == "position"))
    assert before.item() != after.item()


def test_no_two_places_of_a_large_run_share_a_number() -> None:
    states = torch.stack([cells(STREAMS, step, PLACES) for step in range(10)])
    assert len(states.unique()) == states.numel()


def test_uniform_numbers_fill_the_open_interval_evenly() -> None:
    numbers = uniform(cells(STREAMS, 0, PLACES))
    assert numbers.dtype is torch.float64
    assert numbers.min() > 0
    assert numbers.max() < 1
    assert numbers.mean().item() == pytest.approx(1 / 2, abs=0.01)
    assert numbers.var().item() == pytest.approx(1 / 12, abs=0.003)


def test_the_lowest_and_the_highest_word_stay_inside_the_interval() -> None:
    ends = _unit(torch.tensor([0, -1]))
    assert 0 < ends[0] < ends[1] < 1


def test_neighbouring_places_are_uncorrelated() -> None:
    numbers = uniform(cells(STREAMS, 0, PLACES)) - 0.5
    assert (numbers[:, 1:] * numbers[:, :-1]).mean().item() * 12 == pytest.approx(0, abs=0.03)
    assert (numbers[1:] * numbers[:-1]).mean().item() * 12 == pytest.approx(0, abs=0.03)


def test_gumbel_noise_has_the_mean_and_the_variance_of_its_distribution() -> None:
    noise = gumbel(cells(STREAMS, 0, PLACES[:, :40]), 20)
    assert noise.shape == (50, 40, 20)
    assert noise.mean().item() == pytest.approx(0.5772, abs=0.03)
    assert noise.var().item() == pytest.approx(math.pi**2 / 6, abs=0.06)


def test_the_largest_of_logits_with_noise_is_a_sample_of_their_softmax() -> None:
    logits = torch.tensor([0.0, 1.0, 2.0, -1.0], dtype=torch.float64)
    drawn = (logits + gumbel(cells(STREAMS, 0, PLACES), 4)).argmax(dim=-1).flatten()
    shares = drawn.bincount(minlength=4) / len(drawn)
    assert shares.tolist() == pytest.approx(logits.softmax(dim=0).tolist(), abs=0.015)
