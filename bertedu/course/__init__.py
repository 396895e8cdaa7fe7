"""The course: exercises that check themselves, copies of notebooks for a class and for Colab.

Nothing in the library imports this package.
"""

from bertedu.course.exercise import check, hint, names, show_source, solution

__all__ = ["check", "hint", "names", "show_source", "solution"]
