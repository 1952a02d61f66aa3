"""One run from top to bottom: models, prompts, measurement, quality, record. It always returns a record."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

import torch
from transformers import PreTrainedTokenizerBase

from benchmark.clock import CudaClock, HostClock
from benchmark.decoders.autoregressive import AutoregressiveDecoder
from benchmark.decoders.diffusion import MaskedDiffusionDecoder
from benchmark.decoders.interface import Batch, Decoder, make_batch
from benchmark.environment import probe
from benchmark.errors import InfeasibleError, UserError
from benchmark.measure import Measured, Timed, measure
from benchmark.memory import cuda_peaks, host_peaks
from benchmark.models.loading import ATTENTION, LanguageModel, end_ids
from benchmark.models.shelf import Shelf
from benchmark.progress import Report, Stage
from benchmark.prompts import Prompt, read_prompts
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
from benchmark.stopping import Stopped

ENGINE = "eager"
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Quality:
    """Scores, and why those of judge and encoder are missing, if they are."""

    scores: tuple[Score, ...]
    failure: str | None


def execute(run: Run, *, sweep: str, shelf: Shelf, report: Report) -> Record:
    """Measure `run`, or say why it could not be measured. `shelf` keeps a model for the next run."""
    started = datetime.now(UTC)
    outcome = _attempt(run, shelf, report)
    return Record(
        key=run.key,
        name=run.name,
        sweep=sweep,
        started_at=started.isoformat(),
        finished_at=datetime.now(UTC).isoformat(),
        run=run,
        environment=_environment(run),
        measurement=outcome if isinstance(outcome, Measurement) else None,
        failure=outcome if isinstance(outcome, Failure) else None,
    )


def measure_run(run: Run, shelf: Shelf, report: Report) -> Measurement:
    """The steps of a run: load, time, read the tokens back, score them, score the model."""
    report(Stage.loading, 0, 1)
    arm = shelf.get(run.model.checkpoint, run.model.revision, run.model.family, run.precision, run.device)
    if run.length > arm.model.context:
        raise InfeasibleError(f"length={run.length} is more than the checkpoint's context of {arm.model.context}")
    decoded = max(run.prompts.count, run.batch)
    held_out = 0 if run.likelihood is None else run.likelihood.documents
    prompts = read_prompts(
        run.prompts.source,
        arm.tokenizer,
        prompt_tokens=run.prompt_tokens,
        output_tokens=run.output_tokens,
        count=max(decoded, held_out),
    )
    rows = batch_rows(decoded, run.batch, run.samples)
    measured = measure(
        make_decoder(run, arm.model),
        [_batch(prompts, row, run.seed, arm.model.device) for row in rows],
        run.output_tokens,
        clock=CudaClock() if run.device is Device.cuda else HostClock(),
        peaks=cuda_peaks if run.device is Device.cuda else host_peaks,
        warmup=run.warmup,
        report=report,
    )
    generated = _read_back(prompts[: run.prompts.count], rows, measured.samples, arm.tokenizer)
    quality = _score(run, generated, end_ids(arm.tokenizer), report)
    return Measurement(
        samples=tuple(_sample(timed, row, arm.tokenizer) for timed, row in zip(measured.samples, rows, strict=True)),
        warmup_s=measured.warmup_s,
        memory=_memory(arm.model, measured),
        forward_passes=measured.samples[0].generation.forward_passes,
        generated=generated,
        scores=quality.scores,
        quality_failure=quality.failure,
        likelihood=_likelihood(run, arm.model, prompts, report),
    )


def make_decoder(run: Run, model: LanguageModel) -> Decoder:
    """The decoder of the run's family. A new one is a file, a row here and a YAML."""
    if run.diffusion is None:
        return AutoregressiveDecoder(model=model, temperature=run.temperature)
    return MaskedDiffusionDecoder(
        model=model,
        steps=run.diffusion.steps,
        block_length=run.diffusion.block_length,
        temperature=run.temperature,
        remasking=run.diffusion.remasking,
        guidance_scale=run.diffusion.guidance_scale,
    )


def batch_rows(prompts: int, batch: int, samples: int) -> list[tuple[int, ...]]:
    """Which prompts each sample decodes: the next `batch` of them, going round from the last to the first."""
    return [tuple((sample * batch + row) % prompts for row in range(batch)) for sample in range(samples)]


def _attempt(run: Run, shelf: Shelf, report: Report) -> Measurement | Failure:
    try:
        if run.infeasible:
            raise InfeasibleError(run.infeasible)
        return measure_run(run, shelf, report)
    except InfeasibleError as error:
        return Failure(kind=FailureKind.infeasible, message=str(error))
    except Stopped as stop:
        return Failure(kind=stop.kind, message=str(stop))
    except KeyboardInterrupt:
        return Failure(kind=FailureKind.interrupted, message="interrupted from the keyboard")
    except UserError as error:
        return Failure(kind=FailureKind.error, message=str(error))
    except Exception as error:  # whatever it is, it belongs in the record, and the sweep goes on
        log.exception("%s failed", run.name)
        kind = FailureKind.out_of_memory if _is_out_of_memory(error) else FailureKind.error
        return Failure(kind=kind, message=f"{type(error).__name__}: {error}")


def _is_out_of_memory(error: Exception) -> bool:
    words = ("can't allocate memory", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(word in str(error) for word in words)


def _environment(run: Run) -> Environment | None:
    """Where this is; None when a broken device does not even say what it is."""
    try:
        on_gpu = run.device is Device.cuda and torch.cuda.is_available()
        return probe(engine=ENGINE, attention=ATTENTION, on_gpu=on_gpu)
    except RuntimeError:
        log.exception("the environment could not be read")
        return None


def _batch(prompts: list[Prompt], rows: tuple[int, ...], seed: int, device: torch.device) -> Batch:
    return make_batch(
        [prompts[row].tokens for row in rows], [(seed << 32) + prompts[row].number for row in rows], device
    )


def _read_back(
    prompts: list[Prompt], rows: list[tuple[int, ...]], samples: tuple[Timed, ...], tokenizer: PreTrainedTokenizerBase
) -> tuple[Generated, ...]:
    """Each prompt's output, from the first sample that decoded it; not that of prompts that only fill a batch."""
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


def _sample(timed: Timed, row: tuple[int, ...], tokenizer: PreTrainedTokenizerBase) -> Sample:
    outputs: list[list[int]] = timed.generation.tokens_BN.tolist()
    ends = end_ids(tokenizer)
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
