from collections.abc import Sequence

import pytest

from benchmark.execution.model_cache import LoadedModel, ModelCache
from benchmark.harness.arguments import Arguments, Likelihood, arguments_of
from benchmark.harness.scoring import PairRequest, Scored, causal_scores, diffusion_scores
from benchmark.harness.writing import TextRequest, Writer
from benchmark.quality.likelihood.held_out import Document, autoregressive_nats
from crossover.errors import UserError

PAIRS = [
    PairRequest(index=0, context=(3, 4, 5, 6), continuation=(7,)),
    PairRequest(index=1, context=(9,), continuation=(4, 8, 12)),
    PairRequest(index=2, context=(5, 5), continuation=(3,)),
]


def loaded(arguments: Arguments) -> LoadedModel:
    return ModelCache().get(arguments.run(rows=1, prompt_tokens=1, output_tokens=4))


@pytest.fixture(scope="module")
def causal() -> tuple[Arguments, LoadedModel]:
    arguments = arguments_of({"model": "tiny_llama", "device": "cpu"})
    return arguments, loaded(arguments)


@pytest.fixture(scope="module")
def masked() -> tuple[Arguments, LoadedModel]:
    arguments = arguments_of({"model": "tiny_llada", "steps": 4, "device": "cpu", "bound_samples": 8})
    return arguments, loaded(arguments)


def by_index(scored: Sequence[tuple[PairRequest, Scored]]) -> list[Scored]:
    return [score for _, score in sorted(scored, key=lambda each: each[0].index)]


def test_a_causal_likelihood_is_that_of_the_plain_forward_pass_in_any_batch(
    causal: tuple[Arguments, LoadedModel],
) -> None:
    _, model = causal
    for rows in (1, 3):
        scores = by_index(list(causal_scores(model, PAIRS, rows)))
        for pair, score in zip(PAIRS, scores, strict=True):
            nats = autoregressive_nats(model.model, Document(prompt=pair.context, answer=pair.continuation))
            assert score.log_likelihood == pytest.approx(-nats, abs=1e-4)


@pytest.mark.parametrize("arm", ["causal", "masked"])
def test_a_continuation_is_greedy_where_the_decoder_writes_it(request: pytest.FixtureRequest, arm: str) -> None:
    arguments, model = request.getfixturevalue(arm)
    short = arguments.for_output(2)
    wanted = TextRequest(index=0, tokens=(3, 4, 5), output_tokens=2, temperature=0.0, until=())
    (tokens,), _ = Writer(short, model, 1).decode([wanted])
    pairs = [
        PairRequest(index=0, context=(3, 4, 5), continuation=tuple(tokens)),
        PairRequest(index=1, context=(3, 4, 5), continuation=(tokens[0], tokens[1] + 1)),
    ]
    scored = (
        causal_scores(model, pairs, 2) if arm == "causal" else diffusion_scores(short, model, pairs, 2, greedy=True)
    )
    assert [score.is_greedy for score in by_index(list(scored))] == [True, False]


def test_a_diffusion_likelihood_is_the_samplers_and_its_neighbours_do_not_matter(
    masked: tuple[Arguments, LoadedModel],
) -> None:
    arguments, model = masked
    alone = by_index(list(diffusion_scores(arguments, model, PAIRS, 1, greedy=False)))
    together = by_index(list(diffusion_scores(arguments, model, PAIRS, 3, greedy=False)))
    for one, other in zip(alone, together, strict=True):
        assert one.log_likelihood == pytest.approx(other.log_likelihood, abs=1e-4)
    assert all(score.log_likelihood < 0 and not score.is_greedy for score in alone)
    assert [score.forwards for score in alone] == [1, 3, 1], "a pass a token, where the steps suffice"
    assert sorted(score.rows for score in together) == [1, 2, 2]


def test_the_bound_of_one_token_is_exact(masked: tuple[Arguments, LoadedModel]) -> None:
    arguments, model = masked
    bound = Arguments(config=arguments.config, likelihood=Likelihood.bound, bound_samples=2)
    one = [PAIRS[0]]
    (by_bound,) = by_index(list(diffusion_scores(bound, model, one, 1, greedy=False)))
    (by_sampler,) = by_index(list(diffusion_scores(arguments, model, one, 1, greedy=False)))
    assert by_bound.log_likelihood == pytest.approx(by_sampler.log_likelihood, abs=0.05), (
        "but for the mask token's share"
    )


def test_texts_end_at_their_stops_and_cost_the_whole_work(causal: tuple[Arguments, LoadedModel]) -> None:
    arguments, model = causal
    requests = [
        TextRequest(index=index, tokens=(3, 4, 5, 6)[: 1 + index], output_tokens=6, temperature=None, until=until)
        for index, until in enumerate([(), (" ",), ()])
    ]
    written = {request.index: (text, work) for request, text, work in Writer(arguments, model, 2).write(requests)}
    whole = {request.index: text for request in requests for _, text, _ in Writer(arguments, model, 1).write([request])}
    assert {index: text for index, (text, _) in written.items()} == whole
    assert " " not in written[1][0]
    assert {work.forwards for _, work in written.values()} == {6}
    assert [written[index][1].prompt_tokens for index in range(3)] == [1, 2, 3]
    assert sorted(work.rows for _, work in written.values()) == [1, 2, 2]


def test_a_block_causal_models_sampler_has_a_likelihood_of_continuations_that_end_with_a_block() -> None:
    arguments = arguments_of({"model": "tiny_twin_diffusion", "steps": 1, "device": "cpu"})
    model = ModelCache().get(arguments.run(rows=1, prompt_tokens=16, output_tokens=16))
    whole = PairRequest(index=0, context=(3,) * 16, continuation=(5,) * 16)
    (score,) = by_index(list(diffusion_scores(arguments, model, [whole], 1, greedy=False)))
    assert score.log_likelihood < 0
    within = PairRequest(index=0, context=(3,) * 15, continuation=(5,) * 16)
    with pytest.raises(UserError, match=r"blocks of 16 has a likelihood .* end with a block: use loglikelihood=bound"):
        list(diffusion_scores(arguments, model, [within], 1, greedy=False))
