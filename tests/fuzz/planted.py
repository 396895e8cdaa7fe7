"""Readers with a fault each, which the fuzzer must find: it is what tests the fuzzer. Imports no TensorFlow."""

import ctypes
import os
import subprocess
import time
from pathlib import Path

from .outcome import Finding
from .tree import Seed

PACKAGE = str(Path(__file__).parent)


def opens(path, out):
    """Open the input."""
    path.read_bytes()


def refuses(path, out):
    """Refuse with a message that names the file."""
    raise ValueError(f"{path}: expected another file.")


def refuses_without_a_name(path, out):
    """Refuse with a message that names no file."""
    raise ValueError("expected another file.")


def refuses_in_red(path, out):
    """Refuse with a message that colors the terminal."""
    raise ValueError(f"{path}: \x1b[31m.")


def fails_elsewhere(path, out):
    """End in another module's exception that happens to name the file."""
    os.fspath(Path(path)).encode("ascii")
    import json

    json.loads(str(path))


def fails(path, out):
    """End in a bare exception."""
    raise KeyError(str(path))


def crashes(path, out):
    """Read memory that is not there."""
    ctypes.string_at(0)


def hangs(path, out):
    """Never end."""
    while True:
        pass


def dawdles(path, out):
    """Take longer than it may."""
    start = time.process_time()
    while time.process_time() - start < 2.2:
        pass


def hoards(path, out):
    """Take more memory than it may, and refuse then."""
    held = bytearray(300_000_000)
    raise ValueError(f"{path}: expected fewer than {len(held)} bytes.")


def grows(path, out):
    """Take more memory than the machine has."""
    held = []
    while True:
        held.append(b"x" * 50_000_000)


def writes(path, out):
    """Write a file beside the input."""
    path.with_name("new").write_text("x")


def leaks(path, out):
    """Leave a file where temporary ones go."""
    Path(os.environ["TMPDIR"], "left").write_text("x")


def peeks(path, out):
    """Read a file outside of the input."""
    path.parent.joinpath("../outside.txt").read_text()


def starts(path, out):
    """Start a program."""
    subprocess.run(["true"])


def misreads(path, out):
    """Open something else than what the file says."""
    raise Finding("not as stated")


FAULTS = {
    opens: "opened",
    refuses: "valid input refused",
    refuses_without_a_name: "unnamed file",
    refuses_in_red: "raw control",
    fails_elsewhere: "JSONDecodeError",
    fails: "KeyError",
    crashes: "crash",
    hangs: "hang",
    dawdles: "slow",
    hoards: "memory",
    grows: "memory",
    writes: "changed files",
    leaks: "changed files",
    peeks: "file outside",
    starts: "forbidden call",
    misreads: "not as stated",
}
"""Reader -> what the fuzzer must say of it, outcome or kind."""

SEEDS = [Seed(reader.__name__, {"planted.txt": b"x\n"}, "planted.txt") for reader in FAULTS]


def process_state():
    """Return nothing: the planted readers change no settings."""
    return {}


def open_input(family, path, seed, out, refused):
    """Open an input by the reader that its seed names."""
    try:
        globals()[seed.name](path, out)
    except Exception as error:
        refused(error)
        return "refused"
    return "opened"
