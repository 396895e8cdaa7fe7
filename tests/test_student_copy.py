"""Notebooks for a class: no solution stays, nothing else goes, and nothing is lost or half written."""

import copy
import json
import re
from pathlib import Path

import nbformat
import pytest

from bertedu import cli
from bertedu.course import notebook as notebooks
from bertedu.course import student_copy
from bertedu.course.exercises import EXERCISES

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def markdown(text):
    return {"cell_type": "markdown", "id": "m", "metadata": {}, "source": text.splitlines(keepends=True)}


def code(text, **extra):
    outputs = [{"output_type": "stream", "name": "stdout", "text": ["72"]}]
    cell = {"cell_type": "code", "id": "c", "metadata": {}, "execution_count": 3, "outputs": outputs}
    return {**cell, "source": text.splitlines(keepends=True), **extra}


def notebook(*cells):
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {"mine": 1}, "cells": list(cells)}


def sources(made):
    return ["".join(cell["source"]) for cell in made["cells"]]


def copied(*cells, **options):
    return sources(student_copy.without_solutions(notebook(*cells), **options))


@pytest.fixture
def chapter(tmp_path):
    """A folder with one small notebook."""
    folder = tmp_path / "own"
    folder.mkdir()
    path = folder / "01_small.ipynb"
    path.write_text(json.dumps(notebook(markdown("# Title"), code("1 + 1"), markdown("## Solutions\n\n2"))))
    return path


# -- the real chapters -------------------------------------------------------------------------------------------------


def test_diagrams_are_copied_along(tmp_path, chapter):
    (chapter.parent / "diagrams").mkdir()
    (chapter.parent / "diagrams" / "head.svg").write_text("<svg/>")
    (chapter.parent / "diagrams" / "other.svg").write_text("<svg/>")
    chapter.write_text(json.dumps(notebook(markdown("![a](diagrams/head.svg) ![b](diagrams/gone.svg)"))))
    student_copy.write([chapter], tmp_path / "class")
    assert [path.name for path in (tmp_path / "class" / "diagrams").iterdir()] == ["head.svg"]


@each_notebook
def test_no_solution_and_no_output_is_left(path):
    made = student_copy.without_solutions(notebooks.read(path))
    nbformat.validate(nbformat.from_dict(made))
    text = "\n".join(sources(made))
    assert not re.search(r"^## Solutions|^\s*solution\(|`solution`|<details>\s*<summary>Exercise", text, re.MULTILINE)
    assert not re.search(r"import .*\bsolution\b", text)
    for name, task in EXERCISES.items():
        assert task.solution not in text, name
    for cell in made["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None


@each_notebook
def test_everything_else_is_unchanged(path):
    before = notebooks.read(path)
    names = {other.name for other in NOTEBOOKS}
    after = student_copy.without_solutions(before, names)
    sources = {cell["id"]: "".join(cell["source"]) for cell in after["cells"]}
    changed = []
    for cell in before["cells"]:
        text = "".join(cell["source"])
        if sources.get(cell["id"]) != student_copy.without_links(text, names):
            changed.append(text)
    assert all("solution" in text.lower() for text in changed)
    assert len(changed) <= 5  # the import, the sentences about `solution`, its call, the section
    chapter = path.stem.split("_", 1)[1]
    tasks = [name for name in EXERCISES if name.startswith(f"{chapter}.")]
    assert tasks
    for name in tasks:
        assert sum(f'check("{name}"' in text for text in sources.values()) == 1


@each_notebook
def test_the_remaining_code_compiles_without_the_removed_names(path):
    made = student_copy.without_solutions(notebooks.read(path))
    for cell in made["cells"]:
        if cell["cell_type"] == "code":
            source = "".join(cell["source"])
            code_names = compile(source, path.name, "exec").co_names
            assert "solution" not in code_names


# -- piece by piece ----------------------------------------------------------------------------------------------------


def test_the_section_is_removed_across_cells():
    cells = [
        markdown("## Last words\n\nBye.\n\n## Solutions\n\nNow:"),
        code("answer = 42"),
        markdown("```python\n# not a heading\n## Solutions too\nassert 42\n```\n"),
        markdown("### Exercise 1\n\n42\n\n## Appendix\n\nMore."),
    ]
    assert copied(*cells) == ["## Last words\n\nBye.", "## Appendix\n\nMore."]


def test_a_comment_in_code_ends_no_section_and_a_word_begins_none():
    cells = ["## Solutions to big problems\n\nx", "The solutions are below."]
    assert copied(*map(markdown, cells)) == cells
    assert copied(markdown("## About\n\n```\n## Solutions\n```\n")) == ["## About\n\n```\n## Solutions\n```"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('hint("a.b")\nsolution("a.b")', 'hint("a.b")'),
        ('solution("a.b")  # now', None),
        (
            "from bertedu.course import check, hint, solution",
            "from bertedu.course import check, hint",
        ),
        ("from bertedu.course import solution, hint", "from bertedu.course import hint"),
        ("solution = 3\nprint(solution)", "solution = 3\nprint(solution)"),
    ],
)
def test_only_calls_are_removed(before, after):
    assert copied(code(before)) == ([after] if after else [])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("`hint` helps twice; then `solution`\nopens.", "`hint` helps twice."),
        ("Stuck? `hint` helps. After that, `solution` shows it; before, it waits:", "Stuck? `hint` helps."),
        ("A salt solution. No change.", "A salt solution. No change."),
    ],
)
def test_prose_promises_no_solution(before, after):
    assert copied(markdown(before)) == [after]


def test_a_filled_exercise_is_handed_out_blank():
    filled = 'heads = 6 * 12  # mine\n\ncheck("start_here.heads", heads)'
    assert copied(code(filled)) == ['heads = ...\n\ncheck("start_here.heads", heads)']
    again = 'heads = ...\nheads = 72\n\ncheck("start_here.heads", heads)'
    assert copied(code(again)) == ['heads = ...\n\ncheck("start_here.heads", heads)']
    own = 'x = 1\ncheck("my.own", x)'
    assert copied(code(own)) == [own]


def test_links_to_other_notebooks_become_text():
    text = "[next](04_x.ipynb) and [part](03_y.ipynb#here), [paper](https://arxiv.org/abs/1), ![p](x.png), [up](#top)"
    (made,) = copied(markdown(text), names={"03_y.ipynb"})
    assert made == text.replace("[next](04_x.ipynb)", "next")


def test_a_link_is_a_file_s_unless_it_names_a_scheme_and_may_have_an_escaped_name():
    text = "[a](ftp://x/y), [b](//host/y), [c](data:text/plain,x), [d](my%20notes.ipynb), [[e]](x.md), `f[0]`(y)"
    assert copied(markdown(text), names={"my notes.ipynb"}) == [text]


@pytest.mark.parametrize("piece", ["[", "[a](", "[a](b", "[a](b#", "[a](b#c", "[a](x:", "![a](", "[a]", "(", "[a](b) "])
def test_links_are_found_in_linear_time(piece):
    text = piece * (2_000_000 // len(piece))  # where a character is read again for each bracket, this takes hours
    assert student_copy.without_links(text) == ("a " * (len(text) // 7) if piece == "[a](b) " else text)


def test_only_lines_end_lines():
    text = 'x = "a\u2028b\x0cc"\n'
    assert copied(code(text)) == [text]


def test_the_original_is_not_changed():
    original = notebook(markdown("## Solutions"), code('solution("a.b")'))
    before = copy.deepcopy(original)
    student_copy.without_solutions(original)
    assert original == before


# -- files -------------------------------------------------------------------------------------------------------------


def test_nothing_is_overwritten_unless_forced(chapter, tmp_path):
    folder = tmp_path / "class"
    (written,) = student_copy.write([chapter], folder)
    written.write_text("a student's work")
    (folder / "other.txt").write_text("stays")
    with pytest.raises(FileExistsError, match=r"01_small.ipynb already.*--force"):
        student_copy.write([chapter], folder)
    assert written.read_text() == "a student's work"
    student_copy.write([chapter], folder, force=True)
    assert "Title" in written.read_text()
    assert (folder / "other.txt").read_text() == "stays"


def test_a_failure_changes_nothing(chapter, tmp_path, monkeypatch):
    second = chapter.with_name("02_second.ipynb")
    second.write_text(chapter.read_text())
    folder = tmp_path / "class"
    folder.mkdir()
    calls = []

    def full(path, content):
        calls.append(path)
        if len(calls) == 2:
            raise OSError("disk full")
        return real(path, content)

    real = Path.write_bytes
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="disk full"):
        student_copy.write([chapter, second], folder)
    assert list(folder.iterdir()) == []


def test_the_notebooks_themselves_are_never_replaced(chapter):
    before = chapter.read_text()
    with pytest.raises(ValueError, match="another folder"):
        student_copy.write([chapter], chapter.parent, force=True)
    assert chapter.read_text() == before


@pytest.mark.parametrize("content", ["", "[]", "not json", '{"cells": 3}', '{"cells": [], "nbformat": 3}'])
def test_invalid_notebooks_are_named_and_nothing_is_written(tmp_path, content):
    broken = tmp_path / "broken.ipynb"
    broken.write_text(content)
    with pytest.raises(ValueError, match=r"broken.ipynb: expected"):
        student_copy.write([broken], tmp_path / "class")
    assert not (tmp_path / "class").exists()


def test_a_file_instead_of_a_folder_is_named(chapter, tmp_path):
    (tmp_path / "class").write_text("")
    with pytest.raises(NotADirectoryError, match="class: expected a folder"):
        student_copy.write([chapter], tmp_path / "class")


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_command_writes_copies_and_prints_their_paths(tmp_path, capsys):
    assert cli.main(["student-copy", str(tmp_path / "class"), "--only", "03", "--only", "03_attention"]) == 0
    assert {path.name for path in (tmp_path / "class").iterdir()} == {"03_attention.ipynb", "diagrams"}
    assert "without solutions: 1." in capsys.readouterr().out
    assert cli.main(["student-copy", str(tmp_path / "class")]) == 1
    assert "03_attention.ipynb already" in capsys.readouterr().err
    assert cli.main(["student-copy", str(tmp_path / "class"), "--force"]) == 0
    assert sorted(path.name for path in (tmp_path / "class").glob("*.ipynb")) == [path.name for path in NOTEBOOKS]


def test_a_mistake_is_one_line(tmp_path, capsys):
    assert cli.main(["student-copy", str(tmp_path), "--only", "77"]) == 1
    assert "'77': no notebook matches" in capsys.readouterr().err
    assert cli.main(["student-copy", str(NOTEBOOKS[0].parent), "--force"]) == 1
    assert "another folder" in capsys.readouterr().err


def test_help_says_what_is_removed_and_what_stays(capsys):
    with pytest.raises(SystemExit):
        cli.main(["student-copy", "--help"])
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("omit", "stay", "--force", "--only", "not for exams", "examples:"))
