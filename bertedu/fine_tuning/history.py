"""History: what happened in a fine-tuning, and everything that is needed to do it again.

Chapter: notebooks/11_fine_tuning.ipynb.
"""

import contextlib
import dataclasses
import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bertedu import files
from bertedu.backend import devices
from bertedu.fields import shown

NOT_IN_0_1 = ("prediction", "frozen", "dropout", "tokenizer")
NOT_COMPARED = ("arguments", "prediction", "surroundings")  # as a whole
PACKAGES = ("bertedu", "keras", "tensorflow", "jax", "torch", "numpy", "tokenizers")


def metrics_of(epoch: dict[str, Any]) -> dict[str, float]:
    """Return the losses and metrics of an entry of `History.epochs`."""
    return {name: value for name, value in epoch.items() if name not in ("epoch", "seconds")}


@dataclasses.dataclass
class History:
    """What `fine_tune` returns.

    Attributes:
        epochs: list of dicts, one per epoch: loss, metrics, those of the validation ("val_loss", ...), seconds.
        segments: list of dicts, one per stretch of steps: step, loss, metrics.
        run: dict, all that the result depends on: arguments, data, sizes, seed; versions and machine are those of the
            process that began the training.
        best_epoch: int, counted from 0, the epoch with the lowest validation loss (the later of equal ones), or the
            best of an EarlyStopping that restores it; the classifier has its weights unless restore_best=False. None
            without either.
        finished: whether it came to its end.
    """

    epochs: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    segments: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    run: dict[str, Any] = dataclasses.field(default_factory=dict)
    best_epoch: int | None = None
    finished: bool = False

    @property
    def steps(self) -> int:
        """The number of steps so far."""
        return self.segments[-1]["step"] if self.segments else 0

    @property
    def final(self) -> dict[str, Any]:
        """The losses and metrics of the epoch that counts: the best, or the last without a best one; {} before any."""
        return metrics_of(self.epochs[-1 if self.best_epoch is None else self.best_epoch]) if self.epochs else {}

    def __repr__(self) -> str:
        numbers = ", ".join(f"{key} {value:.3f}" for key, value in self.final.items())
        which = "" if self.best_epoch is None else f", best {self.best_epoch + 1}"
        return f"History({len(self.epochs)} epochs{which}: {numbers})"

    def to_json(self) -> dict[str, Any]:
        """Return everything as a dict that JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "History":
        """Return the history that `to_json` returned as `content`."""
        return cls(**content)

    def save(self, path: str | Path) -> Path:
        """Write `to_json` to a file and return its path."""
        files.write_text(path, json.dumps(self.to_json(), indent=2) + "\n")
        return Path(path)

    def plot(self, metric: str = "loss") -> Any:
        """Plot a metric by epoch, in training and validation.

        Returns:
            Axes.

        Raises:
            ValueError: no such metric, or no epoch yet.
        """
        from bertedu import plots

        names = [name for name in (metric, f"val_{metric}") if self.epochs and name in self.epochs[0]]
        if not names:
            known = sorted({name.removeprefix("val_") for name in self.final})
            raise ValueError(f"metric must be one of {known}, got {metric!r}.")
        values = [[epoch[name] for epoch in self.epochs] for name in names]
        labels = ["validation" if name.startswith("val_") else "training" for name in names]
        numbers = range(1, len(self.epochs) + 1)
        return plots.lines(values, labels, x=list(numbers), xlabel="epoch", ylabel=metric, title="Fine-tuning")


def environment() -> dict[str, str]:
    """Return versions and machine, as far as a result may depend on them."""
    versions = {}
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions[package] = version(package)
    return {
        "backend": devices.backend(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        **versions,
    }


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return descriptions of what differs between two descriptions of a training and must be the same to resume it.

    Versions and machine may differ, and what version 0.1 did not write down yet.
    """
    old, new = (json.loads(json.dumps(run)) for run in ({key: now[key] for key in NOT_IN_0_1} | before, now))
    old["arguments"] = {"schedule": "linear"} | old["arguments"]
    for run in (old, new):
        if before.get("prediction"):  # the limit in effect, passed or not
            run["arguments"]["max_length"] = run["prediction"]["max_length"]
    arguments = [
        f"{name} ({shown(old['arguments'].get(name))} -> {shown(value)})"
        for name, value in new["arguments"].items()
        if value != old["arguments"].get(name)
    ]
    return arguments + [key for key in new if key not in NOT_COMPARED and new[key] != old.get(key)]
