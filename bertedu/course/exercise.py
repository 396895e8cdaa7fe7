"""An exercise, and what the judge of one uses to compare answers and to give a reason. All chapters.

The exercises themselves are in `exercises/`, one file per chapter; `checking` runs them.
"""

import dataclasses
import textwrap
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

TOLERANCE = 1e-4  # how far from the expected number an answer may be: learners round


@dataclasses.dataclass(frozen=True)
class Exercise:
    """One task.

    Args:
        task: what to do, one sentence.
        blank: the code of the cell that the learner fills in, without the line that calls `check`.
        answer: the name in `blank` that is handed to `check`.
        judge: function of the answer; raises `WrongAnswer` with the reason, or returns when it is right.
        correct: what has been shown, the sentence after "Correct:".
        hints: two strings; the second says more.
        solution: code that can stand in place of `blank`.
    """

    task: str
    blank: str
    answer: str
    check: Callable[[Any], None]
    correct: str
    hints: tuple[str, str]
    solution: str


class WrongAnswer(Exception):
    """An answer is not right yet; its text says why, to the learner."""


def call(function: Any, *arguments: Any) -> Any:
    """Return what the learner's `function` returns for `arguments`.

    Raises:
        WrongAnswer: it is not a function, or it fails.
    """
    if not callable(function):
        raise WrongAnswer(f"give check the function itself, by its name without brackets; this is {kind(function)}.")
    try:
        return function(*arguments)
    except (KeyboardInterrupt, WrongAnswer):
        raise
    except RecursionError:
        raise WrongAnswer("the function calls itself without an end.") from None
    except BaseException as error:
        raise WrongAnswer(f"the function stopped with {describe_error(error)}.") from None


def one_number(answer: Any, asked: str) -> np.ndarray:
    """Return the answer as an array without axes.

    Raises:
        WrongAnswer: it holds several numbers; the message ends in `asked`, which number is asked for.
    """
    array = numbers(answer)
    if array.shape != ():
        raise WrongAnswer(f"one number is asked for: {asked}")
    return array


def numbers(answer: Any) -> np.ndarray:
    """Return `answer` (number, list, array, tensor of any backend) as a float array.

    Raises:
        WrongAnswer: it does not hold numbers.
    """
    if answer is None:
        raise WrongAnswer("it gives None. Is a `return` missing?")
    if answer is ...:
        raise WrongAnswer("it gives back the dots (...); put your code in their place.")
    for method in ("detach", "cpu", "numpy"):  # torch, TensorFlow
        answer = getattr(answer, method)() if hasattr(answer, method) else answer
    if isinstance(answer, str | bytes | dict | set) or callable(answer):
        raise WrongAnswer(f"numbers are wanted, this is {kind(answer)}.")
    try:
        return np.asarray(answer, dtype=float)
    except (TypeError, ValueError):
        raise WrongAnswer("it cannot be read as numbers in rows of equal length.") from None


def compare(answer: Any, expected: ArrayLike, typical: Iterable[tuple[ArrayLike, str]] = ()) -> None:
    """Check that `answer` is numerically `expected`.

    Args:
        answer: the learner's.
        expected: number, list or array.
        typical: pairs (result of a typical mistake, the reason to give).

    Raises:
        WrongAnswer: it is not, with the first reason that fits.
    """
    got, expected = numbers(answer), np.asarray(expected, dtype=float)
    for wrong, reason in typical:
        wrong = np.asarray(wrong, dtype=float)
        if _equal(got, wrong) and not _equal(wrong, expected):
            raise WrongAnswer(reason)
    if got.shape != expected.shape:
        raise WrongAnswer(f"it should be {_shape(expected)}, and is {_shape(got)}.")
    if not np.isfinite(got).all():
        raise WrongAnswer("it holds NaN or infinity; somewhere 0 is divided by 0, or a number became too large.")
    if not _equal(got, expected):
        place = tuple(int(i) for i in np.unravel_index(np.abs(got - expected).argmax(), got.shape))
        where = f" at {list(place)}" if place else ""
        raise WrongAnswer(f"expected {_written(expected[place])}{where}, got {_written(got[place])}.")


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether `a` is `b` up to rounding. Whole numbers, of which most are counts, must be right to the last one."""
    if a.shape != b.shape or not np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE):
        return False
    whole = np.isfinite(b).all() and (b == np.rint(b)).all()
    return not (whole and np.abs(a - b).max(initial=0) >= 0.5)


def _written(number: float) -> str:
    """A number as a learner would write it: counts in full, others in four digits."""
    return f"{number:,.0f}" if number == np.rint(number) and abs(number) < 1e15 else f"{number:.4g}"


def _shape(array: np.ndarray) -> str:
    return "one number" if array.ndim == 0 else f"of shape {list(array.shape)}"


def kind(value: Any) -> str:
    """Return the type of a value with an article, as for a message."""
    return "a text" if isinstance(value, str) else f"a {type(value).__name__}"


def describe_error(error: BaseException) -> str:
    """Return `KeyError: 'x'`, on one line, also for an exception that cannot be printed."""
    try:
        text = " ".join(str(error).split())
    except BaseException:
        text = ""
    return f"{type(error).__name__}: {textwrap.shorten(text, 200)}" if text else type(error).__name__
