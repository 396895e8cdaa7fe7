"""Saved page: a self-contained HTML file with a view's program, figure and data."""

import base64
import html
import json
import zlib
from typing import Any

from bertedu.views import bundle

TEMPLATE = bundle.HERE / "page.html"  # placeholders are those of str.format


def saved_page(title: str, figure: dict, setup: dict, parts: dict[str, bytes], program: tuple[str, str]) -> str:
    """Return the HTML of a saved view.

    Args:
        title: str, the heading.
        figure: the static figure, "image/png" and "text/plain".
        setup: dict for JSON, the page's initial state.
        parts: dict, name -> bytes, which are compressed here.
        program: JavaScript and CSS.
    """
    code, css = program
    blocks = (f'<script type="text/plain" data-part="{name}">{_packed(part)}</script>' for name, part in parts.items())
    return TEMPLATE.read_text(encoding="utf-8").format(
        title=html.escape(title),
        alt=html.escape(figure["text/plain"], quote=True),
        png=base64.b64encode(figure["image/png"]).decode(),
        setup=to_json(setup),
        parts="\n".join(blocks),
        css=css,
        code=code,
    )


def to_json(value: Any) -> str:
    """Return JSON for a script element of a page: it can neither end the script nor begin a comment."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _packed(content: bytes) -> str:
    """Return compressed bytes as base64. zlib's highest level would take four times as long to save 1 %."""
    return base64.b64encode(zlib.compress(content, 6)).decode("ascii")
