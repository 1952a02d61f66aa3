"""The cases of published samplers, as runs of ours on the same weights."""
