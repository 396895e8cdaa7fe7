"""Interrupted trainings: processes killed with -9 at random moments, and runs stopped at every save of their state."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from bertedu.fine_tuning import run as running
from bertedu.fine_tuning import state

needs_kill = pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX'")
WITHIN_SECONDS = 4  # of its first state on disk, a training is killed


def whole_and_killed(program, tmp_path, kills=1, arguments=()):
    """Return the arrays of a training that ran to its end, and of one that was killed and resumed.

    Args:
        program: str, a Python program that trains with `output_dir=sys.argv[1]` and stores arrays in `sys.argv[2]`.
        tmp_path: Path, where the runs "whole" and "killed" are.
        kills: int, how often the second one is killed. At least one kill must come before the training ends.
        arguments: list of str, the program's arguments from `sys.argv[3]` on.
    """

    def start(name):
        imports = f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\nimport numpy as np\n"
        outputs = [str(tmp_path / name), str(tmp_path / f"{name}.npz")]
        return subprocess.Popen(
            [sys.executable, "-c", imports + program, *outputs, *arguments], stderr=subprocess.DEVNULL
        )

    assert start("whole").wait() == 0
    rng, path, interrupted = random.Random(5), tmp_path / "killed" / "state.safetensors", 0
    for _ in range(kills):
        process, deadline = start("killed"), time.monotonic() + 60
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, WITHIN_SECONDS))
        process.send_signal(signal.SIGKILL)
        process.wait()
        interrupted += not state.read_metadata(path)["finished"]  # the file is whole, whenever it was
    assert interrupted
    assert start("killed").wait() == 0
    return [dict(np.load(tmp_path / f"{name}.npz")) for name in ("whole", "killed")]


def check_same_bits(whole, killed):
    """Check that the two results of `whole_and_killed` are the same."""
    assert whole.keys() == killed.keys()
    for name, array in whole.items():
        assert array.tobytes() == killed[name].tobytes(), name


def stopped_at_every_save(monkeypatch, train):
    """Call `train` until it returns, and stop it whenever a state with more steps is on disk.

    This is like a kill right after each state, without the ten seconds that a new process takes.

    Returns:
        What `train` returns, and the number of stops.
    """
    save, steps = running.Run._save, [0]

    class Stopped(BaseException):
        pass

    def save_and_stop(self):
        save(self)
        if self.history.steps > steps[-1] and not self.history.finished:
            steps.append(self.history.steps)
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(running.Run, "_save", save_and_stop)
        while True:
            try:
                return train(), len(steps) - 1
            except Stopped:
                continue
