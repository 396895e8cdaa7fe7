"""Create `.venv` in this repository and install the course in it: `python3 tools/setup_env.py lab|test|bench|book`.

Uses only the standard library and the syntax of Python 3.8, so that an unsupported Python can print a message. A
complete installation leaves a stamp in `.venv`, with which the next run ends at once. An interrupted run leaves no
stamp, and the next run continues it.
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
OLDEST, NEWEST = (3, 11), (3, 13)  # as `requires-python` in pyproject.toml, which gives the reason
EXTRAS = {
    "lab": {"course"},
    "test": {"course", "dev", "export"},
    "bench": {"course", "dev", "export", "bench"},
    "book": {"course", "dev", "export", "book"},
}
STAMP = "bertedu-setup.json"
GIGABYTES_NEEDED = 6.0  # on Linux with torch from the CPU index, the course takes 4; pip needs more to unpack
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
    """Print a line that can be distinguished from the output of pip."""
    print("==> " + text, flush=True)


def environment_python(environment):
    """Return the path of the interpreter inside an environment."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def probe(executable):
    """Return `((major, minor), is_64_bit, can_create_environments)` of an interpreter, or None if it does not run."""
    try:
        done = subprocess.run(
            [str(executable), "-c", PROBE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=True
        )
        version, is_64_bit, can_make = json.loads(done.stdout.decode())
    except (OSError, subprocess.SubprocessError, ValueError):
        return None  # a shim without a Python, a broken link, an interpreter of another system
    return tuple(version), is_64_bit, can_make


def candidates():
    """Return paths of interpreters in order of preference: the current one, then those on PATH, newest first."""
    names = ["python3.%d" % minor for minor in range(NEWEST[1], OLDEST[1] - 1, -1)] + ["python3", "python"]
    paths = [sys.executable] + [shutil.which(name) for name in names]
    return list(dict.fromkeys(path for path in paths if path))


def find_python(paths):
    """Return the first supported interpreter. Raises SetupError, with advice, if there is none."""
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
            "Python %d.%d is installed without its module venv. On Debian and Ubuntu:\n"
            "  sudo apt install python3-venv        (or python%d.%d-venv)" % (without_venv + without_venv)
        )
    raise SetupError(
        "bertedu needs a 64-bit Python 3.%d to 3.%d, for which TensorFlow has wheels. Found:\n%s\n"
        "Install one of them and run the same command again:\n"
        "  Debian, Ubuntu    sudo apt install python3.12 python3.12-venv\n"
        "  Fedora            sudo dnf install python3.12\n"
        "  macOS             brew install python@3.12\n"
        "  Windows           winget install Python.Python.3.12\n"
        "  any system        https://www.python.org/downloads/"
        % (OLDEST[1], NEWEST[1], "\n".join(seen) or "  no Python that runs")
    )


def fingerprint(root):
    """Return a hash of everything that the installation depends on, including the path of the checkout."""
    digest = hashlib.sha256(str(root).encode())  # scripts of an environment contain its path, so it cannot be moved
    for name in ("pyproject.toml", "constraints.txt"):
        digest.update((root / name).read_bytes())
    return digest.hexdigest()


def read_stamp(environment):
    """Return the stamp of the last complete installation: `{"fingerprint": ..., "extras": [...]}`, or an empty dict."""
    try:
        stamp = json.loads((environment / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def is_ready(root, environment, extras):
    """Return whether the environment has an up-to-date installation with these extras."""
    stamp = read_stamp(environment)
    return (
        stamp.get("fingerprint") == fingerprint(root)
        and extras <= set(stamp.get("extras", []))
        and environment_python(environment).exists()
    )


def is_usable(environment):
    """Return whether an environment can be used: supported Python, with pip, and not moved."""
    python = environment_python(environment)
    answer = probe(python) if python.exists() else None
    if answer is None or not OLDEST <= answer[0] <= NEWEST:
        return False
    script = python.with_name("pip.exe" if os.name == "nt" else "pip")
    return script.exists() and str(environment).encode() in script.read_bytes()  # the path of its Python


def make_environment(environment):
    """Create the environment, unless there is a usable one."""
    if is_usable(environment):
        return
    python = find_python(candidates())
    say("creating %s with %s" % (environment, python))
    command = [python, "-m", "venv", "--clear", str(environment)]
    if subprocess.run(command).returncode != 0:
        raise SetupError("%s failed; see its message above." % " ".join(command))


def torch_index_answers():
    """Return whether PyTorch's CPU index can be reached, after a few seconds at most."""
    try:
        with urllib.request.urlopen(TORCH_CPU_INDEX + "/torch/", timeout=SECONDS_TO_ANSWER):
            return True
    except (OSError, http.client.HTTPException):  # no network, a timeout, or an invalid answer
        return False


def pinned_torch(root):
    """Return the requirement of torch in constraints.txt."""
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return next(line.split("#")[0].strip() for line in lines if line.startswith("torch=="))


def pip(python, *arguments):
    """Run `pip install` in the environment, and return whether it succeeded."""
    # seqeval has no wheel, and pip 23, which a new environment of Python 3.11 has, fails to build it in its old way.
    command = [str(python), "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--use-pep517"]
    return subprocess.run(command + list(arguments)).returncode == 0


def install_torch(root, python):
    """On Linux, install torch from PyTorch's CPU index, if it can be reached.

    Otherwise `install` installs it from PyPI, on Linux with gigabytes of CUDA libraries. Dependencies always come from
    PyPI (`--no-deps`), because the CPU index has old versions of them.
    """
    if platform.system() != "Linux":
        return
    if not torch_index_answers():
        say("PyTorch's CPU index cannot be reached; pip's own index has to do (PyPI's torch brings CUDA along)")
        return
    say("installing torch from PyTorch's CPU index")
    options = ["--timeout", "30", "--retries", "0", "--no-deps", "--index-url", TORCH_CPU_INDEX]
    if not pip(python, *(options + [pinned_torch(root)])):
        say("that failed; installing torch from PyPI")


def install(root, environment, extras):
    """Install this checkout with extras, as editable, with the versions of constraints.txt."""
    python = environment_python(environment)
    install_torch(root, python)
    target = "%s[%s]" % (root, ",".join(sorted(extras)))
    say("installing bertedu with %s (first time: about 1 GB of downloads, some minutes)" % ", ".join(sorted(extras)))
    if not pip(python, "--constraint", str(root / "constraints.txt"), "--editable", target):
        raise SetupError(
            "The installation failed; see pip's message above. Common reasons are the network and a full disk.\n"
            "Run the same command again to continue, or make clean to start from scratch."
        )


def check_disk(root):
    """Warn if the free disk space may be too small; less suffices if pip has the packages in its cache."""
    free = shutil.disk_usage(str(root)).free / 1e9
    if free < GIGABYTES_NEEDED:
        say("only %.1f GB of disk space are free; the course needs about %.0f GB" % (free, GIGABYTES_NEEDED))


def set_up(root, target):
    """Install the extras of `target` in `.venv`, unless they are installed."""
    environment, extras = root / ".venv", set(EXTRAS[target])
    if is_ready(root, environment, extras):
        return
    extras |= set(read_stamp(environment).get("extras", []))  # extras of earlier commands stay up to date
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
    """Set up for the target on the command line; return the exit status."""
    if len(arguments) != 1 or arguments[0] not in EXTRAS:
        print("usage: python3 tools/setup_env.py %s" % "|".join(EXTRAS), file=sys.stderr)
        return 2
    try:
        set_up(ROOT, arguments[0])
    except SetupError as problem:
        print("\n" + str(problem), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Run the same command again to continue.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
