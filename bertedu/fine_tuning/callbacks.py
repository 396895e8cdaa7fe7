"""Keras callbacks, called as in a single `fit`, although a run consists of many calls of `fit` and may resume.

Chapter: notebooks/10_fine_tuning.ipynb.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np

from bertedu.terminal import escape

callbacks = keras.callbacks

STATE = {
    callbacks.EarlyStopping: ("best", "best_epoch", "best_weights", "stopped_epoch", "wait"),
    callbacks.ModelCheckpoint: ("best", "_batches_seen_since_last_saving", "_last_batch_seen"),
    callbacks.ReduceLROnPlateau: ("best", "cooldown_counter", "wait"),
    callbacks.TensorBoard: ("_global_train_batch", "_global_test_batch"),
}
"""Attributes that are saved, by class of callback. Keras has no public names for some of the counters."""

WITHOUT_STATE = (callbacks.LambdaCallback, callbacks.LearningRateScheduler, callbacks.TerminateOnNaN)
SET_THE_RATE = (callbacks.ReduceLROnPlateau, callbacks.LearningRateScheduler)
REFUSED = {
    callbacks.BackupAndRestore: "fine_tune resumes a run itself; pass output_dir",
    callbacks.SwapEMAWeights: "the optimizer of fine_tune keeps no moving average of the weights",
    callbacks.CallbackList: "pass a list of callbacks",
}


def check(user_callbacks: Any, schedule: str) -> list[keras.callbacks.Callback]:
    """Return the `callbacks` argument of `fine_tune` as a list.

    Args:
        user_callbacks: list of Keras callbacks, or None.
        schedule: "linear" or "constant". Only a constant rate may be changed by callbacks.

    Raises:
        ValueError: not a list of Keras callbacks, or one of them is not supported.
    """
    if user_callbacks is not None and not isinstance(user_callbacks, list | tuple):
        raise ValueError(f"callbacks: expected a list of Keras callbacks, got {user_callbacks!r}.")
    conflict = 'schedule="linear" sets the learning rate; use schedule="constant"'
    refused = REFUSED | ({} if schedule == "constant" else dict.fromkeys(SET_THE_RATE, conflict))
    for callback in user_callbacks or ():
        if not isinstance(callback, callbacks.Callback):
            raise ValueError(f"callbacks: expected instances of keras.callbacks.Callback, got {callback!r}.")
        for kind, reason in refused.items():
            if isinstance(callback, kind):
                raise ValueError(f"callbacks: {type(callback).__name__} is not supported: {reason}.")
    return list(user_callbacks or ())


def state_of(user_callbacks: Iterable[keras.callbacks.Callback]) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """Return the state of callbacks: a list of dicts for JSON, and a dict of arrays."""
    states: list[dict[str, Any]] = []
    arrays: dict[str, np.ndarray] = {}
    for number, callback in enumerate(user_callbacks):
        stored = {}
        for name in _state_names(callback):
            value = getattr(callback, name, None)
            if isinstance(value, list):  # weights
                arrays |= {_array_name(number, name, i): np.asarray(array) for i, array in enumerate(value)}
                value = {"arrays": len(value)}
            elif value is not None:
                value = keras.ops.convert_to_numpy(value).item()
            stored[name] = value
        states.append({"class": type(callback).__name__, "state": stored})
    return states, arrays


def set_state(
    user_callbacks: Iterable[keras.callbacks.Callback], states: list[dict[str, Any]], arrays: dict[str, np.ndarray]
) -> tuple[list[str], list[str]]:
    """Restore the state of callbacks, as returned by `state_of`.

    Returns:
        two lists of class names: callbacks that cannot resume, and saved ones with state that were not passed.
    """
    left, lost = list(enumerate(states)), []
    for callback in user_callbacks:
        name = type(callback).__name__
        number, saved = next((item for item in left if item[1]["class"] == name), (0, None))
        if saved is not None:
            left.remove((number, saved))
            for attribute, value in saved["state"].items():
                if isinstance(value, dict):
                    value = [arrays[_array_name(number, attribute, i)] for i in range(value["arrays"])]
                setattr(callback, attribute, value)
        if _may_lose_state(callback) or (saved is None and _state_names(callback)):
            lost.append(name)
    return lost, [escape(str(item["class"])) for _, item in left if item["state"]]


def _array_name(number, name, i):
    return f"callbacks/{number}/{name}/{i}"


def _state_names(callback):
    return next((names for kind, names in STATE.items() if isinstance(callback, kind)), ())


def _may_lose_state(callback):
    """Whether a callback may have state that is not saved: it is of an unknown class and has attributes of its own."""
    known = type(callback) in (*STATE, *WITHOUT_STATE)
    return not known and bool(vars(callback).keys() - vars(callbacks.Callback()).keys())


class BatchForwarder(keras.callbacks.Callback):
    """Forward the batches of one call of `fit` or `evaluate`, a part of an epoch, to the callbacks of a run.

    Args:
        callback_list: `keras.callbacks.CallbackList`.
        weights: list of floats, the weight of each batch.
        before: list of the earlier segments of the epoch, dicts with metrics and "weight".
        first: int, the number of batches in those.
        stop: bool, whether a callback has set `stop_training`, which `fit` would reset.
    """

    def __init__(
        self,
        callback_list: keras.callbacks.CallbackList,
        weights: list[float],
        before: Sequence[dict[str, Any]] = (),
        first: int = 0,
        stop: bool = False,
    ):
        super().__init__()
        self.callback_list, self.weights = callback_list, weights
        self.before, self.first, self.stop = before, first, stop
        self.losses: list[float] = []  # running means, as Keras reports them

    @property
    def weight(self) -> float:
        """The sum of the weights of all batches so far."""
        return float(sum(self.weights[: len(self.losses)]))

    def on_train_begin(self, logs: Any = None) -> None:
        self.model.stop_training = self.stop

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.callback_list.on_train_batch_begin(self.first + batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.losses.append(logs["loss"])
        current = {name: float(value) for name, value in logs.items()} | {"weight": self.weight}
        self.callback_list.on_train_batch_end(self.first + batch, mean([*self.before, current]))

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.callback_list.on_test_batch_begin(batch, logs)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self.losses.append(logs["loss"])
        self.callback_list.on_test_batch_end(batch, logs)

    @property
    def loss(self) -> float:
        """The mean loss, weighted by batch. Keras weights all batches equally, also a smaller last one."""
        sums = np.arange(1, len(self.losses) + 1) * np.array(self.losses, "float64")
        return float(np.average(np.diff(sums, prepend=0.0), weights=self.weights))


NOT_METRICS = ("epoch", "step", "weight", "seconds")


def mean(segments: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return the weighted mean of each metric of several segments."""
    weights = [segment["weight"] for segment in segments]
    weights = weights if any(weights) else [1] * len(segments)  # all classes have weight 0
    names = [name for name in segments[0] if name not in NOT_METRICS]
    return {name: float(np.average([segment[name] for segment in segments], weights=weights)) for name in names}
