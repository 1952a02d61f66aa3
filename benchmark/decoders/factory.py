"""From a run to a decoder that is ready: made, compiled, captured; or made plainly where that is not possible."""

from dataclasses import dataclass, replace

from benchmark.decoders.autoregressive import AutoregressiveDecoder
from benchmark.decoders.diffusion import MaskedDiffusionDecoder
from benchmark.decoders.interface import Batch, Decoder, PreparableDecoder
from benchmark.decoders.published import PublishedAutoregressiveDecoder, PublishedDiffusionDecoder
from benchmark.engines.attention import Kernel
from benchmark.engines.compiled import CompileError
from benchmark.engines.factory import Workshop
from benchmark.engines.hub import use_kernel
from records.run import Run
from records.settings import Engine


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a decoder really runs on.

    Attributes:
        attention: name of the attention kernel.
        fallback: why the engine is not the one that was asked for; None when it is.
        preparing_s: seconds that compiling and capturing took, once for this shape; 0 where nothing is compiled.
    """

    engine: Engine
    attention: str
    fallback: str | None
    preparing_s: float


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A decoder that is prepared, and what it runs on."""

    decoder: Decoder
    ran: Ran


def ready_decoder(run: Run, workshop: Workshop, batch: Batch) -> Ready:
    """The run's decoder, prepared for batches like `batch`.

    Raises:
        UserError: when the attention kernel cannot run here.
    """
    kernel = workshop.kernel(run.attention)
    try:
        return _prepared(run, workshop, kernel, batch, None)
    except CompileError as error:
        reason = f"engine={run.engine} is not possible here ({error}): this is engine={Engine.eager}"
        return _prepared(replace(run, engine=Engine.eager), workshop, kernel, batch, reason)


def _prepared(run: Run, workshop: Workshop, kernel: Kernel, batch: Batch, fallback: str | None) -> Ready:
    decoder = make_decoder(run, workshop, kernel)
    preparing_s = decoder.prepare(batch, run.output_tokens)
    ran = Ran(engine=run.engine, attention=kernel.name, fallback=fallback, preparing_s=preparing_s)
    return Ready(decoder=decoder, ran=ran)


def make_decoder(run: Run, workshop: Workshop, kernel: Kernel) -> PreparableDecoder:
    """The decoder of the run's family and engine. A new one is a file, a row here and a YAML."""
    if run.engine is Engine.published:
        use_kernel(workshop.model.llama.model, kernel)
        return _published(run, workshop, kernel)
    head = workshop.head(run.engine, run.temperature)
    if run.diffusion is None:
        return AutoregressiveDecoder(passes=workshop.causal(run.engine, kernel, head))
    assert workshop.model.mask_id is not None
    return MaskedDiffusionDecoder(
        passes=workshop.canvas(run.engine, kernel),
        head=head,
        mask_id=workshop.model.mask_id,
        steps=run.diffusion.steps,
        block_length=run.diffusion.block_length,
        remasking=run.diffusion.remasking,
        guidance_scale=run.diffusion.guidance_scale,
    )


def _published(run: Run, workshop: Workshop, kernel: Kernel) -> PreparableDecoder:
    model, mask_id = workshop.model.llama, workshop.model.mask_id
    if run.diffusion is None:
        return PublishedAutoregressiveDecoder(model=model, kernel=kernel, temperature=run.temperature, seed=run.seed)
    assert mask_id is not None
    return PublishedDiffusionDecoder(
        model=model,
        kernel=kernel,
        mask_id=mask_id,
        diffusion=run.diffusion,
        temperature=run.temperature,
        seed=run.seed,
    )
