"""Plots: attention and vectors as pictures that say in words what they show.

Arrays and strings in, matplotlib Axes out; never a model. Every function writes an alternative text computed from the
numbers it draws (`Picture.alt`), which travels with the picture into a notebook and into a saved file. All chapters.

    attention   head, layer, model, rollout     one head, a layer's heads, every head; what reaches a token
    curves      lines, training                 how numbers change; how a loss falls
    likeness    similarity                      how alike things are, layer by layer too
    points      vectors                         vectors in the plane
    saving      save, png                       with the words inside

Read them in this order: style, letters, inputs, picture, saving, words, drawing, and then any kind of picture.
"""

# In reading order.
# isort: off
from bertedu.plots.style import MARKERS, MOST_LABELS, MOST_NUMBERS, PALETTE, SCREEN_DPI, SHARP_DPI, SMALL, STYLE
from bertedu.plots.style import SUFFIXES, UNIT
from bertedu.plots.picture import Picture, close, describe, figure_of
from bertedu.plots.saving import png, save
from bertedu.plots.attention import head, layer, model, rollout
from bertedu.plots.curves import lines, training
from bertedu.plots.likeness import similarity
from bertedu.plots.points import vectors

# isort: on

__all__ = [
    "MARKERS",
    "MOST_LABELS",
    "MOST_NUMBERS",
    "PALETTE",
    "SCREEN_DPI",
    "SHARP_DPI",
    "SMALL",
    "STYLE",
    "SUFFIXES",
    "UNIT",
    "Picture",
    "close",
    "describe",
    "figure_of",
    "head",
    "layer",
    "lines",
    "model",
    "png",
    "rollout",
    "save",
    "similarity",
    "training",
    "vectors",
]
