"""The model card: everything in it comes from the run that made the models."""

import platform
from dataclasses import dataclass
from pathlib import Path
from string import Template

import torch
import transformers

from training.evaluation import Judged, Likelihood
from training.loop import Point
from training.model import build_model
from training.settings import Model, Recipe

TEMPLATE = Template((Path(__file__).parent / "card_template.md").read_text())
SAMPLES = 2


@dataclass(frozen=True, kw_only=True)
class Report:
    """The results of one run of the recipe; `prompts` are the beginnings that the samples continue."""

    recipe: Recipe
    curves: dict[str, list[Point]]
    likelihoods: dict[str, Likelihood]
    judged: list[Judged]
    prompts: list[str]
    hardware: str
    elapsed_s: float


def describe_hardware(device: str) -> str:
    """The accelerator and the versions that the run depended on."""
    name = torch.cuda.get_device_name() if device == "cuda" else f"CPU ({platform.machine()})"
    return f"{name}, PyTorch {torch.__version__}, transformers {transformers.__version__}"


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def model_row(model: Model, folder: Path) -> list[str]:
    """Name, objective, shape, parameters and size on disk."""
    shape = model.architecture
    count = sum(p.numel() for p in build_model(shape, model.objective).parameters())
    size = (folder / model.name / "model.safetensors").stat().st_size
    return [
        f"`{model.name}`",
        model.objective.value,
        f"{shape.layers} x {shape.hidden}, {shape.heads} heads, MLP {shape.mlp}",
        f"{shape.vocabulary:,}",
        f"{count:,}",
        f"{size / 1e6:.1f} MB",
    ]


def schedule_row(model: Model, curve: list[Point]) -> list[str]:
    """The model's training settings, and the last point of its loss curve."""
    schedule, last = model.schedule, curve[-1]
    return [
        f"`{model.name}`",
        f"{schedule.steps:,} x {schedule.batch_tokens:,}",
        f"{last.epochs:.0f}",
        f"{schedule.matrix_rate:g} / {schedule.other_rate:g}",
        f"{schedule.dropout:g}",
        f"{schedule.weight_decay:g}",
        f"{schedule.seed}",
        f"{last.elapsed_s:.0f} s",
        f"{last.training_loss:.3f}",
        f"{last.validation_loss:.3f}",
    ]


def likelihood_row(model: Model, likelihood: Likelihood) -> list[str]:
    """Held-out nats, perplexity and bits per byte."""
    sign = "<= " if model.name == "tiny_llada" else ""
    return [
        f"`{model.name}`",
        f"{sign}{likelihood.nats_per_token:.3f}",
        f"{sign}{likelihood.perplexity:.1f}",
        f"{sign}{likelihood.bits_per_byte:.3f}",
    ]


def judged_table(recipe: Recipe, judged: list[Judged]) -> str:
    """Judged perplexity and entropy: a row for each temperature, a column for each sampler."""
    cells = {(result.temperature, result.label): f"{result.perplexity:.1f} ({result.entropy:.2f})" for result in judged}
    labels = ["causal", *(f"K={steps}" for steps in recipe.steps)]
    rows = [[f"{t:g}", *(cells[t, label] for label in labels)] for t in recipe.temperatures]
    return table(["temperature", *labels], rows)


def quote(text: str) -> str:
    """One sample as a Markdown quotation."""
    return "> " + " ".join(text.split())


def samples(report: Report) -> str:
    """The first prompts with their continuations at the demo's temperature."""
    shown = [r for r in report.judged if r.temperature in (None, report.recipe.demo_temperature)]
    parts = []
    for number in range(min(SAMPLES, len(report.prompts))):
        parts.append(f"Prompt:\n\n{quote(report.prompts[number])}")
        parts += [f"{result.label}:\n\n{quote(result.samples[number])}" for result in shown]
    return "\n\n".join(parts)


def write_card(folder: Path, report: Report) -> None:
    """Write `MODEL_CARD.md` beside the models, which must exist already."""
    recipe = report.recipe
    human = next(result for result in report.judged if result.temperature is None)
    text = TEMPLATE.substitute(
        models=table(
            ["model", "objective", "shape", "vocabulary", "parameters", "weights"],
            [model_row(model, folder) for model in recipe.models],
        ),
        schedules=table(
            [
                "model",
                "steps x tokens",
                "epochs",
                "rates",
                "dropout",
                "decay",
                "seed",
                "time",
                "training loss",
                "validation loss",
            ],
            [schedule_row(model, report.curves[model.name]) for model in recipe.models],
        ),
        likelihoods=table(
            ["model", "nats a token", "perplexity", "bits a byte"],
            [likelihood_row(model, report.likelihoods[model.name]) for model in recipe.models],
        ),
        judged=judged_table(recipe, report.judged),
        human=f"{human.perplexity:.1f} ({human.entropy:.2f})",
        prompts=recipe.prompts,
        draws=recipe.bound_draws,
        temperature=f"{recipe.demo_temperature:g}",
        samples=samples(report),
        hardware=report.hardware,
        minutes=f"{report.elapsed_s / 60:.1f}",
    )
    (folder / "MODEL_CARD.md").write_text(text)
