"""Temporary folders with a lock of their writer, and atomic renames, for `files.replacing`.

    .bertedu-writing-k2x8d0qa/lock                  locked while the writer is alive
    .bertedu-writing-k2x8d0qa/new/<target's name>   the new content
    .bertedu-writing-k2x8d0qa/old/<target's name>   the old content, between two renames on systems without exchange

The operating system releases the lock when the process ends for any reason.
"""

import contextlib
import ctypes
import errno
import functools
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

PREFIX = ".bertedu-writing-"
LOCK, NEW, OLD = "lock", "new", "old"
AT_FDCWD, RENAME_NOREPLACE, RENAME_EXCHANGE = -100, 1, 2  # linux/fcntl.h, linux/fs.h
UNSUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EPERM)
"""Errors of renameat2 if the kernel or the file system lacks a flag."""


def create(parent: Path) -> tuple[Path, int | None]:
    """Create and lock a temporary folder in `parent`. Return its path and its lock, as from `lock`."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        try:
            return folder, lock(folder / LOCK)
        except (BlockingIOError, FileNotFoundError):  # another writer found it unlocked and removes it
            continue
        except OSError:  # the disk is full
            shutil.rmtree(folder, ignore_errors=True)
            raise


def abandoned(parent: Path) -> Iterator[tuple[Path, int]]:
    """Yield each temporary folder in `parent` whose writer is dead, and its lock, which this process then holds."""
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            status = folder.lstat()
            own = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
            handle = lock(folder / LOCK) if own and stat.S_ISDIR(status.st_mode) else None
        except OSError:
            continue
        if handle is not None:
            yield folder, handle


def lock(path: Path) -> int | None:
    """Lock a file, created if necessary, and return its descriptor, or None if the file system has no locks.

    Raises:
        BlockingIOError: another writer holds it.
        FileNotFoundError: another writer has just removed it.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if os.name == "nt":
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(handle), os.stat(path)):
            raise FileNotFoundError(path)
    except OSError as error:
        os.close(handle)
        if os.name == "nt" and isinstance(error, PermissionError):  # the error of a held lock there
            raise BlockingIOError from None
        if isinstance(error, BlockingIOError | FileNotFoundError):
            raise
        return None
    return handle


def remove(folder: Path, handle: int | None) -> None:
    """Call `put_back`, remove a temporary folder, its lock last, and release the lock."""
    with contextlib.suppress(OSError):  # the next write removes the rest
        put_back(folder)
        for part in (NEW, OLD):
            shutil.rmtree(folder / part, ignore_errors=True)
        if os.name == "nt" and handle is not None:  # Windows cannot remove open files
            os.close(handle)
            handle = None
        (folder / LOCK).unlink(missing_ok=True)
        folder.rmdir()
    if handle is not None:
        os.close(handle)


def put_back(folder: Path) -> None:
    """Restore a target that a writer moved into its temporary folder before it was killed."""
    for old in (folder / OLD).glob("*"):
        target = folder.parent / old.name
        if (folder / NEW / old.name).exists() and not os.path.lexists(target):
            os.rename(old, target)


def replace(new: Path, target: Path) -> None:
    """Rename `new` to `target`, a file or folder that may exist, in one step if the system supports it, else in two.

    Raises:
        OSError: as `os.replace`, also if another writer changed `target` meanwhile.
    """
    if target.is_file() and new.is_file():
        with contextlib.suppress(OSError):
            shutil.copymode(target, new)
        os.replace(new, target)
    elif not target.exists():
        os.replace(new, target)
    elif not rename(new, target, RENAME_EXCHANGE):
        old = new.parent.with_name(OLD) / target.name
        shutil.rmtree(old.parent, ignore_errors=True)  # outdated: another writer was faster
        old.parent.mkdir()
        new.stat()  # fail before anything is moved
        os.rename(target, old)
        os.rename(new, target)


def rename(source: Path, target: Path, flag: int) -> bool:
    """Rename with a flag of Linux' `renameat2`. Return whether the system supports the flag."""
    function = renameat2()
    if function is None:
        return False
    if function(AT_FDCWD, os.fsencode(source), AT_FDCWD, os.fsencode(target), flag) == 0:
        return True
    code = ctypes.get_errno()
    if code in UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), str(source), None, str(target))


@functools.cache
def renameat2() -> Callable | None:
    """Return the C library's `renameat2`, or None on other systems and in C libraries before 2018."""
    try:
        function = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return function
