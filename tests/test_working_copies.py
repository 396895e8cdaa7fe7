"""`bertedu lab`: working copies without outputs, which are never replaced."""

import json
from pathlib import Path

import nbformat
import pytest

from bertedu.cli import working_copies

CHAPTERS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


def write(path, source, output="72"):
    cell = nbformat.v4.new_code_cell(source, id="c", execution_count=1)
    cell.outputs = [nbformat.v4.new_output("stream", text=output)]
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)


def sources(folder):
    return {path.name: json.loads(path.read_text())["cells"][0]["source"] for path in sorted(folder.glob("*.ipynb"))}


@pytest.fixture
def chapter(tmp_path):
    """A course of one chapter with a drawing."""
    (tmp_path / "course" / "diagrams").mkdir(parents=True)
    (tmp_path / "course" / "diagrams" / "head.svg").write_text("<svg/>")
    write(tmp_path / "course" / "03_attention.ipynb", "1 + 1")
    return tmp_path / "course" / "03_attention.ipynb"


def test_copies_of_the_real_chapters_have_code_and_no_outputs(tmp_path):
    assert working_copies.update(CHAPTERS, tmp_path) == []
    for path in CHAPTERS:
        original, copy = (nbformat.read(file, as_version=4) for file in (path, tmp_path / path.name))
        nbformat.validate(copy)
        assert [cell.source for cell in copy.cells] == [cell.source for cell in original.cells]
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in copy.cells)
        for cell in copy.cells:
            for link in cell.source.split("](diagrams/")[1:]:
                assert (tmp_path / "diagrams" / link.partition(")")[0]).is_file()


def test_a_copy_is_kept_whatever_the_learner_did_to_it(chapter, tmp_path):
    folder = tmp_path / "new" / "copies"
    working_copies.update([chapter], folder)
    copy = folder / chapter.name
    changed = json.loads(copy.read_text())
    changed["cells"][0]["source"] = "my answer"
    copy.write_text(json.dumps(changed))
    assert working_copies.update([chapter], folder) == []
    assert sources(folder) == {"03_attention.ipynb": "my answer"}
    for text in ("", "no notebook", "[" * 100_000, '{"metadata": 3}', '{"metadata": {"bertedu": "x"}}'):
        copy.write_text(text)
        assert working_copies.update([chapter], folder) == []
        assert copy.read_text() == text


def test_a_changed_chapter_is_put_beside_once(chapter, tmp_path):
    folder = tmp_path / "copies"
    working_copies.update([chapter], folder)
    write(chapter, "1 + 1", output="other output")
    assert working_copies.update([chapter], folder) == []
    for source, name in (("2 + 2", "03_attention_2.ipynb"), ("3 + 3", "03_attention_3.ipynb")):
        write(chapter, source)
        assert working_copies.update([chapter], folder) == [folder / name]
        assert working_copies.update([chapter], folder) == []
        assert sources(folder)[name] == [source]
    assert sources(folder)["03_attention.ipynb"] == ["1 + 1"]


def test_a_deleted_copy_is_made_again(chapter, tmp_path):
    folder = tmp_path / "copies"
    working_copies.update([chapter], folder)
    (folder / chapter.name).rename(folder / "mine.ipynb")
    assert working_copies.update([chapter], folder) == []
    assert set(sources(folder)) == {"03_attention.ipynb", "mine.ipynb"}


def test_a_file_of_the_learner_with_the_name_of_a_chapter_stays(chapter, tmp_path):
    (tmp_path / "copies").mkdir()
    write(tmp_path / "copies" / chapter.name, "mine")
    assert working_copies.update([chapter], tmp_path / "copies") == []
    assert sources(tmp_path / "copies") == {"03_attention.ipynb": ["mine"]}


def test_drawings_come_along_and_follow_the_course(chapter, tmp_path):
    drawing = tmp_path / "copies" / "diagrams" / "head.svg"
    for text in ("<svg/>", "<svg><g/></svg>"):
        (chapter.parent / "diagrams" / "head.svg").write_text(text)
        working_copies.update([chapter], tmp_path / "copies")
        assert drawing.read_text() == text


def test_nothing_half_written_stays(chapter, tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError("no space left")

    monkeypatch.setattr(working_copies.os, "rename", fail)
    with pytest.raises(OSError, match="no space left"):
        working_copies.update([chapter], tmp_path / "copies")
    assert list((tmp_path / "copies").iterdir()) == []


def test_a_broken_chapter_is_named(chapter, tmp_path):
    chapter.write_text("{}")
    with pytest.raises(ValueError, match="03_attention.ipynb: expected a notebook"):
        working_copies.update([chapter], tmp_path / "copies")
