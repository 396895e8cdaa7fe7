"""Cosine similarity and principal components of vectors.

    similarity   x.y / (|x| |y|)              principal components   X - mean = U S V^T,  points = U S

That tokens of one text become more similar from layer to layer: Ethayarajh 2019 (https://arxiv.org/abs/1909.00512).
Chapter: 12.
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
    vectors = to_numpy("vectors", layer_vectors(vectors) if isinstance(vectors, Reading) else vectors)
    if vectors.ndim < 2 or not vectors.size:
        raise ValueError(f"vectors: expected shape [..., R, D], got {list(vectors.shape)}.")
    check_finite("vectors", vectors)
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    directions = vectors / np.where(lengths > 0, lengths, 1)
    return np.clip(directions @ directions.swapaxes(-1, -2), -1, 1)


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
