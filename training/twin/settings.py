"""How the twin is trained: rows of a batch for each of its two objectives, its schedule, and what is evaluated."""

from dataclasses import dataclass, replace

from training.settings import CAUSAL_SCHEDULE, PAIR, Architecture, Schedule

NAME = "tiny_twin"
TOKENIZER_OF = "tiny_llama"
JUDGE_NAME = "tiny_judge"


@dataclass(frozen=True, kw_only=True)
class Twin:
    """One run of the recipe.

    Of the rows of a batch, the first `causal_share` learn the next token, two windows a row. The others learn block
    diffusion, one window a row beside its noisy copy; their blocks have the lengths of `blocks`, in turn.
    `schedule.batch_tokens` counts the positions of a batch, both copies included. `schedule.dropout` is that of the
    block-diffusion rows. `limit_s` ends the training early: the learning rate falls to zero by then.
    """

    architecture: Architecture
    schedule: Schedule
    causal_share: float
    causal_dropout: float
    blocks: tuple[int, ...]
    block_length: int
    limit_s: float | None
    bound_draws: int
    prompts: int
    temperatures: tuple[float, ...]
    steps: tuple[int, ...]

    def causal_rows(self, rows: int) -> int:
        """How many of the first rows of a batch are causal: at least one, and never all."""
        return min(max(1, round(rows * self.causal_share)), rows - 1)


FULL = Twin(
    architecture=PAIR,
    schedule=replace(
        CAUSAL_SCHEDULE, steps=6000, batch_tokens=65_536, windows=(128, 512), dropout=0.2, validations=24, seed=4
    ),
    causal_share=1 / 8,
    causal_dropout=0.3,
    blocks=(16, 8, 16, 4),
    block_length=16,
    limit_s=None,
    bound_draws=32,
    prompts=64,
    temperatures=(0.0, 1.0),
    steps=(4, 8, 16, 32, 64),
)


def shorten(twin: Twin) -> Twin:
    """The same recipe with two layers and two tiny batches: it shows that everything runs, and teaches nothing."""
    return replace(
        twin,
        architecture=replace(twin.architecture, layers=2),
        schedule=replace(twin.schedule, steps=2, batch_tokens=512, windows=(32, 64), validations=2),
        bound_draws=1,
        prompts=2,
        temperatures=(0.0,),
        steps=(4, 16),
    )
