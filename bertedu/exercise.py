"""The old name of `bertedu.course`, for copies of notebooks that version 0.1 handed out. It goes with 0.3."""

import warnings

from bertedu.course import check, hint, names, show_source, solution  # noqa: F401

warnings.warn(
    "bertedu.exercise is now bertedu.course: write `from bertedu.course import check, hint, solution`.",
    FutureWarning,
    stacklevel=2,
)
