"""A trial of tiles: attention of a window, products of 32 to 256 tokens. All are printed; the best serve this process.

What the trial chose on an H100 stands in the kernels' own modules. The trial tells whether it still is the best.
`python -m tests.benchmarks.cached_tiles 3 12` compiles the third twelfth of the kernels, so that the trial, which would
compile one after another, finds all of them in Triton's cache.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from benchmark.engines.compiled import windows
from benchmark.engines.compiled.canvas import CompiledCanvas
from benchmark.engines.compiled.packing import LayerWeights
from benchmark.engines.kernels import skinny, swiglu, window
from benchmark.engines.kernels.window import Plan
from crossover.records.settings import Engine
from tests.benchmarks.cached_pieces import ALIKE, a_type, attend, in_a_graph, kernels
from tests.benchmarks.cached_rows import Place, Row

Name = TypeVar("Name")

PLANS = {
    32: [Plan(8, 64, 3, 4), Plan(4, 64, 3, 4), Plan(4, 32, 4, 4), Plan(4, 64, 3, 2)],
    128: [Plan(4, 64, 3, 4), Plan(2, 64, 3, 4), Plan(2, 32, 4, 4), Plan(2, 64, 3, 2)],
    256: [Plan(2, 64, 3, 4), Plan(1, 64, 3, 4), Plan(1, 32, 4, 4), Plan(1, 64, 3, 2), Plan(1, 128, 2, 4)],
    1024: [Plan(1, 64, 3, 4), Plan(1, 64, 4, 4), Plan(1, 32, 4, 4), Plan(1, 128, 2, 4)],
}
"""By rows times tokens of a window."""

GATED_TILES = {
    128: [swiglu.Tile(128, 32, 64, 4, 4), swiglu.Tile(64, 64, 64, 4, 4), swiglu.Tile(128, 32, 64, 6, 4)],
    256: [swiglu.Tile(128, 64, 64, 3, 4), swiglu.Tile(128, 64, 64, 4, 8), swiglu.Tile(256, 32, 64, 4, 8)],
}
SKINNY_TILES = [skinny.Tile(32, 128, 6), skinny.Tile(32, 256, 4), skinny.Tile(64, 128, 3), skinny.Tile(32, 128, 3)]


@torch.inference_mode()
def say_tiles(place: Place, rows: Sequence[Row]) -> None:
    """Try all, print them, and take the best."""
    narrow = [row for row in rows if row.width == row.block]
    plans = {(row.batch, row.length): _say_plans(place, row) for row in narrow}
    usual = window.plan_of
    window.plan_of = lambda rows, length, key_heads: plans.get((rows, length)) or usual(rows, length, key_heads)
    _say_gated(place)
    _say_skinny(place)


def _say_plans(place: Place, row: Row) -> Plan | None:
    """Microseconds of a layer by plan; None where the kernel does not run, which then serves nothing."""
    shape, device, dtype = place.shape, place.device, a_type(place)
    kept = (ALIKE, row.batch, row.length, shape.kv_heads, shape.head_dim)
    keys, values = (torch.randn(kept, device=device, dtype=dtype) for _ in range(2))
    width = (shape.heads + 2 * shape.kv_heads) * shape.head_dim
    qkv = torch.randn(row.batch, row.width, width, device=device, dtype=dtype)
    positions = torch.arange(row.length - row.width, row.length, device=device)
    table = torch.rand(1, row.width, shape.head_dim, device=device)

    def work(plan: Plan) -> None:
        for k, v in zip(keys, values, strict=True):
            window.window_attention(qkv, (table, table), (k, v), positions, heads=shape.heads, plan=plan)

    try:
        best = _best(place, f"window, {row.label}", {plan: partial(work, plan) for plan in PLANS[row.batch * 32]})
    except Exception as error:  # noqa: BLE001 (the library's kernel is still there)
        print(f"window, {row.label}: {type(error).__name__}: {error}", flush=True)
        windows.FEW_QUERIES = 0
        return None
    queries = qkv[..., : shape.heads * shape.head_dim].unflatten(-1, (shape.heads, -1)).contiguous()
    library = {name: partial(attend, kernel, queries, keys, values) for name, kernel in kernels(place).items()}
    _best(place, f"window, {row.label}, without rotation", library)
    return best


def _say_gated(place: Place) -> None:
    """Gate and up of 128 and 256 tokens."""
    layers = _layers(place)
    for tokens, tiles in GATED_TILES.items():
        x_TK = torch.randn(tokens, place.shape.hidden, device=place.device, dtype=a_type(place))
        usual = swiglu.TILES[tokens]

        def work(tile: swiglu.Tile, x_TK: Tensor = x_TK) -> None:
            for layer in layers:
                swiglu.swiglu(x_TK, layer.gate_up, tile)

        tried = {tile: partial(work, tile) for tile in [usual, *tiles]}
        try:
            best = _best(place, f"gate and up, {tokens} tokens", tried)
        except Exception as error:  # noqa: BLE001 (what served until now still does)
            print(f"gate and up, {tokens} tokens: {type(error).__name__}: {error}", flush=True)
            best = usual
        swiglu.TILES[tokens] = best


def _say_skinny(place: Place) -> None:
    """The four products of 32 tokens."""
    layers, usual, chosen = _layers(place), skinny.tile_of, {}
    for name in ("qkv", "output", "gate_up", "down"):
        weights = [getattr(layer, name) for layer in layers]
        is_gated = name == "gate_up"
        outputs, inputs = len(weights[0]) // (2 if is_gated else 1), weights[0].shape[1]
        x_TK = torch.randn(32, inputs, device=place.device, dtype=a_type(place))

        def work(tile: skinny.Tile, weights: list[Tensor], x_TK: Tensor, *, is_gated: bool) -> None:
            for weight in weights:
                skinny.skinny(x_TK, weight, is_gated=is_gated, tile=tile)

        tiles = [usual(outputs, inputs, is_gated=is_gated), *SKINNY_TILES]
        tried = {tile: partial(work, tile, weights, x_TK, is_gated=is_gated) for tile in tiles}
        try:
            chosen[outputs, inputs, is_gated] = _best(place, f"{name}, 32 tokens", tried)
        except Exception as error:  # noqa: BLE001 (what served until now still does)
            print(f"{name}, 32 tokens: {type(error).__name__}: {error}", flush=True)
    skinny.tile_of = lambda outputs, inputs, *, is_gated: (
        chosen.get((outputs, inputs, is_gated)) or usual(outputs, inputs, is_gated=is_gated)
    )


def _layers(place: Place) -> Sequence[LayerWeights]:
    canvas = place.factory.canvas(Engine.compiled, place.factory.kernel(place.attention))
    assert isinstance(canvas, CompiledCanvas)
    return canvas.body.layers[:ALIKE]


def _best(place: Place, label: str, tried: Mapping[Name, Callable[[], None]]) -> Name:
    """The fastest, after all were printed with the microseconds of a layer: the less of two rounds."""
    rounds = [{name: in_a_graph(place, work) / ALIKE * 1e3 for name, work in tried.items()} for _ in range(2)]
    times_us = {name: min(each[name] for each in rounds) for name in tried}
    listed = "; ".join(f"{_short(name)} {time_us:.1f} us" for name, time_us in times_us.items())
    print(f"{label}: {listed}", flush=True)
    return min(times_us, key=lambda name: times_us[name])


def _short(name: object) -> str:
    """A tile without its fields' names."""
    return "x".join(map(str, name)) if isinstance(name, tuple) else str(name)


def kernels_to_compile() -> list[Callable[[], object]]:
    """Each kernel of the trial."""
    plans = dict.fromkeys(plan for plans in PLANS.values() for plan in plans)
    gated = [(tokens, tile) for tokens, tiles in GATED_TILES.items() for tile in [swiglu.TILES[tokens], *tiles]]
    products = ((12288, 4096), (4096, 4096), (24576, 4096), (4096, 12288))
    return [
        *(partial(_attend_once, plan) for plan in plans),
        *(partial(_gate_once, tokens, tile) for tokens, tile in gated),
        *(partial(_multiply_once, *shape, tile) for shape in products for tile in SKINNY_TILES),
    ]


def _attend_once(plan: Plan) -> None:
    """With an 8B's heads; rows and positions change nothing in the kernel."""
    keys, values = (_zeros(1, 512, 32, 128) for _ in range(2))
    table, positions = torch.zeros(1, 32, 128, device="cuda"), torch.arange(32, device="cuda")
    window.window_attention(_zeros(1, 32, 3 * 4096), (table, table), (keys, values), positions, heads=32, plan=plan)


def _gate_once(tokens: int, tile: swiglu.Tile) -> None:
    swiglu.swiglu(_zeros(tokens, 4096), _zeros(24576, 4096), tile)


def _multiply_once(outputs: int, inputs: int, tile: skinny.Tile) -> None:
    skinny.skinny(_zeros(32, inputs), _zeros(outputs, inputs), is_gated=outputs > inputs * 4, tile=tile)


def _zeros(*shape: int) -> Tensor:
    return torch.zeros(shape, device="cuda", dtype=torch.bfloat16)


if __name__ == "__main__":
    part, parts = map(int, sys.argv[1:])
    for compile_it in kernels_to_compile()[part % parts :: parts]:
        compile_it()
