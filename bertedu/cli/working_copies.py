"""Working copies of the chapters, without outputs, so that a prediction is not answered before it is made.

A copy's metadata names its chapter and the version of it, so no other record is needed. Only the standard library is
used, because `bertedu lab` starts without importing Keras; hence the small writer here instead of `bertedu.files`.
"""

import hashlib
import itertools
import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

METADATA = "bertedu"  # in a copy's metadata: {"chapter": "03_attention", "version": "6f1d..."}
DIAGRAMS = "diagrams"  # folder of the drawings that the chapters show, beside them


def update(chapters: Iterable[Path], folder: Path) -> list[Path]:
    """Copy the chapters that a folder lacks, and put changed ones beside the copies of their earlier versions.

    No notebook is replaced. A chapter whose copy was moved or deleted is copied again.

    Args:
        chapters: paths of the course's notebooks, in one folder.
        folder: folder of the copies, created if it does not exist.

    Returns:
        list of paths, the new versions beside earlier ones, such as `03_attention_2.ipynb`.

    Raises:
        OSError: the folder cannot be read or written.
        ValueError: a chapter is not a notebook.
    """
    chapters = list(chapters)
    folder.mkdir(parents=True, exist_ok=True)
    known = {(copy.get("chapter"), copy.get("version")) for copy in map(origin, folder.glob("*.ipynb"))}
    copied = {chapter for chapter, _ in known}
    offered = []
    for path in chapters:
        text, version = without_outputs(path)
        target = folder / path.name
        if not target.exists():
            write_new(target, text)
        elif path.stem in copied and (path.stem, version) not in known:  # otherwise a file of the learner's own
            names = (folder / f"{path.stem}_{number}.ipynb" for number in itertools.count(2))
            offered.append(next(name for name in names if not name.exists()))
            write_new(offered[-1], text)
    for drawing in sorted(chapters[0].parent.glob(f"{DIAGRAMS}/*.svg")) if chapters else ():
        target = folder / DIAGRAMS / drawing.name
        if not target.exists() or target.read_bytes() != drawing.read_bytes():
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(drawing.read_bytes())
    return offered


def origin(path: Path) -> dict[str, Any]:
    """Return which chapter a notebook copies, {"chapter", "version"}; empty for any other file."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))["metadata"][METADATA]
        return {key: str(stored[key]) for key in ("chapter", "version")}
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return {}


def without_outputs(path: Path) -> tuple[str, str]:
    """Return the text of a working copy of a chapter, and the version of the chapter."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell.update(outputs=[], execution_count=None)
        version = hashlib.sha256(json.dumps(notebook["cells"], sort_keys=True).encode()).hexdigest()[:16]
        notebook["metadata"][METADATA] = {"chapter": path.stem, "version": version}
    except (ValueError, LookupError, TypeError):
        raise ValueError(f"{path}: expected a notebook, got another file. Restore it: git checkout {path}") from None
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", version


def write_new(path: Path, text: str) -> None:
    """Write a new file completely or not at all."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".copying-") as folder:
        complete = Path(folder) / path.name
        complete.write_text(text, encoding="utf-8")
        os.rename(complete, path)
