import os
import subprocess
import sys

import pytest

from bertedu.backend import quiet

NOISE = [
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    "I0000 00:00:1795233412.130535   12880 port.cc:153] oneDNN custom operations are on.",
    "W0000 00:00:1795233412.130535   12880 gpu_device.cc:1] Cannot dlopen some GPU libraries.",
    "2025-01-01 00:00:00.000000: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.",
    "To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow",
]
NEWS = ["Traceback (most recent call last):", "ImportError: cannot load libtensorflow", "Info: a line of one's own"]


def test_chatter_is_held_back_and_everything_else_gets_through(capfd):
    with quiet.start_up():
        for line in [*NOISE, *NEWS]:
            os.write(2, f"{line}\n".encode())
    assert capfd.readouterr().err.splitlines() == NEWS


def test_what_fails_inside_fails_outside_and_the_stream_comes_back(capfd):
    with pytest.raises(RuntimeError, match="broken"), quiet.start_up():
        os.write(2, b"the reason\n")
        raise RuntimeError("broken")
    os.write(2, b"after\n")
    assert capfd.readouterr().err.splitlines() == ["the reason", "after"]


def test_importing_the_package_writes_nothing():
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    program = "import bertedu, keras; keras.ops.zeros(3) + 1"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
