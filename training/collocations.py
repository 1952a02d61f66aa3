"""The prompts of `sweep=tasks`: passages of the held-out novel that break off before two words that can be guessed.

Two or three words count as foretelling the next two where they precede them at least twice in the training novels, and
in so large a share of their occurrences there. No model chooses the prompts. Each pair of a last word and an answer is
asked once, at its first place in the held-out novel. A prompt begins with a sentence where one begins near.

`python -m training.collocations` prints the file.
"""

import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from benchmark.models.checkpoint import ASSETS
from training.text import read_corpus

CONTEXTS = (3, 2)
"""Words that foretell, the longer context first."""
ANSWER_WORDS = 2
LEAST_TIMES = 2
LEAST_SHARE = 0.3
MOST_WORDS, FEWEST_WORDS, USUAL_WORDS = 32, 7, 20
"""Of a prompt; the last where no sentence begins near."""
PLAIN = re.compile(r"[A-Za-z]+ [A-Za-z]+")

Followers = Mapping[tuple[str, ...], Counter[str]]


def questions(chapters: Sequence[str], passages: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The prompts with their answers, in the order of the passages."""
    tables = {size: followers(chapters, size) for size in CONTEXTS}
    asked: set[tuple[str, str]] = set()
    for name, passage in passages.items():
        words = passage.split()
        for cut in range(MOST_WORDS, len(words) - ANSWER_WORDS):
            answer = " ".join(words[cut : cut + ANSWER_WORDS])
            key = (words[cut - 1], answer)
            if key in asked or not PLAIN.fullmatch(answer) or not _is_foretold(tables, words[:cut], answer):
                continue
            asked.add(key)
            prompt = " ".join(words[_beginning(words, cut) : cut])
            yield {"id": f"{name}:{cut}", "prompt": prompt, "answer": answer}


def followers(chapters: Sequence[str], size: int) -> Followers:
    """For each so many words in a row, what follows them and how often."""
    table: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for words in map(str.split, chapters):
        for start in range(len(words) - size - ANSWER_WORDS + 1):
            behind = start + size
            table[tuple(words[start:behind])][" ".join(words[behind : behind + ANSWER_WORDS])] += 1
    return table


def _is_foretold(tables: Mapping[int, Followers], before: Sequence[str], answer: str) -> bool:
    for size, table in tables.items():
        seen = table.get(tuple(before[-size:]), Counter())
        if seen[answer] >= LEAST_TIMES and seen[answer] >= LEAST_SHARE * seen.total():
            return True
    return False


def _beginning(words: Sequence[str], cut: int) -> int:
    """Where the prompt begins: the earliest sentence near enough."""
    near = range(cut - MOST_WORDS + 1, cut - FEWEST_WORDS)
    return next((start for start in near if re.search(r"[.?!]\W?$", words[start - 1])), cut - USUAL_WORDS)


def main() -> None:
    """Print the file."""
    lines = (ASSETS / "prompts" / "austen.jsonl").read_text(encoding="utf-8").splitlines()
    passages = {entry["id"]: entry["text"] for entry in map(json.loads, lines)}
    for question in questions(read_corpus().training, passages):
        sys.stdout.write(json.dumps(question) + "\n")


if __name__ == "__main__":
    main()
