"""Rules that say what of a text is its answer, and whether that is one of the answers wanted.

| rule | the text's answer | right when it is |
|---|---|---|
| exact | the whole text | an answer, letter for letter |
| number | the last number | of an answer's value |
| contains | the first answer wanted that stands in the text as whole words, in small or capital letters | there |
| choice | the first of the choices that stands alone | an answer |
| regex:PATTERN | the first match of PATTERN, or its first group where it has one | an answer, letter for letter |

Runs of white space count as one space everywhere, and none at the ends.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum


class RuleName(StrEnum):
    """What kind of rule it is."""

    exact = "exact"
    number = "number"
    contains = "contains"
    choice = "choice"
    regex = "regex"


ALLOWED = "exact, number, contains, choice, or regex:PATTERN"
CHOICES = ("A", "B", "C", "D", "E")
"""What may be chosen where a question does not say it."""

_NUMBER = re.compile(r"(?<![\w.,])[-\u2212]?\$?(?:\d[\d,]*(?:\.\d+)?|\.\d+)")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule by its name; `pattern` is that of a regex."""

    name: RuleName
    pattern: re.Pattern[str] | None = None

    def answer(self, text: str, wanted: Sequence[str], choices: Sequence[str]) -> str | None:
        """What the rule takes for the answer of a text; None where it finds none."""
        match self.name:
            case RuleName.exact:
                return spaced(text)
            case RuleName.number:
                return _last_number(text)
            case RuleName.contains:
                return _first_alone(text, wanted, re.IGNORECASE)
            case RuleName.choice:
                return _first_alone(text, choices or CHOICES, re.NOFLAG)
            case RuleName.regex:
                return self._matched(text)

    def accepts(self, answer: str | None, wanted: Sequence[str]) -> bool:
        """Whether what was taken for the answer is one of the answers wanted."""
        if answer is None:
            return False
        if self.name is RuleName.number:
            return value_of(answer) in {value_of(each) for each in wanted}
        if self.name is RuleName.contains:
            return True
        return answer in {spaced(each) for each in wanted}

    def _matched(self, text: str) -> str | None:
        assert self.pattern is not None
        match = self.pattern.search(text)
        return None if match is None else spaced(match[1 if self.pattern.groups else 0] or "")


def parse_rule(text: str) -> Rule:
    """The rule that a text names.

    Raises:
        ValueError: with what is allowed.
    """
    kind, _, pattern = text.partition(":")
    if kind == RuleName.regex and pattern:
        try:
            return Rule(name=RuleName.regex, pattern=re.compile(pattern))
        except re.error as error:
            raise ValueError(f"{text!r} is no regular expression ({error}): correct it") from error
    if text in RuleName.__members__ and text != RuleName.regex:
        return Rule(name=RuleName(text))
    raise ValueError(f"{text!r} is no rule: give {ALLOWED}")


def value_of(number: str) -> Decimal | None:
    """The value of a number as a text writes it; None where it is none."""
    try:
        return Decimal(number.strip().replace(",", "").replace("$", "").replace("\u2212", "-"))
    except InvalidOperation:
        return None


def spaced(text: str) -> str:
    """The text with one space for each run of white space."""
    return " ".join(text.split())


def _last_number(text: str) -> str | None:
    numbers = _NUMBER.findall(text)
    return numbers[-1].rstrip(",").replace("$", "") if numbers else None


def _first_alone(text: str, words: Sequence[str], flags: re.RegexFlag) -> str | None:
    """The first of some words that stands in the text with no letter or digit beside it, as the text writes it."""
    longest_first = sorted(map(spaced, words), key=len, reverse=True)
    pattern = "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in longest_first)
    match = re.search(rf"(?<!\w)(?:{pattern})(?!\w)", text, flags)
    return None if match is None else spaced(match[0])
