"""The live view: an anywidget that answers the page's requests."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bertedu.views.view import View


def widget_of(view: View) -> Any:
    """Return an anywidget that answers the page's requests about `view`; its state is the program, without data."""
    widget = _widget_class(view.kind, *view.program())()
    widget.on_msg(functools.partial(reply, view))
    return widget


@functools.lru_cache
def _widget_class(kind: str, code: str, css: str) -> type:
    import anywidget

    members = {"_esm": f"{code}\nexport default liveModule(showView);\n", "_css": css}
    return type(f"Live{kind.capitalize()}View", (anywidget.AnyWidget,), members)


def reply(view: View, widget: Any, question: Any, buffers: Any) -> None:
    """Answer one message of the page: {ask, number, ...} -> {number, ...} and bytes."""
    number = question.get("number") if isinstance(question, dict) else None
    try:
        header, content = view.answer(question)
        widget.send({"number": number, **header}, [content])
    except Exception as error:  # the page shows it; an exception here would be lost
        widget.send({"number": number, "error": f"{type(error).__name__}: {error}"})
