"""Reading a checkpoint consistently: no link leads out of its directory, and no two versions are mixed.

Chapter: notebooks/11_checkpoints.ipynb.
"""

import contextlib
import glob
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

MAX_FILES = 10_000
TRIES = 3  # a directory is replaced in one step

Result = TypeVar("Result")


def read_one_version(path: Path, read: Callable[[Path], Result]) -> Result:
    """Return `read(path)`, repeated if the files at `path` change meanwhile.

    Raises:
        ValueError: another process keeps changing the files, or a link leads out of the directory.
    """
    check_links(path)
    for _ in range(TRIES):
        before = fingerprint(path)
        try:
            result = read(path)
        except (OSError, ValueError):
            if fingerprint(path) == before:
                raise
            continue  # the files changed, which may have caused the error
        if fingerprint(path) == before:
            return result
    raise ValueError(f"{path}: another process keeps changing it. Load it again when that process is done.")


def files_at(path: Path) -> list[Path]:
    """Return a list of the files of the checkpoint at `path`, a directory, a file or a prefix."""
    if path.is_dir():
        return sorted(itertools.islice(path.rglob("*"), MAX_FILES))
    return [path, *sorted(path.parent.glob(f"{glob.escape(path.name)}.*"))]


def check_links(path: Path) -> None:
    """Raise ValueError if a link in a directory leads out of it, except to the blobs of the Hugging Face cache."""
    root = Path(os.path.realpath(path))  # unlike Path.resolve, it accepts circular links
    allowed = [root, root.parent.parent / "blobs"] if root.parent.name == "snapshots" else [root]
    for file in files_at(root) if root.is_dir() else ():
        target = Path(os.path.realpath(file))
        if file.is_symlink() and not any(target.is_relative_to(directory) for directory in allowed):
            raise ValueError(f"{file}: expected a file, got a link that leaves its directory. Replace it with a copy.")


def fingerprint(path: Path) -> list[tuple]:
    """Return a list of the identity, size and times of each file at `path`, which differ between versions."""
    versions = []
    for file in [path, *files_at(path)]:
        with contextlib.suppress(OSError):
            stat = file.stat()
            versions.append((file, stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
    return versions
