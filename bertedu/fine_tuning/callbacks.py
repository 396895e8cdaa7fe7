"""Callbacks: Keras' own, called as one `fit` would call them, though a training here is many, and may be killed.

Chapter: notebooks/11_fine_tuning.ipynb.
"""

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


def check(given, schedule):
    """Return `callbacks` as a list.

    Args:
        given: what the user gave as callbacks; None for none.
        schedule: "linear" or "constant"; only the second leaves the learning rate to callbacks.

    Raises:
        ValueError: not a list of Keras callbacks, or one that cannot work here.
    """
    if given is not None and not isinstance(given, list | tuple):
        raise ValueError(f"callbacks: expected a list of Keras callbacks, got {given!r}.")
    for callback in given or ():
        name = type(callback).__name__
        if not isinstance(callback, callbacks.Callback):
            raise ValueError(f"callbacks: expected instances of keras.callbacks.Callback, got {callback!r}.")
        for kind, reason in REFUSED.items():
            if isinstance(callback, kind):
                raise ValueError(f"callbacks: {name} cannot be used here: {reason}.")
        if isinstance(callback, SET_THE_RATE) and schedule != "constant":
            raise ValueError(
                f'callbacks: {name} sets the learning rate, which schedule="linear" does already. '
                'Use it with schedule="constant".'
            )
    return list(given or ())


def state_of(given):
    """Return what callbacks remember: a list of dicts that JSON can hold, and a dict of arrays."""
    words, arrays = [], {}
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
        words.append({"class": type(callback).__name__, "state": stored})
    return words, arrays


def set_state(given, words, arrays):
    """Let callbacks continue from what `state_of` returned, and return the names of those that cannot."""
    left, without = list(enumerate(words)), []
    for callback in given:
        name = type(callback).__name__
        number, saved = next((item for item in left if item[1]["class"] == name), (None, None))
        if saved is not None:
            left.remove((number, saved))
            for attribute, value in saved["state"].items():
                if isinstance(value, dict):
                    value = [arrays[_place(number, attribute, i)] for i in range(value["arrays"])]
                setattr(callback, attribute, value)
        if _may_forget(callback) or (saved is None and _remembered(callback)):
            without.append(name)
    return without


def _place(number, name, i):
    return f"callbacks/{number}/{name}/{i}"


def _remembered(callback):
    return next((names for kind, names in STATE.items() if isinstance(callback, kind)), ())


def _may_forget(callback):
    """Whether a callback may keep more than is saved: it has attributes, and is none of Keras' that are known."""
    if type(callback) in (*STATE, *WITHOUT_STATE):
        return False
    return bool(vars(callback).keys() - vars(callbacks.Callback()).keys())


class Batches(callbacks.Callback):
    """Tells the callbacks of a training of the batches in one call of `fit` or `evaluate`, which is a part of an epoch.

    Args:
        listeners: `keras.callbacks.CallbackList`.
        weights: list of floats, the weight of each batch.
        before: list of segments of the same epoch, dicts with metrics and "weight".
        first: int, how many batches those had.
        stop: bool, whether a callback has asked to stop already; `fit` would forget it.
    """

    def __init__(self, listeners, weights, before=(), first=0, stop=False):
        super().__init__()
        self.listeners, self.weights, self.before, self.first, self.stop = listeners, weights, before, first, stop
        self.losses = []  # means of the batches so far

    @property
    def weight(self):
        """The weight of all batches so far."""
        return float(sum(self.weights[: len(self.losses)]))

    def on_train_begin(self, logs=None):
        self.model.stop_training = self.stop

    def on_train_batch_begin(self, batch, logs=None):
        self.listeners.on_train_batch_begin(self.first + batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(logs["loss"])
        own = {name: float(value) for name, value in logs.items()} | {"weight": self.weight}
        self.listeners.on_train_batch_end(self.first + batch, mean([*self.before, own]))

    def on_test_batch_begin(self, batch, logs=None):
        self.listeners.on_test_batch_begin(batch, logs)

    def on_test_batch_end(self, batch, logs=None):
        self.losses.append(logs["loss"])
        self.listeners.on_test_batch_end(batch, logs)

    @property
    def loss(self):
        """The mean loss by the weights of the batches: Keras counts them alike, and the last is often smaller."""
        counts = np.arange(len(self.losses))
        sums = (counts + 1) * np.array(self.losses, "float64")
        return float(np.average(np.diff(sums, prepend=0.0), weights=self.weights))


OF_A_SEGMENT = ("epoch", "step", "weight", "seconds")


def mean(segments):
    """Return the mean of each metric of several segments, by their weights."""
    weights = [segment["weight"] for segment in segments]
    weights = weights if sum(weights) else None  # of classes with weight 0
    names = [name for name in segments[0] if name not in OF_A_SEGMENT]
    return {name: float(np.average([segment[name] for segment in segments], weights=weights)) for name in names}
