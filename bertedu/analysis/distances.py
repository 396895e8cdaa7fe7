"""Distances between attention heads, their layout in the plane, and clusters.

    JS(p, q) = H((p + q) / 2) - (H(p) + H(q)) / 2          the distance of two heads: its mean over all rows

Clark et al. 2019 (https://arxiv.org/abs/1906.04341), section 6, where the distance is the sum over the rows.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bertedu.analysis.heads import Readings, attention_weights, row_entropies, weights_and_tokens
from bertedu.checks import imported, numbers, to_numpy, whole_number
from bertedu.reading import Reading

ASYMMETRY = 1e-6  # of distances, relative to the largest


def head_distances(attention: Readings | ArrayLike) -> np.ndarray:
    """Compute the Jensen-Shannon divergence of every pair of heads, averaged over the rows of all texts.

    Heads are numbered layer by layer: head n of layer l is row l N + n.

    Args:
        attention: attention weights `[L, N, T, T]`, a `Reading`, or an iterable of readings as of `head_atlas`, such as
            ``bert.readings(texts)``. All rows count, also those of [CLS] and [SEP].

    Returns:
        `[L N, L N]` float64, symmetric, in bits: 0 for equal heads, 1 for heads that have no key in common, NaN for
        pruned heads. scipy's `jensenshannon` is the square root of the divergence of one row.

    Raises:
        TypeError, ValueError: `attention` is not as above, or of talking heads.

    Example:
        >>> first, itself = np.eye(2)[[0, 0]], np.eye(2)
        >>> head_distances([[first, itself]]).tolist()  # equal in one row of two
        [[0.0, 0.5], [0.5, 0.0]]
    """
    source: Any = attention
    is_list = isinstance(source, list | tuple) and source and not isinstance(source[0], Reading | tuple)
    if is_list or hasattr(source, "__array__"):
        texts: Iterable[np.ndarray] = [attention_weights(source, "LNTT")]
    else:
        texts = (weights for weights, _ in weights_and_tokens(source))
    total: Any = 0.0
    rows = 0
    for weights in texts:
        total = total + _divergences(weights.reshape(-1, *weights.shape[2:]))
        rows += weights.shape[2]
        pruned = ~weights.any(axis=(-2, -1)).reshape(-1)
    total[pruned] = total[:, pruned] = np.nan
    return total / rows


def _divergences(heads: np.ndarray) -> np.ndarray:
    """Return the divergence of every pair of heads `[heads, T, S]`, summed over their rows: `[heads, heads]`."""
    entropies = row_entropies(heads).sum(axis=-1, dtype=float)  # [heads]
    result = np.zeros((len(heads), len(heads)))
    for i, head in enumerate(heads[:-1]):
        middle = row_entropies((head + heads[i + 1 :]) / 2).sum(axis=-1, dtype=float)
        result[i, i + 1 :] = np.maximum(middle - (entropies[i] + entropies[i + 1 :]) / 2, 0)
    return result + result.T


def multidimensional_scaling(distances: ArrayLike, n: int = 2) -> np.ndarray:
    """Lay out points whose Euclidean distances approximate `distances`, by classical multidimensional scaling.

        B = -1/2 J D^2 J with J = I - 1/R,     B = U S U^T,     points = U sqrt(S)

    Args:
        distances: `[R, R]`, symmetric, not negative, 0 on the diagonal, such as those of `head_distances`. A point
            whose distances are all NaN, as those of pruned heads, is left out.
        n: int, the number of dimensions, at most that of the other points.

    Returns:
        `[R, n]` float64, with mean 0, along the axes of largest variance; NaN for points that are left out. The sign of
        an axis is arbitrary; here the element with the largest absolute value is positive.

    Raises:
        TypeError, ValueError: an argument is not as above.

    Example:
        >>> multidimensional_scaling([[0, 3, 5], [3, 0, 2], [5, 2, 0]], n=1).round(6).tolist()  # points on a line
        [[2.666667], [-0.333333], [-2.333333]]
    """
    distances, remaining = _distances(distances)
    n = whole_number("n", n, 1, len(distances))
    squares = distances**2
    centered = squares - squares.mean(axis=0) - squares.mean(axis=1, keepdims=True) + squares.mean()  # [R, R]
    variances, axes = np.linalg.eigh(-centered / 2)  # ascending; negative ones are not Euclidean
    points = (axes * np.sqrt(np.maximum(variances, 0)))[:, ::-1][:, :n]  # [R, n]
    result = np.full((len(remaining), n), np.nan)
    result[remaining] = points * np.where(points.max(axis=0) < -points.min(axis=0), -1, 1)
    return result


def head_clusters(distances: ArrayLike, n: int) -> np.ndarray:
    """Cluster heads hierarchically: the two clusters with the smallest average distance merge until `n` are left.

    Args:
        distances: `[R, R]`, as of `multidimensional_scaling`.
        n: int, the number of clusters, at most that of the heads that are not pruned.

    Returns:
        `[R]` integers, the cluster of each head, numbered from 0 in the order of their first heads; -1 if pruned.

    Raises:
        TypeError, ValueError: an argument is not as above. ImportError: scipy is not installed.

    Example:
        >>> head_clusters([[0, 3, 5], [3, 0, 2], [5, 2, 0]], n=2).tolist()
        [0, 1, 1]
    """
    distances, remaining = _distances(distances)
    n = whole_number("n", n, 1, len(distances))
    hierarchy = imported("scipy.cluster.hierarchy")
    clusters = np.full(len(remaining), -1)
    if n == len(distances):  # scipy has no tree of a single point
        clusters[remaining] = range(n)
        return clusters
    condensed = distances[np.triu_indices(len(distances), k=1)]
    labels = hierarchy.cut_tree(hierarchy.linkage(condensed, method="average"), n)[:, 0].tolist()
    order = {label: index for index, label in enumerate(dict.fromkeys(labels))}
    clusters[remaining] = [order[label] for label in labels]
    return clusters


def _distances(values: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances of the points that have some, and a bool array `[R]`, True for these."""
    array = to_numpy("distances", values)
    remaining = ~np.isnan(array).all(axis=-1) if array.ndim == 2 else np.ones(len(np.atleast_1d(array)), bool)
    if array.ndim == 2 and array.shape[0] == array.shape[1]:
        array = array[np.ix_(remaining, remaining)]
    array = numbers("distances", array, "RR")
    error = max(np.abs(array - array.T).max(), np.abs(np.diag(array)).max())
    if array.min() < 0 or error > ASYMMETRY * array.max():
        got = f"a minimum of {array.min():.3g} and a difference of {error:.3g}"
        raise ValueError(f"distances: expected a symmetric matrix, at least 0 and 0 on its diagonal, got {got}.")
    return array, remaining
