"""Training runs with several seeds, which determine the initial head and the order of the texts.

On small sets, results of runs that differ only in their seed can vary by several percent (Dodge et al. 2020,
https://arxiv.org/abs/2002.06305), so report the mean of several. Chapter: notebooks/10_fine_tuning.ipynb.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from bertedu.fine_tuning.history import History


@dataclasses.dataclass
class Runs:
    """Results of training runs with several seeds, returned by `fine_tune`.

    Attributes:
        histories: dict, seed -> `History`.
        failed: dict, seed -> reason why its run failed.
        best: int, the seed with the lowest loss, whose weights the classifier has; None if all failed.
    """

    histories: dict[int, History]
    failed: dict[int, str]
    best: int | None = None

    def values(self, metric: str | None = None) -> dict[int, float]:
        """Return the final value of a metric: dict, seed -> float, without failed runs.

        Args:
            metric: str, a name in `history.epochs`. Defaults to `Runs.metric`.
        """
        metric = metric or self.metric
        return {seed: history.final[metric] for seed, history in self.histories.items()}

    @property
    def metric(self) -> str:
        """str, the default metric: accuracy or mean absolute error, of the validation if there was one."""
        known = next(iter(self.histories.values())).final if self.histories else {}
        names = [name for name in known if not name.endswith("loss")]
        return max(names, key=lambda name: name.startswith("val_"), default="loss")

    @property
    def mean(self) -> float:
        """float, the mean of `values`."""
        return float(np.mean(list(self.values().values())))

    @property
    def standard_deviation(self) -> float:
        """float, the sample standard deviation of `values`; NaN for a single one."""
        values = list(self.values().values())
        return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")

    def __repr__(self) -> str:
        if not self.histories:
            return f"Runs(all {len(self.failed)} failed)"
        failed = f", {len(self.failed)} failed" if self.failed else ""
        result = f"{self.metric} {self.mean:.3f} ± {self.standard_deviation:.3f}"
        return f"Runs({len(self.histories)} seeds{failed}: {result}, best seed {self.best})"

    def plot(self, metric: str | None = None) -> Any:
        """Plot a metric by epoch, one line per seed, and return the matplotlib Axes."""
        from bertedu import plots

        metric = metric or self.metric
        values = [[epoch[metric] for epoch in history.epochs] for history in self.histories.values()]
        labels = [f"seed {seed}" for seed in self.histories]
        numbers = list(range(1, len(values[0]) + 1))
        return plots.lines(values, labels, x=numbers, xlabel="epoch", ylabel=metric, title="Fine-tuning, several seeds")


def each(classifier: keras.Model, seeds: Sequence[int], train: Callable[[int], History]) -> Runs:
    """Train a classifier once per seed, each time from its current weights with a new head.

    Args:
        classifier: `BertClassifier` or `BertTokenClassifier`, which ends with the weights of the best run.
        seeds: list of unique ints.
        train: function of a seed that trains the classifier and returns its `History`.

    Raises:
        ValueError: no seeds, or one of them twice.
    """
    if len(seeds) == 0 or len(set(seeds)) != len(seeds):
        raise ValueError(f"seeds: expected at least one whole number, without duplicates, got {list(seeds)!r}.")
    initial = classifier.get_weights()
    runs, best = Runs({}, {}), None
    for seed in seeds:
        classifier.set_weights(initial)
        new_head(classifier, seed)
        try:
            runs.histories[seed] = train(seed)
        except FloatingPointError as error:  # a run that diverged is reported; the others continue
            runs.failed[seed] = str(error)
            continue
        final = runs.histories[seed].final
        loss = final.get("val_loss", final["loss"])
        if best is None or loss < best[0]:
            best, runs.best = (loss, classifier.get_weights()), seed
    classifier.set_weights(initial if best is None else best[1])
    return runs


def new_head(classifier: keras.Model, seed: int) -> None:
    """Initialize the trainable weights of the head, if there is one, from `seed`."""
    if classifier.classifier is None:
        return
    config = classifier.initializer.get_config()
    rng = np.random.default_rng(seed)
    for variable in classifier.classifier.trainable_weights if classifier.trainable else ():
        if len(variable.shape) < 2:
            variable.assign(np.zeros(variable.shape))
            continue
        seeded = config | ({"seed": int(rng.integers(2**31))} if "seed" in config else {})
        variable.assign(type(classifier.initializer).from_config(seeded)(variable.shape, dtype=variable.dtype))
