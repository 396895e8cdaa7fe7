"""History: what happened in a fine-tuning, and everything that is needed to do it again.

Chapter: notebooks/11_fine_tuning.ipynb.
"""

import dataclasses
import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bertedu import files
from bertedu.backend import devices

PACKAGES = ("bertedu", "keras", "tensorflow", "jax", "torch", "numpy", "tokenizers")


@dataclasses.dataclass
class History:
    """What `fine_tune` returns.

    Attributes:
        epochs: list of dicts, one an epoch: loss, metrics, the same of the validation ("val_loss", ...), seconds.
        segments: list of dicts, one for each stretch of steps: step, loss, learning rate.
        run: dict, all that the result depends on: arguments, data, sizes, seed, versions.
        best_epoch: int, counted from 0, the epoch with the lowest loss in validation, or the best of an EarlyStopping
            that restores it; the classifier has its weights unless restore_best=False. None without either.
        finished: whether it came to its end.
    """

    epochs: list = dataclasses.field(default_factory=list)
    segments: list = dataclasses.field(default_factory=list)
    run: dict = dataclasses.field(default_factory=dict)
    best_epoch: int | None = None
    finished: bool = False

    def __repr__(self):
        last = self.epochs[-1 if self.best_epoch is None else self.best_epoch] if self.epochs else {}
        numbers = ", ".join(f"{key} {value:.3f}" for key, value in last.items() if key not in ("epoch", "seconds"))
        which = "" if self.best_epoch is None else f", best {self.best_epoch + 1}"
        return f"History({len(self.epochs)} epochs{which}: {numbers})"

    def to_json(self):
        """Everything as a dict that JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, content):
        """The reverse of `to_json`."""
        return cls(**content)

    def save(self, path):
        """Writes `to_json` to a file and returns its path."""
        files.write_text(path, json.dumps(self.to_json(), indent=2) + "\n")
        return Path(path)

    def plot(self, metric="loss"):
        """A picture of a metric by epoch, in training and validation.

        Returns:
            Axes.

        Raises:
            ValueError: no such metric, or no epoch yet.
        """
        from bertedu import plots

        names = [name for name in (metric, f"val_{metric}") if self.epochs and name in self.epochs[0]]
        if not names:
            known = sorted({name.removeprefix("val_") for name in (self.epochs or [{}])[0]} - {"epoch", "seconds"})
            raise ValueError(f"metric must be one of {known}, got {metric!r}.")
        values = [[epoch[name] for epoch in self.epochs] for name in names]
        labels = ["validation" if name.startswith("val_") else "training" for name in names]
        numbers = range(1, len(self.epochs) + 1)
        return plots.lines(values, labels, x=list(numbers), xlabel="epoch", ylabel=metric, title="Fine-tuning")


def surroundings():
    """Versions and machine, as far as a result may depend on them."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "backend": devices.backend(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        **found,
    }
