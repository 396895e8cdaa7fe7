"""Notebook files: every one that is read follows the format, or is refused by a message that names file and field."""

import copy
import json
import random

import nbformat
import pytest

from bertedu.course import colab, notebook, student_copy

STATE, VIEW = notebook.WIDGET_STATE, notebook.WIDGET_VIEW


def small():
    """A notebook of format 4.5 with every kind of cell and output."""
    result = {"data": {"text/plain": ["1"], "application/json": {"a": [1]}}, "metadata": {}, "execution_count": 1}
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": "1\n"},
        {"output_type": "execute_result", **result},
        {"output_type": "display_data", "data": {VIEW: {"model_id": "w"}, "image/png": "AA=="}, "metadata": {}},
        {"output_type": "error", "ename": "E", "evalue": "e", "traceback": ["t"]},
    ]
    code = {"cell_type": "code", "id": "c", "metadata": {"tags": ["a", "b"], "collapsed": False, "scrolled": "auto"}}
    code |= {"execution_count": 1, "source": ["x = 1\n", "x"], "outputs": outputs}
    picture = {"p.png": {"image/png": "AA=="}}
    markdown = {"cell_type": "markdown", "id": "m", "metadata": {"name": "n"}, "source": "[a](b.ipynb)\n\n## Solutions"}
    raw = {"cell_type": "raw", "id": "r", "metadata": {"format": "text/html"}, "source": ["<b>"]}
    metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python", "codemirror_mode": {"name": "ipython", "version": 3}},
        "widgets": {STATE: {"state": {"w": {"model_name": "M"}}, "version_major": 2, "version_minor": 0}},
        "colab": {"provenance": []},
    }
    cells = [markdown | {"attachments": picture}, code, raw]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}


@pytest.fixture
def read(tmp_path):
    """Write what is given (str, bytes, or anything JSON holds) as a notebook, and read that."""

    def read(content):
        path = tmp_path / "lesson.ipynb"
        content = content if isinstance(content, str | bytes) else json.dumps(content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return notebook.read(path)

    return read


def problems(content):
    """What nbformat's schema, which also knows that ids differ, says against a notebook."""
    errors = [error.message for error in nbformat.validator.iter_validate(content)]
    ids = [cell["id"] for cell in content["cells"]]
    return errors + (["ids"] if len(set(ids)) < len(ids) else [])


def copies(content):
    """The files that the two commands would write."""
    made = (student_copy.without_solutions(content), colab.make(content, "owner/name", "main", "x.ipynb"))
    return [json.loads(notebook.to_text(copy)) for copy in made]


# -- what is left out --------------------------------------------------------------------------------------------------


def test_a_notebook_that_follows_the_format_is_read_as_it_stands(read):
    assert problems(small()) == []
    assert read(small()) == small()


@pytest.mark.parametrize("minor", range(6))
def test_notebooks_of_each_minor_format_become_valid(read, minor):
    old = small() | {"nbformat_minor": minor}
    for cell in old["cells"]:
        if minor < 5:
            del cell["id"]
    content = read(old)
    assert [problems(made) for made in (content, *copies(content))] == [[], [], []]


def test_what_is_missing_and_may_be_empty_is_added(read):
    bare = small()
    del bare["metadata"]
    for cell in bare["cells"]:
        for name in ("metadata", "execution_count", "outputs"):
            cell.pop(name, None)
    bare["cells"].append({"cell_type": "code", "source": "", "outputs": [{"output_type": "display_data", "data": {}}]})
    content = read(bare)
    assert content["metadata"] == {} and content["cells"][1]["outputs"] == []
    assert [problems(made) for made in (content, *copies(content))] == [[], [], []]


def test_ids_that_occur_twice_are_new_and_the_others_stay(read):
    twice = small()
    twice["cells"][2]["id"] = "c"
    twice["cells"].append({"cell_type": "raw", "id": "cell-0", "metadata": {}, "source": ""})
    assert [cell["id"] for cell in read(twice)["cells"]] == ["m", "c", "cell-1", "cell-0"]


@pytest.mark.parametrize(
    "widgets",
    [
        {},
        {STATE: {}},
        {STATE: {"w": {"model_name": "M"}}},
        {"state": {}, "version": "1.1"},
        {STATE: {"version_major": 2}},
    ],
)
def test_a_state_of_widgets_is_what_nbconvert_renders(read, widgets, tmp_path):
    exporters = pytest.importorskip("nbconvert").exporters
    content = read(small() | {"metadata": {"widgets": copy.deepcopy(widgets)}})
    saved = content["metadata"]["widgets"][STATE]
    assert set(saved["state"]) == ({"w"} if "w" in widgets.get(STATE, {}) else set())
    made = tmp_path / "made.ipynb"
    made.write_text(notebook.to_text(copies(content)[1]))
    html, _ = exporters.HTMLExporter().from_filename(str(made))
    assert "Solutions" in html


# -- invalid notebooks -------------------------------------------------------------------------------------------------


def changed(*keys, value=...):
    """`small` with the value at `keys` replaced, or removed."""
    content = small()
    parent = content
    for key in keys[:-1]:
        parent = parent[key]
    if value is ...:
        del parent[keys[-1]]
    else:
        parent[keys[-1]] = value
    return content


OUTPUT = ("cells", 1, "outputs")


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (changed("nbformat", value=3), "nbformat 3"),
        (changed("nbformat_minor", value=6), "nbformat_minor"),
        (changed("nbformat_minor"), "nbformat_minor"),
        (changed("metadata", value=[]), "metadata"),
        (changed("metadata", "kernelspec", "name"), "metadata.kernelspec"),
        (changed("metadata", "widgets", STATE, "state", value=3), r"metadata.widgets\['application/vnd.*state"),
        (changed("metadata", "colab", value="x"), "metadata.colab"),
        (changed("worksheets", value=[]), "worksheets"),
        (changed("cells", 1, value="x"), r"cells\[1\]"),
        (changed("cells", 1, "cell_type", value="heading"), r"cells\[1\].cell_type.*heading"),
        (changed("cells", 1, "cell_type", value={}), r"cells\[1\].cell_type"),
        (changed("cells", 0, "source", value=["a", 1]), r"cells\[0\].source"),
        (changed("cells", 0, "source"), r"cells\[0\].*source"),
        (changed("cells", 0, "id", value="a b"), r"cells\[0\].id"),
        (changed("cells", 0, "outputs", value=[]), r"cells\[0\].*outputs"),
        (changed("cells", 0, "attachments", value={"p.png": "AA"}), r"cells\[0\].attachments"),
        (changed("cells", 1, "metadata", "tags", value=["a", "a"]), r"cells\[1\].metadata.tags"),
        (changed("cells", 1, "execution_count", value=True), r"cells\[1\].execution_count"),
        (changed(*OUTPUT, 0, "output_type", value="pyout"), r"cells\[1\].outputs\[0\].output_type.*pyout"),
        (changed(*OUTPUT, 1, "data", value={"text/plain": {}}), r"cells\[1\].outputs\[1\].data"),
        (changed(*OUTPUT, 2, "data", VIEW, "model_id"), r"cells\[1\].outputs\[2\].data.*model_id"),
        (changed(*OUTPUT, 3, "traceback", value="t"), r"cells\[1\].outputs\[3\].traceback"),
        (json.dumps(small()).replace('"n"', "NaN"), "NaN"),
        (json.dumps(small()).replace('"n"', "1e999"), "infinity"),
        (json.dumps(small()).replace('"n"', "[" * 101 + "]" * 101), "levels"),
        ("[" * 100_000, "nested"),
        (b"\xff\xfe{", "JSON"),
        ("", "JSON"),
        ("[]", "list"),
    ],
)
def test_a_damaged_notebook_is_refused_by_file_and_field(read, content, field):
    with pytest.raises(ValueError, match=rf"lesson.ipynb: .*{field}"):
        read(content)


def test_a_notebook_larger_than_the_limit_is_refused_unread(read, monkeypatch):
    monkeypatch.setattr(notebook, "NOTEBOOK_LIMIT", 1000)
    with pytest.raises(ValueError, match=r"lesson.ipynb: .*1,000 bytes"):
        read(json.dumps(small()) + " " * 1000)


def test_lone_surrogates_are_written_as_json_s_own_escapes(read):
    content = read(changed("cells", 0, "source", value="a\ud800b"))
    assert content["cells"][0]["source"] == "a\ud800b"
    written = [notebook.to_text(made).encode() for made in (content, *map(copy.deepcopy, copies(content)))]
    assert all(rb"a\ud800b" in text for text in written)


# -- mutants -----------------------------------------------------------------------------------------------------------

JUNK = [None, True, 0, -1, 1.5, "", "x\n", "\ud800", [], {}, [None], [[]], {"a": 1}, ["a", "a"], {"": {}}, 10**30]


def paths_in(value, keys=()):
    """Yield the path of keys to each value in a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*keys, key)
        yield from paths_in(item, (*keys, key))


def mutant(rng):
    """The bytes of `small` with one or two of its values or bytes changed."""
    content = small()
    for _ in range(rng.choice((1, 1, 2))):
        *keys, last = rng.choice(list(paths_in(content)))
        parent = content
        for key in keys:
            parent = parent[key]
        change = rng.randrange(4)
        if change == 0:
            del parent[last]
        elif change == 1 and isinstance(parent, dict):
            parent[rng.choice(["", "id", "outputs", "metadata", "data", "\ud800"])] = copy.deepcopy(rng.choice(JUNK))
        else:
            parent[last] = copy.deepcopy(rng.choice(JUNK))
    text = bytearray(json.dumps(content).encode())
    if rng.random() < 0.2:
        text[rng.randrange(len(text))] = rng.randrange(256)
    return bytes(text[: rng.randrange(len(text))] if rng.random() < 0.05 else text)


def test_a_mutant_is_read_as_valid_or_refused_by_name(read):
    outcomes = {"valid": 0, "refused": 0}
    for seed in range(200):
        try:
            content = read(mutant(random.Random(seed)))
        except ValueError as error:
            assert type(error) is ValueError and "lesson.ipynb: " in str(error), seed
            outcomes["refused"] += 1
            continue
        assert [problems(made) for made in (content, *copies(content))] == [[], [], []], seed
        outcomes["valid"] += 1
    assert min(outcomes.values()) > 20  # both are tried
