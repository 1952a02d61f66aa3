"""Block diffusion of block-causal models: the loop, and the canvas that it writes."""
