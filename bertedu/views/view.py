"""View: what the browser views share: two outputs in a notebook, one file on disk, the messages of kernel and page.

A notebook gets a static figure first, as an output of its own, and then the live view, which hides the figure while it
lives: what is saved, previewed or opened without a kernel shows the figure. Arrays never go into the widget's state;
the page asks for *parts*, one layer or head at a time, and gets bytes. A saved file holds the same parts, compressed.
Chapter: 12.
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
MAX_IN_FILE = 150_000_000  # bytes of weights before compression; a browser opens twice that only slowly
Answer = tuple[dict[str, Any], bytes]  # a message for JSON, and the bytes of an array


class View:
    """A view of attention: shown by a notebook as the last value of a cell, or with `show()`; saved with `save(path)`.

    `head_view`, `model_view`, `neuron_view` and `explorer` make one. Each kind defines what it sends (`setup`, `part`,
    `exact`) and its static figure (`axes`).

    Attributes:
        alt: str, a description of what the view shows, computed from the numbers.
        nbytes: int, bytes that reach the page before the first drawing, its program included.
        saved_nbytes: int, an upper bound for the size of a saved .html (before compression).
    """

    kind = ""  # the name of the view's .js
    styles: tuple[str, ...] = ()  # its style sheets, besides common.css
    exact: Callable[..., bytes]  # float32 numbers that the page writes out in full while a kernel runs

    def __init__(self, tokens: list[str], title: str | None, shape: Sequence[int], layer_nbytes: int) -> None:
        self.tokens, self.title = tokens, None if title is None else visible(title)
        self.labels = [label(token) for token in tokens]
        self.layers, self.head_count = shape
        self.layer_nbytes = layer_nbytes  # of a layer's parts, before compression
        self._widget: Any = None

    def setup(self) -> dict[str, Any]:
        """Return what the page must know first: strings and small numbers, for JSON."""
        raise NotImplementedError

    def first_part(self) -> str:
        """Return the name of the part that the first drawing needs."""
        raise NotImplementedError

    def part(self, name: str) -> bytes:
        """Return the part called `name`, in 8 bits a number. Raises KeyError if there is no such part."""
        raise NotImplementedError

    def part_names(self, layers: Iterable[int]) -> list[str]:
        """Return the names of the parts that a saved file with these layers holds."""
        raise NotImplementedError

    def axes(self) -> Any:
        """Return the matplotlib Axes of the static figure."""
        raise NotImplementedError

    def quick_axes(self) -> Any:
        """Return the figure that a notebook gets before the view: `axes`, unless drawing them takes long."""
        return self.axes()

    def program(self, host: str = "kernel") -> tuple[str, str]:
        """Return the view's JavaScript and CSS, for a page with a "kernel" or for a "saved" one."""
        return bundle.script(f"{self.kind}.js", f"{host}.js"), bundle.styles("common", *(self.styles or (self.kind,)))

    # ---- what the page asks ------------------------------------------------------------------------------------------

    def questions(self) -> dict[str, Callable[..., Answer]]:
        """Return what the page may ask, by name; each function returns a dict for JSON, and bytes."""
        return {
            "setup": self._live_setup,
            "part": lambda name: ({}, self.part(name)),
            "exact": lambda **question: ({}, self.exact(**question)),
        }

    def answer(self, question: dict[str, Any]) -> Answer:
        """Return the answer to one question of the page.

        Raises:
            KeyError, TypeError, ValueError: the question is unknown or its arguments are wrong.
        """
        options = {key: value for key, value in question.items() if key not in ("ask", "number")}
        questions = self.questions()
        if question["ask"] not in questions:
            raise ValueError(f"unknown question {question['ask']!r}")
        return questions[question["ask"]](**options)

    def _live_setup(self) -> Answer:
        png = self._picture[0]["image/png"]  # begins with its width and height, by which the page knows the figure
        size = [int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")]
        of_kernel = {"exact": True, "layers": list(range(self.layers)), "picture": size}
        return {"setup": {**self.setup(), **of_kernel}, "part": self.first_part()}, self.part(self.first_part())

    def saved_setup(self, layers: list[int]) -> dict[str, Any]:
        """Return `setup` for a saved page with these layers."""
        setup = {**self.setup(), "exact": False, "layers": layers}
        return setup | {"layer": setup["layer"] if setup["layer"] in layers else layers[0]}

    # ---- the static figure -------------------------------------------------------------------------------------------

    @functools.cached_property
    def _picture(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Data and metadata of the figure that a notebook gets, as IPython takes them; it is drawn once."""
        return self._rendered(self.quick_axes())

    def _rendered(self, axes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        from bertedu import plots

        try:
            figure: Any = plots.figure_of(axes)
            data, metadata = figure._repr_mimebundle_()
        finally:
            plots.close(axes)
        return {**data, "image/png": smaller(data["image/png"])}, metadata

    def _saved_picture(self) -> dict[str, Any]:
        """Return description and PNG for a saved page."""
        return self._picture[0]

    @property
    def alt(self) -> str:
        """A description of the view."""
        return self._picture[0]["text/plain"]

    @property
    def nbytes(self) -> int:
        """Bytes that reach the page before the first drawing of the live view, the figure included."""
        program_nbytes = sum(len(text.encode()) for text in self.program())
        figure = len(self._picture[0]["image/png"]) * 4 // 3
        return len(to_json(self.setup())) + len(self.part(self.first_part())) + program_nbytes + figure

    @property
    def saved_nbytes(self) -> int:
        """An upper bound for the bytes of a saved .html: base64 writes three bytes as four; real weights shrink."""
        return self.nbytes + self.layers * self.layer_nbytes * 4 // 3

    def __repr__(self) -> str:
        name = f"{self.kind}_view of {len(self.tokens)} tokens, {self.layers} layers of {self.head_count} heads"
        return f"{name}: {size(self.nbytes)} to the first drawing, a file of at most {size(self.saved_nbytes)}"

    # ---- in a notebook -----------------------------------------------------------------------------------------------

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        return self._picture

    def _ipython_display_(self) -> None:
        self.show()

    def show(self) -> None:
        """Show the view: in a notebook the figure, and the live view as an output of its own; else describe it."""
        if not in_notebook():
            print(f"{self.alt}\nTo look at it outside a notebook: view.save('view.html'), and open that file.")
            return
        from IPython.display import display

        data, metadata = self._picture
        display(data, metadata=metadata, raw=True)
        try:
            self._widget = self._widget or live.widget_of(self)
        except Exception as error:  # whatever is missing or broken there, the figure above stands
            reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            print(f"This is a picture only: the live view did not start ({reason}). view.save('view.html') has it too.")
            return
        output = self._widget._repr_mimebundle_()
        data, metadata = output if isinstance(output, tuple) else (output, {})
        # nbconvert and GitHub drop the figure's alt text and show this text, so it repeats it. In a trusted notebook
        # without its kernel, Jupyter writes a line of its own here ("model not found", "Loading widget…"): its
        # renderer of widgets goes before that of every other type, and knows no way but state in the notebook.
        text = f"The live {self.kind} view stands here while a kernel runs: run this cell. The picture is above."
        display({**data, "text/plain": f"{text}\n{textwrap.fill(self.alt, 110)}"}, metadata=metadata, raw=True)

    def close(self) -> None:
        """End the live view, so that the kernel can free its arrays; the figure comes back."""
        if self._widget is not None:
            self._widget.close()
            self._widget = None

    # ---- on disk -----------------------------------------------------------------------------------------------------

    def save(self, path: str | Path, layers: Iterable[int] | None = None) -> Path:
        """Save the view.

        Args:
            path: str or Path, in a folder that exists. ".html" is one file that needs nothing else, and no network;
                its numbers are rounded to 8 bits. ".png", ".svg" and ".pdf" are the static figure.
            layers: list of the layers that an .html holds. Defaults to all.

        Returns:
            The Path.

        Raises:
            ValueError: another suffix, no such layer, or too many weights for one file. FileNotFoundError: no folder.
        """
        path = new_file(path, SUFFIXES)
        if path.suffix.lower() != ".html":
            return self._save_figure(path)
        files.write_text(path, self._page(self._chosen(layers)))
        return path

    def _save_figure(self, path: Path) -> Path:
        from bertedu import plots

        axes = self.axes()
        try:
            return plots.save(axes, path)
        finally:
            plots.close(axes)

    def _chosen(self, layers: Iterable[int] | None) -> list[int]:
        chosen = positions("layers", layers, self.layers)
        if len(chosen) * self.layer_nbytes > MAX_IN_FILE:
            fit = max(1, MAX_IN_FILE // self.layer_nbytes)
            raise ValueError(
                f"{len(chosen)} layers are {size(len(chosen) * self.layer_nbytes)}, and a file holds up to "
                f"{size(MAX_IN_FILE)}: choose {fit} of them or fewer, as layers=range({fit}), or take fewer tokens."
            )
        return chosen

    def _page(self, layers: list[int]) -> str:
        """Return the HTML of a saved page with these layers."""
        title = self.title or f"{self.kind.capitalize()} view of {len(self.tokens)} tokens"
        parts = {name: self.part(name) for name in self.part_names(layers)}
        return saved_page(title, self._saved_picture(), self.saved_setup(layers), parts, self.program("saved"))


def smaller(png: bytes) -> bytes:
    """Return a PNG reduced to 256 colours, a third of the bytes for figures of weights; its metadata stay."""
    from PIL import Image, PngImagePlugin  # matplotlib needs it too

    image: Any = Image.open(io.BytesIO(png))
    metadata = PngImagePlugin.PngInfo()
    for key, text in image.text.items():
        metadata.add_itxt(key, text)
    buffer = io.BytesIO()
    few = image.convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(buffer, "PNG", pnginfo=metadata)
    return min(buffer.getvalue(), png, key=len)


def size(count: int) -> str:
    """Return a number of bytes as text.

    Example:
        >>> size(2_400_000), size(900)
        ('2.4 MB', '1 KB')
    """
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(1, round(count / 1e3))} KB"
