"""A picture is a matplotlib figure that says in words what it shows, in a notebook and in a saved file."""

import io

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bertedu.plots.style import SCREEN_DPI, SHARP_DPI, STYLE
from bertedu.terminal import escape


class Picture(Figure):
    """A matplotlib figure with a text alternative, `alt`, for those who cannot see it.

    Use it as ``plt.figure(FigureClass=Picture)`` or ``plt.subplots(FigureClass=Picture)``. `alt` is what the functions
    of this module say about the axes they drew, one after the other, until you set it yourself.

    A notebook gets a PNG with `alt` in its metadata and as the plain text beside it. Who reads which, as of 2026:
    nbconvert's `classic` template turns the metadata into `<img alt>`; JupyterLab 4 and nbconvert's `lab` template draw
    the `<img>` without any alt, whatever the metadata say, and keep the words in the file only; VS Code gives the plain
    text to screen readers. HTML with an `<img alt>` would be read in JupyterLab too, but it would come before the PNG
    everywhere, and previews that clean HTML, as GitHub's, may then show no picture.
    """

    _own_alt = None

    @property
    def alt(self):
        """The text alternative, str."""
        return describe(self) if self._own_alt is None else escape(self._own_alt)

    @alt.setter
    def alt(self, text):
        self._own_alt = text

    def _repr_mimebundle_(self, include=None, exclude=None):
        width, height = (round(inches * SCREEN_DPI) for inches in self.get_size_inches())
        data = {"image/png": drawn(self, "png", SHARP_DPI), "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt, "width": width, "height": height}}

    def _ipython_display_(self):
        # The inline backend registers a PNG maker for every Figure, which IPython prefers to `_repr_mimebundle_`;
        # its "retina" form drops our metadata. An object that displays itself comes before both, and only once.
        from IPython.display import display

        data, metadata = self._repr_mimebundle_()
        display(data, metadata=metadata, raw=True)


def describe(axes):
    """What the functions of this module say about the picture that `axes` (Axes, an array of them, a figure) is in."""
    return escape(" ".join(filter(None, (getattr(ax, "alt_text", "") for ax in figure_of(axes).axes))))


def tell(ax, title, words):
    """Keeps what is said of a picture with the Axes that it is drawn in."""
    ax.alt_title, ax.alt_text = title, words  # on the Axes, so that a figure of several tells them all


def figure_of(axes):
    """The figure that `axes` (Axes, an array of them, or a figure) is in."""
    first = axes if isinstance(axes, Figure) else next(iter(np.ravel(axes)), None)
    figure = first if isinstance(first, Figure) else getattr(first, "figure", None)
    if not isinstance(figure, Figure):
        raise TypeError(
            f"axes must be what a function of bertedu.plots returned, or a figure; got {type(axes).__name__}."
        )
    return figure


def new_figure(size, layout=None):
    """An empty `Picture` of `size` inches."""
    # Never inside `rc_context`: the first figure loads the backend, and a notebook's backend sets rcParams for good
    # ("interactive", without which no later figure is shown), and the context would take them back.
    if plt.get_backend().lower() == "agg":  # which shows nothing: pyplot would keep every figure for ever
        figure = Picture(figsize=size, layout=layout, facecolor="white")
        FigureCanvasAgg(figure)
        return figure
    return plt.figure(FigureClass=Picture, figsize=size, layout=layout, facecolor="white")


def drawn(figure, form, dpi):
    """The bytes of `figure` as "png", "svg" or "pdf", its words inside; the same figure gives the same bytes."""
    words = figure.alt if isinstance(figure, Picture) else describe(figure)
    titles = [figure.get_suptitle(), *(getattr(ax, "alt_title", None) for ax in figure.axes)]
    metadata = {
        "Title": escape(next(filter(None, titles), "Picture")),
        "Subject" if form == "pdf" else "Description": words,
    }
    metadata |= {} if form == "png" else {"CreationDate" if form == "pdf" else "Date": None}
    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format=form, dpi=dpi, metadata=metadata, bbox_inches=None)
    return buffer.getvalue()


def close(axes):
    """Forget the picture that `axes` (Axes, an array of them, or a figure) is in; matplotlib keeps it until told to."""
    plt.close(figure_of(axes))
