"""One of the processes of `tests.benchmarks.neighbours`: measures a point on its GPU whenever it is told to.

Each line that it reads names a point of its list. It makes generations that no clock sees, one at least and for as many
seconds as it was told, so that the card's clock and power are those of this work and its neighbours have begun; then a
timed one, and prints that as a line of JSON.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

from benchmark.config.convert import config_of, to_run
from benchmark.decoders.factory import ready_decoder
from benchmark.decoders.interface import Batch, Decoder, Unmarked
from benchmark.execution.model_cache import ModelCache
from benchmark.execution.threads import set_threads
from benchmark.hardware.clock import Clock, CudaClock, HostClock
from benchmark.hardware.environment import gpu_count, gpu_facts, watch
from benchmark.hardware.gpu_lock import occupy
from benchmark.measurement.measure import time_once
from crossover.records.run import Run
from crossover.records.settings import Device
from tests.benchmarks.random_batch import random_batch

COMMON = ("weights=random", "judge=none", "tracking=none")


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A point that can be measured at once."""

    run: Run
    decoder: Decoder
    batch: Batch
    clock: Clock

    def measure(self, lead_in_s: float) -> dict[str, Any]:
        """Generations that no clock sees, then the latency of another and the state of the machine around it."""
        output_tokens, end_s = self.run.output_tokens, time.monotonic() + lead_in_s
        while True:
            self.decoder.decode(self.batch, output_tokens, Unmarked())
            self.clock.synchronize()
            if time.monotonic() >= end_s:
                break
        with watch(on_gpu=self.run.device is Device.cuda)() as seen:
            timed = time_once(self.decoder, self.batch, output_tokens, self.clock)
        return {"latency_s": timed.timing.latency_s, **asdict(seen.conditions)}


def ready(overrides: str) -> Ready:
    """The point that a command line describes, compiled and warm. Its model stays in memory beside others."""
    run = to_run(config_of([*overrides.split(), *COMMON]), gpu_count)
    set_threads(run)
    loaded = ModelCache().get(run)
    batch = random_batch(run, loaded)
    decoder = ready_decoder(run, loaded.factory, batch).decoder
    clock = CudaClock() if run.device is Device.cuda else HostClock()
    point = Ready(run=run, decoder=decoder, batch=batch, clock=clock)
    point.measure(0.0)
    return point


def main() -> None:
    """Say which GPU this is once all points are ready; then answer each line with a measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("points", nargs="+", help="overrides of each point, as one word")
    parser.add_argument("--lead-in", type=float, required=True, help="seconds before a timed generation")
    options = parser.parse_args()
    points = [ready(overrides) for overrides in options.points]
    on_gpu = points[0].run.device is Device.cuda
    if on_gpu:
        occupy(lambda line: print(line, file=sys.stderr, flush=True))
    _answer({"gpu": asdict(gpu_facts()) if on_gpu else None, "names": [point.run.name for point in points]})
    for line in sys.stdin:
        _answer(points[int(line)].measure(options.lead_in))


def _answer(values: dict[str, Any]) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main()
