"""Output: escape control characters in text from files, and detect notebooks.

The command line imports this module without the package, so it needs only the standard library.
"""

import re
import sys

STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, without tab and newline
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional controls
    "\u2028\u2029\ud800-\udfff\ufffe\uffff]"  # line and paragraph separators; characters that XML forbids
)


def escape(text: object) -> str:
    r"""Escape control characters, bidirectional controls and surrogates, which could manipulate a terminal.

    Example:
        >>> escape("a\x1b[31mb\u202ec")
        'a\\x1b[31mb\\u202ec'
    """
    return STEERING.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode("ascii"), str(text))


def in_notebook() -> bool:
    """Return whether the code runs in a Jupyter kernel. IPython in a terminal shows no figures or widgets."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel")
