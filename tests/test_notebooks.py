"""The form of every chapter; what its cells compute is run and compared by nbval (`bertedu test`)."""

import ast
import importlib
import re
from pathlib import Path

import nbformat
import pytest

import bertedu
from bertedu import course
from bertedu.course.exercises import EXERCISES

FOLDER = Path(__file__).parent.parent / "notebooks"
PATHS = [*sorted(FOLDER.glob("*.ipynb")), *sorted(FOLDER.glob("labs/*.ipynb"))]
MAX_BYTES = 1_000_000
FENCED = re.compile(r"```python\n(.*?)```", re.S)
LINKS = re.compile(r"\]\(([^)\s]+)\)")

pytestmark = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def cells(path, kind):
    return [cell for cell in read(path).cells if cell.cell_type == kind]


def outputs(path):
    return [output for cell in cells(path, "code") for output in cell.outputs]


def python(source):
    """A cell's source without what only IPython reads."""
    return "\n".join(line for line in source.splitlines() if not line.startswith(("%", "!")))


def bound_names(source):
    """Names that a cell defines or assigns; an import binds too, but what it binds is not redefined."""
    for node in ast.walk(ast.parse(python(source))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def tasks(path):
    chapter = path.stem.split("_", 1)[1]
    return {name: task for name, task in EXERCISES.items() if name.split(".")[0] == chapter}


def test_the_file_is_valid_and_small(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert path.stat().st_size < MAX_BYTES
    assert notebook.metadata.kernelspec == {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    }
    assert "widgets" not in notebook.metadata


def test_code_cells_are_short_and_never_three_in_a_row(path):
    assert max(len(cell.source.splitlines()) for cell in cells(path, "code")) <= 15
    kinds = "".join(cell.cell_type[0] for cell in read(path).cells)
    assert "ccc" not in kinds


def test_there_is_one_title_and_one_setup_cell(path):
    first, second, *rest = read(path).cells
    lab = "Lab " if path.parent.name == "labs" else ""
    assert first.source.startswith(f"# {lab}{int(path.stem.split('_')[0])} · ")
    assert sum(cell.source.startswith("# ") for cell in cells(path, "markdown")) == 1
    assert second.cell_type == "code"
    imports = [cell for cell in cells(path, "code") if re.search(r"^\s*(import|from) ", cell.source, re.M)]
    assert imports == [second]


def test_nothing_is_hidden(path):
    for cell in cells(path, "code"):
        assert "%%capture" not in cell.source
        assert "filterwarnings" not in cell.source
        assert "simplefilter" not in cell.source
        assert "NBVAL" not in cell.source.upper()  # a tag of the cell: nbval-check-output


def test_no_public_name_is_redefined(path):
    public = {*bertedu.__all__, *course.__all__, "be", "plots"}
    for cell in cells(path, "code"):
        assert not public & set(bound_names(cell.source)), cell.source


def test_outputs_are_stored_and_hold_no_error_and_no_widget(path):
    assert [cell.execution_count for cell in cells(path, "code")] == list(range(1, len(cells(path, "code")) + 1))
    for output in outputs(path):
        assert output.output_type != "error"
        assert output.get("name") != "stderr", output.text
        assert not any("widget" in kind for kind in output.get("data", {}))


def test_every_picture_has_words_and_is_shown_once(path):
    pictures = [output for output in outputs(path) if "image/png" in output.get("data", {})]
    assert pictures
    for picture in pictures:
        words = picture.metadata["image/png"]["alt"]
        assert words.strip()
        assert picture.data["text/plain"] == words
        assert "<Figure" not in words
    for cell in cells(path, "code"):
        shown = [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]
        assert len(shown) == len(set(shown))
        assert not any("<Axes" in str(output.get("data", {})) for output in cell.outputs)
    for cell in cells(path, "markdown"):
        assert "![](" not in cell.source


def test_cells_that_draw_really_drew(path):
    for cell in cells(path, "code"):
        if re.search(r"^plots\.|\.show\(\)", cell.source, re.M):
            assert any("image/png" in output.get("data", {}) for output in cell.outputs), cell.source


def test_questions_to_remember_come_before_the_solutions(path):
    text = "\n".join(cell.source for cell in cells(path, "markdown"))
    (asked,) = re.findall(r"^## Do you remember\?$(.*?)^## ", text, re.M | re.S)
    summaries = re.findall(r"<summary>(.*?)</summary>", asked, re.S)
    assert summaries and len(summaries) == asked.count("<details>") == asked.count("</details>")
    assert not [summary for summary in summaries if re.search(r"[`*]", summary)]  # within HTML they stay as they are
    assert text.index("## Do you remember?") < text.index("## Solutions")


def test_links_lead_somewhere(path):
    for cell in cells(path, "markdown"):
        for link in LINKS.findall(cell.source):
            assert not link.startswith("#"), "JupyterLab, GitHub and the book have three names for a heading"
            assert link.startswith("https://") or (path.parent / link.split("#")[0]).exists(), link


def test_nothing_of_this_machine_is_in_it(path):
    text = path.read_text(encoding="utf-8")
    for trace in (str(Path.home()), str(FOLDER.parent), "/home/", "/tmp/", "site-packages"):
        assert trace not in text


def test_every_exercise_of_the_chapter_is_there_blank_and_checked(path):
    sources = [cell.source for cell in cells(path, "code")]
    for name, task in tasks(path).items():
        (cell,) = [source for source in sources if f'check("{name}"' in source]
        assert cell.startswith(task.blank)
        assert cell.endswith(f'check("{name}", {task.answer})')


def test_every_solution_is_there_collapsed_and_true(path):
    last = read(path).cells[-1].source
    assert last.startswith("## Solutions")
    assert last.count("<details>") == last.count("</details>") == len(tasks(path))
    codes = FENCED.findall(last)
    for (name, task), code in zip(tasks(path).items(), codes, strict=True):
        assert code.startswith(task.solution), name
        assert re.search(r"^assert .*\Z", code.strip(), re.M), name
        space = {"np": importlib.import_module("numpy")}
        exec(compile(code, name, "exec"), space)
