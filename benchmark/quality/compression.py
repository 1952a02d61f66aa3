"""How much smaller a text becomes by compression. It is read beside perplexity, since repetition lowers perplexity."""

import zlib


def compression_ratio(text: str) -> float | None:
    """UTF-8 bytes of a text over those of its DEFLATE [Shaib et al., arXiv 2403.00553]; None without text.

    The more a text repeats itself, the higher. A short text has fewer bytes than its compressed form: below 1.
    """
    return len(text.encode()) / len(zlib.compress(text.encode(), level=9)) if text else None
