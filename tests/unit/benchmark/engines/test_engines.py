import json
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmark.decoders.autoregressive import AutoregressiveDecoder
from benchmark.decoders.diffusion import MaskedDiffusionDecoder
from benchmark.decoders.factory import make_decoder, ready_decoder
from benchmark.decoders.interface import make_batch
from benchmark.decoders.policies.quota import Quota
from benchmark.decoders.published.autoregressive import PublishedAutoregressiveDecoder
from benchmark.decoders.published.llada import PublishedDiffusionDecoder
from benchmark.engines.compiled.graphs import CompileError
from benchmark.engines.factory import PassFactory, products_on
from benchmark.models.loading import load_model
from crossover.records.run import Run
from crossover.records.settings import Attention, Engine, Family
from tests.checkpoints import CPU, random_model
from tests.decoding import PROMPTS, UNEVEN, decoder, factory, tokens_of
from tests.factories import a_diffusion, a_run, an_autoregressive_run
from tests.paths import KNOWN_ANSWERS

KNOWN = KNOWN_ANSWERS / "tiny_random_llada"
CASES = json.loads((KNOWN / "cases.json").read_text())["generate"]


@cache
def published() -> PassFactory:
    return PassFactory(load_model(KNOWN, Family.diffusion, dtype=torch.float32, device=CPU))


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
