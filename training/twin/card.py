"""The twin's model card and loss curves: everything in them comes from the run that made it."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from string import Template

from training.card import quote, table
from training.evaluation import Judged, Likelihood
from training.twin.evaluation import CAUSAL, ways
from training.twin.loop import Point
from training.twin.settings import NAME, Twin

TEMPLATE = Template((Path(__file__).parent / "card_template.md").read_text())
SAMPLES = 2


@dataclass(frozen=True, kw_only=True)
class Report:
    """The results of one run of the recipe; `prompts` are the beginnings that the samples continue."""

    twin: Twin
    curve: list[Point]
    parameters: int
    likelihoods: dict[str, Likelihood]
    judged: list[Judged]
    prompts: list[str]
    chapters: int
    trained_on: str
    evaluated_on: str


def write_curve(folder: Path, curve: Sequence[Point]) -> None:
    """Write `loss_curves.csv`."""
    with (folder / "loss_curves.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Point)])
        writer.writeheader()
        writer.writerows(asdict(point) for point in curve)


def read_curve(folder: Path) -> list[Point]:
    """What `write_curve` wrote."""
    with (folder / "loss_curves.csv").open(newline="") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    return [Point(**row | {"step": int(row["step"])}) for row in rows]  # type: ignore[arg-type]  # by their names


def draw_curve(folder: Path, curve: Sequence[Point]) -> None:
    """Write `loss_curves.png`: one panel an objective, its loss in training and in validation."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = {
        "next token": [(p.causal_epochs, p.causal_training_loss, p.causal_validation_loss) for p in curve],
        "block diffusion (bounds)": [(p.block_epochs, p.block_training_loss, p.block_validation_loss) for p in curve],
    }
    for axes, (title, points) in zip(figure.subplots(1, 2), panels.items(), strict=True):
        epochs, training, validation = zip(*points, strict=True)
        axes.plot(epochs, training, label="training, with dropout")
        axes.plot(epochs, validation, label="validation")
        axes.set(title=title, xlabel="epochs", ylabel="nats a token")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    figure.savefig(folder / "loss_curves.png", dpi=80)


def likelihood_table(likelihoods: dict[str, Likelihood]) -> str:
    """Held-out nats, perplexity and bits per byte of each way of generating."""
    rows = []
    for way, each in likelihoods.items():
        sign = "" if way == CAUSAL else "<= "
        figures = (f"{each.nats_per_token:.3f}", f"{each.perplexity:.1f}", f"{each.bits_per_byte:.3f}")
        rows.append([way, *(sign + figure for figure in figures)])
    return table(["generated", "nats a token", "perplexity", "bits a byte"], rows)


def judged_table(twin: Twin, judged: list[Judged]) -> str:
    """Judged perplexity and entropy: a row for each way of generating, a column for each temperature."""
    cells = {(result.label, result.temperature): f"{result.perplexity:.1f} ({result.entropy:.2f})" for result in judged}
    labels = [CAUSAL, *(way.label for way in ways(twin))]
    rows = [[label, *(cells[label, temperature] for temperature in twin.temperatures)] for label in labels]
    return table(["generated", *(f"temperature {temperature:g}" for temperature in twin.temperatures)], rows)


def samples(report: Report) -> str:
    """The first prompts with their continuations at the highest temperature."""
    shown = [r for r in report.judged if r.temperature in (None, max(report.twin.temperatures))]
    parts = []
    for number in range(min(SAMPLES, len(report.prompts))):
        parts.append(f"Prompt:\n\n{quote(report.prompts[number])}")
        parts += [f"{result.label}:\n\n{quote(result.samples[number])}" for result in shown]
    return "\n\n".join(parts)


def best_point(curve: Sequence[Point]) -> Point:
    """The point whose weights were kept."""
    return min(curve, key=lambda point: point.causal_validation_loss + point.block_validation_loss)


def write_card(folder: Path, report: Report) -> None:
    """Write `MODEL_CARD.md` beside the weights, which must exist already."""
    twin, best = report.twin, best_point(report.curve)
    shape, schedule = twin.architecture, twin.schedule
    human = next(result for result in report.judged if result.temperature is None)
    text = TEMPLATE.substitute(
        name=NAME,
        parameters=f"{report.parameters:,}",
        megabytes=f"{(folder / 'model.safetensors').stat().st_size / 1e6:.1f}",
        shape=f"{shape.layers} layers of width {shape.hidden}, {shape.heads} heads, MLP {shape.mlp}",
        vocabulary=f"{shape.vocabulary:,}",
        block=twin.block_length,
        lengths=", ".join(str(length) for length in sorted({*twin.blocks})),
        windows=" and ".join(str(window) for window in schedule.windows),
        positions=f"{schedule.batch_tokens:,}",
        share=f"{twin.causal_share:.3g}",
        rates=f"{schedule.matrix_rate:g} and {schedule.other_rate:g}",
        causal_dropout=f"{twin.causal_dropout:g}",
        block_dropout=f"{schedule.dropout:g}",
        decay=f"{schedule.weight_decay:g}",
        seed=schedule.seed,
        steps=f"{report.curve[-1].step:,}",
        kept=f"{best.step:,}",
        seconds=f"{report.curve[-1].elapsed_s:.0f}",
        trained_on=report.trained_on,
        evaluated_on=report.evaluated_on,
        losses=table(
            ["objective", "epochs", "training loss", "validation loss"],
            [
                loss_row("next token", best.causal_epochs, best.causal_training_loss, best.causal_validation_loss),
                loss_row("block diffusion", best.block_epochs, best.block_training_loss, best.block_validation_loss),
            ],
        ),
        likelihoods=likelihood_table(report.likelihoods),
        draws=twin.bound_draws,
        chapters=report.chapters,
        prompts=twin.prompts,
        human=f"{human.perplexity:.1f} ({human.entropy:.2f})",
        judged=judged_table(twin, report.judged),
        temperature=f"{max(twin.temperatures):g}",
        samples=samples(report),
    )
    (folder / "MODEL_CARD.md").write_text(text)


def loss_row(objective: str, epochs: float, training: float, validation: float) -> list[str]:
    """One objective's losses at the point whose weights were kept."""
    return [objective, f"{epochs:.0f}", f"{training:.3f}", f"{validation:.3f}"]
