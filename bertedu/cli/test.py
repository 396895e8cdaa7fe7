"""Run lint, unit tests, all notebooks and the browser tests."""

import os
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from typing import Any

from . import common

SECONDS_PER_CELL = 300  # a whole chapter takes less than two minutes
MAX_PROCESSES = 4  # of tests, each with 2 GB
LINT = {
    "lint": "ruff check .",
    "format": "ruff format --check .",
    "types": "mypy",
    "javascript": "tools.check_js",
    "words": "tools.check_words",
}
COVERAGE = {"combine": "coverage combine --quiet", "coverage": "coverage report"}
TOOLS = ("pytest", "xdist", "nbval", "ruff", "mypy", "coverage", "playwright")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of `bertedu test`."""
    parser.add_argument("--all", action="store_true", help="include slow tests, and the labs")
    parser.add_argument("-k", metavar="EXPRESSION", help="run only matching tests, as in pytest, without lint")
    parser.add_argument("--lint", action="store_true", help="run only lint and type checks")
    parser.add_argument("--coverage", action="store_true", help="measure the branch coverage of the unit tests")


def commands(modules: dict[str, str]) -> list[tuple[str, list[str]]]:
    """Return the steps that run these modules of Python with their arguments."""
    return [(name, [sys.executable, "-m", *module.split()]) for name, module in modules.items()]


def steps(options: Namespace) -> list[tuple[str, list[str]]]:
    """Return the steps of `bertedu test`, as `(name, command)`, fastest first."""
    pytest = [sys.executable, "-m", "pytest"]
    measured = [sys.executable, "-m", "coverage", "run", "-m", "pytest"]
    chosen = ["-k", options.k] if options.k else []
    quick = "" if options.all else " and not slow"
    processes = ["-n", str(min(os.cpu_count() or 1, MAX_PROCESSES)), "--dist"]
    unit_tests = [*processes, "worksteal", "-m", "not browser" + quick, *chosen]
    timeout = f"--nbval-cell-timeout={SECONDS_PER_CELL}"
    notebooks = [*processes, "loadfile", "--nbval-lax", "--nbval-current-env", timeout]
    labs = [] if options.all else ["--ignore", str(common.NOTEBOOKS / "labs")]  # minutes each; the unit tests run two
    if options.lint:
        return commands(LINT)
    return [
        *commands({} if options.k else LINT),
        ("unit tests", [*(measured if options.coverage else pytest), *unit_tests]),
        *commands(COVERAGE if options.coverage else {}),
        ("notebooks", [*pytest, *notebooks, *labs, str(common.NOTEBOOKS), *chosen]),
        ("browser", [*pytest, "-m", "browser" + quick, *chosen]),
    ]


def run_step(name: str, command: list[str]) -> tuple[int, str]:
    """Run a step, print its output as it comes, and return its exit status and last line."""
    print(f"\n==> {name}", flush=True)
    last = ""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}  # without it, a long step prints nothing until it ends
    streams: Any = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    text: Any = {"encoding": "utf-8", "errors": "replace"}
    with subprocess.Popen(command, cwd=common.CHECKOUT, env=environment, **streams, **text) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            last = line.strip() or last
    return process.returncode, last


def run(options: Namespace) -> int:
    """Run all steps, then print a line for each."""
    if not (common.CHECKOUT / "tests").is_dir():
        raise common.UsageError(f"{common.CHECKOUT}: expected a checkout with tests. Clone the repository.")
    missing = [name for name in TOOLS if not common.is_installed(name)]
    if missing:
        raise common.UsageError(f'not installed: {", ".join(missing)}. Run: pip install -e ".[course,dev]"')
    summary, failed = [], False
    for name, command in steps(options):
        start = time.perf_counter()
        status, last = run_step(name, command)
        empty = status == 5 and options.k  # pytest's status if no test matches
        word = "none" if empty else "ok" if status == 0 else "FAILED"
        failed |= word == "FAILED"
        summary.append(f"{word:<7} {name:<11} {time.perf_counter() - start:4.0f} s   {last.strip('= ')}")
    print("\n" + "\n".join(summary), flush=True)
    return int(failed)
