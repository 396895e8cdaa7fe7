"""A warning points at the line of the user's code that caused it, however deep in the package it is issued."""

import ast
import contextlib
import functools
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tiny_bert
from small_world import SENTENCE

import bertedu as be
from bertedu import fields, inputs
from bertedu.aliases import also_spelled, renamed, renamed_attribute
from bertedu.terminal import warn

PACKAGE = Path(be.__file__).parent
DIRECT = {"aliases.py", "exercise.py"}
"""Files of deprecated names, where the user's line is always the direct caller or the import: stacklevel 2."""


def calls_of_warn(path):
    """Return the calls in a file that issue warnings: list of (function, arguments by keyword)."""
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    calls = [(ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}) for node in calls]
    return [(name, keywords) for name, keywords in calls if name.rpartition(".")[2] in ("warn", "warn_explicit")]


def test_every_warning_is_issued_by_the_function_that_looks_for_the_line():
    calls = {path.relative_to(PACKAGE).as_posix(): calls_of_warn(path) for path in PACKAGE.rglob("*.py")}
    assert sum(map(len, calls.values())) >= 15
    for name, keywords in (call for file in DIRECT for call in calls.pop(file)):
        assert (name, keywords["stacklevel"]) == ("warnings.warn", "2")
    assert [name for name, _ in calls.pop("terminal.py")] == ["warnings.warn_explicit"]
    assert {name for found in calls.values() for name, _ in found} == {"warn"}


def in_module(name, inner, context=contextlib.nullcontext):
    """Return a function of a module called `name`, which calls `inner` inside a `with` statement."""
    names = {"__name__": name, "inner": inner, "context": context}
    exec("def run(*_):\n    with context():\n        inner()", names)
    return names["run"]


def test_the_line_is_the_nearest_outside_of_the_package_and_its_frameworks():
    def near():
        warn("near")

    @contextlib.contextmanager
    def warns():
        in_module("bertedu.x", functools.partial(in_module("keras.src", functools.partial(warn, "far"))))()
        yield

    with pytest.warns(UserWarning, match="near") as warned:
        in_module("bertedu", in_module("keras.src", near))()
    assert (warned[0].filename, warned[0].lineno) == (__file__, near.__code__.co_firstlineno + 1)
    with pytest.warns(UserWarning, match="far") as warned:
        warns().__enter__()
    assert warned[0].filename == __file__


def test_a_warning_is_issued_even_where_every_line_is_inside(monkeypatch):
    frame, names = sys._getframe(), set()
    while frame:
        names.add(frame.f_globals.get("__name__", "").partition(".")[0])
        frame = frame.f_back
    monkeypatch.setattr("bertedu.terminal.LIBRARIES", names)
    with pytest.warns(UserWarning) as warned:
        warn("inside")
    assert [str(warning.message) for warning in warned] == ["inside"]


class Warns(keras.layers.Layer):
    """A layer whose `call` is code of the package, called by Keras."""

    def call(self, x):
        in_module("bertedu.layer", functools.partial(warn, "from a layer"))()
        return x


class Renamed:
    """A class with a deprecated attribute."""

    old, new = renamed_attribute("old", "new"), 1


def unknown_fields_of_a_model(folder):
    be.load(tiny_bert.write(folder / "bert", config={"unheard_of": 1}))


def weights_that_are_not_finite(folder):
    weights = tiny_bert.tensors()
    weights["pooler.dense.bias"][0] = np.nan
    be.load(tiny_bert.write(folder / "bert", weights))


def a_long_text(folder):
    be.load(tiny_bert.write(folder / "bert")).read(SENTENCE, max_length=5)


CAUSES = [
    *(unknown_fields_of_a_model, weights_that_are_not_finite, a_long_text),
    lambda folder: fields.read_fields({"unheard_of": 1}, {}, "config.json", unknown="warn"),
    lambda folder: inputs.check_vocabulary_size(3, 5),
    lambda folder: renamed("bertedu.plots", {"old": "lines"})("old"),
    lambda folder: also_spelled({"breadth": "width"}, deprecated=True)(lambda width: width)(breadth=1),
    lambda folder: Renamed().old,
]


@pytest.mark.parametrize("cause", CAUSES)
def test_a_warning_points_at_this_file(cause, tmp_path):
    with pytest.warns(match=".") as warned:
        cause(tmp_path)
    assert {warning.filename for warning in warned} == {__file__}


def test_a_warning_of_a_layer_points_at_the_line_that_calls_it():
    layer = Warns()
    with pytest.warns(UserWarning, match="from a layer") as warned:
        layer(np.ones((1, 2), "float32"))
    assert warned[0].filename == __file__
