"""The name of `bertedu.course` in version 0.1, for copies of its notebooks. It will be removed in version 0.3."""

import warnings

from bertedu.course import check, hint, names, show_source, solution  # noqa: F401

warnings.warn(
    "bertedu.exercise is now bertedu.course: write `from bertedu.course import check, hint, solution`.",
    FutureWarning,
    stacklevel=2,
)
