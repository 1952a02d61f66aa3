"""`python -m analysis FOLDER`: the table of what has been measured there."""

import argparse
import sys
from pathlib import Path

from analysis.load import latest, load
from analysis.table import failures, make_console, table


def main() -> None:
    """Print the newest record of each run below a folder."""
    parser = argparse.ArgumentParser(prog="python -m analysis", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("outputs"), help="output_dir of the benchmark")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="also draw the table as a picture")
    options = parser.parse_args()
    folder = options.folder
    loaded = load(sorted((folder / "records").glob("*.json")))
    for line in loaded.rejected:
        make_console(stderr=True).print(f"left out: {line}", markup=False)
    if not loaded.records:
        sys.exit(f"{folder / 'records'} holds no records: give the output_dir of a run, python -m analysis FOLDER")
    console = make_console(record=options.svg is not None)
    records = latest(loaded.records)
    console.print(table(records))
    for line in failures(records):
        console.print(line, highlight=False, markup=False)
    if options.svg is not None:
        console.save_svg(str(options.svg), title=parser.prog)


if __name__ == "__main__":
    main()
