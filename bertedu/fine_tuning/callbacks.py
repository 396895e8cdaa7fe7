"""Callbacks: Keras' own, called as one `fit` would call them, though a training here is many, and may be killed.

Chapter: notebooks/11_fine_tuning.ipynb.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np

callbacks = keras.callbacks

STATE = {
    callbacks.EarlyStopping: ("best", "best_epoch", "best_weights", "stopped_epoch", "wait"),
    callbacks.ModelCheckpoint: ("best", "_batches_seen_since_last_saving", "_last_batch_seen"),
    callbacks.ReduceLROnPlateau: ("best", "cooldown_counter", "wait"),
    callbacks.TensorBoard: ("_global_train_batch", "_global_test_batch"),
}
"""What the callbacks whose state is saved remember. Keras has no public names for the counters of two of them."""

WITHOUT_STATE = (callbacks.LambdaCallback, callbacks.LearningRateScheduler, callbacks.TerminateOnNaN)
SET_THE_RATE = (callbacks.ReduceLROnPlateau, callbacks.LearningRateScheduler)
REFUSED = {
    callbacks.BackupAndRestore: "fine_tune resumes a training itself: give it an output_dir",
    callbacks.SwapEMAWeights: "the optimizer of fine_tune keeps no moving average of the weights",
    callbacks.CallbackList: "give the callbacks in it, as a list",
}


def check(given: Any, schedule: str) -> list[keras.callbacks.Callback]:
    """Return the user's callbacks as a list.

    Args:
        given: a list of Keras callbacks, or None.
        schedule: "linear" or "constant"; only the second leaves the learning rate to callbacks.

    Raises:
        ValueError: not a list of Keras callbacks, or one that cannot work here.
    """
    if given is not None and not isinstance(given, list | tuple):
        raise ValueError(f"callbacks: expected a list of Keras callbacks, got {given!r}.")
    busy = 'schedule="linear" sets the learning rate already; use schedule="constant"'
    refused = REFUSED | ({} if schedule == "constant" else dict.fromkeys(SET_THE_RATE, busy))
    for callback in given or ():
        if not isinstance(callback, callbacks.Callback):
            raise ValueError(f"callbacks: expected instances of keras.callbacks.Callback, got {callback!r}.")
        for kind, reason in refused.items():
            if isinstance(callback, kind):
                raise ValueError(f"callbacks: {type(callback).__name__} cannot be used here: {reason}.")
    return list(given or ())


def state_of(given: Iterable[keras.callbacks.Callback]) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """Return the state of callbacks: a list of dicts that JSON can hold, and a dict of arrays."""
    states: list[dict[str, Any]] = []
    arrays: dict[str, np.ndarray] = {}
    for number, callback in enumerate(given):
        stored = {}
        for name in _remembered(callback):
            value = getattr(callback, name, None)
            if isinstance(value, list):  # weights
                arrays |= {_place(number, name, i): np.asarray(array) for i, array in enumerate(value)}
                value = {"arrays": len(value)}
            elif value is not None:
                value = keras.ops.convert_to_numpy(value).item()
            stored[name] = value
        states.append({"class": type(callback).__name__, "state": stored})
    return states, arrays


def set_state(
    given: Iterable[keras.callbacks.Callback], states: list[dict[str, Any]], arrays: dict[str, np.ndarray]
) -> tuple[list[str], list[str]]:
    """Set callbacks to the state that `state_of` returned.

    Returns:
        the class names of those that cannot resume, and of the saved ones that are not among `given`.
    """
    left, lost = list(enumerate(states)), []
    for callback in given:
        name = type(callback).__name__
        number, saved = next((item for item in left if item[1]["class"] == name), (0, None))
        if saved is not None:
            left.remove((number, saved))
            for attribute, value in saved["state"].items():
                if isinstance(value, dict):
                    value = [arrays[_place(number, attribute, i)] for i in range(value["arrays"])]
                setattr(callback, attribute, value)
        if _may_forget(callback) or (saved is None and _remembered(callback)):
            lost.append(name)
    return lost, [item["class"] for _, item in left]


def _place(number, name, i):
    return f"callbacks/{number}/{name}/{i}"


def _remembered(callback):
    return next((names for kind, names in STATE.items() if isinstance(callback, kind)), ())


def _may_forget(callback):
    """Whether a callback may have state that is not saved: it has attributes, and is not one of those known above."""
    if type(callback) in (*STATE, *WITHOUT_STATE):
        return False
    return bool(vars(callback).keys() - vars(callbacks.Callback()).keys())


class Batches(keras.callbacks.Callback):
    """Pass the batches of one call of `fit` or `evaluate`, which is a part of an epoch, on to a training's callbacks.

    Args:
        listeners: `keras.callbacks.CallbackList`.
        weights: list of floats, the weight of each batch.
        before: list of the earlier segments of the epoch, dicts with metrics and "weight".
        first: int, how many batches those had.
        stop: bool, whether a callback has asked to stop already; `fit` would forget it.
    """

    def __init__(
        self,
        listeners: keras.callbacks.CallbackList,
        weights: list[float],
        before: Sequence[dict[str, Any]] = (),
        first: int = 0,
        stop: bool = False,
    ):
        super().__init__()
        self.listeners, self.weights, self.before, self.first, self.stop = listeners, weights, before, first, stop
        self.losses: list[float] = []  # means of the batches so far

    @property
    def weight(self) -> float:
        """The weight of all batches so far."""
        return float(sum(self.weights[: len(self.losses)]))

    def on_train_begin(self, logs: Any = None) -> None:
        self.model.stop_training = self.stop

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.listeners.on_train_batch_begin(self.first + batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.losses.append(logs["loss"])
        own = {name: float(value) for name, value in logs.items()} | {"weight": self.weight}
        self.listeners.on_train_batch_end(self.first + batch, mean([*self.before, own]))

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.listeners.on_test_batch_begin(batch, logs)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self.losses.append(logs["loss"])
        self.listeners.on_test_batch_end(batch, logs)

    @property
    def loss(self) -> float:
        """The mean loss, weighted by batch: Keras gives all the same weight, and the last is often smaller."""
        counts = np.arange(len(self.losses))
        sums = (counts + 1) * np.array(self.losses, "float64")
        return float(np.average(np.diff(sums, prepend=0.0), weights=self.weights))


OF_A_SEGMENT = ("epoch", "step", "weight", "seconds")


def mean(segments: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return the weighted mean of each metric of several segments."""
    weights = [segment["weight"] for segment in segments]
    weights = weights if any(weights) else [1] * len(segments)  # of classes with weight 0
    names = [name for name in segments[0] if name not in OF_A_SEGMENT]
    return {name: float(np.average([segment[name] for segment in segments], weights=weights)) for name in names}
