"""An input of the fuzzer: files by relative path, held in memory, written to a folder when it is their turn."""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

FOLDER = None
"""The content of a path at which an empty folder stands."""


class Link(str):
    """The content of a path at which a symbolic link stands: its target."""


class Seed(NamedTuple):
    """A valid input.

    Args:
        name: str, where it comes from.
        tree: dict from relative path to bytes, `Link` or `FOLDER`.
        target: str, the relative path that is given to the reader; "." for the folder itself.
        options: dict of further arguments of the reader.
    """

    name: str
    tree: dict
    target: str = "."
    options: dict = {}


def read(folder):
    """Return the tree of a folder on disk, in sorted order."""
    folder = Path(folder)
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def write(tree, folder):
    """Write a tree into a new folder; a path below a file is left out."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    for name, content in tree.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            continue
        if content is FOLDER:
            path.mkdir(exist_ok=True)
        elif isinstance(content, Link):
            path.symlink_to(content)
        elif not path.is_dir():
            path.write_bytes(content)


def snapshot(folder):
    """Return what lies below a folder: relative path -> a digest of its content."""
    contents = {}
    for parent, folders, files in os.walk(folder):
        for name in folders + files:
            path = Path(parent, name)
            content = os.readlink(path) if path.is_symlink() else _digest(path) if path.is_file() else "folder"
            contents[str(path.relative_to(folder))] = content
    return contents


def _digest(path):
    with open(path, "rb") as file:  # piece by piece, as its memory would count as the reader's
        return hashlib.file_digest(file, "sha256").hexdigest()
