"""Centered kernel alignment (CKA): how similar two representations of the same examples are.

    CKA(X, Y) = |Y^T X|^2 / (|X^T X| |Y^T Y|)          X [R, D], Y [R, E] with mean 0; Frobenius norms

Kornblith et al. 2019 (https://arxiv.org/abs/1905.00414), section 3, with linear kernels. It does not change if X is
rotated, moved, or scaled as a whole.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bertedu.checks import check_finite, to_numpy


def cka(x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Compute the linear CKA of two representations of the same R examples.

    Args:
        x: `[..., R, D]`.
        y: `[..., R, E]`. Leading axes broadcast: ``cka(x[:, None], y)`` compares each layer of x with each of y.

    Returns:
        `[...]` float64, from 0 to 1: 1 if they are equal but for rotation, shift and scale; 0 if all vectors of one are
        equal.

    Raises:
        TypeError, ValueError: an argument is not as above.

    Example:
        >>> x = [[1, 0], [0, 1], [-1, -1]]
        >>> float(cka(x, [[0, 3], [-3, 0], [3, -3]]).round(6))  # rotated and scaled
        1.0
    """
    similarity = CKA()
    similarity.add(x, y)
    return similarity.value


class CKA:
    """Collects the linear CKA of two representations of many examples, some at a time.

    It stores products `[D, D]`, `[E, E]` and `[D, E]`, however many examples there are.

    Attributes:
        num_examples: int, examples so far.

    Example:
        >>> similarity, rng = CKA(), np.random.default_rng(0)
        >>> for _ in range(3):
        ...     x = rng.normal(size=(8, 5))
        ...     similarity.add(x, x[:, ::-1])
        >>> similarity.num_examples, float(similarity.value.round(6))
        (24, 1.0)
    """

    def __init__(self) -> None:
        self.num_examples = 0
        self._first: list[Any] = []  # the first example of x and of y; subtracted, because large means cost precision
        self._sums: list[Any] = [0.0, 0.0]  # of x, of y
        self._products: list[Any] = [0.0, 0.0, 0.0]  # X^T X, Y^T Y, X^T Y

    def add(self, x: ArrayLike, y: ArrayLike) -> None:
        """Add examples.

        Args:
            x, y: `[..., R, D]` and `[..., R, E]`, as of `cka`. Their number R may differ from call to call.

        Raises:
            TypeError, ValueError: an argument is not as above, or another axis is not as in the first call.
        """
        pair = _examples("x", x), _examples("y", y)
        shapes = [array.shape for array in pair]
        if shapes[0][-2] != shapes[1][-2] or not _broadcast(shapes[0][:-2], shapes[1][:-2]):
            got = f"{list(shapes[0])} and {list(shapes[1])}"
            raise ValueError(f"x, y: expected shapes [..., R, D] and [..., R, E] with the same examples, got {got}.")
        first = self._first or [array[..., :1, :] for array in pair]
        for name, array, example in zip("xy", pair, first, strict=True):
            if array[..., :1, :].shape != example.shape:
                expected = f"{list(example.shape)} as in the first call, but for the number of examples"
                raise ValueError(f"{name}: expected shape {expected}, got {list(array.shape)}.")
        self._first = first
        self.num_examples += shapes[0][-2]
        left, right = (array - example for array, example in zip(pair, first, strict=True))
        self._sums = [total + array.sum(axis=-2) for total, array in zip(self._sums, (left, right), strict=True)]
        products = (a.swapaxes(-1, -2) @ b for a, b in ((left, left), (right, right), (left, right)))
        self._products = [total + product for total, product in zip(self._products, products, strict=True)]

    @property
    def value(self) -> np.ndarray:
        """The CKA of the examples so far, `[...]`. Raises a ValueError if there are none."""
        if not self.num_examples:
            raise ValueError("x, y: expected at least one example, got none. Add some before.")
        x, y = self._sums
        squares = [
            ((product - left[..., :, None] * right[..., None, :] / self.num_examples) ** 2).sum(axis=(-2, -1))
            for product, left, right in zip(self._products, (x, y, x), (x, y, y), strict=True)
        ]
        norm = np.sqrt(squares[0] * squares[1])  # [...]
        return squares[2] / np.where(norm > 0, norm, 1)


def _examples(name: str, values: ArrayLike) -> np.ndarray:
    array = to_numpy(name, values)
    if array.ndim < 2 or not array.size:
        raise ValueError(f"{name}: expected shape [..., R, D], got {list(array.shape)}.")
    return check_finite(name, array)


def _broadcast(*shapes: tuple[int, ...]) -> bool:
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        return False
    return True
