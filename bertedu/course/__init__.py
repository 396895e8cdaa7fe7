"""The course: exercises with automatic checks, and copies of notebooks for a class and for Colab.

exercise     `Exercise`, and helpers to check answers     notebook      notebook files, validated against their schema
exercises/   the exercises, one file per chapter          student_copy  notebooks without solutions
checking     `check`, `hint`, `solution`                  colab         notebooks that install the package in Colab
source       `show_source`                                wheel, setup_cell   package and code in such a notebook

The rest of the library does not import this package.
"""

import contextlib

from bertedu.backend import memory
from bertedu.course.checking import check, hint, names, solution
from bertedu.course.source import show_source

__all__ = ["check", "hint", "names", "show_source", "solution"]

_memory = contextlib.ExitStack()
_memory.enter_context(memory.reused())  # as long as the notebook runs: its own training loops take a third less time
