"""What is trained and how: the two arms, the judge, and the seconds-long smoke test of all three."""

from dataclasses import dataclass, replace
from enum import Enum

CONTEXT = 512
PROMPT_TOKENS = 64
OUTPUT_TOKENS = 64
DOCUMENT_TOKENS = 2048
DOCUMENT_CHARACTERS = 9500


class Objective(Enum):
    """What a model learns to predict."""

    CAUSAL = "causal"
    DIFFUSION = "diffusion"


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A Llama without biases, embeddings untied; `mlp` is the width inside the gated MLP."""

    vocabulary: int
    hidden: int
    layers: int
    heads: int
    mlp: int


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How one model is trained.

    Each batch holds `batch_tokens` tokens in windows of one length out of `windows`. The learning rates
    of the matrices (Muon) and of everything else (AdamW) rise over 2% of the steps and fall to zero.
    """

    steps: int
    batch_tokens: int
    windows: tuple[int, ...]
    matrix_rate: float
    other_rate: float
    weight_decay: float
    dropout: float
    validations: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model of the recipe; `name` is its folder among the assets."""

    name: str
    objective: Objective
    architecture: Architecture
    schedule: Schedule


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that one run of the recipe makes and evaluates."""

    causal: Model
    diffusion: Model
    judge: Model
    bound_draws: int
    prompts: int
    temperatures: tuple[float, ...]
    demo_temperature: float
    steps: tuple[int, ...]

    @property
    def models(self) -> tuple[Model, Model, Model]:
        """The pair, then its judge."""
        return (self.causal, self.diffusion, self.judge)


PAIR = Architecture(vocabulary=2048, hidden=192, layers=6, heads=3, mlp=512)
JUDGE = Architecture(vocabulary=4096, hidden=224, layers=4, heads=7, mlp=576)

CAUSAL_SCHEDULE = Schedule(
    steps=2600,
    batch_tokens=16_384,
    windows=(128, 256, 512),
    matrix_rate=0.02,
    other_rate=4e-3,
    weight_decay=0.1,
    dropout=0.3,
    validations=40,
    seed=1,
)
DIFFUSION_SCHEDULE = replace(CAUSAL_SCHEDULE, steps=8500, batch_tokens=65_536, dropout=0.15, seed=2)
JUDGE_SCHEDULE = replace(CAUSAL_SCHEDULE, steps=1200, dropout=0.35, weight_decay=0.3, seed=3)

FULL = Recipe(
    causal=Model(name="tiny_llama", objective=Objective.CAUSAL, architecture=PAIR, schedule=CAUSAL_SCHEDULE),
    diffusion=Model(name="tiny_llada", objective=Objective.DIFFUSION, architecture=PAIR, schedule=DIFFUSION_SCHEDULE),
    judge=Model(
        name="tiny_judge",
        objective=Objective.CAUSAL,
        architecture=JUDGE,
        schedule=JUDGE_SCHEDULE,
    ),
    bound_draws=32,
    prompts=64,
    temperatures=(0.0, 0.5, 0.7, 0.8, 1.0),
    demo_temperature=1.0,
    steps=(4, 8, 16, 32, 64),
)


def shorten(recipe: Recipe) -> Recipe:
    """The same recipe with two layers and two tiny batches: it shows that everything runs, and teaches nothing."""

    def few(model: Model) -> Model:
        return replace(
            model,
            architecture=replace(model.architecture, layers=2),
            schedule=replace(model.schedule, steps=2, batch_tokens=256, windows=(64, 128), validations=2),
        )

    return replace(
        recipe,
        causal=few(recipe.causal),
        diffusion=few(recipe.diffusion),
        judge=few(recipe.judge),
        bound_draws=1,
        prompts=2,
        temperatures=(0.0, 1.0),
        steps=(2, 4),
    )
