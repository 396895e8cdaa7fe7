"""The numbers BERT fixes, each with its source.

Two BERTs with the same weights and another epsilon or another GELU are two different functions, so every constant that
the layers share stands here once. Sources: Devlin et al. 2018 (https://arxiv.org/abs/1810.04805), appendix A.2, and the
code released with it (google-research/bert, `modeling.py`), called "the release" below.
"""

from __future__ import annotations

from typing import Any

import keras

from bertedu.aliases import renamed

LAYER_NORM_EPSILON = 1e-12
"""The release normalises with epsilon 1e-12; Keras' own default is 1e-3, KerasHub's layer has 1e-5."""

INITIALIZER_STDDEV = 0.02
"""Section A.2: weights start from a normal distribution with sigma 0.02, in the release cut at two sigma."""

DROPOUT = 0.1
"""Section A.2: "a dropout probability of 0.1 on all layers", on the attention probabilities too."""

MASK_BIAS = -1e9
"""What is added to the logit of a masked key.

In float32, always: the neighbours of 1e9 are 64 apart, so a row in which *every* key is masked loses its logits (if
they are below 32 in size, and a BERT's are) and attends uniformly; it never holds NaN. The release's -1e4 leaks such
rows, and float16 turns -1e9 into minus infinity.
"""

PRECISIONS = ("float32", "float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16")
"""The names of the dtype policies that a saved layer may have."""


@keras.saving.register_keras_serializable(package="bertedu")
def gelu_tanh(x: Any) -> Any:
    """GELU as the release computes it: ``0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))``.

    Hendrycks and Gimpel 2016 (https://arxiv.org/abs/1606.08415), section 2. Google's and the Hub's BERTs were trained
    with it; Hugging Face calls it `gelu_new`. The exact GELU, ``x Phi(x)``, is `keras.activations.gelu`; the two differ
    by at most 5e-4 a neuron, which is enough to break parity with a published checkpoint.
    """
    return keras.activations.gelu(x, approximate=True)


def initializer() -> keras.initializers.Initializer:
    """Return a new truncated normal initializer with BERT's sigma (values beyond two sigma are drawn again)."""
    return keras.initializers.TruncatedNormal(stddev=INITIALIZER_STDDEV)


def dense(units: int, name: str, initializer: Any, dtype: Any, **options: Any) -> keras.layers.Dense:
    """Return a `Dense` layer whose kernel starts from a copy of `initializer`; see `clone_initializer`."""
    return keras.layers.Dense(
        units, kernel_initializer=clone_initializer(initializer), dtype=dtype, name=name, **options
    )


def clone_initializer(initializer: Any) -> Any:
    """Return a copy of `initializer`, to be used for one weight.

    Keras 3 draws an initializer's random seed once, when it is made: one *instance* used for two weights of the same
    shape fills both with the same numbers, and queries would start out equal to keys. A copy draws its own.
    """
    initializer = keras.initializers.get(initializer)
    if isinstance(initializer, keras.initializers.Initializer):
        return initializer.__class__.from_config(initializer.get_config())
    return initializer


__getattr__ = renamed(__name__, {"fresh": "clone_initializer"})
