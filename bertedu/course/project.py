"""`Project`: an open task on the learner's own data, with a rubric; and helpers for its criteria.

`check` reports on each criterion. Most recompute a claim from the data that the answer holds, so that a number that was
made up, or that the learner's code got wrong, is noticed; the others are questions to the learner.

The projects are in `exercises/projects/`, one file each.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from bertedu.course.exercise import WrongAnswer, kind, listed, one_number

CLAIM_TOLERANCE = 0.006  # of a number that the learner reports, which may be rounded to two decimals
MAX_TEXTS = 100_000
STUDENT_T = {1: 12.7, 2: 4.3, 3: 3.2, 4: 2.8, 5: 2.6, 6: 2.4, 7: 2.4, 8: 2.3, 9: 2.3}
"""97.5% quantiles of Student's t by degrees of freedom, rounded; from 10 on, `MANY`."""
MANY = 2.0


@dataclasses.dataclass(frozen=True)
class Criterion:
    """One line of a rubric.

    Args:
        text: str, what is required; or, without `evaluate`, the question that the learner answers.
        evaluate: function of the answer that returns a remark, or raises `WrongAnswer`. Defaults to None: the learner
            answers `text`.
    """

    text: str
    evaluate: Callable[[Any], str] | None = None


@dataclasses.dataclass(frozen=True)
class Project:
    """An open task on the learner's own data.

    Args:
        task: str, the instruction, one sentence.
        blank: str, code of the cell that the learner completes, without the call of `check`: a dict with dots.
        answer: str, name in `blank` whose value is checked.
        criteria: the rubric.
        hints: two strings, the second more specific.
        solution: str, a worked example: code that makes an `answer` from texts of the course.
    """

    task: str
    blank: str
    answer: str
    criteria: tuple[Criterion, ...]
    hints: tuple[str, str]
    solution: str


class Answer(dict[str, Any]):
    """The learner's dict during one `check`: its iterators as lists, and what the criteria have computed from it."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        super().__init__({key: listed(item) for key, item in answer.items()})
        self.measured: dict[Callable[[Any], Any], Any] = {}


def once(measure: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Let a function of the answer compute once per `check`, because several criteria need its result."""

    @functools.wraps(measure)
    def measured(answer: Any) -> Any:
        if not isinstance(answer, Answer):
            return measure(answer)
        if measure not in answer.measured:
            answer.measured[measure] = measure(answer)
        return answer.measured[measure]

    return measured


def value(answer: Any, key: str) -> Any:
    """Return the value of `key`, with iterators as lists and arrays as (nested) lists.

    Raises:
        WrongAnswer: it is missing, or still the dots.
    """
    if not isinstance(answer, Mapping):
        raise WrongAnswer(f"expected the dict of the project, got {kind(answer)}.")
    content = listed(answer.get(key, ...))
    if content is ... or content is None:
        raise WrongAnswer(f'fill in "{key}".')
    return content.tolist() if hasattr(content, "tolist") else content


def items(answer: Any, key: str, at_least: int = 1) -> list[Any]:
    """Return the list `key` of at least so many items.

    Raises:
        WrongAnswer: it is no list, or too short.
    """
    content = value(answer, key)
    if not isinstance(content, list | tuple):
        raise WrongAnswer(f'"{key}": expected a list, got {kind(content)}.')
    if not at_least <= len(content) <= MAX_TEXTS:
        raise WrongAnswer(f'"{key}": expected at least {at_least:,} items, got {len(content):,}.')
    return list(content)


def texts(answer: Any, key: str, at_least: int = 1) -> list[str]:
    """Return the list `key` of at least so many different strings."""
    return different(items(answer, key, at_least), key, at_least)


def different(strings: Sequence[Any], key: str, at_least: int = 1) -> list[str]:
    """Return `strings` if it is a list of strings, at least so many of them different.

    Raises:
        WrongAnswer: it is not.
    """
    for number, text in enumerate(strings):
        if not isinstance(text, str) or not text.strip():
            got = "an empty one" if isinstance(text, str) else kind(text)
            raise WrongAnswer(f'"{key}": expected texts, got {got} at index {number}.')
    if (count := len({plain(text) for text in strings})) < at_least:
        raise WrongAnswer(f'"{key}": expected at least {at_least:,} different texts, got {count:,}.')
    return list(strings)


def plain(text: str) -> str:
    """Return a text without what does not make it another text: case and white space."""
    return " ".join(text.casefold().split())


def label(item: Any) -> str:
    """Return a label as text: 1, 1.0, True and NumPy's are the same."""
    item = item.item() if isinstance(item, np.generic) else item
    whole = isinstance(item, bool) or (isinstance(item, float) and item.is_integer())
    return str(int(item)) if whole else str(item)


def sentence(answer: Any, key: str, words: int = 5) -> str:
    """Return the text `key` of at least so many words.

    Raises:
        WrongAnswer: it is no text, or shorter.
    """
    content = value(answer, key)
    if not isinstance(content, str) or len(content.split()) < words:
        expected = "a word" if words == 1 else f"a sentence or two, at least {words} words"
        raise WrongAnswer(f'"{key}": expected {expected}.')
    return content


def claim(answer: Any, key: str, recomputed: float, what: str = "", tolerance: float = CLAIM_TOLERANCE) -> str:
    """Compare the number `key` with what it should be, and return that as text.

    Raises:
        WrongAnswer: it differs by more than rounding.
    """
    claimed = float(one_number(value(answer, key), f'"{key}".'))
    if not abs(claimed - recomputed) <= tolerance:
        raise WrongAnswer(f'"{key}": you report {claimed:.4g}, but your data give {recomputed:.4g}{what}.')
    return f"{recomputed:.3g}"


def standard_error(values: Sequence[float]) -> float:
    """Return the standard error of the mean."""
    return float(np.std(values, ddof=1)) / math.sqrt(len(values))


def conclusion(answer: Any, key: str, differences: Sequence[float]) -> str:
    """Compare "better", "worse" or "can't tell" with the mean of at least two `differences` and its standard error.

    A difference counts from `STUDENT_T` standard errors on.

    Raises:
        WrongAnswer: the data give another conclusion.
    """
    claimed = value(answer, key)
    if claimed not in ("better", "worse", "can't tell"):
        raise WrongAnswer(f'"{key}": expected "better", "worse" or "can\'t tell".')
    mean, error = float(np.mean(differences)), standard_error(differences)
    factor = STUDENT_T.get(len(differences) - 1, MANY)
    clear = abs(mean) > factor * error
    honest = ("better" if mean > 0 else "worse") if clear else "can't tell"
    summary = f"difference {mean:+.3f}, standard error {error:.3f}; {len(differences)} values need {factor} of those"
    if claimed != honest:
        raise WrongAnswer(f'"{key}": {summary}. That says "{honest}".')
    return summary
