"""Train one model: windows at random offsets, a loss, a step, a validation now and then.

Dimensions: B batch, L window length, V vocabulary.
"""

import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from tqdm import tqdm
from transformers import LlamaForCausalLM

from training.likelihood import bound, causal_nats
from training.losses import causal_loss, corrupt, diffusion_loss, prompt_lengths, stratified_times
from training.model import add_dropout, build_model
from training.optimizer import Optimizer
from training.settings import Model, Objective
from training.tokenizer import MASK_ID

VALIDATION_WINDOW = 256
VALIDATION_DRAWS = 8


@dataclass(frozen=True, kw_only=True)
class Point:
    """One point of a loss curve; losses in nats a token, the diffusion model's being bounds.

    `training_loss` is the mean since the point before, with dropout; `epochs` counts the training text.
    """

    step: int
    epochs: float
    elapsed_s: float
    training_loss: float
    validation_loss: float


def draw_windows(stream: Tensor, batch: int, length: int, generator: torch.Generator) -> Tensor:
    """Windows at uniformly random offsets of the token stream: shape [B, L]."""
    starts_B = torch.randint(len(stream) - length + 1, (batch,), generator=generator, device=stream.device)
    return stream[starts_B[:, None] + torch.arange(length, device=stream.device)]


def batch_loss(model: LlamaForCausalLM, stream: Tensor, spec: Model, length: int, generator: torch.Generator) -> Tensor:
    """The loss of one fresh batch of windows of `length` tokens."""
    batch = max(1, spec.schedule.batch_tokens // length)
    if spec.objective is Objective.CAUSAL:
        window_BL = draw_windows(stream, batch, length + 1, generator)
        return causal_loss(model(input_ids=window_BL[:, :-1], use_cache=False).logits, window_BL[:, 1:])
    clean_BL = draw_windows(stream, batch, length, generator)
    time_B = stratified_times(batch, generator)
    corruption = corrupt(clean_BL, time_B, prompt_lengths(batch, length, generator), MASK_ID, generator)
    logits_BLV = model(input_ids=corruption.noisy_BL).logits
    return diffusion_loss(logits_BLV, clean_BL, corruption.weight_BL)


def validate(model: LlamaForCausalLM, stream: Tensor, objective: Objective) -> float:
    """Nats a token on the validation text, without dropout; the same masks at every call."""
    model.eval()
    if objective is Objective.CAUSAL:
        nats = causal_nats(model, stream, VALIDATION_WINDOW)
    else:
        nats = bound(model, stream, VALIDATION_WINDOW, draws=VALIDATION_DRAWS)
    model.train()
    return nats


def prepare(spec: Model, device: str) -> LlamaForCausalLM:
    """The model on its device, with dropout; on a GPU its layers are compiled."""
    torch.manual_seed(spec.schedule.seed)
    model = build_model(spec.architecture, spec.objective)
    add_dropout(model, spec.schedule.dropout)
    model.train()
    nn.Module.to(model, torch.device(device))
    if device == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.compiler.reset()  # else a third model's shapes run into the limit of recompilations
        for layer in model.model.layers:
            layer.compile(dynamic=False)
    return model


def train(spec: Model, training: Tensor, validation: Tensor, device: str) -> tuple[LlamaForCausalLM, list[Point]]:
    """The trained model, ready to evaluate, and its loss curve."""
    model = prepare(spec, device)
    optimizer = Optimizer(model, spec.schedule)
    training, validation = training.to(device), validation.to(device)
    generator = torch.Generator(device).manual_seed(spec.schedule.seed)
    interval = max(1, spec.schedule.steps // spec.schedule.validations)
    curve: list[Point] = []
    summed = torch.zeros((), device=device)
    started = time.monotonic()
    with tqdm(total=spec.schedule.steps, desc=spec.name, mininterval=2) as progress:
        for step in range(spec.schedule.steps):
            length = spec.schedule.windows[step % len(spec.schedule.windows)]
            with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
                loss = batch_loss(model, training, spec, length, generator)
            loss.backward()
            optimizer.step(step)
            summed += loss.detach()
            progress.update()
            if (step + 1) % interval == 0:
                point = Point(
                    step=step + 1,
                    epochs=(step + 1) * spec.schedule.batch_tokens / len(training),
                    elapsed_s=time.monotonic() - started,
                    training_loss=summed.item() / interval,
                    validation_loss=validate(model, validation, spec.objective),
                )
                curve.append(point)
                progress.set_postfix(train=f"{point.training_loss:.3f}", val=f"{point.validation_loss:.3f}")
                summed.zero_()
    return model.eval(), curve
