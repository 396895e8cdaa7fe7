"""`History`: the metrics of a training run, and all settings that are needed to repeat it.

Chapter: notebooks/10_fine_tuning.ipynb.
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
from bertedu.fine_tuning.config import RENAMED

NOT_IN_0_1 = ("prediction", "frozen", "dropout", "tokenizer", "task", "trainable_parameters")
NOT_COMPARED = ("arguments", "prediction", "surroundings")  # as a whole
PACKAGES = ("bertedu", "keras", "tensorflow", "jax", "torch", "numpy", "tokenizers")


def metrics_of(epoch: dict[str, Any]) -> dict[str, float]:
    """Return the losses and metrics of an entry of `History.epochs`."""
    return {name: value for name, value in epoch.items() if name not in ("epoch", "seconds")}


@dataclasses.dataclass
class History:
    """Metrics and settings of a training run, returned by `fine_tune`.

    Attributes:
        epochs: list of dicts, one per epoch: loss, metrics, validation metrics ("val_loss", ...), seconds.
        segments: list of dicts, one per segment, the steps between two training checkpoints: step, loss, metrics.
        run: dict, everything that the result depends on: arguments, data, sizes, seed; versions and machine are those
            of the process that started the run.
        best_epoch: int, counted from 0, the epoch with the lowest validation loss (the later of equal ones), or the
            best of an EarlyStopping that restores it. The classifier has its weights, unless
            restore_best_weights=False. None without validation and EarlyStopping.
        finished: bool, whether the run is complete.
    """

    epochs: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    segments: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    run: dict[str, Any] = dataclasses.field(default_factory=dict)
    best_epoch: int | None = None
    finished: bool = False

    @property
    def steps(self) -> int:
        """int, the number of steps so far."""
        return self.segments[-1]["step"] if self.segments else 0

    @property
    def final(self) -> dict[str, Any]:
        """dict, losses and metrics of the best epoch, or of the last one without `best_epoch`; {} before the first."""
        return metrics_of(self.epochs[-1 if self.best_epoch is None else self.best_epoch]) if self.epochs else {}

    @property
    def precision(self) -> str | None:
        """str, the dtype policy of the training, as "mixed_bfloat16"; None if version 0.1 started the run."""
        return self.run.get("prediction", {}).get("precision")

    def __repr__(self) -> str:
        numbers = ", ".join(f"{key} {value:.3f}" for key, value in self.final.items())
        which = "" if self.best_epoch is None else f", best {self.best_epoch + 1}"
        precision = f", {self.precision}" if self.precision else ""
        return f"History({len(self.epochs)} epochs{which}{precision}: {numbers})"

    def to_json(self) -> dict[str, Any]:
        """Return the history as a dict for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "History":
        """Return the history that a dict of `to_json` describes."""
        return cls(**content)

    def save(self, path: str | Path) -> Path:
        """Write `to_json` to a JSON file and return its path."""
        files.write_text(path, json.dumps(self.to_json(), indent=2) + "\n")
        return Path(path)

    def plot(self, metric: str = "loss") -> Any:
        """Plot a metric of training and validation by epoch.

        Args:
            metric: str, name of the metric without "val_". Defaults to "loss".

        Returns:
            matplotlib Axes.

        Raises:
            ValueError: unknown metric, or no epoch yet.
        """
        from bertedu import plots

        names = [name for name in (metric, f"val_{metric}") if self.epochs and name in self.epochs[0]]
        if not names:
            known = sorted({name.removeprefix("val_") for name in self.final})
            raise ValueError(f"metric: expected one of {known}, got {metric!r}.")
        values = [[epoch[name] for epoch in self.epochs] for name in names]
        labels = ["validation" if name.startswith("val_") else "training" for name in names]
        numbers = range(1, len(self.epochs) + 1)
        return plots.lines(values, labels, x=list(numbers), xlabel="epoch", ylabel=metric, title="Fine-tuning")


def environment() -> dict[str, str]:
    """Return the versions and the machine that a result may depend on."""
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
    """Return the settings, as a list of strings, that must be equal to resume a run and are not.

    Versions and machine may differ, and settings that version 0.1 did not save.

    Args:
        before: `History.run` of the saved run.
        now: `History.run` of the call.
    """
    old, new = (json.loads(json.dumps(run)) for run in ({key: now[key] for key in NOT_IN_0_1} | before, now))
    old["arguments"] = {"schedule": "linear"} | old["arguments"]
    for run in (old, new):
        if before.get("prediction"):  # the effective limit
            run["arguments"]["max_length"] = run["prediction"]["max_length"]
    arguments = [
        f"{RENAMED.get(name, name)} ({shown(old['arguments'].get(name))} -> {shown(value)})"
        for name, value in new["arguments"].items()
        if value != old["arguments"].get(name)
    ]
    return arguments + [key for key in new if key not in NOT_COMPARED and new[key] != old.get(key)]
