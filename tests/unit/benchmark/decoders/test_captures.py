"""Which passes a compiled decoder captures: each takes seconds and memory, so a generation makes all of them."""

from dataclasses import replace
from functools import cache

import pytest
import torch

from benchmark.decoders.factory import make_decoder
from benchmark.decoders.interface import Unmarked, make_batch
from benchmark.engines.compiled import canvas
from benchmark.engines.compiled.graphs import Captured, Work, capture
from benchmark.engines.factory import PassFactory
from benchmark.models.loading import load_model
from crossover.records.policies import Blocks, Cache, CacheName
from crossover.records.settings import Attention, Engine, Family
from tests.checkpoints import CPU
from tests.decoding import factory
from tests.factories import a_diffusion, a_run
from tests.paths import KNOWN_ANSWERS

EXACT = {"cache": Cache(name=CacheName.exact), "blocks": Blocks.sequence}
PREFIX, DUAL = ({"cache": Cache(name=name)} for name in (CacheName.prefix, CacheName.dual))


@cache
def block_causal() -> PassFactory:
    return PassFactory(
        load_model(KNOWN_ANSWERS / "tiny_random_sdar", Family.diffusion, dtype=torch.float32, device=CPU)
    )


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize(
    ("prompt_tokens", "changes", "captured"),
    [
        (8, {}, 1),
        (8, PREFIX, 3),
        (8, DUAL, 2),
        (8, EXACT, 2),
        (6, EXACT, 1),
        (3, EXACT, 1),
        (8, {"blocks": Blocks.sequence}, 2),
        (8, {**EXACT, "causal_context": True}, 3),
    ],
    ids=[
        "canvas",
        "prefix",
        "dual",
        "prompt and block",
        "block",
        "block without a prompt of its own",
        "up to a block",
        "causal prompt, block, causal block",
    ],
)
def test_no_pass_is_captured_that_a_generation_does_not_make(
    prompt_tokens: int, changes: dict[str, object], captured: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def counted(work: Work, device: torch.device, **options: object) -> Captured:
        number = len(made)
        made.append(0)
        done = capture(work, device, **options)  # type: ignore[arg-type]

        def replay() -> None:
            made[number] += 1
            done.replay()

        return replace(done, replay=replay)

    monkeypatch.setattr(canvas, "capture", counted)
    settings = a_diffusion(steps=4, block_length=4, **changes)
    length = prompt_tokens + 8
    run = a_run(engine=Engine.compiled, length=length, prompt_fraction=prompt_tokens / length, diffusion=settings)
    passes = block_causal() if "blocks" in changes else factory(Family.diffusion)
    decoder = make_decoder(run, passes, passes.kernel(Attention.sdpa))
    batch = make_batch([[5] * prompt_tokens] * 2, [0, 1], CPU)
    decoder.prepare(batch, 8)
    assert len(made) == captured
    decoder.decode(batch, 8, Unmarked())
    assert len(made) == captured
    assert all(made)
