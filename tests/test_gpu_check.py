"""The check for machines with a GPU, on the CPU."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def check(*arguments):
    command = [sys.executable, "-m", "tools.gpu_check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def test_a_part_that_fails_or_takes_too_long_is_a_row(tmp_path):
    from tools import gpu_check

    class Options:
        texts, minutes, cpu = 1, 0.5, True

    checks = gpu_check.Check(Options, tmp_path)
    assert checks.run("no precision", "training", "tensorflow", precision="float3") is None
    checks.deadline -= 60
    assert checks.run("too late", "outputs", "tensorflow") is None
    assert checks.rows[0][1].startswith("**failed:** ValueError: precision") and "no time" in checks.rows[1][1]


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="torch is not installed")
def test_every_part_runs_on_the_cpu(tmp_path):
    done = check("--cpu", "--texts", "64", "--backends", "torch", "--output", str(tmp_path / "table.md"))
    assert done.returncode == 0, done.stderr
    rows = [line for line in (tmp_path / "table.md").read_text().splitlines() if line.startswith("| ")]
    assert len(rows) == 8 and rows[2].endswith("within 0.0001: yes |")
    assert sum("examples/s" in row for row in rows) == 4 and rows[-1].endswith("weight 0.0e+00 |")
