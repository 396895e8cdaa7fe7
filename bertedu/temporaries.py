"""Temporary folders that the lock of a living writer holds, and renames that replace a folder in one step.

    .bertedu-writing-k2x8d0qa/lock                  locked while the writer lives
    .bertedu-writing-k2x8d0qa/new/<target's name>   what is being written
    .bertedu-writing-k2x8d0qa/old/<target's name>   the target, between the two renames of a system without exchange

The lock is the system's, so it ends with its process however that ends. `files.replacing` is what the package calls.
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
"""What renameat2 fails with where the kernel or the file system lacks a flag."""


def create(parent: Path) -> tuple[Path, int | None]:
    """Make and lock a temporary folder in `parent`; return its path, and its lock as from `lock`."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        try:
            return folder, lock(folder / LOCK)
        except (BlockingIOError, FileNotFoundError):  # another writer saw it unlocked, and is removing it
            continue
        except OSError:  # no room even for that
            shutil.rmtree(folder, ignore_errors=True)
            raise


def abandoned(parent: Path) -> Iterator[tuple[Path, int]]:
    """Yield each temporary folder in `parent` whose writer is dead, and its lock, which is held from now on."""
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
    """Lock a file, which is made if need be, and return its descriptor; None where the file system has no locks.

    Raises:
        BlockingIOError: another writer holds it.
        FileNotFoundError: another writer removed it at this moment.
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
        if os.name == "nt" and isinstance(error, PermissionError):  # what a lock that is held looks like there
            raise BlockingIOError from None
        if isinstance(error, BlockingIOError | FileNotFoundError):
            raise
        return None
    return handle


def remove(folder: Path, handle: int | None) -> None:
    """Call `put_back`, remove a temporary folder, its lock last, and release the lock."""
    with contextlib.suppress(OSError):  # what cannot be removed now stays recognisable for the next write
        put_back(folder)
        for part in (NEW, OLD):
            shutil.rmtree(folder / part, ignore_errors=True)
        if os.name == "nt" and handle is not None:  # Windows removes no open file, and so no lock of a writer
            os.close(handle)
            handle = None
        (folder / LOCK).unlink(missing_ok=True)
        folder.rmdir()
    if handle is not None:
        os.close(handle)


def put_back(folder: Path) -> None:
    """Rename the target back that a writer moved into its temporary folder without completing the second rename."""
    for old in (folder / OLD).glob("*"):
        target = folder.parent / old.name
        if (folder / NEW / old.name).exists() and not os.path.lexists(target):
            os.rename(old, target)


def place(new: Path, target: Path) -> None:
    """Give `new` the name of `target`, a file or folder that may exist: in one step where the system can, else in two.

    Raises:
        OSError: as `os.replace`; FileNotFoundError, FileExistsError or "not empty" if another writer changed `target`
            meanwhile.
    """
    if target.is_file() and new.is_file():
        with contextlib.suppress(OSError):
            shutil.copymode(target, new)
        os.replace(new, target)
    elif not target.exists():
        os.replace(new, target)
    elif not rename(new, target, RENAME_EXCHANGE):
        old = new.parent.with_name(OLD) / target.name
        shutil.rmtree(old.parent, ignore_errors=True)  # out of date since another writer was faster than this one
        old.parent.mkdir()
        new.stat()  # before anything is moved
        os.rename(target, old)
        os.rename(new, target)


def rename(source: Path, target: Path, flag: int) -> bool:
    """Rename with a flag of Linux' `renameat2`; return whether kernel, C library and file system have it."""
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
    """Return the C library's function, None on other systems and in C libraries before 2018."""
    try:
        function = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return function
