"""Policies: which of the masked positions of a block a forward pass writes. One file each."""
