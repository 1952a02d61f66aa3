"""A batch of random prompts for a run that no text is read of."""

from benchmark.decoders.interface import Batch, make_batch
from benchmark.decoders.prompts import random_prompts
from benchmark.execution.model_cache import LoadedModel
from crossover.records.run import Run


def random_batch(run: Run, loaded: LoadedModel) -> Batch:
    """The batch that the run's seed gives, one stream of noise a row."""
    prompts = random_prompts(
        vocabulary=loaded.model.vocabulary,
        mask_id=loaded.model.mask_id,
        prompt_tokens=run.prompt_tokens,
        count=run.batch,
        seed=run.seed,
    )
    return make_batch([prompt.tokens for prompt in prompts], list(range(run.batch)), loaded.model.device)
