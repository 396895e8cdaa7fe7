"""The course: exercises with automatic checks, and copies of notebooks for a class and for Colab.

exercise     `Exercise`, and helpers to check answers     notebook      notebook files, validated against their schema
project      `Project`, on the learner's own data         student_copy  notebooks without solutions
exercises/   one file per chapter; the projects           colab         notebooks that install the package in Colab
checking     `check`, `hint`, `solution`                  wheel, setup_cell   package and code in such a notebook
source       `show_source`
findings     published findings with their bands        labs          `Verdicts` on them, and `cached` results

The rest of the library does not import this package.
"""

import contextlib

from bertedu.backend import memory
from bertedu.course.checking import check, hint, names, solution
from bertedu.course.source import show_source

__all__ = ["check", "hint", "names", "show_source", "solution"]

_memory = contextlib.ExitStack()
_memory.enter_context(memory.reused())  # as long as the notebook runs: its own training loops take a third less time
