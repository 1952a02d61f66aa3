"""Predicted memory against what was measured on one H100 80GB: docs/results/speed.md, columns of GiB; same runs."""

from dataclasses import replace
from typing import Any

import pytest

from benchmark.engines.compiled import body
from benchmark.engines.sampling import head as choice
from benchmark.roofline import memory as module
from benchmark.roofline.memory import Footprint, footprint
from benchmark.roofline.prediction import predict
from benchmark.roofline.work import Ceilings, Shape
from crossover.records.policies import Blocks, Cache, CacheName, Policy, PolicyName
from crossover.records.run import Run
from crossover.records.settings import Attention, Device, Engine, Family, Model, Precision, Remasking
from tests.factories import a_diffusion, a_run, an_autoregressive_run
from tests.model_shapes import LLADA, LLAMA, SMALL
from tests.paths import ROOT

GIB = 1 << 30
H100_BYTES = 85_029_158_912
"""What PyTorch calls the total memory of an H100 80GB HBM3: 79.2 GiB."""
MEASURED_GIB = (
    ("diffusion", 1, 128, 15.1, 15.0),
    ("diffusion", 1, 512, 15.3, 15.1),
    ("diffusion", 8, 1024, 20.0, 16.8),
    ("diffusion", 32, 1024, 35.1, 17.1),
    ("diffusion", 64, 2048, 76.8, 17.8),
    ("autoregressive", 1, 512, 15.3, 15.4),
    ("autoregressive", 8, 512, 15.6, 16.0),
    ("autoregressive", 32, 1024, 19.8, 19.9),
)
"""Pass, batch, length, engine=published, engine=compiled: reserved at the peak."""


def on_gpu(batch: int, length: int, engine: Engine, family: Family = Family.diffusion, **changes: object) -> Run:
    """A run as those of the table, half of it prompt."""
    plain = a_run() if family is Family.diffusion else an_autoregressive_run()
    settings = a_diffusion(steps=2, block_length=length // 2) if family is Family.diffusion else None
    run = replace(
        plain,
        model=Model(name="8b", family=family, checkpoint="", revision=None, context=8192),
        diffusion=settings,
        batch=batch,
        length=length,
        device=Device.cuda,
        precision=Precision.bfloat16,
        engine=engine,
        attention=Attention.sdpa,
    )
    return replace(run, **changes)  # type: ignore[arg-type]


def gib(run: Run, shape: Shape, memory_bytes: int | None = H100_BYTES) -> float:
    """Predicted peak."""
    return footprint(run, shape).peak_bytes(memory_bytes) / GIB


@pytest.mark.parametrize(("family", "batch", "length", "published_gib", "compiled_gib"), MEASURED_GIB)
def test_the_8b_pair_takes_what_was_measured_within_a_tenth(
    family: str, batch: int, length: int, published_gib: float, compiled_gib: float
) -> None:
    shape = LLADA if family == "diffusion" else LLAMA
    for engine, measured_gib in ((Engine.published, published_gib), (Engine.compiled, compiled_gib)):
        run = on_gpu(batch, length, engine, Family(family))
        assert gib(run, shape) == pytest.approx(measured_gib, rel=0.1), engine
        # nearly all are the weights: what is beside them is right too, to a gibibyte or a tenth
        assert gib(run, shape) - measured_gib == pytest.approx(0.0, abs=max(1.0, 0.1 * (measured_gib - 15.0)))


def test_the_largest_canvas_fits_only_because_the_allocator_gives_back_what_it_kept() -> None:
    memory = footprint(on_gpu(64, 2048, Engine.published), LLADA)
    assert memory.needed_bytes < H100_BYTES < memory.kept_bytes
    assert memory.peak_bytes(H100_BYTES) == H100_BYTES
    assert (
        memory.peak_bytes(memory.needed_bytes - 1) == memory.needed_bytes
    )  # does not fit, and says what it would take
    assert footprint(on_gpu(96, 2048, Engine.published), LLADA).needed_bytes > H100_BYTES


def test_plain_modules_read_logits_in_chunks_and_run_the_whole_batch_at_once() -> None:
    """The caching allocator, simulated on the very modules' allocations, reserves 16.7, 20.1 and 35.4 GiB."""
    for batch, length, simulated_gib in ((8, 1024, 16.7), (32, 1024, 20.1), (64, 2048, 35.4)):
        assert gib(on_gpu(batch, length, Engine.eager), LLADA) == pytest.approx(simulated_gib, rel=0.05)


def test_a_cache_is_that_of_every_token_of_every_row() -> None:
    run = on_gpu(32, 1024, Engine.compiled, Family.autoregressive)
    tokens = run.batch * (run.length - run.prompt_tokens)
    more = footprint(replace(run, prompt_fraction=0.25), LLAMA).needed_bytes - footprint(run, LLAMA).needed_bytes
    assert more == 0  # its parts have 8,192 tokens either way, and its cache holds prompt and output alike
    half = footprint(replace(run, batch=16), LLAMA).needed_bytes
    head = 16 * LLAMA.vocabulary * 10
    assert footprint(run, LLAMA).needed_bytes - half == pytest.approx(tokens * LLAMA.cache_bytes_per_token + head)


def test_a_prompt_that_is_nearly_all_is_remembered_for_its_activations() -> None:
    """Where the prompt's pass is the peak, the cache is that of the prompt; where the end is, that of every token."""
    end = on_gpu(8, 4096, Engine.eager, Family.autoregressive, prompt_fraction=0.01)
    whole = 8 * 4096 * LLAMA.cache_bytes_per_token
    above = footprint(end, LLAMA).needed_bytes - LLAMA.weights_bytes
    assert whole < above < 1.1 * whole
    begin = replace(end, prompt_fraction=0.99)
    assert footprint(begin, LLAMA).needed_bytes - LLAMA.weights_bytes > 1.5 * whole


def test_noise_guidance_and_plain_attention_take_their_tensors() -> None:
    run = on_gpu(8, 1024, Engine.published)
    logits = 8 * 1024 * LLADA.vocabulary
    plain = footprint(run, LLADA).needed_bytes

    def more(**changes: object) -> float:
        return (footprint(replace(run, **changes), LLADA).needed_bytes - plain) / logits  # type: ignore[arg-type]

    settings = a_diffusion(steps=2, block_length=512)
    assert more(temperature=0.5) == 38  # five of float64 in position of one softmax in bfloat16
    assert more(diffusion=replace(settings, guidance_scale=1.0)) == 4  # both passes' logits, and two tensors more
    assert more(diffusion=replace(settings, remasking=Remasking.random)) == -2  # no softmax
    eager = on_gpu(8, 1024, Engine.eager)
    scores = footprint(replace(eager, attention=Attention.eager), LLADA).kept_bytes - footprint(eager, LLADA).kept_bytes
    assert scores == 8 * 32 * 1024 * 1024 * 8


def test_blocks_are_read_one_at_a_time() -> None:
    whole = on_gpu(1, 512, Engine.compiled)
    blocks = replace(whole, diffusion=a_diffusion(steps=8, block_length=64))
    fewer = footprint(whole, LLADA).needed_bytes - footprint(blocks, LLADA).needed_bytes
    assert fewer == (256 - 64) * (LLADA.vocabulary * 2 + 2 * LLADA.hidden * 2)
    paced = Policy(name=PolicyName.threshold, threshold=0.9)  # its steps say nothing, and may be fewer than its blocks
    followed = replace(whole, diffusion=a_diffusion(steps=1, block_length=64, policy=paced))
    assert footprint(followed, LLADA) == footprint(blocks, LLADA)


def test_kept_keys_and_values_of_the_largest_canvas_do_not_fit() -> None:
    settings = a_diffusion(steps=64, block_length=32, cache=Cache(name=CacheName.dual))
    kept = on_gpu(64, 2048, Engine.compiled, diffusion=settings)
    plain = on_gpu(64, 2048, Engine.compiled, diffusion=replace(settings, cache=None))
    more = footprint(kept, LLADA).needed_bytes - footprint(plain, LLADA).needed_bytes
    assert more == 64 * 2048 * 32 * 2 * 4096 * 2 == pytest.approx(69e9, rel=0.01)
    assert footprint(plain, LLADA).needed_bytes < H100_BYTES < footprint(kept, LLADA).needed_bytes


def test_a_cpu_keeps_nothing() -> None:
    memory = Footprint(needed_bytes=5, kept_bytes=9)
    assert (memory.peak_bytes(None), memory.peak_bytes(7), memory.peak_bytes(20)) == (5, 7, 9)
    ceilings = Ceilings(copy_bytes_per_s=1e10, matrix_flop_per_s=1e11)
    run = on_gpu(8, 1024, Engine.eager, device=Device.cpu)
    assert predict(run, LLADA, ceilings).peak_bytes == footprint(run, LLADA).needed_bytes


def test_the_chunks_and_parts_are_the_engines() -> None:
    assert (module.CHUNK_LOGITS, module.NOISE_SHARE) == (choice.CHUNK_LOGITS, choice.NOISE_SHARE)
    assert module.PART_TOKENS == body.PART_TOKENS
    source = (ROOT / "benchmark" / "engines" / "kernels" / "pick.py").read_text(encoding="utf-8")  # imports Triton
    assert f"\nCHUNK_LOGITS = 1 << {module.KERNEL_CHUNK_LOGITS.bit_length() - 1}\n" in source


def needed(run: Run) -> int:
    """Beside the weights of a shape that is small enough to count by hand."""
    return footprint(run, SMALL).needed_bytes - SMALL.weights_bytes


def kept(run: Run) -> int:
    return footprint(run, SMALL).kept_bytes - SMALL.weights_bytes


HIDDEN, MLP = 2 * 16 * 8 * 4, 2 * 16 * 3 * 12 * 4
"""2 rows of 16 tokens in float32: one tensor of the hidden size, 8, and three of the intermediate size, 12."""
HEAD = 2 * 8 * 8 * 4 + 2 * 8 * 10 * (4 + 2 * 4)
"""8 hidden states a row, and 10 logits each: in the model's type, and two tensors of float32 made of them."""


def test_the_plain_modules_need_four_tensors_of_the_hidden_size_beside_the_mlp() -> None:
    run = a_run(engine=Engine.eager)
    assert needed(run) == 4 * HIDDEN + MLP
    assert kept(run) == 11 * HIDDEN + MLP + HEAD


def test_a_compiled_layer_keeps_seven_tensors_of_the_hidden_size_and_lets_nothing_go() -> None:
    """The compiled engine has its hidden states twice: in parts, and all of them."""
    run = a_run(engine=Engine.compiled)
    assert needed(run) == kept(run) == 7 * HIDDEN + MLP + HEAD + 2 * 8 * 8 * 4


def test_a_gpu_needs_cublas_s_workspace_of_64_mebibytes() -> None:
    run = a_run(engine=Engine.eager)
    on_gpu = replace(run, device=Device.cuda)
    assert needed(on_gpu) - needed(run) == kept(on_gpu) - kept(run) == 64 << 20


def test_a_cache_that_grows_is_copied_a_layer_s_keys_or_values_at_a_time() -> None:
    """2 rows of 16 tokens, 64 bytes each in 2 layers: of keys and values, one layer's keys are a quarter."""
    run = an_autoregressive_run(engine=Engine.eager, prompt_fraction=1 / 16)
    logits = 2 * 10 * (4 + 2 * 4)
    assert needed(run) == kept(run) == 2048 + 512 + logits


def test_a_cache_of_the_compiled_engine_is_whole_from_the_start() -> None:
    """The prompt has 1 token: its tensors are a sixteenth of a canvas's."""
    run = an_autoregressive_run(engine=Engine.compiled, prompt_fraction=1 / 16)
    assert needed(run) == 2048 + 7 * HIDDEN // 16 + MLP // 16 + 2 * 10 * (4 + 2 * 4)


@pytest.mark.parametrize(
    ("changes", "positions", "hidden_copies", "bytes_a_logit"),
    [
        ({}, 16, 1, 4 + 8),
        ({"temperature": 1.0}, 16, 1, 4 + 8 + 4 * 8),  # four tensors of float64 for the noise
        ({"diffusion": a_diffusion(guidance_scale=1.0)}, 16, 2, 3 * 4 + 8),  # of both passes, and two made of them
        ({"diffusion": a_diffusion(block_length=4)}, 8, 1, 4 + 8),
        ({"diffusion": a_diffusion(remasking=Remasking.random)}, 4, 1, 4 + 8),  # where it writes alone: 2 a row
    ],
)
def test_the_plain_modules_read_logits_at_the_masks_of_a_block(
    changes: dict[str, Any], positions: int, hidden_copies: int, bytes_a_logit: int
) -> None:
    head = kept(a_run(engine=Engine.eager, **changes)) - 11 * HIDDEN - MLP
    assert head == positions * (8 * 4 * hidden_copies + 10 * bytes_a_logit)


@pytest.mark.parametrize(("guidance", "hidden_copies", "logits"), [(0.0, 2, 1), (1.0, 3, 2)])
def test_the_compiled_engine_s_kernel_needs_the_logits_alone(guidance: float, hidden_copies: int, logits: int) -> None:
    run = a_run(engine=Engine.compiled, device=Device.cuda, diffusion=a_diffusion(guidance_scale=guidance))
    head = kept(run) - (64 << 20) - 7 * HIDDEN - MLP
    assert head == 16 * (8 * 4 * hidden_copies + 10 * 4 * logits)


def test_the_published_loop_runs_both_passes_of_guidance_at_once() -> None:
    """Its logits are those of the whole canvas, 32 positions, in both passes and two tensors between them."""
    run = a_run(engine=Engine.published, diffusion=a_diffusion(guidance_scale=1.0))
    assert needed(run) == 2 * (4 * HIDDEN + MLP)
    assert kept(run) == 2 * (11 * HIDDEN + MLP) + 32 * 10 * 4 * 4
    plain = replace(run, engine=Engine.eager)  # which runs one after the other
    assert needed(plain) == 4 * HIDDEN + MLP


def test_the_scores_of_plain_attention_take_the_place_of_the_mlp_where_they_are_larger() -> None:
    """4 heads, 16 x 16 pairs: twice in the model's type, and their softmax in float32."""
    scores = 2 * 4 * 16 * 16 * (2 * 4 + 4)
    run = a_run(engine=Engine.eager, attention=Attention.eager)
    assert scores > MLP
    assert needed(run) == 4 * HIDDEN + scores
    assert kept(run) == 11 * HIDDEN + MLP + scores + HEAD


@pytest.mark.parametrize(("part_tokens", "rows"), [(8, 1), (16, 1), (31, 1), (32, 2), (1000, 2)])
def test_the_compiled_engine_runs_as_many_rows_at_a_time_as_fit_into_a_part_and_at_least_one(
    part_tokens: int, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PART_TOKENS", part_tokens)
    head = HEAD + 2 * 8 * 8 * 4
    assert needed(a_run(engine=Engine.compiled)) == rows * (7 * HIDDEN + MLP) // 2 + head


@pytest.mark.parametrize(("prompt_tokens", "canvas", "widest"), [(12, 24, 8), (17, 32, 16), (4, 16, 8)])
def test_an_exact_cache_has_whole_blocks_and_computes_no_more_than_the_prompt(
    prompt_tokens: int, canvas: int, widest: int
) -> None:
    """The last block goes beyond the output. Each pass is of the prompt's whole blocks or of one block, 8 positions."""
    exact = {"cache": Cache(name=CacheName.exact), "blocks": Blocks.sequence}
    length = prompt_tokens + 8
    run = a_run(diffusion=a_diffusion(block_length=8, **exact), length=length, prompt_fraction=prompt_tokens / length)
    layer = 2 * widest * 4 * (4 * SMALL.hidden + 3 * SMALL.intermediate)
    assert needed(run) == 2 * canvas * SMALL.cache_bytes_per_token + layer


def test_a_causal_context_has_the_prompt_and_whole_blocks_behind_it() -> None:
    kept = {"cache": Cache(name=CacheName.exact), "blocks": Blocks.sequence, "causal_context": True}
    run = a_run(diffusion=a_diffusion(block_length=8, **kept), length=25, prompt_fraction=17 / 25)
    layer = 2 * 17 * 4 * (4 * SMALL.hidden + 3 * SMALL.intermediate)
    assert needed(run) == 2 * (17 + 8) * SMALL.cache_bytes_per_token + layer
