"""What a pair's generations cost, composed of passes whose costs are set by hand."""

from dataclasses import replace

import pytest

from analysis.parity.timed_pairs import pairs_of
from analysis.statistics.forward_passes.pace import Layout, Way
from crossover.records.run import Run
from tests.factories import a_diffusion, a_measurement, a_record, a_run, a_sample, an_autoregressive_run
from tests.timed_pairs import a_pair


def layout(way: Way, prompt_tokens: int = 8, output_tokens: int = 8) -> Layout:
    return Layout(way=way, prompt_tokens=prompt_tokens, output_tokens=output_tokens, block=4)


def a_named(run: Run, name: str) -> Run:
    return replace(run, model=replace(run.model, name=name, checkpoint=f"./{name}"))


def test_at_the_limit_a_generation_takes_the_least_time_of_its_passes() -> None:
    pair = a_pair()
    least = {way: pair.least_cost(layout(way), 2, 3.0) for way in Way}
    assert least == pytest.approx(
        {
            Way.whole: 2 * 3 * (2 * 16),
            Way.dual: 2 * (2 * 16 + 2 * (2 * 4)),
            Way.block_causal: 2 * 8 + 2 * (3 + 1) * (2 * 4),  # the prompt once, as the baseline reads it
        }
    )
    assert pair.least_baseline(2, layout(Way.whole)) == pytest.approx(2 * 8 + 7 * 2)


def test_a_baseline_that_was_not_measured_at_a_shape_is_composed_of_its_prompt_and_its_tokens() -> None:
    tokens = a_sample(latency_s=28.5, prefill_s=0.5, step_s=(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0))
    causal = a_record(an_autoregressive_run(), measurement=a_measurement(samples=(tokens, tokens)))
    (pair,) = pairs_of([causal, a_record(a_run(diffusion=a_diffusion()))])
    assert pair.baseline_seconds(2, layout(Way.whole)) == pytest.approx(28.5)
    assert pair.baseline_seconds(2, layout(Way.whole, output_tokens=4)) == pytest.approx(0.5 + 1 + 2 + 3)
    with pytest.raises(KeyError):
        pair.baseline_seconds(2, layout(Way.whole, prompt_tokens=9, output_tokens=4))
    with pytest.raises(KeyError):
        pair.baseline_seconds(4, layout(Way.whole))


def test_every_diffusion_model_meets_every_baseline_in_the_order_of_their_names() -> None:
    runs = [a_named(a_run(), name) for name in ("d2", "d1")]
    runs += [a_named(an_autoregressive_run(), name) for name in ("b2", "b1")]
    records = [a_record(run, measurement=a_measurement(samples=(a_sample(), a_sample()))) for run in runs]
    pairs = [(each.diffusion, each.baseline) for each in pairs_of(records)]
    assert pairs == [("d1", "b1"), ("d1", "b2"), ("d2", "b1"), ("d2", "b2")]
