"""Types of arrays, whose names end in their dimensions: values_AP has a row for each arm, a column for each prompt."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
