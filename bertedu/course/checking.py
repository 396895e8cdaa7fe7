"""`check`, `hint` and `solution` of an exercise or project, by its name "chapter.task". Used in all chapters."""

import textwrap
import warnings
from collections.abc import Callable
from typing import Any

from bertedu.course.exercise import Exercise, WrongAnswer, describe_error, kind
from bertedu.course.exercises import EXERCISES, OLD_NAMES, PROJECTS
from bertedu.course.project import Answer, Project
from bertedu.course.source import show_code

WIDTH = 100  # characters per line of output in a narrow JupyterLab window

_hints_shown: dict[str, int] = {}  # by exercise name, in this process
_tasks: dict[str, Exercise | Project] = {**EXERCISES, **PROJECTS}


def names() -> list[str]:
    """Return the names of all exercises, in course order, and of the projects."""
    return list(_tasks)


def check(name: str, answer: Any = ...) -> None:
    """Print "Correct: ..." or "Not yet: ..." with a reason. Never raises, whatever `answer` is.

    For a project, print a line per criterion of its rubric: "Met", "Not yet" with a reason, or "Ask yourself".

    Args:
        name: str, "chapter.task", or "projects.name".
        answer: the answer: a number, list, array, tensor, or a function (the function itself, without a call); the dict
            of a project.

    Example:
        >>> check("start_here.heads", 12)
        Not yet: 12 is the number of heads in one layer, and there are 6 layers.
    """
    if (task := _find(name)) is None:
        return
    if isinstance(task, Project):
        _report(task, answer)
        return
    wrong, _ = _outcome(task.verify, answer)
    _print(f"Not yet: {wrong}" if wrong else f"Correct: {task.correct}")


def _report(project: Project, answer: Any) -> None:
    """Print a line per criterion, and how many are met."""
    met = total = 0
    _, settled = _outcome(Answer, answer)
    for criterion in project.criteria:
        if criterion.evaluate is None:
            _print(f"Ask yourself: {criterion.text}")
            continue
        wrong, remark = _outcome(criterion.evaluate, answer if settled is None else settled)
        _print(f"Not yet: {criterion.text}: {wrong}" if wrong else f"Met: {criterion.text} ({remark}).")
        met, total = met + (not wrong), total + 1
    _print(f"{met} of {total} met. {'The rest is yours to answer.' if met == total else ''}")


def _outcome(evaluate: Callable[[Any], Any], answer: Any) -> tuple[str, Any]:
    """Return (why the answer is not correct yet, None), or ("", what `evaluate` returned)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy's about NaN, which the reason explains
            if answer is ...:
                raise WrongAnswer("replace the dots (...) with your answer.")
            return "", evaluate(answer)
    except WrongAnswer as reason:
        return str(reason), None
    except KeyboardInterrupt:
        return "the check was interrupted.", None
    except BaseException as error:  # an answer may be any object, with methods that raise anything
        return f"checking the answer raised {describe_error(error)}.", None


def hint(name: str) -> None:
    """Print the first hint of an exercise; when called again, the second."""
    if (task := _find(name)) is None:
        return
    number = _hints_shown[name] = min(_hints_shown.get(name, 0) + 1, len(task.hints))
    _print(f"Hint {number} of {len(task.hints)}: {task.hints[number - 1]}")
    if number == len(task.hints):
        _print(f'(That was the last hint. If you are stuck: solution("{name}").)')


def solution(name: str) -> None:
    """Show the solution of an exercise, after both hints have been shown."""
    if (task := _find(name)) is None:
        return
    missing = len(task.hints) - _hints_shown.get(name, 0)
    if missing > 0:
        hints = "is one more hint first. Read it" if missing == 1 else "are two hints first. Read them"
        _print(f'There {hints}, then try again: hint("{name}").')
        return
    show_code(f"{'A worked example' if isinstance(task, Project) else 'A solution'} of {name}", task.solution.strip())


def _print(text: str) -> None:
    """Print `text`, wrapped to `WIDTH`; its own line breaks stay."""
    for line in text.splitlines():
        print(textwrap.fill(line, WIDTH, break_long_words=False, break_on_hyphens=False))


def _find(name: str) -> Exercise | Project | None:
    """Return the exercise or project `name`; if there is none, print the names of its chapter, or of all chapters."""
    if isinstance(name, str) and (name := OLD_NAMES.get(name, name)) in _tasks:
        return _tasks[name]
    shown = textwrap.shorten(ascii(name), 60) if isinstance(name, str) else kind(name)
    chapter = name.partition(".")[0] if isinstance(name, str) else ""
    known = [other for other in _tasks if other.partition(".")[0] == chapter]
    known = known or list(dict.fromkeys(f"{other.partition('.')[0]}. ..." for other in _tasks))
    print(f"There is no exercise {shown}. The names are:", *known, sep="\n  ")
    return None
