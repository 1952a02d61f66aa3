import pytest

from benchmark.tasks.rules import parse_rule


@pytest.mark.parametrize(
    ("rule", "text", "wanted", "answer", "right"),
    [
        ("exact", " the  sea\n", ("the sea",), "the sea", True),
        ("exact", "the sea.", ("the sea",), "the sea.", False),
        ("exact", "The sea", ("the sea",), "The sea", False),
        ("number", "3 + 4 = 7.", ("7",), "7", True),
        ("number", "so she has $1,250.50 left", ("1250.5",), "1,250.50", True),
        ("number", "it is -3", ("3",), "-3", False),
        ("number", "pages 3-4", ("4",), "4", True),
        ("number", "5kg of it", ("5",), "5", True),
        ("number", "none", ("7",), None, False),
        ("contains", "of Mr.\nDarcy, who", ("Mr. Darcy",), "Mr. Darcy", True),
        ("contains", "THE SEA", ("the sea",), "THE SEA", True),
        ("contains", "the seas", ("sea",), None, False),
        ("contains", "a lake", ("sea", "lake"), "lake", True),
        ("choice", "The answer is (C), not D", ("C",), "C", True),
        ("choice", "Dear Bella, D", ("D",), "D", True),
        ("choice", "A or B", ("B",), "A", False),
        ("choice", "I", ("A",), None, False),
        ("regex:#### (-?[0-9,]+)", "5 + 3\n#### 8", ("8",), "8", True),
        ("regex:[a-z]+ [a-z]+", " by no means", ("by no",), "by no", True),
        ("regex:#### (.*)", "eight", ("8",), None, False),
        ("regex:(x)?y", "y", ("x",), "", False),
    ],
)
def test_a_rule_finds_the_answer_of_a_text_and_says_whether_it_is_right(
    rule: str, text: str, wanted: tuple[str, ...], answer: str | None, right: object
) -> None:
    found = parse_rule(rule).answer(text, wanted, ())
    assert found == answer
    assert parse_rule(rule).accepts(found, wanted) is right


def test_a_choice_may_be_of_words() -> None:
    assert parse_rule("choice").answer("I say no, or yes", ("yes",), ("yes", "no")) == "no"


@pytest.mark.parametrize("text", ["exakt", "regex", "regex:", "", "Exact", "number "])
def test_an_unknown_rule_is_answered_with_those_that_there_are(text: str) -> None:
    with pytest.raises(ValueError, match="is no rule: give exact, number, contains, choice, or regex:PATTERN"):
        parse_rule(text)


def test_a_pattern_that_is_none_is_answered_with_what_is_wrong() -> None:
    with pytest.raises(ValueError, match=r"no regular expression \(missing \), unterminated subpattern"):
        parse_rule("regex:(a")
