from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from torch import Tensor

from analysis.statistics.forward_passes.composition import Forward
from benchmark.decoders.diffusion import MaskedDiffusionDecoder
from benchmark.decoders.interface import Phase, make_batch
from benchmark.decoders.plan import plan_of, timed_indices
from crossover.errors import UserError
from crossover.records.policies import Blocks, Cache, CacheName, Policy, PolicyName
from crossover.records.run import Run
from crossover.records.settings import Weights
from tests.checkpoints import CPU
from tests.decoding import PROMPTS, UNEVEN, decoder
from tests.factories import a_diffusion, a_run, an_autoregressive_run
from tests.fakes import Marked

SAMPLED = {"weights": Weights.random, "judge": None, "timed_share": 0.1}
LONG = a_run(length=64, diffusion=a_diffusion(steps=16, block_length=32), **SAMPLED)


def test_three_of_a_kind_are_timed_at_least_with_both_ends() -> None:
    plan = plan_of(LONG)
    assert plan is not None
    assert [plan.forwards[index].read for index in plan.timed] == [32, 18, 2]
    assert {forward.kept for forward in plan.forwards} == {64}


def test_each_kind_has_its_share() -> None:
    windows = [Forward(4, 64, read) for read in range(40)]
    indices = timed_indices([Forward(64, 64, 4), *windows, Forward(64, 64, 4)], share=0.25)
    assert indices == (0, *(1 + round(index * 39 / 9) for index in range(10)), 41)


@pytest.mark.parametrize("passes", [1, 2, 3])
def test_a_kind_of_three_passes_or_fewer_is_timed_in_full(passes: int) -> None:
    assert timed_indices([Forward(64, 64, read) for read in range(passes)], share=0.1) == tuple(range(passes))


def test_tokens_are_spread_over_what_they_attend_to() -> None:
    plan = plan_of(an_autoregressive_run(length=64, **SAMPLED))
    assert plan is not None
    assert len(plan.forwards) == 31
    assert [plan.forwards[index] for index in plan.timed] == [Forward(1, kept, 1) for kept in (33, 43, 53, 63)]


def test_a_run_that_times_all_has_no_plan() -> None:
    assert plan_of(a_run()) is None


@pytest.mark.parametrize("cache", [None, CacheName.dual, CacheName.prefix])
def test_diffusion_makes_the_passes_of_the_plan_and_still_writes_every_mask(cache: CacheName | None) -> None:
    settings = a_diffusion(steps=8, block_length=4, cache=None if cache is None else Cache(name=cache))
    run = a_run(length=20, prompt_fraction=0.2, diffusion=settings, **SAMPLED)
    plan, marked, made = plan_of(run), Marked(), decoder(run)
    assert plan is not None
    generation = made.decode(make_batch(PROMPTS, [0, 1], CPU), 16, marked)
    expected = [Phase.step if index in plan.timed else Phase.left_out for index in range(8)]
    assert [phase for phase in marked.phases if phase is not Phase.settling] == expected
    assert generation.forward_passes == len(plan.timed) == len(generation.forwards)
    assert [(each.computed, each.read) for each in generation.forwards] == [
        (plan.forwards[index].computed, plan.forwards[index].read) for index in plan.timed
    ]
    assert not (generation.tokens_BN == made.mask_id).any()  # type: ignore[attr-defined]


@pytest.mark.parametrize("prompts", [PROMPTS, UNEVEN])
def test_a_continuation_makes_the_passes_of_the_plan_at_their_places_in_the_cache(prompts: list[list[int]]) -> None:
    run = an_autoregressive_run(length=34, prompt_fraction=4 / 34, **SAMPLED)
    plan, marked, made = plan_of(run), Marked(), decoder(run)
    assert plan is not None
    generation = made.decode(make_batch(prompts, [0, 1], CPU), 30, marked)
    assert marked.phases.count(Phase.step) == len(plan.timed)
    assert marked.phases[0] is Phase.prefill
    assert generation.tokens_BN.shape == (2, 30)
    assert generation.forward_passes == 1 + len(plan.timed)
    assert made.passes._cache.get_seq_length() == plan.forwards[plan.timed[-1]].kept  # type: ignore[attr-defined]


@pytest.mark.parametrize("prompts", [PROMPTS, UNEVEN])
def test_tokens_made_while_the_device_settles_change_none(prompts: list[list[int]]) -> None:
    run = an_autoregressive_run(length=14, prompt_fraction=4 / 14, **SAMPLED | {"timed_share": 1.0})
    batch, settling = make_batch(prompts, [0, 1], CPU), Marked(settles_after=3)
    at_once, later = (decoder(run).decode(batch, 10, phases) for phases in (Marked(), settling))
    assert later.tokens_BN.tolist() == at_once.tokens_BN.tolist()
    assert settling.phases[:6] == [Phase.prefill, *[Phase.settling] * (3 + 1), Phase.step]
    assert later.forward_passes == 10


@pytest.mark.parametrize(
    "run",
    [
        an_autoregressive_run(length=34, prompt_fraction=4 / 34, **SAMPLED),
        a_run(length=34, prompt_fraction=4 / 34, diffusion=a_diffusion(steps=15, block_length=30), **SAMPLED),
        a_run(
            length=36,
            prompt_fraction=4 / 36,
            diffusion=a_diffusion(steps=16, block_length=4, blocks=Blocks.sequence, cache=Cache(name=CacheName.exact)),
            **SAMPLED,
        ),
    ],
    ids=["continuation", "canvas", "blocks"],
)
def test_a_pass_behind_a_gap_is_made_once_before_it_is_timed(run: Run) -> None:
    marked = Marked()
    decoder(run).decode(make_batch(PROMPTS, [0, 1], CPU), run.output_tokens, marked)
    assert (Phase.left_out, Phase.step) not in list(pairwise(marked.phases))
    gaps = [index for index, pair in enumerate(pairwise(marked.phases)) if pair == (Phase.left_out, Phase.settling)]
    assert gaps
    assert all(marked.phases[index + 2] is Phase.step for index in gaps)


def test_the_passes_of_a_gap_are_left_out_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write for each of them would leave a GPU idle for as long as the host needs to queue them all."""
    run = a_run(length=36, prompt_fraction=4 / 36, diffusion=a_diffusion(steps=16, block_length=32), **SAMPLED)
    plan, written, put = plan_of(run), list[int](), MaskedDiffusionDecoder._put
    assert plan is not None

    def counted(made: MaskedDiffusionDecoder, canvas: Any, masked: Any, tokens_BM: Tensor, written_BM: Tensor) -> None:
        written.append(int(written_BM[0].sum()))
        put(made, canvas, masked, tokens_BM, written_BM)

    monkeypatch.setattr(MaskedDiffusionDecoder, "_put", counted)
    decoder(run).decode(make_batch(PROMPTS, [0, 1], CPU), 32, Marked())
    assert plan.timed == (0, 7, 15)
    assert written == [2, 6 * 2, 2, 7 * 2, 2], "two tokens a pass: six passes left out, then seven"


def test_a_long_pass_behind_a_gap_is_timed_at_once() -> None:
    run = a_run(length=20, prompt_fraction=0.2, diffusion=a_diffusion(steps=8, block_length=16), **SAMPLED)
    marked = Marked(runs_in=False)
    generation = decoder(run).decode(make_batch(PROMPTS, [0, 1], CPU), 16, marked)
    assert set(marked.phases) == {Phase.left_out, Phase.step}
    assert generation.forward_passes == marked.phases.count(Phase.step)


def test_a_block_is_settled_after_its_prompt() -> None:
    settings = a_diffusion(steps=8, block_length=4, blocks=Blocks.sequence, cache=Cache(name=CacheName.exact))
    run = a_run(length=20, prompt_fraction=0.2, diffusion=settings, **SAMPLED)
    batch, settling = make_batch(PROMPTS, [0, 1], CPU), Marked(settles_after=2)
    at_once, later = (decoder(run).decode(batch, 16, phases) for phases in (Marked(), settling))
    made = [phase for phase in settling.phases if phase is not Phase.left_out]
    assert made[:5] == [Phase.step, *[Phase.settling] * (2 + 1), Phase.step]
    assert later.tokens_BN.tolist() == at_once.tokens_BN.tolist()
    assert later.forwards == at_once.forwards


def test_all_of_a_share_of_one_gives_the_tokens_of_a_whole_run() -> None:
    run = an_autoregressive_run(length=14, prompt_fraction=4 / 14, **SAMPLED | {"timed_share": 1.0})
    batch = make_batch(PROMPTS, [0, 1], CPU)
    whole, all_of_it = (decoder(each).decode(batch, 10, Marked()) for each in (replace(run, timed_share=None), run))
    assert whole.tokens_BN.tolist() == all_of_it.tokens_BN.tolist()


@pytest.mark.parametrize(
    "changes",
    [
        {"weights": Weights.checkpoint},
        {"profile": True},
        {"diffusion": a_diffusion(policy=Policy(name=PolicyName.threshold, threshold=0.9))},
        {"diffusion": a_diffusion(guidance_scale=1.0)},
    ],
)
def test_what_cannot_leave_passes_out_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UserError, match="timing=sampled leaves forward passes out: it is for weights=random"):
        a_run(**SAMPLED | changes)


def test_seconds_to_settle_are_seconds_and_named_where_they_are_not_the_usual_ones() -> None:
    with pytest.raises(UserError, match=r"settle_s=-1.0 is not allowed: give seconds such as 0.5"):
        a_run(settle_s=-1.0)
    assert "settle" not in a_run(**SAMPLED, settle_s=0.5).name + a_run().name
    assert "settle=0.5" in a_run(settle_s=0.5).name
    assert "settle=2.0" in a_run(**SAMPLED, settle_s=2.0).name


@pytest.mark.parametrize("share", [0.0, 1.5, float("nan")])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(UserError, match="is not allowed: give a share such as"):
        a_run(**SAMPLED | {"timed_share": share})
