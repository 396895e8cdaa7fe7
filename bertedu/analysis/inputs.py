"""What comes in: attention weights whose rows sum to 1, or an error that names the argument."""

import numpy as np
from numpy.typing import ArrayLike

from bertedu.numeric import numbers

UNSUMMED = 1e-2  # a row may miss 1 by that much; half precision misses it by less


def normalised(attention: ArrayLike, letters: str) -> np.ndarray:
    """Return `attention` as a float64 array of the shape `letters`, not negative, in rows that sum to 1."""
    array = numbers("attention", attention, letters)
    off = np.abs(array.sum(axis=-1) - 1).max()
    if array.min() < 0 or off > UNSUMMED:
        raise ValueError(
            f"attention must be shares, not negative, in rows that sum to 1; the least number is {array.min():.3g}, "
            f"and a row misses 1 by {off:.3g}. The scores of talking heads are no shares, since they are mixed after "
            "the softmax: bertedu.plots and the views draw them around 0, these numbers are not defined for them."
        )
    return array
