"""Start-up: suppress TensorFlow's import messages, and load Triton's library before TensorFlow's.

While it is imported, and before a log level has an effect, TensorFlow writes to stderr which CPU instructions it uses
and that there is no CUDA driver. A notebook shows that as a red box above the first lesson.
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
    """Suppress lines on stderr (file descriptor 2) that match `CHATTER`. Other lines are written at the end."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # after the import; real errors are exceptions
    try:
        sys.stderr.flush()
        saved = os.dup(2)
    except (AttributeError, OSError):  # no stderr, as with pythonw
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
    """Load Triton's library if it is installed, and neither Triton nor TensorFlow is imported yet. Takes 0.04 s.

    TensorFlow's wheels since 2.20 export the symbols of their LLVM to all libraries that are loaded later
    (https://github.com/tensorflow/tensorflow/issues/124205). Triton 3.7, part of torch's CUDA builds, then uses these
    symbols in place of its own LLVM, and the process dies without a message: at a model of transformers, or at an
    optimizer of torch. Loaded first, Triton uses its own, and TensorFlow is not affected.
    """
    if "tensorflow" in sys.modules or "triton" in sys.modules:
        return
    package = importlib.util.find_spec("triton")
    if package is None:
        return
    for folder in package.submodule_search_locations or ():
        for library in Path(folder, "_C").glob("libtriton*.so"):
            with contextlib.suppress(OSError):  # if it cannot be loaded, it can do no harm later
                ctypes.CDLL(str(library), mode=os.RTLD_NOW)
