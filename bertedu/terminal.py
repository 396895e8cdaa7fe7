"""Output: escape control characters in text from files, warn at the user's line, and detect notebooks.

The command line imports this module without the package, so it needs only the standard library.
"""

import re
import sys
import warnings

STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, without tab and newline
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional controls
    "\u2028\u2029\ud800-\udfff\ufffe\uffff]"  # line and paragraph separators; characters that XML forbids
)

LIBRARIES = {"bertedu", "keras", "tensorflow", "contextlib", "functools"}
"""Top-level modules whose lines no warning points at."""


def escape(text: object) -> str:
    r"""Escape control characters, bidirectional controls and surrogates, which could manipulate a terminal.

    Example:
        >>> escape("a\x1b[31mb\u202ec")
        'a\\x1b[31mb\\u202ec'
    """
    return STEERING.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode("ascii"), str(text))


def warn(message: str) -> None:
    """Issue a `UserWarning` at the line of the user's code that called the package, however deep the call."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in LIBRARIES:
        frame = frame.f_back
    module, registry = frame.f_globals.get("__name__"), frame.f_globals.setdefault("__warningregistry__", {})
    warnings.warn_explicit(message, UserWarning, frame.f_code.co_filename, frame.f_lineno, module, registry)


def in_notebook() -> bool:
    """Return whether the code runs in a Jupyter kernel. IPython in a terminal shows no figures or widgets."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel")
