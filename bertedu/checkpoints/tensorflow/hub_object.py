"""Build and save TensorFlow objects with the call interface of TensorFlow Hub's SavedModels.

Chapter: notebooks/11_checkpoints.ipynb.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


def hub_object(function: Callable, specification: Any, variables: Iterable[Any] = ()) -> Any:
    """Return a TensorFlow object that has TensorFlow Hub's interface once it has been saved and loaded.

    Args:
        function: `function(inputs, training)`, where `training` is a bool.
        specification: `tf.TensorSpec`, or a structure of them, of its inputs.
        variables: list of the variables that it uses, all trainable. Defaults to none.

    Returns:
        a `tf.Module` with an attribute `__call__(inputs, training=False, mask=None)`.
    """
    import tensorflow as tf

    @tf.function(autograph=False)
    def call(inputs, training=False, mask=None):
        return function(inputs, training)

    for training in (False, True):
        call.get_concrete_function(specification, training=training, mask=None)
    module = type("HubObject", (tf.Module,), {"variables": None, "trainable_variables": None})()  # not properties
    module.__call__ = call
    module.variables, module.trainable_variables = list(variables), list(variables)
    module.regularization_losses = []
    return module


def save(model: Any, path: Path, signature: Any) -> None:
    """Save a TensorFlow object without TensorFlow's log message, whose path is temporary."""
    import tensorflow as tf

    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        tf.saved_model.save(model, str(path), signatures={"serving_default": signature})
    finally:
        logger.setLevel(level)
