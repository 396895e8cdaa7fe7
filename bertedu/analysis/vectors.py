"""Cosine similarity of vectors, the dimensions that decide it, and principal components.

    similarity   x.y / (|x| |y|)              principal components   X - mean = U S V^T,  points = U S

That tokens of one text become more similar from layer to layer: Ethayarajh 2019 (https://arxiv.org/abs/1909.00512).
Outlier dimensions: Timkey and van Schijndel 2021 (https://arxiv.org/abs/2109.04404). Chapter: 12.
"""

import numpy as np
from numpy.typing import ArrayLike

from bertedu.checks import check_finite, numbers, to_numpy, whole_number
from bertedu.reading import Reading


def layer_vectors(reading: Reading) -> np.ndarray:
    """Return the embeddings and the output of every layer, `[L + 1, T, D]`."""
    return np.concatenate([reading.embedding_output[None], reading.encoder_outputs])


def similarity(vectors: Reading | ArrayLike) -> np.ndarray:
    """Compute the cosine similarity of every pair of vectors.

    Args:
        vectors: `[..., R, D]`, or a `Reading` for `layer_vectors(reading)`: the similarity of its tokens in every
            layer. For the similarity of a token's vectors between layers, `[T, L + 1, L + 1]`, use
            ``similarity(layer_vectors(reading).swapaxes(0, 1))``.

    Returns:
        `[..., R, R]` float64, from -1 to 1. A zero vector has similarity 0, with itself too.

    Raises:
        TypeError, ValueError: `vectors` is not as above.

    Example:
        >>> similarity([[1, 0], [0, 2], [3, 0]])[0].tolist()
        [1.0, 0.0, 1.0]
    """
    directions = unit_vectors(_rows(vectors))
    return np.clip(directions @ directions.swapaxes(-1, -2), -1, 1)


def unit_vectors(vectors: np.ndarray) -> np.ndarray:
    """Divide vectors by their lengths; a zero vector remains."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def cosine_contributions(vectors: Reading | ArrayLike) -> np.ndarray:
    """Compute how much each dimension contributes to the mean cosine similarity of different vectors.

        contribution of dimension d = mean over pairs x, y of x[d] y[d] / (|x| |y|)

    A few dimensions with large contributions, "rogue" or outlier dimensions, decide the cosine similarity of all others
    (Timkey and van Schijndel 2021, section 3).

    Args:
        vectors: `[..., R, D]` with R of at least 2, or a `Reading` for `layer_vectors(reading)`. For a corpus, see
            `ContextSimilarity`.

    Returns:
        `[..., D]` float64. Their sum is the mean cosine similarity of all pairs. The paper calls it anisotropy, and
        estimates both from sampled pairs.

    Raises:
        TypeError, ValueError: `vectors` is not as above.

    Example:
        >>> cosine_contributions([[1, 0], [0, 2], [3, 0]]).round(3).tolist()  # one of three pairs is parallel
        [0.333, 0.0]
    """
    directions = unit_vectors(_rows(vectors))
    return pair_means(directions.sum(axis=-2), (directions**2).sum(axis=-2), directions.shape[-2])


def pair_means(sums: np.ndarray, squares: np.ndarray, count: int) -> np.ndarray:
    """Return the mean product over all pairs of `count` different numbers, from their sum and sum of squares."""
    if count < 2:
        raise ValueError(f"vectors: expected at least 2, because the mean is over pairs of them, got {count}.")
    return (sums**2 - squares) / (count * (count - 1))


def standardize(vectors: Reading | ArrayLike) -> np.ndarray:
    """Standardize each dimension to mean 0 and standard deviation 1 over the vectors.

    This removes the effect of outlier dimensions on cosine similarity (Timkey and van Schijndel 2021).

    Args:
        vectors: `[..., R, D]`, or a `Reading` for `layer_vectors(reading)`.

    Returns:
        `[..., R, D]` float64. A dimension that is the same in all vectors becomes 0.

    Raises:
        TypeError, ValueError: `vectors` is not as above.

    Example:
        >>> standardize([[1, 7], [3, 7]]).tolist()
        [[-1.0, 0.0], [1.0, 0.0]]
    """
    vectors = _rows(vectors)
    centered = vectors - vectors.mean(axis=-2, keepdims=True)
    deviations = vectors.std(axis=-2, keepdims=True)
    return np.where(np.ptp(vectors, axis=-2, keepdims=True) > 0, centered, 0) / np.where(deviations > 0, deviations, 1)


def _rows(vectors: Reading | ArrayLike) -> np.ndarray:
    vectors = to_numpy("vectors", layer_vectors(vectors) if isinstance(vectors, Reading) else vectors)
    if vectors.ndim < 2 or not vectors.size:
        raise ValueError(f"vectors: expected shape [..., R, D], got {list(vectors.shape)}.")
    return check_finite("vectors", vectors)


def principal_components(vectors: ArrayLike, n: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Project vectors to their first `n` principal components.

        X - mean = U S V^T,   points = U S,   ratio = S^2 / sum S^2

    Args:
        vectors: `[R, D]`.
        n: int, at most min(R, D).

    Returns:
        points: `[R, n]` float64, with mean 0. The sign of a component is arbitrary; here the element of its direction
            with the largest absolute value is positive, so that equal vectors give equal points.
        ratio: `[n]`, the explained variance ratio: the fraction of the variance along each component.

    Raises:
        TypeError, ValueError: an argument is not as above.

    Example:
        >>> points, ratio = principal_components([[0, 0], [3, 4], [6, 8]])
        >>> np.abs(points[:, 0]).round(6).tolist(), ratio.round(6).tolist()
        ([5.0, 0.0, 5.0], [1.0, 0.0])
    """
    vectors = numbers("vectors", vectors, "RD")
    n = whole_number("n", n, 1, min(vectors.shape), "There are no more components than vectors or dimensions.")
    left, sizes, directions = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)[:, 0]
    variance = sizes**2
    return (left * sizes * np.sign(largest))[:, :n], (variance / (variance.sum() or 1.0))[:n]
