"""A run's time and memory, predicted from its shape before it starts. Plain arithmetic; kept beside what is measured.

Time: each forward pass takes its floor on this device (see work.py) divided by the share of it that an engine reaches,
or the time that the host needs to launch its kernels, whichever is longer. Memory: see memory.py. Both leave out
quality and likelihood.
"""

from benchmark.decoders.plan import LONG_PASS_S, plan_of
from benchmark.roofline.memory import footprint
from benchmark.roofline.work import Ceilings, Shape, floor_s, passes
from crossover.records.record import Prediction
from crossover.records.run import Run
from crossover.records.settings import Device, Engine, Precision, Weights

PARAMETER_BYTES = {Precision.bfloat16: 2, Precision.float32: 4}

REACH = {Engine.published: 0.55, Engine.eager: 0.58, Engine.compiled: 0.79}
"""Share of the floor's speed, from an H100: 272, 260 and 189 ms a diffusion step at B=8 N=1024, whose floor is 150."""
LAUNCH_S = {Engine.published: 0.75e-3, Engine.eager: 0.75e-3, Engine.compiled: 0.0}
"""Host time of one layer on a GPU: 24 ms a token over 32 layers, whatever the batch; a CUDA graph needs none."""
CPU_REACH, CPU_LAUNCH_S = 0.5, 0.25e-3
"""The same on a CPU, where a layer of the tiny pair is mostly PyTorch's own overhead."""

LOAD_BYTES_PER_S = 1e9
COMPILE_S = 20.0
JOB_START_S = 30.0
"""Starting Python with its libraries on a cluster's node."""


def predict(run: Run, shape: Shape, ceilings: Ceilings, memory_bytes: int | None = None) -> Prediction:
    """Latency of one generation, and peak memory on a GPU of so many bytes; None on a CPU, see Footprint."""
    paced = run.diffusion is not None and run.diffusion.policy.is_self_paced
    return Prediction(
        latency_s=_latency_s(run, shape, ceilings),
        peak_bytes=footprint(run, shape).peak_bytes(memory_bytes),
        least_latency_s=_latency_s(run, shape, ceilings, fewest=True) if paced else None,
    )


def cost_s(
    run: Run, shape: Shape, prediction: Prediction, *, loads: bool, starts: bool, compiles: bool = True
) -> float:
    """Seconds of a whole run with its least number of samples.

    `loads` says that the run loads its model, since the last run had another; `starts` that it is a job of its own;
    `compiles` that no run of its shape came before it, whose kernels are kept on disk.
    """
    discarded = max(1, run.warmup)  # the last warm-up is the memory pass, which there is in any case
    generations = (discarded + run.samples) * made_share(run, prediction.latency_s)
    settling = 3 * run.samples * (run.settle_s or 0.0)
    loading = loading_s(run, shape) if loads else 0.0
    compiling = COMPILE_S if compiles and run.engine is Engine.compiled else 0.0
    return generations * prediction.latency_s + settling + loading + compiling + (JOB_START_S if starts else 0.0)


def loading_s(run: Run, shape: Shape) -> float:
    """Seconds in which a process loads a run's model; none for random weights."""
    return shape.weights_bytes / LOAD_BYTES_PER_S if run.weights is Weights.checkpoint else 0.0


def made_share(run: Run, latency_s: float) -> float:
    """The share of a generation's forward passes that is made: those that are timed, and one at each gap's end."""
    plan = plan_of(run)
    if plan is None:
        return 1.0
    is_long = latency_s / len(plan.forwards) >= LONG_PASS_S
    untimed = 0 if is_long else sum(index - 1 not in plan.timed for index in plan.timed)
    return min(1.0, (len(plan.timed) + untimed) / len(plan.forwards))


def _latency_s(run: Run, shape: Shape, ceilings: Ceilings, *, fewest: bool = False) -> float:
    on_cpu = run.device is Device.cpu
    reach = CPU_REACH if on_cpu else REACH[run.engine]
    launch_s = shape.layers * (CPU_LAUNCH_S if on_cpu else LAUNCH_S[run.engine])
    return sum(max(floor_s([work], ceilings) / reach, launch_s) for work in passes(run, shape, fewest=fewest))
