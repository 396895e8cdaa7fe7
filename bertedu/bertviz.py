"""A bridge to bertviz (Vig 2019, https://arxiv.org/abs/1906.05714): its head view and model view of a reading.

    be.bertviz.head_view(bert.read("The cat sat.", "It was warm."))

bertviz takes torch tensors; torch and bertviz are imported on use. Its pages load jQuery, D3 and require.js from
cdnjs.cloudflare.com and stay blank without internet access; `reading.show()` does not need it. Chapter: 12.
"""

from __future__ import annotations

import html
import warnings
from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np

from bertedu.checks import choice, imported, instance, position, positions
from bertedu.reading import Reading
from bertedu.terminal import warn

ALTERNATIVE = "reading.show() draws the same and needs neither torch nor internet access"
HINT = f"Without it, {ALTERNATIVE}."
FRAME = """<div><iframe title="bertviz" srcdoc="{page}" style="width: 100%; height: 500px; border: 0"></iframe></div>"""
"""JupyterLab runs an output's scripts without waiting for those that still load, so bertviz' own output can fail with
"require is not defined". In a frame, scripts run in order."""
FIT = """<script>
new ResizeObserver(() => { frameElement.style.height = `${document.body.scrollHeight + 30}px`; }).observe(document.body)
</script>"""
ONLINE = (
    "bertviz loads its scripts from cdnjs.cloudflare.com. If the view stays blank, they could not be loaded: "
    f"{ALTERNATIVE}."
)


def head_view(
    reading: Reading,
    layer: int | None = None,
    heads: Iterable[int] | None = None,
    *,
    include_layers: Iterable[int] | None = None,
    prettify_tokens: bool = True,
    html_action: str = "view",
) -> Any:
    """Show bertviz' head view: lines between tokens; for a pair of texts, with a menu of directions.

    Args:
        reading: a `Reading`, as `bert.read` returns it.
        layer: int, the layer shown first. Defaults to the first of `include_layers`.
        heads: list of int, the heads shown first. Defaults to all.
        include_layers: list of int, the layers in the menu; fewer make the page smaller. Defaults to all.
        prettify_tokens: bool, whether bertviz removes special characters of other tokenizers; no effect on WordPieces.
        html_action: "view" shows the view in the notebook, "return" returns bertviz' HTML object.

    Returns:
        None; with "return" an `IPython.display.HTML`, whose `data` is the page.

    Raises:
        ImportError: torch or bertviz is not installed. TypeError: not a reading. ValueError: no such layer or head,
        attention that is not finite, or an unknown `html_action`.

    Example:
        page = head_view(bert.read("The cat sat on the mat.", "It was warm."), layer=5, html_action="return")
        Path("head_view.html").write_text(page.data, encoding="utf-8")
    """
    count, head_count = _checked(reading, html_action).attention.shape[:2]
    included = positions("include_layers", include_layers, count)
    if layer is not None:
        layer = choice("layer", position("layer", layer, count), included)
    heads = None if heads is None else positions("heads", heads, head_count)
    options = {"layer": layer, "heads": heads, "include_layers": included, "prettify_tokens": prettify_tokens}
    return _show("head_view", reading, html_action, options)


def model_view(
    reading: Reading,
    *,
    include_layers: Iterable[int] | None = None,
    include_heads: Iterable[int] | None = None,
    display_mode: str = "light",
    prettify_tokens: bool = True,
    html_action: str = "view",
) -> Any:
    """Show bertviz' model view: a thumbnail for every head of every layer; click one to enlarge it.

    Args:
        reading: a `Reading`, as `bert.read` returns it.
        include_layers, include_heads: list of int; fewer are drawn much faster. Defaults to all.
        display_mode: "light" or "dark".
        prettify_tokens, html_action: as for `head_view`.

    Returns, Raises:
        as `head_view`.
    """
    layers, heads = _checked(reading, html_action).attention.shape[:2]
    options = {
        "include_layers": positions("include_layers", include_layers, layers),
        "include_heads": positions("include_heads", include_heads, heads),
        "display_mode": choice("display_mode", display_mode, ("light", "dark")),
        "prettify_tokens": prettify_tokens,
    }
    return _show("model_view", reading, html_action, options)


def neuron_view(*args: Any, **kwargs: Any) -> NoReturn:
    """Raise an error: bertviz' neuron view works only with its own model classes. Use `be.neuron_view`.

    Raises:
        NotImplementedError
    """
    raise NotImplementedError(
        "bertviz' neuron view works only with its own three model classes. Use "
        'bert.read(text, return_qkv=True).show("neuron"), or be.neuron_view(queries, keys, tokens) for any arrays.'
    )


def tensors(reading: Reading) -> list[Any]:
    """Return a reading's attention in bertviz' format: a list of L torch tensors `[1, N, T, T]`."""
    torch = imported("torch", HINT)
    return [torch.from_numpy(np.array(layer[None], "float32")) for layer in reading.attention]  # writable copies


def sentence_b_start(reading: Reading) -> int | None:
    """Return the position of the second text's first token, or None if there is only one text."""
    return reading.segments.index(1) if 1 in reading.segments else None


def _show(name: str, reading: Reading, html_action: str, options: dict[str, Any]) -> Any:
    draw = getattr(imported("bertviz", HINT), name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # bertviz does not close its script file
        page = draw(
            attention=tensors(reading),
            tokens=[token.replace("</", "‹/").replace("<!", "‹!") for token in reading.tokens],  # "</script>"
            sentence_b_start=sentence_b_start(reading),
            html_action="return",
            **options,
        )
    if html_action == "return":
        return page
    from IPython.display import HTML, display

    document = f"<!doctype html><meta charset='utf-8'><body style='background: white'>{page.data}{FIT}</body>"
    display(HTML(FRAME.format(page=html.escape(document))))
    print(ONLINE)
    return None


def _checked(reading: Any, html_action: str) -> Reading:
    instance("reading", reading, Reading, "such as bert.read(text)")
    choice("html_action", html_action, ("view", "return"))
    if not np.isfinite(reading.attention).all():
        raise ValueError("reading: expected finite attention, got NaN or infinity. bertviz would show a blank page.")
    if reading.attention.min() < 0:
        message = "The weights of talking heads can be negative, which bertviz does not show. Use reading.show()."
        warn(message)
    return reading
