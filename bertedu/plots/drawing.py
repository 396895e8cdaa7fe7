"""What several kinds of picture draw: heat maps large and small, grids of them, ticks, titles."""

import math

import matplotlib
import numpy as np

from bertedu.plots.letters import shown
from bertedu.plots.picture import new_figure
from bertedu.plots.style import MOST_LABELS, MOST_NUMBERS, SMALL, STYLE


def head_size(queries, tokens):
    """Width and height in inches: enough that neighbouring labels do not touch, with room for the longest."""
    largest = min(max(len(queries), len(tokens)), MOST_LABELS)
    cell = 0.48 if largest <= MOST_NUMBERS else max(0.17, min(0.32, 5.0 / largest))
    columns, rows = (max(1.6, cell * min(len(strings), MOST_LABELS)) for strings in (tokens, queries))
    room = [0.085 * max(map(len, strings)) for strings in (queries, tokens)]
    return columns + room[0] + 1.5, rows + room[1] + 0.8


def heat_map(ax, values, columns, rows, scale, unit, title):
    """Draws `values` as squares of colour with the names of `columns` above and of `rows` beside, and a colour bar."""
    image = ax.imshow(values, aspect="equal", interpolation="nearest", **scale)
    token_ticks(ax, columns, rows)
    write_title(ax, title)
    if max(values.shape) <= MOST_NUMBERS:
        _write_numbers(ax, image, values)
    bar = ax.figure.colorbar(image, ax=ax, fraction=0.05, pad=0.03)
    text, family = shown(unit)
    bar.set_label(text, family=family, parse_math=False)
    bar.ax.tick_params(labelsize=SMALL)


def scale_of(attention):
    """Colours: white at 0, blue above; where there are negative numbers, red of equal depth below."""
    most = np.abs(attention).max() or 1.0
    return (
        {"cmap": "RdBu", "vmin": -most, "vmax": most}
        if attention.min() < 0
        else {"cmap": "Blues", "vmin": 0, "vmax": most}
    )


def token_ticks(ax, columns, rows, top=True):
    """Writes the tokens at their places along both axes; every second, third, ... where they are too many."""
    ax.tick_params(top=top, labeltop=top, bottom=not top, labelbottom=not top, length=2, labelsize=SMALL)
    write_ticks(ax.xaxis, range(len(columns)), columns, MOST_LABELS, rotation=90)
    write_ticks(ax.yaxis, range(len(rows)), rows, MOST_LABELS)


def write_ticks(axis, places, names, most, **style):
    """Writes at most `most` of `names` at their places along `axis`, each with a font that has its letters."""
    step = math.ceil(len(names) / most)
    axis.set_ticks(list(places)[::step], [shown(name)[0] for name in names[::step]], parse_math=False, **style)
    for tick, name in zip(axis.get_ticklabels(), names[::step], strict=True):
        tick.set_family(shown(name)[1])


def write_title(ax, title):
    """Writes a line above `ax`, from its left edge on."""
    if title:
        text, family = shown(title)
        ax.set_title(text, family=family, loc="left", parse_math=False)


def _write_numbers(ax, image, attention):
    for row, column in np.ndindex(attention.shape):
        shade = image.cmap(image.norm(attention[row, column]))
        dark = np.dot(shade[:3], (0.299, 0.587, 0.114)) < 0.55  # perceived brightness, as in ITU-R BT.601
        ax.text(column, row, f"{attention[row, column]:.2f}", ha="center", va="center", fontsize=SMALL,
                color="white" if dark else "black")  # fmt: skip


def grid(rows, columns, count, size, edges, lines):
    """`count` Axes of `size` inches in a grid, inside `edges` (left, right, top, bottom), below `lines` of text.

    Placed by hand: matplotlib's own layouts take seconds for 144 Axes.
    """
    left, right, top, bottom = edges
    least = 0.063 * max(map(len, lines)) + 0.3  # inches that the longest line needs
    width, height = max(columns * size[0] + left + right, least), rows * size[1] + top + bottom
    figure = new_figure((width, height))
    inner = min(size) * 0.92
    axes = []
    with matplotlib.rc_context(STYLE):
        for number, line in enumerate(lines):
            text, family = shown(line)
            style = {"fontsize": 10} if number < len(lines) - 1 else {"fontsize": SMALL, "color": "#444444"}
            figure.text(0.1 / width, 1 - (0.08 + 0.2 * number) / height, text, va="top", family=family, **style)
        for number in range(count):
            row, column = divmod(number, columns)
            x, y = left + column * size[0], height - top - (row + 1) * size[1]
            axes.append(figure.add_axes((x / width, y / height, inner / width, inner / height)))
    return np.array(axes)


def panels(values, labels, names, scale, unit, lines):
    """A small heat map for each of `values`, `[P, R, R]`, named above, all on one scale; an array of P Axes."""
    rows = math.ceil(len(values) / 4)
    columns = math.ceil(len(values) / rows)
    labelled = len(labels) <= 16
    side = max(1.5, 0.15 * len(labels)) if labelled else 1.9
    room = 0.25 + 0.075 * max(map(len, labels)) if labelled else 0.1
    edges = (room, 0.75, 0.2 * len(lines), room)
    axes = grid(rows, columns, len(values), (side, side + 0.2), edges, lines)
    with matplotlib.rc_context(STYLE):
        for number, ax in enumerate(axes):
            image = thumbnail(ax, values[number], scale)
            text, family = shown(names[number])
            ax.set_title(text, family=family, fontsize=SMALL + 1, pad=3, parse_math=False)
            if labelled:
                token_ticks(ax, labels, labels, top=False)
                ax.tick_params(labelleft=number % columns == 0, labelbottom=number + columns >= len(values), length=0)
        first, last = axes[0].get_position(), axes[columns - 1].get_position()
        width = axes[0].figure.get_size_inches()[0]
        bar = axes[0].figure.add_axes((last.x1 + 0.12 / width, first.y0, 0.09 / width, first.height))
        text, family = shown(unit)
        axes[0].figure.colorbar(image, cax=bar).set_label(text, family=family, parse_math=False)
        bar.tick_params(labelsize=SMALL)
    return axes


def thumbnail(ax, attention, scale=None):
    """Draws `attention`, `[T, S]`, to fill `ax`, in a frame, without names; on a scale of its own if none is given."""
    image = ax.imshow(attention, aspect="auto", interpolation="nearest", **(scale or scale_of(attention)))
    ax.set(xticks=[], yticks=[])
    for side in ax.spines.values():
        side.set(linewidth=0.5, color="#888888")
    return image


def clean_axes(ax, xlabel, ylabel, title):
    """Leaves of the frame what numbers stand at, and names the axes."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=SMALL)
    for write, label in ((ax.set_xlabel, xlabel), (ax.set_ylabel, ylabel)):
        text, family = shown(label)
        write(text, family=family, parse_math=False)
    write_title(ax, title)
