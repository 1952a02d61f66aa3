"""Loaders in official layouts against plain logits of the sources' own models: ids alone, before any sampler."""

import json

import pytest
import torch

from benchmark.engines.factory import PassFactory
from benchmark.models.layouts import Pattern
from benchmark.models.loading import load_model
from crossover.records.settings import Attention, Engine, Family
from tests.checkpoints import CPU
from tests.paths import KNOWN_ANSWERS

FILES = [
    ("tiny_random_dream", "cases_dream.json"),
    ("tiny_random_dream", "cases_fast_dllm_dream.json"),
    ("tiny_random_sdar", "cases_block_diffusion.json"),
]


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("attention", [Attention.sdpa, Attention.eager])
@pytest.mark.parametrize("engine", [Engine.eager, Engine.compiled])
@pytest.mark.parametrize(("folder", "file"), FILES)
def test_a_loaded_model_gives_the_logits_of_the_source(
    folder: str, file: str, engine: Engine, attention: Attention
) -> None:
    known = json.loads((KNOWN_ANSWERS / folder / file).read_text())["forward"]
    model = load_model(KNOWN_ANSWERS / folder, Family.diffusion, dtype=torch.float32, device=CPU)
    assert model.architecture.block_length == known.get("block_length")
    factory = PassFactory(model)
    passes = factory.canvas(engine, factory.kernel(attention))
    tokens_1L = torch.tensor([known["input_ids"]])
    length = tokens_1L.shape[1]
    passes.prepare(1, length // 2, length - length // 2, padded=False)
    with torch.inference_mode():
        logits_LV = model.head(passes.hidden(tokens_1L, None, torch.arange(length)[None]))[0]
    assert logits_LV.argmax(dim=-1).tolist() == known["argmax"]
    torch.testing.assert_close(logits_LV.logsumexp(dim=-1), torch.tensor(known["row_logsumexp"]), atol=2e-5, rtol=0)
    most_L = logits_LV.softmax(dim=-1).amax(dim=-1)
    torch.testing.assert_close(most_L, torch.tensor(known["top1_probability"]), atol=2e-6, rtol=0)


@pytest.mark.parametrize(
    ("folder", "pattern", "is_shifted", "mask"),
    [("tiny_random_dream", Pattern.full, True, 310), ("tiny_random_sdar", Pattern.block_causal, False, 311)],
)
def test_the_architecture_says_how_the_model_attends_and_where_its_logits_are(
    folder: str, pattern: Pattern, mask: int, *, is_shifted: bool
) -> None:
    model = load_model(KNOWN_ANSWERS / folder, Family.diffusion, dtype=torch.float32, device=CPU)
    found = model.architecture
    assert (found.pattern, found.is_shifted, found.mask_id) == (pattern, is_shifted, mask)


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("engine", [Engine.eager, Engine.compiled])
def test_blocks_against_kept_keys_give_what_the_whole_canvas_gives(engine: Engine) -> None:
    model = load_model(KNOWN_ANSWERS / "tiny_random_sdar", Family.diffusion, dtype=torch.float32, device=CPU)
    factory = PassFactory(model)
    tokens_2L = torch.arange(3, 43).view(2, 20)
    whole = factory.canvas(engine, factory.kernel(Attention.sdpa))
    by_block = factory.canvas(engine, factory.kernel(Attention.sdpa))
    everywhere_2L = torch.arange(20).expand(2, -1)
    with torch.inference_mode():
        whole.prepare(2, 10, 10, padded=False)
        expected = whole.hidden(tokens_2L, None, everywhere_2L)
        by_block.prepare(2, 10, 10, padded=False, widths=(8, 4))
        for window in (range(8), range(8, 12), range(12, 16), range(16, 20)):
            positions_2W = everywhere_2L[:, window.start : window.stop]
            found = by_block.hidden(tokens_2L, None, positions_2W, window)
            torch.testing.assert_close(found, expected[:, window.start : window.stop])
