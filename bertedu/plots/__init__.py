"""Plots: attention and vectors as figures that describe themselves.

Arrays and strings in, matplotlib Axes out; never a model. Every function writes an alternative text computed from the
numbers it draws (`Picture.alt`), which travels with the figure into a notebook and into a saved file. All chapters.

    attention     head, layer, model, rollout     one head, a layer's heads, every head; what reaches a token
    thumbnails    thumbnails, shrink              every head in one image, with a value for each
    curves        lines, training                 how numbers change; how a loss falls
    similarities  similarity                      how similar things are, layer by layer too
    scatter       vectors                         vectors in the plane
    figures       save, png, describe, close      with the description inside

Read them in this order: style, fonts, figures, descriptions, drawing, and then any kind of plot.
"""

# In reading order.
# isort: off
from bertedu.plots.style import MARKERS, MOST_LABELS, MOST_NUMBERS, PALETTE, SCREEN_DPI, SHARP_DPI, SMALL, STYLE
from bertedu.plots.style import SUFFIXES, UNIT
from bertedu.plots.figures import Picture, close, describe, figure_of, png, save
from bertedu.plots.attention import head, layer, model, rollout
from bertedu.plots.thumbnails import shrink, thumbnails
from bertedu.plots.curves import lines, training
from bertedu.plots.similarities import similarity
from bertedu.plots.scatter import vectors

# isort: on

__all__ = [
    "MARKERS", "MOST_LABELS", "MOST_NUMBERS", "PALETTE", "SCREEN_DPI", "SHARP_DPI", "SMALL", "STYLE", "SUFFIXES",
    "UNIT",
    "Picture", "close", "describe", "figure_of", "png", "save",
    "head", "layer", "model", "rollout", "shrink", "thumbnails", "lines", "training", "similarity", "vectors",
]  # fmt: skip
