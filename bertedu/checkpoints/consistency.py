"""The files of a checkpoint while it is read: no links that lead out of it, and never two versions mixed.

Chapter: notebooks/10_checkpoints.ipynb.
"""

import contextlib
import glob
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

MAX_FILES = 10_000
TRIES = 3  # a directory that is replaced is whole again at once

Result = TypeVar("Result")


def read_one_version(path: Path, read: Callable[[Path], Result]) -> Result:
    """Return `read(path)`, read again if the files at `path` change meanwhile.

    Raises:
        ValueError: another process changes them all the time, or a link leads out of the directory.
    """
    check_links(path)
    for _ in range(TRIES):
        before = fingerprint(path)
        try:
            result = read(path)
        except (OSError, ValueError):
            if fingerprint(path) == before:
                raise
            continue  # half of it was another version's
        if fingerprint(path) == before:
            return result
    raise ValueError(f"{path}: another process changes it while it is read. Load it again once that is done.")


def files_at(path: Path) -> list[Path]:
    """Return the files of the checkpoint at `path`: a directory's, the file itself, or those of a prefix."""
    if path.is_dir():
        return sorted(itertools.islice(path.rglob("*"), MAX_FILES))
    return [path, *sorted(path.parent.glob(f"{glob.escape(path.name)}.*"))]


def check_links(path: Path) -> None:
    """Raise ValueError where a link in a directory leads out of it, but into the store of the Hugging Face cache."""
    root = Path(os.path.realpath(path))  # which, unlike Path.resolve, accepts links in a circle
    inside = [root, root.parent.parent / "blobs"] if root.parent.name == "snapshots" else [root]
    for file in files_at(root) if root.is_dir() else ():
        target = Path(os.path.realpath(file))
        if file.is_symlink() and not any(target.is_relative_to(place) for place in inside):
            raise ValueError(f"{file} is a link out of its directory, which is not followed: put a copy there.")


def fingerprint(path: Path) -> list[tuple]:
    """Return the identity, size and times of each file at `path`, which differ between two versions."""
    versions = []
    for file in [path, *files_at(path)]:
        with contextlib.suppress(OSError):
            stat = file.stat()
            versions.append((file, stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
    return versions
