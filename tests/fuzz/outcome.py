"""What became of an input: opened, refused by a message of ours that names the file, or a finding."""

import re
from pathlib import Path

REFUSALS = (
    *(ValueError, FileNotFoundError, ImportError, ConnectionError),
    *(IsADirectoryError, NotADirectoryError, PermissionError),
)
"""The exact types that count; `UnicodeDecodeError` and `JSONDecodeError` are of other types, though they inherit."""

LONGEST_MESSAGE = 5_000
STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]"
)


class Finding(Exception):
    """Something that must not happen. `kind`: one word or two to count by."""

    def __init__(self, kind, detail=""):
        super().__init__(f"{kind}: {detail}")
        self.kind, self.detail = kind, str(detail)


def names_of(root, tree):
    """Return the names of which a message must hold one: the folder's, and those of the files in it."""
    return {str(root), *(Path(name).name for name in tree)}


def check_text(text, what):
    """Raise `Finding` for text that could steer a terminal, or fill one."""
    match = STEERING.search(text)
    if match:
        start = max(match.start() - 30, 0)
        raise Finding("raw control", f"{what}: {ascii(text[start : match.end() + 30])}")
    if len(text) > LONGEST_MESSAGE:
        raise Finding("long message", f"{what}: {len(text):,} characters, {ascii(text[:200])}")


def check_refusal(error, root, tree, package):
    """Raise `Finding` unless an exception is a refusal by the package's own message."""
    if isinstance(error, Finding):
        raise error
    message, name = str(error), type(error).__name__
    if type(error) not in REFUSALS:
        raise Finding(name, message) from error
    inside = _raised_in(error, package)
    by_system = isinstance(error, OSError) and error.errno is not None
    if not inside and not by_system:
        raise Finding(f"foreign {name}", message) from error
    if not any(part in message for part in names_of(root, tree)):
        raise Finding("unnamed file", f"{name}: {message}") from error
    check_text(message, name)


def _raised_in(error, package):
    """Return whether the innermost frame of an exception's traceback is in the package."""
    traceback = error.__traceback__
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return Path(traceback.tb_frame.f_code.co_filename).is_relative_to(package)


def frames(error):
    """Return where an exception was raised: the last frame of the project, and the innermost one."""
    frames, traceback = [], error.__traceback__
    while traceback is not None:
        frames.append(f"{_short(traceback.tb_frame.f_code.co_filename)}:{traceback.tb_lineno}")
        traceback = traceback.tb_next
    own_frames = [frame for frame in frames if frame.startswith("bertedu/")]
    return list(dict.fromkeys((*own_frames[-1:], *frames[-1:])))


def _short(path):
    parts = Path(path).parts
    start = max(
        (i for i, part in enumerate(parts) if part in ("bertedu", "site-packages", "fuzz")), default=len(parts) - 1
    )
    return "/".join(parts[start:])
