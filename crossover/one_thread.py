"""Programs that look at a sweep leave the machine's cores to those that measure."""

import os

VARIABLE = "OPENBLAS_NUM_THREADS"


def compute_with_one_thread() -> None:
    """Keep NumPy from starting a thread for each core, before it is imported; it computes nothing large here.

    Such threads spin for a moment after their start, on all cores at once. Samples that were timed on a machine of 32
    cores while a sweep's status was asked were labelled: others kept up to five cores busy.
    """
    os.environ.setdefault(VARIABLE, "1")
