"""One run from top to bottom: models, prompts, measurement, quality, record. It always returns a record."""

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from statistics import median, median_low

import torch

from benchmark.decoders.blocks.decoder import BlockDiffusionDecoder
from benchmark.decoders.diffusion import MaskedDiffusionDecoder
from benchmark.decoders.factory import Ran, Ready, ready_decoder
from benchmark.decoders.interface import Batch
from benchmark.decoders.prompts import Prompt
from benchmark.execution.fingerprint import fingerprint
from benchmark.execution.identity import require_contents
from benchmark.execution.inputs import batch_of_rows, prompts_of
from benchmark.execution.model_cache import LoadedModel, ModelCache, give_back_memory
from benchmark.execution.outputs import (
    batch_rows,
    prompts_digest,
    read_back,
    samples_of,
    seconds_per_pass,
    true_continuations,
    typical,
)
from benchmark.execution.threads import set_threads
from benchmark.hardware.clock import CudaClock, HostClock
from benchmark.hardware.device import is_out_of_memory
from benchmark.hardware.environment import current_gpu, probe, require_gpu, require_watched, watch
from benchmark.hardware.verdict import judge
from benchmark.measurement.composed import completing
from benchmark.measurement.equal_work import check_equal_work
from benchmark.measurement.kernel_times import Subject
from benchmark.measurement.measure import Instruments, Measured, measure
from benchmark.measurement.peak_memory import cuda_peaks, host_peaks
from benchmark.measurement.profiling import profiled
from benchmark.measurement.staleness import measure_staleness
from benchmark.measurement.stopping import Rule, first_is_outlier, interval_share
from benchmark.models.loaded import require_device
from benchmark.models.loading import LanguageModel, end_ids
from benchmark.quality.accuracy import graded
from benchmark.quality.likelihood.held_out import likelihoods
from benchmark.quality.likelihood.sampler import with_sampler
from benchmark.quality.score import Texts, score_by_each
from benchmark.roofline.estimate import Estimate, estimate_run, limits
from benchmark.slurm.signals import Stopped
from benchmark.util.progress import Report, Stage
from crossover.errors import BrokenProtocolError, DisturbedError, InfeasibleError, UserError
from crossover.records.machine import Environment
from crossover.records.profile import Profile
from crossover.records.record import Failure, FailureKind, Measurement, Memory, Record
from crossover.records.run import Run
from crossover.records.settings import Device
from crossover.records.staleness import Staleness
from crossover.records.texts import DocumentLikelihood

EXPECTED = {
    InfeasibleError: FailureKind.infeasible,
    BrokenProtocolError: FailureKind.invalid,
    DisturbedError: FailureKind.disturbed,
    UserError: FailureKind.error,
}
"""Errors whose text is the reason that the record keeps, with the kind of failure that each is."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Taken:
    """The timed generations, the engine that they ran on, and what the run asks for beside them."""

    measured: Measured
    ran: Ran
    profile: Profile | None
    staleness: Staleness | None


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """How a run ended, the engine that it ran on, and its estimate; None for what it did not reach."""

    result: Measurement | Failure
    ran: Ran | None = None
    estimate: Estimate | None = None


def execute(run: Run, *, sweep: str, models: ModelCache, report: Report, config: str | None = None) -> Record:
    """Measure `run`, or record why it could not be measured. `models` keeps a model for the next run.

    `config` is the configuration as composed, for the record.
    """
    started = datetime.now(UTC)
    set_threads(run)
    outcome = _attempt(run, models, report)
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
        fingerprint=fingerprint(run.model, config),
        prediction=None if outcome.estimate is None else outcome.estimate.prediction,
    )


def measure_run(run: Run, models: ModelCache, report: Report, estimate: Estimate | None) -> _Outcome:
    """The steps of a run: load, prepare and time, check, read the tokens back, score them, score the model."""
    report(Stage.loading, 0, 1)
    loaded = models.get(run)
    if run.length > loaded.model.context:
        raise InfeasibleError(f"length={run.length} is more than the checkpoint's context of {loaded.model.context}")
    decoded = max(run.prompts.count, run.batch)
    prompts = prompts_of(run, loaded, decoded)
    taken = _measure(run, loaded, prompts[:decoded], estimate, report)
    measured, ran = taken.measured, taken.ran
    rows = [batch_rows(decoded, run.batch, sample) for sample in range(len(measured.samples))]
    check_equal_work(run, measured, rows, prompts, loaded.model.mask_id)
    labelled, watched = judge([timed.conditions for timed in measured.samples], run.device, strict=run.strict)
    ends = frozenset() if loaded.tokenizer is None else end_ids(loaded.tokenizer)
    generated = read_back(prompts[: run.prompts.count], rows, measured.samples, loaded.tokenizer, ends)
    human = () if loaded.tokenizer is None else true_continuations(prompts[: run.prompts.count])
    quality = score_by_each(
        Texts(generated=generated, human=human, ends=ends), run.judge, run.encoder, run.device, report
    )
    latencies_s = [timed.timing.latency_s for timed in measured.samples]
    measurement = Measurement(
        samples=samples_of(run, measured.samples, rows, labelled, ends),
        warmup_s=measured.warmup_s,
        memory=_memory(loaded.model, measured),
        forward_passes=median_low(timed.generation.forward_passes for timed in measured.samples),
        generated=generated,
        scores=graded(quality.scores, generated, prompts),
        judged_until_end=True,
        human=quality.human,
        quality_failure=quality.failure,
        likelihood=_likelihood(run, loaded, ran, prompts, report),
        preparing_s=ran.preparing_s,
        fallback=ran.fallback,
        stopped_by=measured.stopped_by,
        interval_share=interval_share(latencies_s),
        warmup_too_short=first_is_outlier(seconds_per_pass(measured.samples)),
        prompts_digest=prompts_digest(prompts[:decoded]),
        watched=watched,
        limits=limits(run, estimate, median(latencies_s), typical(measured.samples).generation.forwards),
        profile=taken.profile,
        staleness=taken.staleness,
    )
    return _Outcome(result=measurement, ran=ran, estimate=estimate)


def _measure(run: Run, loaded: LoadedModel, prompts: list[Prompt], estimate: Estimate | None, report: Report) -> _Taken:
    """Prepare a decoder, time it, and profile it if the run asks for that.

    The decoder ends with this function, so that the judges can use its memory on the device.
    """

    def batch_of(sample: int) -> Batch:
        return batch_of_rows(run, prompts, batch_rows(len(prompts), run.batch, sample), loaded.model.device)

    report(Stage.preparing, 0, 1)
    give_back_memory()
    ready, instruments = ready_decoder(run, loaded.factory, batch_of(0)), _instruments(run)
    if ready.ran.fallback:
        log.warning("%s: %s", run.name, ready.ran.fallback)
    measured = measure(
        ready.decoder,
        batch_of,
        run.output_tokens,
        instruments=instruments,
        rule=Rule(least=run.samples, stopping=run.stopping),
        warmup=run.warmup,
        report=report,
    )
    profile = None
    if run.profile:
        report(Stage.profile, 0, 1)
        ran = replace(run, engine=ready.ran.engine)  # after a fallback the cache is another engine's
        subject = Subject(
            decoder=ready.decoder, model=loaded.model, batch=batch_of(0), run=ran, clock=instruments.clock
        )
        gpu = current_gpu() if run.device is Device.cuda else None
        profile = profiled(subject, None if estimate is None else estimate.shape, gpu)
    staleness = None
    if run.staleness:
        report(Stage.staleness, 0, 1)
        staleness = _staleness(run, loaded, ready, batch_of(0))
    return _Taken(measured=measured, ran=ready.ran, profile=profile, staleness=staleness)


def _staleness(run: Run, loaded: LoadedModel, ready: Ready, batch: Batch) -> Staleness:
    """By the engine that ran, which is another than the run's after a fallback."""
    assert isinstance(ready.decoder, MaskedDiffusionDecoder | BlockDiffusionDecoder)
    whole = loaded.factory.canvas(ready.ran.engine, loaded.factory.kernel(run.attention))
    return measure_staleness(ready.decoder, whole, batch, run.output_tokens)


def _instruments(run: Run) -> Instruments:
    on_gpu = run.device is Device.cuda
    return Instruments(
        clock=CudaClock() if on_gpu else HostClock(),
        peaks=cuda_peaks if on_gpu else host_peaks,
        watch=watch(on_gpu=on_gpu),
        complete=completing(run),
        settle_s=run.settle_s,
    )


def _check(run: Run) -> None:
    """Refuse a run that cannot succeed, before anything is loaded.

    Raises:
        InfeasibleError: when no machine can run it.
        UserError: when this machine is not the one that the run demands.
    """
    if run.infeasible:
        raise InfeasibleError(run.infeasible)
    if run.model.content is not None:
        require_contents(run)
    if run.gpu is not None:
        require_device(run.device)
        require_gpu(run.gpu)
    if run.strict and run.device is Device.cuda:
        require_device(run.device)
        require_watched()


def _attempt(run: Run, models: ModelCache, report: Report) -> _Outcome:
    estimate = None
    try:
        _check(run)
        estimate = estimate_run(run)
        return measure_run(run, models, report, estimate)
    except tuple(EXPECTED) as error:
        kind = next(kind for known, kind in EXPECTED.items() if isinstance(error, known))
        failure = Failure(kind=kind, message=str(error))
    except Stopped as stop:
        failure = Failure(kind=stop.kind, message=str(stop))
    except KeyboardInterrupt:
        failure = Failure(kind=FailureKind.interrupted, message="interrupted from the keyboard")
    except Exception as error:  # any error belongs in the record, and the sweep goes on
        log.exception("%s failed", run.name)
        kind = FailureKind.out_of_memory if is_out_of_memory(error) else FailureKind.error
        failure = Failure(kind=kind, message=f"{type(error).__name__}: {error}")
    return _Outcome(result=failure, estimate=estimate)


def _environment(run: Run, ran: Ran | None) -> Environment | None:
    """The facts of this machine; None when a broken device does not answer."""
    engine, attention = (run.engine, run.attention) if ran is None else (ran.engine, ran.attention)
    try:
        on_gpu = run.device is Device.cuda and torch.cuda.is_available()
        return probe(engine=engine, attention=attention, on_gpu=on_gpu)
    except RuntimeError:
        log.exception("the environment could not be read")
        return None


def _memory(model: LanguageModel, measured: Measured) -> Memory:
    return Memory(
        weights_bytes=model.weights_bytes,
        max_reserved_bytes=measured.peaks.reserved_bytes,
        max_allocated_bytes=measured.peaks.allocated_bytes,
        max_resident_bytes=measured.peaks.resident_bytes,
    )


def _likelihood(
    run: Run, loaded: LoadedModel, ran: Ran, prompts: list[Prompt], report: Report
) -> tuple[DocumentLikelihood, ...]:
    if run.likelihood is None:
        return ()
    documents = prompts[: run.likelihood.documents]
    bounds = likelihoods(loaded.model, documents, run.likelihood, run.diffusion, run.seed, report)
    return with_sampler(bounds, run, loaded.factory, ran.engine, documents, report)
