"""Notebooks for Colab: the wheel is valid, and the setup cell installs it without changing other packages."""

import ast
import base64
import csv
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import nbformat
import pytest

from bertedu import cli
from bertedu.course import colab, setup_cell, wheel
from bertedu.course import notebook as notebooks

ROOT = Path(__file__).parent.parent
CHAPTER = ROOT / "notebooks" / "03_attention.ipynb"
NEEDED = [*setup_cell.NEEDED, setup_cell.MODEL.split("==")[0]]


def sources(notebook):
    return ["".join(cell["source"]) for cell in notebook["cells"]]


@pytest.fixture(scope="module")
def built():
    return wheel.build_wheel()


@pytest.fixture(scope="module")
def carrying():
    """Chapter 3, with the package in it."""
    return colab.make(notebooks.read(CHAPTER))


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """Python of an environment that has pip and, by name only, whatever the setup cell asks for."""
    folder = tmp_path_factory.mktemp("machine")
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    (site,) = folder.glob("Lib/site-packages" if os.name == "nt" else "lib/python*/site-packages")
    for name in (*NEEDED, "numpy"):
        info = site / f"{name.replace('-', '_')}-0.0.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.0.1\n")
    return python


def run_cell(python, source, folder, before=""):
    """Run a cell's source as a program, without an index; return what came of it."""
    program = folder / "cell.py"
    program.write_text(before + source, encoding="utf-8")
    quiet = {**os.environ, "PIP_NO_INDEX": "1", "PYTHONPATH": ""}
    return subprocess.run([python, program], capture_output=True, text=True, env=quiet, cwd=folder, timeout=120)


# -- the wheel ---------------------------------------------------------------------------------------------------------


def test_the_wheel_is_the_same_every_time(built):
    assert wheel.build_wheel() == built


def test_the_record_of_the_wheel_is_correct(built):
    name, content = built
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert archive.testzip() is None
    (record,) = [entry for entry in archive.namelist() if entry.endswith(".dist-info/RECORD")]
    rows = list(csv.reader(io.StringIO(archive.read(record).decode())))
    assert [row[0] for row in rows] == archive.namelist()
    for path, digest, length in rows[:-1]:
        data = archive.read(path)
        assert len(data) == int(length)
        assert digest == "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    version = record.removeprefix("bertedu-").removesuffix(".dist-info/RECORD")
    assert name == f"bertedu-{version}-py3-none-any.whl"


def test_the_wheel_contains_the_package_without_large_assets(built):
    names = zipfile.ZipFile(io.BytesIO(built[1])).namelist()
    expected = {
        "__init__.py",
        "views/explorer.js",
        "views/head.css",
        "course/exercises/attention.py",
        "assets/data/reviews/train.tsv",
    }
    assert {f"bertedu/{name}" for name in expected} | {"bertedu_command.py"} <= set(names)
    assert not [name for name in names if re.search(r"__pycache__|\.pyc$|\.safetensors$|^tests|^data", name)]


def test_large_assets_are_left_out(tmp_path, monkeypatch):
    package = tmp_path / "bertedu"
    (package / "assets").mkdir(parents=True)
    (package / "assets" / "head.bin").write_bytes(bytes(wheel.LARGEST_ASSET + 1))
    (package / "assets" / "small.json").write_bytes(b"{}")
    (tmp_path / "bertedu_command.py").touch()
    monkeypatch.setattr(wheel, "PACKAGE", package)
    assert set(wheel.package_files()) == {"bertedu/assets/small.json", "bertedu_command.py"}


def test_the_embedded_wheel_is_small_and_unchanged(built):
    held, _ = colab.carried(*built)
    space = {}
    exec(held, space)
    carried = base64.b64decode("".join(space["WHEEL"].split()))
    assert len(carried) <= colab.MAX_CARRIED
    assert setup_cell.read_carried(space["WHEEL"], space["WHEEL_SHA256"]) == built[1]


def test_a_package_too_large_for_a_cell_is_refused():
    with pytest.raises(ValueError, match=r"package: expected at most"):
        colab.carried("x.whl", os.urandom(colab.MAX_CARRIED + 1))


def test_pip_installs_it_and_it_runs_from_there(built, tmp_path):
    file = tmp_path / built[0]
    file.write_bytes(built[1])
    target = tmp_path / "there"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(target)]
    done = subprocess.run([*command, str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    script = """
import bertedu as be
from bertedu import course
from bertedu.course import wheel
print(be.__file__)
print(len(be.load_texts("reviews", split="train").texts), len(course.names()) > 10)
print(wheel.build_wheel()[1] == open("wheel", "rb").read())
"""
    (tmp_path / "wheel").write_bytes(built[1])
    quiet = {**os.environ, "PYTHONPATH": str(target)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=quiet, cwd=tmp_path)
    location, numbers, again = done.stdout.splitlines()
    assert Path(location).is_relative_to(target)
    assert numbers.endswith(" True")
    assert again == "True"  # a copy can make copies


# -- the setup cell ----------------------------------------------------------------------------------------------------


def test_the_setup_cell_comes_before_all_code_and_is_folded(carrying):
    nbformat.validate(nbformat.from_dict(carrying))
    kinds = [cell["cell_type"] for cell in carrying["cells"]]
    cell = carrying["cells"][kinds.index("code")]
    assert "".join(cell["source"]).startswith("# @title Setup: run this cell first")
    assert cell["metadata"] == {"cellView": "form", "jupyter": {"source_hidden": True}}
    original = sources(notebooks.read(CHAPTER))
    assert len(carrying["cells"]) == len(original) + 2
    assert sources(carrying)[3] == original[1]


def test_the_cell_installs_its_wheel_once(carrying, machine, tmp_path):
    cell = sources(carrying)[1]
    first = run_cell(machine, cell, tmp_path)
    assert first.returncode == 0, first.stderr
    lines = first.stdout.splitlines()
    assert re.fullmatch(r"bertedu [\d.]+: installed from this notebook \(sha256 [0-9a-f]{12}\.\.\.\)", lines[0])
    assert re.search(r'^WHEEL_SHA256 = "(\w{12})', cell, re.MULTILINE).group(1) in lines[0]
    assert lines[1] == f"{', '.join(setup_cell.NEEDED)}: already installed"
    assert lines[2] == "the model MiniLM: already installed"
    assert re.fullmatch(r"Python [\d.]+, tensorflow missing, keras missing, numpy 0.0.1; GPU: .+", lines[3])
    again = run_cell(machine, cell, tmp_path)
    assert again.returncode == 0, again.stderr
    assert re.fullmatch(r"bertedu [\d.]+: already installed", again.stdout.splitlines()[0])
    assert again.stdout.splitlines()[1:] == lines[1:]
    frozen = subprocess.run([machine, "-m", "pip", "list", "--format", "json"], capture_output=True, text=True).stdout
    versions = {item["name"]: item["version"] for item in json.loads(frozen)}
    assert all(versions[name] == "0.0.1" for name in [*NEEDED, "numpy"])


def test_the_package_of_another_copy_is_replaced(carrying, machine, tmp_path, monkeypatch):
    run_cell(machine, sources(carrying)[1], tmp_path)
    files = wheel.package_files() | {"bertedu/newer.py": b"NEW = True\n"}
    monkeypatch.setattr(wheel, "package_files", lambda: files)
    newer = sources(colab.make(notebooks.read(CHAPTER)))[1]
    done = run_cell(machine, newer, tmp_path)
    assert ": installed from this notebook" in done.stdout.splitlines()[0], done.stderr
    done = run_cell(machine, sources(carrying)[1], tmp_path, "import sys\nsys.modules['bertedu'] = sys\n")
    assert "Restart session" in done.stdout.splitlines()[0], done.stderr


def test_a_damaged_copy_installs_nothing(carrying, tmp_path):
    cell = sources(carrying)[1]
    index = cell.index('WHEEL = """') + 5000
    other = "A" if cell[index] != "A" else "B"
    done = run_cell(sys.executable, f"{cell[:index]}{other}{cell[index + 1 :]}", tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ValueError: This notebook's copy of bertedu is damaged.")
    assert "installed" not in done.stdout


@pytest.mark.parametrize("text", ["", "not base64!", "QUJD"])
def test_other_content_is_damaged_too(text):
    with pytest.raises(ValueError, match="damaged"):
        setup_cell.read_carried(text, hashlib.sha256(b"wheel").hexdigest())


def test_widgets_are_enabled_in_colab(carrying, machine, tmp_path):
    package = tmp_path / "google" / "colab"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "output.py").write_text("def enable_custom_widget_manager():\n    print('manager on')\n")
    done = run_cell(machine, sources(carrying)[1], tmp_path)
    assert "manager on" in done.stdout
    assert "live views: enabled" in done.stdout.splitlines()


class Pip:
    """Replaces subprocess.run: records commands and their constraints."""

    def __init__(self, fails=()):
        self.commands, self.constraints, self.fails = [], [], fails

    def __call__(self, command, **_):
        self.commands.append(command)
        if "--constraint" in command:
            self.constraints.append(Path(command[command.index("--constraint") + 1]).read_text())
        failed = command[-1] in self.fails
        return subprocess.CompletedProcess(command, int(failed), "", "ERROR: no such thing\n" if failed else "")


@pytest.fixture
def empty(monkeypatch):
    """A machine without the requirements of the package."""
    monkeypatch.setattr(setup_cell, "find_version", lambda name: None)
    pip = Pip()
    monkeypatch.setattr(setup_cell.subprocess, "run", pip)
    return pip


def test_missing_packages_are_installed_and_all_others_keep_their_versions(empty):
    lines = setup_cell.install_missing(("tokenizers", "anywidget"), setup_cell.MODEL)
    assert lines == ["tokenizers, anywidget: installed", "the model MiniLM: installed (84 MB, Apache-2.0)"]
    first, model = empty.commands
    assert first[-2:] == ["tokenizers", "anywidget"]
    for name in ("numpy", "keras", "tensorflow"):
        assert re.search(rf"^{name}==[\d.]+$", empty.constraints[0], re.MULTILINE)
    assert model[-2:] == ["--no-deps", setup_cell.MODEL]


def test_only_missing_packages_are_installed(empty, monkeypatch):
    monkeypatch.setattr(setup_cell, "find_version", lambda name: None if name == "anywidget" else "1.0")
    assert setup_cell.install_missing(("tokenizers", "anywidget"), setup_cell.MODEL) == [
        "anywidget: installed",
        "tokenizers: already installed",
        "the model MiniLM: already installed",
    ]
    (command,) = empty.commands
    assert command[-1] == "anywidget" and "tokenizers" not in command


def test_without_the_model_s_package_it_says_what_happens_then(empty):
    empty.fails = (setup_cell.MODEL,)
    line = setup_cell.install_missing((), setup_cell.MODEL)[-1]
    assert "be.load will try the Hugging Face Hub" in line and "no such thing" in line


def test_errors_of_pip_are_shown(empty):
    empty.fails = ("tokenizers",)
    with pytest.raises(RuntimeError, match="pip could not install tokenizers:\nERROR: no such thing"):
        setup_cell.install_missing(("tokenizers",), setup_cell.MODEL)


def test_other_installations_are_unchanged(empty, monkeypatch):
    monkeypatch.setattr(setup_cell, "find_version", lambda name: "0.1.0")
    monkeypatch.setattr(setup_cell, "installed_from", lambda name: "")  # a checkout, or the package index
    assert setup_cell.install_package("x.whl", "ab" * 32, b"") == "bertedu 0.1.0: already installed"
    assert setup_cell.install_from("https://example.org") == "bertedu 0.1.0: already installed"
    assert empty.commands == []


# -- with a repository -------------------------------------------------------------------------------------------------


def test_a_repository_gives_a_badge_and_installs_from_there():
    made = colab.make(notebooks.read(CHAPTER), "owner/name", "v1", "colab/03_attention.ipynb")
    nbformat.validate(nbformat.from_dict(made))
    badge, cell, *rest = sources(made)
    link = "https://colab.research.google.com/github/owner/name/blob/v1/colab/03_attention.ipynb"
    assert badge == f"[![Open in Colab]({colab.BADGE})]({link})"
    assert cell.endswith("set_up(lambda: install_from('https://github.com/owner/name/archive/v1.zip'))")
    assert "WHEEL = " not in cell
    compile(cell, "cell", "exec")
    assert "](https://colab.research.google.com/github/owner/name/blob/v1/colab/00_start_here.ipynb)" in rest[0]


def test_without_one_links_to_other_files_become_text(carrying):
    text = "\n".join(sources(carrying)[2:])
    assert ".ipynb)" not in text and "chapter 0" in text


@pytest.mark.parametrize(
    "repository", ["name", "https://github.com/a/b", "a/b/c", "a b/c", "", "a/..", "../b", "-a/b", "é/b", "a/b\n"]
)
def test_a_repository_is_owner_and_name(repository):
    with pytest.raises(ValueError, match="owner/name"):
        colab.make(notebooks.read(CHAPTER), repository, path="x.ipynb")


BRANCHES = ["", "-x", "a b", "a..b", 'a"b', "a'b", "a\nb", "a)b", "a]b", "<b>", "a\\b", "a//b", "/a", "a/", "a/.b",
            "a.", "a.lock", "a`b", "a{b}", "a\u202eb", "é", 'x"); import os; ("', "main\n"]  # fmt: skip


@pytest.mark.parametrize("branch", BRANCHES)
def test_a_branch_contains_no_syntax_of_code_markdown_or_urls(branch, tmp_path, monkeypatch, capsys):
    with pytest.raises(ValueError, match="--branch"):
        colab.make(notebooks.read(CHAPTER), "owner/name", branch, "x.ipynb")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["colab", "03", "--repo", "owner/name", f"--branch={branch}"]) == 1
    assert "--branch" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("branch", ["main", "v1.2.3", "feature/a_b-c+d", "4725396", "release/1.x/_y"])
def test_a_branch_may_have_names_of_git(branch):
    made = colab.make(notebooks.read(CHAPTER), "owner/name", branch, "x.ipynb")
    assert f"install_from('https://github.com/owner/name/archive/{branch}.zip')" in sources(made)[1]


@pytest.mark.parametrize(
    "name", ["a b.ipynb", "a(1).ipynb", "a'b\".ipynb", "a#b?c.ipynb", "ä.ipynb", "a\udcffb.ipynb", "<b>.ipynb"]
)
def test_a_file_s_name_is_quoted_in_addresses(name, tmp_path):
    made = colab.make(notebooks.read(CHAPTER), "owner/name", "main", f"my copies/{name}")
    link = re.fullmatch(r"\[!\[Open in Colab\]\(\S+\)\]\((\S+)\)", sources(made)[0])[1]
    assert re.fullmatch(r"[\w:/.%-]+", link, re.ASCII)
    assert unquote(link, errors="surrogatepass").endswith(f"/owner/name/blob/main/my copies/{name}")


def test_links_of_a_copy_are_quoted_and_lead_to_the_repository():
    cell = nbformat.v4.new_markdown_cell('[a](b"c.ipynb) [d](../data/e%20f.md#g)')
    made = colab.make(nbformat.v4.new_notebook(cells=[cell]), "o/n", "main", "colab/x.ipynb")
    base = "https://colab.research.google.com/github/o/n/blob/main"
    assert sources(made)[-1] == f"[a]({base}/colab/b%22c.ipynb) [d]({base}/data/e%20f.md)"


def test_diagrams_become_outputs(tmp_path):
    (tmp_path / "diagrams").mkdir()
    (tmp_path / "diagrams" / "head.svg").write_text("<svg>'\"</svg>")
    pictures = "![One head](diagrams/head.svg)", "![Not there](diagrams/none.svg)"
    cells = [{"cell_type": "markdown", "id": "m", "metadata": {}, "source": [f"Look:\n\n{pictures[0]}\n\nSee?"]}]
    cells.append({"cell_type": "markdown", "id": "n", "metadata": {}, "source": [pictures[0]]})
    cells.append({"cell_type": "markdown", "id": "o", "metadata": {}, "source": [pictures[1]]})
    original = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
    made = colab.make(original, "o/n", "main", "x.ipynb", tmp_path)
    nbformat.validate(nbformat.from_dict(made))
    text, first, second, missing = made["cells"][2:]
    assert "".join(text["source"]).split() == ["Look:", "See?"]
    for cell in first, second:
        assert cell["outputs"][0]["data"] == {"image/svg+xml": "<svg>'\"</svg>", "text/plain": "One head"}
        (call,) = [node for node in ast.walk(ast.parse("".join(cell["source"]))) if isinstance(node, ast.Call)]
        assert ast.literal_eval(call.args[0]) == "<svg>'\"</svg>"
    assert missing["source"] == [pictures[1]]


def test_the_copy_of_a_copy_has_each_id_once():
    once = colab.make(notebooks.read(CHAPTER), "o/n", "main", "x.ipynb")
    twice = colab.make(once, "o/n", "main", "x.ipynb")
    assert len({cell["id"] for cell in twice["cells"]}) == len(twice["cells"]) == len(once["cells"]) + 2


def test_the_badge_leads_to_the_file(tmp_path):
    (tmp_path / ".git").mkdir()
    assert colab.path_in_repository(tmp_path / "colab" / "a.ipynb") == "colab/a.ipynb"
    assert colab.path_in_repository(Path("/nowhere/a.ipynb")) == "notebooks/a.ipynb"


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_command_writes_one_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["colab", "03"]) == 0
    assert "03_attention_colab.ipynb: " in capsys.readouterr().out
    before = Path("03_attention_colab.ipynb").read_text(encoding="utf-8")
    assert cli.main(["colab", "03"]) == 1
    assert "exists already. To replace it: --force" in capsys.readouterr().err
    assert cli.main(["colab", "03", "--force"]) == 0
    assert Path("03_attention_colab.ipynb").read_text(encoding="utf-8") == before
    assert cli.main(["colab", "03_attention_colab.ipynb", "--repo", "o/n", "-o", "b.ipynb"]) == 0
    assert "github/o/n/blob/main/notebooks/b.ipynb" in capsys.readouterr().out


@pytest.fixture
def filling(tmp_path, monkeypatch):
    """A notebook that uses the trained head, in the current folder."""
    monkeypatch.chdir(tmp_path)
    cell = nbformat.v4.new_code_cell('bert.fill_mask("A [MASK] is raised.")')
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), "mask.ipynb")
    return notebooks.read("mask.ipynb")


def test_a_notebook_with_fill_mask_contains_the_trained_head(filling, machine, tmp_path):
    _, setup, head, _ = sources(colab.make(filling))
    assert head.startswith("# @title Setup: ")
    done = run_cell(machine, f"{setup}\n{head}", tmp_path)
    assert done.stdout.splitlines()[-1].startswith("minilm_mlm.safetensors: added to bertedu (2."), done.stderr
    (put,) = machine.parent.parent.rglob("bertedu/assets/minilm_mlm.safetensors")
    assert put.read_bytes() == colab.HEAD.read_bytes()
    assert list(put.parent.glob("*.part")) == []
    again = run_cell(machine, f"{setup}\n{head}", tmp_path)
    assert again.stdout.splitlines()[-1] == "minilm_mlm.safetensors: already installed"


def test_an_asset_is_added_once_and_replaced_if_it_differs(tmp_path, monkeypatch):
    package = tmp_path / "bertedu"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.setattr(
        setup_cell.importlib.util, "find_spec", lambda _: SimpleNamespace(origin=package / "__init__.py")
    )
    assert "added to bertedu" in setup_cell.put_asset("head.bin", b"old")
    assert "already installed" in setup_cell.put_asset("head.bin", b"old")
    assert "added to bertedu" in setup_cell.put_asset("head.bin", b"new")
    assert [path.name for path in (package / "assets").iterdir()] == ["head.bin"]
    assert (package / "assets" / "head.bin").read_bytes() == b"new"


def test_other_chapters_and_copies_of_a_repository_do_not_contain_it(filling, carrying):
    assert not any("HEAD_SHA256" in source for source in sources(carrying))
    assert not any("HEAD_SHA256" in source for source in sources(colab.make(filling, "o/n", path="x.ipynb")))


def test_a_notebook_with_dependencies_contains_the_sentences(filling, machine, tmp_path):
    filling["cells"][0]["source"] = ["trees = be.data.load_dependencies()"]
    _, setup, trees, _ = sources(colab.make(filling))
    assert trees.startswith("# @title Setup: sentences with dependencies")
    done = run_cell(machine, f"{setup}\n{trees}", tmp_path)
    assert done.stdout.splitlines()[-1].startswith("data/dependencies/test.conllu: added to bertedu"), done.stderr
    (put,) = machine.parent.parent.rglob("bertedu/assets/data/dependencies/test.conllu")
    assert put.read_bytes() == (ROOT / "data" / "dependencies" / "test.conllu").read_bytes()


def test_the_command_reports_a_missing_trained_head(filling, tmp_path, monkeypatch, capsys):
    assert cli.main(["colab", "mask.ipynb"]) == 0
    assert "masked-LM head" not in capsys.readouterr().out
    monkeypatch.setattr(colab, "HEAD", tmp_path / "none")
    assert cli.main(["colab", "mask.ipynb", "--force"]) == 0
    assert "masked-LM head" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["77"], "'77': no notebook matches"),
        (["03", "-o", "x.txt"], "ends in .ipynb"),
        (["03", "-o", "no/folder/x.ipynb"], "does not exist"),
        (["03", "-o", str(CHAPTER), "--force"], "the notebook itself"),
        (["03", "-o", "x.ipynb", "--repo", "nonsense"], "owner/name"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(tmp_path, monkeypatch, capsys, arguments, problem):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["colab", *arguments]) == 1
    error = capsys.readouterr().err
    assert problem in error and error.startswith("bertedu: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["docs_pairs", "code_words"])
def test_a_notebook_with_a_larger_data_set_contains_it(name, filling):
    filling["cells"][0]["source"] = [f'train = load("{name}", split="train")']
    cells = sources(colab.make(filling))
    files = sorted(path for path in (ROOT / "data" / name).iterdir() if path.suffix in (".tsv", ".jsonl"))
    assert sum("put_asset('data/" + f"{name}/" in cell for cell in cells[2:]) == len(files) == 3
