"""One run from top to bottom: models, prompts, measurement, quality, record. It always returns a record."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

import torch

from benchmark.clock import Clock, CudaClock, HostClock
from benchmark.decoders.autoregressive import AutoregressiveDecoder
from benchmark.decoders.diffusion import MaskedDiffusionDecoder
from benchmark.decoders.interface import Batch, Decoder, make_batch
from benchmark.environment import current_gpu, probe, require_gpu, watch
from benchmark.equal_work import check_equal_work
from benchmark.errors import BrokenProtocolError, DisturbedError, InfeasibleError, UserError
from benchmark.fingerprint import fingerprint
from benchmark.measure import Instruments, Measured, measure
from benchmark.memory import cuda_peaks, host_peaks
from benchmark.models.loading import ATTENTION, LanguageModel, end_ids
from benchmark.models.shelf import Shelf, require_device
from benchmark.outlook import Outlook, limits, look_ahead
from benchmark.outputs import batch_rows, prompts_digest, read_back, samples_of
from benchmark.profiling import profiled
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
    Profile,
    Record,
    Score,
)
from benchmark.run import Device, Run
from benchmark.stopping import Rule, first_is_outlier, interval_share
from benchmark.verdict import judge

ENGINE = "eager"
EXPECTED = {
    InfeasibleError: FailureKind.infeasible,
    BrokenProtocolError: FailureKind.invalid,
    DisturbedError: FailureKind.disturbed,
    UserError: FailureKind.error,
}
"""Errors whose text is the reason that the record keeps, with the kind of failure that each is."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Quality:
    """Scores, and why those of judge and encoder are missing, if they are."""

    scores: tuple[Score, ...]
    failure: str | None


def execute(run: Run, *, sweep: str, shelf: Shelf, report: Report, config: str | None = None) -> Record:
    """Measure `run`, or say why it could not be measured. `shelf` keeps a model for the next run.

    `config` is the configuration as composed, for the record.
    """
    started = datetime.now(UTC)
    outcome, outlook = _attempt(run, shelf, report)
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
        fingerprint=fingerprint(run.model, config),
        prediction=None if outlook is None else outlook.prediction,
    )


def measure_run(run: Run, shelf: Shelf, report: Report, outlook: Outlook | None) -> Measurement:
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
    decoder, instruments = make_decoder(run, arm.model), _instruments(run)

    def batch_of(sample: int) -> Batch:
        return _batch(prompts, batch_rows(decoded, run.batch, sample), run.seed, arm.model.device)

    measured = measure(
        decoder,
        batch_of,
        run.output_tokens,
        instruments=instruments,
        rule=Rule(least=run.samples, stopping=run.stopping),
        warmup=run.warmup,
        report=report,
    )
    rows = [batch_rows(decoded, run.batch, sample) for sample in range(len(measured.samples))]
    check_equal_work(run, measured, rows, prompts, arm.model.mask_id)
    labelled, watched = judge([timed.conditions for timed in measured.samples], run.device, strict=run.strict)
    generated = read_back(prompts[: run.prompts.count], rows, measured.samples, arm.tokenizer)
    quality = _score(run, generated, end_ids(arm.tokenizer), report)
    latencies_s = [timed.timing.latency_s for timed in measured.samples]
    return Measurement(
        samples=samples_of(measured.samples, rows, labelled, arm.tokenizer),
        warmup_s=measured.warmup_s,
        memory=_memory(arm.model, measured),
        forward_passes=measured.samples[0].generation.forward_passes,
        generated=generated,
        scores=quality.scores,
        quality_failure=quality.failure,
        likelihood=_likelihood(run, arm.model, prompts, report),
        stopped_by=measured.stopped_by,
        interval_share=interval_share(latencies_s),
        warmup_too_short=first_is_outlier(latencies_s),
        prompts_digest=prompts_digest(prompts[:decoded]),
        watched=watched,
        limits=limits(run, outlook, measured),
        profile=_profile(run, decoder, arm.model, batch_of(0), instruments.clock, outlook, report),
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


def _attempt(run: Run, shelf: Shelf, report: Report) -> tuple[Measurement | Failure, Outlook | None]:
    """What became of the run, and what was to be expected of it."""
    outlook = None
    try:
        if run.infeasible:
            raise InfeasibleError(run.infeasible)
        if run.gpu is not None:
            require_device(run.device)
            require_gpu(run.gpu)
        outlook = look_ahead(run)
        return measure_run(run, shelf, report, outlook), outlook
    except tuple(EXPECTED) as error:
        failure = Failure(kind=EXPECTED[type(error)], message=str(error))
    except KeyboardInterrupt:
        failure = Failure(kind=FailureKind.interrupted, message="interrupted from the keyboard")
    except Exception as error:  # whatever it is, it belongs in the record, and the sweep goes on
        log.exception("%s failed", run.name)
        kind = FailureKind.out_of_memory if _is_out_of_memory(error) else FailureKind.error
        failure = Failure(kind=kind, message=f"{type(error).__name__}: {error}")
    return failure, outlook


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


def _instruments(run: Run) -> Instruments:
    on_gpu = run.device is Device.cuda
    return Instruments(
        clock=CudaClock() if on_gpu else HostClock(),
        peaks=cuda_peaks if on_gpu else host_peaks,
        watch=watch(on_gpu=on_gpu),
    )


def _profile(
    run: Run,
    decoder: Decoder,
    model: LanguageModel,
    batch: Batch,
    clock: Clock,
    outlook: Outlook | None,
    report: Report,
) -> Profile | None:
    if not run.profile:
        return None
    report(Stage.profile, 0, 1)
    shape = None if outlook is None else outlook.shape
    return profiled(decoder, model, batch, run, shape, clock, current_gpu() if run.device is Device.cuda else None)


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
