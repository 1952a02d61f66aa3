"""Make a run's decoder and prepare it: compiled and captured, or eager where that is not possible."""

from dataclasses import dataclass, replace

from benchmark.decoders.autoregressive import AutoregressiveDecoder
from benchmark.decoders.blocks.decoder import BlockDiffusionDecoder
from benchmark.decoders.diffusion import MaskedDiffusionDecoder
from benchmark.decoders.interface import Batch, Decoder
from benchmark.decoders.plan import plan_of
from benchmark.decoders.policies.dream.first_alone import FirstAlone
from benchmark.decoders.policies.factory import make_policy
from benchmark.decoders.policies.interface import Policy
from benchmark.decoders.published.factory import published_decoder
from benchmark.engines.attention import Kernel
from benchmark.engines.attention_adapter import use_kernel
from benchmark.engines.compiled.graphs import CompileError
from benchmark.engines.factory import PassFactory
from benchmark.engines.sampling.scores import DreamPick
from crossover.errors import UserError
from crossover.records.policies import DREAM, Blocks
from crossover.records.run import Run
from crossover.records.settings import Diffusion, Engine


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


def ready_decoder(run: Run, factory: PassFactory, batch: Batch) -> Ready:
    """The run's decoder, prepared for batches like `batch`.

    Raises:
        UserError: when the attention kernel cannot run here.
    """
    kernel = factory.kernel(run.attention)
    try:
        return _prepared(run, factory, kernel, batch, None)
    except CompileError as error:
        reason = f"engine={run.engine} is not possible here ({error}): this is engine={Engine.eager}"
        return _prepared(replace(run, engine=Engine.eager), factory, kernel, batch, reason)


def _prepared(run: Run, factory: PassFactory, kernel: Kernel, batch: Batch, fallback: str | None) -> Ready:
    decoder = make_decoder(run, factory, kernel)
    preparing_s = decoder.prepare(batch, run.output_tokens)
    ran = Ran(engine=run.engine, attention=attention_of(decoder, kernel), fallback=fallback, preparing_s=preparing_s)
    return Ready(decoder=decoder, ran=ran)


def attention_of(decoder: Decoder, kernel: Kernel) -> str:
    """The name of the run's attention kernel; behind a semicolon, the kernels of windows that are others."""
    others = decoder.passes.window_kernels if isinstance(decoder, MaskedDiffusionDecoder) else ()
    return "; windows: ".join((kernel.name, " and ".join(others))) if others else kernel.name


def make_decoder(run: Run, factory: PassFactory, kernel: Kernel) -> Decoder:
    """The decoder of the run's family and engine. A new one is a file, a row here and a YAML."""
    if run.engine is Engine.published:
        use_kernel(factory.model.llama.model, kernel)
        if run.diffusion is not None and run.diffusion.blocks is not Blocks.sequence:
            policy_of(run, run.diffusion, factory)  # refuses what no engine takes
        return published_decoder(run, factory.model, kernel)
    plan = plan_of(run)
    timed = None if plan is None else frozenset(plan.timed)
    if run.diffusion is None:
        head = factory.head(run.engine, run.temperature)
        return AutoregressiveDecoder(passes=factory.causal(run.engine, kernel, head), timed=timed)
    if run.diffusion.blocks is Blocks.sequence:
        return _block_diffusion(run, run.diffusion, factory, kernel, timed)
    return _masked_diffusion(run, run.diffusion, factory, kernel, timed)


def _masked_diffusion(
    run: Run, diffusion: Diffusion, factory: PassFactory, kernel: Kernel, timed: frozenset[int] | None
) -> Decoder:
    policy = policy_of(run, diffusion, factory)
    return MaskedDiffusionDecoder(
        passes=factory.canvas(run.engine, kernel),
        head=factory.head(run.engine, run.temperature, policy.score, dream_pick(diffusion, policy, run.temperature)),
        mask_id=_mask_id(factory),
        policy=policy,
        block_length=diffusion.block_length,
        cache=diffusion.cache,
        guidance_scale=diffusion.guidance_scale,
        rows=diffusion.rows,
        timed=timed,
        is_shifted=factory.model.architecture.is_shifted,
        position_temperature=diffusion.policy.alg_temp,
    )


def _block_diffusion(
    run: Run, diffusion: Diffusion, factory: PassFactory, kernel: Kernel, timed: frozenset[int] | None
) -> Decoder:
    is_shifted = factory.model.architecture.is_shifted
    _check_order(diffusion, is_shifted=is_shifted)
    policy = make_policy(diffusion, run.output_tokens)
    return BlockDiffusionDecoder(
        passes=factory.canvas(run.engine, kernel),
        head=factory.head(run.engine, run.temperature, policy.score),
        mask_id=_mask_id(factory),
        policy=policy,
        block_length=diffusion.block_length,
        keeps=diffusion.cache is not None,
        is_shifted=is_shifted,
        timed=timed,
        part_length=diffusion.sub_block_length,
        keeps_parts=diffusion.keeps_sub_blocks,
        is_causal=diffusion.causal_context,
    )


def _check_order(diffusion: Diffusion, *, is_shifted: bool) -> None:
    """Refuse an order of blocks that the model's logits do not give."""
    if diffusion.sub_block_length is not None and not is_shifted:
        raise UserError(
            f"sub_block_length={diffusion.sub_block_length} is for models of shifted logits, such as Fast-dLLM v2:"
            " leave it out"
        )
    if diffusion.causal_context and is_shifted:
        raise UserError("causal_context=true is for models whose logits are not shifted: leave it out")


def _mask_id(factory: PassFactory) -> int:
    assert factory.model.mask_id is not None
    return factory.model.mask_id


def dream_pick(diffusion: Diffusion, policy: Policy, temperature: float) -> DreamPick | None:
    """Dream's pick where its distribution is another than the model's own."""
    knobs = diffusion.policy
    if knobs.name not in DREAM or not (temperature or knobs.top_p or knobs.top_k):
        return None
    return DreamPick(policy.score, top_p=knobs.top_p, top_k=knobs.top_k)


def policy_of(run: Run, diffusion: Diffusion, factory: PassFactory) -> Policy:
    """The policy; where logits are shifted and keys are kept, as Fast-dLLM has it.

    Raises:
        UserError: when it is none that Fast-dLLM has there.
    """
    policy = make_policy(diffusion, run.output_tokens)
    if diffusion.cache is None or not factory.model.architecture.is_shifted:
        return policy
    if diffusion.policy.has_steps:
        raise UserError(
            f"policy={diffusion.policy.name} with cache={diffusion.cache.name} is not for models of"
            " shifted logits, whose blocks then begin with one position alone:"
            " use policy=threshold, factor or entropy_bounded"
        )
    return FirstAlone(then=policy)
