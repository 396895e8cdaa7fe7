"""The files around the package agree with each other: requirements, environment, Makefile, README, notebooks."""

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import setup_env
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from bertedu import cli
from bertedu.cli import checks

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LABS = sorted((ROOT / "notebooks" / "labs").glob("*.ipynb"))
NOTEBOOKS = [*CHAPTERS, *LABS]
LARGEST_NOTEBOOK = 1_000_000
# Paths that exist on one machine only. Written so that this line does not find itself.
FOREIGN_PATH = re.compile(r"(?<![\w./~-])/(?:root|work|opt|farm|home/\w+|Users/\w+)/\w")


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def direct_requirements():
    lists = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    return [Requirement(line) for lines in lists for line in lines]


def constraints():
    pins = [Requirement(line) for line in read("constraints.txt").splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in pins}


def tracked_texts():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    names = listed.stdout.splitlines() if listed.returncode == 0 else [str(path) for path in ROOT.rglob("*.py")]
    texts = {".py", ".md", ".toml", ".txt", ".yml", ".yaml", ".ipynb", ".js", ".css", ".json", ""}
    return [ROOT / name for name in names if Path(name).suffix in texts and (ROOT / name).is_file()]


# -- requirements ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("requirement", direct_requirements(), ids=str)
def test_every_direct_requirement_is_pinned_to_a_version_in_its_range(requirement):
    pin = constraints()[canonicalize_name(requirement.name)]
    (exact,) = pin.specifier
    assert exact.operator == "=="
    assert requirement.specifier.contains(exact.version)


def test_every_dependency_says_why_it_is_there():
    start, stop = read("pyproject.toml").index("dependencies = ["), read("pyproject.toml").index("[project.scripts]")
    lines = re.findall(r'^    "[^"]+",.*$', read("pyproject.toml")[start:stop], re.MULTILINE)
    assert len(lines) == len(direct_requirements())
    assert [line for line in lines if not re.search(r"# \w", line)] == []


def test_conda_environment_is_equal_to_pyproject():
    dependencies = yaml.safe_load(read("environment.yml"))["dependencies"]
    (python,) = [line for line in dependencies if str(line).startswith("python")]
    assert SpecifierSet(python.removeprefix("python")) == SpecifierSet(PROJECT["requires-python"])
    assert dependencies[1:] == ["pip", {"pip": ["-c constraints.txt", "-e .[course]"]}]


def test_conda_environment_explains_every_dependency():
    lines = read("environment.yml").split("dependencies:")[1].strip().splitlines()
    entry = re.compile(r"\s*(?:- |# )(\S+|-[ce] \S+)\s{2,}(?:# )?(\w.*)$")
    explained = dict(entry.match(line).groups() for line in lines if "pip:" not in line)
    course = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["course"]
    named = {Requirement(line).name for line in course}
    assert set(explained) == named | {"python>=3.11,<3.14", "pip", "-c constraints.txt", "-e .[course]"}


def test_everything_agrees_on_the_versions_of_python():
    accepted = SpecifierSet(PROJECT["requires-python"])
    for oldest, newest in ((setup_env.OLDEST, setup_env.NEWEST), (checks.OLDEST, checks.NEWEST)):
        fitting = [(3, minor) for minor in range(30) if f"3.{minor}" in accepted]
        assert (fitting[0], fitting[-1]) == (oldest, newest)
        classified = {f"Programming Language :: Python :: {major}.{minor}" for major, minor in fitting}
        assert classified <= set(PROJECT["classifiers"])


def test_set_up_knows_only_extras_that_exist():
    for extras in setup_env.EXTRAS.values():
        assert extras <= set(PROJECT["optional-dependencies"])


# -- commands ----------------------------------------------------------------------------------------------------------


def make_targets():
    return dict(re.findall(r"^([a-z-]+):.*## (.+)$", read("Makefile"), re.MULTILINE))


def bertedu_commands():
    words = set(re.findall(r"^    ([a-z-]+)(?: |$)", cli.make_parser().format_help(), re.MULTILINE))
    return words - {"COMMAND"}


def test_makefile_has_the_targets_and_one_line_for_each():
    expected = {"help", "lab", "test", "nightly", "lint", "notebooks", "screenshot", "bench", "clean", "doctor"}
    assert expected <= set(make_targets())
    recipes = re.split(r"^[a-z-]+:.*\n", read("Makefile"), flags=re.MULTILINE)[1:]
    assert [len(re.findall(r"^\t", recipe, re.MULTILINE)) for recipe in recipes] == [1] * len(make_targets())


def test_makefile_lists_itself():
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # of `make test`
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True, env=outside).stdout
    assert [line.split()[1] for line in shown.splitlines()] == list(make_targets())


def test_makefile_calls_scripts_and_commands_that_exist():
    scripts = set(re.findall(r"tools/\w+\.py", read("Makefile")))
    assert len(scripts) >= 3
    assert [name for name in scripts if not (ROOT / name).is_file()] == []
    assert set(re.findall(r"\(VENV\)/bertedu ([a-z]+)", read("Makefile"))) <= bertedu_commands()


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_commands_in_documents_exist(document):
    code = "\n".join(a or b for a, b in re.findall(r"```\w*\n(.*?)```|`([^`\n]+)`", read(document), re.DOTALL))
    made = set(re.findall(r"(?:^|&&)\s*make ([a-z-]+)", code, re.MULTILINE))
    ran = set(re.findall(r"(?:^|&&)\s*bertedu ([a-z-]+)", code, re.MULTILINE))
    extras = {extra for group in re.findall(r"\.\[([a-z,]+)\]", code) for extra in group.split(",")}
    assert {"lab", "test"} <= made
    assert "test" in ran
    assert made <= set(make_targets())
    assert ran <= bertedu_commands()
    assert extras <= set(PROJECT["optional-dependencies"])


def test_ci_runs_the_readme_test_command():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "make test" in read(".ci/run")
    assert "make test" in read("README.md")


def test_license_is_the_one_that_is_named():
    assert PROJECT["license"] == "Apache-2.0 AND PSF-2.0"
    assert PROJECT["license-files"] == ["LICENSE", "data/LICENSE-PSF"]
    assert "PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2" in read("data/LICENSE-PSF")
    assert "Apache License" in read("LICENSE") and "Version 2.0, January 2004" in read("LICENSE")


def test_no_file_contains_a_path_of_one_machine():
    findings = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in tracked_texts()
        for match in FOREIGN_PATH.finditer(path.read_text(encoding="utf-8"))
    ]
    assert findings == []


# -- notebooks ---------------------------------------------------------------------------------------------------------


def outputs(notebook):
    return [output for cell in notebook["cells"] for output in cell.get("outputs", [])]


def test_there_are_notebooks():
    assert "00_start_here.ipynb" in [path.name for path in NOTEBOOKS]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_opens_with_a_kernel_and_without_ballast(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert "widgets" not in notebook["metadata"], "widget state; run: make notebooks"
    assert path.stat().st_size < LARGEST_NOTEBOOK
    kinds = {kind for output in outputs(notebook) for kind in output.get("data", {})}
    assert "application/vnd.jupyter.widget-view+json" not in kinds, "a widget without its state is blank"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stored_as_it_ran_from_top_to_bottom(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and cell["source"]]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert [output for output in outputs(notebook) if output["output_type"] == "error"] == []
    assert [output for output in outputs(notebook) if output.get("name") == "stderr"] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_shows_nothing_that_differs_from_run_to_run(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    text = json.dumps([{**output, "data": {**output.get("data", {}), "image/png": ""}} for output in outputs(notebook)])
    assert re.findall(r"at 0x[0-9a-f]{6,}|/tmp/\w+", text) == []


def test_modules_name_chapters_that_exist_and_readme_lists_them_all():
    titles = {
        path.name: "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"]) for path in NOTEBOOKS
    }
    modules = [path.read_text(encoding="utf-8") for path in (ROOT / "bertedu").rglob("*.py")]
    assert {name for text in modules for name in re.findall(r"notebooks/(\d\d\w+\.ipynb)", text)} <= titles.keys()
    listed = re.findall(r"^\| \[(?:Lab )?(\d+) (.+?)\]\(notebooks/((?:labs/)?\w+\.ipynb)\)", read("README.md"), re.M)
    assert [Path(file).name for _, _, file in listed] == [path.name for path in (*CHAPTERS, *LABS)]
    for number, title, file in listed:
        start = f"# {'Lab ' if file.startswith('labs/') else ''}{int(number)} · {title}\n"
        assert titles[Path(file).name].startswith(start), file
