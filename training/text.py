"""Jane Austen's novels: what is trained on, what is validated on, and the held-out prompts."""

import json
import lzma
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerFast

TEXT = Path(__file__).parent / "text"
TRAINING_NOVELS = ("emma", "mansfield_park", "northanger_abbey", "persuasion", "pride_and_prejudice")
HELD_OUT_NOVEL = "sense_and_sensibility"
PARAGRAPH_BREAK = "\n\n"


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Chapters by use; a chapter is its paragraphs without the heading.

    `validation` is the last chapter of each training novel and steers training. `held_out` is a whole
    novel, which is read only when the models are final.
    """

    training: tuple[str, ...]
    validation: tuple[str, ...]
    held_out: tuple[str, ...]

    def excerpt(self) -> "Corpus":
        """A small part of each text, for a quick test."""
        return Corpus(training=self.training[:40], validation=self.validation[:1], held_out=self.held_out[:2])


def read_chapters(novel: str) -> tuple[str, ...]:
    """The chapters of one novel, headings removed."""
    text = lzma.decompress((TEXT / f"{novel}.txt.xz").read_bytes()).decode()
    chapters = re.split(r"^CHAPTER \d+$", text, flags=re.MULTILINE)
    return tuple(chapter.strip() for chapter in chapters if chapter.strip())


def read_corpus() -> Corpus:
    """All six novels, divided by use."""
    novels = [read_chapters(novel) for novel in TRAINING_NOVELS]
    return Corpus(
        training=tuple(chapter for chapters in novels for chapter in chapters[:-1]),
        validation=tuple(chapters[-1] for chapters in novels),
        held_out=read_chapters(HELD_OUT_NOVEL),
    )


def cut_documents(
    chapters: tuple[str, ...], tokenizer: PreTrainedTokenizerFast, *, tokens: int, characters: int
) -> Iterator[str]:
    """Consecutive pieces of the chapters that do not overlap, cut between paragraphs.

    Each is the shortest run of paragraphs with more than `tokens` tokens and `characters` characters;
    what is left over at the end is dropped.
    """
    document: list[str] = []
    for paragraph in PARAGRAPH_BREAK.join(chapters).split(PARAGRAPH_BREAK):
        document.append(paragraph)
        text = PARAGRAPH_BREAK.join(document)
        if len(text) > characters and len(tokenizer.encode(text)) > tokens:
            yield text
            document = []


def write_prompts(path: Path, documents: list[str]) -> None:
    """One `{"id": ..., "text": ...}` a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        json.dumps({"id": f"{HELD_OUT_NOVEL}/{number:02d}", "text": text}) for number, text in enumerate(documents)
    ]
    path.write_text("\n".join(lines) + "\n")
