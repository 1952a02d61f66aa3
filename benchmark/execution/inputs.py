"""What a run decodes: its prompts, of documents or of questions or of random tokens, and batches of them."""

import torch

from benchmark.decoders.interface import Batch, make_batch
from benchmark.decoders.prompts import Prompt, random_prompts, read_prompts
from benchmark.decoders.questions import holds_questions, read_questions
from benchmark.execution.model_cache import LoadedModel
from crossover.records.run import Run


def prompts_of(run: Run, loaded: LoadedModel, decoded: int) -> list[Prompt]:
    """The prompts to decode and, where more are needed, those for the likelihood."""
    if loaded.tokenizer is None:
        return random_prompts(
            vocabulary=loaded.model.vocabulary,
            mask_id=loaded.model.mask_id,
            prompt_tokens=run.prompt_tokens,
            count=decoded,
            seed=run.seed,
        )
    if holds_questions(run.prompts.source):
        return read_questions(
            run.prompts,
            loaded.tokenizer,
            prompt_tokens=run.prompt_tokens,
            count=decoded,
            vocabulary=loaded.model.vocabulary,
        )
    held_out = 0 if run.likelihood is None else run.likelihood.documents
    return read_prompts(
        run.prompts.source,
        loaded.tokenizer,
        prompt_tokens=run.prompt_tokens,
        output_tokens=run.output_tokens,
        count=max(decoded, held_out),
        vocabulary=loaded.model.vocabulary,
    )


def batch_of_rows(run: Run, prompts: list[Prompt], rows: tuple[int, ...], device: torch.device) -> Batch:
    """Some prompts as a batch; those with answers have lengths of their own and are padded to the run's."""
    return make_batch(
        [prompts[row].tokens for row in rows],
        [(run.seed << 32) + prompts[row].number for row in rows],
        device,
        padded_to=None if prompts[0].question is None else run.prompt_tokens,
    )
