"""The recipe of the tiny trained pair and its judge: `python -m training` makes `benchmark/assets` anew."""
