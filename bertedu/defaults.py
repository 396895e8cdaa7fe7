"""The constants of BERT, each with its source.

With the same weights but another epsilon or GELU, a BERT computes another function. All layers take these constants
from here. Sources: Devlin et al. 2018 (https://arxiv.org/abs/1810.04805), appendix A.2, and the code released with it
(google-research/bert, `modeling.py`), called "the release" below.
"""

from __future__ import annotations

from typing import Any

import keras

from bertedu.aliases import renamed

LAYER_NORM_EPSILON = 1e-12
"""Epsilon of layer normalization in the release. Keras' own default is 1e-3, that of KerasHub's layer 1e-5."""

INITIALIZER_STDDEV = 0.02
"""Section A.2: the standard deviation of the initial weights. The release truncates the normal distribution at two."""

DROPOUT = 0.1
"""Section A.2: "a dropout probability of 0.1 on all layers", on the attention probabilities too."""

MASK_BIAS = -1e9
"""Added to the attention logits of masked keys, in float32.

Numbers near 1e9 are 64 apart in float32. So where *all* keys of a query are masked, adding -1e9 rounds away logits
below 32, and the query attends uniformly. With the release's -1e4 such a query would attend as if nothing were masked.
In float16, -1e9 is minus infinity, and its softmax would be NaN.
"""

PRECISIONS = ("float32", "float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16")
"""Names of the dtype policies that a saved layer may have."""


@keras.saving.register_keras_serializable(package="bertedu")
def gelu_tanh(x: Any) -> Any:
    """GELU with the tanh approximation of the release: `0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`.

    Hendrycks and Gimpel 2016 (https://arxiv.org/abs/1606.08415), section 2. TensorFlow Hub's BERTs use this
    approximation, which Hugging Face calls `gelu_new`. The exact GELU, `x Phi(x)`, is
    `keras.activations.gelu`. The two differ by at most 5e-4 per neuron, which is enough to break parity with a
    published checkpoint.
    """
    return keras.activations.gelu(x, approximate=True)


def initializer() -> keras.initializers.Initializer:
    """Return a new truncated normal initializer with BERT's standard deviation."""
    return keras.initializers.TruncatedNormal(stddev=INITIALIZER_STDDEV)


def dense(units: int, name: str, initializer: Any, dtype: Any, **options: Any) -> keras.layers.Dense:
    """Return a `Dense` layer with a copy of `initializer`; see `clone_initializer`."""
    return keras.layers.Dense(
        units, kernel_initializer=clone_initializer(initializer), dtype=dtype, name=name, **options
    )


def clone_initializer(initializer: Any) -> Any:
    """Return a copy of `initializer` for a single weight.

    A Keras 3 initializer draws its random seed once. One instance initializes two weights of the same shape with the
    same values, so that queries would start equal to keys. A copy draws another seed.
    """
    initializer = keras.initializers.get(initializer)
    if isinstance(initializer, keras.initializers.Initializer):
        return initializer.__class__.from_config(initializer.get_config())
    return initializer


__getattr__ = renamed(__name__, {"fresh": "clone_initializer"})
