"""What the comparison of GPUs alone and among neighbours says of records that are there."""

from pathlib import Path

from benchmark.store.journal import Journal
from tests.benchmarks.neighbours import ALONE, TOGETHER, compare, report
from tests.factories import a_measurement, a_record, a_sample


def test_a_point_that_takes_longer_among_neighbours_is_marked(tmp_path: Path) -> None:
    """On GPU 1 all rounds take a tenth longer together; on GPU 0 they are as alone."""
    for way, factor in ((ALONE, 1.0), (TOGETHER, 1.1)):
        for gpu in ("0", "1"):
            for number, latency_s in enumerate((2.0, 2.001, 2.002)):
                slower = factor if gpu == "1" else 1.0
                journal = Journal(output_dir=tmp_path / way / gpu / str(number))
                journal.prepare()
                journal.write(a_record(measurement=a_measurement(samples=(a_sample(latency_s=slower * latency_s),))))
    calm, disturbed = compare(tmp_path)
    assert (calm.gpu, calm.is_disturbed, disturbed.gpu, disturbed.is_disturbed) == ("0", False, "1", True)
    assert disturbed.ratio.low < 1.1 < disturbed.ratio.high
    assert report([calm, disturbed]).endswith("* 1 of 2: among neighbours another latency than alone")
