"""TensorFlow beside Triton, the compiler that CUDA builds of torch bring along, in one process.

TensorFlow's wheels from 2.20 on show their copy of LLVM to every library that is loaded after them
(https://github.com/tensorflow/tensorflow/issues/124205). Triton 3.7 has a copy of its own, gets TensorFlow's instead,
and the process dies without a word, a notebook's kernel too: at a model of transformers, or at an optimizer of torch.
Loaded first, Triton keeps its own, and TensorFlow takes no harm from that.
"""

import contextlib
import ctypes
import importlib.util
import os
import sys
from pathlib import Path


def triton_first():
    """Loads Triton's library where there is one, unless one of the two is there already; takes 0.04 s.

    Only the library, and not the package: what is in it waits until somebody imports it.
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
