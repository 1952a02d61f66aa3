from contextlib import nullcontext
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
import torch
from torch.nn.attention import SDPBackend

from benchmark.decoders.autoregressive import AutoregressiveDecoder
from benchmark.decoders.factory import make_decoder
from benchmark.decoders.interface import Phase, make_batch
from benchmark.engines.attention import Sdpa
from benchmark.engines.compiled import body, graphs
from benchmark.engines.compiled.body import part_rows
from benchmark.engines.compiled.graphs import CompileError, capture
from benchmark.engines.compiled.products import Products
from benchmark.engines.factory import PassFactory
from crossover.records.policies import Blocks, Cache, CacheName
from crossover.records.run import Run
from crossover.records.settings import Attention, Engine, Family, Weights
from tests.checkpoints import CPU, random_model
from tests.decoding import PROMPTS, UNEVEN, decoder, factory, tokens_of
from tests.factories import a_diffusion, a_run, an_autoregressive_run
from tests.fakes import Marked
from tests.references import both_arms as reference
from tests.references.both_arms import Sampling


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
            patched.setattr(body, "PART_TOKENS", 24)
            assert part_rows(4, 11) == 2
            assert tokens_of(decoder(run), rows, 8) == whole


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("rows", [PROMPTS, UNEVEN], ids=["even", "uneven"])
@pytest.mark.parametrize("share", [0.1, 1.0])
def test_tokens_made_while_the_device_settles_change_none(rows: list[list[int]], share: float) -> None:
    sampled = {"timed_share": share, "weights": Weights.random, "judge": None}
    run = an_autoregressive_run(engine=Engine.compiled, length=34, prompt_fraction=4 / 34, **sampled)
    made, batch = decoder(run), make_batch(rows, [0, 1], CPU)
    at_once, later, again = (made.decode(batch, 30, Marked(settles_after=passes)) for passes in (0, 3, 1))
    assert later.tokens_BN.tolist() == at_once.tokens_BN.tolist() == again.tokens_BN.tolist()


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
        each.prepare(2, 4, 8, padded=False, widths=(12, 4))
        each.hidden(tokens, None, torch.tensor([[4, 5], [6, 7]]))
    with torch._dynamo.config.patch(error_on_recompile=True):
        for window in (range(4, 8), range(8, 12)):
            positions = torch.tensor([[window.start], [window.stop - 1]])
            changed = tokens.index_fill(1, positions[:, 0], 3)
            compiled, expected = (each.hidden(changed, None, positions, window) for each in (passes, plain))
            assert torch.allclose(compiled, expected, atol=1e-5)


@torch.inference_mode()
def test_the_last_layer_is_read_at_any_number_of_positions_without_compiling_again() -> None:
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


@dataclass
class Restless:
    """A device that is settled when it has been asked so many times."""

    asked: int

    def mark(self, phase: Phase) -> None: ...

    def is_settled(self) -> bool:
        self.asked -= 1
        return self.asked < 0

    def runs_in(self) -> bool:
        return True


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("engine", [Engine.eager, Engine.compiled])
def test_untimed_passes_change_no_token(engine: Engine) -> None:
    made = decoder(an_autoregressive_run(engine=engine))
    assert isinstance(made, AutoregressiveDecoder)
    timed, batch = replace(made, timed=frozenset(range(7))), make_batch(PROMPTS, [0, 1], CPU)
    assert timed.decode(batch, 8, Restless(3)).tokens_BN.tolist() == tokens_of(made, PROMPTS, 8)


class EndedError(Exception):
    """A generation was ended amid its passes."""


@dataclass
class Ending(Restless):
    """Phases of a generation that ends amid its passes, as the work that lets a device settle does."""

    marks: int = 3

    def mark(self, phase: Phase) -> None:
        del phase
        self.marks -= 1
        if not self.marks:
            raise EndedError


EXACT = a_diffusion(steps=8, block_length=4, blocks=Blocks.sequence, cache=Cache(name=CacheName.exact))


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("engine", [Engine.eager, Engine.compiled])
@pytest.mark.parametrize(
    "run",
    [
        an_autoregressive_run(),
        a_run(diffusion=a_diffusion(steps=8, block_length=8)),
        a_run(diffusion=a_diffusion(steps=8, block_length=4, cache=Cache(name=CacheName.dual))),
        a_run(length=12, prompt_fraction=4 / 12, diffusion=EXACT),
    ],
    ids=["continuation", "canvas", "dual", "blocks"],
)
def test_a_generation_that_ends_amid_its_passes_changes_none_that_follows(run: Run, engine: Engine) -> None:
    made = decoder(replace(run, engine=engine))
    expected = tokens_of(made, PROMPTS, 8)
    with pytest.raises(EndedError):
        made.decode(make_batch([[2, 2, 2, 2]] * 2, [0, 1], CPU), 8, Ending(asked=0))
    assert tokens_of(made, PROMPTS, 8) == expected


@pytest.mark.usefixtures("uncompiled")
def test_a_single_new_token_needs_no_second_pass() -> None:
    eager, fast = (decoder(an_autoregressive_run(engine=engine)) for engine in (Engine.eager, Engine.compiled))
    assert tokens_of(fast, PROMPTS, 1) == tokens_of(eager, PROMPTS, 1)


@pytest.mark.usefixtures("uncompiled")
def test_a_shape_is_prepared_once() -> None:
    made, batch = decoder(an_autoregressive_run(engine=Engine.compiled)), make_batch(PROMPTS, [0, 1], CPU)
    assert made.prepare(batch, 8) == made.prepare(batch, 8) > 0


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
    monkeypatch.setattr(graphs, "_capture_stream", lambda: streams["beside"])
    with pytest.raises(CompileError, match="division by zero"):
        capture(lambda: print(1 / 0), torch.device("cuda"))
    assert waits == ["beside", "ours"]


def test_a_sweep_may_have_more_shapes_than_the_compiler_likes() -> None:
    double = torch.compile(lambda x: x * 2, backend="eager", fullgraph=True, dynamic=False)
    with torch._dynamo.config.patch(recompile_limit=2, accumulated_recompile_limit=2):
        for size in range(2, 7):
            capture(lambda size=size: double(torch.ones(size)), CPU)  # type: ignore[misc]


@pytest.mark.parametrize(("known", "name"), [({"recompile_limit": 8}, "recompile_limit"), ({}, "cache_size_limit")])
def test_older_compilers_have_other_names_for_their_limits(
    known: dict[str, int], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch._dynamo, "config", SimpleNamespace(**known))
    assert graphs._recompiling().keys() == {name, f"accumulated_{name}"}
