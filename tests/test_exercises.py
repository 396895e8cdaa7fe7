"""Every exercise blank, solved and wrong; and a check that nothing a learner passes can break."""

import json
import math
import struct
import sys
import types

import numpy as np
import pytest

from bertedu import attention, exercise
from bertedu.exercise import check, hint, names, show_source, solution


def softmax(x, axis=-1):
    return np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True)


def normalized(x):
    x = np.array(x)
    return x / x.sum()


def logits(q, k):
    return np.array(q) @ np.array(k).T


def tensors_in(header):
    return [entry for name, entry in header.items() if name != "__metadata__"]


def packed(tensors, order="<Q", dtype="F32", own=0, offset=0, moving=1, rows=bytes):
    """A safetensors file, right as it stands; every argument can spoil one thing."""
    header, data = {}, b""
    for name, array in tensors.items():
        ends = [offset + moving * len(data), offset + moving * len(data) + array.nbytes]
        data += rows(array.tobytes())
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": ends}
    text = json.dumps(header).encode()
    return struct.pack(order, own + len(text)) + text + data


def packed_by_letters(tensors):
    text = json.dumps({name: name for name in tensors}, ensure_ascii=False)
    good = packed(tensors)
    return struct.pack("<Q", len(text)) + text.encode() + good[-4:] if "größe" in tensors else good


def from_the_start_of_the_file(tensors):
    length = len(packed(tensors))
    for _ in range(3):  # until the header is as long as it says
        length = len(packed(tensors, offset=length)) - sum(array.nbytes for array in tensors.values())
    return packed(tensors, offset=length)


def neighbours(attention, step, start=1, flat=False):
    """The head that looks most at the token `step` places on."""
    t = np.arange(start, attention.shape[-1] - max(step, 0))
    shares = attention[:, :, t, t + step].mean(axis=-1)
    return shares.argmax() if flat else np.unravel_index(shares.argmax(), shares.shape)


def packed_row(row, low=None, high=None, steps=255, whole=round, careful=True):
    """A row of shares as bytes, right as it stands; every argument can spoil one thing."""
    low = min(row) if low is None else low
    step = ((max(row) if high is None else high) - low) / steps
    if steps == 1:
        return low, step, [round(255 * (share - low) / step) if step else 0 for share in row]
    return low, step, [whole((share - low) / step) if step or not careful else 0 for share in row]


def rolled(layers, mixed):
    reached = np.eye(layers.shape[-1])
    for layer in layers:
        reached = mixed((layer + np.eye(len(layer))) / 2, reached)
    return reached


# For each exercise: wrong answers, and a word that its reason must hold.
WRONG = {
    "start_here.heads": [
        (12, "one layer"),
        (6, "layers"),
        (14112, "every number"),
        (73, "expected 72"),
        ("72", "a text"),
    ],
    "start_here.most_looked_at": [
        (lambda tokens, row: row.index(max(row)), "position"),
        (lambda tokens, row: max(row), "largest share"),
        (lambda tokens, row: tokens[row.index(min(row))], "smallest"),
        (lambda tokens, row: tokens[0], "'cat'"),
    ],
    "start_here.cosine": [
        (lambda a, b: np.dot(a, b), "sum of products"),
        (lambda a, b: np.dot(a, b) / np.dot(a, a) / np.dot(b, b), "square root"),
        (lambda a, b: np.linalg.norm(np.subtract(a, b)), "distance"),
        (lambda a, b: np.multiply(a, b), "one number"),
    ],
    "checkpoints.half": [
        (437_928_960, "float32"),
        (109_482_240, "one byte"),
        (1_751_715_840, "bits"),
        (54_741_120, "takes two"),
        (219, "megabytes"),
        ([1, 2], "one number"),
    ],
    "checkpoints.count": [
        (lambda header: sum(math.prod(entry["shape"]) for entry in tensors_in(header)), "integers"),
        (lambda header: sum(math.prod(entry["shape"]) for entry in header.values()), "__metadata__"),
        (lambda header: sum(sum(e["shape"]) for e in tensors_in(header) if "F" in e["dtype"]), "multiply"),
        (lambda header: max(entry["data_offsets"][1] for entry in tensors_in(header)), "bytes"),
        (lambda header: len(tensors_in(header)), "how many tensors"),
        (lambda header: sum(math.prod(e["shape"]) for e in tensors_in(header) if e["dtype"] != "I64"), "BOOL"),
        (lambda header: sum(math.prod(e["shape"]) for e in tensors_in(header) if e["dtype"][0] == "F"), "BF16"),
    ],
    "checkpoints.strict": [
        (lambda wanted, found: sorted(wanted) == sorted(found), "yes or no"),
        (lambda wanted, found: (set(found) - set(wanted), set(wanted) - set(found)), "wrong way round"),
        (lambda wanted, found: (set(wanted) - set(found), []), "left over"),
        (lambda wanted, found: ([], set(found) - set(wanted)), "not there"),
        (lambda wanted, found: [set(wanted) ^ set(found)] * 2, "take the two sides apart"),
        (lambda wanted, found: (wanted, found), "leave out"),
        (lambda wanted, found: ("key", "query"), "list of names"),
        (lambda wanted, found: (["query"], ["query"]), "should be"),
    ],
    "checkpoints.split_heads": [
        (lambda matrix, heads: matrix.reshape(matrix.shape[1], heads, -1), "transpose first"),
        (lambda matrix, heads: matrix.reshape(heads, -1, matrix.shape[1]), "inputs must come first"),
        (lambda matrix, heads: matrix.T.reshape(matrix.shape[1], -1, heads), "swapped"),
        (lambda matrix, heads: matrix.T.reshape(matrix.shape[1], -1, heads).transpose(0, 2, 1), "cards"),
        (lambda matrix, heads: matrix.T, "one step is left"),
        (lambda matrix, heads: matrix, "as it came"),
    ],
    "checkpoints.pack": [
        (lambda tensors: packed(tensors)[8:], "how long it is"),
        (lambda tensors: packed(tensors, order=">Q"), "wrong way round"),
        (lambda tensors: packed(tensors, own=8), "its own eight bytes"),
        (lambda tensors: packed(tensors, own=10**6), "only"),
        (lambda tensors: packed(tensors, dtype="float32"), "'F32'"),
        (from_the_start_of_the_file, "end of the header"),
        (lambda tensors: packed(tensors, moving=0), "same offset"),
        (lambda tensors: packed(tensors) + bytes(3), "should follow"),
        (lambda tensors: packed(tensors, rows=lambda row: row[::-1]), "tobytes"),
        (packed_by_letters, "letters"),
        (lambda tensors: packed({"cat": tensors.get("cat", np.zeros(2, "float32"))}), "should name"),
        (lambda tensors: str(packed(tensors)), "bytes are wanted"),
    ],
    "visualize_attention.bits": [
        (64, "how many tokens"),
        (1, "64"),
        (math.log(64), "base 2"),
        (-6, "sign"),
        (1 / 64, "share of each"),
        (32, "halve"),
        ([6], "one number"),
        (5, "expected 6"),
    ],
    "visualize_attention.looks_back": [
        (lambda a: neighbours(a, 1), "ahead by one"),
        (lambda a: neighbours(a, 0), "itself"),
        (lambda a: neighbours(a, -1)[::-1], "layer comes first"),
        (lambda a: neighbours(a, -1, flat=True), "one long list"),
        (lambda a: np.unravel_index(a[..., 0].mean(axis=-1).argmax(), a.shape[:2]), "first token"),
        (lambda a: neighbours(a, -1, start=0), "Begin with row 1"),
        (lambda a: a.mean(axis=-1), "shape"),
    ],
    "visualize_attention.row_to_bytes": [
        (lambda row: packed_row(row, low=0, high=1), "plain steps"),
        (lambda row: (*packed_row(row)[:2], [round(255 * share) for share in row]), "own steps"),
        (lambda row: packed_row(row, whole=int), "round to the nearest"),
        (lambda row: packed_row(row, whole=float), "whole number"),
        (lambda row: packed_row(row, low=0), "smallest share"),
        (lambda row: packed_row(row, steps=256), "not 256"),
        (lambda row: packed_row(row, steps=1), "255th"),
        (lambda row: [packed_row(row)[i] for i in (1, 0, 2)], "wrong way round"),
        (lambda row: packed_row(row, careful=False), "step is 0"),
        (lambda row: packed_row(row)[2], "three things"),
        (lambda row: (0, 0, [0] * len(row)), "low should be"),
    ],
    "visualize_attention.rollout": [
        (lambda layers: rolled(layers, lambda p, r: r @ p), "turned round"),
        (lambda layers: rolled(2 * layers - np.eye(5), lambda p, r: p @ r), "half that stays"),
        (lambda layers: rolled(layers, lambda p, r: 2 * p @ r), "rows sum to 8"),
        (lambda layers: layers.mean(axis=0), "mean of the layers"),
        (lambda layers: rolled(layers, lambda p, r: p * r), "number by number"),
        (lambda layers: rolled(layers[-1:], lambda p, r: p @ r), "last layer alone"),
        (lambda layers: rolled(layers[:1], lambda p, r: p @ r), "inside of the loop"),
        (lambda layers: layers, "shape [5, 5]"),
    ],
    "visualize_attention.brought_home": [
        (lambda p, v, w: np.linalg.norm(p @ v, axis=-1).mean(axis=-1), "output matrix"),
        (lambda p, v, w: np.linalg.norm((p @ v @ w).mean(axis=1), axis=-1), "length first"),
        (lambda p, v, w: np.linalg.norm(p @ v @ w, axis=-1), "each token"),
        (lambda p, v, w: np.linalg.norm(p @ v @ w, axis=-1).sum(axis=-1), "sums over"),
        (lambda p, v, w: np.linalg.norm(p @ v @ w, axis=-1).mean(axis=0), "over heads"),
        (lambda p, v, w: ((p @ v @ w) ** 2).sum(axis=-1).mean(axis=-1), "square root"),
        (lambda p, v, w: np.linalg.norm((p @ v @ w).sum(axis=0), axis=-1), "added up"),
        (lambda p, v, w: (p @ np.linalg.norm(v, axis=-1)[..., None]).mean(axis=(1, 2)), "cancel"),
        (lambda p, v, w: p @ v @ w, "vectors themselves"),
    ],
    "attention.softmax_by_hand": [
        (np.exp, "sum"),
        (normalized, "raise e"),
        (lambda x: softmax(-np.array(x)), "turned round"),
        (lambda x: softmax(np.array(x)), "overflow"),
        (lambda x: sum(x), "one number"),
    ],
    "attention.scaled_products": [
        (logits, "1/sqrt(H)"),
        (lambda q, k: logits(q, k) / 5, "square root"),
        (lambda q, k: logits(k, q) / 5**0.5, "swapped"),
        (lambda q, k: softmax(logits(q, k) / 5**0.5), "after the softmax"),
    ],
    "attention.mix": [
        (lambda scores, values: np.tile(np.mean(values, axis=0), (len(scores), 1)), "plain mean"),
        (lambda scores, values: np.array(values)[np.argmax(scores, axis=1)], "most only"),
        (lambda scores, values: (np.array(scores) @ values).T, "swapped"),
    ],
    "attention.masked_softmax_by_hand": [
        (lambda x, mask: softmax(np.array(x)) * mask, "after the softmax"),
        (lambda x, mask: softmax(np.array(x) * mask), "e^0 is 1"),
        (lambda x, mask: softmax(np.array(x)), "no effect"),
        (lambda x, mask: softmax(np.array(x) - 1e9 * np.array(mask)), "turned round"),
    ],
    "attention.attend": [
        (lambda q, k, v: softmax(q @ k.T / 5**0.5, axis=0) @ v, "wrong axis"),
        (lambda q, k, v: softmax(q @ k.T) @ v, "1/sqrt(H)"),
        (lambda q, k, v: softmax(q @ k.T / 5**0.5), "one step is left"),
        (lambda q, k, v: (q @ k.T / 5**0.5) @ v, "no softmax"),
        (lambda q, k, v: softmax(q @ k.T / 5**0.5) @ k, "mix the values"),
    ],
}


def run(code, wanted):
    space = {}
    exec(compile(code, "<exercise>", "exec"), space)
    return space[wanted]


def said(capsys, name, answer):
    check(name, answer)
    return capsys.readouterr().out


def test_every_exercise_has_wrong_answers_here():
    assert set(WRONG) == set(names())
    for chapter, least in {"start_here": 3, "attention": 4, "checkpoints": 4, "visualize_attention": 5}.items():
        assert sum(name.startswith(f"{chapter}.") for name in WRONG) >= least
    assert all(len(answers) >= 3 for answers in WRONG.values())


@pytest.mark.parametrize("name", WRONG)
def test_blank_is_not_yet(name, capsys):
    task = exercise._all()[name]
    out = said(capsys, name, run(task.blank, task.answer))
    assert out.startswith("Not yet: ")
    assert "dots" in out


@pytest.mark.parametrize("name", WRONG)
def test_its_own_solution_is_correct(name, capsys):
    task = exercise._all()[name]
    assert said(capsys, name, run(task.solution, task.answer)) == f"Correct: {task.correct}\n"


@pytest.mark.parametrize(("name", "answer", "word"), [(name, *pair) for name, pairs in WRONG.items() for pair in pairs])
def test_wrong_answers_get_the_reason_that_fits(name, answer, word, capsys):
    out = said(capsys, name, answer)
    assert out.startswith("Not yet: ")
    assert word in out


class Hostile:
    """Raises at whatever is done with it."""

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
def test_nothing_that_is_passed_raises(name, kind, capsys):
    assert said(capsys, name, NONSENSE[kind]).startswith("Not yet: ")


def test_reasons_for_what_is_no_answer(capsys):
    assert "None" in said(capsys, "attention.mix", lambda s, v: None)
    assert "ZeroDivisionError: by zero" in said(capsys, "attention.mix", raising(ZeroDivisionError("by zero")))
    assert "calls itself" in said(capsys, "attention.mix", endless)
    assert "NaN" in said(capsys, "attention.mix", lambda s, v: np.full((3, 5), np.nan))
    assert "[3, 5]" in said(capsys, "attention.mix", lambda s, v: np.zeros((5, 3)))
    assert "without brackets" in said(capsys, "attention.mix", [[1.0]])


def test_stopping_an_endless_answer_is_no_error(capsys):
    assert "stopped before" in said(capsys, "attention.mix", raising(KeyboardInterrupt()))


def test_an_answer_cannot_spoil_the_question(capsys):
    def spoil(q, k, v):
        q[:] = 0
        return q

    said(capsys, "attention.attend", spoil)
    task = exercise._all()["attention.attend"]
    assert said(capsys, "attention.attend", run(task.solution, "attend")).startswith("Correct")


def test_tensors_of_the_backend_are_answers(capsys):
    from keras import ops

    assert said(capsys, "start_here.heads", ops.array(72)).startswith("Correct")

    def attend(*arrays):
        q, k, v = (ops.array(array, dtype="float32") for array in arrays)
        return ops.matmul(ops.softmax(ops.matmul(q, ops.transpose(k)) / 5**0.5), v)

    out = said(capsys, "attention.attend", attend)
    assert out.startswith("Correct")


@pytest.mark.peers
def test_torch_tensors_with_gradients_are_answers(capsys):
    torch = pytest.importorskip("torch")
    assert said(capsys, "start_here.heads", torch.tensor(72.0, requires_grad=True)).startswith("Correct")


@pytest.mark.parametrize("function", [check, hint, solution])
@pytest.mark.parametrize("name", ["attention.nothing", "", 3, None, "x" * 10_000])
def test_an_unknown_name_lists_the_names(function, name, capsys):
    function(name)
    out = capsys.readouterr().out
    assert out.startswith("There is no exercise")
    assert len(out) < 1000
    assert all(known in out for known in names())


def test_solution_comes_after_two_hints(capsys, monkeypatch):
    monkeypatch.setattr(exercise, "_hints_given", {})
    name = "attention.mix"
    task = exercise._all()[name]
    out = []
    for step in (solution, hint, solution, hint, hint, solution):
        step(name)
        out.append(capsys.readouterr().out)
    assert "two hints first" in out[0]
    assert f"Hint 1 of 2: {task.hints[0]}" in out[1]
    assert "one more hint first" in out[2]
    assert all(f"Hint 2 of 2: {task.hints[1]}" in text for text in out[3:5])
    assert all(line in out[5] for line in task.solution.splitlines())
    assert not any("def mix" in text for text in out[:5])


@pytest.mark.parametrize("name", WRONG)
def test_hints_do_not_hold_the_solution(name):
    task = exercise._all()[name]
    assert len(task.hints) == 2
    assert not any(line.strip() in hint for hint in task.hints for line in task.solution.splitlines() if line.strip())


def shown(capsys, *arguments, **options):
    show_source(*arguments, **options)
    headline, *rows = capsys.readouterr().out.splitlines()
    return headline, {int(row.split()[0]): row.lstrip(" 0123456789")[0:] for row in rows}


def test_show_source_leaves_out_docstrings_and_keeps_line_numbers(capsys):
    headline, rows = shown(capsys, attention.masked_softmax)
    with open(attention.__file__, encoding="utf-8") as file:
        lines = file.read().splitlines()
    first = next(i for i, line in enumerate(lines, 1) if line.startswith("def masked_softmax"))
    assert headline.startswith(f"bertedu/attention.py, lines {first} to ")
    assert all(rows[number] == lines[number - 1].strip() for number in rows)
    assert not any('"""' in row for row in rows.values())
    _, with_docstring = shown(capsys, attention.masked_softmax, docstring=True)
    assert '"""' in with_docstring[first + 1]
    assert len(with_docstring) > len(rows)


def test_show_source_of_method_class_instance_and_module(capsys):
    headline, rows = shown(capsys, attention.MultiHeadAttention.call)
    assert any("project(query, self.query_dense)" in row for row in rows.values())
    headline, rows = shown(capsys, attention.MultiHeadAttention)
    assert not any('"""' in row for row in rows.values())
    assert shown(capsys, attention.MultiHeadAttention(1, 2)) == (headline, rows)
    headline, rows = shown(capsys, attention)
    assert headline.startswith("bertedu/attention.py, lines 1 to ")


def test_show_source_without_source_says_so():
    for thing in (len, 3, types.SimpleNamespace()):
        with pytest.raises(TypeError, match="no Python source"):
            show_source(thing)


def test_show_source_in_a_notebook_is_coloured_and_readable_as_text(monkeypatch):
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
