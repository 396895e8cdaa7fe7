"""The course: exercises that check themselves, copies of notebooks for a class and for Colab.

exercise     `Exercise`, and what an exercise's judge uses    notebook      notebook files, checked field by field
exercises/   the exercises, one file per chapter              student_copy  notebooks without solutions
checking     `check`, `hint`, `solution`                      colab         notebooks that set themselves up in Colab
source       `show_source`                                    wheel, setup_cell   what such a notebook carries and runs

Nothing in the library imports this package.
"""

from bertedu.course.checking import check, hint, names, solution
from bertedu.course.source import show_source

__all__ = ["check", "hint", "names", "show_source", "solution"]
