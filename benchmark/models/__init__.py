"""Checkpoints in their official layouts become models and tokenizers."""
