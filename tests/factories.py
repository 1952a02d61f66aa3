"""Valid runs and records for tests to vary."""

import json
from dataclasses import replace
from typing import Any

from crossover.records.machine import Environment
from crossover.records.profile import KernelTime, MemoryPoint, Profile
from crossover.records.record import Failure, FailureKind, Measurement, Memory, Record, Sample
from crossover.records.run import Run
from crossover.records.settings import Device, Diffusion, Family, Judge, Model, Precision, Prompts, Remasking
from crossover.records.texts import DocumentLikelihood, Generated, Score

CONTEXT = 64
STARTED = "2026-03-01T12:00:00+00:00"
FINISHED = "2026-03-01T12:00:30+00:00"

MIB = 2**20
MEMORY_ALONG = (
    MemoryPoint(at_s=0.0, reserved_bytes=9 * MIB, weights_bytes=5 * MIB, cache_bytes=0, rest_bytes=MIB),
    MemoryPoint(at_s=0.4, reserved_bytes=9 * MIB, weights_bytes=5 * MIB, cache_bytes=2 * MIB, rest_bytes=MIB),
)
"""Memory at the beginning and at the end of a profiled generation."""

EVIL_NAME = "[/b] :smile: [red]small[/red]\\ \x1b[2J"
"""A name that rich takes for markup and emoji codes, and a terminal for a command."""


def from_json(text: str) -> Record:
    """The record that `to_json` wrote."""
    return Record.from_data(json.loads(text))


def a_diffusion(**changes: Any) -> Diffusion:
    settings = Diffusion(steps=4, block_length=8, remasking=Remasking.low_confidence, guidance_scale=0.0)
    return replace(settings, **changes)


def a_run(**changes: Any) -> Run:
    """A diffusion run: 2 rows of 8 prompt and 8 output tokens."""
    run = Run(
        model=Model(name="small", family=Family.diffusion, checkpoint="./small", revision=None, context=CONTEXT),
        diffusion=a_diffusion(),
        batch=2,
        length=16,
        prompt_fraction=0.5,
        temperature=0.0,
        seed=0,
        warmup=1,
        repeats=2,
        device=Device.cpu,
        precision=Precision.float32,
        prompts=Prompts(source="./prompts.jsonl", count=2),
        judge=Judge(checkpoint="./judge", revision=None, precision=Precision.float32),
    )
    return replace(run, **changes)


def without_contents(run: Run) -> Run:
    """The run as a command line describes it, before the files that it names were read."""
    return replace(
        run,
        model=replace(run.model, content=None),
        prompts=replace(run.prompts, content=None, template=None),
        judge=run.judge and replace(run.judge, content=None),
        encoder=run.encoder and replace(run.encoder, content=None),
    )


def an_autoregressive_run(**changes: Any) -> Run:
    """The same run of an autoregressive model."""
    model = Model(name="causal", family=Family.autoregressive, checkpoint="./causal", revision=None, context=CONTEXT)
    return a_run(**{"model": model, "diffusion": None} | changes)


def a_sample(**changes: Any) -> Sample:
    sample = Sample(
        latency_s=2.0,
        host_latency_s=2.5,
        prefill_s=None,
        step_s=(0.5, 0.5, 0.5, 0.5),
        prompts=(0, 1),
        valid_tokens=(8, 6),
    )
    return replace(sample, **changes)


def a_score(**changes: Any) -> Score:
    score = Score(prompt_id="a", nll_nats=16.0, judge_tokens=8, entropy_nats=1.5, distinct_2=0.75, repetition_4=0.25)
    return replace(score, **changes)


def a_document(**changes: Any) -> DocumentLikelihood:
    document = DocumentLikelihood(
        prompt_id="a", text_bytes=10, nats=20.0, nats_se=3.0, k_step_nats=24.0, k_step_nats_se=4.0
    )
    return replace(document, **changes)


def a_measurement(**changes: Any) -> Measurement:
    measurement = Measurement(
        samples=(a_sample(), a_sample(latency_s=4.0)),
        warmup_s=(9.0,),
        memory=Memory(
            weights_bytes=1000, max_reserved_bytes=None, max_allocated_bytes=None, max_resident_bytes=3 * MIB
        ),
        forward_passes=4,
        generated=(
            Generated(prompt_id="a", prompt="Él dijo", continuation="nada", reference="algo", tokens=(2, 3)),
            Generated(prompt_id="b", prompt="She said", continuation="no", reference="yes", tokens=(4, 4)),
        ),
        scores=(a_score(), a_score(prompt_id="b")),
    )
    return replace(measurement, **changes)


def a_profile(**changes: Any) -> Profile:
    """Three quarters of the time in products of matrices, one in attention."""
    kinds = (KernelTime(kind="matrix", seconds=0.3, calls=3), KernelTime(kind="attention", seconds=0.1, calls=1))
    return replace(Profile(latency_s=0.4, kinds=kinds), **changes)


def an_environment() -> Environment:
    return Environment(
        host="node",
        system="Linux",
        cpu="a CPU",
        cpu_threads=2,
        memory_bytes=2**33,
        gpu=None,
        gpu_uuid=None,
        gpu_memory_bytes=None,
        driver=None,
        python="3.11.0",
        torch="2.9.0",
        cuda=None,
        transformers="5.10.0",
        crossover="0.1.0",
        commit=None,
        engine="eager",
        attention="sdpa",
    )


def a_record(run: Run | None = None, **changes: Any) -> Record:
    """The record of a run that was measured. What is given is not made first: tests of many records take seconds."""
    run = run or a_run()
    fields: dict[str, Any] = {
        "name": run.name,
        "sweep": "sweep-1",
        "started_at": STARTED,
        "finished_at": FINISHED,
        "run": run,
        "environment": an_environment(),
        "failure": None,
    }
    fields |= {} if "key" in changes else {"key": run.key}
    fields |= {} if "measurement" in changes else {"measurement": a_measurement()}
    return Record(**(fields | changes))


def a_failed_record(
    run: Run | None = None, kind: FailureKind = FailureKind.out_of_memory, message: str = "too much", **changes: Any
) -> Record:
    return a_record(run, measurement=None, failure=Failure(kind=kind, message=message), **changes)
