"""Plots of attention and vectors, with alt text.

Functions take arrays and strings and return matplotlib Axes. Each computes its alt text from the numbers that it draws;
`AltTextFigure` passes it on to notebooks and saved files. All chapters.

    attention     head, layer, model, rollout     attention weights of one head, a layer or a model; rollout
    thumbnails    thumbnails, shrink              every head in one image, with a value for each
    curves        lines, training                 line plots; the training and validation loss
    similarities  similarity, heat_map            similarity matrices, one or several; any other matrix
    scatter       vectors                         vectors in two dimensions
    figures       save, png, describe, close      files and alt texts of figures

Read them in this order: style, fonts, figures, descriptions, drawing, and then any kind of plot.
"""

# In reading order.
# isort: off
from bertedu.aliases import renamed
from bertedu.plots.style import MARKERS, MAX_LABELS, MAX_NUMBERS, PALETTE, SCREEN_DPI, SHARP_DPI, SMALL, STYLE
from bertedu.plots.style import SUFFIXES, UNIT
from bertedu.plots.figures import AltTextFigure, close, describe, figure_of, png, save
from bertedu.plots.attention import head, layer, model, rollout
from bertedu.plots.thumbnails import shrink, thumbnails
from bertedu.plots.curves import lines, training
from bertedu.plots.similarities import heat_map, similarity
from bertedu.plots.scatter import vectors

# isort: on

__all__ = [
    "MARKERS", "MAX_LABELS", "MAX_NUMBERS", "PALETTE", "SCREEN_DPI", "SHARP_DPI", "SMALL", "STYLE", "SUFFIXES", "UNIT",
    "AltTextFigure", "close", "describe", "figure_of", "png", "save",
    "head", "layer", "model", "rollout", "shrink", "thumbnails", "lines", "training", "similarity", "heat_map",
    "vectors",
]  # fmt: skip

__getattr__ = renamed(
    __name__, {"MOST_LABELS": "MAX_LABELS", "MOST_NUMBERS": "MAX_NUMBERS", "Picture": "AltTextFigure"}
)
