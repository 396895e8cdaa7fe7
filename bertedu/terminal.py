"""Where output goes: whether that is a notebook, and text from foreign files made fit for a terminal, SVG or message.

The command line loads this module by itself: it imports nothing but the standard library.
"""

import re
import sys

STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, without tab and newline
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks and overrides of writing direction
    "\u2028\u2029\ud800-\udfff\ufffe\uffff]"  # line and paragraph separators; what XML cannot hold
)


def escape(text: object) -> str:
    r"""Return `text` with what could steer a terminal or reorder a line written out: controls, bidi marks, surrogates.

    Example:
        >>> escape("a\x1b[31mb\u202ec")
        'a\\x1b[31mb\\u202ec'
    """
    return STEERING.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode("ascii"), str(text))


def in_notebook() -> bool:
    """Return whether this runs in a Jupyter kernel; a terminal's IPython shows neither figures nor widgets."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel")
