"""lm-evaluation-harness: a model of its kind that writes by this program's decoders and engines."""
