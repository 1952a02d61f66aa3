"""How long a report of 10,000 records takes, and how much memory: `python -m tests.benchmarks.report_size`.

The records are made up, in the size of real ones: 32 prompts with 64 output tokens each, 8 to 32 samples with 64
step times each. They differ in steps, batch, length and seed, so every seed is compared by itself. A few files among
them are no records.
"""

import contextlib
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from itertools import count, islice, product
from pathlib import Path

import psutil

from crossover.records.record import Measurement, Memory, Record, Sample
from crossover.records.run import Run
from crossover.records.settings import Device, Diffusion, Family, Judge, Model, Precision, Prompts, Remasking
from crossover.records.texts import Generated, Score
from tests.factories import an_environment

RECORDS = 10_000
SAMPLE_S = 0.1
BROKEN = 10
PROMPTS = 32
OUTPUT = 64
STEPS = (4, 8, 16, 32, 48, 64)
BATCHES = (1, 4, 8, 16, 32, 64)
LENGTHS = (128, 512, 1024, 2048)
LETTERS = "etaoin shrdlu cmfwyp "


def main() -> None:
    """Write the records, report on them in a process of its own, print what that took."""
    with tempfile.TemporaryDirectory() as folder:
        outputs = Path(folder) / "outputs"
        size = write(outputs / "records", RECORDS)
        command = [sys.executable, "-m", "analysis", "report", str(outputs), "--output", str(Path(folder) / "report")]
        before = time.perf_counter()
        done, peak = _watched(command, Path(folder) / "stderr.txt")
        took = time.perf_counter() - before
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        page = Path(folder) / "report" / "report.html"
        print(f"python {platform.python_version()}, matplotlib {version('matplotlib')}, numpy {version('numpy')}")
        print(f"{len(os.sched_getaffinity(0))} CPU cores")
        print(f"{RECORDS:,} records and {BROKEN} files that are none, {size / 2**20:,.0f} MiB")
        print(f"loaded, analysed and reported in {took:.1f} s ({usage.ru_utime + usage.ru_stime:.1f} s of CPU time)")
        print(f"peak memory of all its processes together {peak / 2**20:,.0f} MiB, sampled every {SAMPLE_S} s")
        print(f"page: {page.stat().st_size / 2**20:.1f} MiB" if page.exists() else "no page was written")
        print(
            f"{(Path(folder) / 'stderr.txt').read_text().count('left out')} lines name what was left out, status {done}"
        )
    sys.exit(done)


def _watched(command: list[str], errors: Path) -> tuple[int, int]:
    """Run a command: its status, and the largest sum of resident bytes of it and its children."""
    peak = 0
    with errors.open("w") as stderr, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr) as started:
        while started.poll() is None:
            peak = max(peak, _resident(psutil.Process(started.pid)))
            time.sleep(SAMPLE_S)
    return started.returncode, peak


def _resident(parent: psutil.Process) -> int:
    """Bytes, shared pages counted once for each process."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in (parent, *parent.children(recursive=True)):
            total += process.memory_info().rss
    return total


def write(folder: Path, number: int) -> int:
    """Write `number` records; their size in bytes."""
    folder.mkdir(parents=True)
    for index in range(BROKEN):
        (folder / f"broken-{index}.json").write_text('{"schema": 1, "key":', encoding="utf-8")
    return sum(
        (folder / f"{record.key}-{index}.json").write_text(record.to_json(), encoding="utf-8")
        for index, record in enumerate(make_records(number))
    )


def make_records(number: int) -> Iterator[Record]:
    """Made-up records, each of a run of its own."""
    source = random.Random(0)
    texts = tuple(_text(source, index) for index in range(PROMPTS))
    environment = an_environment()
    for index, run in enumerate(islice(_runs(), number)):
        stamp = f"2026-03-01T{index // 3600:02d}:{index // 60 % 60:02d}:{index % 60:02d}+00:00"
        yield Record(
            key=run.key,
            name=run.name,
            sweep="size",
            started_at=stamp,
            finished_at=stamp,
            run=run,
            environment=environment,
            measurement=_measurement(source, run, texts),
            failure=None,
        )


def _runs() -> Iterator[Run]:
    for seed, (batch, length) in ((seed, index) for seed in count() for index in product(BATCHES, LENGTHS)):
        base = Run(
            model=Model(name="ar", family=Family.autoregressive, checkpoint="./ar", revision=None, context=4096),
            diffusion=None,
            batch=batch,
            length=length,
            prompt_fraction=1 - OUTPUT / length,
            temperature=1.0,
            seed=seed,
            warmup=1,
            repeats=8,
            device=Device.cpu,
            precision=Precision.float32,
            prompts=Prompts(source="./prompts.jsonl", count=PROMPTS),
            judge=Judge(checkpoint="./judge", revision=None, precision=Precision.float32),
        )
        yield base
        model = Model(name="dlm", family=Family.diffusion, checkpoint="./dlm", revision=None, context=4096)
        for steps in STEPS:
            settings = Diffusion(
                steps=steps, block_length=OUTPUT, remasking=Remasking.low_confidence, guidance_scale=0.0
            )
            yield replace(base, model=model, diffusion=settings)


def _measurement(source: random.Random, run: Run, generated: tuple[Generated, ...]) -> Measurement:
    """Perplexity falls with K and meets the baseline's near K=32; time grows with K, B and N."""
    diffuses = run.diffusion is not None
    steps = run.diffusion.steps if run.diffusion else OUTPUT
    mean_nll = 2.9 + 3.0 / steps if diffuses else 3.0
    each_s = 1e-3 * (1 + run.batch * run.length / 2e4) * (1.5 if diffuses else 1.0)
    samples = tuple(_sample(source, run, each_s, steps) for _ in range(source.randint(8, 32)))
    return Measurement(
        samples=samples,
        warmup_s=(each_s * steps,),
        memory=Memory(
            weights_bytes=10**9,
            max_reserved_bytes=None,
            max_allocated_bytes=None,
            max_resident_bytes=10**9 + 10**4 * run.batch * run.length,
        ),
        forward_passes=steps,
        generated=generated,
        scores=tuple(_score(source, text.prompt_id, mean_nll) for text in generated),
    )


def _sample(source: random.Random, run: Run, each_s: float, steps: int) -> Sample:
    times = tuple(each_s * source.lognormvariate(0, 0.05) for _ in range(OUTPUT))
    latency = sum(times) * steps / OUTPUT
    prompts = tuple(index % PROMPTS for index in range(run.batch))
    return Sample(
        latency_s=latency,
        host_latency_s=latency,
        prefill_s=None if run.diffusion else each_s,
        step_s=times,
        prompts=prompts,
        valid_tokens=(OUTPUT,) * run.batch,
    )


def _score(source: random.Random, prompt_id: str, mean_nll: float) -> Score:
    return Score(
        prompt_id=prompt_id,
        nll_nats=OUTPUT * source.gauss(mean_nll, 0.2),
        judge_tokens=OUTPUT,
        entropy_nats=source.gauss(3.4, 0.1),
        distinct_2=source.uniform(0.8, 1),
        repetition_4=source.uniform(0, 0.2),
    )


def _text(source: random.Random, index: int) -> Generated:
    prompt, continuation, reference = ("".join(source.choices(LETTERS, k=5 * OUTPUT)) for _ in range(3))
    return Generated(
        prompt_id=f"text-{index}",
        prompt=prompt,
        continuation=continuation,
        reference=reference,
        tokens=tuple(source.choices(range(2000), k=OUTPUT)),
    )


if __name__ == "__main__":
    main()
