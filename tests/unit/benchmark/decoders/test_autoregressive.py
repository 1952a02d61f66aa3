import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmark.decoders.autoregressive import AutoregressiveDecoder
from benchmark.decoders.interface import Phase, Unmarked, make_batch
from benchmark.engines.attention import Plain
from benchmark.engines.eager import EagerCausal
from benchmark.engines.sampling.head import Head
from benchmark.models.loading import LanguageModel
from crossover.records.settings import Family
from tests.checkpoints import CPU, END_ID, VOCABULARY, random_model
from tests.fakes import FakeModel, Marked
from tests.references import both_arms as reference

PROMPTS = [[5, 9, 2, 7, 3, 3], [8, 4], [2, 2, 6, 11]]


def decoder(model: LanguageModel, temperature: float = 0.0) -> AutoregressiveDecoder:
    head = Head(linear=model.head, temperature=temperature, forbidden_id=None)
    return AutoregressiveDecoder(passes=EagerCausal(model, Plain(), head))


def decode(rows: list[list[int]], streams: list[int], output_tokens: int, temperature: float) -> list[list[int]]:
    generation = decoder(random_model(Family.autoregressive), temperature).decode(
        make_batch(rows, streams, CPU), output_tokens, Unmarked()
    )
    tokens: list[list[int]] = generation.tokens_BN.tolist()
    return tokens


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    rows=st.lists(st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=7), min_size=1, max_size=3),
    output_tokens=st.integers(1, 10),
    temperature=st.sampled_from([0.0, 0.1, 1.0]),
    first_stream=st.integers(0, 2**40),
)
def test_the_cache_changes_no_token(
    rows: list[list[int]], output_tokens: int, temperature: float, first_stream: int
) -> None:
    model = random_model(Family.autoregressive)
    streams = [first_stream + row for row in range(len(rows))]
    assert decode(rows, streams, output_tokens, temperature) == [
        reference.autoregressive(model, row, stream, output_tokens, temperature)
        for row, stream in zip(rows, streams, strict=True)
    ]


def test_a_row_gives_the_tokens_that_it_gives_alone() -> None:
    alone = [decode([row], [10 + i], 8, 0.7)[0] for i, row in enumerate(PROMPTS)]
    assert decode(PROMPTS, [10, 11, 12], 8, 0.7) == alone


def test_rows_of_one_prompt_differ_by_their_streams() -> None:
    first, second = decode([[3, 4], [3, 4]], [0, 1], 8, 1.0)
    assert first != second


def test_the_end_of_sequence_does_not_end_a_row() -> None:
    fake = FakeModel(vocabulary=3, logits=lambda _: [5.0, 0.0, 0.0])
    generation = decoder(fake.model).decode(make_batch([[2, 2]], [0], CPU), 5, Unmarked())
    assert generation.tokens_BN.tolist() == [[END_ID] * 5]


def test_the_prompt_is_read_once_and_then_one_token_a_pass() -> None:
    fake = FakeModel(vocabulary=3, logits=lambda _: [0.0, 5.0, 0.0])
    generation = decoder(fake.model).decode(make_batch([[2, 2, 0]], [0], CPU), 3, Unmarked())
    assert fake.body.canvases == [[[2, 2, 0]], [[1]], [[1]]]
    assert generation.forward_passes == 3


def test_padding_is_hidden_and_every_row_begins_at_its_own_first_token() -> None:
    fake = FakeModel(vocabulary=3, logits=lambda _: [0.0, 5.0, 0.0])
    decoder(fake.model).decode(make_batch([[2], [2, 0]], [0, 1], CPU), 3, Unmarked())
    assert fake.body.masks == [[[0, 1], [1, 1]], [[0, 1, 1], [1, 1, 1]], [[0, 1, 1, 1], [1, 1, 1, 1]]]
    assert fake.body.positions == [[[0, 0], [0, 1]], [[1], [2]], [[2], [3]]]


def test_without_padding_attention_has_no_mask() -> None:
    fake = FakeModel(vocabulary=3, logits=lambda _: [0.0, 5.0, 0.0])
    decoder(fake.model).decode(make_batch([[2], [0]], [0, 1], CPU), 2, Unmarked())
    assert (fake.body.masks, fake.body.positions) == ([None, None], [None, None])


def test_the_head_reads_the_last_place_alone() -> None:
    fake = FakeModel(vocabulary=3, logits=lambda _: [0.0, 5.0, 0.0])
    decoder(fake.model).decode(make_batch([[2, 2, 0]], [0], CPU), 2, Unmarked())
    assert fake.head.read == [[2], [0]]


def test_the_first_token_ends_the_prefill_and_every_other_one_a_step() -> None:
    marked = Marked()
    decoder(random_model(Family.autoregressive)).decode(make_batch(PROMPTS, [0, 1, 2], CPU), 4, marked)
    assert marked.phases == [Phase.prefill, Phase.step, Phase.step, Phase.step]


class Told:
    """Passes that are told by their names, in their order."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def prepare(self, rows: int, prompt_tokens: int, output_tokens: int, *, padded: bool) -> float:
        del rows, prompt_tokens, output_tokens, padded
        return 0.0

    def begin(self, tokens_BP: Tensor, padding_BP: Tensor | None, streams_B: Tensor, output_tokens: int) -> None:
        del tokens_BP, padding_BP, streams_B, output_tokens
        self.made.append("begin")

    def advance(self) -> None:
        self.made.append("advance")

    def leave_out(self, tokens: int) -> None:
        self.made.append(f"leave out {tokens}")

    def repeat(self) -> None:
        self.made.append("repeat")

    def written(self) -> Tensor:
        return torch.zeros((1, 6), dtype=torch.int64)


def test_before_a_pass_is_timed_the_device_makes_it_untimed() -> None:
    passes = Told()
    timed = AutoregressiveDecoder(passes=passes, timed=frozenset({0, 3, 4}))
    generation = timed.decode(make_batch([[3, 4]], [0], CPU), 6, Marked(settles_after=1))
    settled, behind_the_gap = ["repeat", "repeat", "advance"], ["leave out 2", "repeat", "advance", "advance"]
    assert passes.made == ["begin", "advance", *settled, *behind_the_gap]
    assert generation.forward_passes == 4
