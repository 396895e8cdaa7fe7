"""Plots: attention and vectors as pictures that say in words what they show.

Arrays and strings in, matplotlib Axes out; never a model. Every function writes an alternative text computed from the
numbers it draws (`Picture.alt`), which travels with the picture into a notebook and into a saved file. All chapters.
"""

import functools
import io
import math
import os
import tempfile
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib import font_manager
from matplotlib.figure import Figure

FONT = "DejaVu Sans"  # comes with matplotlib, so that a picture is the same everywhere
SMALL = 8  # points; no text is smaller
STYLE = {
    "font.family": FONT,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "text.usetex": False,
    "text.parse_math": False,  # a "$" in a token is a dollar
    "axes.unicode_minus": True,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "none",  # letters stay letters: searchable, and read aloud
    "svg.hashsalt": "bertedu",  # the same picture gives the same file
}
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Colours that stay apart under every common colour blindness: Okabe and Ito 2008 (https://jfly.uni-koeln.de/color),
without their yellow, which is too pale for a line on white."""
MARKERS = "osD^vPX"
SCREEN_DPI = 96  # the pixels a browser counts as one inch
SHARP_DPI = 160  # what a notebook's picture is drawn with, so that it stays sharp on dense screens
MOST_LABELS = 40  # more tokens than that, and only every second, third, ... is written
MOST_NUMBERS = 8  # up to that many tokens, the numbers stand in the squares
UNIT = "share of attention"
SUFFIXES = (".png", ".svg", ".pdf")


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
        return describe(self) if self._own_alt is None else self._own_alt

    @alt.setter
    def alt(self, text):
        self._own_alt = text

    def _repr_mimebundle_(self, include=None, exclude=None):
        width, height = (round(inches * SCREEN_DPI) for inches in self.get_size_inches())
        data = {"image/png": _drawn(self, "png", SHARP_DPI), "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt, "width": width, "height": height}}

    def _ipython_display_(self):
        # The inline backend registers a PNG maker for every Figure, which IPython prefers to `_repr_mimebundle_`;
        # its "retina" form drops our metadata. An object that displays itself comes before both, and only once.
        from IPython.display import display

        data, metadata = self._repr_mimebundle_()
        display(data, metadata=metadata, raw=True)


def head(attention, tokens, *, queries=None, ax=None, title=None):
    """One head as a heat map: each row is a token that looks, each column a token that is looked at.

    Args:
        attention: `[T, S]`, finite numbers. Where some are negative (talking heads), colours diverge around 0.
        tokens: S strings, the columns; also the rows, unless `queries` says otherwise.
        queries: None, or T strings.
        ax: None (a new `Picture`), or the Axes to draw in.
        title: None, or a line above.

    Returns:
        The Axes.

    Raises:
        TypeError, ValueError: `attention` or a list of tokens is not as above; the message names it.

    Example:
        >>> head([[0.75, 0.25], [0.5, 0.5]], ["the", "cat"]).figure.alt
        "Heat map: 2 tokens look at 2 tokens. 'the' looks most at 'the' (0.75), 'cat' at 'the' (0.50)."
    """
    attention = _numbers("attention", attention, "TS")
    tokens = _strings("tokens", tokens, attention.shape[1], "columns of attention")
    queries = _strings("queries" if queries is not None else "tokens", tokens if queries is None else queries,
                       attention.shape[0], "rows of attention")  # fmt: skip
    figure = _new_figure(_head_size(queries, tokens), "compressed") if ax is None else None
    with matplotlib.rc_context(STYLE):
        ax = figure.add_subplot() if ax is None else ax
        _heat_map(ax, attention, tokens, queries, _scale(attention), UNIT, title)
        ax.set_xlabel("is looked at (key)")
        ax.xaxis.set_label_position("top")
        ax.set_ylabel("looks (query)")
    _tell(ax, title, _head_in_words(attention, tokens, queries, title))
    return ax


def layer(attention, tokens, *, title=None):
    """All heads of one layer as small heat maps, numbered from 0.

    Args:
        attention: `[N, T, S]`; each head has a colour scale of its own, from 0 to its largest share.
        tokens: S strings (and T = S); written at the left and bottom edge while they fit (16 tokens).
        title: None, or a line above.

    Returns:
        An array of N Axes.

    Raises:
        TypeError, ValueError: as `head`.

    Example:
        >>> layer(np.full((2, 3, 3), 1 / 3), ["the", "cat", "sat"]).shape
        (2,)
    """
    attention = _numbers("attention", attention, "NTS")
    tokens = _square_tokens(attention, tokens)
    heads, columns = len(attention), min(4, len(attention))
    rows = math.ceil(heads / columns)
    labelled = len(tokens) <= 16
    side = max(1.5, 0.15 * len(tokens)) if labelled else 1.9
    room = 0.25 + 0.075 * max(map(len, tokens)) if labelled else 0.1
    lines = [*([title] if title else []), "Darkest: the largest share of each head. White: 0."]
    axes = _grid(rows, columns, heads, (side, side + 0.3), (room, 0.1, 0.15 + 0.2 * len(lines), room), lines)
    with matplotlib.rc_context(STYLE):
        for number, ax in enumerate(axes):
            _thumbnail(ax, attention[number])
            ax.set_title(f"head {number}", fontsize=SMALL + 1, pad=3)
            if labelled:
                _token_ticks(ax, tokens, tokens, top=False)
                ax.tick_params(labelleft=number % columns == 0, labelbottom=number + columns >= heads, length=0)
    _tell(axes[0], title, _layer_in_words(attention, tokens, title))
    return axes


def model(attention, tokens, *, title=None):
    """Every head of every layer: a row of small heat maps for each layer, a column for each head, numbered from 0.

    Args:
        attention: `[L, N, T, S]`; each head has a colour scale of its own, from 0 to its largest share.
        tokens: S strings (and T = S), for the description.
        title: None, or a line above.

    Returns:
        An array of L by N Axes.

    Raises:
        TypeError, ValueError: as `head`.

    Example:
        >>> model(np.full((4, 2, 3, 3), 1 / 3), ["the", "cat", "sat"]).shape
        (4, 2)
    """
    attention = _numbers("attention", attention, "LNTS")
    tokens = _square_tokens(attention, tokens)
    layers, heads = attention.shape[:2]
    side = max(0.3, min(0.95, 8.4 / heads))
    words = "Each square is one head: a row of it looks, a column is looked at; white is 0, darkest its largest share."
    lines = [*([title] if title else []), words]
    axes = _grid(layers, heads, layers * heads, (side, side), (0.75, 0.1, 0.3 + 0.2 * len(lines), 0.1), lines)
    axes = axes.reshape(layers, heads)
    with matplotlib.rc_context(STYLE):
        for place in np.ndindex(layers, heads):
            _thumbnail(axes[place], attention[place])
        step = math.ceil(0.3 / side)  # a two-digit number needs that much width
        for number in range(0, heads, step):
            axes[0, number].set_title(f"head {number}" if number == 0 else str(number), fontsize=SMALL, pad=3)
        for number in range(layers):
            axes[number, 0].set_ylabel(f"layer {number}", fontsize=SMALL, rotation=0, ha="right", va="center")
    _tell(axes[0, 0], title, _model_in_words(attention, tokens, title))
    return axes


def lines(values, labels, *, x=None, xlabel, ylabel, title=None, ax=None):
    """Lines that carry their names at their right end; told apart by marker as well as by colour.

    Args:
        values: `[R, X]`, one line a row.
        labels: R strings.
        x: None (0, 1, 2, ...), or X numbers, or X strings to write below evenly spaced points.
        xlabel, ylabel: str, what the axes show.
        title: None, or a line above.
        ax: None (a new `Picture`), or the Axes to draw in.

    Returns:
        The Axes.

    Raises:
        TypeError, ValueError: an argument is not as above; the message names it.

    Example:
        >>> lines([[1.0, 0.5]], ["river"], xlabel="layer", ylabel="similarity").figure.alt
        "Line plot of similarity over layer, 0 to 1. 'river' goes from 1.00 to 0.50."
    """
    values = _numbers("values", values, "RX")
    labels = _strings("labels", labels, len(values), "rows of values")
    names, x = _positions(x, values.shape[1])
    figure = _new_figure((6.4, 3.8), "constrained") if ax is None else None
    with matplotlib.rc_context(STYLE):
        ax = figure.add_subplot() if ax is None else ax
        for number, row in enumerate(values):
            ax.plot(x, row, **_line_style(number))
        if len(x) <= 16 or names != [f"{value:g}" for value in x]:
            _ticks(ax.xaxis, x, names, MOST_LABELS)
        _clean_axes(ax, xlabel, ylabel, title)
        _label_lines(ax, x[-1], values[:, -1], labels)
    _tell(ax, title, _lines_in_words(values, labels, names, xlabel, ylabel, title))
    return ax


def similarity(values, labels, *, unit="cosine similarity", title=None, ax=None):
    """A table of how alike things are, as a heat map. The colours span what differs: the diagonal plays no part in it.

    Args:
        values: `[R, R]`.
        labels: R strings, of rows and columns alike.
        unit: str, what the numbers are.
        title: None, or a line above.
        ax: None (a new `Picture`), or the Axes to draw in.

    Returns:
        The Axes.

    Raises:
        TypeError, ValueError: an argument is not as above; the message names it.

    Example:
        >>> similarity([[1, 0.5], [0.5, 1]], ["a", "b"]).figure.alt
        "Heat map of cosine similarity between 2 things. Most like 'a' is 'b' (0.50), like 'b' 'a' (0.50)."
    """
    values = _numbers("values", values, "RR")
    if values.shape[0] != values.shape[1]:
        raise ValueError(f"values must have as many rows as columns, got {list(values.shape)}.")
    labels = _strings("labels", labels, len(values), "rows of values")
    others = values[~np.eye(len(values), dtype=bool)] if len(values) > 1 else values
    figure = _new_figure(_head_size(labels, labels), "compressed") if ax is None else None
    with matplotlib.rc_context(STYLE):
        ax = figure.add_subplot() if ax is None else ax
        _heat_map(
            ax, values, labels, labels, {"cmap": "Blues", "vmin": others.min(), "vmax": others.max()}, unit, title
        )
    _tell(ax, title, _similarity_in_words(values, labels, unit, title))
    return ax


def vectors(points, labels, *, groups=None, ax=None, title=None):
    """Points in the plane with their names beside them; near each other means alike.

    Args:
        points: `[R, 2]`.
        labels: R strings.
        groups: None, or R strings: points of one group share colour and marker, and a legend names them.
        ax: None (a new `Picture`), or the Axes to draw in.
        title: None, or a line above.

    Returns: the Axes.

    Raises:
        TypeError, ValueError: an argument is not as above; the message names it.

    Example:
        >>> vectors([[0, 0], [0, 1], [5, 5]], ["a", "b", "c"]).figure.alt
        "Scatter plot of 3 points. Nearest to 'a' is 'b', to 'b' 'a', to 'c' 'b'."
    """
    points = _numbers("points", points, "R2")
    labels = _strings("labels", labels, len(points), "rows of points")
    groups = [""] * len(points) if groups is None else _strings("groups", groups, len(points), "rows of points")
    kinds = list(dict.fromkeys(groups))
    figure = _new_figure((5.6, 4.4), "constrained") if ax is None else None
    with matplotlib.rc_context(STYLE):
        ax = figure.add_subplot() if ax is None else ax
        for number, kind in enumerate(kinds):
            chosen = points[[group == kind for group in groups]]
            style = {"color": PALETTE[number % len(PALETTE)], "marker": MARKERS[number % len(MARKERS)]}
            ax.scatter(*chosen.T, s=36, label=_shown(kind)[0], **style)
        ax.margins(0.2)
        for (px, py), label in zip(points, labels, strict=True):
            style = {"family": _shown(label)[1], "fontsize": SMALL}
            ax.annotate(_shown(label)[0], (px, py), (5, 4), textcoords="offset points", **style)
        _clean_axes(ax, "", "", title)
        if any(kinds):
            ax.legend(frameon=False, fontsize=SMALL)
        ax.set(xticks=[], yticks=[], aspect="equal", adjustable="datalim")
    _tell(ax, title, _vectors_in_words(points, labels, groups, title))
    return ax


def describe(axes):
    """What the functions of this module say about the picture that `axes` (Axes, an array of them, a figure) is in."""
    return " ".join(filter(None, (getattr(ax, "alt_text", "") for ax in _figure(axes).axes)))


def png(axes, dpi=SHARP_DPI):
    """The picture that `axes` (Axes, an array of them, or a figure) is in, as the bytes of a PNG file.

    Example:
        >>> png(head([[1.0]], ["the"]))[1:4]
        b'PNG'
    """
    return _drawn(_figure(axes), "png", dpi)


def save(axes, path, dpi=200):
    """Save the picture that `axes` (Axes, an array of them, or a figure) is in, with its description inside.

    Args:
        axes: what one of the functions above returned.
        path: str or Path, ending in .png, .svg or .pdf, in a folder that exists. A file there is replaced, and only
            once the new one is complete.
        dpi: pixels an inch (.png).

    Returns:
        The Path.

    Raises:
        ValueError: another ending. FileNotFoundError: no such folder.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"path must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}, got {str(path)!r}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"path: there is no folder {str(path.parent)!r} to save {path.name!r} in; make it first."
        )
    content = _drawn(_figure(axes), path.suffix.lower()[1:], dpi)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o666 & ~_umask())  # as if `open` had made it; mkstemp lets only the owner read
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def close(axes):
    """Forget the picture that `axes` (Axes, an array of them, or a figure) is in; matplotlib keeps it until told to."""
    plt.close(_figure(axes))


# ---- what comes in ---------------------------------------------------------------------------------------------------


def _numbers(name, values, letters):
    """`values` as a float array with one axis a letter, not empty, all finite. A digit among the letters is a size."""
    shape = f"[{', '.join(letters)}]"
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} must be numbers of shape {shape}, got {type(values).__name__}: {error}") from None
    fits = array.ndim == len(letters) and array.size
    if not fits or any(
        letter.isdigit() and int(letter) != size for letter, size in zip(letters, array.shape, strict=True)
    ):
        raise ValueError(f"{name} must have shape {shape}, got {list(array.shape)}.")
    if not np.isfinite(array).all():
        raise ValueError(
            f"{name} holds {np.count_nonzero(~np.isfinite(array))} numbers that are not finite (NaN or infinity)."
        )
    return array


def _strings(name, strings, count, what):
    if isinstance(strings, str) or not all(isinstance(string, str) for string in strings):
        raise TypeError(f"{name} must be a list of strings, got {strings!r}.")
    strings = [str(string) for string in strings]  # NumPy's own strings too
    if len(strings) != count:
        raise ValueError(f"{name} must be as many as the {what}: expected {count}, got {len(strings)}.")
    return strings


def _square_tokens(attention, tokens):
    if attention.shape[-1] != attention.shape[-2]:
        raise ValueError(
            f"attention must have as many rows as columns here, got {list(attention.shape)}; head draws others."
        )
    return _strings("tokens", tokens, attention.shape[-1], "columns of attention")


def _positions(x, count):
    """Names and numbers of the points along x."""
    if x is not None and len(x) and all(isinstance(value, str) for value in x):
        return _strings("x", x, count, "columns of values"), np.arange(count)
    x = _numbers("x", np.arange(count) if x is None else x, "X")
    if len(x) != count:
        raise ValueError(f"x must be as many as the columns of values: expected {count}, got {len(x)}.")
    return [f"{value:g}" for value in x], x


def _figure(axes):
    first = axes if isinstance(axes, Figure) else next(iter(np.ravel(axes)), None)
    figure = first if isinstance(first, Figure) else getattr(first, "figure", None)
    if not isinstance(figure, Figure):
        raise TypeError(
            f"axes must be what a function of bertedu.plots returned, or a figure; got {type(axes).__name__}."
        )
    return figure


# ---- drawing ---------------------------------------------------------------------------------------------------------


def _new_figure(size, layout=None):
    # Never inside `rc_context`: the first figure loads the backend, and a notebook's backend sets rcParams for good
    # ("interactive", without which no later figure is shown), and the context would take them back.
    return plt.figure(FigureClass=Picture, figsize=size, layout=layout, facecolor="white")


def _drawn(figure, form, dpi):
    """The bytes of `figure` as "png", "svg" or "pdf", its words inside; the same figure gives the same bytes."""
    words = figure.alt if isinstance(figure, Picture) else describe(figure)
    titles = [figure.get_suptitle(), *(getattr(ax, "alt_title", None) for ax in figure.axes)]
    metadata = {"Title": next(filter(None, titles), "Picture"), "Subject" if form == "pdf" else "Description": words}
    metadata |= {} if form == "png" else {"CreationDate" if form == "pdf" else "Date": None}
    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format=form, dpi=dpi, metadata=metadata, bbox_inches=None)
    return buffer.getvalue()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _head_size(queries, tokens):
    """Width and height in inches: enough that neighbouring labels do not touch, with room for the longest."""
    largest = min(max(len(queries), len(tokens)), MOST_LABELS)
    cell = 0.48 if largest <= MOST_NUMBERS else max(0.17, min(0.32, 5.0 / largest))
    columns, rows = (max(1.6, cell * min(len(strings), MOST_LABELS)) for strings in (tokens, queries))
    room = [0.085 * max(map(len, strings)) for strings in (queries, tokens)]
    return columns + room[0] + 1.5, rows + room[1] + 0.8


def _heat_map(ax, values, columns, rows, scale, unit, title):
    image = ax.imshow(values, aspect="equal", interpolation="nearest", **scale)
    _token_ticks(ax, columns, rows)
    _write_title(ax, title)
    if max(values.shape) <= MOST_NUMBERS:
        _write_numbers(ax, image, values)
    bar = ax.figure.colorbar(image, ax=ax, fraction=0.05, pad=0.03)
    bar.set_label(unit, parse_math=False)
    bar.ax.tick_params(labelsize=SMALL)


def _scale(attention):
    """Colours: white at 0; where there are negative numbers, two colours of equal depth around it."""
    most = np.abs(attention).max() or 1.0
    return (
        {"cmap": "RdBu_r", "vmin": -most, "vmax": most}
        if attention.min() < 0
        else {"cmap": "Blues", "vmin": 0, "vmax": most}
    )


def _token_ticks(ax, columns, rows, top=True):
    ax.tick_params(top=top, labeltop=top, bottom=not top, labelbottom=not top, length=2, labelsize=SMALL)
    _ticks(ax.xaxis, range(len(columns)), columns, MOST_LABELS, rotation=90)
    _ticks(ax.yaxis, range(len(rows)), rows, MOST_LABELS)


def _ticks(axis, places, names, most, **style):
    step = math.ceil(len(names) / most)
    axis.set_ticks(list(places)[::step], [_shown(name)[0] for name in names[::step]], parse_math=False, **style)
    for tick, name in zip(axis.get_ticklabels(), names[::step], strict=True):
        tick.set_family(_shown(name)[1])


def _write_title(ax, title):
    if title:
        text, family = _shown(title)
        ax.set_title(text, family=family, loc="left", parse_math=False)


def _write_numbers(ax, image, attention):
    for row, column in np.ndindex(attention.shape):
        shade = image.cmap(image.norm(attention[row, column]))
        dark = np.dot(shade[:3], (0.299, 0.587, 0.114)) < 0.55  # perceived brightness, as in ITU-R BT.601
        ax.text(column, row, f"{attention[row, column]:.2f}", ha="center", va="center", fontsize=SMALL,
                color="white" if dark else "black")  # fmt: skip


def _grid(rows, columns, count, size, edges, lines):
    """`count` Axes of `size` inches in a grid, inside `edges` (left, right, top, bottom), below `lines` of text.

    Placed by hand: matplotlib's own layouts take seconds for 144 Axes.
    """
    left, right, top, bottom = edges
    least = 0.063 * max(map(len, lines)) + 0.3  # inches that the longest line needs
    width, height = max(columns * size[0] + left + right, least), rows * size[1] + top + bottom
    figure = _new_figure((width, height))
    inner = min(size) * 0.92
    axes = []
    with matplotlib.rc_context(STYLE):
        for number, line in enumerate(lines):
            text, family = _shown(line)
            style = {"fontsize": 10} if number < len(lines) - 1 else {"fontsize": SMALL, "color": "#444444"}
            figure.text(0.1 / width, 1 - (0.08 + 0.2 * number) / height, text, va="top", family=family, **style)
        for number in range(count):
            row, column = divmod(number, columns)
            x, y = left + column * size[0], height - top - (row + 1) * size[1]
            axes.append(figure.add_axes((x / width, y / height, inner / width, inner / height)))
    return np.array(axes)


def _thumbnail(ax, attention):
    ax.imshow(attention, aspect="auto", interpolation="nearest", **_scale(attention))
    ax.set(xticks=[], yticks=[])
    for side in ax.spines.values():
        side.set(linewidth=0.5, color="#888888")


def _line_style(number):
    solid = ("-", "--", ":")[number // len(PALETTE) % 3]
    return {
        "color": PALETTE[number % len(PALETTE)],
        "marker": MARKERS[number % len(MARKERS)],
        "linestyle": solid,
        "markersize": 5,
    }


def _clean_axes(ax, xlabel, ylabel, title):
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=SMALL)
    ax.set_xlabel(xlabel, parse_math=False)
    ax.set_ylabel(ylabel, parse_math=False)
    _write_title(ax, title)


def _label_lines(ax, x, ends, labels):
    """Write each line's name beside its last point, moved up or down where two would overlap."""
    low, high = ax.get_ylim()
    gap = (high - low) * 0.19 / max(ax.get_window_extent().height / ax.figure.dpi, 1.0)  # 0.19 inch: a line of text
    places = np.empty(len(ends))
    groups = []  # names that would overlap stand one gap apart around the middle of their ends
    for number in np.argsort(ends, kind="stable"):
        groups.append([number])
        while len(groups) > 1 and _stack(ends, groups[-1], gap)[0] < _stack(ends, groups[-2], gap)[-1] + gap:
            groups[-2:] = [groups[-2] + groups[-1]]
    for group in groups:
        places[group] = _stack(ends, group, gap)
    for number, label in enumerate(labels):
        text, family = _shown(label)
        ax.annotate(text, (x, places[number]), (8, 0), textcoords="offset points", va="center", family=family,
                    color=PALETTE[number % len(PALETTE)], annotation_clip=False)  # fmt: skip


def _stack(ends, group, gap):
    return np.mean(ends[group]) + gap * (np.arange(len(group)) - (len(group) - 1) / 2)


@functools.lru_cache(maxsize=4096)
def _shown(text):
    """`text` as it can be drawn, and the font families to draw it with.

    A character that no installed font has would be a warning and an empty box; it is written as its number, U+1F600.
    """
    families, letters = [FONT], []
    for letter in text:
        family = FONT if ord(letter) in _characters(font_manager.findfont(FONT)) else _family_with(letter)
        if family not in (*families, None):
            families.append(family)
        letters.append(letter if family and letter.isprintable() else f"U+{ord(letter):04X}")
    return "".join(letters), families


@functools.lru_cache(maxsize=1024)
def _family_with(letter):
    """An installed family that can draw `letter`, or None."""
    if not letter.isprintable():
        return None
    # "Last Resort" has a box for every character there is, and cm... put letters in the places of others
    fonts = (font for font in font_manager.fontManager.ttflist if not font.name.startswith(("Last Resort", "cm")))
    upright = (font for font in fonts if font.style == "normal" and font.weight in (400, "normal"))
    return next((font.name for font in upright if ord(letter) in _characters(font.fname)), None)


@functools.lru_cache(maxsize=512)
def _characters(path):
    try:
        font = font_manager.get_font(path)
        return frozenset(font.get_charmap()) if font.scalable else frozenset()  # fonts of coloured bitmaps are not
    except (OSError, RuntimeError):
        return frozenset()


# ---- the same in words -----------------------------------------------------------------------------------------------


def _tell(ax, title, words):
    ax.alt_title, ax.alt_text = title, words  # on the Axes, so that a figure of several tells them all


def _titled(kind, title):
    return f"{kind} '{title}'" if title else kind


def _named(tokens):
    """Each token in quotes; with its position where it occurs twice."""
    return [f"'{t}'" if tokens.count(t) == 1 else f"'{t}' at position {i}" for i, t in enumerate(tokens)]


def _head_in_words(attention, tokens, queries, title):
    looks, seen = _named(queries), _named(tokens)
    rows = range(len(looks)) if len(looks) <= 14 else sorted(np.argsort(-attention.max(axis=1), kind="stable")[:10])
    parts = []
    for row in rows:
        best = int(attention[row].argmax())
        parts.append(f"{looks[row]} {'looks most ' if not parts else ''}at {seen[best]} ({attention[row, best]:.2f})")
    start = f"{_titled('Heat map', title)}: {len(looks)} tokens look at {len(seen)} tokens."
    negative = f" Shares run from {attention.min():.2f} to {attention.max():.2f}." if attention.min() < 0 else ""
    some = "" if len(rows) == len(looks) else "The ten with the largest share: "
    return f"{start}{negative} {some}{', '.join(parts)}."


def _most_seen(attention):
    """For `[..., T, S]` the column with the largest mean over the rows, and that mean."""
    mean = attention.mean(axis=-2)
    return mean.argmax(axis=-1), mean.max(axis=-1)


def _layer_in_words(attention, tokens, title):
    columns, means = _most_seen(attention)
    names = _named(tokens)
    parts = [f"head {n} {names[column]} ({means[n]:.2f})" for n, column in enumerate(columns)]
    start = f"{_titled('Heat maps', title)}: {len(attention)} heads of a layer over {len(tokens)} tokens."
    return f"{start} Looked at most, with its mean share: {', '.join(parts)}."


def _model_in_words(attention, tokens, title):
    columns, _ = _most_seen(attention)
    names = _named(tokens)
    favourites, counts = np.unique(columns, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:5]
    parts = [f"{names[favourites[i]]} in {counts[i]}" for i in order]
    layers, heads = attention.shape[:2]
    start = f"{_titled('Grid of heat maps', title)}: {layers} layers of {heads} heads over {len(tokens)} tokens."
    return f"{start} Of the {layers * heads} heads, the token looked at most on average is {', '.join(parts)}."


def _lines_in_words(values, labels, names, xlabel, ylabel, title):
    parts = []
    for label, row in zip(labels, values, strict=True):
        low, high = int(row.argmin()), int(row.argmax())
        inner = [("lowest", low), ("highest", high)]
        turns = [f"{kind} {row[i]:.2f} at {names[i]}" for kind, i in inner if row[i] not in (row[0], row[-1])]
        parts.append(f"'{label}' goes from {row[0]:.2f} to {row[-1]:.2f}{f' ({chr(44).join(turns)})' if turns else ''}")
    start = f"{_titled('Line plot', title)} of {ylabel} over {xlabel}, {names[0]} to {names[-1]}."
    return f"{start} {', '.join(parts)}."


def _similarity_in_words(values, labels, unit, title):
    start = f"{_titled('Heat map', title)} of {unit} between {len(labels)} things."
    if len(labels) < 2:
        return start
    others = np.where(np.eye(len(values), dtype=bool), -np.inf, values)
    names = _named(labels)
    parts = []
    for row, best in enumerate(others.argmax(axis=1)):
        verb = " is" if row == 0 else ""
        parts.append(
            f"{'Most like' if row == 0 else 'like'} {names[row]}{verb} {names[best]} ({values[row, best]:.2f})"
        )
    return f"{start} {', '.join(parts)}."


def _vectors_in_words(points, labels, groups, title):
    start = f"{_titled('Scatter plot', title)} of {len(points)} points."
    if len(points) < 2:
        return start
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1) + np.diag(np.full(len(points), np.inf))
    nearest = apart.argmin(axis=1)
    names = _named(labels)
    parts = [
        f"{'Nearest to ' if i == 0 else 'to '}{names[i]}{' is' if i == 0 else ''} {names[n]}"
        for i, n in enumerate(nearest)
    ]
    together = sum(groups[i] == groups[n] for i, n in enumerate(nearest))
    ending = f" For {together} of them the nearest is of the same group." if any(groups) else ""
    return f"{start} {', '.join(parts)}.{ending}"
