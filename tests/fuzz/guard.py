"""A watch over one input: which files Python opens, which programs it starts, and what it leaves behind."""

import os
import sys
from pathlib import Path

from . import tree
from .outcome import Finding

FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect", "pickle.find_class")
SECRET = "zqsecretqz"


class Guard:
    """Watches a working folder with `fuzzed` (the input), `out`, `tmp` and files that no input may reach.

    An audit hook can't be removed, so there is one `Guard` per process, which is switched on for each input.
    """

    def __init__(self, work):
        self.work, self.watching, self.seen = Path(work).resolve(), False, []
        sys.addaudithook(self._hook)

    def __enter__(self):
        self.before, self.seen = tree.snapshot(self.work), []
        self.watching = True
        return self

    def __exit__(self, kind, error, traceback):
        self.watching = False

    def _hook(self, event, arguments):
        if not self.watching:
            return
        if event == "open":
            self._opened(*arguments)
        elif event in FORBIDDEN:
            self.seen.append(("forbidden call", f"{event} {arguments!r}"[:300]))

    def _opened(self, path, mode, flags):
        if not isinstance(path, str | bytes | os.PathLike):
            return
        location = os.path.abspath(os.fsdecode(path))
        writing = bool(set(mode or "") & set("wax+")) or bool((flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        in_work = Path(location).is_relative_to(self.work)
        allowed = any(Path(location).is_relative_to(self.work / name) for name in ("fuzzed", "out", "tmp"))
        if (in_work and not allowed) or location in ("/etc/passwd", "/dev/zero"):
            self.seen.append(("file outside", location))
        elif writing and not in_work and location != os.devnull:
            self.seen.append(("wrote a file", location))

    def check(self):
        """Raise `Finding` for what was opened, started or left behind."""
        for kind, detail in self.seen:
            raise Finding(kind, detail)
        after = tree.snapshot(self.work)
        changed = {name for name in after.keys() | self.before.keys() if after.get(name) != self.before.get(name)}
        left = sorted(name for name in changed if name != "stderr" and name.partition("/")[0] != "out")
        if left:
            raise Finding("changed files", ", ".join(left)[:300])

    def prepare(self):
        """Put down the files that an input may name and no reader may open."""
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"{SECRET}{i}" for i in range(15))]
        (self.work / "outside.txt").write_text("".join(f"{word}\n" for word in words))
        (self.work / "outside.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
        for name in ("out", "tmp"):
            (self.work / name).mkdir(exist_ok=True)
