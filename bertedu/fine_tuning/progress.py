"""Progress: what a training says of itself while it runs, in a terminal and in a notebook.

Chapter: notebooks/11_fine_tuning.ipynb.
"""

import keras
from tqdm import tqdm


def in_notebook():
    """Whether this runs in a Jupyter kernel."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return hasattr(get_ipython(), "kernel")


def bar_class():
    """tqdm's bar, or in a notebook the one that is a widget."""
    if not in_notebook():
        return tqdm
    from tqdm.auto import tqdm as widget

    return widget


class Progress(keras.callbacks.Callback):
    """One bar for the whole training, and a line for each epoch; in a notebook, curves that grow besides.

    Args:
        steps: int, all steps of the training.
        done: int, those of a run that is taken up again.
        shown: bool.
    """

    def __init__(self, steps, done=0, shown=True):
        super().__init__()
        self.bar = bar_class()(total=steps, initial=done, unit="step", disable=not shown, mininterval=0.5)
        self.shown, self.curves = shown, None

    def on_train_batch_end(self, batch, logs=None):
        """A step more."""
        self.bar.update()
        if logs and self.shown:
            self.bar.set_postfix({name: f"{value:.3f}" for name, value in logs.items()}, refresh=False)

    def epoch_done(self, history):
        """An epoch more: its line, and the curves."""
        if not self.shown:
            return
        last = history.epochs[-1]
        numbers = ", ".join(f"{key} {value:.4f}" for key, value in last.items() if key not in ("epoch", "seconds"))
        self.bar.write(f"epoch {last['epoch'] + 1}: {numbers} ({last['seconds']:.0f} s)")
        if in_notebook() and len(history.epochs) > 1:
            self._draw(history)

    def _draw(self, history):
        from IPython.display import display

        from bertedu import plots

        axes = history.plot()
        if self.curves is None:
            self.curves = display(axes.figure, display_id=True)
        else:
            self.curves.update(axes.figure)
        plots.close(axes)

    def close(self):
        """The end, for better or worse."""
        self.bar.close()
