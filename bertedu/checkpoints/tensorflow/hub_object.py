"""TensorFlow objects that are called as the Hub's SavedModels are, and how they are saved.

Chapter: notebooks/10_checkpoints.ipynb.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


def hub_object(function: Callable, specification: Any, variables: Iterable[Any] = ()) -> Any:
    """Return a TensorFlow object that is called as the Hub's are once it has been saved and loaded.

    Args:
        function: `function(inputs, training)`, where `training` is a bool.
        specification: the `tf.TensorSpec` of its inputs.
        variables: what it uses, all trainable.

    Returns:
        a `tf.Module`; `__call__(inputs, training=False, mask=None)` is an attribute of it, as in the Hub's.
    """
    import tensorflow as tf

    @tf.function(autograph=False)
    def call(inputs, training=False, mask=None):
        return function(inputs, training)

    for training in (False, True):
        call.get_concrete_function(specification, training=training, mask=None)
    module = type("HubObject", (tf.Module,), {"variables": None, "trainable_variables": None})()  # no properties here
    module.__call__ = call
    module.variables, module.trainable_variables = list(variables), list(variables)
    module.regularization_losses = []
    return module


def save(model: Any, path: Path, signature: Any) -> None:
    """Save a TensorFlow object, without its report of where it wrote to: that path is gone a moment later."""
    import tensorflow as tf

    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        tf.saved_model.save(model, str(path), signatures={"serving_default": signature})
    finally:
        logger.setLevel(level)
