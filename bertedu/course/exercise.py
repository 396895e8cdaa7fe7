"""Exercises that check themselves, and the source of anything, shown where it is asked for. All chapters.

An exercise is named "chapter.task". Its words, its check, its hints and its solution stand in `exercises/`, one file
per chapter; this module only runs them.
"""

import ast
import dataclasses
import html
import importlib
import inspect
import pkgutil
import textwrap
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bertedu.terminal import in_notebook

CLOSE = 1e-4  # how far from the expected number an answer may be: learners round
HINTS_BEFORE_SOLUTION = 2
WIDTH = 100  # characters that JupyterLab's narrow window has room for in a line of output

_hints_given = {}  # exercise name -> how many, in this process


@dataclasses.dataclass(frozen=True)
class Exercise:
    """One task.

    Args:
        task: what to do, one sentence.
        blank: the code of the cell that the learner fills in, without the line that calls `check`.
        answer: the name in `blank` that is handed to `check`.
        judge: function of the answer; raises `NotYet` with the reason, or returns when it is right.
        correct: what has been shown, the sentence after "Correct:".
        hints: two strings; the second says more.
        solution: code that can stand in place of `blank`.
    """

    task: str
    blank: str
    answer: str
    judge: Callable
    correct: str
    hints: tuple[str, str]
    solution: str


class NotYet(Exception):
    """An answer is not right yet; its text says why, to the learner."""


def check(name, answer=...):
    """Prints "Correct: ..." or "Not yet: ..." with a reason that fits. Never raises, whatever `answer` is or does.

    Args:
        name: str, "chapter.task".
        answer: what the exercise asks for: a number, a list, an array or tensor, or a function (without brackets).

    Example:
        >>> check("start_here.heads", 12)
        Not yet: 12 is the heads of one layer, and there are 6 layers.
    """
    exercise = _find(name)
    if exercise is None:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy's about NaN: the reason says it better
            if answer is ...:
                raise NotYet("there is nothing in it yet; put your answer where the dots (...) are.")
            exercise.judge(answer)
        verdict = f"Correct: {exercise.correct}"
    except NotYet as reason:
        verdict = f"Not yet: {reason}"
    except KeyboardInterrupt:
        verdict = "Not yet: it was stopped before it came to an end."
    except BaseException as error:  # an answer may be any object, and may do anything when it is looked at
        verdict = f"Not yet: looking at the answer stopped with {_in_words(error)}."
    _say(verdict)


def hint(name):
    """Prints the first hint of an exercise, at the next call the second."""
    exercise = _find(name)
    if exercise is None:
        return
    given = _hints_given[name] = min(_hints_given.get(name, 0) + 1, len(exercise.hints))
    _say(f"Hint {given} of {len(exercise.hints)}: {exercise.hints[given - 1]}")
    if given == len(exercise.hints):
        _say(f'(There is no third one. If you are stuck: solution("{name}").)')


def solution(name):
    """Shows the code of a solution, once both hints have been asked for."""
    exercise = _find(name)
    if exercise is None:
        return
    missing = HINTS_BEFORE_SOLUTION - _hints_given.get(name, 0)
    if missing > 0:
        hints = "two hints" if missing == HINTS_BEFORE_SOLUTION else "one more hint"
        are = "are" if missing > 1 else "is"
        _say(f'There {are} {hints} first, and a try in between is worth more: hint("{name}").')
        return
    lines = exercise.solution.strip().splitlines()
    _show(f"A solution of {name}", [(number, line) for number, line in enumerate(lines, 1)])


def _say(words):
    """Prints `words` in lines that a notebook's window does not break; lines of their own stay so."""
    for line in words.splitlines():
        print(textwrap.fill(line, WIDTH, break_long_words=False, break_on_hyphens=False))


def names():
    """The names of all exercises, in the order of the chapters' files."""
    return list(_all())


def show_source(obj, docstring=False):
    """Shows the source of a class, function, method or module as it stands, with its file and line numbers.

    Args:
        obj: what to show; for an instance its class is shown.
        docstring: bool, show the docstrings too. Where they are left out, the line numbers jump.

    Raises:
        TypeError: there is no Python source for it (as for what is written in C).

    Example:
        >>> show_source(names)  # doctest: +ELLIPSIS
        bertedu/course/exercise.py, lines ... to ...
        ...  def names():
        ...      return list(_all())
    """
    if not (inspect.isclass(obj) or inspect.isroutine(obj) or inspect.ismodule(obj)):
        obj = getattr(obj, "func", type(obj))  # functools.partial, or any instance
    try:
        lines, first = inspect.getsourcelines(obj)
        path = Path(inspect.getsourcefile(inspect.unwrap(obj)))
    except (TypeError, OSError):
        raise TypeError(f"There is no Python source to show for {obj!r}.") from None
    first = max(first, 1)  # a module starts at 0, says inspect
    hidden = set() if docstring else _docstring_lines("".join(lines))
    numbered = [(first + i, line.rstrip("\n")) for i, line in enumerate(lines) if i + 1 not in hidden]
    while numbered and not numbered[-1][1].strip():
        numbered.pop()
    indent = len(lines[0]) - len(lines[0].lstrip())  # a method's: room for the code
    numbered = [(number, line[indent:] if line[:indent].isspace() else line) for number, line in numbered]
    _show(f"{_short(path)}, lines {first} to {first + len(lines) - 1}", numbered)


# ---- for the files of exercises: what can be said of any answer ------------------------------------------------------


def call(function, *arguments):
    """What the learner's `function` gives for `arguments`. Raises NotYet when it is no function, or stops."""
    if not callable(function):
        raise NotYet(f"give check the function itself, by its name without brackets; this is {_kind(function)}.")
    try:
        return function(*arguments)
    except (KeyboardInterrupt, NotYet):
        raise
    except RecursionError:
        raise NotYet("the function calls itself without an end.") from None
    except BaseException as error:
        raise NotYet(f"the function stopped with {_in_words(error)}.") from None


def one_number(answer, asked):
    """The answer as an array without axes. Raises NotYet, with the words `asked`, where it holds several numbers."""
    got = numbers(answer)
    if got.shape != ():
        raise NotYet(f"one number is asked for: {asked}")
    return got


def numbers(answer):
    """`answer` (number, list, array, tensor of any backend) as a float array; NotYet for what holds no numbers."""
    if answer is None:
        raise NotYet("it gives None. Is a `return` missing?")
    if answer is ...:
        raise NotYet("it gives back the dots (...); put your code in their place.")
    for move in ("detach", "cpu", "numpy"):  # torch, TensorFlow
        answer = getattr(answer, move)() if hasattr(answer, move) else answer
    if isinstance(answer, str | bytes | dict | set) or callable(answer):
        raise NotYet(f"numbers are wanted, this is {_kind(answer)}.")
    try:
        return np.asarray(answer, dtype=float)
    except (TypeError, ValueError):
        raise NotYet("it cannot be read as numbers in rows of equal length.") from None


def compare(answer, expected, typical=()):
    """Raises NotYet unless `answer` is numerically `expected`, with the first reason that fits.

    Args:
        answer: the learner's.
        expected: number, list or array.
        typical: pairs (what a typical mistake gives, the reason to say).
    """
    got, expected = numbers(answer), np.asarray(expected, dtype=float)
    for wrong, reason in typical:
        wrong = np.asarray(wrong, dtype=float)
        if (
            wrong.shape == got.shape
            and _close(got, wrong)
            and not (wrong.shape == expected.shape and _close(wrong, expected))
        ):
            raise NotYet(reason)
    if got.shape != expected.shape:
        raise NotYet(f"it should be {_shape(expected)}, and is {_shape(got)}.")
    if not np.isfinite(got).all():
        raise NotYet("it holds NaN or infinity; somewhere 0 is divided by 0, or a number became too large.")
    if not _close(got, expected):
        place = tuple(int(i) for i in np.unravel_index(np.abs(got - expected).argmax(), got.shape))
        where = f" at {list(place)}" if place else ""
        raise NotYet(f"expected {_written(expected[place])}{where}, got {_written(got[place])}.")


def _close(a, b):
    """Whether `a` is `b` up to rounding. Whole numbers, of which most are counts, must be right to the last one."""
    whole = np.isfinite(b).all() and (b == np.rint(b)).all()
    return np.allclose(a, b, rtol=CLOSE, atol=CLOSE) and not (whole and np.abs(a - b).max(initial=0) >= 0.5)


def _written(number):
    """A number as a learner would write it: counts in full, others in four digits."""
    return f"{number:,.0f}" if number == np.rint(number) and abs(number) < 1e15 else f"{number:.4g}"


def _shape(array):
    return "one number" if array.ndim == 0 else f"of shape {list(array.shape)}"


def _kind(thing):
    return {str: "a text", bytes: "bytes", dict: "a dict", set: "a set"}.get(type(thing), f"a {type(thing).__name__}")


def _in_words(error):
    """`KeyError: 'x'`, on one line, also for an exception that cannot be printed."""
    try:
        text = " ".join(str(error).split())
    except BaseException:
        text = ""
    return f"{type(error).__name__}: {textwrap.shorten(text, 200)}" if text else type(error).__name__


# ---- finding ---------------------------------------------------------------------------------------------------------


def _all():
    """Every exercise by its full name."""
    package = importlib.import_module("bertedu.course.exercises")
    chapters = [module.name for module in pkgutil.iter_modules(package.__path__)]
    modules = {chapter: importlib.import_module(f"bertedu.course.exercises.{chapter}") for chapter in chapters}
    return {f"{chapter}.{task}": e for chapter, module in modules.items() for task, e in module.EXERCISES.items()}


def _find(name):
    """The exercise of that name; where there is none, print those of its chapter, or the chapters, and return None."""
    exercises = _all()
    exercise = exercises.get(name) if isinstance(name, str) else None
    if exercise is None:
        shown = textwrap.shorten(ascii(name), 60) if isinstance(name, str) else _kind(name)
        chapter = name.split(".")[0] if isinstance(name, str) else ""
        of_chapter = [known for known in exercises if known.split(".")[0] == chapter]
        chapters = dict.fromkeys(f"{known.split('.')[0]}. ..." for known in exercises)
        print(f"There is no exercise {shown}. There are:")
        print("\n".join(f"  {known}" for known in of_chapter or chapters))
    return exercise


# ---- showing code ----------------------------------------------------------------------------------------------------


def _docstring_lines(source):
    """The line numbers, from 1, of all docstrings in `source` and of the blank line that sets one off."""
    lines = source.splitlines()
    indented = lines and lines[0][:1].isspace()
    tree = ast.parse("if True:\n" + source if indented else source)  # a method; `dedent` would change strings
    hidden = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            is_text = (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            )
            if is_text and len(node.body) > 1:  # a body of nothing but a docstring stays
                start, end = first.lineno - bool(indented), first.end_lineno - bool(indented)
                end += end < len(lines) and not lines[end].strip()
                hidden.update(range(start, end + 1))
    return hidden


def _short(path):
    """A path as it stands below its package, without the folders of this machine."""
    if "ipykernel" in str(path) or path.name.startswith("<"):
        return "this notebook"
    parents = [parent for parent in path.parents if not (parent / "__init__.py").is_file()]
    return path.relative_to(parents[0]).as_posix() if parents else path.name


def _show(headline, numbered):
    """Shows numbered lines of code: coloured in a notebook, else as plain text."""
    width = len(str(numbered[-1][0])) if numbered else 1
    plain = "\n".join([headline, *(f"{number:{width}d}  {line}".rstrip() for number, line in numbered)])
    if not in_notebook():
        print(plain)
        return
    from IPython.display import display

    display({"text/html": _coloured(headline, numbered, width), "text/plain": plain}, raw=True)


def _coloured(headline, numbered, width):
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    # Styles inside the tags: JupyterLab and GitHub drop style sheets. A background of its own, for dark themes.
    code = highlight(
        "\n".join(line for _, line in numbered), PythonLexer(stripnl=False), HtmlFormatter(nowrap=True, noclasses=True)
    ).split("\n")
    rows = [
        f'<span style="color:#6b6b6b; user-select:none">{number:{width}d}  </span>{line}'
        for (number, _), line in zip(numbered, code, strict=False)
    ]
    box = (
        "background:#f8f8f8; color:#1a1a1a; margin:0; padding:0.6em; overflow-x:auto; white-space:pre; line-height:1.35"
    )
    title = f'<span style="color:#555555; user-select:none">{html.escape(headline)}</span>'
    return f'<pre style="{box}">{title}\n' + "\n".join(rows) + "</pre>"
