"""What comes in: finite numbers, and attention that is made of shares; or an error that names the argument."""

import numpy as np

UNSUMMED = 1e-2  # rows that miss 1 by more are no shares; half precision misses it by less


def finite_numbers(name, values):
    """`values` as a float64 array, not empty, all finite."""
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} must be numbers, got {type(values).__name__}: {error}") from None
    if not array.size or not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite numbers, at least one; got shape {list(array.shape)}.")
    return array


def shares_of(attention, letters):
    """`attention` as an array, if it is made of shares."""
    array = finite_numbers("attention", attention)
    if array.ndim != len(letters) or array.shape[-1] != array.shape[-2]:
        raise ValueError(f"attention must have shape [{', '.join(letters)}], got {list(array.shape)}.")
    off = np.abs(array.sum(axis=-1) - 1).max()
    if array.min() < 0 or off > UNSUMMED:
        raise ValueError(
            f"attention must be shares, not negative, in rows that sum to 1; the least number is {array.min():.3g}, "
            f"and a row misses 1 by {off:.3g}. The scores of talking heads are no shares, since they are mixed after "
            "the softmax: bertedu.plots and the views draw them around 0, these numbers are not defined for them."
        )
    return array
