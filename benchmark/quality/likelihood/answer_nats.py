"""What reading given answers under a sampler says."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class AnswerNats:
    """-log p of each row's answer given its prompt, float64 on the CPU, and the evaluations of the body for it."""

    nats_B: Tensor
    forward_passes: int
