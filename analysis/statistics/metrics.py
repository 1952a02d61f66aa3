"""One number for each metric of a record, under the names that MLflow shows and figures use.

Definitions follow the glossary in docs/metrics.md. A metric that a run does not have is left out.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, zip_longest
from statistics import median, quantiles, stdev

import numpy as np

from analysis.statistics.intervals import exponential
from analysis.statistics.latency_checks import why_no_latency
from crossover.records.machine import Label
from crossover.records.profile import Profile
from crossover.records.record import Measurement, Memory, Prediction, Record
from crossover.records.settings import Family
from crossover.records.staleness import Staleness
from crossover.records.texts import DocumentLikelihood, Score

LEAST_SAMPLES = {90: 64, 99: 662}
"""Samples from which a percentile is more than the slowest sample by another name."""


def metrics(record: Record) -> dict[str, float]:
    """All metrics of a measured record; none of a failed one."""
    if record.measurement is None:
        return {}
    measured, run = record.measurement, record.run
    figures = {
        **_latency(measured, run.model.family),
        **_throughput(measured, run.batch * run.output_tokens),
        **_memory(measured.memory),
        **_quality(measured.scores),
        **_human(measured.human),
        **_likelihood(measured.likelihood),
        **_protocol(measured),
        **_prediction(record.prediction),
        **_staleness(measured.staleness),
        "work/forward_passes": measured.forward_passes,
        "work/waiting_share": _median(each.forwards.waiting_share for each in measured.samples if each.forwards),
        "work/edited_tokens": _median(sum(each.forwards.edited) for each in measured.samples if each.forwards),
        "work/spare_passes": _median(each.forwards.spare for each in measured.samples if each.forwards),
        "work/samples": len(measured.samples),
        "work/composed_share": _median(each.timed.composed_share for each in measured.samples if each.timed),
    }
    return _known(figures)


def _known(figures: Mapping[str, float | None]) -> dict[str, float]:
    return {name: float(value) for name, value in figures.items() if value is not None and math.isfinite(value)}


def series(record: Record) -> dict[str, list[float]]:
    """Metrics that run along the generation: the median time of each step, or of each token."""
    if record.measurement is None:
        return {}
    name = "series/step_s" if record.run.model.family is Family.diffusion else "series/token_s"
    along = {name: [median(times) for times in times_by_step(record.measurement)]}
    if (staleness := record.measurement.staleness) is not None:
        along["series/cache_kl_nats"] = list(staleness.kl_nats)
        along["series/cache_equal_share"] = list(staleness.equal_share)
    if (profile := record.measurement.profile) is not None and profile.memory:
        along["series/memory_bytes"] = [float(each.used_bytes) for each in profile.memory]
    return along


def times_by_step(measured: Measurement) -> list[tuple[float, ...]]:
    """For each step or token, its times in the samples that took so many."""
    by_step = zip_longest(*(sample.step_s for sample in measured.samples))
    return [tuple(time for time in times if time is not None) for times in by_step]


def _staleness(staleness: Staleness | None) -> dict[str, float | None]:
    if staleness is None:
        return {}
    return {"cache/kl_nats": staleness.mean_kl_nats, "cache/equal_share": staleness.mean_equal_share}


def perplexity(scores: Iterable[Score]) -> float | None:
    """The exponential of the mean negative log-likelihood of all judged tokens together.

    None without any, and where it is more than a number can hold.
    """
    judged = [
        (score.nll_nats, score.judge_tokens)
        for score in scores
        if score.nll_nats is not None and score.judge_tokens is not None
    ]
    tokens = sum(count for _, count in judged)
    value = exponential(sum(nll for nll, _ in judged) / tokens) if tokens > 0 else math.inf
    return value if math.isfinite(value) else None


def bits_per_byte(scores: Iterable[Score]) -> float | None:
    """Bits that the judge needs for all judged texts together, over their UTF-8 bytes; None without any."""
    judged = [(score.nll_nats, score.text_bytes) for score in scores if score.nll_nats is not None and score.text_bytes]
    text_bytes = sum(count for _, count in judged)
    return sum(nll for nll, _ in judged) / math.log(2) / text_bytes if text_bytes else None


def _latency(measured: Measurement, family: Family) -> dict[str, float | None]:
    if why_no_latency(measured) is not None:
        return {}
    latencies = [sample.latency_s for sample in measured.samples]
    low, _, high = quantiles(latencies, n=4, method="inclusive") if len(latencies) > 1 else latencies * 3
    step = _median_of_all([sample.step_s for sample in measured.samples]) if family is Family.diffusion else None
    per_token = [
        (sample.latency_s - sample.prefill_s) / len(sample.step_s)
        for sample in measured.samples
        if sample.prefill_s is not None and sample.step_s
    ]
    return {
        "latency/e2e_s": median(latencies),
        "latency/e2e_p25_s": low,
        "latency/e2e_p75_s": high,
        "latency/e2e_p90_s": _percentile(latencies, 90),
        "latency/e2e_p99_s": _percentile(latencies, 99),
        "latency/host_e2e_s": median(sample.host_latency_s for sample in measured.samples),
        "latency/prefill_s": _median(s.prefill_s for s in measured.samples if s.prefill_s is not None),
        "latency/itl_s": _median(per_token),
        "latency/step_s": step,
    }


def _throughput(measured: Measurement, tokens: int) -> dict[str, float | None]:
    if why_no_latency(measured) is not None:
        return {}
    latency_s = median(sample.latency_s for sample in measured.samples)
    valid = sum(sum(sample.valid_tokens) for sample in measured.samples) / len(measured.samples)
    return {"throughput/tok_per_s": tokens / latency_s, "throughput/valid_tok_per_s": valid / latency_s}


def _memory(memory: Memory) -> dict[str, float | None]:
    return {
        "memory/max_reserved_bytes": memory.max_reserved_bytes,
        "memory/max_allocated_bytes": memory.max_allocated_bytes,
        "memory/max_resident_bytes": memory.max_resident_bytes,
        "memory/weights_bytes": memory.weights_bytes,
        # M_peak under the name that PyTorch gives it: reserved on a GPU, resident on a CPU
        "max_memory_reserved": memory.max_reserved_bytes or memory.max_resident_bytes or None,
    }


def _quality(scores: tuple[Score, ...]) -> dict[str, float | None]:
    return {
        **_figures("quality", scores),
        "quality/bits_per_byte": bits_per_byte(scores),
        "quality/perplexity": perplexity(scores),
        "quality/entropy_nats": _mean(score.entropy_nats for score in scores),
        "quality/distinct_2": _mean(score.distinct_2 for score in scores),
        "quality/repetition_4": _mean(score.repetition_4 for score in scores),
        "quality/bertscore_precision": _mean(score.bertscore_precision for score in scores),
        "quality/bertscore_recall": _mean(score.bertscore_recall for score in scores),
        "quality/bertscore_f1": _mean(score.bertscore_f1 for score in scores),
        "quality/bertscore_f1_se": _standard_error(score.bertscore_f1 for score in scores),
        "quality/accuracy": _mean(score.correct for score in scores),
        "quality/accuracy_se": _standard_error(score.correct for score in scores),
        "quality/without_answer": _count(score.answered is None for score in scores if score.correct is not None),
        "quality/characters": _mean(score.characters for score in scores),
        "quality/ended_share": _mean(score.ended for score in scores),
        "quality/without_text": _count(score.text_bytes == 0 for score in scores if score.text_bytes is not None),
        "quality/prompts": len(scores),
    }


def _figures(group: str, scores: tuple[Score, ...]) -> dict[str, float | None]:
    """Means of the metrics that the texts have by name."""
    names = dict.fromkeys(name for score in scores for name in score.figures)
    return {f"{group}/{name}": _mean(score.figures.get(name) for score in scores) for name in names}


def _human(scores: tuple[Score, ...]) -> dict[str, float | None]:
    """The same figures of the documents' true continuations."""
    return {
        **_figures("human", scores),
        "human/bits_per_byte": bits_per_byte(scores),
        "human/perplexity": perplexity(scores),
        "human/entropy_nats": _mean(score.entropy_nats for score in scores),
        "human/distinct_2": _mean(score.distinct_2 for score in scores),
        "human/repetition_4": _mean(score.repetition_4 for score in scores),
    }


def _likelihood(documents: Sequence[DocumentLikelihood]) -> dict[str, float | None]:
    """Of all documents together: bits of all continuations over their bytes."""
    text_bytes = sum(document.text_bytes for document in documents)
    if not text_bytes:
        return {}
    nats = {
        "likelihood/bits_per_byte": _sum(document.nats for document in documents),
        "likelihood/bits_per_byte_se": _root_sum_square(document.nats_se for document in documents),
        "likelihood/k_step_bits_per_byte": _sum(document.k_step_nats for document in documents),
        "likelihood/sampler_bits_per_byte": _sum(document.sampler_nats for document in documents),
        "likelihood/k_step_bits_per_byte_se": _root_sum_square(document.k_step_nats_se for document in documents),
    }
    return {
        **{name: None if value is None else value / math.log(2) / text_bytes for name, value in nats.items()},
        "likelihood/documents": len(documents),
    }


def _protocol(measured: Measurement) -> dict[str, float | None]:
    """How sure the median is, how undisturbed, how far from the chip's limit."""
    figures: dict[str, float | None] = {
        "latency/interval_share": measured.interval_share,
        "machine/labelled_samples": None
        if measured.watched is None
        else sum(bool(set(sample.labels) - {Label.power_cap}) for sample in measured.samples),
    }
    if measured.limits is not None:
        for name in ("floor_s", "floor_share", "matrix_share", "copy_share"):
            figures[f"limit/{name}"] = getattr(measured.limits, name)
    return figures | _profile(measured.profile)


def _profile(profile: Profile | None) -> dict[str, float | None]:
    """Shares of the profiled generation by kind of operation, and energy where the device counts it."""
    if profile is None:
        return {}
    total_s = sum(each.seconds for each in profile.kinds)
    shares = {f"profile/{each.kind}_share": each.seconds / total_s for each in profile.kinds if total_s > 0}
    return {**shares, "energy/joules_per_token": profile.energy.joules_per_token if profile.energy else None}


def _prediction(prediction: Prediction | None) -> dict[str, float | None]:
    if prediction is None:
        return {}
    return {"prediction/latency_s": prediction.latency_s, "prediction/peak_bytes": prediction.peak_bytes}


def _percentile(latencies: Sequence[float], hundredths: int) -> float | None:
    """A percentile of the latencies; None where so few samples say nothing of it (MLPerf LoadGen's counts)."""
    if len(latencies) < LEAST_SAMPLES[hundredths]:
        return None
    return quantiles(latencies, n=100, method="inclusive")[hundredths - 1]


def _median(values: Iterable[float]) -> float | None:
    known = list(values)
    return median(known) if known else None


def _median_of_all(groups: Sequence[Sequence[float]]) -> float | None:
    """The median of the values of all groups together: thousands, so that sorting them in Python would take long."""
    number = sum(map(len, groups))
    if not number:
        return None
    values = np.fromiter(chain.from_iterable(groups), dtype=np.float64, count=number)
    values.sort()
    return (float(values[(number - 1) // 2]) + float(values[number // 2])) / 2


def _count(marks: Iterable[bool]) -> int | None:
    """How many are so; None where nothing is known of any."""
    known = list(marks)
    return sum(known) if known else None


def _sum(values: Iterable[float | None]) -> float | None:
    """The sum; None where a value is unknown."""
    known = list(values)
    return None if any(value is None for value in known) else math.fsum(value for value in known if value is not None)


def _root_sum_square(errors: Iterable[float | None]) -> float | None:
    """The error of a sum of values with independent errors; None where one is unknown."""
    total = _sum(None if error is None else error**2 for error in errors)
    return None if total is None else math.sqrt(total)


def _standard_error(values: Iterable[float | None]) -> float | None:
    """Of the mean over texts; None with fewer than two."""
    known = [value for value in values if value is not None]
    return stdev(known) / math.sqrt(len(known)) if len(known) > 1 else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
