"""FLOPs, bytes and memory from a shape, the device's ceilings, and what follows before a run."""
