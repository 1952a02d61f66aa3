"""What the map of break-even is composed from, as records: `python -m tests.benchmarks.map.cells --output FOLDER`.

One process measures, with random weights: forward passes over whole canvases up to 8,192 tokens, since larger batches
are computed in parts of that size; a block of 32 tokens against kept keys and values; and continuations of which a
share of the tokens is timed. Beside them whole generations are measured, with which composed latencies are compared
(`tests.benchmarks.map.composition`), and the energy of some. Each point is the run that a command line describes, goes
through the pipeline of `python -m benchmark`, and is on disk as a record before the next begins, so that a cut loses
nothing; what the folder has already is not measured again. Points come in the order of their worth, and neighbours
share a loaded model. With `--replicate R` each process measures all of them again, which gives every cell an interval;
with `--whole-last` the map's points come before all whole generations. `--tiny` measures the tiny pair on a CPU.
"""

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from benchmark.config.convert import config_of, to_run
from benchmark.decoders.factory import ready_decoder
from benchmark.decoders.interface import Unmarked
from benchmark.execution.model_cache import ModelCache
from benchmark.execution.pipeline import execute
from benchmark.hardware.clock import CudaClock
from benchmark.hardware.environment import current_gpu, gpu_count
from benchmark.measurement.kernel_times import Subject
from benchmark.measurement.profiling import energy
from benchmark.models.checkpoint import ASSETS, read_config
from benchmark.store.journal import Journal
from benchmark.util.progress import Stage
from crossover.records.profile import Energy, Profile
from crossover.records.record import Record, replicate_key
from crossover.records.run import Run
from tests.benchmarks.map.points import LARGE, TINY, Grid, Point
from tests.benchmarks.random_batch import random_batch

COMPILE_S = 45.0
"""The most that filling the compiler's caches may take."""
LAYERS = 2
ENERGY_S = 2.5
"""Seconds that one point's energy is counted for."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the points, as many as the time allows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="output folder of the records")
    parser.add_argument("--seconds", type=float, default=380, help="begin nothing more after so long")
    parser.add_argument("--replicate", type=int, help="of several processes, the number of this one, from 0")
    parser.add_argument("--whole-last", action="store_true", help="whole generations after all other points")
    parser.add_argument("--first", type=int, help="of the points, the first so many alone")
    parser.add_argument("--without-energy", action="store_true", help="count no energy")
    parser.add_argument("--tiny", action="store_true", help="the tiny pair on a CPU, eager")
    parser.add_argument(
        "--compile",
        type=int,
        metavar="PROCESSES",
        default=0,
        help="fill the compiler's caches first, in so many processes",
    )
    parser.add_argument("--part", type=int, help="only compile what process PART of --compile has to")
    options = parser.parse_args(arguments)
    points = chosen(TINY if options.tiny else LARGE, whole_last=options.whole_last)[: options.first]
    if options.without_energy:
        points = [replace(point, energy=False) for point in points]
    same = ["--whole-last"] * options.whole_last + ["--tiny"] * options.tiny
    same += [f"--first={options.first}"] * (options.first is not None)
    start = time.monotonic()
    if options.part is not None:
        compile_some(points, options.part, options.compile)
        return
    if options.compile:
        compile_all(options.compile, options.output, same)
    gc.collect()
    gc.freeze()  # each point collects garbage several times, and what was imported is none
    measure_all(points, options.output, start + options.seconds, options.replicate)
    print(f"all of it took {time.monotonic() - start:.0f} s", flush=True)


def chosen(grid: Grid, *, whole_last: bool = False) -> list[Point]:
    """The points of a process, each once; of whole generations at the end those come first whose energy is counted."""
    points = list(dict.fromkeys(grid.points()))
    return sorted(points, key=lambda each: (each.is_whole, not each.energy)) if whole_last else points


def compile_all(processes: int, output: Path, others: Sequence[str]) -> None:
    """Let processes compile all shapes at once, for a model of few layers: what is compiled are parts of a layer."""
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.map.cells",
        f"--output={output}",
        f"--compile={processes}",
        *others,
    ]
    started = [subprocess.Popen([*command, f"--part={part}"]) for part in range(processes)]
    end_s = time.monotonic() + COMPILE_S
    for process in started:
        try:
            process.wait(timeout=max(0.1, end_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def compile_some(points: Sequence[Point], part: int, parts: int) -> None:
    """Compile every so many-th shape: prepare its decoder, and generate once, without a clock."""
    begun, mine = time.monotonic(), list(distinct_shapes(points))[part::parts]
    models = ModelCache()
    with tempfile.TemporaryDirectory() as folder:
        for point in sorted(mine, key=lambda each: each.overrides):  # of one model one after another
            run = with_few_layers(run_of(point.overrides), Path(folder))
            loaded = models.get(run)
            batch = random_batch(run, loaded)
            ready_decoder(run, loaded.factory, batch).decoder.decode(batch, run.output_tokens, Unmarked())
    print(f"compiled {len(mine)} shapes in {time.monotonic() - begun:.0f} s", flush=True)


def distinct_shapes(points: Iterable[Point]) -> Iterator[Point]:
    """A point of each shape; how many steps it takes and what of it is timed compiles nothing more."""
    seen = set()
    for point in points:
        names = ("steps=", "timing", "warmup=", "repeats=")
        shape = tuple(each for each in point.overrides if not each.startswith(names))
        if shape not in seen:
            seen.add(shape)
            yield point


def with_few_layers(run: Run, folder: Path) -> Run:
    """The run of a model that has `LAYERS` layers of the same size."""
    name = (run.model.architecture or run.model.checkpoint).removeprefix("builtin:")
    config = read_config(ASSETS / name)
    config["n_layers" if "n_layers" in config else "num_hidden_layers"] = LAYERS
    shallow = folder / Path(name).name
    shallow.mkdir(exist_ok=True)
    (shallow / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return replace(run, model=replace(run.model, architecture=str(shallow)))


def measure_all(points: Iterable[Point], output: Path, end_s: float, replicate: int | None = None) -> None:
    """One point after another, as long as there is time; each record is written before the next point begins."""
    journal, models = Journal(output_dir=output), ModelCache()
    journal.prepare()
    for point in points:
        if time.monotonic() > end_s:
            print(f"left out: {' '.join(point.overrides)}", flush=True)
            continue
        begun = time.monotonic()
        run = run_of(point.overrides)
        if _is_there(journal, replicate_key(run.key, replicate)):
            print(f"there already: {run.name}", flush=True)
            continue
        record = execute(run, sweep="map", models=models, report=_ignore, config=json.dumps(point.overrides))
        if point.energy and record.measurement is not None:
            record = with_energy(record, models)
        journal.write(replace(record, replicate=replicate))
        print(f"{say(record)} ({time.monotonic() - begun:.1f} s in all)", flush=True)


def _is_there(journal: Journal, key: str) -> bool:
    """Whether the folder has a record of this replicate; the names of further ones begin alike."""
    names = [name.removeprefix(f"{key}-") for name in journal.all_files() if name.startswith(f"{key}-")]
    return any(name[0].isdigit() for name in names)


def run_of(overrides: Sequence[str]) -> Run:
    """The run that a command line describes; prompts are as many as the batch has rows."""
    config = config_of([*overrides, "weights=random", "tracking=none", "judge=none"])
    return to_run(config, gpu_count)


def say(record: Record) -> str:
    """A line on a record."""
    if record.measurement is None:
        assert record.failure is not None
        return f"{record.name}: {record.failure.kind}: {record.failure.message[:200]}"
    measured = record.measurement
    latencies = " ".join(f"{sample.latency_s:.4f}" for sample in measured.samples)
    joules = ""
    if measured.profile is not None and measured.profile.energy is not None:
        energy = measured.profile.energy
        joules = f"; {energy.joules / energy.generations:.1f} J a generation of {energy.generations}"
    verdict = "" if measured.watched is None else f"; {measured.watched.verdict}"
    return f"{record.name}: {latencies} s, prepared in {measured.preparing_s or 0:.1f} s{joules}{verdict}"


def with_energy(record: Record, models: ModelCache) -> Record:
    """The record with the energy of further generations, by the GPU's own counter."""
    assert record.measurement is not None
    energy = _energy(record.run, models)
    latency_s = record.measurement.samples[0].latency_s
    profile = None if energy is None else Profile(latency_s=latency_s, kinds=(), energy=energy)
    return replace(record, measurement=replace(record.measurement, profile=profile))


def _energy(run: Run, models: ModelCache) -> Energy | None:
    gpu = current_gpu()
    if gpu is None:
        return None
    loaded = models.get(run)
    batch = random_batch(run, loaded)
    ready = ready_decoder(run, loaded.factory, batch)
    subject = Subject(decoder=ready.decoder, model=loaded.model, batch=batch, run=run, clock=CudaClock())
    return energy(subject, gpu.energy_j, least_s=ENERGY_S)


def _ignore(_stage: Stage, _done: int, _total: int) -> None:
    """Nobody watches."""


if __name__ == "__main__":
    main()
