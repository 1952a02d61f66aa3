"""Slow and plain versions of the published samplers, with which decoders are compared."""
