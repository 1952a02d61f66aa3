"""What only a GPU can show: `nox -s gpu` on a machine that has one."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.decoders.diffusion import MaskedDiffusionDecoder
from benchmark.decoders.interface import Unmarked, make_batch
from benchmark.engines.noise import cells, gumbel
from benchmark.models.loading import LanguageModel, load_model
from benchmark.models.shelf import Shelf
from benchmark.pipeline import execute
from benchmark.record import Measurement
from benchmark.run import Device, Diffusion, Family, Model, Precision, Prompts, Remasking, Run

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")]

KNOWN = Path(__file__).parents[1] / "known_answers" / "tiny_random_llada"
CASES = json.loads((KNOWN / "cases.json").read_text(encoding="utf-8"))["generate"]

TINY = Run(
    model=Model(
        name="tiny_llada", family=Family.diffusion, checkpoint="builtin:tiny_llada", revision=None, context=512
    ),
    diffusion=Diffusion(steps=8, block_length=64, remasking=Remasking.low_confidence, guidance_scale=0.0),
    batch=2,
    length=128,
    prompt_fraction=0.5,
    temperature=0.8,
    seed=0,
    warmup=3,
    repeats=3,
    device=Device.cuda,
    precision=Precision.bfloat16,
    prompts=Prompts(source="builtin:prompts/austen.jsonl", count=4),
    judge=None,
)
TINY_LLAMA = replace(
    TINY,
    model=Model(
        name="tiny_llama", family=Family.autoregressive, checkpoint="builtin:tiny_llama", revision=None, context=512
    ),
    diffusion=None,
)


@pytest.fixture(scope="module")
def published() -> LanguageModel:
    return load_model(KNOWN, Family.diffusion, dtype=torch.float32, device=torch.device("cuda"))


def measured(run: Run) -> Measurement:
    record = execute(run, sweep="test", shelf=Shelf(), report=lambda *_: None)
    assert record.measurement is not None, record.failure
    assert record.environment is not None
    assert record.environment.gpu is not None
    return record.measurement


@pytest.mark.parametrize("case", CASES)
def test_the_published_tokens_come_out_in_float32(published: LanguageModel, case: dict[str, Any]) -> None:
    prompts, expected = case["prompt_ids"], case["output_ids"]
    if not isinstance(prompts[0], list):
        prompts, expected = [prompts], [expected]
    decoder = MaskedDiffusionDecoder(
        model=published,
        steps=case["steps"],
        block_length=case["block_length"],
        temperature=0.0,
        remasking=Remasking.low_confidence,
        guidance_scale=case.get("cfg_scale", 0.0),
    )
    batch = make_batch(prompts, list(range(len(prompts))), published.device)
    assert decoder.decode(batch, case["gen_length"], Unmarked()).tokens_BN.tolist() == expected


def test_noise_is_that_of_the_cpu() -> None:
    streams, places = torch.arange(3), torch.arange(5).expand(3, -1)
    on_cpu = gumbel(cells(streams, 7, places), 100)
    on_gpu = gumbel(cells(streams.cuda(), 7, places.cuda()), 100)
    assert torch.allclose(on_gpu.cpu(), on_cpu, rtol=1e-12, atol=1e-12)


def test_a_diffusion_run_never_waits_for_the_host() -> None:
    model = load_model(KNOWN, Family.diffusion, dtype=torch.bfloat16, device=torch.device("cuda"))
    decoder = MaskedDiffusionDecoder(
        model=model,
        steps=8,
        block_length=16,
        temperature=1.0,
        remasking=Remasking.low_confidence,
        guidance_scale=0.0,
    )
    batch = make_batch([[3, 4, 5, 6]] * 2, [0, 1], model.device)
    torch.cuda.set_sync_debug_mode("error")
    try:
        decoder.decode(batch, 32, Unmarked())
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("run", [TINY, TINY_LLAMA], ids=lambda run: run.model.name)
def test_events_and_host_tell_the_same_time(run: Run) -> None:
    for sample in measured(run).samples:
        phases = sum(sample.step_s) + (sample.prefill_s or 0.0)
        assert 0 < phases <= sample.latency_s * 1.001
        assert sample.latency_s == pytest.approx(sample.host_latency_s, rel=0.1)


def test_the_peak_of_a_large_point_does_not_show_in_the_next() -> None:
    large = replace(TINY, batch=32, prompts=Prompts(source=TINY.prompts.source, count=32))
    before, peak, after = (measured(run).memory.max_reserved_bytes for run in (TINY, large, TINY))
    assert before is not None
    assert peak is not None
    assert after is not None
    assert peak > before
    assert after == before


def test_two_runs_in_bfloat16_give_the_same_tokens() -> None:
    first, second = ([text.tokens for text in measured(TINY).generated] for _ in range(2))
    assert first == second
