"""`LowRankModel`: a classifier whose matrices have low-rank updates (LoRA), to train instead of them.

Hu et al. 2021 (https://arxiv.org/abs/2106.09685). Chapter: notebooks/17_few_parameters.ipynb.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from bertedu import lora
from bertedu.classifier import matching_layers
from bertedu.serialization import ConfigFromSignature


@keras.saving.register_keras_serializable(package="bertedu")
class LowRankModel(ConfigFromSignature, keras.Model):
    """A model with an encoder, with low-rank updates of some matrices of the encoder.

    Args:
        base: model with the encoder as `network`, such as a `BertClassifier`. It is shared, not copied.
        rank: int, rank of the updates.
        targets: list of paths of layers in the encoder, as "layer_0/self_attention/query".
        alpha: float, scale of the updates, relative to the rank. Defaults to `rank`, a factor of 1.

    Call arguments, Returns:
        Those of `base`, whose outputs include the updates.

    Raises:
        KeyError: the encoder has no layer of such a path that can have an update.

    Example:
        >>> from bertedu.classifier import BertClassifier
        >>> from bertedu.encoder import BertEncoder
        >>> base = BertClassifier(BertEncoder(20, 6, num_layers=1, num_attention_heads=2), num_classes=2)
        >>> model = LowRankModel(base, rank=2, targets=["layer_0/self_attention/query"])
        >>> {path: (down.shape, up.shape) for path, (down, up) in model.matrices().items()}
        {'layer_0/self_attention/query': ((6, 2), (2, 6))}
    """

    def __init__(self, base: Any, rank: int, targets: Sequence[str], alpha: float | None = None, **kwargs: Any) -> None:
        # With the dtype policy of `base`, Keras scales the loss for float16. The name is part of the weights' paths.
        super().__init__(**{"dtype": base.dtype_policy, "name": "lora"} | kwargs)
        self.base = base
        self.rank = rank
        self.targets = tuple(targets)
        self.alpha = alpha
        layers = adaptable_layers(base.network)
        self.updates = [
            lora.LowRankUpdate(
                layers[path].matrix_shape[1],
                rank,
                alpha,
                dtype=layers[path].dtype_policy,
                name=path.replace("/", "_"),
            )
            for path in self.targets
        ]
        self.build()

    def build(self, input_shape: Any = None) -> None:
        """Create the matrices of the updates."""
        layers = adaptable_layers(self.network)
        for path, update in zip(self.targets, self.updates, strict=True):
            update.build((None, layers[path].matrix_shape[0]))

    @property
    def network(self) -> Any:
        """The encoder."""
        return self.base.network

    @property
    def classifier(self) -> Any:
        """The head."""
        return self.base.classifier

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the outputs of the model with its updates."""
        layers = adaptable_layers(self.network)
        updates = {layers[path]: update for path, update in zip(self.targets, self.updates, strict=True)}
        with lora.applied(updates):
            return self.base(inputs, training=training)

    def reset(self, seed: int) -> None:
        """Set the updates to 0, and the random numbers of their first matrices to those of `seed`."""
        rng = np.random.default_rng(seed)
        for update in self.updates:
            update.reset(rng)

    def matrices(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Return the two matrices of each update: dict, path of the layer -> (`[in, rank]`, `[rank, out]`)."""
        arrays = [(ops.convert_to_numpy(update.down), ops.convert_to_numpy(update.up)) for update in self.updates]
        return dict(zip(self.targets, arrays, strict=True))

    def merge(self) -> None:
        """Add the updates to the weights of `base`, and set them to 0. The outputs stay the same."""
        layers = adaptable_layers(self.network)
        for update, (path, (down, up)) in zip(self.updates, self.matrices().items(), strict=True):
            if up.any():  # a sum with 0 could change the sign of a 0
                lora.merge(layers[path].kernel, down, up, update.scale)
                update.up.assign(np.zeros(up.shape, "float32"))


def adaptable_layers(network: keras.layers.Layer) -> dict[str, Any]:
    """Return the layers of an encoder that can have a low-rank update: dict, path -> layer."""
    layers = (layer for layer, _ in matching_layers(network, network) if isinstance(layer, lora.Adaptable))
    return {layer.kernel.path.rpartition(f"{network.name}/")[2].rpartition("/")[0]: layer for layer in layers}
