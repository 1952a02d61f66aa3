import math

import numpy as np
import pytest

from analysis.parity.evidence import target_of, weigh
from analysis.parity.quality import BERTSCORE_F1, PERPLEXITY, SAMPLER_BITS_PER_BYTE, Metric
from crossover.records.record import Measurement
from tests.factories import a_document, a_measurement, a_score

SOURCES, OF_EACH = 6, 4


def an_arm(bits: float, *, clusters: bool, scored: bool = False) -> Measurement:
    """24 documents of 100 bytes; those of a source have one likelihood, as if they were one document."""
    effects = np.random.default_rng(0).standard_normal(SOURCES)
    documents = [(f"{source}/{index}", f"source {source}") for source in range(SOURCES) for index in range(OF_EACH)]
    return a_measurement(
        likelihood=tuple(
            a_document(
                prompt_id=name,
                text_bytes=100,
                sampler_nats=100 * math.log(2) * (bits + effects[int(name[0])]),
                cluster=source if clusters else None,
            )
            for name, source in documents
        ),
        scores=tuple(a_score(prompt_id=name, cluster=source) for name, source in documents) if scored else (),
    )


def test_likelihoods_of_documents_of_one_source_are_drawn_together() -> None:
    together, apart, told_by_scores = (
        weigh([an_arm(1.5, **kind), an_arm(1.4, **kind)], SAMPLER_BITS_PER_BYTE, margin=0.0, resamples=500)
        for kind in ({"clusters": True}, {"clusters": False}, {"clusters": False, "scored": True})
    )
    assert (together.clusters, apart.clusters, told_by_scores.clusters) == (SOURCES, SOURCES * OF_EACH, SOURCES)
    assert together.means.error_K[0] > 1.8 * apart.means.error_K[0]
    assert together.means.error_K[0] == told_by_scores.means.error_K[0]


@pytest.mark.parametrize(
    ("metric", "baseline", "target"),
    [
        (PERPLEXITY, math.log(20.0), math.log(20.5)),
        (SAMPLER_BITS_PER_BYTE, 1.5, 2.0),
        (BERTSCORE_F1, 0.9, 0.4),
    ],
)
def test_the_target_falls_short_of_the_baseline_by_the_margin_and_follows_it_at_its_slope(
    metric: Metric, baseline: float, target: float
) -> None:
    little = 1e-6
    targets_R1, slopes_R1 = target_of(np.array([[baseline], [baseline + little]]), metric, 0.5)
    assert targets_R1[0, 0] == pytest.approx(target)
    assert slopes_R1[0, 0] == pytest.approx((targets_R1[1, 0] - targets_R1[0, 0]) / little, rel=1e-5)
