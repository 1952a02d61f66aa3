"""The tiny twin that comes with the package: one file, read either way by the loader of every checkpoint."""

import json

import pytest
import torch

from benchmark.models.loading import load_model, load_tokenizer
from benchmark.quality.likelihood.held_out import Document, autoregressive_nats, monte_carlo_bound
from crossover.records.settings import Family
from tests.paths import ROOT

ASSETS = ROOT / "benchmark" / "assets"
TWIN = ASSETS / "tiny_twin"
LARGEST_BYTES = 30_000_000


@pytest.fixture(scope="module")
def held_out() -> Document:
    """64 tokens of a novel that the twin has not seen, and the 64 after them."""
    first = json.loads((ASSETS / "prompts" / "austen.jsonl").read_text().splitlines()[0])
    tokens = load_tokenizer(TWIN)(first["text"])["input_ids"]
    return Document(prompt=tokens[:64], answer=tokens[64:128])


def test_it_predicts_the_next_token(held_out: Document) -> None:
    """A guess by frequency alone takes about 6 nats a token, one at random 7.6."""
    model = load_model(TWIN, Family.autoregressive, dtype=torch.float32, device=torch.device("cpu"))
    assert not model.attends_in_blocks
    assert autoregressive_nats(model, held_out) / 64 < 4.2


def test_it_predicts_a_block_from_the_text_before_it(held_out: Document) -> None:
    """The bound lies above the exact likelihood token by token, and not far."""
    model = load_model(TWIN, Family.diffusion, dtype=torch.float32, device=torch.device("cpu"))
    assert model.attends_in_blocks
    assert model.architecture.block_length == 16
    bound = monte_carlo_bound(model, held_out, 8, torch.Generator().manual_seed(0))
    assert bound.nats / 64 < 4.5


def test_all_assets_together_stay_small() -> None:
    assert sum(file.stat().st_size for file in ASSETS.rglob("*") if file.is_file()) < LARGEST_BYTES
