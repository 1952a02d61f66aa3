"""Decoders on the tiny random models, and what they write."""

from benchmark.decoders.factory import make_decoder
from benchmark.decoders.interface import Decoder, Unmarked, make_batch
from benchmark.engines.factory import PassFactory
from crossover.records.run import Run
from crossover.records.settings import Attention, Family
from tests.checkpoints import CPU, random_model

PROMPTS = [[5, 9, 2, 7], [3, 4, 4, 6]]
UNEVEN = [[5, 9, 2, 7], [3, 4]]
"""Prompts of equal and of unequal lengths."""


def factory(family: Family) -> PassFactory:
    return PassFactory(random_model(family))


def decoder(run: Run, attention: Attention = Attention.sdpa) -> Decoder:
    made = factory(run.model.family)
    return make_decoder(run, made, made.kernel(attention))


def tokens_of(decoder: Decoder, rows: list[list[int]], output_tokens: int) -> list[list[int]]:
    batch = make_batch(rows, [10 + row for row in range(len(rows))], CPU)
    tokens: list[list[int]] = decoder.decode(batch, output_tokens, Unmarked()).tokens_BN.tolist()
    return tokens
