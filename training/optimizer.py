"""Muon for the matrices inside the layers, AdamW for the rest, under one learning-rate schedule."""

from collections import defaultdict

import torch
from torch import Tensor, nn

from training.settings import Schedule

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
WARM_UP = 0.02


def orthogonalise(matrix_NRC: Tensor) -> Tensor:
    """Bring the singular values of N matrices [R, C] near 1 by five Newton-Schulz steps.

    The quintic's coefficients are those of Keller Jordan's Muon (2024).
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrix_NRC.size(1) > matrix_NRC.size(2)
    x: Tensor = matrix_NRC.transpose(1, 2) if tall else matrix_NRC
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    for _ in range(5):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    result: Tensor = x.transpose(1, 2) if tall else x
    return result


class Muon:
    """Orthogonalised momentum. All matrices of one shape take their step together."""

    def __init__(self, parameters: list[nn.Parameter], weight_decay: float, momentum: float = 0.95) -> None:
        """Take only matrices. Weight decay is decoupled, as in AdamW."""
        groups: dict[torch.Size, list[Tensor]] = defaultdict(list)
        for parameter in parameters:
            groups[parameter.shape].append(parameter)
        self.groups = list(groups.values())
        self.momenta_NRC = [torch.zeros_like(torch.stack(group)) for group in self.groups]
        self.weight_decay = weight_decay
        self.momentum = momentum

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Apply the gradients (Nesterov momentum) at this learning rate, and drop them."""
        for group, momentum_NRC in zip(self.groups, self.momenta_NRC, strict=True):
            gradient_NRC = torch.stack([p.grad for p in group if p.grad is not None])
            momentum_NRC.lerp_(gradient_NRC, 1 - self.momentum)
            update_NRC = orthogonalise(gradient_NRC.lerp(momentum_NRC, self.momentum))
            rows, columns = group[0].shape
            scale = rate * max(1.0, rows / columns) ** 0.5
            for parameter, update_RC in zip(group, update_NRC, strict=True):
                parameter.mul_(1 - rate * self.weight_decay).sub_(update_RC, alpha=scale)
                parameter.grad = None


class Optimizer:
    """Both optimisers of one model, driven by the step's number."""

    def __init__(self, model: nn.Module, schedule: Schedule) -> None:
        """Divide the parameters: matrices of the layers go to Muon, embeddings, head and norms to AdamW."""
        matrices = {
            name: p for name, p in model.named_parameters() if ".layers." in name and name.endswith("_proj.weight")
        }
        others = [p for name, p in model.named_parameters() if name not in matrices]
        self.schedule = schedule
        self.muon = Muon(list(matrices.values()), schedule.weight_decay)
        self.adam = torch.optim.AdamW(
            others, lr=schedule.other_rate, betas=(0.9, 0.95), weight_decay=schedule.weight_decay
        )

    def step(self, number: int) -> None:
        """Take optimiser step `number` of `schedule.steps`, counted from 0."""
        factor = rate_factor(number, self.schedule.steps)
        self.muon.step(self.schedule.matrix_rate * factor)
        for group in self.adam.param_groups:
            group["lr"] = self.schedule.other_rate * factor
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)


def rate_factor(number: int, steps: int) -> float:
    """The share of the full learning rate at step `number`: a short rise, then a straight fall to zero."""
    progress = (number + 1) / steps
    return min(progress / WARM_UP, (1 - progress) / (1 - WARM_UP)) if steps > 1 else 1.0
