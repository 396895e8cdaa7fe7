"""The `bertedu` command: fast to answer, finds notebooks, starts JupyterLab safely, adds up test results."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from bertedu import cli
from bertedu.cli import common, lab
from bertedu.cli import test as testing

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with a course of three notebooks."""
    (tmp_path / "notebooks").mkdir()
    for name in ("00_start_here", "03_attention", "03_more_attention"):
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text('{"cells": [], "metadata": {}}')
    monkeypatch.setattr(common, "CHECKOUT", tmp_path)
    monkeypatch.setattr(common, "NOTEBOOKS", tmp_path / "notebooks")
    return tmp_path


@pytest.fixture
def started(monkeypatch):
    """Catch the command that would replace this process."""
    calls = []
    monkeypatch.setattr(lab.os, "execve", lambda program, command, environment: calls.append((command, environment)))
    monkeypatch.setattr(lab.os, "name", "posix")
    return calls


def run(*arguments):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=120, cwd=ROOT)


# -- start -------------------------------------------------------------------------------------------------------------


def test_help_lists_the_commands_and_imports_nothing_slow():
    done = run("-X", "importtime", "-m", "bertedu_command", "--help")
    assert done.returncode == 0
    assert all(f"    {name} " in done.stdout for name in ("lab", "test", "doctor"))
    slow = {"importlib.metadata", "asyncio", "json.tool", "concurrent.futures", "packaging", "jupyter_core"}
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not slow & imported


def test_help_imports_no_framework_nor_the_package():
    script = """
import sys
sys.argv = ["bertedu", "--help"]
import bertedu_command
try:
    bertedu_command.main()
except SystemExit:
    pass
print(sorted({"bertedu", "keras", "tensorflow", "numpy", "torch", "matplotlib"} & set(sys.modules)))
"""
    assert run("-c", script).stdout.splitlines()[-1] == "[]"


def test_installed_command_is_the_quick_one():
    (entry,) = metadata.entry_points(group="console_scripts", name="bertedu")
    assert entry.value == "bertedu_command:main"


def test_python_m_bertedu_is_the_same_command():
    done = run("-m", "bertedu", "--version")
    assert done.stdout.strip().splitlines()[-1] == metadata.version("bertedu"), done.stderr


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["lab", "--port", "many"]])
def test_wrong_arguments_show_the_usage(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2
    assert "usage: bertedu" in capsys.readouterr().err


# -- lab ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        (None, "00_start_here.ipynb"),
        ("00", "00_start_here.ipynb"),
        ("03_attention", "03_attention.ipynb"),
        ("03_attention.ipynb", "03_attention.ipynb"),
        ("notebooks/03_attention.ipynb", "03_attention.ipynb"),
        ("03_m", "03_more_attention.ipynb"),
    ],
)
def test_notebook_is_found_by_path_name_and_number(checkout, monkeypatch, typed, name):
    monkeypatch.chdir(checkout)
    assert common.find_notebook(typed) == (checkout / "notebooks" / name).resolve()


def test_own_notebook_is_found_by_path_and_opened_itself(checkout, started, tmp_path_factory):
    own = tmp_path_factory.mktemp("own") / "mine.ipynb"
    own.write_text("{}")
    assert common.find_notebook(str(own)) == own.resolve()
    cli.main(["lab", str(own)])
    assert f"--ServerApp.root_dir={own.parent}" in started[0][0]
    assert not (checkout / "my_notebooks").exists()


@pytest.mark.parametrize(("typed", "problem"), [("12", "no notebook matches"), ("03", "several notebooks match")])
def test_missing_and_ambiguous_notebooks_list_the_names(checkout, typed, problem):
    with pytest.raises(common.UsageError, match=problem) as raised:
        common.find_notebook(typed)
    assert "03_more_attention" in str(raised.value)


def test_installation_without_a_checkout_says_where_notebooks_come_from(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(common, "NOTEBOOKS", tmp_path / "notebooks")
    assert cli.main(["lab"]) == 1
    assert "Clone the repository" in capsys.readouterr().err


def test_missing_jupyterlab_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(common, "is_installed", lambda module: module != "jupyterlab")
    assert cli.main(["lab"]) == 1
    assert 'pip install -e ".[course]"' in capsys.readouterr().err


def test_file_in_the_place_of_the_folder_is_named(checkout, capsys):
    (checkout / "taken").write_text("")
    assert cli.main(["lab", "--dir", str(checkout / "taken")]) == 1
    error = capsys.readouterr().err
    assert str(checkout / "taken") in error and "--dir" in error


def test_lab_listens_on_this_machine_only_and_keeps_the_token(checkout, started, tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    cli.main(["lab", "--dir", str(folder), "--no-browser", "--port", "9123"])
    ((command, _),) = started
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert "--ServerApp.ip=127.0.0.1" in command
    assert "--ServerApp.port=9123" in command
    assert "--no-browser" in command
    assert f"--ServerApp.root_dir={folder}" in command
    assert "--LabApp.default_url=/lab/tree/00_start_here.ipynb" in command
    assert not any("token" in argument or "password" in argument for argument in command)


def test_working_copy_opens_with_the_whole_checkout_as_root(checkout, started):
    cli.main(["lab"])
    ((command, _),) = started
    assert f"--ServerApp.root_dir={checkout}" in command
    assert "--LabApp.default_url=/lab/tree/my_notebooks/00_start_here.ipynb" in command


def test_address_is_promised_where_no_browser_can_open(checkout, started, monkeypatch, capsys):
    monkeypatch.setattr(lab, "can_open_browser", lambda: False)
    cli.main(["lab"])
    assert "--no-browser" in started[0][0]
    assert "Open the address with the token" in capsys.readouterr().out


def test_browser_opens_where_it_can(checkout, started, monkeypatch, capsys):
    monkeypatch.setattr(lab, "can_open_browser", lambda: True)
    cli.main(["lab"])
    assert "--no-browser" not in started[0][0]
    assert "Open the address with the token" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("platform", "display", "browser", "can"),
    [
        ("linux", None, True, False),
        ("linux", ":0", True, True),
        ("linux", ":0", False, False),
        ("darwin", None, True, True),
        ("win32", None, True, True),
    ],
)
def test_when_a_browser_can_open(monkeypatch, platform, display, browser, can):
    def get():
        if not browser:
            raise lab.webbrowser.Error("could not locate runnable browser")

    monkeypatch.setattr(lab.sys, "platform", platform)
    monkeypatch.setattr(lab.webbrowser, "get", get)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    if display:
        monkeypatch.setenv("DISPLAY", display)
    assert lab.can_open_browser() is can


def test_jupyter_defaults_are_added_to_those_of_the_user(monkeypatch):
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "mine")
    defaults, users = lab.environment()["JUPYTER_CONFIG_PATH"].split(os.pathsep)
    assert users == "mine"
    assert (Path(defaults) / "labconfig" / "default_setting_overrides.json").is_file()


# -- test --------------------------------------------------------------------------------------------------------------


def steps(*arguments):
    """The steps of `bertedu test` with these arguments, by name."""
    return dict(testing.steps(cli.make_parser().parse_args(["test", *arguments])))


def marks(name, *arguments):
    command = steps(*arguments)[name]
    return command[command.index("-m", 2) + 1]


def test_slow_tests_run_only_when_asked_for():
    assert marks("unit tests") == "not browser and not slow"
    assert marks("browser") == "browser and not slow"
    assert marks("unit tests", "--all") == "not browser"
    assert marks("browser", "--all") == "browser"


def test_all_but_the_browser_tests_run_several_at_once(monkeypatch):
    for cores, processes in ((1, "1"), (2, "2"), (64, "4")):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        for name in ("unit tests", "notebooks"):
            command = steps()[name]
            assert command[command.index("-n") + 1] == processes
        assert "-n" not in steps()["browser"]


def test_everything_runs_in_order_and_an_expression_leaves_lint_out():
    lint, tests = list(steps("--lint")), ["unit tests", "notebooks", "browser"]
    assert {"lint", "format", "types"} <= set(lint)
    assert list(steps()) == lint + tests
    assert list(steps("-k", "mask")) == tests
    assert all(command[-2:] == ["-k", "mask"] for command in steps("-k", "mask").values())


def test_labs_run_with_everything_slow():
    labs = str(testing.common.NOTEBOOKS / "labs")
    assert labs in steps()["notebooks"] and "--ignore" in steps()["notebooks"]
    assert labs not in steps("--all")["notebooks"]


def test_coverage_is_measured_where_it_is_asked_for():
    assert steps("--coverage")["unit tests"][1:4] == ["-m", "coverage", "run"]
    assert steps("--coverage")["coverage"][-1] == "report"
    assert not any("coverage" in command for command in steps().values())


@pytest.fixture
def steps_that(monkeypatch):
    """Let `bertedu test` run steps that end with these statuses."""
    monkeypatch.setattr(common, "is_installed", lambda module: True)

    def replace(*statuses):
        commands = [
            (f"step {number}", [sys.executable, "-c", f"print('== {number} seen =='); raise SystemExit({status})"])
            for number, status in enumerate(statuses)
        ]
        monkeypatch.setattr(testing, "steps", lambda options: commands)

    return replace


def test_results_are_summed_up(steps_that, capsys):
    steps_that(0, 0)
    assert cli.main(["test"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[-2:]] == ["ok", "ok"]


def test_one_failure_fails_it_all_but_stops_nothing(steps_that, capsys):
    steps_that(0, 1, 0)
    assert cli.main(["test"]) == 1
    summary = capsys.readouterr().out.splitlines()[-3:]
    assert [line.split()[0] for line in summary] == ["ok", "FAILED", "ok"]
    assert summary[2].endswith("2 seen")


def test_nothing_collected_fails_unless_a_choice_was_made(steps_that, capsys):
    steps_that(5)
    assert cli.main(["test"]) == 1
    assert cli.main(["test", "-k", "nothing"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("none")


def test_missing_test_tools_are_named(monkeypatch, capsys):
    monkeypatch.setattr(common, "is_installed", lambda module: module not in ("nbval", "ruff"))
    assert cli.main(["test"]) == 1
    assert "not installed: nbval, ruff" in capsys.readouterr().err


def test_wheel_without_tests_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(common, "CHECKOUT", tmp_path)
    assert cli.main(["test"]) == 1
    assert "expected a checkout with tests" in capsys.readouterr().err
