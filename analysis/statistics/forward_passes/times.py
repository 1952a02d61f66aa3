"""What each forward pass of a record computed, attended to and read, and how long it took."""

from collections.abc import Iterator, Sequence
from itertools import accumulate, chain

from analysis.statistics.forward_passes.composition import Forward
from crossover.records.forwards import Forwards, TimedForwards
from crossover.records.policies import Blocks
from crossover.records.record import Record, Sample
from crossover.records.run import Run
from crossover.records.settings import Diffusion, Remasking


def forward_times(record: Record) -> Iterator[tuple[Forward, float]]:
    """Each timed forward pass of each sample, prefill apart, with its seconds; none of guided runs: a step is two.

    Under a policy that follows the text, rows may have different numbers of open positions: read is what is open on
    average.
    """
    planned: Sequence[Forward] | None = None
    for sample in _samples(record):
        if sample.timed is None and sample.forwards is None:  # then all samples make the passes that the run plans
            planned = planned or forwards_of(record.run, sample)
            yield from zip(planned, sample.step_s, strict=False)
        else:
            yield from zip(forwards_of(record.run, sample), sample.step_s, strict=False)


def times_of_forwards(record: Record) -> Iterator[tuple[Forward, Sequence[float]]]:
    """The same, the times of a pass that all samples make together."""
    samples = _samples(record)
    plain = all(sample.timed is None and sample.forwards is None for sample in samples)
    if samples and plain and len({len(sample.step_s) for sample in samples}) == 1:
        times = zip(*(sample.step_s for sample in samples), strict=True)
        yield from zip(forwards_of(record.run, samples[0]), times, strict=False)
    else:
        yield from ((forward, (seconds,)) for forward, seconds in forward_times(record))


def prefill_times(record: Record) -> list[float]:
    """Seconds up to the first token of each sample; none of a diffusion run."""
    return [sample.prefill_s for sample in _samples(record) if sample.prefill_s is not None]


def forwards_of(run: Run, sample: Sample) -> Sequence[Forward]:
    """The forward passes of one sample that were timed, in order."""
    if sample.timed is not None:
        return _sampled(sample.timed)
    if run.diffusion is None:
        before = run.prompt_tokens
        return [Forward(1, before + step, 1) for step in range(1, run.output_tokens)]
    if run.diffusion.guidance_scale > 0:
        return []
    if sample.forwards is not None:
        return _counted(run, run.diffusion, sample.forwards)
    if run.diffusion.blocks is Blocks.sequence:  # an older record, which does not tell where each pass ended
        return []
    return [Forward(run.length, run.length, read) for read in _planned_reads(run.output_tokens, run.diffusion)]


def _samples(record: Record) -> Sequence[Sample]:
    return () if record.measurement is None else record.measurement.samples


def _sampled(timed: TimedForwards) -> list[Forward]:
    return [Forward(*each) for each in zip(timed.computed, timed.kept, timed.read, strict=True)]


def _counted(run: Run, diffusion: Diffusion, forwards: Forwards) -> list[Forward]:
    rows, block = run.batch, diffusion.block_length
    before = [0, *accumulate(forwards.written)]
    if diffusion.blocks is Blocks.sequence:
        passes = zip(forwards.computed, before, forwards.written, strict=False)
        if diffusion.is_begun_by_context:
            return [_begun(run, diffusion, each, done // rows, writes=writes > 0) for each, done, writes in passes]
        return [
            _in_sequence(run, block, computed, done // rows, writes=writes > 0) for computed, done, writes in passes
        ]
    reads = (block - (written // rows) % block for written in before)
    return [Forward(computed, run.length, read) for computed, read in zip(forwards.computed, reads, strict=False)]


def _begun(run: Run, diffusion: Diffusion, computed: int, written: int, *, writes: bool) -> Forward:
    """The same where the pass that keeps what is before a block writes the block's first token."""
    block = diffusion.block_length
    whole = run.prompt_tokens if diffusion.causal_context else run.prompt_tokens // block * block
    done = run.prompt_tokens - whole + written
    if not written and not writes:
        return Forward(computed, whole, 1)
    end = whole + -(-done // block) * block
    keeps = done % block == 0 or not writes
    return Forward(computed, end, 1 if keeps else diffusion.part_length - done % diffusion.part_length)


def _in_sequence(run: Run, block: int, computed: int, written: int, *, writes: bool) -> Forward:
    """A pass of a block-causal model after so many tokens a row; one that writes nothing keeps what is finished."""
    whole = run.prompt_tokens // block * block
    if not written and not writes:
        return Forward(computed, whole, 0)
    done = run.prompt_tokens - whole + written
    end = whole + -(-(done + writes) // block) * block
    return Forward(computed, end, block - done % block if writes else 0)


def _planned_reads(output_tokens: int, diffusion: Diffusion) -> Iterator[int]:
    """Positions read at each step of the published schedule: floor(b / S) written a step, one more in the first."""
    blocks, block = output_tokens // diffusion.block_length, diffusion.block_length
    if not 0 < blocks <= diffusion.steps:  # no run can be so
        return iter(())
    each, extra = divmod(block, diffusion.steps // blocks)
    writes = [each + (step < extra) for step in range(diffusion.steps // blocks)]
    masked = [block - written for written in [0, *accumulate(writes)][:-1]]
    reads = writes if diffusion.remasking is Remasking.random else masked
    return chain.from_iterable(
        [read for read, write in zip(reads, writes, strict=True) if write] for _ in range(blocks)
    )
