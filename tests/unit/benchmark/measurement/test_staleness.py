"""What kept keys change, on the tiny random model."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from benchmark.decoders.blocks.decoder import BlockDiffusionDecoder
from benchmark.decoders.diffusion import MaskedDiffusionDecoder
from benchmark.decoders.factory import make_decoder
from benchmark.decoders.interface import Unmarked, make_batch
from benchmark.measurement.staleness import ComparingPasses, measure_staleness
from crossover.errors import UserError
from crossover.records.policies import Blocks, Cache, CacheName, Policy, PolicyName
from crossover.records.settings import Attention, Engine, Family
from crossover.records.staleness import Staleness
from tests.checkpoints import CPU
from tests.decoding import UNEVEN, factory
from tests.factories import a_diffusion, a_run
from tests.published.dream import dream_factory
from tests.published.orders import shifted_factory

THRESHOLD = Policy(name=PolicyName.threshold, threshold=1.0)


def measure(cache: Cache, rows: list[list[int]]) -> Staleness:
    run = a_run(diffusion=a_diffusion(steps=8, block_length=4, policy=THRESHOLD, cache=cache))
    made = factory(Family.diffusion)
    kernel = made.kernel(Attention.sdpa)
    decoder = make_decoder(run, made, kernel)
    assert isinstance(decoder, MaskedDiffusionDecoder)
    batch = make_batch(rows, list(range(len(rows))), CPU)
    before = decoder.decode(batch, 8, Unmarked())
    staleness = measure_staleness(decoder, made.canvas(Engine.eager, kernel), batch, 8)
    assert torch.equal(decoder.decode(batch, 8, Unmarked()).tokens_BN, before.tokens_BN)
    assert staleness.computed == tuple(forward.computed for forward in before.forwards)
    return staleness


@pytest.mark.parametrize("name", [CacheName.prefix, CacheName.dual])
def test_steps_that_compute_the_whole_canvas_differ_in_nothing_and_later_ones_do(name: CacheName) -> None:
    staleness = measure(Cache(name=name), UNEVEN)
    whole = [computed == 12 for computed in staleness.computed]
    assert whole == [True, False, False, False] * 2
    for is_whole, kl_nats, equal in zip(whole, staleness.kl_nats, staleness.equal_share, strict=True):
        assert math.isclose(kl_nats, 0, abs_tol=1e-9) == is_whole
        assert 0 <= equal <= 1
        assert equal == 1 or not is_whole
    read = [kl for kl, is_whole in zip(staleness.kl_nats, whole, strict=True) if not is_whole]
    assert staleness.mean_kl_nats == pytest.approx(sum(read) / 6)


def test_a_cache_that_is_made_anew_at_each_pass_is_not_stale() -> None:
    staleness = measure(Cache(name=CacheName.dual, refresh=1), UNEVEN)
    assert max(staleness.kl_nats) < 1e-9
    assert staleness.mean_kl_nats is None


def test_the_divergence_is_that_of_the_definition() -> None:
    p, q = (torch.tensor(logits).softmax(dim=0) for logits in ([1.0, 2.0, 0.5], [0.0, 2.5, 0.5]))
    made = factory(Family.diffusion)
    head = replace(made.head(Engine.eager, 0.0), linear=torch.nn.Identity())
    canvas = made.canvas(Engine.eager, made.kernel(Attention.sdpa))
    passes = ComparingPasses(cached=canvas, whole=canvas, head=head, mask_id=2)
    kl_nats, equal = passes._sums(torch.tensor([[1.0, 2.0, 0.5]]), torch.tensor([[0.0, 2.5, 0.5]]))
    assert kl_nats == pytest.approx(float((p * (p / q).log()).sum()))
    assert equal == 1
    _, equal = passes._sums(torch.tensor([[1.0, 2.0, 9.0]] * 2), torch.tensor([[2.5, 2.0, 9.0], [0.0, 2.5, 0.5]]))
    assert equal == 1, "the mask is no token to choose"


@pytest.mark.parametrize("changes", [{"cache": None}, {"engine": Engine.published}])
def test_it_needs_a_cache_and_an_engine_of_ours(changes: dict[str, object]) -> None:
    cache = None if "cache" in changes else Cache(name=CacheName.dual)
    with pytest.raises(UserError, match="staleness=true compares"):
        a_run(staleness=True, diffusion=a_diffusion(cache=cache), engine=changes.get("engine", Engine.eager))


def shifted(rows: list[list[int]], cache: Cache, **changes: Any) -> tuple[list[int], Staleness]:
    """Open positions that each step compares, and what it says, of 8 tokens in blocks of 4 of shifted logits."""
    in_blocks = bool(changes)
    made = shifted_factory() if in_blocks else dream_factory()
    run = a_run(diffusion=a_diffusion(steps=8, block_length=4, policy=THRESHOLD, cache=cache, **changes))
    kernel = made.kernel(Attention.sdpa)
    decoder = make_decoder(run, made, kernel)
    assert isinstance(decoder, MaskedDiffusionDecoder | BlockDiffusionDecoder)
    batch, whole = make_batch(rows, list(range(len(rows))), CPU), made.canvas(Engine.eager, kernel)
    passes = ComparingPasses(
        cached=decoder.passes, whole=whole, head=decoder.head, mask_id=decoder.mask_id, is_shifted=True
    )
    replace(decoder, passes=passes).decode(batch, 8, Unmarked())
    return [step.positions for step in passes.steps], measure_staleness(decoder, whole, batch, 8)


@pytest.mark.parametrize("name", [CacheName.prefix, CacheName.dual])
def test_shifted_logits_are_compared_at_the_open_positions(name: CacheName) -> None:
    compared, staleness = shifted([[5, 9, 2, 7]], Cache(name=name))
    assert compared == [4, 3, 2, 1] * 2
    whole = [computed == 12 for computed in staleness.computed]
    assert whole == [True, False, False, False] * 2
    for is_whole, kl_nats in zip(whole, staleness.kl_nats, strict=True):
        assert math.isclose(kl_nats, 0, abs_tol=1e-6) == is_whole
    rows = [[5, 9, 2, 7], [3, 4]]
    assert [sum(two) for two in zip(*(shifted([row], Cache(name=name))[0] for row in rows), strict=True)] == shifted(
        rows, Cache(name=name)
    )[0]


def test_a_sub_block_is_compared_with_all_up_to_its_blocks_end() -> None:
    changes = {"blocks": Blocks.sequence, "sub_block_length": 2}
    compared, staleness = shifted([[5, 9, 2, 7]], Cache(name=CacheName.sub_block), **changes)
    assert sum(staleness.computed) == 4 * sum(computed == 4 for computed in staleness.computed) + 2 * sum(
        computed == 2 for computed in staleness.computed
    )
    for computed, kl_nats in zip(staleness.computed, staleness.kl_nats, strict=True):
        assert math.isclose(kl_nats, 0, abs_tol=1e-6) == (computed == 4)
    assert staleness.mean_kl_nats is not None
    assert compared[0] == 1  # the block's first token is there, and its sub-block has one more


def test_a_position_that_two_are_read_at_is_compared_once() -> None:
    """The window's first token is written, and read at itself; so is the masked one behind it."""
    made = factory(Family.diffusion)
    passes = made.canvas(Engine.eager, made.kernel(Attention.sdpa))
    head, mask_id = made.head(Engine.eager, 0.0), 15
    comparing = ComparingPasses(cached=passes, whole=passes, head=head, mask_id=mask_id, is_shifted=True)
    tokens_BL, positions_BM = torch.tensor([[5, 7, mask_id, mask_id]]), torch.tensor([[1, 1, 2]])
    assert comparing._open(tokens_BL, positions_BM, range(1, 4)).tolist() == [[True, False, True]]
    one_written = torch.tensor([[5, 7, 8, mask_id]])
    assert comparing._open(one_written, positions_BM, range(1, 4)).tolist() == [[False, False, True]]
