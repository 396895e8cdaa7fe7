"""The chooser: a reading's heads one at a time, picked with two drop-downs, for notebooks.

The picture of all heads is an output of its own: it stays in the file when the notebook is saved, and shows where no
kernel and no widget can run. The chooser stands below it, for as long as it lives. Chapter: 00_start_here.
"""

import base64
import html

from bertedu import plots


def show(reading, layer=0, head=0):
    """Shows `reading`'s heads: in a notebook, a picture of them all and the chooser; elsewhere, matplotlib's window.

    Args:
        reading: a `Reading`.
        layer, head: which head the chooser shows first.
    """
    axes = reading.picture()
    if not in_notebook():
        axes.flat[0].figure.show()
        return
    from IPython.display import display

    display(axes.flat[0].figure)
    plots.close(axes)  # else the notebook would draw the open figure once more at the end of the cell
    display(chooser(reading, layer, head))


def chooser(reading, layer=0, head=0):
    """An ipywidgets box: drop-downs for layer and head above the picture of that head, with its text alternative."""
    import ipywidgets

    layers, heads = reading.attention.shape[:2]
    pick_layer = ipywidgets.Dropdown(options=range(layers), value=layer, description="Layer")
    pick_head = ipywidgets.Dropdown(options=range(heads), value=head, description="Head")
    picture = ipywidgets.HTML()

    def draw(_=None):
        picture.value = image_tag(reading.picture(pick_layer.value, pick_head.value))

    for pick in (pick_layer, pick_head):
        pick.observe(draw, "value")
    draw()
    return ipywidgets.VBox([ipywidgets.HBox([pick_layer, pick_head]), picture])


def image_tag(axes):
    """The picture of `axes` as an HTML image that carries its own data and its text alternative; closes the figure."""
    data = base64.b64encode(plots.png(axes)).decode("ascii")
    words = html.escape(plots.describe(axes), quote=True)
    width = round(axes.figure.get_size_inches()[0] * plots.SCREEN_DPI)
    plots.close(axes)
    return f'<img src="data:image/png;base64,{data}" alt="{words}" style="width: {width}px; max-width: 100%">'


def in_notebook():
    """Whether this runs in a Jupyter kernel (a terminal's IPython shows no widgets)."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return hasattr(get_ipython(), "kernel")
