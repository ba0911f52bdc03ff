"""The two kinds of array the statistics speak of, and what is asked of them all over."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_CROWDED = 16
"""Places are sorted out by a list of all there are, unless those are so many times what came."""


def distinct(keys: Ints, size: int) -> tuple[Ints, Ints]:
    """Return the distinct keys in order, all below ``size``, and where in them each key is."""
    if size > _CROWDED * len(keys):
        return np.unique(keys, return_inverse=True)
    seen = np.zeros(size, np.bool_)
    seen[keys] = True
    used = np.flatnonzero(seen)
    where = np.empty(size, np.int64)
    where[used] = np.arange(len(used))
    return used, where[keys]
