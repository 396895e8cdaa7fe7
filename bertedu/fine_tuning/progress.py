"""Progress: what a training says of itself while it runs, in a terminal and in a notebook.

Chapter: notebooks/11_fine_tuning.ipynb.
"""

import math
import time

import keras
from tqdm import tqdm

from bertedu.terminal import in_notebook

LEAST_SECONDS = 1.0  # between two pictures
MOST_OF_THE_TIME = 0.05  # that drawing may take


def progress(steps, steps_an_epoch, history, shown=True):
    """The callback that shows a training where it runs: `Curves` in a notebook, else a `Bar`.

    Args:
        steps: int, all steps of the training.
        steps_an_epoch: int.
        history: `History`; of a run that is taken up again, with what was done before.
        shown: bool.
    """
    if shown and in_notebook():
        return Curves(steps, steps_an_epoch, history)
    return Bar(steps, history, shown)


def numbers_of(epoch):
    """An epoch's losses and metrics in one line."""
    numbers = ", ".join(f"{key} {value:.4f}" for key, value in epoch.items() if key not in ("epoch", "seconds"))
    return f"epoch {epoch['epoch'] + 1}: {numbers}"


def _steps_done(history):
    return history.segments[-1]["step"] if history.segments else 0


class Bar(keras.callbacks.Callback):
    """One bar for the whole training, and a line for each epoch. The arguments are those of `progress`."""

    def __init__(self, steps, history, shown=True):
        super().__init__()
        self.bar = tqdm(total=steps, initial=_steps_done(history), unit="step", disable=not shown, mininterval=0.5)
        self.history, self.shown = history, shown

    def on_train_batch_end(self, batch, logs=None):
        """A step more."""
        self.bar.update()
        if logs and self.shown:
            self.bar.set_postfix({name: f"{value:.3f}" for name, value in logs.items()}, refresh=False)

    def epoch_done(self):
        """An epoch more: its line."""
        if self.shown:
            last = self.history.epochs[-1]
            self.bar.write(f"{numbers_of(last)} ({last['seconds']:.0f} s)")

    def close(self):
        """The end, for better or worse."""
        self.bar.close()


class Curves(keras.callbacks.Callback):
    """The loss, drawn anew while it falls, and a line for each epoch. The arguments are those of `progress`.

    It is one picture and no widget, so that it is still there when the notebook is saved and opened again.
    """

    def __init__(self, steps, steps_an_epoch, history):
        super().__init__()
        self.steps, self.steps_an_epoch, self.history = steps, steps_an_epoch, history
        self.done = _steps_done(history)
        self.losses = [(segment["step"], segment["loss"]) for segment in history.segments]
        self.sum, self.first, self.handle = 0.0, None, None
        self._draw(f"Step {self.done} of {steps}. The first takes longest")

    def on_train_begin(self, logs=None):
        """A segment begins, and with it the mean that Keras keeps."""
        self.sum = 0.0

    def on_train_batch_end(self, batch, logs=None):
        """A step more."""
        before, self.sum = self.sum, (batch + 1) * logs["loss"]
        self.done += 1
        if math.isfinite(self.sum):
            self.losses.append((self.done, max(self.sum - before, 0.0)))
        now = time.perf_counter()
        self.first = self.first or (now, self.done)
        if now >= self.next:
            epoch = 1 + (self.done - 1) // self.steps_an_epoch
            self._draw(f"Epoch {epoch}, step {self.done} of {self.steps}{self._left(now)}")

    def epoch_done(self):
        """An epoch more: its line, and its point of the validation."""
        print(numbers_of(self.history.epochs[-1]))
        self._draw(f"Step {self.done} of {self.steps}")

    def close(self):
        """The end, for better or worse."""
        stopped = "" if self.done == self.steps else f", stopped after {self.done}"
        self._draw(f"Fine-tuning, {self.steps} steps{stopped}")

    def _left(self, now):
        since, step = self.first
        if self.done == step:
            return ""
        seconds = (now - since) / (self.done - step) * (self.steps - self.done)
        return f", about {seconds:.0f} s left" if seconds < 100 else f", about {seconds / 60:.0f} min left"

    def _draw(self, title):
        from IPython.display import display

        from bertedu import plots

        started = time.perf_counter()
        judged = [
            ((epoch["epoch"] + 1) * self.steps_an_epoch, epoch["val_loss"])
            for epoch in self.history.epochs
            if math.isfinite(epoch.get("val_loss", math.nan))
        ]
        axes = plots.training(self.losses, judged, steps=self.steps, epoch=self.steps_an_epoch, title=title)
        try:
            data, metadata = axes.figure._repr_mimebundle_()
        finally:
            plots.close(axes)
        if self.handle is None:  # raw: a picture that displays itself would not be replaced by the next
            self.handle = display(data, metadata=metadata, raw=True, display_id=True)
        else:
            self.handle.update(data, metadata=metadata, raw=True)
        now = time.perf_counter()
        self.next = now + max(LEAST_SECONDS, (now - started) / MOST_OF_THE_TIME)
