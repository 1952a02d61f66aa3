"""Policies and caches as a reader would write them first: one row, one position after another, plain lists.

The transformer is spelled out here, since kept keys and values belong to its layers.
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from benchmark.engines.sampling.noise import cells, gumbel
from benchmark.models.loading import LanguageModel
from crossover.records.policies import Cache, CacheName, FactorRule, Policy, PolicyName


@dataclass(frozen=True, kw_only=True)
class PolicySampling:
    output_tokens: int
    block_length: int
    policy: Policy
    steps: int
    cache: Cache | None = None
    temperature: float = 0.0


@dataclass
class Written:
    """Tokens, the forward pass after which each was written, and positions computed of all forward passes."""

    tokens: list[int]
    at: list[int]
    computed: list[int] = field(default_factory=list)


class PlainTransformer:
    """A Llama of full attention over one row, which remembers each position's keys and values in every layer."""

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self.llama = model.llama.model
        self.keys: list[dict[int, Tensor]] = [{} for _ in self.llama.layers]
        self.values: list[dict[int, Tensor]] = [{} for _ in self.llama.layers]

    @torch.inference_mode()
    def logits(self, canvas: list[int], computed: range) -> dict[int, list[float]]:
        """Logits at the computed positions, which read all others as they were computed last."""
        x = {position: self.llama.embed_tokens.weight[canvas[position]] for position in computed}
        for number, layer in enumerate(self.llama.layers):
            queries = {}
            for position in computed:
                normed = layer.input_layernorm(x[position])
                attention = layer.self_attn
                queries[position] = self._turned(attention.q_proj(normed), position)
                self.keys[number][position] = self._turned(attention.k_proj(normed), position)
                self.values[number][position] = attention.v_proj(normed).view(-1, self._head)
            for position in computed:
                seen = torch.stack(
                    [self._attended(number, queries[position], head) for head in range(len(queries[position]))]
                )
                x[position] = x[position] + layer.self_attn.o_proj(seen.flatten())
                x[position] = x[position] + layer.mlp(layer.post_attention_layernorm(x[position]))
        return {position: self.model.head(self.llama.norm(x[position])).tolist() for position in computed}

    @property
    def _head(self) -> int:
        size: int = self.llama.layers[0].self_attn.head_dim
        return size

    def _attended(self, layer: int, queries: Tensor, head: int) -> Tensor:
        positions = sorted(self.keys[layer])
        shared = len(queries) // len(self.keys[layer][0])
        scores = [float(queries[head] @ self.keys[layer][position][head // shared]) for position in positions]
        weights = [math.exp(score / math.sqrt(self._head)) for score in scores]
        weighted = [
            w / sum(weights) * self.values[layer][p][head // shared] for w, p in zip(weights, positions, strict=True)
        ]
        return torch.stack(weighted).sum(dim=0)

    def _turned(self, projected: Tensor, position: int) -> Tensor:
        heads = projected.view(-1, self._head)
        cos, sin = self.llama.rotary_emb(heads, position_ids=torch.tensor([[position]]))
        first, second = heads.chunk(2, dim=-1)
        turned: Tensor = heads * cos[0, 0] + torch.cat([-second, first], dim=-1) * sin[0, 0]
        return turned


def diffusion(model: LanguageModel, prompt: list[int], stream: int, sampling: PolicySampling) -> Written:
    """The row's tokens, and how they came about."""
    assert model.mask_id is not None
    canvas = prompt + [model.mask_id] * sampling.output_tokens
    written, transformer = Written([], [0] * sampling.output_tokens), PlainTransformer(model)
    blocks = sampling.output_tokens // sampling.block_length
    most = sampling.block_length if sampling.policy.is_self_paced else sampling.steps // blocks
    for block in range(blocks):
        first = len(prompt) + block * sampling.block_length
        undecided = list(range(first, first + sampling.block_length))
        forward = 0
        while undecided:
            computed = _computed(sampling, len(canvas), first, forward)
            rows = transformer.logits(canvas, computed)
            written.computed.append(len(computed))
            tokens = {
                position: _token(
                    rows[position], model.mask_id, stream, block * most + forward, position - len(prompt), sampling
                )
                for position in undecided
            }
            for position in _positions_to_write(undecided, rows, tokens, model.mask_id, forward, sampling):
                canvas[position] = tokens[position]
                written.at[position - len(prompt)] = len(written.computed)
            undecided = [position for position in undecided if canvas[position] == model.mask_id]
            forward += 1
    written.tokens = canvas[len(prompt) :]
    return written


def _computed(sampling: PolicySampling, length: int, first: int, forward: int) -> range:
    cache = sampling.cache
    if cache is None or forward == 0 or (cache.refresh is not None and forward % cache.refresh == 0):
        return range(length)
    if cache.name is CacheName.prefix:
        return range(first, length)
    return range(first, first + sampling.block_length)


def _token(row: list[float], mask_id: int, stream: int, step: int, output: int, sampling: PolicySampling) -> int:
    allowed = [-math.inf if token == mask_id else logit for token, logit in enumerate(row)]
    if sampling.temperature > 0:
        noise = gumbel(cells(torch.tensor([stream]), step, torch.tensor([[output]])), len(row))[0, 0].tolist()
        allowed = [logit + sampling.temperature * extra for logit, extra in zip(allowed, noise, strict=True)]
    return allowed.index(max(allowed))


def _positions_to_write(
    undecided: list[int],
    rows: dict[int, list[float]],
    tokens: dict[int, int],
    mask_id: int,
    forward: int,
    sampling: PolicySampling,
) -> list[int]:
    """The positions to write."""
    policy = sampling.policy
    confidence = {position: _softmax(rows[position])[tokens[position]] for position in undecided}
    falling = sorted(undecided, key=lambda position: (-confidence[position], position))
    match policy.name:
        case PolicyName.threshold:
            assert policy.threshold is not None
            return [
                position for position in falling if position == falling[0] or confidence[position] >= policy.threshold
            ]
        case PolicyName.factor:
            return falling[: _by_factor([confidence[position] for position in falling], policy)]
        case PolicyName.entropy_bounded:
            assert policy.gamma is not None
            others = {position: rows[position][:mask_id] + rows[position][mask_id + 1 :] for position in undecided}
            return _bounded({position: _entropy(others[position]) for position in undecided}, policy.gamma)
        case PolicyName.margin:
            best = {position: sorted(_softmax(rows[position]))[-2:] for position in undecided}
            falling = sorted(undecided, key=lambda position: (best[position][0] - best[position][1], position))
        case PolicyName.entropy:
            falling = sorted(undecided, key=lambda position: (_entropy(rows[position]), position))
    steps = sampling.steps // (sampling.output_tokens // sampling.block_length)
    quota = sampling.block_length // steps + (forward < sampling.block_length % steps)
    return falling[:quota]


def _by_factor(falling: list[float], policy: Policy) -> int:
    assert policy.factor is not None
    count = 1
    while count < len(falling) and falling[count] >= 1 - policy.factor / (count + 2):
        count += 1
    if policy.factor_rule is FactorRule.fast_dllm and count == len(falling) - 1:
        count += 1
    return count


def _bounded(entropies: dict[int, float], gamma: float) -> list[int]:
    rising = sorted(entropies, key=lambda position: (entropies[position], position))
    return [
        position
        for rank, position in enumerate(rising)
        if rank == 0 or sum(entropies[p] for p in rising[:rank]) <= gamma
    ]


def _softmax(row: list[float]) -> list[float]:
    weights = [math.exp(logit) for logit in row]
    return [weight / sum(weights) for weight in weights]


def _entropy(row: list[float]) -> float:
    return -sum(p * math.log(p) for p in _softmax(row) if p > 0)
