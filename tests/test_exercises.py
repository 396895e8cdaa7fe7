"""Every exercise blank, solved and wrong; and no answer may raise an exception."""

import ast
import functools
import importlib
import logging
import pkgutil
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import wrong_answers

from bertedu import attention
from bertedu.course import check, checking, hint, names, show_source, solution
from bertedu.course.exercises import EXERCISES, OLD_NAMES

# For each exercise: wrong answers, each with a word of the reason, and right ones in other styles; one file a chapter.
WRONG, RIGHT = {}, {}
for _file in pkgutil.iter_modules(wrong_answers.__path__):
    _module = importlib.import_module(f"wrong_answers.{_file.name}")
    WRONG |= _module.WRONG
    RIGHT |= getattr(_module, "RIGHT", {})


def run(code, name):
    space = {}
    exec(compile(code, "<exercise>", "exec"), space)
    return space[name]


def printed(capsys, name, answer):
    """Return what `check` prints, joined into one line; check that every line fits into a window."""
    check(name, answer)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= checking.WIDTH
    return " ".join(lines)


def test_every_exercise_has_wrong_answers_here():
    assert set(WRONG) == set(EXERCISES)
    assert list(EXERCISES) == names()[: len(EXERCISES)]
    chapters = [name.split(".")[0] for name in WRONG]
    assert all(chapters.count(chapter) >= (2 if chapter.startswith("lab_") else 4) for chapter in chapters), chapters
    assert all(len(answers) >= 3 for answers in WRONG.values())


@pytest.mark.parametrize("name", WRONG)
def test_blank_is_not_yet(name, capsys):
    task = EXERCISES[name]
    out = printed(capsys, name, run(task.blank, task.answer))
    assert out.startswith("Not yet: ")
    assert "dots" in out


@pytest.mark.parametrize("name", WRONG)
def test_its_own_solution_is_correct(name, capsys):
    task = EXERCISES[name]
    assert printed(capsys, name, run(task.solution, task.answer)) == f"Correct: {' '.join(task.correct.split())}"


@pytest.mark.parametrize(("name", "answer", "word"), [(name, *pair) for name, pairs in WRONG.items() for pair in pairs])
def test_wrong_answers_get_the_matching_reason(name, answer, word, capsys):
    out = printed(capsys, name, answer)
    assert out.startswith("Not yet: ")
    assert word in out


class Hostile:
    """Raise in every operation."""

    def __getattribute__(self, name):
        raise SystemError("hostile")

    def __bool__(self):
        raise SystemError("hostile")

    def __repr__(self):
        raise SystemError("hostile")


class Unprintable(BaseException):
    def __str__(self):
        raise ValueError


def endless(*arguments):
    return endless(*arguments)


def raising(error):
    def answer(*arguments):
        raise error

    return answer


NONSENSE = {
    "dots": ...,
    "None": None,
    "text": "cat",
    "nan": float("nan"),
    "nan array": np.full((3, 4), np.nan),
    "empty": [],
    "ragged": [[1], [1, 2]],
    "objects": [object()],
    "dict": {"a": 1},
    "class": Hostile,
    "hostile": Hostile(),
    "module": sys,
    "generator": (i for i in range(3)),
    "returns None": lambda *a: None,
    "returns dots": lambda *a: ...,
    "returns text": lambda *a: "a",
    "returns NaN": lambda *a: float("nan"),
    "returns NaN rows": lambda *a: [[float("nan")] * 5] * 3,
    "returns wrong shape": lambda *a: np.zeros((7, 7, 7)),
    "returns complex": lambda *a: 1j,
    "returns hostile": lambda *a: Hostile(),
    "returns itself": endless,
    "no arguments": lambda: 1,
    "raises": raising(ZeroDivisionError("by zero")),
    "raises unprintable": raising(Unprintable()),
    "exits": raising(SystemExit(3)),
    "huge": 10**400,
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("kind", NONSENSE)
def test_no_answer_raises(name, kind, capsys):
    assert printed(capsys, name, NONSENSE[kind]).startswith("Not yet: ")


def test_reasons_for_unusable_answers(capsys):
    assert "None" in printed(capsys, "attention.weighted_sum", lambda s, v: None)
    assert "ZeroDivisionError: by zero" in printed(
        capsys, "attention.weighted_sum", raising(ZeroDivisionError("by zero"))
    )
    assert "calls itself" in printed(capsys, "attention.weighted_sum", endless)
    assert "NaN" in printed(capsys, "attention.weighted_sum", lambda s, v: np.full((3, 5), np.nan))
    assert "[3, 5]" in printed(capsys, "attention.weighted_sum", lambda s, v: np.zeros((5, 3)))
    assert "without brackets" in printed(capsys, "attention.weighted_sum", [[1.0]])


def test_an_interrupted_check_is_reported(capsys):
    assert "interrupted" in printed(capsys, "attention.weighted_sum", raising(KeyboardInterrupt()))


def test_an_answer_cannot_spoil_the_question(capsys):
    def spoil(q, k, v):
        q[:] = 0
        return q

    printed(capsys, "attention.attend", spoil)
    task = EXERCISES["attention.attend"]
    assert printed(capsys, "attention.attend", run(task.solution, "attend")).startswith("Correct")


def test_tensors_of_the_backend_are_answers(capsys):
    from keras import ops

    assert printed(capsys, "start_here.heads", ops.array(72)).startswith("Correct")

    def attend(*arrays):
        q, k, v = (ops.array(array, dtype="float32") for array in arrays)
        return ops.matmul(ops.softmax(ops.matmul(q, ops.transpose(k)) / q.shape[-1] ** 0.5), v)

    out = printed(capsys, "attention.attend", attend)
    assert out.startswith("Correct")


@pytest.mark.peers
def test_torch_tensors_with_gradients_are_answers(capsys):
    torch = pytest.importorskip("torch")
    assert printed(capsys, "start_here.heads", torch.tensor(72.0, requires_grad=True)).startswith("Correct")


@pytest.mark.parametrize(("old", "new"), OLD_NAMES.items())
def test_names_of_version_0_1_still_work(old, new, capsys):
    task = EXERCISES[new]
    assert old not in EXERCISES
    assert printed(capsys, old, run(task.solution, task.answer)).startswith("Correct: ")


@pytest.mark.parametrize("function", [check, hint, solution])
@pytest.mark.parametrize("name", ["", 3, None, "x" * 10_000])
def test_an_unknown_name_lists_the_chapters(function, name, capsys):
    function(name)
    out = capsys.readouterr().out
    assert out.startswith("There is no exercise")
    assert len(out) < 1000
    assert all(f"  {known.split('.')[0]}. ..." in out for known in names())


@pytest.mark.parametrize("function", [check, hint, solution])
def test_an_unknown_name_of_a_chapter_lists_its_exercises(function, capsys):
    function("attention.nothing")
    first, *rest = capsys.readouterr().out.splitlines()
    assert "'attention.nothing'" in first
    assert [line.strip() for line in rest] == [name for name in names() if name.startswith("attention.")]


def test_solution_comes_after_two_hints(capsys, monkeypatch):
    monkeypatch.setattr(checking, "_hints_shown", {})
    name = "attention.weighted_sum"
    task = EXERCISES[name]
    out = []
    for step in (solution, hint, solution, hint, hint, solution):
        step(name)
        out.append(capsys.readouterr().out)
    assert "two hints first" in out[0]
    assert f"Hint 1 of 2: {task.hints[0]}" in out[1]
    assert "one more hint first" in out[2]
    assert all(f"Hint 2 of 2: {task.hints[1]}" in text for text in out[3:5])
    assert all(line in out[5] for line in task.solution.splitlines())
    assert not any("def weighted_sum" in text for text in out[:5])


@pytest.mark.parametrize("name", WRONG)
def test_hints_do_not_hold_the_solution(name):
    task = EXERCISES[name]
    assert len(task.hints) == 2
    assert not any(line.strip() in hint for hint in task.hints for line in task.solution.splitlines() if line.strip())


def shown(capsys, *arguments, **options):
    show_source(*arguments, **options)
    headline, _, code = capsys.readouterr().out.partition("\n")
    return headline, code


def test_show_source_leaves_out_docstrings(capsys):
    headline, code = shown(capsys, attention.masked_softmax)
    assert headline == "bertedu/attention.py: masked_softmax"
    _, with_docstring = shown(capsys, attention.masked_softmax, docstring=True)
    assert '"""' in with_docstring and '"""' not in code
    assert with_docstring.rstrip("\n") in Path(attention.__file__).read_text(encoding="utf-8")
    assert ast.unparse(ast.parse(code).body[0].body) == ast.unparse(ast.parse(with_docstring).body[0].body[1:])


def test_show_source_of_method_class_instance_and_module(capsys):
    headline, code = shown(capsys, attention.MultiHeadAttention.call)
    assert headline == "bertedu/attention.py: MultiHeadAttention.call"
    assert code.startswith("def call(") and ast.parse(code)
    headline, code = shown(capsys, attention.MultiHeadAttention)
    assert '"""' not in code
    assert shown(capsys, attention.MultiHeadAttention(1, 2)) == (headline, code)
    headline, code = shown(capsys, attention)
    assert headline == "bertedu/attention.py"


def test_show_source_without_source_says_so():
    for thing in (len, 3, types.SimpleNamespace()):
        with pytest.raises(TypeError, match="expected an object with Python source"):
            show_source(thing)


def test_show_source_in_a_notebook_is_colored_and_readable_as_text(monkeypatch):
    published = []
    ipython = pytest.importorskip("IPython")
    monkeypatch.setattr(ipython, "get_ipython", lambda: types.SimpleNamespace(kernel=True))
    monkeypatch.setattr("IPython.display.display", lambda data, raw: published.append(data))
    show_source(attention.masked_softmax)
    (data,) = published
    assert set(data) == {"text/html", "text/plain"}
    assert "<style" not in data["text/html"]
    assert "style=" in data["text/html"]
    assert "def masked_softmax" in data["text/plain"]


def test_right_answers_belong_to_exercises():
    assert RIGHT.keys() <= EXERCISES.keys()


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        pytest.param(name, answer, id=f"{name}-{number}")
        for name, answers in RIGHT.items()
        for number, answer in enumerate(answers)
    ],
)
def test_right_answers_in_another_style_are_correct(name, answer, capsys):
    assert printed(capsys, name, answer).startswith("Correct: ")


def test_tensors_of_tensorflow_print_no_notice(capfd, monkeypatch):
    tensorflow = pytest.importorskip("tensorflow")
    from tensorflow.python.util import deprecation

    def rollout(layers):
        eye = tensorflow.eye(layers.shape[-1], dtype="float64")
        return functools.reduce(lambda result, layer: (layer + eye) / 2 @ result, layers, eye)

    def row_to_bytes(row):
        step = (max(row) - min(row)) / 255
        levels = tensorflow.round((tensorflow.constant(row) - min(row)) / (step or 1))
        return tensorflow.constant(min(row)), tensorflow.constant(step), tensorflow.Variable(levels)

    monkeypatch.setattr(deprecation, "_PRINTED_WARNING", {})  # each notice is printed once per process
    handler = logging.StreamHandler()  # prints on the stderr that this test captures; that of TensorFlow is older
    tensorflow.get_logger().addHandler(handler)
    try:
        tensorflow.constant(0) + 0  # the first operation may print something
        capfd.readouterr()
        for name, answer in (
            ("start_here.heads", tensorflow.constant(72)),
            ("visualize_attention.rollout", rollout),
            ("visualize_attention.row_to_bytes", row_to_bytes),
        ):
            check(name, answer)
            out, err = capfd.readouterr()
            assert out.startswith("Correct: ")
            assert err == ""
        tensorflow.constant(0).cpu()
        assert "deprecated" in capfd.readouterr().err, "this test would notice nothing"
    finally:
        tensorflow.get_logger().removeHandler(handler)
