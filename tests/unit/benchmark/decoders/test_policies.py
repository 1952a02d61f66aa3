from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmark.config.folder import names_given
from benchmark.decoders.diffusion import MaskedDiffusionDecoder
from benchmark.decoders.interface import Batch, Generation, Unmarked, make_batch
from benchmark.decoders.policies.entropy_bounded import EntropyBounded
from benchmark.decoders.policies.factor import Factor
from benchmark.decoders.policies.factory import POLICIES, make_policy
from benchmark.decoders.policies.interface import Policy as Rule
from benchmark.decoders.policies.quota import Quota
from benchmark.decoders.policies.threshold import Threshold
from benchmark.engines.attention import Plain
from benchmark.engines.eager import EagerCanvas
from benchmark.engines.sampling.head import Head, TensorPick
from benchmark.engines.sampling.scores import pick_of
from benchmark.models.loading import LanguageModel
from crossover.errors import UserError
from crossover.records.policies import Cache, CacheName, FactorRule, Pace, Policy, PolicyName, Rows
from crossover.records.settings import Family, Remasking
from tests.checkpoints import CPU, MASK_ID, VOCABULARY, random_model
from tests.factories import a_diffusion
from tests.references import policies as reference_policies
from tests.references.policies import PolicySampling

CLOSED = -torch.inf
RULES: list[Rule] = [
    Quota(steps=2, block_length=4),
    Threshold(block_length=4, threshold=0.5),
    Factor(block_length=4, factor=1.0, rule=FactorRule.plain),
    Factor(block_length=4, factor=1.0, rule=FactorRule.fast_dllm),
    EntropyBounded(block_length=4, gamma=0.2),
]

knobs = st.one_of(
    st.sampled_from([Policy(name=name) for name in (PolicyName.quota, PolicyName.margin, PolicyName.entropy)]),
    st.floats(0.05, 1.0).map(lambda t: Policy(name=PolicyName.threshold, threshold=t)),
    st.builds(
        lambda f, rule: Policy(name=PolicyName.factor, factor=f, factor_rule=rule),
        st.floats(0.0, 3.0),
        st.sampled_from(FactorRule),
    ),
    st.floats(0.0, 6.0).map(lambda gamma: Policy(name=PolicyName.entropy_bounded, gamma=gamma)),
)
caches = st.one_of(
    st.none(),
    st.builds(Cache, name=st.sampled_from([CacheName.prefix, CacheName.dual]), refresh=st.sampled_from([None, 1, 2])),
)
token = st.integers(0, VOCABULARY - 1).filter(lambda token: token != MASK_ID)
prompts = st.lists(st.lists(token, min_size=1, max_size=4), min_size=1, max_size=3)


@st.composite
def samplings(draw: st.DrawFn) -> PolicySampling:
    block_length, blocks = draw(st.integers(1, 5)), draw(st.integers(1, 2))
    return PolicySampling(
        output_tokens=block_length * blocks,
        block_length=block_length,
        policy=draw(knobs),
        steps=blocks * draw(st.integers(1, block_length)),
        cache=draw(caches),
        temperature=draw(st.sampled_from([0.0, 0.7])),
    )


def decode(model: LanguageModel, batch: Batch, sampling: PolicySampling, rows: Rows = Rows.together) -> Generation:
    assert model.mask_id is not None
    chosen = a_diffusion(steps=sampling.steps, block_length=sampling.block_length, policy=sampling.policy)
    policy = make_policy(chosen, sampling.output_tokens)
    pick = pick_of(policy.score, TensorPick())
    decoder = MaskedDiffusionDecoder(
        passes=EagerCanvas(model, Plain()),
        head=Head(linear=model.head, temperature=sampling.temperature, forbidden_id=model.mask_id, pick=pick),
        mask_id=model.mask_id,
        policy=policy,
        block_length=sampling.block_length,
        cache=sampling.cache,
        rows=rows,
    )
    return decoder.decode(batch, sampling.output_tokens, Unmarked())


@settings(max_examples=40, deadline=None, derandomize=True)
@given(rows=prompts, sampling=samplings(), first_stream=st.integers(0, 2**40))
def test_every_row_of_any_batch_matches_the_plain_reference(
    rows: list[list[int]], sampling: PolicySampling, first_stream: int
) -> None:
    model = random_model(Family.diffusion)
    streams = [first_stream + row for row in range(len(rows))]
    expected = [
        reference_policies.diffusion(model, row, stream, sampling) for row, stream in zip(rows, streams, strict=True)
    ]
    generation = decode(model, make_batch(rows, streams, CPU), sampling)
    assert generation.tokens_BN.tolist() == [row.tokens for row in expected]
    if len(rows) == 1:
        assert generation.written_at_BN is not None
        assert generation.written_at_BN.tolist() == [expected[0].at]
        assert [forward.computed for forward in generation.forwards] == expected[0].computed


@settings(max_examples=30, deadline=None, derandomize=True)
@given(rows=prompts, sampling=samplings().filter(lambda sampling: sampling.policy.is_self_paced))
def test_rows_that_do_not_wait_write_the_same_tokens_at_the_same_steps_as_alone(
    rows: list[list[int]], sampling: PolicySampling
) -> None:
    model, sampling = random_model(Family.diffusion), replace(sampling, cache=None)
    batch = make_batch(rows, list(range(len(rows))), CPU)
    waiting, independent = decode(model, batch, sampling), decode(model, batch, sampling, Rows.independent)
    assert independent.tokens_BN.tolist() == waiting.tokens_BN.tolist()
    alone = [decode(model, make_batch([row], [stream], CPU), sampling) for stream, row in enumerate(rows)]
    for index, each in enumerate(alone):
        assert independent.written_at_BN is not None
        assert each.written_at_BN is not None
        assert independent.written_at_BN[index].tolist() == each.written_at_BN[0].tolist()
    assert independent.forward_passes == max(each.forward_passes for each in alone) <= waiting.forward_passes


def chosen(rule: Rule, scores: list[list[float]], forward: int = 0) -> list[list[bool]]:
    marks: list[list[bool]] = (rule.choose(Tensor(scores), forward) & (Tensor(scores) != CLOSED)).tolist()
    return marks


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
@pytest.mark.parametrize(
    "row", [[-9.0, -3.0, -8.0, -5.0], [CLOSED, -3.0, CLOSED, -5.0], [float("nan"), -2.0, -1.0, -4.0]]
)
def test_at_least_one_open_position_is_written_however_low_the_scores(rule: Rule, row: list[float]) -> None:
    assert any(chosen(rule, [row])[0])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_a_row_without_open_positions_writes_nothing(rule: Rule) -> None:
    assert chosen(rule, [[CLOSED] * 4]) == [[False] * 4]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_closed_positions_change_nothing_for_the_open_ones(rule: Rule) -> None:
    alone = chosen(rule, [[-0.1, -0.3]])[0]
    assert chosen(rule, [[CLOSED, -0.1, CLOSED, -0.3]])[0] == [False, alone[0], False, alone[1]]


def test_every_policy_that_can_be_chosen_has_its_row() -> None:
    assert set(POLICIES) == {*names_given("policy")} - {Remasking.random}
    assert set(POLICIES) >= set(PolicyName)


def test_a_policy_without_a_row_is_refused() -> None:
    with pytest.raises(UserError, match="policy=mine has no row in POLICIES"):
        make_policy(a_diffusion(policy=Policy(name="mine", pace=Pace.steps)), 8)


def test_a_threshold_is_reached_by_being_equal() -> None:
    assert chosen(RULES[1], [[0.5, 0.49, 0.9, 0.5]]) == [[True, False, True, True]]


def test_the_lower_of_equal_positions_is_written() -> None:
    assert chosen(RULES[1], [[0.2, 0.3, 0.3, 0.1]]) == [[False, True, False, False]]


def test_the_factor_rule_ends_at_the_first_that_fails() -> None:
    # 1 - 1 / (r + 1) for ranks 2 to 4: 0.667, 0.75, 0.8
    assert chosen(RULES[2], [[0.1, 0.7, 0.7, 0.81]]) == [[False, True, False, True]]


def test_fast_dllms_factor_rule_writes_the_last_position_with_the_others() -> None:
    assert chosen(RULES[2], [[0.9, 0.8, 0.85, 0.1]]) == [[True, True, True, False]]
    assert chosen(RULES[3], [[0.9, 0.8, 0.85, 0.1]]) == [[True, True, True, True]]
    assert chosen(RULES[3], [[CLOSED, 0.2, CLOSED, 0.1]]) == [[False, True, False, True]]


def test_entropies_before_a_position_are_summed() -> None:
    assert chosen(RULES[4], [[-0.15, -0.1, -0.3, -0.04]]) == [[True, True, False, True]]
