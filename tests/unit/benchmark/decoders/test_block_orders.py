"""The orders of Fast-dLLM v2 and of Nemotron-Labs-Diffusion, against the plain references."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmark.decoders.blocks.canvas import BlockCanvas
from benchmark.decoders.blocks.step import Predictor
from benchmark.decoders.factory import make_decoder
from benchmark.decoders.interface import Generation, Unmarked, make_batch
from benchmark.decoders.remaining import ImmediateReadback
from benchmark.decoders.schedule import planned_forwards
from benchmark.engines.factory import PassFactory
from benchmark.engines.sampling.head import Choice
from benchmark.models.loading import load_model
from crossover.errors import UserError
from crossover.records.policies import QUOTA, Cache, Policy, PolicyName
from crossover.records.settings import Attention, Diffusion, Engine, Family
from tests.checkpoints import CPU, MASK_ID
from tests.layouts import write
from tests.published.blocks import sdar_factory
from tests.published.cases import model
from tests.published.orders import (
    EXACT,
    ORDERS,
    ROWS,
    SUB_BLOCK,
    THRESHOLD,
    decoded,
    decoder_of,
    run_of,
    settings_of,
    shifted_factory,
)
from tests.references.block_diffusion import WrittenBlocks
from tests.references.block_orders import OrderedSampling, above, causal_context, fast_dllm_v2, in_steps

ENGINES = [Engine.eager, Engine.compiled]
BEYOND_MASKS = 300
prompts = st.lists(st.integers(0, BEYOND_MASKS), min_size=1, max_size=19)

pytestmark = pytest.mark.usefixtures("uncompiled")


def check(found: Generation, expected: list[WrittenBlocks], diffusion: Diffusion, prompt: int) -> None:
    """Every row has its tokens; a row alone has them from the same passes, which are in the schedule."""
    assert found.tokens_BN.tolist() == [row.tokens for row in expected]
    if len(expected) > 1:
        return
    assert found.written_at_BN is not None
    assert found.written_at_BN.tolist() == [expected[0].at]
    assert [forward.computed for forward in found.forwards] == expected[0].computed
    output_tokens = found.tokens_BN.shape[1]
    most = list(planned_forwards(diffusion, prompt, output_tokens, 1))
    fewest = list(planned_forwards(diffusion, prompt, output_tokens, 1, fewest=True))
    assert len(fewest) <= found.forward_passes <= len(most)
    if not diffusion.policy.is_self_paced:
        assert list(found.forwards) == most == fewest


@pytest.mark.parametrize("cache", [EXACT, SUB_BLOCK], ids=lambda cache: cache.name)
@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=6, deadline=None, derandomize=True)
@given(
    rows=st.lists(prompts, min_size=1, max_size=3),
    blocks=st.integers(1, 2),
    shape=st.sampled_from([(8, 2), (8, 4), (8, 8), (6, 3), (4, 1)]),
    threshold=st.floats(0.02, 0.6),
)
def test_sub_blocks_are_those_of_the_published_rule(
    engine: Engine, cache: Cache, rows: list[list[int]], blocks: int, shape: tuple[int, int], threshold: float
) -> None:
    block_length, part_length = shape
    policy = Policy(name=PolicyName.threshold, threshold=threshold)
    diffusion = settings_of(block_length, blocks, policy, cache=cache, sub_block_length=part_length)
    sampling = OrderedSampling(
        output_tokens=blocks * block_length,
        block_length=block_length,
        part_length=part_length,
        keeps_block=cache is SUB_BLOCK,
        chosen=above(threshold),
    )
    plain, mask_id = model("tiny_random_dream")
    expected = [fast_dllm_v2(plain, row, mask_id, sampling) for row in rows]
    check(decoded(diffusion, rows, blocks * block_length, engine), expected, diffusion, len(rows[0]))


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=6, deadline=None, derandomize=True)
@given(rows=st.lists(prompts, min_size=1, max_size=3), steps=st.integers(1, 4))
def test_sub_blocks_have_a_schedule_of_their_own(engine: Engine, rows: list[list[int]], steps: int) -> None:
    diffusion = settings_of(8, 2, QUOTA, steps=4 * steps, sub_block_length=4)
    sampling = OrderedSampling(output_tokens=16, block_length=8, part_length=4, chosen=in_steps(4, steps))
    plain, mask_id = model("tiny_random_dream")
    expected = [fast_dllm_v2(plain, row, mask_id, sampling) for row in rows]
    check(decoded(diffusion, rows, 16, engine), expected, diffusion, len(rows[0]))


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=7, deadline=None, derandomize=True)
@given(
    rows=st.lists(prompts, min_size=1, max_size=3),
    blocks=st.integers(1, 2),
    block_length=st.integers(1, 6),
    threshold=st.none() | st.floats(0.02, 0.6),
    data=st.data(),
)
def test_a_causal_context_gives_what_the_published_rule_gives(
    engine: Engine,
    rows: list[list[int]],
    blocks: int,
    block_length: int,
    threshold: float | None,
    data: st.DataObject,
) -> None:
    steps = data.draw(st.integers(1, block_length))
    policy = QUOTA if threshold is None else Policy(name=PolicyName.threshold, threshold=threshold)
    changes = {"steps": blocks * steps} if threshold is None else {}
    diffusion = settings_of(block_length, blocks, policy, causal_context=True, **changes)
    chosen = in_steps(block_length - 1, steps) if threshold is None else above(threshold)
    sampling = OrderedSampling(output_tokens=blocks * block_length, block_length=block_length, chosen=chosen)
    plain, mask_id = model("tiny_random_sdar")
    expected = [causal_context(plain, row, mask_id, sampling) for row in rows]
    check(decoded(diffusion, rows, blocks * block_length, engine), expected, diffusion, len(rows[0]))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("rows", [ROWS[:1], ROWS], ids=["one row", "padded rows"])
@pytest.mark.parametrize("order", ORDERS)
def test_rows_that_wait_write_what_they_write_alone(order: str, rows: list[list[int]], engine: Engine) -> None:
    diffusion = settings_of(8, 2, THRESHOLD, **ORDERS[order])
    sampling = OrderedSampling(
        output_tokens=16,
        block_length=8,
        part_length=diffusion.part_length,
        keeps_block=diffusion.cache == SUB_BLOCK,
        chosen=above(0.9),
    )
    reference = causal_context if diffusion.causal_context else fast_dllm_v2
    plain, mask_id = model("tiny_random_sdar" if diffusion.causal_context else "tiny_random_dream")
    found = decoded(diffusion, rows, 16, engine)
    check(found, [reference(plain, row, mask_id, sampling) for row in rows], diffusion, len(rows[0]))
    if diffusion.cache == SUB_BLOCK and len(rows) > 1:
        without = decoded(replace(diffusion, cache=EXACT), rows, 16, engine)
        assert found.tokens_BN.tolist() != without.tokens_BN.tolist()  # it is lossy


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("tail", [0, 3])
def test_rows_that_wait_make_no_more_passes_than_the_schedule_has(order: str, tail: int) -> None:
    rows = [
        row[: 4 + tail] for row in (*ROWS, [7, 7, 3, 2, 9, 1, 0], [50, 60, 70, 80, 90, 1, 2]) if len(row) > tail + 3
    ]
    diffusion = settings_of(4, 2, THRESHOLD, **ORDERS[order] | {"sub_block_length": None if order[0] == "c" else 4})
    found = decoded(diffusion, rows, 8)
    planned = [list(planned_forwards(diffusion, 4 + tail, 8, len(rows), fewest=each)) for each in (True, False)]
    assert len(planned[0]) <= found.forward_passes <= len(planned[1])


@pytest.mark.parametrize("order", ORDERS)
def test_a_row_draws_the_tokens_that_it_draws_alone(order: str) -> None:
    made = decoder_of(replace(run_of(settings_of(8, 2, THRESHOLD, **ORDERS[order]), ROWS, 16), temperature=1.0))

    def drawn(rows: list[list[int]], streams: list[int]) -> list[list[int]]:
        tokens: list[list[int]] = made.decode(make_batch(rows, streams, CPU), 16, Unmarked()).tokens_BN.tolist()
        return tokens

    alone = [drawn([row], [10 + index])[0] for index, row in enumerate(ROWS)]
    assert drawn(ROWS, [10, 11, 12]) == alone
    assert drawn(ROWS, [20, 21, 22]) != alone


@pytest.mark.parametrize("order", ORDERS)
def test_each_pass_of_a_generation_has_noise_of_its_own(order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made, numbers = decoder_of(run_of(settings_of(8, 2, THRESHOLD, **ORDERS[order]), ROWS[:1], 16)), list[int]()
    choose = Predictor.choose

    def noted(self: Predictor, canvas: BlockCanvas, at_BM: Tensor, hidden_BMD: Tensor, number: int | Tensor) -> Choice:
        numbers.extend(torch.as_tensor(number).flatten().tolist() * at_BM.shape[1])
        return choose(self, canvas, at_BM, hidden_BMD, number)

    monkeypatch.setattr(Predictor, "choose", noted)
    found = made.decode(make_batch(ROWS[:1], [0], CPU), 16, Unmarked())
    passes = sum(forward.read > 0 for forward in found.forwards)
    assert len(set(numbers)) >= passes - 4  # a block's first token has the number of the block's first pass


@pytest.mark.parametrize("order", ORDERS)
def test_a_host_that_goes_ahead_changes_no_token_and_no_recorded_forward_pass(order: str) -> None:
    rows = [[5, 9, 2, 7, 1, 4]]
    made = decoder_of(run_of(settings_of(8, 2, THRESHOLD, **ORDERS[order]), rows, 16))
    at_once, late = (
        replace(made, readback=readback).decode(make_batch(rows, [0], CPU), 16, Unmarked())
        for readback in (ImmediateReadback(), ImmediateReadback(goes_ahead=True))
    )
    assert late.tokens_BN.tolist() == at_once.tokens_BN.tolist()
    assert late.forwards == at_once.forwards


@pytest.mark.parametrize("order", ["sub_blocks", "causal context"])
def test_passes_that_are_left_out_are_in_their_places(order: str) -> None:
    rows = [[5, 9, 2, 7, 1, 4]]
    diffusion = settings_of(8, 2, QUOTA, steps=8, **ORDERS[order])
    made = decoder_of(run_of(diffusion, rows, 16))
    whole = made.decode(make_batch(rows, [0], CPU), 16, Unmarked())
    timed = frozenset(range(1, whole.forward_passes, 3))
    some = replace(made, timed=timed).decode(make_batch(rows, [0], CPU), 16, Unmarked())
    assert some.forwards == tuple(whole.forwards[index] for index in sorted(timed))


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_is_refused_for_logits_that_do_not_give_it(order: str) -> None:
    run = run_of(settings_of(8, 2, THRESHOLD, **ORDERS[order]), [[1, 2]], 16)
    other = shifted_factory() if order == "causal context" else sdar_factory()
    with pytest.raises(UserError, match=r"is for models (of shifted logits|whose logits are not shifted)"):
        make_decoder(run, other, other.kernel(Attention.sdpa))


@pytest.mark.parametrize("order", ORDERS)
def test_the_published_engine_has_none_of_them(order: str) -> None:
    with pytest.raises(UserError, match="engine=published is the published loops"):
        run_of(settings_of(8, 2, QUOTA, **ORDERS[order] | {"cache": EXACT}), [[1, 2]], 16, Engine.published)


def test_a_run_says_its_order_in_its_name() -> None:
    names = [run_of(settings_of(8, 2, THRESHOLD, **changes), [[1, 2]], 16).name for changes in ORDERS.values()]
    assert [name.split("block=8 ")[1] for name in names] == [
        "sub_block=2 threshold=0.9 cache=exact (not lossy)",
        "sub_block=4 threshold=0.9 cache=sub_block (lossy)",
        "causal context threshold=0.9 cache=exact (not lossy)",
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_causal_context_of_nemotrons_own_layout_scales_its_queries(engine: Engine, tmp_path: Path) -> None:
    """Its modules stretch positions beyond 8 and scale queries there; the rows end on both sides of that."""
    ours = load_model(
        write(tmp_path, "nemotron_labs_diffusion", Family.diffusion),
        Family.diffusion,
        dtype=torch.float32,
        device=CPU,
    )
    kind: Any = type(ours.llama)
    plain = kind(ours.llama.config).eval()
    plain.set_attn_implementation("eager")
    plain.load_state_dict(ours.llama.state_dict())
    rows = [[5, 9, 2], [3, 4, 8, 8, 2, 3, 4, 5, 6, 7, 9, 11, 12]]
    factory = PassFactory(ours)
    made = make_decoder(
        run_of(settings_of(4, 2, THRESHOLD, causal_context=True), rows, 8, engine),
        factory,
        factory.kernel(Attention.sdpa),
    )
    found = made.decode(make_batch(rows, [0, 1], CPU), 8, Unmarked())
    sampling = OrderedSampling(output_tokens=8, block_length=4, chosen=above(0.9))
    assert found.tokens_BN.tolist() == [causal_context(plain, row, MASK_ID, sampling).tokens for row in rows]
