"""Progress of a training run: a bar in a terminal, a live loss curve in a notebook.

Chapter: notebooks/10_fine_tuning.ipynb.
"""

import math
import time
from typing import Any

import keras
from tqdm import tqdm

from bertedu.fine_tuning.history import History, metrics_of
from bertedu.terminal import in_notebook

MIN_SECONDS = 1.0  # between two plots
MAX_TIME_FRACTION = 0.05  # of the training time, for plots


def progress(steps: int, steps_per_epoch: int, history: History, shown: bool = True) -> "Bar | Curves":
    """Return the callback that shows the progress: `Curves` in a notebook, otherwise a `Bar`.

    Args:
        steps: int, total steps of the training.
        steps_per_epoch: int, steps of an epoch.
        history: `History`, with the epochs and segments so far if the run resumes.
        shown: bool, whether to show anything.
    """
    return Curves(steps, steps_per_epoch, history) if shown and in_notebook() else Bar(steps, history, shown)


def numbers_of(epoch: dict[str, Any]) -> str:
    """Return the losses and metrics of an epoch as one line."""
    numbers = ", ".join(f"{key} {value:.4f}" for key, value in metrics_of(epoch).items())
    return f"epoch {epoch['epoch'] + 1}: {numbers}"


class Bar(keras.callbacks.Callback):
    """A progress bar, and a line per epoch. Arguments as for `progress`."""

    def __init__(self, steps: int, history: History, shown: bool = True):
        super().__init__()
        options = {"total": steps, "initial": history.steps, "disable": not shown}
        self.bar = tqdm(desc=history.precision, unit="step", mininterval=0.5, **options)
        self.history, self.shown = history, shown

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count a step."""
        self.bar.update()
        if logs and self.shown:
            self.bar.set_postfix({name: f"{value:.3f}" for name, value in logs.items()}, refresh=False)

    def epoch_done(self) -> None:
        """Print the epoch's line."""
        if self.shown:
            last = self.history.epochs[-1]
            self.bar.write(f"{numbers_of(last)} ({last['seconds']:.0f} s)")

    def close(self) -> None:
        """End the display, also after an error."""
        self.bar.close()


class Curves(keras.callbacks.Callback):
    """A plot of the loss that is updated during training, and a line per epoch. Arguments as for `progress`.

    It is an image, not a widget, so that it stays visible when the notebook is saved and reopened.
    """

    def __init__(self, steps: int, steps_per_epoch: int, history: History):
        super().__init__()
        self.steps, self.steps_per_epoch, self.history = steps, steps_per_epoch, history
        self.done = history.steps
        self.losses = [(segment["step"], segment["loss"]) for segment in history.segments]
        self.sum = 0.0
        self.first: tuple[float, int] | None = None
        self.handle: Any = None
        self._draw(f"Step {self.done} of {steps}. The first takes longest")

    def on_train_begin(self, logs: Any = None) -> None:
        """Reset the sum of losses: Keras' running mean starts again with each segment."""
        self.sum = 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count a step."""
        before, self.sum = self.sum, (batch + 1) * logs["loss"]
        self.done += 1
        if math.isfinite(self.sum):
            self.losses.append((self.done, max(self.sum - before, 0.0)))
        now = time.perf_counter()
        self.first = self.first or (now, self.done)
        if now >= self.next:
            epoch = 1 + (self.done - 1) // self.steps_per_epoch
            self._draw(f"Epoch {epoch}, step {self.done} of {self.steps}{self._left(now)}")

    def epoch_done(self) -> None:
        """Print the epoch's line and plot its validation loss."""
        print(numbers_of(self.history.epochs[-1]))
        self._draw(f"Step {self.done} of {self.steps}")

    def close(self) -> None:
        """End the display, also after an error."""
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
        evaluated = [
            ((epoch["epoch"] + 1) * self.steps_per_epoch, epoch["val_loss"])
            for epoch in self.history.epochs
            if math.isfinite(epoch.get("val_loss", math.nan))
        ]
        axes = plots.training(self.losses, evaluated, steps=self.steps, epoch=self.steps_per_epoch, title=title)
        try:
            data, metadata = axes.figure._repr_mimebundle_()
        finally:
            plots.close(axes)
        if self.handle is None:  # raw: a figure that displays itself would not be replaced by the next
            self.handle = display(data, metadata=metadata, raw=True, display_id=True)
        else:
            self.handle.update(data, metadata=metadata, raw=True)
        now = time.perf_counter()
        self.next = now + max(MIN_SECONDS, (now - started) / MAX_TIME_FRACTION)
