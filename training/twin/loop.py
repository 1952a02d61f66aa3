"""Train the twin: each batch has rows for either objective, and one pass gives both losses.

Dimensions: B rows, L window length, C = 2 L positions of a row, V vocabulary.
"""

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from tqdm import tqdm
from transformers import Qwen3ForCausalLM

from training.likelihood import causal_nats
from training.loop import VALIDATION_DRAWS, VALIDATION_WINDOW, draw_windows
from training.losses import causal_loss, diffusion_loss
from training.optimizer import Optimizer
from training.twin.attention import noisy_beside_clean, two_causal_windows
from training.twin.likelihood import block_bound
from training.twin.losses import corrupt_blocks
from training.twin.model import add_dropout, build_model, hidden_states
from training.twin.settings import Twin

Losses = tuple[Tensor, Tensor]
"""That of the next token and that of block diffusion, in nats a token."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One point of the loss curves, in nats a token; those of block diffusion are bounds.

    Training losses are means since the point before, with dropout and, for block diffusion, over all block lengths;
    validation is at the block length of config.json. `epochs` counts the text that each objective has read.
    """

    step: int
    elapsed_s: float
    causal_epochs: float
    block_epochs: float
    causal_training_loss: float
    causal_validation_loss: float
    block_training_loss: float
    block_validation_loss: float


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What does not change between batches of one window length; `lengths` are the block lengths of the other rows."""

    length: int
    causal_rows: int
    lengths: tuple[int, ...]
    mask_BCC: Tensor
    position_C: Tensor


def lay_out(twin: Twin, length: int, device: torch.device) -> Layout:
    """Divide a batch into rows, and say who sees whom in each."""
    rows = max(2, twin.schedule.batch_tokens // (2 * length))
    causal_rows = twin.causal_rows(rows)
    lengths = tuple(sorted(twin.blocks[row % len(twin.blocks)] for row in range(rows - causal_rows)))
    masks = [two_causal_windows(length, device)] * causal_rows
    masks += [noisy_beside_clean(length, block, device) for block in lengths]
    return Layout(
        length=length,
        causal_rows=causal_rows,
        lengths=lengths,
        mask_BCC=torch.stack(masks),
        position_C=torch.arange(length, device=device).repeat(2),
    )


def batch_losses(model: Qwen3ForCausalLM, stream: Tensor, layout: Layout, generator: torch.Generator) -> Losses:
    """Both losses of one fresh batch."""
    length, first = layout.length, layout.causal_rows
    window_BL = draw_windows(stream, 2 * first, length + 1, generator)
    clean_BL = draw_windows(stream, len(layout.lengths), length, generator)
    parts = [
        corrupt_blocks(clean_BL[start:stop], block, generator) for block, start, stop in runs_of_equal(layout.lengths)
    ]
    noisy_BL = torch.cat([part.noisy_BL for part in parts])
    weight_BL = torch.cat([part.weight_BL * len(part.weight_BL) for part in parts]) / len(clean_BL)
    ids_BC = torch.cat([window_BL[:, :-1].reshape(first, 2 * length), torch.cat([noisy_BL, clean_BL], dim=1)])
    hidden_BCD = hidden_states(model, ids_BC, layout.mask_BCC, layout.position_C)
    causal_logits_BLV = model.lm_head(hidden_BCD[:first].reshape(2 * first, length, -1))
    noisy_logits_BLV = model.lm_head(hidden_BCD[first:, :length])
    return causal_loss(causal_logits_BLV, window_BL[:, 1:]), diffusion_loss(noisy_logits_BLV, clean_BL, weight_BL)


def runs_of_equal(lengths: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """Each block length of sorted `lengths` with its first row and the row after its last."""
    return [(block, lengths.index(block), lengths.index(block) + lengths.count(block)) for block in sorted({*lengths})]


def prepare(twin: Twin, device: torch.device, *, compiled: bool) -> Qwen3ForCausalLM:
    """The model on its device, with dropout; its layers are compiled if asked for."""
    torch.manual_seed(twin.schedule.seed)
    model = build_model(twin.architecture)
    add_dropout(model, twin)
    model.train()
    nn.Module.to(model, device)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    if compiled:
        for layer in model.model.layers:
            layer.compile(dynamic=False)
    return model


def validate(model: Qwen3ForCausalLM, stream: Tensor, block: int) -> tuple[float, float]:
    """Nats a token on the validation text by either objective, without dropout and without compiling anything."""
    model.eval()
    with torch.compiler.set_stance("force_eager"):
        causal = causal_nats(model, stream, VALIDATION_WINDOW)
        bound = block_bound(model, stream, VALIDATION_WINDOW, block=block, draws=VALIDATION_DRAWS)
    model.train()
    return causal, bound


class Training:
    """The state of one training, and the steps that change it."""

    def __init__(
        self, twin: Twin, training: Tensor, validation: Tensor, device: torch.device, *, compiled: bool
    ) -> None:
        """Build the model, and run each window length once so that nothing is compiled while the clock runs."""
        self.twin = twin
        self.device = device
        self.model = prepare(twin, device, compiled=compiled)
        self.training, self.validation = training.to(device), validation.to(device)
        self.generator = torch.Generator(device).manual_seed(twin.schedule.seed)
        self.layouts = [lay_out(twin, length, device) for length in twin.schedule.windows]
        for layout in self.layouts:
            self.backward(layout)
        self.model.zero_grad(set_to_none=True)
        self.optimizer = Optimizer(self.model, twin.schedule)
        self.summed_2 = torch.zeros(2, device=device)
        self.read_2 = torch.zeros(2)
        self.best = float("inf")
        self.best_weights: dict[str, Tensor] = {}

    def autocast(self) -> AbstractContextManager[object]:
        """Products in bfloat16 on a GPU."""
        return torch.autocast("cuda", torch.bfloat16) if self.device.type == "cuda" else nullcontext()

    def backward(self, layout: Layout) -> Tensor:
        """The gradients of one batch; returns its two losses: shape [2]."""
        with self.autocast():
            causal, block = batch_losses(self.model, self.training, layout, self.generator)
        torch.autograd.backward(causal + block)
        return torch.stack([causal.detach(), block.detach()])

    def step(self, step: int, number: int) -> None:
        """One batch, and one step of the optimiser as step `number` of its schedule."""
        layout = self.layouts[step % len(self.layouts)]
        self.summed_2 += self.backward(layout)
        self.optimizer.step(number)
        self.read_2 += torch.tensor([2 * layout.causal_rows, len(layout.lengths)]) * layout.length

    def point(self, step: int, since: int, elapsed_s: float) -> Point:
        """The loss curves' next point; keeps the weights if they are the best so far, by the sum of both losses."""
        causal, block = validate(self.model, self.validation, self.twin.block_length)
        if causal + block < self.best:
            self.best = causal + block
            self.best_weights = {name: weight.clone() for name, weight in self.model.state_dict().items()}
        causal_training, block_training = (self.summed_2 / since).tolist()
        self.summed_2.zero_()
        causal_epochs, block_epochs = (self.read_2 / len(self.training)).tolist()
        return Point(
            step=step,
            elapsed_s=elapsed_s,
            causal_epochs=causal_epochs,
            block_epochs=block_epochs,
            causal_training_loss=causal_training,
            causal_validation_loss=causal,
            block_training_loss=block_training,
            block_validation_loss=block,
        )

    def run(self) -> list[Point]:
        """Train to the end of the schedule; the model then has its best weights."""
        steps, limit_s = self.twin.schedule.steps, self.twin.limit_s
        interval = max(1, steps // self.twin.schedule.validations)
        curve: list[Point] = []
        step, last, number = 0, 0, 0
        started = time.monotonic()
        with tqdm(total=steps, desc="twin", mininterval=2) as progress:
            while number < steps:
                self.step(step, number)
                step += 1
                elapsed_s = time.monotonic() - started
                reached = max(number + 1, int(elapsed_s / limit_s * steps) if limit_s else 0)
                if reached // interval > number // interval or reached >= steps:
                    curve.append(self.point(step, step - last, elapsed_s))
                    last = step
                    progress.set_postfix(
                        ar=f"{curve[-1].causal_validation_loss:.3f}", block=f"{curve[-1].block_validation_loss:.3f}"
                    )
                progress.update(reached - number)
                number = reached
        self.model.load_state_dict(self.best_weights)
        self.model.eval()
        return curve
