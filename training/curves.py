"""The loss curves as numbers and as a picture."""

import csv
from dataclasses import asdict, fields
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from training.loop import Point


def write_curves(folder: Path, curves: dict[str, list[Point]]) -> None:
    """Write `loss_curves.csv` and `loss_curves.png`, all models in each."""
    with (folder / "loss_curves.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["model", *(field.name for field in fields(Point))])
        writer.writeheader()
        for name, curve in curves.items():
            writer.writerows({"model": name} | asdict(point) for point in curve)
    draw_curves(curves).savefig(folder / "loss_curves.png", dpi=110)


def draw_curves(curves: dict[str, list[Point]]) -> Figure:
    """One panel a model: its loss in training and in validation over the epochs."""
    figure = Figure(figsize=(4 * len(curves), 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (name, curve) in zip(figure.subplots(1, len(curves)), curves.items(), strict=True):
        epochs = [point.epochs for point in curve]
        axes.plot(epochs, [point.training_loss for point in curve], label="training, with dropout")
        axes.plot(epochs, [point.validation_loss for point in curve], label="validation")
        axes.set(title=name, xlabel="epochs", ylabel="nats a token")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    return figure
