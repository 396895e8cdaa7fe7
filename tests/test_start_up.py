"""Start-up: TensorFlow's chatter is held back, and Triton's library comes first, where there is one."""

import ctypes
import importlib.util
import os
import subprocess
import sys

import pytest

from bertedu.backend import start_up

NOISE = [
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    "I0000 00:00:1795233412.130535   12880 port.cc:153] oneDNN custom operations are on.",
    "W0000 00:00:1795233412.130535   12880 gpu_device.cc:1] Cannot dlopen some GPU libraries.",
    "2025-01-01 00:00:00.000000: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.",
    "To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow",
]
NEWS = ["Traceback (most recent call last):", "ImportError: cannot load libtensorflow", "Info: a line of one's own"]


def test_chatter_is_held_back_and_everything_else_gets_through(capfd):
    with start_up.quiet():
        for line in [*NOISE, *NEWS]:
            os.write(2, f"{line}\n".encode())
    assert capfd.readouterr().err.splitlines() == NEWS


def test_what_fails_inside_fails_outside_and_the_stream_comes_back(capfd):
    with pytest.raises(RuntimeError, match="broken"), start_up.quiet():
        os.write(2, b"the reason\n")
        raise RuntimeError("broken")
    os.write(2, b"after\n")
    assert capfd.readouterr().err.splitlines() == ["the reason", "after"]


def test_importing_the_package_writes_nothing():
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    program = "import bertedu, keras; keras.ops.zeros(3) + 1"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.fixture
def loaded(monkeypatch, tmp_path):
    """The libraries that are loaded, in a process where TensorFlow is not and a Triton can be imported."""
    libraries = []
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.delitem(sys.modules, "triton", raising=False)
    monkeypatch.setattr(ctypes, "CDLL", lambda name, mode: libraries.append((name, mode)))
    folder = tmp_path / "triton" / "_C"
    folder.mkdir(parents=True)
    (tmp_path / "triton" / "__init__.py").write_text("raise RuntimeError('the package was imported')")
    (folder / "libtriton.so").touch()
    (folder / "libproton.so").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return libraries


def test_the_library_is_loaded_and_the_package_is_not(loaded):
    start_up.load_triton_first()
    ((name, mode),) = loaded
    assert name.endswith("triton/_C/libtriton.so") and mode == 2  # all its names found at once


@pytest.mark.parametrize("name", ["tensorflow", "triton"])
def test_after_either_of_the_two_nothing_is_loaded(name, loaded, monkeypatch):
    monkeypatch.setitem(sys.modules, name, object())
    start_up.load_triton_first()
    assert loaded == []


def test_without_triton_nothing_is_loaded(loaded, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    start_up.load_triton_first()
    assert loaded == []


def test_a_library_that_does_not_load_is_left_alone(loaded, monkeypatch):
    def broken(name, mode):
        loaded.append(name)
        raise OSError(f"{name}: file too short")

    monkeypatch.setattr(ctypes, "CDLL", broken)
    start_up.load_triton_first()  # raises nothing, and tried it once
    assert len(loaded) == 1


def test_it_comes_before_tensorflow():
    program = (
        "import sys\n"
        "import importlib.util as found\n"
        "find = found.find_spec\n"
        "seen = []\n"
        "def watch(name, *rest):\n"
        "    seen.append(('tensorflow' in sys.modules, name))\n"
        "    return find(name, *rest)\n"
        "found.find_spec = watch\n"
        "import bertedu\n"
        "assert (False, 'triton') in seen, seen\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="this torch is a CPU build, without Triton")
def test_the_real_one_lives_beside_tensorflow():
    program = "import bertedu, tensorflow, triton, torch._dynamo; print('alive')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "alive", (done.returncode, done.stderr[-2000:])
