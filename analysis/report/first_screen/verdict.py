"""The answer in a few lines: comparisons counted by their outcome, and each in a row of a small table."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.parity.choice import Reading
from analysis.parity.entropy_gap import ENTROPY_BOUND
from analysis.parity.parity import Parity, Speed, speed_of
from analysis.report.words.numbers import inside, ratio, ratio_interval
from analysis.report.words.parity import batch_and_length, label, steps_to_parity

MOST_ROWS = 8

REACHED = {Reading.reached, Reading.smallest}
Answered = Sequence[tuple[Parity, str]]
"""Parities, each with the setting that tells it from others."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One comparison in few words; `interval` is that of the steps."""

    where: str
    metric: str
    steps: str
    interval: str
    speed: str


def verdicts(answered: Answered) -> tuple[str, ...]:
    """How many comparisons have which outcome, and how many are of texts that are not equally varied."""
    parities = [parity for parity, _ in answered]
    if not parities:
        return ()
    grouped: dict[str, list[Parity]] = defaultdict(list)
    for parity in parities:
        grouped[_outcome(parity)].append(parity)
    models = {(each.diffusion, each.baseline_model) for each in parities}
    diffusion, baseline = models.pop() if len(models) == 1 else ("diffusion", "the baseline")
    total = len(parities)
    (commonest, alike), *others = sorted(grouped.items(), key=lambda item: -len(item[1]))
    parts = [f"{_share(len(alike), total)} {commonest}{_range(alike)}"]
    parts += [f"in {len(rest):,} {outcome}{_range(rest)}" for outcome, rest in others]
    told = "; ".join(parts).format(diffusion=diffusion, baseline=baseline)
    return (f"{_sentence(told)}.", *_varied(parities))


def rows(answered: Answered) -> tuple[Row, ...]:
    """The first comparisons, one in a row."""
    return tuple(_row(parity, setting) for parity, setting in answered[:MOST_ROWS])


def _outcome(parity: Parity) -> str:
    """What is shown, as a clause about {diffusion} and {baseline}."""
    if parity.reading is Reading.undecided:
        return "it is not decided whether {diffusion} reaches {baseline}'s quality"
    if parity.reading not in REACHED:
        return "{diffusion} does not reach {baseline}'s quality"
    if parity.is_of_copies:
        return "the judge scores {diffusion}'s texts at least as well as {baseline}'s, but they copy their prompts"
    if parity.is_of_unlike_texts:
        return "the judge scores {diffusion}'s texts at least as well as {baseline}'s, but they are not equally varied"
    return f"{{diffusion}} reaches {{baseline}}'s quality and {speed_of(parity)} there"


def _share(number: int, total: int) -> str:
    if number < total:
        return f"in {number:,} of {total:,} comparisons"
    return {1: "in the one comparison", 2: "in both comparisons"}.get(total, f"in all {total:,} comparisons")


def _range(alike: Sequence[Parity]) -> str:
    """The speed-ups of comparisons that have one outcome."""
    known = sorted(
        each.speedup.estimate
        for each in alike
        if _is_claimed(each) and each.speedup is not None and speed_of(each) is not Speed.unknown
    )
    if not known:
        return ""
    ends = list(dict.fromkeys(map(ratio, (known[0], known[-1]))))
    return f", {' to '.join(ends)} times as fast"


def _is_claimed(parity: Parity) -> bool:
    return parity.reading in REACHED and not (parity.is_of_unlike_texts or parity.is_of_copies)


def _varied(parities: Sequence[Parity]) -> tuple[str, ...]:
    """How many parities by a judge are of texts that differ in entropy, so that they are none at equal entropy."""
    apart = [each for each in parities if each.is_of_unlike_texts]
    if not apart:
        return ()
    told = _sentence(_share(len(apart), len(parities)))
    return (f"{told} the texts differ in entropy by more than {ENTROPY_BOUND} nats: no parity at equal entropy.",)


def _row(parity: Parity, setting: str) -> Row:
    beyond = f"> {parity.steps[-1]}"
    low, high = (beyond if end is None else f"{end}" for end in parity.first_steps_interval)
    return Row(
        where=", ".join([batch_and_length(parity), *([setting] if setting else [])]),
        metric=inside(label(parity)),
        steps=steps_to_parity(parity),
        interval="" if parity.reading is Reading.not_reached else f"[{low}, {high}]",
        speed="" if parity.speedup is None else ratio_interval(parity.speedup),
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
