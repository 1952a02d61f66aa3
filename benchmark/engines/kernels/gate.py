"""The gate of a decoder layer's MLP, inside a kernel."""

import triton
import triton.language as tl


@triton.jit
def silu_gate(gate, up, dtype: tl.constexpr):
    """SiLU of the gate times up, from float32, rounded to the type where the layer's own functions round."""
    gate = gate.to(dtype).to(tl.float32)
    return (gate / (1 + tl.exp(-gate))).to(dtype).to(tl.float32) * up.to(dtype).to(tl.float32)
