"""Quiet: TensorFlow's start-up chatter held back, everything else let through.

TensorFlow writes to the process' error stream while it is imported, before any log level acts: which instructions its
binary was built with, that there is no CUDA driver. In a notebook that is a red box above the first lesson.
"""

import contextlib
import os
import re
import sys
import tempfile

CHATTER = re.compile(
    r"WARNING: All log messages before absl::InitializeLog"
    r"|[IW]\d{4} [\d:.]+ +\d+ "  # absl: information and warnings
    r"|E\d{4} .*(cuda_dnn|cuda_blas|cuda_fft)"  # plug-ins of 2.19 that register twice
    r"|\d{4}-\d\d-\d\d [\d:.]+: [IW] tensorflow/"
    r"|To enable the following instructions"
)


@contextlib.contextmanager
def start_up():
    """Holds back what matches `CHATTER` on the error stream (file descriptor 2); the rest is written at the end."""
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
