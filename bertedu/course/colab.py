"""Copies of notebooks for Google Colab, for the command `bertedu colab`.

A copy begins with a setup cell: the code of `setup_cell.py`, the package as text (a compressed wheel) or the address of
a public repository, and a call of `set_up`.
"""

import base64
import copy
import hashlib
import inspect
import lzma
import os
import posixpath
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from nbformat.v4 import new_code_cell

from bertedu import files
from bertedu.course import notebook, setup_cell, student_copy
from bertedu.course.wheel import PACKAGE, build_wheel
from bertedu.data import sets

# Bytes of the compressed wheel (now 436,000), which as text take a third more. The copy then has little more than half
# a megabyte without its figures, which Colab, GitHub's preview and e-mail accept.
MAX_CARRIED = 500_000
HEAD = PACKAGE / "assets" / "minilm_mlm.safetensors"  # 2 MB, only in chapters that use fill_mask
WIDTH = 4000  # characters per line of an embedded file
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
COLAB = "https://colab.research.google.com/github"
REPOSITORY = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-]*/(?!\.\.?$)[\w.-]+", re.ASCII)  # GitHub's rule
BRANCH = re.compile(r"(?!.*(?:\.\.|\.lock$|\.$))\w[\w.+-]*(?:/\w[\w.+-]*)*", re.ASCII)  # a subset of what git allows
USES_HEAD = re.compile(r"\bbert\.(fill_mask|masked_lm|masked_lm_bert|guesser)\b")

SETUP = """\
# @title Setup: run this cell first (about a minute, once in a session)
# Installs the packages that are missing. Installed packages keep their versions.
{functions}
{carried}
set_up({install})"""
DATA = {
    "sentences with dependencies": (re.compile(r"\bload_dependencies\("), ["dependencies/test.conllu"]),
    "documented functions": (re.compile(r"[\"']docs_pairs[\"']"), [*sets.SETS["docs_pairs"].files.values()]),
    "sentences with code": (re.compile(r"[\"']code_words[\"']"), [*sets.TAGGED["code_words"].values()]),
}
"""Data sets that the wheel leaves out, 0.2 to 1 MB each -> what the code of a notebook that uses them has, files."""

ASSET_SETUP = """\
# @title Setup: {what} (run this cell too)
{carried}
print(put_asset({file!r}, read_carried({name}, {name}_SHA256)))"""


class Copy(NamedTuple):
    """A copy of a notebook for Colab.

    Args:
        path: path of the file.
        address: address that opens it in Colab; None without a repository.
        lacks_head: bool, whether it uses the trained masked-LM head but does not contain it, because its file is
            missing.
    """

    path: Path
    address: str | None
    lacks_head: bool


def write(
    source: str | Path,
    target: str | Path | None = None,
    repository: str | None = None,
    branch: str = "main",
    force: bool = False,
) -> Copy:
    """Write a copy of a notebook for Colab.

    Args:
        source: path of a notebook.
        target: path of the copy. Defaults to the source's name with "_colab", in the current folder.
        repository, branch: as for `make`.
        force: bool, replace an existing file.

    Raises:
        FileExistsError: `target` exists, and `force` is False.
        FileNotFoundError: `source` or the folder of `target` does not exist.
        ValueError: `target` is `source` or has the wrong suffix; or as for `make`.
    """
    source = Path(source)
    target = Path(target) if target else Path(f"{source.stem}_colab.ipynb")
    if target.suffix != ".ipynb":
        raise ValueError(f"-o: expected a file that ends in .ipynb, got {str(target)!r}.")
    if os.path.realpath(target) == os.path.realpath(source):
        raise ValueError(f"-o: expected a file other than the notebook itself, got {str(target)!r}.")
    if target.exists() and not force:
        raise FileExistsError(f"{target} exists already. To replace it: --force")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"-o: the folder {target.parent} does not exist. Create it, or choose another.")
    path = path_in_repository(target)
    address = None if repository is None else address_of(repository, branch, path)
    original = notebook.read(source)
    files.write_text(target, notebook.to_text(make(original, repository, branch, path, source.parent)))
    return Copy(target, address, lacks_head=address is None and needs_head(original) and not HEAD.is_file())


def make(
    original: dict[str, Any],
    repository: str | None = None,
    branch: str = "main",
    path: str = "",
    folder: Path | None = None,
) -> dict[str, Any]:
    """Return a copy of a notebook for Colab, as a new dict.

    Args:
        original: dict, as `notebook.read` returns it.
        repository: "owner/name" of a public GitHub repository that contains this package. Defaults to None: the
            copy contains the package.
        branch: str, branch, tag or commit of the repository.
        path: path of the copy in the repository, for the badge; required with `repository`.
        folder: folder of the original, for its diagrams. Defaults to None: they remain links to files.

    Raises:
        ValueError: the name of the repository or the branch is invalid, or the package is too large for a cell.
    """
    address = None
    if repository is None:
        cells = [setup(*carried(*build_wheel()))]
        if needs_head(original) and HEAD.is_file():
            cells.append(asset("HEAD", HEAD, HEAD.name, "the trained masked-LM head, for fill_mask", "colab-02"))
        files = [(what, file) for what, (used, names) in DATA.items() if uses(used, original) for file in names]
        for number, (what, file) in enumerate(files, 3):
            cells.append(asset("DATA", sets.own_file(file), f"data/{file}", what, f"colab-{number:02}"))
        note = "It contains the package itself; only a model is downloaded."
        note = f"*This copy is for [Google Colab](https://colab.research.google.com). {note}*"
    else:
        note = f"[![Open in Colab]({BADGE})]({address_of(repository, branch, path)})"
        archive = f"https://github.com/{repository}/archive/{branch}.zip"
        cells = [setup("", f"lambda: install_from({archive!r})")]

        def address(target: str) -> str:
            beside = posixpath.join(posixpath.dirname(path), unquote(target))
            return address_of(repository, branch, posixpath.normpath(beside))

    made = copy.deepcopy(original)
    for cell in made["cells"]:
        if cell["cell_type"] == "markdown":
            text = student_copy.without_links("".join(cell["source"]), address=address)
            cell["source"] = text.splitlines(keepends=True)
    intro = {"cell_type": "markdown", "id": "colab-00", "metadata": {}, "source": [note]}
    made["cells"] = [intro, *cells, *(with_diagrams(made["cells"], folder) if folder else made["cells"])]
    notebook.complete_ids(made["cells"])  # the original may be a copy for Colab, with the same ids
    made["metadata"].setdefault("colab", {})["provenance"] = []  # as Colab writes
    return made


def with_diagrams(cells: Iterable[dict[str, Any]], folder: Path) -> Iterator[dict[str, Any]]:
    """Yield cells with diagrams in outputs, because Colab shows no SVG in Markdown."""
    for cell in cells:
        text = "".join(cell["source"])
        drawings = notebook.DIAGRAM.findall(text) if cell["cell_type"] == "markdown" else []
        drawings = [(alt, folder / name) for alt, name in drawings if (folder / name).is_file()]
        if drawings:
            cell["source"] = notebook.DIAGRAM.sub("", text).strip().splitlines(keepends=True)
        if cell["source"] or not drawings:
            yield cell
        for alt, path in drawings:
            svg = path.read_text(encoding="utf-8")
            code = f"# @title Diagram\nfrom IPython.display import SVG\n\nSVG({svg!r})"
            data = {"image/svg+xml": svg, "text/plain": alt}
            output = {"output_type": "display_data", "data": data, "metadata": {}}
            yield {**code_cell(code, f"diagram-{path.stem}"), "outputs": [output]}


def address_of(repository: str, branch: str, path: str) -> str:
    """Return the address that opens a file of a GitHub repository in Colab.

    Raises:
        ValueError: the name of the repository or the branch is invalid.
    """
    if not REPOSITORY.fullmatch(repository):
        raise ValueError(f"--repo: expected owner/name, as in github.com/owner/name, got {repository!r}.")
    if not BRANCH.fullmatch(branch):
        raise ValueError(f"--branch: expected letters, digits and _ . + - /, got {branch!r}.")
    return f"{COLAB}/{repository}/blob/{branch}/{quote(path, errors='surrogatepass')}"


def path_in_repository(path: str | Path) -> str:
    """Return the path of a file in its checkout; outside of a checkout, a path in `notebooks/`."""
    path = Path(os.path.realpath(path))
    root = next((folder for folder in path.parents if (folder / ".git").exists()), None)
    return path.relative_to(root).as_posix() if root else f"notebooks/{path.name}"


def needs_head(original: dict[str, Any]) -> bool:
    """Return whether the code of a notebook uses the trained masked-LM head."""
    return uses(USES_HEAD, original)


def uses(pattern: re.Pattern[str], original: dict[str, Any]) -> bool:
    """Return whether a pattern occurs in the code of a notebook."""
    code = ("".join(cell["source"]) for cell in original["cells"] if cell["cell_type"] == "code")
    return any(map(pattern.search, code))


def asset(name: str, path: Path, file: str, what: str, cell_id: str) -> dict[str, Any]:
    """Return a setup cell that contains a file and puts it into the assets of the installed package.

    Args:
        name: str, the cell's variable.
        path: path of the file.
        file: str, its path in the assets.
        what: str, description for the cell's title.
        cell_id: str.
    """
    content = path.read_bytes()
    source = ASSET_SETUP.format(what=what, carried=as_text(name, content, lzma.compress(content)), file=file, name=name)
    return code_cell(source, cell_id)


def setup(carried: str, install: str) -> dict[str, Any]:
    """Return the setup cell.

    Args:
        carried: Python source that defines the embedded files.
        install: Python source of a function without arguments that installs the package.
    """
    functions = inspect.getsource(setup_cell).split('"""', 2)[2].lstrip()  # without the module's docstring
    return code_cell(SETUP.format(functions=functions, carried=carried, install=install), "colab-01")


def code_cell(source: str, name: str) -> dict[str, Any]:
    """Return a code cell with the id `name`, whose code Colab and JupyterLab hide."""
    metadata = {"cellView": "form", "jupyter": {"source_hidden": True}}
    return new_code_cell(source.splitlines(keepends=True), id=name, metadata=metadata)


def carried(name: str, content: bytes) -> tuple[str, str]:
    """Return the arguments of `setup` for a notebook with an embedded wheel, from its file name and bytes."""
    packed = lzma.compress(content, preset=9 | lzma.PRESET_EXTREME)
    if len(packed) > MAX_CARRIED:
        sizes = f"expected at most {MAX_CARRIED:,} compressed bytes, got {len(packed):,}"
        raise ValueError(f"package: {sizes}. Use --repo.")
    install = f"lambda: install_package({name!r}, WHEEL_SHA256, read_carried(WHEEL, WHEEL_SHA256))"
    return as_text("WHEEL", content, packed), install


def as_text(name: str, content: bytes, packed: bytes) -> str:
    """Return Python source that defines an embedded file: compressed bytes as text, and the sha256 of its content."""
    text = base64.b64encode(packed).decode("ascii")
    lines = "\n".join(text[start : start + WIDTH] for start in range(0, len(text), WIDTH))
    sha256 = hashlib.sha256(content).hexdigest()
    return f'{name} = """\n{lines}\n"""  # {len(packed):,} bytes\n{name}_SHA256 = "{sha256}"\n'
