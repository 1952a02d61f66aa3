"""Five hundred wrong command lines, tried in one process: `python -m tests.benchmarks.wrong_inputs`.

Each must end with exit code 2 and one line on stderr that begins with `error:`, with no traceback and no record.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.wrong_inputs.generation import COUNT, Wrong, generate
from tests.benchmarks.wrong_inputs.trial import Ended, run
from tests.provenance import provenance


def table(results: list[tuple[Wrong, Ended, list[str]]]) -> Iterator[str]:
    """The tally by kind, then every fault, then every command with its line."""
    yield "# Wrong command lines\n\n**Question.** What does a wrong command line end with?\n"
    good = sum(not faults for _, _, faults in results)
    yield f"**Answer.** {good} of {len(results)} ended with exit code 2 and one line that names what was given.\n"
    again = "`python -m tests.benchmarks.wrong_inputs > docs/results/wrong-inputs.md` tries them again"
    yield f"{again} ({provenance()}).\n"
    yield "| what is wrong | command lines | as they must |\n|---|---|---|"
    for kind in dict.fromkeys(wrong.kind for wrong, _, _ in results):
        own = [faults for wrong, _, faults in results if wrong.kind == kind]
        yield f"| {kind} | {len(own)} | {sum(not faults for faults in own)} |"
    yield "\n## Each command line and what was said\n\n```"
    for wrong, ended, faults in results:
        said = ended.err.strip() or ended.raised.strip().rpartition("\n")[2] or ended.out.strip()[:200]
        yield f"$ {' '.join(wrong.words)}\n{'' if not faults else f'FAULT ({chr(44).join(faults)}) '}{said}"
    yield "```"


def measure() -> int:
    """Try them all in an empty folder, and print the page."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for wrong in generate(COUNT):
            print(*wrong.words, file=sys.stderr, flush=True)
            ended = run(wrong)
            faults = ended.faults(wrong)
            if list(Path(folder).glob("**/records/*.json")):
                faults.append("a record")
                for file in Path(folder).glob("**/records/*.json"):
                    file.unlink()
            results.append((wrong, ended, faults))
        os.chdir("/")
    for line in table(results):
        print(line)
    return sum(bool(faults) for _, _, faults in results)


if __name__ == "__main__":
    sys.exit(1 if measure() else 0)
