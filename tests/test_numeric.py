"""Arrays as arguments: what is read as numbers, and what is one clear error."""

import numpy as np
import pytest

from bertedu.numeric import numbers, strings, to_numpy


@pytest.mark.parametrize("values", [[[1, 2]], ((1, 2),), np.array([[1, 2]], "uint8"), [np.array([1, 2])]])
def test_numbers_become_a_float_array(values):
    array = numbers("x", values, "AB")
    assert array.dtype == np.float64 and array.tolist() == [[1.0, 2.0]]


def test_an_array_of_the_type_is_not_copied():
    array = np.ones((2, 3), np.float32)
    assert to_numpy("x", array, np.float32) is array


@pytest.mark.parametrize(
    ("values", "letters", "error", "words"),
    [
        ([[1, 2]], "AA", ValueError, r"x must have shape \[A, A\], got \[1, 2\]"),
        ([1, 2, 3], "2", ValueError, r"x must have shape \[2\], got \[3\]"),
        ([], "A", ValueError, "x must have shape"),
        ([1], "AB", ValueError, "x must have shape"),
        ([[1], [1, 2]], "AB", ValueError, "x must be arrays of one shape"),
        (["a"], "A", TypeError, "x must be numbers"),
        (None, "A", TypeError, "x must be numbers"),
        ([1, np.nan], "A", ValueError, r"x .* not finite .* \[1\]"),
        ([[1, 2], [3, np.inf]], "AB", ValueError, r"x .* not finite .* \[1, 1\]"),
    ],
)
def test_anything_else_is_named(values, letters, error, words):
    with pytest.raises(error, match=words):
        numbers("x", values, letters)


@pytest.mark.parametrize(
    ("values", "error"), [("ab", TypeError), (None, TypeError), ([1, 2], TypeError), (["a"], ValueError)]
)
def test_strings_are_strings_and_as_many_as_expected(values, error):
    with pytest.raises(error, match="names must be"):
        strings("names", values, 2, "rows")
    assert strings("names", np.array(["a", "b"]), 2, "rows") == ["a", "b"]
