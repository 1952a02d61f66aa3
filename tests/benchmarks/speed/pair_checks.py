"""Known logits of the pairs' layouts on the GPU, and blocks against kept keys beside the same in one pass."""

import json
from collections.abc import Iterator

import torch

from benchmark.engines.factory import PassFactory
from benchmark.models.loading import load_model
from crossover.records.settings import Attention, Engine, Family
from tests.benchmarks.speed.cases import CUDA
from tests.paths import KNOWN_ANSWERS

KNOWN = (("tiny_random_dream", "cases_dream.json"), ("tiny_random_sdar", "cases_block_diffusion.json"))


def known_logits(folder: str, file: str) -> Iterator[str]:
    """Logits of one row of ids in float32, by each engine and kernel, against those of the source."""
    known = json.loads((KNOWN_ANSWERS / folder / file).read_text())["forward"]
    tokens_1L = torch.tensor([known["input_ids"]], device=CUDA)
    length = tokens_1L.shape[1]
    factory = PassFactory(load_model(KNOWN_ANSWERS / folder, Family.diffusion, dtype=torch.float32, device=CUDA))
    for engine in (Engine.eager, Engine.compiled):
        for attention in (Attention.sdpa, Attention.eager):
            passes = factory.canvas(engine, factory.kernel(attention))
            passes.prepare(1, length // 2, length - length // 2, padded=False)
            with torch.inference_mode():
                hidden_1LD = passes.hidden(tokens_1L, None, torch.arange(length, device=CUDA)[None])
                logits_LV = factory.model.head(hidden_1LD)[0].cpu()
            same = logits_LV.argmax(dim=-1).tolist() == known["argmax"]
            off = (logits_LV.logsumexp(dim=-1) - torch.tensor(known["row_logsumexp"])).abs().max()
            yield f"{folder}, engine={engine} attention={attention}: argmax {same}, log-sum-exp off by {off:.1e}"


def blocks_beside_one_pass(factory: PassFactory, block: int) -> float:
    """How far hidden states of a text by blocks against kept keys are from those of one pass, of their size."""
    length, kernel = 128, factory.kernel(Attention.flash2)
    tokens_2L = torch.randint(0, 1000, (2, length), device=CUDA)
    every_2L = torch.arange(length, device=CUDA).expand(2, -1)
    whole, by_block = factory.canvas(Engine.compiled, kernel), factory.canvas(Engine.compiled, kernel)
    with torch.inference_mode():
        whole.prepare(2, 64, 64, padded=False)
        expected = whole.hidden(tokens_2L, None, every_2L)[:, 64:].float()
        by_block.prepare(2, 64, 64, padded=False, widths=(64, block))
        by_block.hidden(tokens_2L, None, every_2L[:, :0], range(64))
        windows = [range(first, first + block) for first in range(64, length, block)]
        parts = [by_block.hidden(tokens_2L, None, every_2L[:, each.start : each.stop], each) for each in windows]
    return float((torch.cat(parts, dim=1).float() - expected).norm() / expected.norm())
