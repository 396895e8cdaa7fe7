"""No slip passes `check`: each solution is changed in one place at a time, and `check` must notice.

Changes that compute the same are listed in equivalent_answers.toml, with the reason.
"""

import ast
import resource
import signal
import tomllib
from pathlib import Path

import pytest

from bertedu.course import check
from bertedu.course.exercises import EXERCISES
from tools.mutate import left_out, replacements

EQUIVALENT = tomllib.loads((Path(__file__).parent / "equivalent_answers.toml").read_text(encoding="utf-8"))["answer"]
SIZES = range(1, 9)  # constants in the place of a size
SECONDS = 5  # for one answer: a mutant may loop for ever
MEMORY = 8_000_000_000  # bytes that an answer may reserve
STATUS = Path("/proc/self/statm")  # Linux: the first number is the size in pages


def others(node):
    """Yield further replacements of a node: absolute values, constants for sizes, other axes, max for min."""
    if isinstance(node, ast.Return) and node.value is not None:
        yield f"return __import__('numpy').abs({ast.unparse(node.value)})"
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "len":
        yield from map(str, SIZES)
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and node.value.attr == "shape":
        yield from map(str, SIZES)
    if isinstance(node, ast.keyword) and node.arg in ("axis", "dim"):
        yield from (f"{node.arg}={axis}" for axis in (0, 1, -1, None) if str(axis) != ast.unparse(node.value))
    if isinstance(node, ast.Name | ast.Attribute):
        name = ast.unparse(node)
        swapped = {"max": "min", "min": "max", "round": "int", "math.ceil": "math.floor", "math.floor": "math.ceil"}
        if name in swapped:
            yield swapped[name]


def mutants(name):
    """Return the changed solutions of an exercise by a description, "line: before -> after"."""
    source = EXERCISES[name].solution
    lines = source.splitlines(keepends=True)
    starts = [sum(len(line.encode()) for line in lines[:number]) for number in range(len(lines))]
    tree, data, made = ast.parse(source), source.encode(), {}
    ignored = left_out(tree)
    for node in ast.walk(tree):
        if id(node) in ignored or not hasattr(node, "end_lineno"):
            continue
        start, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
        before = data[start:end].decode()
        for after in (*replacements(node), *others(node)):
            if after != before:
                key = f"{lines[node.lineno - 1].strip()}: {before} -> {after}"
                if (again := sum(known.startswith(key) for known in made)) > 0:  # twice in a line
                    key = f"{key} ({again + 1})"
                made[key] = (data[:start] + after.encode() + data[end:]).decode()
    return made


def passes(name, source, capsys):
    """Return whether `check` calls a changed solution correct."""

    def stop(*_):
        raise TimeoutError

    previous = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if STATUS.exists():  # an endless loop can fill the memory faster than the alarm rings
        used = int(STATUS.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, hard))
    try:
        space = {}
        exec(compile(source, "<mutant>", "exec"), space)
        check(name, space[EXERCISES[name].answer])
    except Exception:
        return False
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGALRM, previous)
    return capsys.readouterr().out.startswith("Correct")


@pytest.mark.parametrize("name", EXERCISES)
def test_check_notices_every_change_of_the_solution(name, capsys):
    known = {entry["change"] for entry in EQUIVALENT if entry["exercise"] == name}
    made = mutants(name)
    unnoticed = {key for key, source in made.items() if passes(name, source, capsys)}
    assert unnoticed - known == set()
    assert known - unnoticed == set(), "no longer equivalent, or gone"


def test_every_equivalent_answer_has_a_reason():
    assert all(len(entry["reason"]) > 10 for entry in EQUIVALENT)


@pytest.mark.parametrize("name", EXERCISES)
def test_functions_have_cases(name):
    task = EXERCISES[name]
    space = {}
    exec(compile(task.solution, "<solution>", "exec"), space)
    if callable(space[task.answer]) and not isinstance(space[task.answer], type):
        assert len(task.cases) >= 3
