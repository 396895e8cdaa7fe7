"""Start-up: TensorFlow's chatter held back, and Triton's library loaded before TensorFlow's.

TensorFlow writes to the process' error stream while it is imported, before any log level acts: which instructions its
binary was built with, that there is no CUDA driver. In a notebook that is a red box above the first lesson.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

CHATTER = re.compile(
    r"WARNING: All log messages before absl::InitializeLog"
    r"|[IW]\d{4} [\d:.]+ +\d+ "  # absl: information and warnings
    r"|E\d{4} .*(cuda_dnn|cuda_blas|cuda_fft)"  # plug-ins of 2.19 that register twice
    r"|\d{4}-\d\d-\d\d [\d:.]+: [IW] tensorflow/"
    r"|To enable the following instructions"
)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hold back what matches `CHATTER` on the error stream (file descriptor 2); the rest is written at the end."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # from then on; real errors reach us as exceptions
    try:
        sys.stderr.flush()
        saved = os.dup(2)
    except (AttributeError, OSError):  # no error stream at all, as under pythonw
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            held.seek(0)
            lines = held.read().decode(errors="replace").splitlines(keepends=True)
            sys.stderr.write("".join(line for line in lines if not CHATTER.match(line)))


def load_triton_first() -> None:
    """Load Triton's library where there is one, unless Triton or TensorFlow has been imported; takes 0.04 s.

    TensorFlow's wheels from 2.20 on show their copy of LLVM to every library that is loaded after them
    (https://github.com/tensorflow/tensorflow/issues/124205). Triton 3.7, which CUDA builds of torch bring along, has a
    copy of its own, gets TensorFlow's instead, and the process dies without a message, a notebook's kernel too: at a
    model of transformers, or at an optimizer of torch. Loaded first, Triton keeps its own, and TensorFlow is not
    affected. Only the library is loaded, not the package.
    """
    if "tensorflow" in sys.modules or "triton" in sys.modules:
        return
    package = importlib.util.find_spec("triton")
    if package is None:
        return
    for folder in package.submodule_search_locations or ():
        for library in Path(folder, "_C").glob("libtriton*.so"):
            with contextlib.suppress(OSError):  # one that does not load can do no harm later
                ctypes.CDLL(str(library), mode=os.RTLD_NOW)
