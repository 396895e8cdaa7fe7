"""The bridge to bertviz (Vig 2019, https://arxiv.org/abs/1906.05714): its head view and model view of a reading.

    be.bertviz.head_view(bert.read("The cat sat.", "It was warm."))

bertviz takes torch tensors, so they are made here and nowhere else; torch and bertviz are imported on use. Its pages
load jQuery, D3 and require.js from cdnjs.cloudflare.com and stay blank without internet; `reading.show()` needs none.
Chapter: 12.
"""

from __future__ import annotations

import html
import importlib
import warnings
from collections.abc import Iterable
from types import ModuleType
from typing import Any, NoReturn

import numpy as np

from bertedu.checks import choice, instance, position, positions
from bertedu.reading import Reading

OURS = "reading.show() draws the same and needs neither torch nor internet"
FRAME = """<div><iframe title="bertviz" srcdoc="{page}" style="width: 100%; height: 500px; border: 0"></iframe></div>"""
"""JupyterLab runs an output's scripts without waiting for one that is still on its way, so that bertviz' own way of
showing itself can end in "require is not defined". In a frame they run in their order, as in any page."""
FIT = """<script>
new ResizeObserver(() => { frameElement.style.height = `${document.body.scrollHeight + 30}px`; }).observe(document.body)
</script>"""
ONLINE = (
    "bertviz loads its scripts from cdnjs.cloudflare.com. If the picture stays blank, there is no way there from here: "
    f"{OURS}."
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
    """bertviz' head view: lines from token to token. For a pair of texts it has a choice of directions.

    Args:
        reading: what `bert.read` returned.
        layer: int, the layer shown first, by its number in the model. Defaults to the first.
        heads: numbers of the heads shown first. Defaults to all.
        include_layers: the layers that can be chosen; fewer make the page smaller. Defaults to all.
        prettify_tokens: bool, bertviz' own clean-up of other tokenizers' signs; WordPieces have none of them.
        html_action: "view" shows it in the notebook; "return" returns bertviz' HTML object instead.

    Returns:
        None, or with "return" an `IPython.display.HTML`, whose `data` is the page.

    Raises:
        ImportError: torch or bertviz is not installed. TypeError: no reading. ValueError: a layer or head that is not
        there, numbers that are not finite, or another `html_action`.

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
    """bertviz' model view: a thumbnail for every head of every layer; click one to enlarge it.

    Args:
        reading: what `bert.read` returned.
        include_layers, include_heads: numbers of those drawn; fewer are drawn much sooner. Defaults to all.
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
    """Always an error: bertviz' neuron view works with its own model classes only. Ours is `be.neuron_view`.

    Raises:
        NotImplementedError
    """
    raise NotImplementedError(
        "bertviz' neuron view works only with its own three model classes, and cannot show this model. Ours can: "
        'bert.read(text, return_qkv=True).show("neuron"), or be.neuron_view(queries, keys, tokens) for any arrays.'
    )


def tensors(reading: Reading) -> list[Any]:
    """Return a reading's attention as bertviz takes it: a list of L torch tensors `[1, N, T, T]`."""
    torch = _imported("torch")
    return [torch.from_numpy(np.array(layer[None], "float32")) for layer in reading.attention]  # a copy: torch writes


def sentence_b_start(reading: Reading) -> int | None:
    """Return the position of the second text's first token, or None where there is no second text."""
    return reading.segments.index(1) if 1 in reading.segments else None


def _show(name: str, reading: Reading, html_action: str, options: dict[str, Any]) -> Any:
    draw = getattr(_imported("bertviz"), name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # bertviz leaves it to Python to close its script's file
        page = draw(
            attention=tensors(reading),
            tokens=[_harmless(token) for token in reading.tokens],
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
    instance("reading", reading, Reading, "as bert.read returns one")
    choice("html_action", html_action, ("view", "return"))
    if not np.isfinite(reading.attention).all():
        raise ValueError("The reading's attention holds NaN or infinity, of which bertviz makes a blank page.")
    if reading.attention.min() < 0:
        warnings.warn(
            "The scores of talking heads can be negative; bertviz takes weights for opacities and leaves those out. "
            "reading.show() has colours for both signs.",
            stacklevel=3,
        )
    return reading


def _harmless(token: str) -> str:
    """Return `token` without what would end the script that bertviz writes it into, as "</script>" would."""
    return token.replace("</", "‹/").replace("<!", "‹!")


def _imported(package: str) -> ModuleType:
    try:
        # By name, so that no module of the core has an `import torch`; it is absolute, and so never this module.
        return importlib.import_module(package)
    except ImportError as error:
        raise ImportError(
            f'{package} cannot be imported here ({error}). bertviz and torch come with pip install "bertedu[course]". '
            f"Without them: {OURS}.",
            name=package,
        ) from error
