import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend

from benchmark.decoders.autoregressive import AutoregressiveDecoder
from benchmark.decoders.diffusion import MaskedDiffusionDecoder
from benchmark.decoders.factory import make_decoder, ready_decoder
from benchmark.decoders.interface import Decoder, Unmarked, make_batch
from benchmark.decoders.policies.quota import Quota
from benchmark.decoders.published import PublishedAutoregressiveDecoder, PublishedDiffusionDecoder
from benchmark.engines import attention, compiled
from benchmark.engines.attention import Flash2Package, Flash2Torch, Kernel, Plain, Sdpa, choose_kernel
from benchmark.engines.compiled import CompileError, capture, part_rows
from benchmark.engines.factory import PassFactory, products_on
from benchmark.engines.packing import pack
from benchmark.engines.products import Products
from benchmark.models.loading import load_model
from crossover.errors import UserError
from crossover.records.run import Run
from crossover.records.settings import Attention, Engine, Family
from tests import reference
from tests.checkpoints import CPU, random_model, write_llama
from tests.factories import a_diffusion, a_run, an_autoregressive_run
from tests.paths import KNOWN_ANSWERS
from tests.reference import Sampling

KNOWN = KNOWN_ANSWERS / "tiny_random_llada"
CASES = json.loads((KNOWN / "cases.json").read_text())["generate"]
PROMPTS = [[5, 9, 2, 7], [3, 4, 4, 6]]
UNEVEN = [[5, 9, 2, 7], [3, 4]]


@cache
def published() -> PassFactory:
    return PassFactory(load_model(KNOWN, Family.diffusion, dtype=torch.float32, device=CPU))


def factory(family: Family) -> PassFactory:
    return PassFactory(random_model(family))


def tokens_of(decoder: Decoder, rows: list[list[int]], output_tokens: int) -> list[list[int]]:
    batch = make_batch(rows, [10 + row for row in range(len(rows))], CPU)
    tokens: list[list[int]] = decoder.decode(batch, output_tokens, Unmarked()).tokens_BN.tolist()
    return tokens


def decoder(run: Run, attention: Attention = Attention.sdpa) -> Decoder:
    made = factory(run.model.family)
    return make_decoder(run, made, made.kernel(attention))


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the compiler out, which takes seconds and changes no token; what is around it stays."""
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)


@pytest.mark.parametrize("engine", Engine)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_engine_writes_the_published_tokens(engine: Engine, case: dict[str, Any]) -> None:
    batched = "prompts" in case
    settings = a_diffusion(
        steps=case["steps"], block_length=case["block_length"], guidance_scale=case.get("cfg_scale", 0.0)
    )
    rows = case["prompt_ids"] if batched else [case["prompt_ids"]]
    run = a_run(engine=engine, diffusion=settings, length=2 * case["gen_length"])
    made = make_decoder(run, published(), published().kernel(Attention.sdpa))
    assert tokens_of(made, rows, case["gen_length"]) == (case["output_ids"] if batched else [case["output_ids"]])


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("attention", [Attention.sdpa, Attention.eager])
@pytest.mark.parametrize("rows", [PROMPTS[:1], PROMPTS, UNEVEN], ids=["one", "even", "uneven"])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_compiled_continuation_matches_the_plain_reference(
    attention: Attention, rows: list[list[int]], temperature: float
) -> None:
    run = an_autoregressive_run(engine=Engine.compiled, temperature=temperature)
    model = random_model(Family.autoregressive)
    expected = [reference.autoregressive(model, row, 10 + i, 6, temperature) for i, row in enumerate(rows)]
    assert tokens_of(decoder(run, attention), rows, 6) == expected


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("attention", [Attention.sdpa, Attention.eager])
@pytest.mark.parametrize("rows", [PROMPTS, UNEVEN], ids=["even", "uneven"])
def test_a_compiled_canvas_matches_the_plain_reference(attention: Attention, rows: list[list[int]]) -> None:
    run = a_run(engine=Engine.compiled, temperature=0.7, diffusion=a_diffusion(steps=4, block_length=4))
    model = random_model(Family.diffusion)
    sampling = Sampling(output_tokens=8, steps=4, block_length=4, temperature=0.7)
    expected = [reference.diffusion(model, row, 10 + i, sampling) for i, row in enumerate(rows)]
    assert tokens_of(decoder(run, attention), rows, 8) == expected


@pytest.mark.usefixtures("uncompiled")
def test_padded_prompts_are_read_by_every_kernel_of_pytorch() -> None:
    model = random_model(Family.autoregressive)
    made, run = PassFactory(model), an_autoregressive_run(engine=Engine.compiled)
    expected = [reference.autoregressive(model, row, 10 + i, 6, 0.0) for i, row in enumerate(UNEVEN)]
    for backend in (SDPBackend.MATH, SDPBackend.FLASH_ATTENTION):
        assert tokens_of(make_decoder(run, made, Sdpa(backend)), UNEVEN, 6) == expected


@pytest.mark.usefixtures("uncompiled")
def test_a_batch_in_parts_gives_the_tokens_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [[5, 9, 2], [3, 4, 4], [7, 7, 2], [2, 3, 5]]
    for run in (a_run(engine=Engine.compiled), an_autoregressive_run(engine=Engine.compiled)):
        whole = tokens_of(decoder(run), rows, 8)
        with monkeypatch.context() as patched:
            patched.setattr(compiled, "PART_TOKENS", 24)
            assert part_rows(4, 11) == 2
            assert tokens_of(decoder(run), rows, 8) == whole


@pytest.mark.parametrize(
    ("rows", "tokens", "expected"),
    [(1, 9000, 1), (8, 1024, 8), (32, 1024, 8), (64, 2048, 4), (7, 2048, 1), (6, 2048, 3)],
)
def test_parts_are_equal_and_as_large_as_allowed(rows: int, tokens: int, expected: int) -> None:
    assert part_rows(rows, tokens) == expected


@torch.inference_mode()
def test_a_compiled_window_is_the_same_pass_for_every_block() -> None:
    made = factory(Family.diffusion)
    kernel = made.kernel(Attention.sdpa)
    plain, passes = (made.canvas(engine, kernel) for engine in (Engine.eager, Engine.compiled))
    tokens = torch.arange(24).view(2, 12) % made.model.vocabulary
    for each in (plain, passes):
        each.prepare(2, 4, 8, padded=False, widths=(4,))
        each.hidden(tokens, None, torch.tensor([[4, 5], [6, 7]]))
    with torch._dynamo.config.patch(error_on_recompile=True):
        for window in (range(4, 8), range(8, 12)):
            positions = torch.tensor([[window.start], [window.stop - 1]])
            changed = tokens.index_fill(1, positions[:, 0], 3)
            found, expected = (each.hidden(changed, None, positions, window) for each in (passes, plain))
            assert torch.allclose(found, expected, atol=1e-5)


@torch.inference_mode()
def test_the_last_layer_is_read_at_any_number_of_places_without_compiling_again() -> None:
    made = factory(Family.diffusion)
    kernel = made.kernel(Attention.sdpa)
    plain, passes = (made.canvas(engine, kernel) for engine in (Engine.eager, Engine.compiled))
    tokens = torch.arange(24).view(2, 12) % made.model.vocabulary
    passes.prepare(2, 4, 8, padded=False)
    passes.hidden(tokens, None, torch.tensor([[4, 5, 11], [7, 8, 9]]))
    with torch._dynamo.config.patch(error_on_recompile=True):
        for positions in (torch.tensor([[4], [11]]), torch.arange(4, 12).expand(2, -1)):
            assert torch.allclose(passes.hidden(tokens, None, positions), plain.hidden(tokens, None, positions))


@pytest.mark.usefixtures("uncompiled")
def test_one_generation_after_another_starts_afresh() -> None:
    for run in (a_run(engine=Engine.compiled), an_autoregressive_run(engine=Engine.compiled)):
        made = decoder(run)
        first, other, again = (tokens_of(made, rows, 8) for rows in (PROMPTS, [[2, 2, 2, 2]] * 2, PROMPTS))
        assert first == again != other


@pytest.mark.usefixtures("uncompiled")
def test_a_single_new_token_needs_no_second_pass() -> None:
    eager, fast = (decoder(an_autoregressive_run(engine=engine)) for engine in (Engine.eager, Engine.compiled))
    assert tokens_of(fast, PROMPTS, 1) == tokens_of(eager, PROMPTS, 1)


@pytest.mark.usefixtures("uncompiled")
def test_a_shape_is_prepared_once() -> None:
    made, batch = decoder(an_autoregressive_run(engine=Engine.compiled)), make_batch(PROMPTS, [0, 1], CPU)
    assert made.prepare(batch, 8) == made.prepare(batch, 8) > 0


def test_packed_weights_are_the_only_copy(tmp_path: Path) -> None:
    model = load_model(write_llama(tmp_path), Family.autoregressive, dtype=torch.float32, device=CPU).llama
    tokens = torch.tensor([[5, 9, 2, 7]])
    before = model(tokens).logits
    layers = pack(model.model)
    assert torch.equal(model(tokens).logits, before)
    for packed, layer in zip(layers, model.model.layers, strict=True):
        fused = packed.qkv.untyped_storage().data_ptr()
        assert layer.self_attn.v_proj.weight.untyped_storage().data_ptr() == fused


def test_biases_are_refused(tmp_path: Path) -> None:
    model = load_model(write_llama(tmp_path), Family.autoregressive, dtype=torch.float32, device=CPU).llama
    model.config.attention_bias = True
    with pytest.raises(UserError, match="engine=compiled knows no biases"):
        pack(model.model)


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize(
    ("run", "kind"),
    [
        (a_run(engine=Engine.published), PublishedDiffusionDecoder),
        (a_run(engine=Engine.eager), MaskedDiffusionDecoder),
        (a_run(engine=Engine.compiled), MaskedDiffusionDecoder),
        (an_autoregressive_run(engine=Engine.published), PublishedAutoregressiveDecoder),
        (an_autoregressive_run(engine=Engine.eager), AutoregressiveDecoder),
        (an_autoregressive_run(engine=Engine.compiled), AutoregressiveDecoder),
    ],
)
def test_each_family_and_engine_has_its_decoder(run: Run, kind: type) -> None:
    assert type(decoder(run)) is kind


def test_the_runs_settings_reach_the_decoder() -> None:
    settings = a_diffusion(steps=2, block_length=4, guidance_scale=0.5)
    made = decoder(a_run(diffusion=settings, temperature=0.3))
    assert isinstance(made, MaskedDiffusionDecoder)
    assert made.policy == Quota(steps=1, block_length=4)
    assert (made.block_length, made.guidance_scale, made.head.temperature) == (4, 0.5, 0.3)
    assert made.head.forbidden_id == made.mask_id


def test_generate_writes_the_tokens_of_the_other_engines_and_ends_no_row() -> None:
    eager, baseline = (decoder(an_autoregressive_run(engine=engine)) for engine in (Engine.eager, Engine.published))
    assert tokens_of(baseline, UNEVEN, 12) == tokens_of(eager, UNEVEN, 12)


def test_the_published_loop_draws_its_noise_from_the_seed() -> None:
    first, same, other = (
        tokens_of(decoder(a_run(engine=Engine.published, temperature=1.0, seed=seed)), PROMPTS, 8) for seed in (0, 0, 1)
    )
    assert first == same != other


def failing(error: Exception) -> Callable[..., Any]:
    def compile_layer(*_: object, **__: object) -> Tensor:
        raise error

    return compile_layer


def test_where_compiling_is_not_possible_the_plain_modules_run_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda *_, **__: failing(RuntimeError("no compiler here\nand more")))
    made = PassFactory(random_model(Family.diffusion))
    batch = make_batch(PROMPTS, [0, 1], CPU)
    ready = ready_decoder(a_run(engine=Engine.compiled), made, batch)
    assert ready.ran.engine is Engine.eager
    assert ready.ran.fallback == (
        "engine=compiled is not possible here (RuntimeError: no compiler here): this is engine=eager"
    )
    assert tokens_of(ready.decoder, PROMPTS, 8) == tokens_of(decoder(a_run()), PROMPTS, 8)


def test_running_out_of_memory_while_preparing_is_no_reason_to_fall_back() -> None:
    def work() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    def left_too_early() -> None:
        try:
            work()
        finally:
            raise RuntimeError("operation failed due to a previous error during capture")

    with pytest.raises(torch.OutOfMemoryError):
        capture(work, CPU)
    with pytest.raises(RuntimeError, match="previous error"):
        capture(left_too_early, CPU)
    with pytest.raises(CompileError, match="ZeroDivisionError: division by zero"):
        capture(lambda: print(1 / 0), CPU)


def test_work_that_fails_beside_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[str] = []
    streams = {
        name: SimpleNamespace(wait_stream=lambda _, name=name: waits.append(name)) for name in ("ours", "beside")
    }
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: streams["ours"])
    monkeypatch.setattr(torch.cuda, "stream", nullcontext)
    monkeypatch.setattr(compiled, "_capture_stream", lambda: streams["beside"])
    with pytest.raises(CompileError, match="division by zero"):
        capture(lambda: print(1 / 0), torch.device("cuda"))
    assert waits == ["beside", "ours"]


def test_a_sweep_may_have_more_shapes_than_the_compiler_likes() -> None:
    double = torch.compile(lambda x: x * 2, backend="eager", fullgraph=True, dynamic=False)
    with torch._dynamo.config.patch(recompile_limit=2, accumulated_recompile_limit=2):
        for size in range(2, 7):
            capture(lambda size=size: double(torch.ones(size)), CPU)  # type: ignore[misc]


def test_what_ran_is_named() -> None:
    ready = ready_decoder(a_run(engine=Engine.eager), factory(Family.diffusion), make_batch(PROMPTS, [0, 1], CPU))
    assert ready.ran.engine is Engine.eager
    assert ready.ran.fallback is None
    assert ready.ran.attention in {"sdpa (math)", "sdpa (flash)"}


def test_kernels_of_ours_are_not_possible_without_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("benchmark.engines.kernels.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "triton", None)
    with pytest.raises(CompileError, match=r"no kernels without Triton: .*triton"):
        products_on(torch.device("cuda"), 1e-5)


@pytest.mark.parametrize(("known", "name"), [({"recompile_limit": 8}, "recompile_limit"), ({}, "cache_size_limit")])
def test_older_compilers_have_other_names_for_their_limits(
    known: dict[str, int], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch._dynamo, "config", SimpleNamespace(**known))
    assert compiled._recompiling().keys() == {name, f"accumulated_{name}"}


def test_flash_attention_is_refused_where_it_cannot_run() -> None:
    with pytest.raises(UserError, match="attention=flash2 needs an NVIDIA GPU"):
        choose_kernel(Attention.flash2, heads=2, head=8, dtype=torch.bfloat16, device=CPU)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("causal", [True, False])
def test_the_kernels_agree(groups: int, *, causal: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    q = torch.randn(2, 5, 4, 8, generator=generator, dtype=torch.float64)
    k, v = (torch.randn(2, 5, 4 // groups, 8, generator=generator, dtype=torch.float64) for _ in range(2))
    kernels: list[Kernel] = [
        Plain(),
        choose_kernel(Attention.sdpa, heads=4, head=8, dtype=torch.float64, device=CPU),
    ]
    first, second = (kernel.full(q, k, v, None, causal=causal) for kernel in kernels)
    assert torch.allclose(first, second, atol=1e-6)
    seen = torch.tensor([3, 3], dtype=torch.int32)
    cached = [kernel.cached(q[:, 2:3], k, v, seen, None) for kernel in kernels]
    expected = Plain().full(q[:, 2:3], k[:, :3], v[:, :3], None, causal=False)
    assert all(torch.allclose(each, expected, atol=1e-6) for each in cached)


@pytest.mark.parametrize("queries", [1, 63, 64, 70])
@pytest.mark.parametrize("masked", [True, False])
def test_sdpa_meets_few_numbers_of_queries(queries: int, *, masked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    met: list[int] = []

    def meet(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, *, is_causal: bool) -> Tensor:
        met.append(q.shape[2])
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, mask, is_causal=is_causal)

    monkeypatch.setattr(attention, "scaled_dot_product_attention", meet)
    q, k, v = (torch.randn(2, length, 4, 8, dtype=torch.float64) for length in (queries, 100, 100))
    mask = torch.arange(100).expand(2, queries, -1) >= torch.tensor([0, 30])[:, None, None] if masked else None
    kernel = choose_kernel(Attention.sdpa, heads=4, head=8, dtype=torch.float64, device=CPU)
    found = kernel.full(q, k, v, mask, causal=False)
    assert torch.allclose(found, Plain().full(q, k, v, mask, causal=False), atol=1e-6)
    assert met == [-(-queries // 64) * 64]


def test_heads_that_share_a_key_become_queries_of_it_where_there_are_many_rows() -> None:
    q = torch.randn(2, 1, 8, 16)
    many, few = Flash2Torch(multiprocessors=1), Flash2Torch(multiprocessors=1000)
    grouped = torch.compile(many.arranged, fullgraph=True)(q, 2)
    assert grouped.shape == (2, 4, 2, 16)
    assert all(torch.equal(grouped[:, query, key], q[:, 0, key * 4 + query]) for query in range(4) for key in range(2))
    assert many.arranged(q, 8) is q
    assert few.arranged(q, 2) is q


def test_transformers_modules_compute_with_our_kernel() -> None:
    from benchmark.engines.attention_adapter import use_kernel

    class Counting(Plain):
        calls = 0

        def full(self, *arguments: Any, **options: Any) -> Tensor:
            Counting.calls += 1
            return super().full(*arguments, **options)

    model = random_model(Family.diffusion).llama.model
    tokens = torch.tensor([[5, 9, 2, 7]])
    expected = model(tokens).last_hidden_state
    kernel = Counting()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("benchmark.engines.attention_adapter.Plain", type("Other", (nn.Module,), {}))
        use_kernel(model, kernel)
    assert torch.allclose(model(tokens).last_hidden_state, expected, atol=1e-6)
    assert Counting.calls == len(model.layers)
    use_kernel(model, Plain())


def test_the_flash_attn_package_is_called_as_it_wants_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = SimpleNamespace(
        flash_attn_func=lambda q, k, v, causal: Plain().full(q, k, v, None, causal=causal),
        flash_attn_with_kvcache=lambda q, k, v, cache_seqlens: Plain().cached(q, k, v, cache_seqlens, None),
    )
    monkeypatch.setitem(sys.modules, "flash_attn", stand_in)
    kernel = Flash2Package("2.8.3")
    q, k, v = (torch.randn(2, 5, heads, 8) for heads in (4, 2, 2))
    seen = torch.tensor([3, 3], dtype=torch.int32)
    assert kernel.name == "flash2 (flash-attn 2.8.3)"
    assert torch.equal(kernel.full(q, k, v, None, causal=True), Plain().full(q, k, v, None, causal=True))
    assert torch.equal(kernel.cached(q[:, :1], k, v, seen, None), Plain().cached(q[:, :1], k, v, seen, None))
    with pytest.raises(UserError, match="without padding"):
        kernel.full(q, k, v, torch.ones(2, 5, 5, dtype=torch.bool), causal=True)


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("run", [a_run(engine=Engine.compiled), an_autoregressive_run(engine=Engine.compiled)])
def test_tokens_that_fill_up_a_product_change_none_of_the_others(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = [[5, 9, 2, 7], [8, 4, 3, 3]]
    expected = tokens_of(decoder(run), prompts, 8)
    computed = set()

    def filled(_: Products, tokens: int) -> int:
        computed.add(tokens)
        return tokens + 3

    monkeypatch.setattr(Products, "filled", filled)
    assert tokens_of(decoder(run), prompts, 8) == expected
    assert computed
