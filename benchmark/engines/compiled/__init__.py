"""The compiled engine: layers compiled on static shapes, and their passes captured, on a GPU as CUDA graphs."""
