"""The recipe of the tiny twin: one set of weights that writes token by token and block by block."""
