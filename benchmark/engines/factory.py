"""The passes that an engine offers for a model. A new engine is a file, a row here and a name in Engine."""

from functools import cached_property

import torch
from torch import nn

from benchmark.engines.attention import Kernel, choose_kernel
from benchmark.engines.attention_adapter import use_kernel
from benchmark.engines.compiled.body import CompiledBody
from benchmark.engines.compiled.canvas import CompiledCanvas
from benchmark.engines.compiled.causal import CompiledCausal
from benchmark.engines.compiled.graphs import CompileError
from benchmark.engines.compiled.packing import LayerWeights, pack
from benchmark.engines.compiled.products import Products, Projection
from benchmark.engines.eager import EagerCanvas, EagerCausal
from benchmark.engines.interface import CanvasPasses, CausalPasses
from benchmark.engines.sampling.head import Head, Pick, TensorPick
from benchmark.engines.sampling.scores import DreamPick, Score, pick_of
from benchmark.models.loading import LanguageModel
from crossover.records.settings import Attention, Engine


class PassFactory:
    """Makes passes for one model, and keeps what was compiled for it."""

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self._layers: tuple[LayerWeights, ...] | None = None
        self._bodies: dict[Kernel, CompiledBody] = {}

    def close(self) -> None:
        """Forget what was compiled, so that the model can be freed."""
        if self._bodies:
            self._bodies.clear()
            torch.compiler.reset()

    def kernel(self, attention: Attention) -> Kernel:
        """The attention kernel behind a name, for this model.

        Raises:
            UserError: when it cannot run here.
        """
        architecture, weight = self.model.architecture, self.model.llama.lm_head.weight
        return choose_kernel(
            attention,
            heads=architecture.heads,
            head=architecture.head,
            dtype=weight.dtype,
            device=self.model.device,
        )

    def canvas(self, engine: Engine, kernel: Kernel) -> CanvasPasses:
        """Passes over a canvas."""
        if engine is Engine.compiled:
            return CompiledCanvas(self._body(kernel))
        use_kernel(self.model.llama.model, kernel)
        return EagerCanvas(self.model, kernel)

    def causal(self, engine: Engine, kernel: Kernel, head: Head) -> CausalPasses:
        """Passes through a cache."""
        if engine is Engine.compiled:
            return CompiledCausal(self._body(kernel), head)
        use_kernel(self.model.llama.model, kernel)
        return EagerCausal(self.model, kernel, head)

    def head(
        self,
        engine: Engine,
        temperature: float,
        score: Score = Score.confidence,
        dream: DreamPick | None = None,
    ) -> Head:
        """The model's output head, which never writes a diffusion model's mask, with a score for each position."""
        linear: nn.Module = self.model.head
        if engine is Engine.compiled:
            linear = Projection(self.model.llama.lm_head.weight, self._products)
        return Head(
            linear=linear,
            temperature=temperature,
            forbidden_id=self.model.mask_id,
            pick=pick_of(score, _pick(engine, self.model.device), dream),
        )

    @cached_property
    def _products(self) -> Products:
        return products_on(self.model.device, self.model.llama.config.rms_norm_eps)

    def _body(self, kernel: Kernel) -> CompiledBody:
        if self._layers is None:
            self._layers = pack(self.model)
        if kernel not in self._bodies:
            self._bodies[kernel] = CompiledBody(self.model, self._layers, kernel, self._products)
        return self._bodies[kernel]


def products_on(device: torch.device, epsilon: float) -> Products:
    """The fastest products that a device has, for norms of one epsilon.

    Raises:
        CompileError: on a GPU without a Triton that can be used.
    """
    if device.type != "cuda":
        return Products(epsilon)
    try:
        from benchmark.engines.kernels.products import KernelProducts
    except ImportError as error:
        raise CompileError(f"no kernels without Triton: {error}") from error
    return KernelProducts(epsilon)


def _pick(engine: Engine, device: torch.device) -> Pick:
    if engine is not Engine.compiled or device.type != "cuda":
        return TensorPick()
    from benchmark.engines.kernels.pick import KernelPick  # products_on comes first, and would have raised

    return KernelPick()
