"""View: the base class of the browser views: notebook outputs, saved files, and messages between kernel and page.

A notebook gets two outputs: a static figure, and the live view, which hides the figure while it runs. So a notebook
that is previewed or opened without a kernel shows the figure. The widget's state contains no arrays; the page requests
*parts*, one layer or head at a time, and gets bytes. A saved file contains the same parts, compressed. Chapter: 12.
"""

from __future__ import annotations

import functools
import io
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from bertedu import files
from bertedu.checks import new_file, positions
from bertedu.terminal import in_notebook
from bertedu.views import bundle, live
from bertedu.views.arrays import label, visible
from bertedu.views.page import saved_page, to_json

SUFFIXES = (".html", ".png", ".svg", ".pdf")
MAX_FILE_NBYTES = 150_000_000  # weights before compression; browsers are slow to open files with twice as much
Answer = tuple[dict[str, Any], bytes]  # a message for JSON, and the bytes of an array


class View:
    """An interactive view of attention: a notebook shows it as the last value of a cell; `save(path)` saves it.

    `head_view`, `model_view`, `neuron_view` and `explorer` create one. A subclass defines its data (`setup`, `part`,
    `exact`) and its static figure (`axes`).

    Attributes:
        alt: str, the alt text, computed from the numbers.
        nbytes: int, bytes sent to the page before the first drawing, JavaScript and CSS included.
        saved_nbytes: int, an upper bound for the size of a saved .html.
    """

    kind = ""  # the name of the view's .js
    styles: tuple[str, ...] = ()  # its style sheets besides common.css

    exact: Callable[..., bytes]  # a subclass's: float32 values, which the page shows unrounded while a kernel runs

    def __init__(self, tokens: list[str], title: str | None, shape: Sequence[int], layer_nbytes: int) -> None:
        self.tokens, self.title = tokens, None if title is None else visible(title)
        self.labels = [label(token) for token in tokens]
        self.layers, self.head_count = shape
        self.layer_nbytes = layer_nbytes  # of a layer's parts, before compression
        self._widget: Any = None

    def setup(self) -> dict[str, Any]:
        """Return the page's initial state: strings and small numbers, for JSON."""
        raise NotImplementedError

    def first_part(self) -> str:
        """Return the name of the part for the first drawing."""
        raise NotImplementedError

    def part(self, name: str) -> bytes:
        """Return the part `name`, quantized to 8 bits; raise KeyError if there is no such part."""
        raise NotImplementedError

    def part_names(self, layers: Iterable[int]) -> list[str]:
        """Return the names of the parts of a saved file with these layers."""
        raise NotImplementedError

    def axes(self) -> Any:
        """Plot the static figure; return its matplotlib Axes."""
        raise NotImplementedError

    def quick_axes(self) -> Any:
        """Plot the static figure of a notebook: `axes`, unless that is slow."""
        return self.axes()

    def program(self, host: str = "kernel") -> tuple[str, str]:
        """Return the view's JavaScript and CSS, for a live page ("kernel") or a saved one ("saved")."""
        return bundle.script(f"{self.kind}.js", f"{host}.js"), bundle.styles("common", *(self.styles or (self.kind,)))

    # ---- what the page asks ------------------------------------------------------------------------------------------

    def questions(self) -> dict[str, Callable[..., Answer]]:
        """Return a function for each request of the page; it returns a dict for JSON, and bytes."""
        return {
            "setup": self._live_setup,
            "part": lambda name: ({}, self.part(name)),
            "exact": lambda **question: ({}, self.exact(**question)),
        }

    def answer(self, question: dict[str, Any]) -> Answer:
        """Return the answer to a request of the page.

        Raises:
            KeyError, TypeError, ValueError: an unknown request, or wrong arguments.
        """
        options = {key: value for key, value in question.items() if key not in ("ask", "number")}
        questions = self.questions()
        if question["ask"] not in questions:
            raise ValueError(f"ask: unknown request {question['ask']!r}")
        return questions[question["ask"]](**options)

    def _live_setup(self) -> Answer:
        png = self._figure[0]["image/png"]  # the page recognizes the figure by its size
        size = [int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")]
        live_fields = {"exact": True, "layers": list(range(self.layers)), "figure": size}
        return {"setup": {**self.setup(), **live_fields}, "part": self.first_part()}, self.part(self.first_part())

    def saved_setup(self, layers: list[int]) -> dict[str, Any]:
        """Return `setup` for a saved page with these layers."""
        setup = {**self.setup(), "exact": False, "layers": layers}
        return setup | {"layer": setup["layer"] if setup["layer"] in layers else layers[0]}

    # ---- the static figure -------------------------------------------------------------------------------------------

    @functools.cached_property
    def _figure(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Data and metadata of the static figure of a notebook, in IPython's format; drawn once."""
        return self._rendered(self.quick_axes())

    def _rendered(self, axes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        from bertedu import plots

        try:
            figure: Any = plots.figure_of(axes)
            data, metadata = figure._repr_mimebundle_()
        finally:
            plots.close(axes)
        return {**data, "image/png": reduce_colors(data["image/png"])}, metadata

    def _saved_figure(self) -> dict[str, Any]:
        """Return alt text and PNG for a saved page."""
        return self._figure[0]

    @property
    def alt(self) -> str:
        """str, the alt text."""
        return self._figure[0]["text/plain"]

    @property
    def nbytes(self) -> int:
        """int, bytes sent to the page before the first drawing of the live view, figure included."""
        program_nbytes = sum(len(text.encode()) for text in self.program())
        figure = len(self._figure[0]["image/png"]) * 4 // 3
        return len(to_json(self.setup())) + len(self.part(self.first_part())) + program_nbytes + figure

    @property
    def saved_nbytes(self) -> int:
        """int, an upper bound for the bytes of a saved .html, without compression; base64 writes 3 bytes as 4."""
        return self.nbytes + self.layers * self.layer_nbytes * 4 // 3

    def __repr__(self) -> str:
        nbytes, saved = format_nbytes(self.nbytes), format_nbytes(self.saved_nbytes)
        name = f"{self.kind}_view of {len(self.tokens)} tokens, {self.layers} layers of {self.head_count} heads"
        return f"{name}: sends {nbytes} before the first drawing; a saved .html takes at most {saved}"

    # ---- in a notebook -----------------------------------------------------------------------------------------------

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        return self._figure

    def show(self) -> None:
        """Show the view: figure and live view as two outputs of a notebook, or the alt text outside a notebook."""
        if not in_notebook():
            print(f"{self.alt}\nOutside a notebook, save the view with view.save('view.html') and open that file.")
            return
        from IPython.display import display

        data, metadata = self._figure
        display(data, metadata=metadata, raw=True)
        try:
            self._widget = self._widget or live.widget_of(self)
        except Exception as error:  # any failure leaves the static figure
            reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            print(f"The live view did not start ({reason}). For an interactive file, use view.save('view.html').")
            return
        output = self._widget._repr_mimebundle_()
        data, metadata = output if isinstance(output, tuple) else (output, {})
        # nbconvert and GitHub drop the figure's alt text and show this text, so it repeats it. In a trusted notebook
        # without its kernel, Jupyter shows its own message instead ("model not found", "Loading widget…"): it prefers
        # the widget to all other types, and needs widget state in the notebook to show one.
        text = f"The live {self.kind} view needs a running kernel: run this cell. The figure above is static."
        display({**data, "text/plain": f"{text}\n{textwrap.fill(self.alt, 110)}"}, metadata=metadata, raw=True)

    _ipython_display_ = show

    def close(self) -> None:
        """Close the live view, so that the kernel can free its arrays, and show the static figure again."""
        if self._widget is not None:
            self._widget.close()
            self._widget = None

    # ---- on disk -----------------------------------------------------------------------------------------------------

    def save(self, path: str | Path, layers: Iterable[int] | None = None) -> Path:
        """Save the view.

        Args:
            path: str or Path, in an existing folder. ".html" is a self-contained interactive file, with weights rounded
                to 8 bits. ".png", ".svg" and ".pdf" are the static figure.
            layers: list of int, the layers in an .html. Defaults to all.

        Returns:
            The Path.

        Raises:
            ValueError: unknown suffix, no such layer, or too many weights for one file. FileNotFoundError: no such
                folder.
        """
        path = new_file(path, SUFFIXES)
        if path.suffix.lower() == ".html":
            files.write_text(path, self._page(self._checked_layers(layers)))
            return path
        from bertedu import plots

        axes = self.axes()
        try:
            return plots.save(axes, path)
        finally:
            plots.close(axes)

    def _checked_layers(self, layers: Iterable[int] | None) -> list[int]:
        selected = positions("layers", layers, self.layers)
        if len(selected) * self.layer_nbytes > MAX_FILE_NBYTES:
            fit = max(1, MAX_FILE_NBYTES // self.layer_nbytes)
            advice = f"Save fewer layers, such as layers=range({fit}), or use a shorter text."
            got = f"{len(selected)} layers of {format_nbytes(self.layer_nbytes)} each"
            limit = format_nbytes(MAX_FILE_NBYTES)
            raise ValueError(f"layers: expected at most {limit} of attention weights, got {got}. {advice}")
        return selected

    def _page(self, layers: list[int]) -> str:
        """Return the HTML of a saved page with these layers."""
        title = self.title or f"{self.kind.capitalize()} view of {len(self.tokens)} tokens"
        parts = {name: self.part(name) for name in self.part_names(layers)}
        return saved_page(title, self._saved_figure(), self.saved_setup(layers), parts, self.program("saved"))


def reduce_colors(png: bytes) -> bytes:
    """Return a PNG with 256 colors, which takes a third of the bytes; the metadata is preserved."""
    from PIL import Image, PngImagePlugin  # a dependency of matplotlib

    image: Any = Image.open(io.BytesIO(png))
    metadata = PngImagePlugin.PngInfo()
    for key, text in image.text.items():
        metadata.add_itxt(key, text)
    buffer = io.BytesIO()
    reduced = image.convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    reduced.save(buffer, "PNG", pnginfo=metadata)
    return min(buffer.getvalue(), png, key=len)


def format_nbytes(count: int) -> str:
    """Format a number of bytes.

    Example:
        >>> format_nbytes(2_400_000), format_nbytes(900)
        ('2.4 MB', '1 KB')
    """
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(1, round(count / 1e3))} KB"
