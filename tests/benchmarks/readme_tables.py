"""The tiny pair's two tables from the records of its sweep, and the verdict of fronts from theirs.

`python -m tests.benchmarks.readme_tables OUTPUTS --fronts FRONTS` rewrites what stands between the markers in
docs/tiny-pair.md and, for the fronts, in README.md, and docs/quality.svg and docs/fronts.svg. What belongs to an
argument that is not given stays. `python -m analysis table OUTPUTS --svg docs/demo.svg` draws the table of the first.
docs/tiny-pair.md says which sweeps these are.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from analysis.cli.reading.loading import load_records
from analysis.cli.reading.source import STORE
from analysis.parity.parity import Parity
from analysis.parity.quality import METRICS
from analysis.report.answers import answers
from analysis.report.figures.curves import draw_curves
from analysis.report.figures.entropy_front import draw_fronts
from analysis.report.figures.style import Drawing
from analysis.report.study import Study, study
from analysis.report.words.disturbances import machine
from analysis.report.words.numbers import interval, ratio_interval
from analysis.report.words.parity import steps_to_parity
from crossover.records.record import Record
from tests.paths import ROOT

JUDGED, SAMPLER, FRONTS = "by the judge", "by the sampler's likelihood", "fronts"
README, TINY_PAIR = ROOT / "README.md", ROOT / "docs" / "tiny-pair.md"
PAGES = {JUDGED: TINY_PAIR, SAMPLER: TINY_PAIR, FRONTS: README}
"""The page of each marker."""
NAMES = {"bits_per_byte": "bits per byte", "perplexity": "perplexity"}


def between(text: str, name: str, lines: Sequence[str]) -> str:
    """The text with other lines between the markers of `name`."""
    start, end = f"<!-- {name} -->\n", "<!-- end -->"
    before, start_mark, rest = text.partition(start)
    assert start_mark, f"the page has no marker {start.strip()}"
    _, end_mark, after = rest.partition(end)
    assert end_mark, f"no {end} after {start.strip()}"
    return f"{before}{start}\n{chr(10).join(lines)}\n\n{end}{after}"


def judged(analysed: Study) -> list[str]:
    """The table of parity by the judge."""
    rows = [panel.parity for name in NAMES for panel in analysed.panels[name]]
    cells = [
        f"| B={each.batch} | {NAMES[each.metric]} | {interval(each.baseline)} | {_steps(each)} | {_gap(each)}"
        f" | {_speed(each)} |"
        for each in sorted(rows, key=lambda each: each.batch)
    ]
    head = "| tiny pair, N=128, temperature 1 | by | baseline | steps to parity | entropy gap, nats | speed-up there |"
    return [head, f"|{'---|' * 6}", *cells]


def of_sampler(analysed: Study) -> list[str]:
    """The table of parity by the likelihood of the true continuations under the samplers."""
    rows = [panel.parity for panel in analysed.panels["sampler_bits_per_byte"]]
    cells = [
        f"| B={each.batch} | {interval(each.baseline)} | {_ladder(each)} | {_steps(each)} | {_speed(each)} |"
        for each in rows
    ]
    head = "| no judge | baseline | diffusion, bits per byte at K | steps to parity | speed-up there |"
    return [head, f"|{'---|' * 5}", *cells]


def _ladder(parity: Parity) -> str:
    ladder = zip(parity.steps, parity.quality, strict=True)
    return ", ".join(f"{quality.estimate:.2f} at {k}" for k, quality in ladder)


def _steps(parity: Parity) -> str:
    low, high = (f"> {parity.steps[-1]}" if end is None else str(end) for end in parity.first_steps_interval)
    first = steps_to_parity(parity)
    return first if low == high == first else f"{first} [{low}, {high}]"


def _gap(parity: Parity) -> str:
    gap = parity.entropy_gap
    return "" if gap is None else f"{gap.estimate:+.2f} [{gap.low:+.2f}, {gap.high:+.2f}]"


def _speed(parity: Parity) -> str:
    unclean = f" ({machine(parity.disturbed)})" if parity.disturbed else ""
    return f"{'' if parity.speedup is None else ratio_interval(parity.speedup)}{unclean}"


def _records(folder: str) -> Sequence[Record]:
    return load_records([folder], STORE).records


def _save(drawing: Drawing | None, name: str) -> None:
    assert drawing is not None, f"nothing to draw for {name}"
    with TemporaryDirectory() as folder:
        drawing.save(Path(folder))
        svg = (Path(folder) / f"{drawing.name}.svg").read_text(encoding="utf-8")
    (ROOT / "docs" / name).write_text(svg, encoding="utf-8")


def _rewrite(name: str, lines: Sequence[str]) -> None:
    page = PAGES[name]
    page.write_text(between(page.read_text(encoding="utf-8"), name, lines), encoding="utf-8")


def _write_sweep(folder: str) -> None:
    records = _records(folder)
    analysed = study(records, metrics=list(METRICS.values()))
    _rewrite(JUDGED, judged(analysed))
    _rewrite(SAMPLER, of_sampler(analysed))
    _save(draw_curves(analysed.panels["bits_per_byte"]), "quality.svg")


def _write_fronts(folder: str) -> None:
    analysed = study(_records(folder), metrics=[METRICS["bits_per_byte"], METRICS["perplexity"]])
    (said, *_) = answers(analysed)
    timing = said.sentence.find(" The timing behind this")
    sentence = said.sentence if timing < 0 else said.sentence[:timing]
    _rewrite(FRONTS, [f"> {quoted(sentence)}"])
    _save(draw_fronts([each for each in analysed.fronts if each.fronts.metric == "bits_per_byte"]), "fronts.svg")


def quoted(sentence: str) -> str:
    """A sentence as Markdown shows it unchanged."""
    return sentence.replace("_", "\\_")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("outputs", nargs="?", help="output_dir of the demo with three processes a point")
    parser.add_argument("--fronts", help="output_dir of sweep=front")
    options = parser.parse_args()
    if options.outputs:
        _write_sweep(options.outputs)
    if options.fronts:
        _write_fronts(options.fronts)


if __name__ == "__main__":
    main()
