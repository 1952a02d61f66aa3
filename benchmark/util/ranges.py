"""Lists of numbers as the kernel and SLURM write them."""

import re


def expand(tasks: str) -> list[int]:
    """The numbers of a list such as `3-5,8%2`; the part after % is how many may run at once."""
    numbers: list[int] = []
    for part in tasks.partition("%")[0].split(","):
        if match := re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", part):
            first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
            numbers += range(first, last + 1, step)
    return numbers
