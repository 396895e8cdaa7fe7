"""Read files with a size limit, and write them atomically.

Every JSON file from outside is parsed here, and everything written to a path of the user goes through `replacing`.
"""

import contextlib
import errno
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bertedu import temporaries
from bertedu.terminal import escape

JSON_LIMIT = 8_000_000
"""Maximum bytes of a configuration. The index of a model with thousands of shards is 1 MB in size."""

VOCABULARY_LIMIT = 64_000_000
"""Maximum bytes of a tokenizer.json or vocab.txt. The largest published vocabularies (500,000 tokens) are 17 MB
in size."""

ATTEMPTS = 100  # to replace a target that other writers replace concurrently; each failure is another's success
TAKEN = (errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR)
"""Errors of a rename when another writer has just changed the target."""

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)


def read_bytes(path: str | Path, limit: int = JSON_LIMIT) -> bytes:
    """Return the content of a file of at most `limit` bytes.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it is larger than `limit`.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path.parent}: expected {path.name}, got no such file. Is it a model's directory?")
    with open(path, "rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"{path}: expected at most {limit:,} bytes, got more. Is it the right file?")
    return content


def read_json(path: str | Path, kind: type = dict, limit: int = JSON_LIMIT) -> Any:
    """Return the content of a JSON file.

    Args:
        path: path of the file.
        kind: `dict` or `list`, the required type of the content. Defaults to `dict`.
        limit: int, the maximum size in bytes. Defaults to `JSON_LIMIT`.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it is too large, not JSON, nested too deeply, or of the wrong type.
    """
    return parse_json(read_bytes(path, limit), path, kind)


def parse_json(content: bytes | str, source: object, kind: type = dict) -> Any:
    """Parse JSON `content` from `source`, which is named in errors. Raises as `read_json`."""
    try:
        parsed = json.loads(content)
    except RecursionError:
        raise ValueError(f"{source}: expected JSON, got values nested too deeply. Download it again.") from None
    except ValueError as error:
        raise ValueError(f"{source}: expected JSON ({escape(error)}). Download it again.") from None
    if not isinstance(parsed, kind):
        expected = "object" if kind is dict else "list"
        raise ValueError(f"{source}: expected a JSON {expected}, got {type(parsed).__name__}.")
    return parsed


def write_json(path: str | Path, content: Any) -> None:
    """Write `content` as indented JSON in UTF-8."""
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    Path(path).write_bytes(text.encode("utf-8", "backslashreplace"))


@contextlib.contextmanager
def replacing(target: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """Write a file or directory atomically: yield a temporary path that replaces `target` when the block ends.

    If anything fails, `target` is unchanged and nothing else remains. If the process is killed at any moment, `target`
    has either the complete old or the complete new content, and the next write to its directory cleans up. Links are
    followed, and a file keeps the permissions of the one it replaces, as with `open`.

    Args:
        target: path; its directory is created if necessary. The temporary path has the same name, in a directory beside
            it.
        overwrite: bool, whether `target` may exist (an empty directory always may). Of two writers the later one wins.
            Defaults to False.

    Raises:
        FileExistsError: `target` exists, or is neither a file nor a directory.
        OSError: the disk is full, or as PermissionError: writing is not allowed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with replacing(f"{folder}/notes.txt") as new:
        ...         _ = new.write_text("the cat")
        ...     os.listdir(folder)
        ['notes.txt']
    """
    path = _resolve(target)
    with _explain(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        for folder, handle in temporaries.abandoned(path.parent):
            temporaries.remove(folder, handle)
        _check_free(path, overwrite)
        own, lock = temporaries.create(path.parent)
        try:
            new = own / temporaries.NEW / path.name
            new.parent.mkdir()
            yield new
            _replace_target(new, path, overwrite)
        finally:
            temporaries.remove(own, lock)


def recover(target: str | Path) -> bool:
    """Return whether `target` exists, after restoring content that a killed writer had moved away.

    This can only happen on systems that cannot replace a directory in one step. An existing `target` is not changed.
    """
    path = _resolve(target)
    if not path.exists():
        for folder, handle in temporaries.abandoned(path.parent):
            with contextlib.suppress(OSError):  # no permission to write here
                temporaries.put_back(folder)
            os.close(handle)
    return path.exists()


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write `content` to the file `path` atomically, with the permissions that `open` would give it."""
    with replacing(path, overwrite=True) as new:
        new.write_bytes(content)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` in UTF-8, as `write_bytes` does. Lone surrogates are escaped, as in JSON."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def _resolve(target):
    return Path(os.path.realpath(Path(target).expanduser()))


def _check_free(target, overwrite):
    try:
        mode = target.stat().st_mode
        if stat.S_ISDIR(mode) and not any(target.iterdir()):
            return
    except FileNotFoundError:  # it does not exist, or another writer is between its two renames
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise FileExistsError(f"{target}: expected a file or folder, got a device or pipe. Choose another path.")
    if not overwrite:
        way_out = "Choose another path, or pass overwrite=True (--overwrite on the command line)."
        raise FileExistsError(f"{target}: expected a path that does not exist, got an existing one. {way_out}")


def _replace_target(new, target, overwrite):
    for attempt in range(ATTEMPTS):
        _check_free(target, overwrite)
        try:
            if overwrite or target.exists() or not temporaries.rename(new, target, temporaries.RENAME_NOREPLACE):
                temporaries.replace(new, target)
            return
        except OSError as error:
            if error.errno not in TAKEN or not new.exists() or attempt == ATTEMPTS - 1:
                raise


@contextlib.contextmanager
def _explain(target):
    """Turn errors of a full disk or a missing permission into an OSError that names `target` and the remedy."""
    try:
        yield
    except Exception as error:
        code = _code_of(error, target.parent)
        if code is None:
            raise
        way_out = "Free disk space" if code in NO_ROOM else f"Allow writing in {target.parent}"
        reason = f"{target}: cannot be written ({os.strerror(code)}); nothing was changed."
        explained = type(OSError(code, ""))(f"{reason} {way_out}, or choose another path.")
        explained.errno = code
        raise explained from None


def _code_of(error, folder):
    """Return the error code if `error` is about a full disk or a missing permission in `folder`, else None."""
    if isinstance(error, OSError) and error.errno in READ_ONLY:
        elsewhere = isinstance(error.filename, str) and not Path(error.filename).is_relative_to(folder)
        return None if elsewhere else error.errno
    while error is not None:
        for code in NO_ROOM:  # safetensors, h5py and TensorFlow raise their own errors, with the system's message
            if getattr(error, "errno", None) == code or os.strerror(code) in str(error):
                return code
        error = error.__cause__ or error.__context__
    return None
