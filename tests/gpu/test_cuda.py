"""What only a GPU can show: `nox -s gpu` on a machine that has one."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from benchmark.decoders.factory import make_decoder
from benchmark.decoders.interface import Decoder, Unmarked, make_batch
from benchmark.engines.attention import Flash2Torch, Plain, choose_kernel
from benchmark.engines.compiled.graphs import CompileError, capture
from benchmark.engines.compiled.layer import rms_norm
from benchmark.engines.factory import PassFactory, products_on
from benchmark.engines.sampling.head import TensorPick
from benchmark.engines.sampling.noise import cells, gumbel
from benchmark.execution.model_cache import ModelCache
from benchmark.execution.pipeline import execute
from benchmark.models.checkpoint import ASSETS
from benchmark.models.loading import load_model
from crossover.records.record import Measurement
from crossover.records.run import Run
from crossover.records.settings import (
    Attention,
    Diffusion,
    Engine,
    Family,
    Prompts,
    Remasking,
)
from tests.gpu.runs import TINY, TINY_LLAMA
from tests.paths import KNOWN_ANSWERS

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")]

KNOWN = KNOWN_ANSWERS / "tiny_random_llada"
CUDA = torch.device("cuda")
PROTOTYPE = "ignore:Synchronization debug mode is a prototype"
CASES = json.loads((KNOWN / "cases.json").read_text(encoding="utf-8"))["generate"]


@pytest.fixture(scope="module")
def published() -> PassFactory:
    return PassFactory(load_model(KNOWN, Family.diffusion, dtype=torch.float32, device=CUDA))


def measured(run: Run) -> Measurement:
    record = execute(run, sweep="test", models=ModelCache(), report=lambda *_: None)
    assert record.measurement is not None, record.failure
    assert record.environment is not None
    assert record.environment.gpu is not None
    return record.measurement


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("attention", [Attention.sdpa, Attention.eager])
@pytest.mark.parametrize("engine", Engine)
def test_every_engine_writes_the_published_tokens_in_float32(
    published: PassFactory, engine: Engine, attention: Attention, case: dict[str, Any]
) -> None:
    prompts, expected = case["prompt_ids"], case["output_ids"]
    if not isinstance(prompts[0], list):
        prompts, expected = [prompts], [expected]
    settings = Diffusion(
        steps=case["steps"],
        block_length=case["block_length"],
        remasking=Remasking.low_confidence,
        guidance_scale=case.get("cfg_scale", 0.0),
    )
    length = 2 * case["gen_length"]  # half of it is output
    run = replace(TINY, engine=engine, diffusion=settings, length=length, temperature=0.0)
    decoder = make_decoder(run, published, published.kernel(attention))
    batch = make_batch(prompts, list(range(len(prompts))), published.model.device)
    assert decoder.decode(batch, case["gen_length"], Unmarked()).tokens_BN.tolist() == expected


def test_noise_is_that_of_the_cpu() -> None:
    streams, positions = torch.arange(3), torch.arange(5).expand(3, -1)
    on_cpu = gumbel(cells(streams, 7, positions), 100)
    on_gpu = gumbel(cells(streams.cuda(), 7, positions.cuda()), 100)
    assert torch.allclose(on_gpu.cpu(), on_cpu, rtol=1e-12, atol=1e-12)


@pytest.mark.filterwarnings(PROTOTYPE)  # PyTorch warns of the check itself, which we use on purpose
@pytest.mark.parametrize("engine", [Engine.eager, Engine.compiled])
def test_a_diffusion_run_never_waits_for_the_host(engine: Engine) -> None:
    settings = Diffusion(steps=8, block_length=16, remasking=Remasking.low_confidence, guidance_scale=0.0)
    run = replace(TINY, engine=engine, diffusion=settings, length=64, temperature=1.0)
    made = PassFactory(load_model(KNOWN, Family.diffusion, dtype=torch.bfloat16, device=CUDA))
    never_waits(make_decoder(run, made, made.kernel(Attention.sdpa)))


@pytest.mark.filterwarnings(PROTOTYPE)  # PyTorch warns of the check itself, which we use on purpose
def test_a_compiled_continuation_never_waits_for_the_host() -> None:
    made = PassFactory(load_model(ASSETS / "tiny_llama", Family.autoregressive, dtype=torch.bfloat16, device=CUDA))
    never_waits(make_decoder(replace(TINY_LLAMA, engine=Engine.compiled), made, made.kernel(Attention.flash2)))


def never_waits(decoder: Decoder) -> None:
    batch = make_batch([[3, 4, 5, 6]] * 2, [0, 1], CUDA)
    decoder.prepare(batch, 32)
    decoder.decode(batch, 32, Unmarked())
    try:
        torch.cuda.set_sync_debug_mode("error")
        decoder.decode(batch, 32, Unmarked())
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("rows", [1, 70, 3000])
def test_the_kernel_picks_what_tensors_pick(rows: int, temperature: float) -> None:
    from benchmark.engines.kernels.pick import KernelPick

    logits = torch.randn(rows, 5003, device=CUDA).bfloat16()
    logits[:, 4000] = logits[:, 17] = 9.0  # equals: the lower position wins
    positions = torch.randint(-(2**62), 2**62, (rows,), device=CUDA)
    tokens, confidence = KernelPick()(logits, positions, temperature, 2)
    expected_tokens, expected_confidence = TensorPick()(logits.clone(), positions, temperature, 2)
    if temperature:
        assert torch.equal(tokens, expected_tokens)
    else:
        assert set(tokens.tolist()) == {17}
    assert torch.allclose(confidence, expected_confidence, atol=1e-6)


def close(computed: torch.Tensor, expected: torch.Tensor) -> bool:
    """As close as two roundings of the type allow, over a whole product."""
    allowed = 1e-5 if computed.dtype is torch.float32 else 1e-2
    return float((computed.double() - expected).norm() / expected.norm()) < allowed


def operands(tokens: int, inputs: int, outputs: int, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    """Tokens, a norm, a matrix and a residual for its outputs."""
    shapes = ((tokens, inputs), (inputs,), (outputs, inputs), (tokens, outputs))
    generator = torch.Generator(CUDA).manual_seed(0)
    return tuple(torch.randn(shape, device=CUDA, generator=generator).to(dtype) for shape in shapes)


def gated(product: torch.Tensor) -> torch.Tensor:
    gate, up = product.chunk(2, dim=-1)
    return torch.nn.functional.silu(gate) * up


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("inputs", "outputs"), [(192, 1002), (4096, 1002), (14336, 1002), (77, 34)])
def test_a_matrix_times_one_token(inputs: int, outputs: int, dtype: torch.dtype) -> None:
    from benchmark.engines.kernels.gemv import gemv

    x, norm, weight, residual = operands(1, inputs, outputs, dtype)
    normed = rms_norm(x.double(), norm.double(), 1e-5)
    assert close(gemv(x, weight, residual_1J=residual), x.double() @ weight.double().t() + residual)
    assert close(gemv(x, weight, norm_K=norm, epsilon=1e-5), normed @ weight.double().t())
    assert close(gemv(x, weight, norm_K=norm, epsilon=1e-5, is_gated=True), gated(normed @ weight.double().t()))


@pytest.mark.parametrize("tokens", [2, 8, 33, 64])
def test_a_matrix_times_a_few_tokens(tokens: int) -> None:
    from benchmark.engines.kernels.hopper import is_hopper
    from benchmark.engines.kernels.skinny import fits_skinny, skinny

    x, _, weight, residual = operands(tokens, 512, 640, torch.bfloat16)
    expected = x.double() @ weight.double().t()
    assert fits_skinny(x, weight) is is_hopper()
    if is_hopper():
        assert close(skinny(x, weight), expected)
        assert close(skinny(x, weight, residual_TJ=residual), expected + residual)
        assert close(skinny(x, weight, is_gated=True), gated(expected))


@pytest.mark.parametrize("tokens", [65, 100, 128, 200, 300, 5000])
def test_a_gated_product_of_many_tokens(tokens: int) -> None:
    from benchmark.engines.kernels.hopper import is_hopper
    from benchmark.engines.kernels.swiglu import fits_swiglu, swiglu

    x, _, weight, _ = operands(tokens, 512, 1280, torch.bfloat16)
    assert fits_swiglu(x, weight) is is_hopper()
    if is_hopper():
        assert close(swiglu(x, weight), gated(x.double() @ weight.double().t()))


@pytest.mark.parametrize("tokens", [1, 8, 300])
@pytest.mark.parametrize("inputs", [96, 512])
def test_every_number_of_tokens_has_its_product(tokens: int, inputs: int) -> None:
    x, norm, weight, residual = operands(tokens, inputs, 512, torch.bfloat16)
    products = products_on(CUDA, 1e-5)
    outputs: list[torch.Tensor] = []

    def work() -> None:
        outputs[:] = [
            products.normed(x, norm, weight),
            products.gated(x, norm, weight),
            products.added(x, weight, residual.clone()),
        ]

    capture(work, CUDA).replay()
    normed = rms_norm(x.double(), norm.double(), 1e-5) @ weight.double().t()
    expected = [normed, gated(normed), x.double() @ weight.double().t() + residual]
    assert all(close(each, truth) for each, truth in zip(outputs, expected, strict=True))


@pytest.mark.parametrize("queries", [1, 2, 40])
@pytest.mark.parametrize("key_heads", [8, 2])
@pytest.mark.parametrize("attention", Attention)
def test_every_kernel_takes_any_number_of_queries(attention: Attention, key_heads: int, queries: int) -> None:
    q = torch.randn(3, queries, 8, 128, device=CUDA, dtype=torch.bfloat16)
    k, v = (torch.randn(3, 50, key_heads, 128, device=CUDA, dtype=torch.bfloat16) for _ in range(2))
    kernel = choose_kernel(attention, heads=8, head=128, dtype=torch.bfloat16, device=CUDA)
    expected = Plain().full(q.float(), k.float(), v.float(), None, causal=False)
    assert torch.allclose(kernel.full(q, k, v, None, causal=False).float(), expected, atol=2e-2)


@pytest.mark.parametrize("multiprocessors", [1, 1000], ids=["many rows", "few rows"])
@pytest.mark.parametrize("groups", [1, 4])
def test_flash_attention_reads_as_much_of_a_cache_as_was_seen(groups: int, multiprocessors: int) -> None:
    q = torch.randn(3, 1, 8, 64, device=CUDA, dtype=torch.bfloat16)
    k, v = (torch.randn(3, 50, 8 // groups, 64, device=CUDA, dtype=torch.bfloat16) for _ in range(2))
    seen = torch.full((3,), 20, device=CUDA, dtype=torch.int32)
    expected = Plain().cached(q.float(), k.float(), v.float(), seen, None)
    kernel = Flash2Torch(multiprocessors)
    attended = kernel.cached(kernel.arranged(q, 8 // groups), k, v, seen, None)
    assert attended.shape == q.shape
    assert torch.allclose(attended.float(), expected, atol=2e-2)


@pytest.mark.parametrize("run", [TINY, TINY_LLAMA], ids=lambda run: run.model.name)
def test_what_was_asked_for_is_what_ran(run: Run) -> None:
    for engine in Engine:
        for attention, name in ((Attention.flash2, "flash2 ("), (Attention.sdpa, "sdpa ("), (Attention.eager, "eager")):
            record = execute(
                replace(run, engine=engine, attention=attention),
                sweep="test",
                models=ModelCache(),
                report=lambda *_: None,
            )
            assert record.measurement is not None, record.failure
            assert record.environment is not None
            assert record.measurement.fallback is None
            assert record.environment.engine == engine
            assert record.environment.attention.startswith(name)


@pytest.mark.parametrize("run", [TINY, TINY_LLAMA], ids=lambda run: run.model.name)
def test_phases_add_up_to_the_whole(run: Run) -> None:
    for sample in measured(replace(run, engine=Engine.compiled)).samples:
        assert sum(sample.step_s) + (sample.prefill_s or 0.0) == pytest.approx(sample.latency_s, rel=0.02)


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


def test_work_that_cannot_be_captured_is_said_and_leaves_no_stream_behind() -> None:
    one, before = torch.ones(1, device=CUDA), torch.cuda.current_stream()

    def wait_for_the_host() -> None:
        one.add_(one.item())

    def stay_on_the_device() -> None:
        one.add_(1)

    with pytest.raises(CompileError):
        capture(wait_for_the_host, CUDA)
    assert torch.cuda.current_stream() == before
    capture(stay_on_the_device, CUDA).replay()


def test_two_runs_in_bfloat16_give_the_same_tokens() -> None:
    for engine in Engine:
        run = replace(TINY, engine=engine)
        first, second = ([text.tokens for text in measured(run).generated] for _ in range(2))
        assert first == second
