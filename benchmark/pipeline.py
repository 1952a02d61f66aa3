"""One run from top to bottom: models, prompts, measurement, quality, record. It always returns a record."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

import torch
from transformers import PreTrainedTokenizerBase

from benchmark.clock import CudaClock, HostClock
from benchmark.decoders.factory import Ran, ready_decoder
from benchmark.decoders.interface import Batch, make_batch
from benchmark.environment import probe
from benchmark.errors import InfeasibleError, UserError
from benchmark.measure import Measured, Timed, measure
from benchmark.memory import cuda_peaks, host_peaks, is_out_of_memory
from benchmark.models.loading import LanguageModel, end_ids
from benchmark.progress import Report, Stage
from benchmark.prompts import Prompt, random_prompts, read_prompts
from benchmark.quality.likelihood import likelihoods
from benchmark.quality.score import Scorers, load_scorers, score
from benchmark.record import (
    DocumentLikelihood,
    Environment,
    Failure,
    FailureKind,
    Generated,
    Measurement,
    Memory,
    Record,
    Sample,
    Score,
)
from benchmark.run import Device, Run
from benchmark.shelf import Arm, Shelf

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Quality:
    """Scores, and why those of judge and encoder are missing, if they are."""

    scores: tuple[Score, ...]
    failure: str | None


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """How a run ended, and what it ran on; None when it never got so far."""

    result: Measurement | Failure
    ran: Ran | None = None


def execute(run: Run, *, sweep: str, shelf: Shelf, report: Report) -> Record:
    """Measure `run`, or say why it could not be measured. `shelf` keeps a model for the next run."""
    started = datetime.now(UTC)
    outcome = _attempt(run, shelf, report)
    result = outcome.result
    return Record(
        key=run.key,
        name=run.name,
        sweep=sweep,
        started_at=started.isoformat(),
        finished_at=datetime.now(UTC).isoformat(),
        run=run,
        environment=_environment(run, outcome.ran),
        measurement=result if isinstance(result, Measurement) else None,
        failure=result if isinstance(result, Failure) else None,
    )


def measure_run(run: Run, shelf: Shelf, report: Report) -> _Outcome:
    """The steps of a run: load, prepare and time, read the tokens back, score them, score the model."""
    report(Stage.loading, 0, 1)
    arm = shelf.get(run)
    if run.length > arm.model.context:
        raise InfeasibleError(f"length={run.length} is more than the checkpoint's context of {arm.model.context}")
    decoded = max(run.prompts.count, run.batch)
    prompts = _prompts(run, arm, decoded)
    rows = batch_rows(decoded, run.batch, run.samples)
    measured, ran = _measure(run, arm, [_batch(prompts, row, run.seed, arm.model.device) for row in rows], report)
    ends = frozenset() if arm.tokenizer is None else end_ids(arm.tokenizer)
    generated = _read_back(prompts[: run.prompts.count], rows, measured.samples, arm.tokenizer)
    quality = _score(run, generated, ends, report)
    measurement = Measurement(
        samples=tuple(_sample(timed, row, ends) for timed, row in zip(measured.samples, rows, strict=True)),
        warmup_s=measured.warmup_s,
        memory=_memory(arm.model, measured),
        forward_passes=measured.samples[0].generation.forward_passes,
        generated=generated,
        scores=quality.scores,
        quality_failure=quality.failure,
        likelihood=_likelihood(run, arm.model, prompts, report),
        preparing_s=ran.preparing_s,
        fallback=ran.fallback,
    )
    return _Outcome(result=measurement, ran=ran)


def _measure(run: Run, arm: Arm, batches: list[Batch], report: Report) -> tuple[Measured, Ran]:
    """Prepare a decoder and time it. It ends here, so that what it holds on the device is free for the judges."""
    report(Stage.preparing, 0, 1)
    ready = ready_decoder(run, arm.workshop, batches[0])
    if ready.ran.fallback:
        log.warning("%s: %s", run.name, ready.ran.fallback)
    measured = measure(
        ready.decoder,
        batches,
        run.output_tokens,
        clock=CudaClock() if run.device is Device.cuda else HostClock(),
        peaks=cuda_peaks if run.device is Device.cuda else host_peaks,
        warmup=run.warmup,
        report=report,
    )
    return measured, ready.ran


def _prompts(run: Run, arm: Arm, decoded: int) -> list[Prompt]:
    """The prompts to decode, and those whose likelihood is asked for."""
    if arm.tokenizer is None:
        return random_prompts(
            vocabulary=arm.model.vocabulary,
            mask_id=arm.model.mask_id,
            prompt_tokens=run.prompt_tokens,
            count=decoded,
            seed=run.seed,
        )
    held_out = 0 if run.likelihood is None else run.likelihood.documents
    return read_prompts(
        run.prompts.source,
        arm.tokenizer,
        prompt_tokens=run.prompt_tokens,
        output_tokens=run.output_tokens,
        count=max(decoded, held_out),
    )


def batch_rows(prompts: int, batch: int, samples: int) -> list[tuple[int, ...]]:
    """Which prompts each sample decodes: the next `batch` of them, going round from the last to the first."""
    return [tuple((sample * batch + row) % prompts for row in range(batch)) for sample in range(samples)]


def _attempt(run: Run, shelf: Shelf, report: Report) -> _Outcome:
    try:
        if run.infeasible:
            raise InfeasibleError(run.infeasible)
        return measure_run(run, shelf, report)
    except InfeasibleError as error:
        return _failed(FailureKind.infeasible, str(error))
    except KeyboardInterrupt:
        return _failed(FailureKind.interrupted, "interrupted from the keyboard")
    except UserError as error:
        return _failed(FailureKind.error, str(error))
    except Exception as error:  # whatever it is, it belongs in the record, and the sweep goes on
        log.exception("%s failed", run.name)
        kind = FailureKind.out_of_memory if is_out_of_memory(error) else FailureKind.error
        return _failed(kind, f"{type(error).__name__}: {error}")


def _failed(kind: FailureKind, message: str) -> _Outcome:
    return _Outcome(result=Failure(kind=kind, message=message))


def _environment(run: Run, ran: Ran | None) -> Environment | None:
    """Where this is; None when a broken device does not even say what it is."""
    engine, attention = (run.engine, run.attention) if ran is None else (ran.engine, ran.attention)
    try:
        on_gpu = run.device is Device.cuda and torch.cuda.is_available()
        return probe(engine=engine, attention=attention, on_gpu=on_gpu)
    except RuntimeError:
        log.exception("the environment could not be read")
        return None


def _batch(prompts: list[Prompt], rows: tuple[int, ...], seed: int, device: torch.device) -> Batch:
    return make_batch(
        [prompts[row].tokens for row in rows], [(seed << 32) + prompts[row].number for row in rows], device
    )


def _read_back(
    prompts: list[Prompt],
    rows: list[tuple[int, ...]],
    samples: tuple[Timed, ...],
    tokenizer: PreTrainedTokenizerBase | None,
) -> tuple[Generated, ...]:
    """Each prompt's output, from the first sample that decoded it; not that of prompts that only fill a batch."""
    if tokenizer is None:  # random weights write nothing that could be read
        return ()
    outputs: dict[int, list[int]] = {}
    for row, sample in zip(rows, samples, strict=True):
        for index, tokens in zip(row, sample.generation.tokens_BN.tolist(), strict=True):
            outputs.setdefault(index, tokens)
    return tuple(
        Generated(
            prompt_id=prompts[index].name,
            prompt=prompts[index].text,
            continuation=str(tokenizer.decode(tokens, skip_special_tokens=True)),
            reference=prompts[index].reference,
            tokens=tuple(tokens),
        )
        for index, tokens in sorted(outputs.items())
        if index < len(prompts)
    )


def _sample(timed: Timed, row: tuple[int, ...], ends: frozenset[int]) -> Sample:
    outputs: list[list[int]] = timed.generation.tokens_BN.tolist()
    return Sample(
        latency_s=timed.timing.latency_s,
        host_latency_s=timed.timing.host_latency_s,
        prefill_s=timed.timing.prefill_s,
        step_s=timed.timing.step_s,
        prompts=row,
        valid_tokens=tuple(_until_end(tokens, ends) for tokens in outputs),
    )


def _until_end(tokens: list[int], ends: frozenset[int]) -> int:
    return next((place for place, token in enumerate(tokens) if token in ends), len(tokens))


def _score(run: Run, generated: tuple[Generated, ...], ends: frozenset[int], report: Report) -> _Quality:
    """Score what was timed. A judge that fails takes its own figures along, not the measurement."""
    try:
        scores = score(generated, ends, load_scorers(run.judge, run.encoder, run.device), report)
        return _Quality(scores=scores, failure=None)
    except Exception as error:
        log.exception("%s could not be scored", run.name)
        return _Quality(scores=score(generated, ends, Scorers(), report), failure=f"{type(error).__name__}: {error}")


def _memory(model: LanguageModel, measured: Measured) -> Memory:
    return Memory(
        weights_bytes=model.weights_bytes,
        max_reserved_bytes=measured.peaks.reserved_bytes,
        max_allocated_bytes=measured.peaks.allocated_bytes,
        max_resident_bytes=measured.peaks.resident_bytes,
    )


def _likelihood(
    run: Run, model: LanguageModel, prompts: list[Prompt], report: Report
) -> tuple[DocumentLikelihood, ...]:
    if run.likelihood is None:
        return ()
    documents = prompts[: run.likelihood.documents]
    return likelihoods(model, documents, run.likelihood, run.diffusion, run.seed, report)
