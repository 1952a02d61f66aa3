from dataclasses import replace

import pytest

from benchmark.decoders.schedule import Forward
from benchmark.roofline.work import (
    Ceilings,
    Work,
    block_pass,
    diffusion_pass,
    expected_forward_passes,
    floor_s,
    kept_pass,
    passes,
    prefill_pass,
    shape_of,
    token_pass,
    total,
)
from crossover.records.policies import Blocks, Cache, CacheName, Policy, PolicyName
from crossover.records.settings import Family, Remasking
from tests.checkpoints import llada_settings, llama_settings, random_model
from tests.factories import a_diffusion, a_run, an_autoregressive_run
from tests.model_shapes import LLADA, LLAMA, SMALL

LAYER = 2 * 8 * (4 + 2) * 2 + 3 * 8 * 12
"""q and o of 8 x 8, k and v of 8 x 4, three of 8 x 12."""
KEYS = 2 * 8 * 2 * 2
ONE = Ceilings(copy_bytes_per_s=1.0, matrix_flop_per_s=1.0)


def test_the_parameters_of_the_8b_pair_are_the_published_numbers() -> None:
    assert LLADA.parameters == 8_015_581_184
    assert LLAMA.parameters == 8_030_261_248


def test_a_layer_is_counted_by_hand() -> None:
    assert LAYER == 480
    assert SMALL.layer_products == LAYER
    assert SMALL.parameters == 2 * (LAYER + 16) + 8 + 2 * 80
    assert replace(SMALL, tied=True).parameters == SMALL.parameters - 80


@pytest.mark.parametrize(
    ("settings", "family"), [(llada_settings(), Family.diffusion), (llama_settings(), Family.autoregressive)]
)
def test_a_shape_read_from_either_layout_has_as_many_weights_as_the_model(
    settings: dict[str, object], family: Family
) -> None:
    model = random_model(family)
    assert shape_of(settings, 8).weights_bytes == model.weights_bytes  # float64


def test_the_cache_of_llama_takes_128_kib_a_token() -> None:
    assert LLAMA.cache_bytes_per_token == 128 * 1024


def test_a_diffusion_pass_by_hand() -> None:
    work = diffusion_pass(SMALL, batch=3, length=5, read=2)
    last = 2 * 15 * KEYS + 2 * 6 * (LAYER - KEYS) + 4 * 3 * 2 * 5 * 8
    assert work.flop == 2 * 15 * LAYER + 4 * 3 * 25 * 8 + last + 2 * 6 * 80
    assert work.bytes == 4 * (2 * LAYER + 80 + 15 * 8)


def test_a_prefill_attends_to_half_of_the_pairs_and_writes_the_cache() -> None:
    work = prefill_pass(SMALL, batch=3, prompt_tokens=5)
    last = 2 * 15 * KEYS + 2 * 3 * (LAYER - KEYS) + 4 * 3 * 5 * 8
    assert work.flop == 2 * 15 * LAYER + 4 * 3 * 15 * 8 + last + 2 * 3 * 80
    assert work.bytes == 4 * (2 * LAYER + 80 + 15 * 8) + 3 * 5 * (2 * 2 * 2 * 2 * 4)


def test_a_token_reads_the_weights_and_the_cache() -> None:
    work = token_pass(SMALL, batch=3, context=7)
    assert work.flop == 2 * 3 * 2 * LAYER + 4 * 3 * 7 * 2 * 8 + 2 * 3 * 80
    assert work.bytes == 4 * (2 * LAYER + 80 + 3 * 8) + 3 * 7 * (2 * 2 * 2 * 2 * 4)


def test_each_pass_is_bound_by_the_slower_of_its_two_ceilings() -> None:
    works = [Work(flop=10.0, bytes=2.0), Work(flop=1.0, bytes=3.0)]
    assert floor_s(works, ONE) == 10.0 + 3.0
    assert total(works) == Work(flop=11.0, bytes=5.0)


def test_a_token_of_the_8b_baseline_is_bound_by_its_weights() -> None:
    h100 = Ceilings(copy_bytes_per_s=2.99e12, matrix_flop_per_s=750e12)
    assert floor_s([token_pass(LLAMA, batch=1, context=256)], h100) == pytest.approx(5.0e-3, rel=0.02)
    assert floor_s([diffusion_pass(LLADA, batch=1, length=512, read=256)], h100) == pytest.approx(10e-3, rel=0.05)


def test_a_diffusion_run_reads_the_head_at_fewer_positions_with_each_step() -> None:
    works = list(passes(a_run(), SMALL))  # 2 rows, 8 masks, 4 steps of 2
    assert works == [diffusion_pass(SMALL, batch=2, length=16, read=m) for m in (8, 6, 4, 2)]


def test_random_remasking_reads_it_where_it_writes() -> None:
    run = a_run(diffusion=a_diffusion(remasking=Remasking.random))
    assert list(passes(run, SMALL)) == [diffusion_pass(SMALL, batch=2, length=16, read=2)] * 4


def test_blocks_begin_anew_and_guidance_doubles() -> None:
    run = a_run(diffusion=a_diffusion(block_length=4, guidance_scale=1.0))
    assert list(passes(run, SMALL)) == [
        diffusion_pass(SMALL, batch=2, length=16, read=m) for m in (4, 4, 2, 2, 4, 4, 2, 2)
    ]
    assert expected_forward_passes(run) == 8


def test_an_autoregressive_run_is_a_prefill_and_then_a_pass_for_each_token() -> None:
    works = list(passes(an_autoregressive_run(), SMALL))
    assert works[0] == prefill_pass(SMALL, batch=2, prompt_tokens=8)
    assert works[1:] == [token_pass(SMALL, batch=2, context=context) for context in range(9, 16)]
    assert expected_forward_passes(an_autoregressive_run()) == len(works) == 8


def test_a_window_attends_to_the_whole_canvas_and_reads_what_was_kept() -> None:
    work = kept_pass(SMALL, batch=3, length=10, computed=5, read=2)
    last = 2 * 15 * KEYS + 2 * 6 * (LAYER - KEYS) + 4 * 3 * 2 * 10 * 8
    assert work.flop == 2 * 15 * LAYER + 4 * 3 * 5 * 10 * 8 + last + 2 * 6 * 80
    assert work.bytes == 4 * (2 * LAYER + 80 + 15 * 8) + 3 * 10 * (2 * 2 * 2 * 2 * 4)


@pytest.mark.parametrize(
    ("cache", "computed"),
    [
        (None, [16, 16, 16, 16]),
        (Cache(name=CacheName.prefix), [16, 8, 16, 4]),
        (Cache(name=CacheName.dual), [16, 4, 16, 4]),
        (Cache(name=CacheName.dual, refresh=1), [16, 16, 16, 16]),
    ],
)
def test_a_cache_leaves_out_positions_behind_the_first_pass_of_a_block(
    cache: Cache | None, computed: list[int]
) -> None:
    run = a_run(diffusion=a_diffusion(block_length=4, cache=cache))
    expected = [
        diffusion_pass(SMALL, batch=2, length=16, read=read)
        if cache is None
        else kept_pass(SMALL, batch=2, length=16, computed=each, read=read)
        for each, read in zip(computed, (4, 2, 4, 2), strict=True)
    ]
    assert list(passes(run, SMALL)) == expected


def test_a_policy_that_follows_the_text_takes_a_range_of_passes_until_they_are_counted() -> None:
    policy = Policy(name=PolicyName.threshold, threshold=0.9)
    run = a_run(diffusion=a_diffusion(block_length=4, policy=policy))
    assert (expected_forward_passes(run, fewest=True), expected_forward_passes(run)) == (2, 8)
    assert list(passes(run, SMALL, fewest=True)) == [diffusion_pass(SMALL, batch=2, length=16, read=4)] * 2
    counted = [Forward(rows=2, computed=16, read=read) for read in (4, 1, 4)]
    assert list(passes(run, SMALL, counted)) == [
        diffusion_pass(SMALL, batch=2, length=16, read=read) for read in (4, 1, 4)
    ]


def test_a_pass_that_reads_nothing_needs_neither_the_head_nor_the_end_of_the_last_layer() -> None:
    shape = shape_of(llama_settings(), 2)
    some, none = (kept_pass(shape, batch=2, length=16, computed=4, read=read) for read in (4, 0))
    unread = shape.layer_products - shape.key_value_products + shape.head_products
    assert some.bytes - none.bytes == unread * 2
    assert none.flop < some.flop


def test_a_block_sees_what_is_before_it_and_itself() -> None:
    forward = Forward(rows=3, computed=4, read=2, seen=12)
    found = block_pass(SMALL, forward, block_length=4, keeps=True)
    window = kept_pass(SMALL, batch=3, length=12, computed=4, read=2)
    assert found == window  # every position of one block sees all that is there


def test_whole_blocks_in_one_pass_see_no_later_block() -> None:
    apart = [Forward(rows=2, computed=4, read=0, seen=end) for end in (4, 8)]
    together = block_pass(SMALL, Forward(rows=2, computed=8, read=0, seen=8), block_length=4, keeps=True)
    assert together.flop == sum(block_pass(SMALL, each, block_length=4, keeps=True).flop for each in apart)
    weights = (SMALL.layers - 1) * LAYER + KEYS
    embedded, kept = 2 * 8 * SMALL.hidden, 2 * 8 * SMALL.cache_bytes_per_token / SMALL.parameter_bytes
    assert together.bytes == (weights + embedded + kept) * SMALL.parameter_bytes


def test_a_block_causal_run_reads_its_prompt_and_keeps_every_block() -> None:
    exact = Cache(name=CacheName.exact)
    settings = a_diffusion(steps=8, block_length=4, cache=exact, blocks=Blocks.sequence)
    run = a_run(diffusion=settings, length=18, prompt_fraction=10 / 18)  # two whole blocks and half of one
    assert expected_forward_passes(run) == 1 + 2 + 4 + 4 + 3
    assert len(list(passes(run, SMALL))) == 14


def test_a_sub_block_sees_its_whole_block() -> None:
    found = block_pass(SMALL, Forward(rows=3, computed=2, read=2, seen=12), block_length=4, keeps=True)
    assert found == kept_pass(SMALL, batch=3, length=12, computed=2, read=2)


def test_a_causal_context_reads_its_prompt_as_a_continuation_does_and_begins_each_block() -> None:
    kept = {"cache": Cache(name=CacheName.exact), "blocks": Blocks.sequence, "causal_context": True}
    run = a_run(diffusion=a_diffusion(block_length=4, **kept))  # 2 rows, 8 prompt tokens, two steps a block for 3 masks
    prompt, *rest = passes(run, SMALL)
    assert prompt == prefill_pass(SMALL, batch=2, prompt_tokens=8)
    reads = [(4, 3, 12), (4, 1, 12), (4, 1, 12), (4, 3, 16), (4, 1, 16), (4, 1, 16)]
    assert rest == [
        kept_pass(SMALL, batch=2, length=seen, computed=computed, read=read) for computed, read, seen in reads
    ]
