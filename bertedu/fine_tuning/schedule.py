"""The optimizer of BERT's fine-tuning: AdamW with linear warm-up and linear decay.

    rate(t) = peak * t / w             for t < w       (w: warm-up steps)
    rate(t) = peak * (n - t) / (n - w)  for t >= w      (n: total steps)

Adam has bias correction: without it, the first steps are far too large, and fine-tuning on small sets sometimes fails
(Mosbach et al. 2021, https://arxiv.org/abs/2006.04884; Zhang et al. 2021, https://arxiv.org/abs/2006.05987).
Devlin et al. 2018 (https://arxiv.org/abs/1810.04805), appendix A.3. Chapter: notebooks/10_fine_tuning.ipynb.
"""

from typing import Any

import keras
from keras import ops

from bertedu.aliases import also_spelled
from bertedu.backend.devices import backend

NO_DECAY = ("bias", "gamma", "beta")
"""Names of weights without decay: pulling offsets and scales toward zero does not regularize."""


@keras.saving.register_keras_serializable(package="bertedu")
class WarmUpAndDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate schedule with linear warm-up to `peak` and linear decay to 0.

    Args:
        peak: float, the peak learning rate.
        warm_up: int, the number of warm-up steps.
        steps: int, the total number of steps.

    Example:
        >>> rate = WarmUpAndDecay(1.0, warm_up=2, steps=6)
        >>> [round(float(rate(step)), 2) for step in range(6)]
        [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]
    """

    def __init__(self, peak: float, warm_up: int, steps: int):
        self.peak, self.warm_up, self.steps = peak, warm_up, steps

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32")
        rising = (step + 1) / max(self.warm_up, 1)  # + 1: the first step is not 0
        falling = (self.steps - step) / max(self.steps - self.warm_up, 1)
        return self.peak * ops.maximum(ops.minimum(ops.minimum(rising, falling), 1.0), 0.0)

    def get_config(self) -> dict[str, Any]:
        return {"peak": self.peak, "warm_up": self.warm_up, "steps": self.steps}


@keras.saving.register_keras_serializable(package="bertedu")
class AdamW(keras.optimizers.AdamW):
    """Keras' AdamW, corrected for embedding tables and for several devices, and faster on TensorFlow.

    **Embedding tables.** TensorFlow returns the gradient of a table as rows, one per position in the text, so a token
    that occurs twice has two. Keras (3.15) clips and squares them separately, but (a + b)^2 is not a^2 + b^2. Here they
    are summed first.

    **Several devices.** Under `tf.distribute`, Keras clips the gradient of each device's part of the batch. Here the
    gradient of the whole batch is clipped, so that the result does not depend on the number of devices.

    **Speed.** Keras updates a weight with a dozen operations, each of which reads and writes the whole array;
    TensorFlow has a single one for the same equation. With short batches it saves a tenth of the step.
    """

    global_clipnorm: float | None

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Update the variables, with table rows and parts of the batch summed before clipping."""
        if backend() != "tensorflow":
            return super().apply(grads, trainable_variables)
        grads = _with_one_sparse(_summed_and_clipped(grads, self.global_clipnorm))
        clip_norm, self.global_clipnorm = self.global_clipnorm, None
        try:
            super().apply(grads, trainable_variables)
        finally:
            self.global_clipnorm = clip_norm

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> Any:
        """Update one variable and its moments."""
        if backend() != "tensorflow":
            return super().update_step(gradient, variable, learning_rate)
        import tensorflow as tf

        index = self._get_variable_index(variable)  # as in Keras' own optimizers
        moments = {"m": self._momentums[index].value.handle, "v": self._velocities[index].value.handle}
        step = tf.cast(self.iterations.value + 1, variable.dtype)
        powers = {"beta1_power": self.beta_1**step, "beta2_power": self.beta_2**step}
        numbers = {"lr": learning_rate, "beta1": self.beta_1, "beta2": self.beta_2, "epsilon": self.epsilon}
        gradient = tf.cast(tf.convert_to_tensor(gradient), variable.dtype)
        return tf.raw_ops.ResourceApplyAdam(var=variable.handle, **moments, **powers, **numbers, grad=gradient)


def _summed_and_clipped(grads, clip_norm):
    """Clipped gradients with the rows of tables summed; on several devices, this device's part of the clipped sum."""
    import tensorflow as tf

    dense = [tf.convert_to_tensor(gradient) for gradient in grads if gradient is not None]
    devices = tf.distribute.get_strategy().num_replicas_in_sync
    if clip_norm:
        if devices > 1:
            dense = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, dense)
        dense = tf.clip_by_global_norm(dense, clip_norm)[0]
        if devices > 1:
            dense = [gradient / devices for gradient in dense]
    rest = iter(dense)
    return [None if gradient is None else next(rest) for gradient in grads]


def _with_one_sparse(grads):
    """`grads` with the smallest one as `IndexedSlices`, so that TensorFlow can free the graph of the step.

    Keras sums gradients over devices, even over one. If all of them are dense, TensorFlow (2.21) registers a gradient
    of this sum permanently, and with it the graph: 300 MB per training run of MiniLM.
    """
    import tensorflow as tf

    known = [i for i, gradient in enumerate(grads) if gradient is not None]
    if not known or tf.distribute.get_strategy().num_replicas_in_sync > 1:
        return grads
    # Smallest by known rank and size: with loss scaling, some are unknown.
    smallest = min(known, key=lambda i: (grads[i].shape.rank or 9, grads[i].shape.num_elements() or 1 << 40))
    gradient = grads[smallest]
    rows = tf.IndexedSlices(gradient, tf.range(tf.shape(gradient)[0]), tf.shape(gradient))
    return [*grads[:smallest], rows, *grads[smallest + 1 :]]


SCHEDULES = ("linear", "constant")


@also_spelled({"warm_up": "warmup_ratio", "clip_norm": "global_clipnorm"}, deprecated=True)
def optimizer(
    learning_rate: float,
    steps: int,
    warmup_ratio: float = 0.1,
    weight_decay: float = 0.01,
    global_clipnorm: float | None = 1.0,
    schedule: str = "linear",
) -> AdamW:
    """Return AdamW with a learning rate schedule for `steps` steps.

    Args:
        learning_rate: float, the peak learning rate.
        steps: int, total number of training steps.
        warmup_ratio: float, fraction of the steps over which the learning rate rises.
        weight_decay: float; not for biases and layer normalization.
        global_clipnorm: float, maximum norm of the gradient of all weights together, or None.
        schedule: "linear" (warm-up, then decay to 0) or "constant".
    """
    rising = round(warmup_ratio * steps)
    rate = learning_rate if schedule == "constant" else WarmUpAndDecay(learning_rate, rising, steps)
    # epsilon as in google-research/bert
    adam = AdamW(rate, weight_decay=weight_decay, epsilon=1e-6, global_clipnorm=global_clipnorm)
    adam.exclude_from_weight_decay(var_names=list(NO_DECAY))
    return adam
