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

    **Speed.** Keras updates a weight with two dozen operations, each of which reads and writes the whole array;
    TensorFlow has a single one for the same equation. With short batches it saves a tenth of the step. Learning rate
    and bias correction are computed once per step, not once per weight, so that the graph of a step has a third fewer
    operations, and the first step, which makes it, takes less time.
    """

    global_clipnorm: float | None

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Update the variables, with table rows and parts of the batch summed before clipping."""
        if backend() != "tensorflow":
            return super().apply(grads, trainable_variables)
        import tensorflow as tf

        if self.use_ema or self.gradient_accumulation_steps:
            raise ValueError("use_ema, gradient_accumulation_steps: expected neither. Use keras.optimizers.AdamW.")
        variables = self._trainable_variables if trainable_variables is None else list(trainable_variables)
        if not self.built:
            self.build(variables)
        step = tf.cast(self.iterations.value + 1, "float32")
        numbers = {
            "lr": tf.cast(self.learning_rate, "float32"),
            "beta1": tf.constant(self.beta_1),
            "beta2": tf.constant(self.beta_2),
            "epsilon": tf.constant(self.epsilon),
            "beta1_power": self.beta_1**step,
            "beta2_power": self.beta_2**step,
        }
        grads, variables = self._filter_empty_gradients(grads, variables)
        gradients = _summed_and_clipped(grads, self.global_clipnorm)

        def update_all(strategy, gradients, numbers):
            for variable, gradient in zip(variables, gradients, strict=True):
                arguments = (variable, gradient, numbers)
                strategy.extended.update(variable.value, self._update, args=arguments, group=False)

        tf.distribute.get_replica_context().merge_call(update_all, args=(gradients, numbers))
        for variable in variables:
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable))
        self.iterations.assign_add(1)

    def _update(self, value: Any, variable: Any, gradient: Any, numbers: dict[str, Any]) -> None:
        """Update a variable, whose `tf.Variable` on this device is `value`, and its moments."""
        import tensorflow as tf

        if self.weight_decay and self._use_weight_decay(variable):
            value.assign_sub(value * self.weight_decay * numbers["lr"])
        index = self._get_variable_index(variable)  # as in Keras' own optimizers
        moments = {"m": self._momentums[index].value.handle, "v": self._velocities[index].value.handle}
        tf.raw_ops.ResourceApplyAdam(var=value.handle, **moments, **numbers, grad=gradient)


def _summed_and_clipped(gradients, clip_norm):
    """Gradients with the rows of tables and the parts of all devices summed, then clipped."""
    import tensorflow as tf

    dense = [tf.cast(tf.convert_to_tensor(gradient), "float32") for gradient in gradients]
    devices = tf.distribute.get_strategy().num_replicas_in_sync
    if devices > 1:
        dense = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, dense)
    return tf.clip_by_global_norm(dense, clip_norm)[0] if clip_norm else dense


SCHEDULES = ("linear", "constant")


def default_learning_rate(hidden_size: int, lora: bool = False) -> float:
    """Return the default peak learning rate: for BERT-Base the largest of the paper's (appendix A.3), else as measured.

    With LoRA it is ten times as high, for BERT-Base that of Hu et al. 2021 (https://arxiv.org/abs/2106.09685), table 9.

    Example:
        >>> default_learning_rate(384), default_learning_rate(768), default_learning_rate(768, lora=True)
        (0.0002, 5e-05, 0.0005)
    """
    return (2e-3 if hidden_size < 512 else 5e-4) if lora else (2e-4 if hidden_size < 512 else 5e-5)


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
