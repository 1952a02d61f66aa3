"""The published decoder of a run."""

from benchmark.decoders.published.autoregressive import PublishedAutoregressiveDecoder
from benchmark.decoders.published.blocks import PublishedBlockDecoder
from benchmark.decoders.published.dream import PublishedDreamDecoder
from benchmark.decoders.published.llada import PublishedDiffusionDecoder
from benchmark.decoders.published.policies import PublishedPolicyDecoder
from benchmark.engines.attention import Kernel
from benchmark.models.loading import LanguageModel
from crossover.records.policies import DREAM, QUOTA, Blocks
from crossover.records.run import Run
from crossover.records.settings import Diffusion

PublishedDiffusion = PublishedDiffusionDecoder | PublishedPolicyDecoder | PublishedDreamDecoder | PublishedBlockDecoder


def published_decoder(
    run: Run, model: LanguageModel, kernel: Kernel
) -> PublishedAutoregressiveDecoder | PublishedDiffusion:
    """Transformers' generate, or the loop that was published for the run's policy, cache and blocks."""
    if run.diffusion is None:
        return PublishedAutoregressiveDecoder(
            model=model.llama, kernel=kernel, temperature=run.temperature, seed=run.seed
        )
    assert model.mask_id is not None
    return _loop(run.diffusion)(
        model=model.llama,
        kernel=kernel,
        mask_id=model.mask_id,
        diffusion=run.diffusion,
        temperature=run.temperature,
        seed=run.seed,
        is_shifted=model.architecture.is_shifted,
    )


def _loop(diffusion: Diffusion) -> type[PublishedDiffusion]:
    if diffusion.blocks is Blocks.sequence:
        return PublishedBlockDecoder
    if diffusion.policy.name in DREAM:
        return PublishedDreamDecoder
    plain = diffusion.policy == QUOTA and diffusion.cache is None
    return PublishedDiffusionDecoder if plain else PublishedPolicyDecoder
