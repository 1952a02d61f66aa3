import math
from typing import Any

import pytest

from analysis.statistics.metrics import bits_per_byte, metrics, perplexity, series
from crossover.records.forwards import Forwards
from crossover.records.machine import Label, Verdict, Watched
from crossover.records.profile import Energy, KernelTime, Limits, MemoryPoint, Profile
from crossover.records.record import Memory, Prediction, Record
from crossover.records.staleness import Staleness
from tests.factories import (
    a_document,
    a_failed_record,
    a_measurement,
    a_record,
    a_run,
    a_sample,
    a_score,
    an_autoregressive_run,
)


def diffusion(**changes: Any) -> Record:
    return a_record(measurement=a_measurement(**changes))


def autoregressive(**changes: Any) -> Record:
    """Two samples of 8 tokens: a prefill of 1 s, then 7 tokens in 3.5 s or in 7 s."""
    samples = (
        a_sample(latency_s=4.5, prefill_s=1.0, step_s=(0.5,) * 7),
        a_sample(latency_s=8.0, prefill_s=1.0, step_s=(1.0,) * 7),
    )
    return a_record(an_autoregressive_run(), measurement=a_measurement(**{"samples": samples} | changes))


def test_latency_is_the_median_of_the_samples_with_its_quartiles() -> None:
    figures = metrics(diffusion(samples=tuple(a_sample(latency_s=float(s)) for s in (1, 2, 3, 4, 100))))
    assert (figures["latency/e2e_p25_s"], figures["latency/e2e_s"], figures["latency/e2e_p75_s"]) == (2.0, 3.0, 4.0)
    assert figures["work/samples"] == 5


def test_one_sample_is_its_own_spread() -> None:
    figures = metrics(diffusion(samples=(a_sample(latency_s=2.0),)))
    assert (figures["latency/e2e_p25_s"], figures["latency/e2e_s"], figures["latency/e2e_p75_s"]) == (2.0, 2.0, 2.0)


def test_the_host_clock_stands_beside_the_devices() -> None:
    assert metrics(diffusion())["latency/host_e2e_s"] == 2.5


def test_throughput_counts_the_tokens_of_all_rows() -> None:
    figures = metrics(diffusion(samples=(a_sample(latency_s=2.0, valid_tokens=(8, 6)),)))
    assert figures["throughput/tok_per_s"] == 2 * 8 / 2.0
    assert figures["throughput/valid_tok_per_s"] == 14 / 2.0


def test_what_no_clock_shows_has_neither_latency_nor_throughput() -> None:
    figures = metrics(diffusion(samples=(a_sample(latency_s=2.0), a_sample(latency_s=-1.0))))
    assert not any(name.startswith(("latency/", "throughput/")) for name in figures)
    assert figures["work/samples"] == 2


def test_a_diffusion_run_reports_its_steps_and_no_prefill() -> None:
    figures = metrics(diffusion())
    assert figures["latency/step_s"] == 0.5
    assert figures["work/forward_passes"] == 4
    assert "latency/prefill_s" not in figures
    assert "latency/itl_s" not in figures


def test_an_autoregressive_run_reports_prefill_and_inter_token_latency_and_no_steps() -> None:
    figures = metrics(autoregressive())
    assert figures["latency/prefill_s"] == 1.0
    assert figures["latency/itl_s"] == (0.5 + 1.0) / 2
    assert "latency/step_s" not in figures


def test_one_output_token_has_no_inter_token_latency() -> None:
    figures = metrics(autoregressive(samples=(a_sample(latency_s=1.0, prefill_s=1.0, step_s=()),)))
    assert "latency/itl_s" not in figures


@pytest.mark.parametrize(("reserved", "resident", "peak"), [(70, None, 70), (70, 90, 70), (None, 90, 90)])
def test_peak_memory_is_the_reserved_or_on_a_cpu_the_resident(
    reserved: int | None, resident: int | None, peak: int
) -> None:
    memory = Memory(
        weights_bytes=10, max_reserved_bytes=reserved, max_allocated_bytes=None, max_resident_bytes=resident
    )
    figures = metrics(diffusion(memory=memory))
    assert figures["max_memory_reserved"] == peak
    assert figures["memory/weights_bytes"] == 10
    assert "memory/max_allocated_bytes" not in figures


def test_perplexity_weighs_texts_by_their_tokens() -> None:
    scores = [a_score(nll_nats=10.0, judge_tokens=2), a_score(nll_nats=2.0, judge_tokens=4)]
    assert perplexity(scores) == pytest.approx(math.exp(12.0 / 6))


def test_texts_without_a_likelihood_leave_perplexity_to_the_others() -> None:
    unjudged = a_score(nll_nats=None, judge_tokens=None)
    assert perplexity([unjudged, a_score(nll_nats=4.0, judge_tokens=2)]) == pytest.approx(math.exp(2.0))
    assert perplexity([unjudged]) is None
    assert "quality/perplexity" not in metrics(diffusion(scores=(unjudged,)))


def test_bits_per_byte_weigh_texts_by_their_bytes() -> None:
    scores = [a_score(nll_nats=math.log(2) * 6, text_bytes=4), a_score(nll_nats=math.log(2) * 2, text_bytes=12)]
    assert bits_per_byte(scores) == pytest.approx(8 / 16)
    assert metrics(diffusion(scores=tuple(scores)))["quality/bits_per_byte"] == pytest.approx(0.5)


def test_texts_whose_bytes_or_likelihood_are_unknown_have_no_bits_per_byte() -> None:
    assert bits_per_byte([a_score(nll_nats=None, text_bytes=4), a_score(text_bytes=0), a_score()]) is None
    assert "quality/bits_per_byte" not in metrics(diffusion())


def test_texts_without_text_are_counted_where_their_length_is_known() -> None:
    scores = tuple(a_score(text_bytes=text_bytes) for text_bytes in (0, 3, 0))
    assert metrics(diffusion(scores=scores))["quality/without_text"] == 2
    assert "quality/without_text" not in metrics(diffusion())


def test_the_human_line_has_the_judges_figures_and_the_diversity_of_the_true_continuations() -> None:
    human = a_score(nll_nats=math.log(2) * 6, judge_tokens=2, text_bytes=4, entropy_nats=3.0)
    figures = metrics(diffusion(human=(human, a_score(nll_nats=None, judge_tokens=None, entropy_nats=None))))
    assert figures["human/bits_per_byte"] == pytest.approx(1.5)
    assert figures["human/perplexity"] == pytest.approx(8.0)
    assert (figures["human/entropy_nats"], figures["human/distinct_2"], figures["human/repetition_4"]) == (
        3.0,
        0.75,
        0.25,
    )
    assert not any(name.startswith("human/") for name in metrics(diffusion()))


def test_diversity_is_the_mean_over_the_texts_that_have_it() -> None:
    scores = (a_score(entropy_nats=1.0, distinct_2=0.5), a_score(entropy_nats=2.0, distinct_2=None))
    figures = metrics(diffusion(scores=scores))
    assert (figures["quality/entropy_nats"], figures["quality/distinct_2"], figures["quality/prompts"]) == (1.5, 0.5, 2)
    assert figures["quality/repetition_4"] == 0.25


def test_a_metric_of_the_text_is_the_mean_over_the_texts_that_have_it_under_the_name_that_the_record_gives() -> None:
    texts = (a_score(figures={"rhymes": 2.0, "feet": 5.0}), a_score(figures={"feet": 4.0}), a_score())
    figures = metrics(diffusion(scores=texts, human=texts[1:]))
    assert (figures["quality/rhymes"], figures["quality/feet"], figures["human/feet"]) == (2.0, 4.5, 4.0)
    assert "human/rhymes" not in figures


def test_bertscore_is_the_mean_over_texts_with_its_standard_error() -> None:
    scores = tuple(a_score(bertscore_precision=0.2, bertscore_recall=0.4, bertscore_f1=f1) for f1 in (0.1, 0.3))
    figures = metrics(diffusion(scores=scores))
    assert (figures["quality/bertscore_precision"], figures["quality/bertscore_recall"]) == (0.2, 0.4)
    assert figures["quality/bertscore_f1"] == pytest.approx(0.2)
    assert figures["quality/bertscore_f1_se"] == pytest.approx(0.1)
    assert "quality/bertscore_f1_se" not in metrics(diffusion(scores=scores[:1]))
    assert "quality/bertscore_f1" not in metrics(diffusion())


def test_answers_that_the_rule_does_not_find_are_counted_among_the_wrong_ones() -> None:
    right, wrong, none = (
        a_score(correct=1.0, answered="4"),
        a_score(correct=0.0, answered="5"),
        a_score(correct=0.0, answered=None),
    )
    figures = metrics(diffusion(scores=(right, right, wrong, none)))
    assert (figures["quality/accuracy"], figures["quality/without_answer"]) == (0.5, 1)
    assert figures["quality/accuracy_se"] == pytest.approx((1 / 3) ** 0.5 / 2)
    assert "quality/without_answer" not in metrics(diffusion(scores=(a_score(),))), "the prompts have no answers"


def test_texts_are_counted_by_their_length_and_their_end() -> None:
    figures = metrics(diffusion(scores=(a_score(characters=10, ended=True), a_score(characters=20, ended=False))))
    assert (figures["quality/characters"], figures["quality/ended_share"]) == (15, 0.5)


def test_bits_per_byte_weigh_documents_by_their_bytes_and_errors_add_in_quadrature() -> None:
    figures = metrics(diffusion(likelihood=(a_document(), a_document(text_bytes=30, nats=40.0, nats_se=4.0))))
    assert figures["likelihood/bits_per_byte"] == pytest.approx(60 / math.log(2) / 40)
    assert figures["likelihood/bits_per_byte_se"] == pytest.approx(5 / math.log(2) / 40)
    assert figures["likelihood/k_step_bits_per_byte"] == pytest.approx(48 / math.log(2) / 40)
    assert figures["likelihood/k_step_bits_per_byte_se"] == pytest.approx(math.sqrt(32) / math.log(2) / 40)
    assert figures["likelihood/documents"] == 2


def test_the_samplers_likelihood_is_known_where_every_document_has_it() -> None:
    known = a_document(sampler_nats=30.0)
    figures = metrics(diffusion(likelihood=(known, known)))
    assert figures["likelihood/sampler_bits_per_byte"] == pytest.approx(3 / math.log(2))
    assert "likelihood/sampler_bits_per_byte" not in metrics(diffusion(likelihood=(known, a_document())))


def test_an_exact_likelihood_has_no_error_and_no_steps() -> None:
    exact = a_document(nats_se=None, k_step_nats=None, k_step_nats_se=None)
    figures = metrics(autoregressive(likelihood=(exact, exact)))
    assert {name for name in figures if name.startswith("likelihood/")} == {
        "likelihood/bits_per_byte",
        "likelihood/documents",
    }


def test_a_failed_record_has_no_metrics() -> None:
    assert metrics(a_failed_record()) == {}
    assert series(a_failed_record()) == {}


def test_a_series_is_the_median_of_each_step_over_the_samples() -> None:
    samples = tuple(a_sample(step_s=steps) for steps in ((1.0, 5.0), (2.0, 7.0), (9.0, 6.0)))
    assert series(diffusion(samples=samples)) == {"series/step_s": [2.0, 6.0]}
    assert list(series(autoregressive())) == ["series/token_s"]
    assert series(autoregressive())["series/token_s"] == [0.75] * 7


def test_all_metrics_are_plain_finite_numbers() -> None:
    for record in (diffusion(), autoregressive(), a_record(a_run(batch=1))):
        assert all(type(value) is float and math.isfinite(value) for value in metrics(record).values())


def test_percentiles_are_given_only_of_enough_samples() -> None:
    def percentiles(samples: int) -> dict[str, float]:
        return metrics(diffusion(samples=tuple(a_sample(latency_s=float(n)) for n in range(1, samples + 1))))

    assert "latency/e2e_p90_s" not in percentiles(63)
    assert percentiles(64)["latency/e2e_p90_s"] == pytest.approx(57.7)
    assert "latency/e2e_p99_s" not in percentiles(661)
    assert percentiles(662)["latency/e2e_p99_s"] == pytest.approx(655.39)


def test_labelled_samples_are_counted_without_those_at_the_power_limit() -> None:
    labels: tuple[tuple[Label, ...], ...] = ((Label.busy_cpu, Label.throttled), (Label.power_cap,), ())
    watched = Watched(verdict=Verdict.disturbed, why="", labelled=())
    record = diffusion(samples=tuple(a_sample(labels=each) for each in labels), watched=watched)
    assert metrics(record)["machine/labelled_samples"] == 1
    assert "machine/labelled_samples" not in metrics(diffusion())


def test_limits_energy_and_predictions_are_metrics_where_they_are_known() -> None:
    limits = Limits(
        copy_bytes_per_s=1.0,
        matrix_flop_per_s=1.0,
        flop=1.0,
        bytes=1.0,
        floor_s=0.5,
        floor_share=0.25,
        matrix_share=0.125,
        copy_share=0.2,
    )
    energy = Energy(joules=8.0, seconds=5.0, generations=1, joules_per_token=0.5)
    kinds = (KernelTime(kind="matrix", seconds=1.5, calls=3), KernelTime(kind="idle", seconds=0.5, calls=1))
    memory = (MemoryPoint(at_s=0.1, reserved_bytes=9, weights_bytes=5, cache_bytes=2, rest_bytes=1),)
    profile = Profile(latency_s=2.0, kinds=kinds, memory=memory, energy=energy)
    record = a_record(
        measurement=a_measurement(limits=limits, profile=profile, interval_share=0.02),
        prediction=Prediction(latency_s=1.5, peak_bytes=7),
    )
    expected = {
        "limit/floor_s": 0.5,
        "limit/floor_share": 0.25,
        "limit/matrix_share": 0.125,
        "limit/copy_share": 0.2,
        "energy/joules_per_token": 0.5,
        "profile/matrix_share": 0.75,
        "profile/idle_share": 0.25,
        "latency/interval_share": 0.02,
        "prediction/latency_s": 1.5,
        "prediction/peak_bytes": 7.0,
    }
    assert expected.items() <= metrics(record).items()
    assert not expected.keys() & metrics(diffusion()).keys()
    assert series(record)["series/memory_bytes"] == [8.0]
    assert "series/memory_bytes" not in series(diffusion())


def test_valid_tokens_a_second_are_those_of_a_mean_sample() -> None:
    """14 and 6 valid tokens, 2 s each: 10 in 2 s."""
    samples = (a_sample(latency_s=2.0, valid_tokens=(8, 6)), a_sample(latency_s=2.0, valid_tokens=(4, 2)))
    assert metrics(diffusion(samples=samples))["throughput/valid_tok_per_s"] == 5.0


def test_staleness_is_of_the_steps_that_read_what_was_kept() -> None:
    staleness = Staleness(computed=(8, 4, 4), kl_nats=(0.0, 0.2, 0.4), equal_share=(1.0, 0.5, 1.0))
    record = diffusion(staleness=staleness)
    assert metrics(record)["cache/kl_nats"] == pytest.approx(0.3)
    assert metrics(record)["cache/equal_share"] == 0.75
    assert series(record)["series/cache_kl_nats"] == [0.0, 0.2, 0.4]


def test_steps_that_not_every_sample_took_are_those_of_the_samples_that_did() -> None:
    forwards = Forwards(computed=(16, 16), written=(9, 7), of_rows=(1, 2))
    samples = (a_sample(step_s=(1.0, 3.0), forwards=forwards), a_sample(step_s=(3.0,)))
    record = diffusion(samples=samples)
    assert series(record)["series/step_s"] == [2.0, 3.0]
    assert metrics(record)["work/waiting_share"] == 0.25
