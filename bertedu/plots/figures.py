"""Figures with alt text, in notebooks and in files."""

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bertedu import files
from bertedu.checks import new_file
from bertedu.plots.style import SCREEN_DPI, SHARP_DPI, STYLE, SUFFIXES
from bertedu.terminal import escape


class AltTextFigure(Figure):
    """A matplotlib figure with an alt text, `alt`, for readers who cannot see it.

    Use it as ``plt.figure(FigureClass=AltTextFigure)`` or ``plt.subplots(FigureClass=AltTextFigure)``. Unless you set
    `alt`, it joins the descriptions that this package's plotting functions add to the Axes.

    A notebook gets a PNG with `alt` in its metadata and as its plain-text version. As of 2026, nbconvert's `classic`
    template turns the metadata into `<img alt>`; JupyterLab 4 and nbconvert's `lab` template ignore them; VS Code reads
    the plain text to screen readers. HTML with `<img alt>` would work in JupyterLab too, but every front end would
    prefer it to the PNG, and previews that sanitize HTML, such as GitHub's, might then show no figure.
    """

    _own_alt: str | None = None

    @property
    def alt(self) -> str:
        """str, the alt text."""
        return describe(self) if self._own_alt is None else escape(self._own_alt)

    @alt.setter
    def alt(self, text: str) -> None:
        self._own_alt = text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        width, height = (round(inches * SCREEN_DPI) for inches in self.get_size_inches())
        data = {"image/png": png(self), "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt, "width": width, "height": height}}

    def _ipython_display_(self) -> None:
        # The inline backend registers a PNG maker for every Figure, which IPython prefers to `_repr_mimebundle_`;
        # its "retina" form drops the alt text. `_ipython_display_` takes precedence over both.
        from IPython.display import display

        data, metadata = self._repr_mimebundle_()
        display(data, metadata=metadata, raw=True)


def describe(axes: Any) -> str:
    """Return the alt text of the figure of `axes` (Axes, an array of them, or a figure), from all of its Axes."""
    return escape(" ".join(filter(None, (getattr(ax, "alt_text", "") for ax in figure_of(axes).axes))))


def set_description(ax: Any, kind: str, title: str | None, text: str) -> None:
    """Store title and alt text in the Axes, so that a figure of several Axes can join them."""
    ax.alt_title, ax.alt_text = title, f"{kind} '{title}'{text}" if title else f"{kind}{text}"


def figure_of(axes: Any) -> Figure:
    """Return the figure of `axes` (Axes, an array of them, or a figure)."""
    first = axes if isinstance(axes, Figure) else next(iter(np.ravel(axes)), None)
    figure = first if isinstance(first, Figure) else getattr(first, "figure", None)
    if not isinstance(figure, Figure):
        raise TypeError(f"axes: expected Axes, an array of Axes, or a figure of matplotlib, got {type(axes).__name__}.")
    return figure


def new_figure(size: tuple[float, float], layout: Any = None) -> Figure:
    """Return an empty `AltTextFigure` of `size` inches."""
    # Never inside `rc_context`: the first figure loads the backend, a notebook's backend sets rcParams permanently
    # ("interactive", without which no later figure is shown), and the context would reset them.
    if plt.get_backend().lower() == "agg":  # it shows nothing, so pyplot would never release a figure
        figure = AltTextFigure(figsize=size, layout=layout, facecolor="white")
        FigureCanvasAgg(figure)
        return figure
    return plt.figure(FigureClass=AltTextFigure, figsize=size, layout=layout, facecolor="white")


@contextlib.contextmanager
def styled_axes(ax: Axes | None, size: tuple[float, float], layout: str = "constrained") -> Iterator[Axes]:
    """Yield `ax`, or the Axes of a new figure of `size` inches, with `STYLE` in effect."""
    axes = new_figure(size, layout).add_subplot if ax is None else lambda: ax
    with matplotlib.rc_context(STYLE):
        yield axes()


def png(axes: Any, dpi: float = SHARP_DPI) -> bytes:
    """Return the figure of `axes` (Axes, an array of them, or a figure) as PNG bytes.

    Example:
        >>> from bertedu import plots
        >>> png(plots.head([[1.0]], ["the"]))[1:4]
        b'PNG'
    """
    return _rendered(figure_of(axes), "png", dpi)


def save(axes: Any, path: str | os.PathLike[str], dpi: float = 200) -> Path:
    """Save a figure, with its alt text in the file's metadata.

    Args:
        axes: Axes, an array of them, or a figure, as the functions of this package return them.
        path: str or Path, ending in .png, .svg or .pdf, in an existing folder. An existing file is replaced once the
            new one is complete.
        dpi: float, pixels per inch of a .png.

    Returns:
        The Path.

    Raises:
        ValueError: another suffix. FileNotFoundError: no such folder.
    """
    path = new_file(path, SUFFIXES)
    files.write_bytes(path, _rendered(figure_of(axes), path.suffix.lower()[1:], dpi))
    return path


def _rendered(figure: Figure, form: str, dpi: float) -> bytes:
    """Return a figure as the bytes of a "png", "svg" or "pdf" with its alt text; equal figures give equal bytes."""
    titles = [figure.get_suptitle(), *(getattr(ax, "alt_title", None) for ax in figure.axes)]
    title = escape(next(filter(None, titles), "Figure"))
    alt = figure.alt if isinstance(figure, AltTextFigure) else describe(figure)
    metadata: dict[str, Any] = {"Title": title, "Subject" if form == "pdf" else "Description": alt}
    metadata |= {} if form == "png" else {"CreationDate" if form == "pdf" else "Date": None}
    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format=form, dpi=dpi, metadata=metadata, bbox_inches=None)
    return buffer.getvalue()


def close(axes: Any) -> None:
    """Close the figure of `axes` (Axes, an array of them, or a figure) to free its memory."""
    plt.close(figure_of(axes))
