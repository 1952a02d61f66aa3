import math

import numpy as np

from analysis.parity.evidence import weigh
from analysis.parity.quality import SAMPLER_BITS_PER_BYTE
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
