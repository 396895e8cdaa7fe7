"""Make `.venv` beside this repository and install the course into it: `python3 tools/setup_env.py lab|test|bench|book`.

Standard library only, and the syntax of Python 3.8, so that an unfitting Python still gets as far as saying so. A
second run finds its stamp in `.venv` and is done in a blink; an interrupted run leaves no stamp and is continued by
the next one.
"""

import hashlib
import http.client
import json
import os
import platform
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST, NEWEST = (3, 11), (3, 13)  # as `requires-python` in pyproject.toml, where the reason stands
EXTRAS = {
    "lab": {"course"},
    "test": {"course", "dev", "export"},
    "bench": {"course", "dev", "export", "bench"},
    "book": {"course", "dev", "export", "book"},
}
STAMP = "bertedu-setup.json"
GIGABYTES_NEEDED = 6.0  # the course on Linux with torch from the CPU index takes 4, and pip unpacks beside it
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
SECONDS_TO_ANSWER = 5
PROBE = """
import json, sys
try:
    import ensurepip, venv
    can_make = True
except ImportError:
    can_make = False
print(json.dumps([list(sys.version_info[:2]), sys.maxsize > 2**32, can_make]))
"""


class SetupError(Exception):
    """A problem whose message says what to do."""


def say(text):
    """Print one line of our own, apart from pip's."""
    print("==> " + text, flush=True)


def environment_python(environment):
    """Return the path of the interpreter inside an environment."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def probe(executable):
    """Ask an interpreter what it is: `((major, minor), is_64_bit, can_make_environments)`, or None if it won't run."""
    try:
        done = subprocess.run(
            [str(executable), "-c", PROBE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=True
        )
        version, is_64_bit, can_make = json.loads(done.stdout.decode())
    except (OSError, subprocess.SubprocessError, ValueError):
        return None  # a shim without a Python behind it, a broken link, an interpreter from another system
    return tuple(version), is_64_bit, can_make


def candidates():
    """List interpreters in the order we want them: the one running, then the newest that fits, by name on PATH."""
    names = ["python3.%d" % minor for minor in range(NEWEST[1], OLDEST[1] - 1, -1)] + ["python3", "python"]
    found = [sys.executable] + [shutil.which(name) for name in names]
    return list(dict.fromkeys(path for path in found if path))


def find_python(paths):
    """Return the first interpreter that fits, or raise a `SetupError` that says what is missing and how to get it."""
    seen, without_venv = [], None
    for path in paths:
        answer = probe(path)
        if answer is None:
            continue
        version, is_64_bit, can_make = answer
        fits = OLDEST <= version <= NEWEST and is_64_bit
        if fits and can_make:
            return path
        if fits:
            without_venv = without_venv or version
        seen.append("  %s is Python %d.%d%s" % (path, version[0], version[1], "" if is_64_bit else ", 32-bit"))
    if without_venv:
        raise SetupError(
            "Python %d.%d is here, but its module venv is not. On Debian and Ubuntu:\n"
            "  sudo apt install python3-venv        (or python%d.%d-venv)" % (without_venv + without_venv)
        )
    raise SetupError(
        "bertedu needs Python 3.%d to 3.%d, 64-bit, because TensorFlow has wheels for these. Found:\n%s\n"
        "Install one of them and run the same command again:\n"
        "  Debian, Ubuntu    sudo apt install python3.12 python3.12-venv\n"
        "  Fedora            sudo dnf install python3.12\n"
        "  macOS             brew install python@3.12\n"
        "  Windows           winget install Python.Python.3.12\n"
        "  any system        https://www.python.org/downloads/"
        % (OLDEST[1], NEWEST[1], "\n".join(seen) or "  no Python that runs")
    )


def fingerprint(root):
    """Return a hash of everything that decides what gets installed, the checkout's own place included."""
    digest = hashlib.sha256(str(root).encode())  # scripts in an environment carry its path: a moved one is void
    for name in ("pyproject.toml", "constraints.txt"):
        digest.update((root / name).read_bytes())
    return digest.hexdigest()


def read_stamp(environment):
    """Return what the last complete installation left: `{"fingerprint": ..., "extras": [...]}`, or an empty dict."""
    try:
        stamp = json.loads((environment / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def is_ready(root, environment, extras):
    """Say whether the environment already holds what is asked for."""
    stamp = read_stamp(environment)
    return (
        stamp.get("fingerprint") == fingerprint(root)
        and extras <= set(stamp.get("extras", []))
        and environment_python(environment).exists()
    )


def is_usable(environment):
    """Say whether an environment, finished or not, can be installed into: right Python, with pip, and never moved."""
    python = environment_python(environment)
    answer = probe(python) if python.exists() else None
    if answer is None or not OLDEST <= answer[0] <= NEWEST:
        return False
    script = python.with_name("pip.exe" if os.name == "nt" else "pip")
    return script.exists() and str(environment).encode() in script.read_bytes()  # the path of the Python it starts


def make_environment(environment):
    """Make the environment, or leave the one that is there if it can be used."""
    if is_usable(environment):
        return
    python = find_python(candidates())
    say("making %s with %s" % (environment, python))
    command = [python, "-m", "venv", "--clear", str(environment)]
    if subprocess.run(command).returncode != 0:
        raise SetupError("%s failed; its message stands above." % " ".join(command))


def torch_index_answers():
    """Say whether PyTorch's CPU index can be reached; a room without internet must not wait long for the answer."""
    try:
        with urllib.request.urlopen(TORCH_CPU_INDEX + "/torch/", timeout=SECONDS_TO_ANSWER):
            return True
    except (OSError, http.client.HTTPException):  # no network, no answer in time, or something else answering
        return False


def pinned_torch(root):
    """Return the line of constraints.txt that names torch."""
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return next(line.split("#")[0].strip() for line in lines if line.startswith("torch=="))


def pip(python, *arguments):
    """Run pip in the environment, its progress visible; return whether it succeeded."""
    command = [str(python), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    return subprocess.run(command + list(arguments)).returncode == 0


def install_torch(root, python):
    """Install torch from PyTorch's CPU index if that is worth it and works; else the plain index will do it later.

    Only on Linux does the plain index's torch bring gigabytes of CUDA libraries. `--no-deps`, because that index holds
    old versions of what torch needs; the plain one brings those.
    """
    if platform.system() != "Linux":
        return
    if not torch_index_answers():
        say("PyTorch's CPU index does not answer; torch comes from the plain index (larger, if that has CUDA builds)")
        return
    say("torch, from PyTorch's CPU index")
    options = ["--timeout", "30", "--retries", "0", "--no-deps", "--index-url", TORCH_CPU_INDEX]
    if not pip(python, *(options + [pinned_torch(root)])):
        say("that did not work; torch comes from the plain index")


def install(root, environment, extras):
    """Install this checkout with its extras, in place, at the versions of constraints.txt."""
    python = environment_python(environment)
    install_torch(root, python)
    target = "%s[%s]" % (root, ",".join(sorted(extras)))
    say("bertedu with %s (the first time: about a gigabyte of downloads, some minutes)" % ", ".join(sorted(extras)))
    if not pip(python, "--constraint", str(root / "constraints.txt"), "--editable", target):
        raise SetupError(
            "The installation stopped; pip's message stands above. Most often the network was the reason, or a full\n"
            "disk. What is already there is kept: the same command goes on from here. From nothing: make clean"
        )


def check_disk(root):
    """Warn when the disk looks too small; only a warning, since pip may have most of it in its cache."""
    free = shutil.disk_usage(str(root)).free / 1e9
    if free < GIGABYTES_NEEDED:
        say("only %.1f GB are free here; the course needs about %.0f GB" % (free, GIGABYTES_NEEDED))


def set_up(root, target):
    """Bring `.venv` to what `target` needs; at once when it is there already."""
    environment, extras = root / ".venv", set(EXTRAS[target])
    if is_ready(root, environment, extras):
        return
    extras |= set(read_stamp(environment).get("extras", []))  # what an earlier command asked for stays up to date
    check_disk(root)
    make_environment(environment)
    stamp = environment / STAMP
    if stamp.exists():
        stamp.unlink()
    install(root, environment, extras)
    content = {"fingerprint": fingerprint(root), "extras": sorted(extras)}
    stamp.write_text(json.dumps(content) + "\n", encoding="utf-8")
    say("ready")


def main(arguments):
    """Set up for the target named on the command line; return the exit status."""
    if len(arguments) != 1 or arguments[0] not in EXTRAS:
        print("usage: python3 tools/setup_env.py %s" % "|".join(EXTRAS), file=sys.stderr)
        return 2
    try:
        set_up(ROOT, arguments[0])
    except SetupError as problem:
        print("\n" + str(problem), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
