"""Both ways of generating as a reader would write them first: one row, no cache, every position, every entry."""

import math
from dataclasses import dataclass

import torch

from benchmark.engines.sampling.noise import cells, gumbel, uniform
from benchmark.models.loading import LanguageModel
from crossover.records.settings import Remasking


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """The settings of LLaDA's published sampling."""

    output_tokens: int
    steps: int
    block_length: int
    temperature: float = 0.0
    remasking: Remasking = Remasking.low_confidence
    guidance_scale: float = 0.0


def autoregressive(
    model: LanguageModel, prompt: list[int], stream: int, output_tokens: int, temperature: float
) -> list[int]:
    """The tokens that follow `prompt`, each from a pass over all that is before it."""
    sequence = list(prompt)
    for position in range(output_tokens):
        logits = _logits(model, sequence)[-1]
        sequence.append(_prediction(logits, stream, 0, position, temperature))
    return sequence[len(prompt) :]


def diffusion(model: LanguageModel, prompt: list[int], stream: int, sampling: Sampling) -> list[int]:
    """The tokens that fill the masks after `prompt`."""
    assert model.mask_id is not None
    canvas = prompt + [model.mask_id] * sampling.output_tokens
    blocks = sampling.output_tokens // sampling.block_length
    steps = sampling.steps // blocks
    for block in range(blocks):
        first = len(prompt) + block * sampling.block_length
        undecided = set(range(first, first + sampling.block_length))
        for step in range(steps):
            quota = sampling.block_length // steps
            if step < sampling.block_length % steps:
                quota += 1
            predictions, confidences = _look(model, canvas, len(prompt), stream, block * steps + step, sampling)
            ranking = sorted(undecided, key=lambda position: (-confidences[position], position))
            for position in ranking[:quota]:
                canvas[position] = predictions[position]
                undecided.remove(position)
    return canvas[len(prompt) :]


def _look(
    model: LanguageModel, canvas: list[int], given: int, stream: int, step: int, sampling: Sampling
) -> tuple[list[int], list[float]]:
    """A prediction and a confidence for every position of the canvas, decided or not."""
    assert model.mask_id is not None
    rows = _logits(model, canvas)
    if sampling.guidance_scale > 0:
        free_rows = _logits(model, [model.mask_id] * given + canvas[given:])
        rows = [
            [free + (sampling.guidance_scale + 1) * (with_ - free) for with_, free in zip(row, free_row, strict=True)]
            for row, free_row in zip(rows, free_rows, strict=True)
        ]
    predictions, confidences = [], []
    for position, row in enumerate(rows):
        allowed = [-math.inf if token == model.mask_id else logit for token, logit in enumerate(row)]
        prediction = _prediction(allowed, stream, step, position - given, sampling.temperature)
        probability = math.exp(row[prediction]) / sum(math.exp(logit) for logit in row)
        chance = float(uniform(_cell(stream, step, position - given)))
        predictions.append(prediction)
        confidences.append(chance if sampling.remasking is Remasking.random else probability)
    return predictions, confidences


def _prediction(logits: list[float], stream: int, step: int, position: int, temperature: float) -> int:
    if temperature > 0:
        noise = gumbel(_cell(stream, step, position), len(logits))[0, 0].tolist()
        logits = [logit + temperature * extra for logit, extra in zip(logits, noise, strict=True)]
    return logits.index(max(logits))


def _cell(stream: int, step: int, position: int) -> torch.Tensor:
    return cells(torch.tensor([stream]), step, torch.tensor([[position]]))


@torch.inference_mode()
def _logits(model: LanguageModel, sequence: list[int]) -> list[list[float]]:
    hidden = model.body(input_ids=torch.tensor([sequence]), use_cache=False).last_hidden_state
    rows: list[list[float]] = model.head(hidden)[0].tolist()
    return rows
