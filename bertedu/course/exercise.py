"""`Exercise`, and helpers that check an answer and explain what is wrong. Used in all chapters.

An exercise has two parts: `check` recognizes typical mistakes and explains them; `cases` are arguments, edge cases
among them, for which the answer must return what the solution returns, so that no other mistake passes.

The exercises are in `exercises/`, one file per chapter; `checking` runs them.
"""

import copy
import dataclasses
import itertools
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

TOLERANCE = 1e-4  # absolute and relative, because learners round
MAX_ITEMS = 1_000_000  # of an iterator in an answer, which may be endless


@dataclasses.dataclass(frozen=True)
class Exercise:
    """One task.

    Args:
        task: str, the instruction, one sentence.
        blank: str, code of the cell that the learner completes, without the call of `check`.
        answer: str, name in `blank` whose value is checked.
        check: function of the answer that raises `WrongAnswer`, with the reason, unless it is correct.
        correct: str, sentence printed after "Correct:".
        hints: two strings, the second more specific.
        solution: str, code that replaces `blank`.
        cases: tuples of arguments for which a function must return what that of `solution` returns. Defaults to none,
            for answers that are no functions.
    """

    task: str
    blank: str
    answer: str
    check: Callable[[Any], None]
    correct: str
    hints: tuple[str, str]
    solution: str
    cases: tuple[tuple[Any, ...], ...] = ()

    def verify(self, answer: Any) -> None:
        """Check an answer, and compare it with the solution in all cases.

        Raises:
            WrongAnswer: it is not correct.
        """
        self.check(answer)
        if not self.cases:
            return
        namespace: dict[str, Any] = {}
        exec(compile(self.solution, "<solution>", "exec"), namespace)
        for arguments in self.cases:
            expected = listed(namespace[self.answer](*copy.deepcopy(arguments)))
            try:
                agree(call(answer, *copy.deepcopy(arguments)), expected)
            except WrongAnswer as reason:
                raise WrongAnswer(f"{_call_text(self.answer, arguments)}: {reason}") from None


class WrongAnswer(Exception):
    """An answer is not correct yet; the message explains why to the learner."""


def call(function: Any, *arguments: Any) -> Any:
    """Return what the learner's `function` returns for `arguments`.

    Raises:
        WrongAnswer: it is not a function, or it raises an exception.
    """
    if not callable(function):
        raise WrongAnswer(f"expected the function itself, its name without brackets, got {kind(function)}.")
    try:
        return listed(function(*arguments))
    except (KeyboardInterrupt, WrongAnswer):
        raise
    except RecursionError:
        raise WrongAnswer("the function calls itself endlessly.") from None
    except BaseException as error:
        raise WrongAnswer(f"the function raised {describe_error(error)}.") from None


def one_number(answer: Any, asked: str) -> np.ndarray:
    """Return the answer as an array without axes.

    Raises:
        WrongAnswer: it holds several numbers; the message ends in `asked`, a description of the expected number.
    """
    array = numbers(answer)
    if array.shape != ():
        raise WrongAnswer(f"expected one number: {asked}")
    return array


def numbers(answer: Any) -> np.ndarray:
    """Return `answer` (number, list, array, tensor of any backend) as a float array.

    Raises:
        WrongAnswer: it does not hold numbers.
    """
    if answer is None:
        raise WrongAnswer("the result is None. Is a `return` missing?")
    if answer is ...:
        raise WrongAnswer("replace the dots (...) with your code.")
    answer = list(answer) if isinstance(answer, bytes | bytearray) else listed(answer)
    if isinstance(answer, str | dict | set) or callable(answer):
        raise WrongAnswer(f"expected numbers, got {kind(answer)}.")
    try:
        return np.asarray(answer, dtype=float)
    except (TypeError, ValueError):
        raise WrongAnswer("expected numbers, in rows of equal length.") from None


def listed(value: Any) -> Any:
    """Return a value with all iterators in it as lists, and tensors of any backend as arrays."""
    if hasattr(value, "detach"):  # torch; TensorFlow's `cpu` prints a deprecation notice
        value = value.detach().cpu()
    if hasattr(value, "numpy"):
        return value.numpy()
    if isinstance(value, Iterator | range):
        value = list(itertools.islice(value, MAX_ITEMS))
    return [listed(item) for item in value] if type(value) in (list, tuple) else value


def agree(got: Any, expected: Any) -> None:
    """Check that `got` equals what the solution returned: numbers up to `TOLERANCE`, everything else exactly.

    Raises:
        WrongAnswer: it differs.
    """
    if isinstance(expected, Mapping):
        if not isinstance(got, Mapping) or not set(expected) <= set(got):
            raise WrongAnswer(f"expected a dict with the keys {sorted(map(str, expected))}, got {_shortened(got)}.")
        for key in expected:
            try:
                agree(listed(got[key]), listed(expected[key]))
            except WrongAnswer as reason:
                raise WrongAnswer(f"{key!r}: {reason}") from None
    elif _is_text(expected):
        if isinstance(got, np.ndarray):
            got = got.tolist()
        if not _is_text(got) or got != expected:
            raise WrongAnswer(f"expected {_shortened(expected)}, got {_shortened(got)}.")
    elif isinstance(expected, list) and not _is_numeric(expected):
        if not isinstance(got, list) or len(got) != len(expected):
            raise WrongAnswer(f"expected {len(expected)} items, got {_shortened(got)}.")
        for one, other in zip(got, expected, strict=True):
            agree(one, other)
    else:
        compare(got, expected)


def _is_text(value: Any) -> bool:
    """Whether `value` is None, a string, bytes, or a list that has one at any depth."""
    return value is None or isinstance(value, str | bytes) or (isinstance(value, list) and any(map(_is_text, value)))


def _is_numeric(value: Any) -> bool:
    """Whether NumPy can make one array of numbers of `value`."""
    try:
        np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        return False
    return True


def _shortened(value: Any) -> str:
    """Return the `repr` of a value on one line of at most 120 characters."""
    try:
        text = " ".join(repr(value).split())
    except BaseException:
        text = kind(value)
    return text if len(text) <= 120 else f"{text[:116]} ..."


def _call_text(name: str, arguments: Iterable[Any]) -> str:
    """Return a call of a function as text, such as "softmax([1.0, 2.0])"."""
    values = [value.tolist() if isinstance(value, np.ndarray) else value for value in arguments]
    text = ", ".join(value.__name__ if hasattr(value, "__name__") else _shortened(value) for value in values)
    return f"{name}({textwrap.shorten(text, 160, placeholder=' ...')})"


def compare(answer: Any, expected: ArrayLike, typical: Iterable[tuple[ArrayLike, str]] = ()) -> None:
    """Check that `answer` is numerically `expected`.

    Args:
        answer: answer of the learner.
        expected: number, list or array.
        typical: pairs (result of a typical mistake, reason to give).

    Raises:
        WrongAnswer: it differs; the reason is that of the first typical mistake that it equals, if any.
    """
    got, expected = numbers(answer), np.asarray(expected, dtype=float)
    for wrong, reason in typical:
        wrong = np.asarray(wrong, dtype=float)
        if _equal(got, wrong) and not _equal(wrong, expected):
            raise WrongAnswer(reason)
    if got.shape != expected.shape:
        raise WrongAnswer(f"expected {_shape(expected)}, got {_shape(got)}.")
    if not np.isfinite(got).all():
        raise WrongAnswer("it contains NaN or infinity: 0 was divided by 0, or a number became too large.")
    if not _equal(got, expected):
        index = tuple(int(i) for i in np.unravel_index(np.abs(got - expected).argmax(), got.shape))
        where = f" at {list(index)}" if index else ""
        raise WrongAnswer(f"expected {_formatted(expected[index])}{where}, got {_formatted(got[index])}.")


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether `a` equals `b` up to `TOLERANCE`. Whole numbers, which are mostly counts, must be exact."""
    if a.shape != b.shape or not np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE):
        return False
    whole = np.isfinite(b).all() and (b == np.rint(b)).all()
    return not (whole and np.abs(a - b).max(initial=0) >= 0.5)


def _formatted(number: float) -> str:
    """Whole numbers in full, others with four significant digits."""
    return f"{number:,.0f}" if number == np.rint(number) and abs(number) < 1e15 else f"{number:.4g}"


def _shape(array: np.ndarray) -> str:
    return "one number" if array.ndim == 0 else f"shape {list(array.shape)}"


def kind(value: Any) -> str:
    """Return the type of a value with an article, for messages."""
    return "a text" if isinstance(value, str) else f"a {type(value).__name__}"


def describe_error(error: BaseException) -> str:
    """Return the type and message of an exception on one line; only the type if its message cannot be read."""
    try:
        text = " ".join(str(error).split())
    except BaseException:
        text = ""
    return f"{type(error).__name__}: {textwrap.shorten(text, 200)}" if text else type(error).__name__
