import math

import pytest
import torch
from torch import Tensor, nn

from benchmark.engines.sampling import head as choice
from benchmark.engines.sampling.head import Choice, Head
from benchmark.engines.sampling.noise import cells

GENERATOR = torch.Generator().manual_seed(0)
HIDDEN_BMD = torch.randn(3, 5, 4, generator=GENERATOR)
FREE_BMD = torch.randn(3, 5, 4, generator=GENERATOR)
CELLS_BM = cells(torch.arange(3), 0, torch.arange(5).expand(3, -1))


def linear(dtype: torch.dtype = torch.float32) -> nn.Linear:
    made = nn.Linear(4, 7, bias=False)
    with torch.no_grad():
        made.weight.copy_(torch.randn(7, 4, generator=torch.Generator().manual_seed(1)))
    return made.requires_grad_(requires_grad=False).to(dtype)


def head(temperature: float = 0.0, forbidden_id: int | None = None) -> Head:
    return Head(linear=linear(), temperature=temperature, forbidden_id=forbidden_id)


def probability(logits_BMV: Tensor, chosen: Choice) -> Tensor:
    return logits_BMV.softmax(dim=-1).gather(-1, chosen.tokens_BM[..., None]).squeeze(-1)


def test_at_temperature_0_the_largest_logit_wins_with_its_softmax_probability() -> None:
    logits = linear()(HIDDEN_BMD)
    chosen = head().choose(HIDDEN_BMD, CELLS_BM)
    assert torch.equal(chosen.tokens_BM, logits.argmax(dim=-1))
    torch.testing.assert_close(chosen.scores_BM, probability(logits, chosen))


def test_a_forbidden_token_is_never_chosen_and_keeps_its_probability() -> None:
    logits = linear()(HIDDEN_BMD)
    favourite = int(logits.argmax(dim=-1).mode().values[0])
    chosen = head(forbidden_id=favourite).choose(HIDDEN_BMD, CELLS_BM)
    assert favourite in logits.argmax(dim=-1)
    assert favourite not in chosen.tokens_BM
    torch.testing.assert_close(chosen.scores_BM, probability(logits, chosen))


def test_a_forbidden_token_stays_forbidden_at_high_temperature() -> None:
    assert all(
        2 not in head(temperature=50.0, forbidden_id=2).choose(HIDDEN_BMD, CELLS_BM + i).tokens_BM for i in range(20)
    )


def test_a_sampled_token_has_the_confidence_of_the_logits_without_noise() -> None:
    logits = linear()(HIDDEN_BMD)
    chosen = head(temperature=2.0).choose(HIDDEN_BMD, CELLS_BM)
    assert not torch.equal(chosen.tokens_BM, logits.argmax(dim=-1))
    torch.testing.assert_close(chosen.scores_BM, probability(logits, chosen))


def test_the_temperature_divides_the_logits_of_the_distribution_sampled_from() -> None:
    positions = torch.arange(20_000)[None]
    hidden = HIDDEN_BMD[:1, :1].expand(1, 20_000, -1)
    drawn = head(temperature=0.5).choose(hidden, cells(torch.tensor([0]), 0, positions)).tokens_BM
    shares = drawn.flatten().bincount(minlength=7) / 20_000
    expected = (linear()(HIDDEN_BMD[0, 0]) / 0.5).softmax(dim=0)
    assert shares.tolist() == pytest.approx(expected.tolist(), abs=0.015)


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_guidance_moves_the_logits_away_from_the_free_ones(scale: float) -> None:
    with_prompt, free = linear()(HIDDEN_BMD), linear()(FREE_BMD)
    guided = free + (scale + 1) * (with_prompt - free)
    chosen = head().choose_guided(HIDDEN_BMD, FREE_BMD, scale, CELLS_BM)
    assert torch.equal(chosen.tokens_BM, guided.argmax(dim=-1))
    torch.testing.assert_close(chosen.scores_BM, probability(guided, chosen))


@pytest.mark.parametrize("logits", [1, 7, 21, 22, 104])
def test_chunks_of_any_size_choose_the_same(monkeypatch: pytest.MonkeyPatch, logits: int) -> None:
    whole = head(temperature=1.0).choose(HIDDEN_BMD, CELLS_BM)
    monkeypatch.setattr(choice, "CHUNK_LOGITS", logits)
    chunked = head(temperature=1.0).choose(HIDDEN_BMD, CELLS_BM)
    assert torch.equal(chunked.tokens_BM, whole.tokens_BM)
    torch.testing.assert_close(chunked.scores_BM, whole.scores_BM)


def test_no_more_logits_exist_at_a_time_than_a_chunk_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    class Watched(nn.Linear):
        largest = 0

        def forward(self, hidden: Tensor) -> Tensor:
            logits = super().forward(hidden)
            self.largest = max(self.largest, logits.numel())
            return logits

    watched = Watched(4, 7, bias=False).requires_grad_(requires_grad=False)
    monkeypatch.setattr(choice, "CHUNK_LOGITS", 3 * 7)
    Head(linear=watched, temperature=0.0, forbidden_id=None).choose(HIDDEN_BMD, CELLS_BM)
    assert watched.largest == 3 * 7


def test_confidences_of_a_bfloat16_head_are_computed_in_float32() -> None:
    model = linear(torch.bfloat16)
    hidden = HIDDEN_BMD.bfloat16()
    chosen = Head(linear=model, temperature=0.0, forbidden_id=None).choose(hidden, CELLS_BM)
    assert chosen.scores_BM.dtype is torch.float32
    torch.testing.assert_close(chosen.scores_BM, probability(model(hidden).float(), chosen))


def test_a_certain_choice_has_confidence_one_and_an_even_one_its_share() -> None:
    even = nn.Linear(4, 8, bias=False).requires_grad_(requires_grad=False)
    even.weight.zero_()
    chosen = Head(linear=even, temperature=0.0, forbidden_id=None).choose(HIDDEN_BMD, CELLS_BM)
    assert chosen.scores_BM.flatten().tolist() == pytest.approx([1 / 8] * 15)
    even.weight[3] = 1000.0
    sure = Head(linear=even, temperature=0.0, forbidden_id=None).choose(HIDDEN_BMD.abs(), CELLS_BM)
    assert sure.scores_BM.min().item() == pytest.approx(1.0)
    assert not math.isnan(sure.scores_BM.sum().item())


@pytest.mark.parametrize(("temperature", "positions"), [(0.0, 32), (1.0, 4)])
def test_with_noise_fewer_logits_are_computed_at_a_time(
    temperature: float, positions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "CHUNK_LOGITS", 32 * 7)
    assert [len(chunk) for chunk in head(temperature)._chunks(torch.zeros(1, 32, 4))] == [positions] * (32 // positions)


def test_a_vocabulary_larger_than_a_chunk_is_computed_position_by_position(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "CHUNK_LOGITS", 6)
    assert [len(chunk) for chunk in head()._chunks(torch.zeros(1, 3, 4))] == [1, 1, 1]
