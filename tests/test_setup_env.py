"""tools/setup_env.py: which Python it takes, when it installs, what it leaves behind. Nothing is installed here."""

import ast
import contextlib
import json
import os
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import setup_env

ROOT = Path(__file__).resolve().parent.parent
posix_only = pytest.mark.skipif(os.name == "nt", reason="the stand-in interpreters are shell scripts")


@pytest.fixture
def interpreter(tmp_path):
    """Make stand-ins for interpreters that answer the probe as told."""

    def make(name, version=(3, 12), is_64_bit=True, can_make=True, status=0):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\necho '{json.dumps([version, is_64_bit, can_make])}'\nexit {status}\n")
        path.chmod(0o755)
        return str(path)

    return make


@pytest.fixture
def checkout(tmp_path):
    """A folder with the two files that decide what is installed."""
    root = tmp_path / "checkout"
    root.mkdir()
    (root / "pyproject.toml").write_text("[project]\n")
    (root / "constraints.txt").write_text("keras==3.0\ntorch==2.13.0  # the reference\n")
    return root


@pytest.fixture
def fake_install(monkeypatch):
    """Replace what takes minutes, and record the extras it was asked for."""
    asked = []

    def make_environment(environment):
        python = setup_env.environment_python(environment)
        python.parent.mkdir(parents=True, exist_ok=True)
        python.touch()

    monkeypatch.setattr(setup_env, "make_environment", make_environment)
    monkeypatch.setattr(setup_env, "install", lambda root, environment, extras: asked.append(extras))
    return asked


# -- which Python ------------------------------------------------------------------------------------------------------


def test_probe_tells_the_truth_about_this_interpreter():
    version, is_64_bit, can_make = setup_env.probe(sys.executable)
    assert version == sys.version_info[:2]
    assert is_64_bit and can_make


@posix_only
def test_first_that_fits_is_taken(interpreter):
    paths = [
        interpreter("too_old", (3, 10)),
        interpreter("too_new", (3, 14)),
        interpreter("narrow", (3, 12), is_64_bit=False),
        interpreter("shim", (3, 12), status=127),
        "/nowhere/python3",
        interpreter("good", (3, 11)),
        interpreter("also_good", (3, 13)),
    ]
    assert setup_env.find_python(paths).endswith("/good")


@posix_only
def test_one_that_can_make_environments_is_preferred(interpreter):
    paths = [interpreter("no_venv", (3, 13), can_make=False), interpreter("good", (3, 11))]
    assert setup_env.find_python(paths).endswith("/good")


@posix_only
def test_none_fits_says_what_was_found_and_what_to_install(interpreter):
    with pytest.raises(setup_env.SetupError) as problem:
        setup_env.find_python([interpreter("old", (3, 9)), interpreter("narrow", (3, 12), is_64_bit=False)])
    message = str(problem.value)
    assert "old is Python 3.9\n" in message
    assert "narrow is Python 3.12, 32-bit" in message
    assert "3.11 to 3.13" in message
    for way_out in ("apt install python3.12", "brew install", "winget install", "python.org"):
        assert way_out in message


@posix_only
def test_missing_venv_module_says_which_package(interpreter):
    with pytest.raises(setup_env.SetupError, match="apt install python3-venv .*python3.12-venv"):
        setup_env.find_python([interpreter("debian", (3, 12), can_make=False)])


@posix_only
def test_candidates_begin_with_the_one_running_then_newest_first(interpreter, monkeypatch):
    paths = [interpreter(name) for name in ("python3.11", "python3.13", "python3")]
    monkeypatch.setenv("PATH", str(Path(paths[0]).parent))
    names = [Path(path).name for path in setup_env.candidates()[1:]]
    assert setup_env.candidates()[0] == sys.executable
    assert names == ["python3.13", "python3.11", "python3"]


def test_script_runs_on_python_3_8_without_anything_installed():
    tree = ast.parse(Path(setup_env.__file__).read_text(encoding="utf-8"), feature_version=(3, 8))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names


# -- the stamp ---------------------------------------------------------------------------------------------------------


def test_second_run_installs_nothing(checkout, fake_install):
    setup_env.set_up(checkout, "lab")
    setup_env.set_up(checkout, "lab")
    assert fake_install == [{"course"}]


def test_more_extras_are_added_and_fewer_change_nothing(checkout, fake_install):
    for target in ("lab", "test", "lab"):
        setup_env.set_up(checkout, target)
    assert fake_install == [{"course"}, {"course", "dev", "export"}]


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_changed_requirements_install_again_with_all_extras_so_far(checkout, fake_install, name):
    setup_env.set_up(checkout, "test")
    (checkout / name).write_text("torch==2.14.0\n")
    setup_env.set_up(checkout, "lab")
    assert fake_install == [{"course", "dev", "export"}, {"course", "dev", "export"}]


def test_interrupted_installation_leaves_no_stamp(checkout, fake_install, monkeypatch):
    setup_env.set_up(checkout, "lab")
    (checkout / "constraints.txt").write_text("torch==2.14.0\n")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(setup_env, "install", interrupted)
    with pytest.raises(KeyboardInterrupt):
        setup_env.set_up(checkout, "lab")
    (checkout / "constraints.txt").write_text("keras==3.0\ntorch==2.13.0  # the reference\n")  # as it first was
    assert not setup_env.is_ready(checkout, checkout / ".venv", {"course"})


def test_moved_checkout_installs_again(checkout, fake_install):
    setup_env.set_up(checkout, "lab")
    moved = checkout.rename(checkout.with_name("moved"))
    assert not setup_env.is_ready(moved, moved / ".venv", {"course"})


def test_unreadable_stamp_counts_as_none(checkout, fake_install):
    setup_env.set_up(checkout, "lab")
    (checkout / ".venv" / setup_env.STAMP).write_text('{"fingerprint": ')
    assert not setup_env.is_ready(checkout, checkout / ".venv", {"course"})


@pytest.mark.slow
def test_environment_is_created_reused_and_unusable_once_moved(tmp_path):
    environment = tmp_path / ".venv"
    assert not setup_env.is_usable(environment)
    setup_env.make_environment(environment)
    assert setup_env.is_usable(environment)
    marker = environment / "marker"
    marker.touch()
    setup_env.make_environment(environment)
    assert marker.exists()
    assert not setup_env.is_usable(environment.rename(tmp_path / "moved"))


# -- torch -------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def local_server(status):
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("status", "answers"), [(200, True), (404, False), (503, False)])
def test_torch_index_that_is_up(monkeypatch, status, answers):
    with local_server(status) as address:
        monkeypatch.setattr(setup_env, "TORCH_CPU_INDEX", address)
        assert setup_env.torch_index_answers() is answers


def test_torch_index_that_never_answers_is_given_up(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection and says nothing
        monkeypatch.setattr(setup_env, "TORCH_CPU_INDEX", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(setup_env, "SECONDS_TO_ANSWER", 0.3)
        assert not setup_env.torch_index_answers()


@pytest.fixture
def pip_calls(monkeypatch):
    """Record what pip would be called with; `pip_calls.works` says whether it succeeds."""

    class Calls(list):
        works = True

    calls = Calls()

    def pip(python, *arguments):
        calls.append(arguments)
        return calls.works

    monkeypatch.setattr(setup_env, "pip", pip)
    monkeypatch.setattr(setup_env.platform, "system", lambda: "Linux")
    return calls


def test_torch_comes_from_the_cpu_index_first(checkout, pip_calls, monkeypatch):
    monkeypatch.setattr(setup_env, "torch_index_answers", lambda: True)
    setup_env.install(checkout, checkout / ".venv", {"dev", "course"})
    torch, course = pip_calls
    assert torch[-1] == "torch==2.13.0"
    assert setup_env.TORCH_CPU_INDEX in torch and "--no-deps" in torch
    assert course[-1] == f"{checkout}[course,dev]"
    assert str(checkout / "constraints.txt") in course


def test_torch_is_left_to_the_plain_index_where_the_other_is_silent(checkout, pip_calls, monkeypatch):
    monkeypatch.setattr(setup_env, "torch_index_answers", lambda: False)
    setup_env.install(checkout, checkout / ".venv", {"course"})
    assert [call[-1] for call in pip_calls] == [f"{checkout}[course]"]


def test_failed_installation_says_that_it_can_go_on(checkout, pip_calls, monkeypatch):
    monkeypatch.setattr(setup_env, "torch_index_answers", lambda: True)
    pip_calls.works = False
    with pytest.raises(setup_env.SetupError, match="Run the same command again to continue"):
        setup_env.install(checkout, checkout / ".venv", {"course"})
    assert len(pip_calls) == 2  # a failing CPU index alone does not stop it


def test_pinned_torch_is_the_line_in_constraints():
    assert setup_env.pinned_torch(ROOT) in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["lab", "test"]])
def test_wrong_arguments_show_the_usage(arguments, capsys):
    assert setup_env.main(arguments) == 2
    assert "lab|test|bench" in capsys.readouterr().err


def test_problem_is_shown_without_a_traceback(monkeypatch, capsys):
    def fail(*_):
        raise setup_env.SetupError("install Python 3.12")

    monkeypatch.setattr(setup_env, "set_up", fail)
    assert setup_env.main(["lab"]) == 1
    assert capsys.readouterr().err == "\ninstall Python 3.12\n"
