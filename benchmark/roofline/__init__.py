"""FLOPs, bytes and memory from a shape, the device's ceilings, and the prediction made from them before a run."""
