"""The lists of words that are not the field's, and of all messages: what they find, and what they leave alone."""

import json

import pytest

from tools import check_words, list_messages


@pytest.mark.parametrize(
    ("name", "source", "found"),
    [
        ("a.py", "def guesser(x):\n    return x\n", [(1, "guesser")]),
        ("a.py", "real_shares = toOurs = 1\n", [(1, "real_shares"), (1, "toOurs")]),
        ("a.py", "places = not_found = 1\n", [(1, "places")]),
        ("a.py", '"""One.\n\nWhoever looks at it is sure."""\n', [(3, "Whoever"), (3, "looks at"), (3, "sure")]),
        ("a.py", "x = 1  # make sure to replace it in place of the other\n", []),
        ("a.js", "const keyPlaces = 1; // by lot\n", [(1, "by lot")]),
        ("a.css", ".likeness { color: red }\n", [(1, "likeness"), (1, "likeness")]),
        ("a.md", "The guesser\nis a masked-LM model.\n", [(1, "guesser")]),
        ("a.py", "head_colour = MIN_LABELLED = 1\n", [(1, "colour"), (1, "LABELLED")]),
        (
            "a.md",
            "It recognises\nthe centre, unlike emphasis, realism, aria-labelledby.\n",
            [(1, "recognises"), (2, "centre")],
        ),
    ],
)
def test_words_are_found_with_their_line(tmp_path, name, source, found):
    path = tmp_path / name
    path.write_text(source)
    assert sorted((line, text) for line, text, _ in check_words.findings(path)) == sorted(found)


def test_only_the_code_of_a_notebook_is_read(tmp_path):
    cells = [
        {"cell_type": "markdown", "source": ["the guesser"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "guesser = 1"]},
    ]
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    assert [(line, text) for line, text, _ in check_words.findings(path)] == [(1, "guesser")]


SPELLED = (  # what lint does not check, and the prose of the chapters
    *(
        path
        for folder in ("tests", "tools", "benchmarks", "data")
        for path in (check_words.ROOT / folder).rglob("*.py")
    ),
    *(path for folder in ("tests", "benchmarks", "data") for path in (check_words.ROOT / folder).rglob("*.md")),
    *(check_words.ROOT / "notebooks").rglob("*.ipynb"),
    check_words.ROOT / "CHANGELOG.md",
)


@pytest.mark.parametrize("path", SPELLED, ids=lambda path: path.relative_to(check_words.ROOT).as_posix())
def test_everything_else_is_in_american_english_too(path):
    if path.name in ("check_words.py", "test_words.py"):
        return  # they contain the spellings
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
    assert list(check_words.british(text)) == []


@pytest.mark.parametrize("entry", check_words.ALLOWED)
def test_each_exception_is_still_needed(entry):
    name, part = entry
    path = check_words.ROOT / name
    source = path.read_text(encoding="utf-8")
    assert part in (check_words.code_of(source) if path.suffix == ".ipynb" else source)


def test_messages_are_listed_with_their_values_in_braces(tmp_path, capsys, monkeypatch):
    path = tmp_path / "a.py"
    path.write_text('raise ValueError(f"size: expected 1, got {size!r}. "\n    "Choose 1.")\n')
    monkeypatch.setattr("sys.argv", ["list_messages", str(path)])
    list_messages.main()
    assert capsys.readouterr().out.strip() == f"{path}:1: ValueError: size: expected 1, got {{size}}. Choose 1."
