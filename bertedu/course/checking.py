"""`check`, `hint` and `solution` of an exercise, by its name "chapter.task". Used in all chapters."""

import textwrap
import warnings
from typing import Any

from bertedu.course.exercise import Exercise, WrongAnswer, describe_error, kind
from bertedu.course.exercises import EXERCISES, OLD_NAMES
from bertedu.course.source import show_code

WIDTH = 100  # characters per line of output in a narrow JupyterLab window

_hints_shown: dict[str, int] = {}  # by exercise name, in this process


def names() -> list[str]:
    """Return the names of all exercises, in course order."""
    return list(EXERCISES)


def check(name: str, answer: Any = ...) -> None:
    """Print "Correct: ..." or "Not yet: ..." with a reason. Never raises, whatever `answer` is.

    Args:
        name: str, "chapter.task".
        answer: the answer: a number, list, array, tensor, or a function (the function itself, without a call).

    Example:
        >>> check("start_here.heads", 12)
        Not yet: 12 is the number of heads in one layer, and there are 6 layers.
    """
    if (exercise := _find(name)) is None:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy's about NaN, which the reason explains
            if answer is ...:
                raise WrongAnswer("replace the dots (...) with your answer.")
            exercise.verify(answer)
        verdict = f"Correct: {exercise.correct}"
    except WrongAnswer as reason:
        verdict = f"Not yet: {reason}"
    except KeyboardInterrupt:
        verdict = "Not yet: the check was interrupted."
    except BaseException as error:  # an answer may be any object, with methods that raise anything
        verdict = f"Not yet: checking the answer raised {describe_error(error)}."
    _print(verdict)


def hint(name: str) -> None:
    """Print the first hint of an exercise; when called again, the second."""
    if (exercise := _find(name)) is None:
        return
    number = _hints_shown[name] = min(_hints_shown.get(name, 0) + 1, len(exercise.hints))
    _print(f"Hint {number} of {len(exercise.hints)}: {exercise.hints[number - 1]}")
    if number == len(exercise.hints):
        _print(f'(That was the last hint. If you are stuck: solution("{name}").)')


def solution(name: str) -> None:
    """Show the solution of an exercise, after both hints have been shown."""
    if (exercise := _find(name)) is None:
        return
    missing = len(exercise.hints) - _hints_shown.get(name, 0)
    if missing > 0:
        hints = "is one more hint first. Read it" if missing == 1 else "are two hints first. Read them"
        _print(f'There {hints}, then try again: hint("{name}").')
        return
    show_code(f"A solution of {name}", exercise.solution.strip())


def _print(text: str) -> None:
    """Print `text`, wrapped to `WIDTH`; its own line breaks stay."""
    for line in text.splitlines():
        print(textwrap.fill(line, WIDTH, break_long_words=False, break_on_hyphens=False))


def _find(name: str) -> Exercise | None:
    """Return the exercise `name`; if there is none, print the names of its chapter, or of all chapters."""
    if isinstance(name, str) and (name := OLD_NAMES.get(name, name)) in EXERCISES:
        return EXERCISES[name]
    shown = textwrap.shorten(ascii(name), 60) if isinstance(name, str) else kind(name)
    chapter = name.partition(".")[0] if isinstance(name, str) else ""
    known = [other for other in EXERCISES if other.partition(".")[0] == chapter]
    known = known or list(dict.fromkeys(f"{other.partition('.')[0]}. ..." for other in EXERCISES))
    print(f"There is no exercise {shown}. The names are:", *known, sep="\n  ")
    return None
