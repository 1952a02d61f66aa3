"""How much of a text stands in its prompt already. It is read beside perplexity: what repeats the prompt is likely."""

WORDS = 4
"""Of a run of words. Two texts of one author share few runs that are as long."""


def copied(text: str, prompt: str) -> float | None:
    """Share of a text's runs of 4 words that its prompt has too; None of a text or a prompt without any."""
    runs, known = _runs(text), set(_runs(prompt))
    return sum(run in known for run in runs) / len(runs) if runs and known else None


def _runs(text: str) -> list[tuple[str, ...]]:
    words = text.split()
    return [tuple(words[start : start + WORDS]) for start in range(len(words) - WORDS + 1)]
