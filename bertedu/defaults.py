"""The numbers BERT fixes, each with its source.

Two BERTs with the same weights and another epsilon or another GELU are two different functions, so every constant that
the layers share stands here once. Sources: Devlin et al. 2018 (https://arxiv.org/abs/1810.04805), appendix A.2, and the
code released with it (google-research/bert, `modeling.py`), called "the release" below.
"""

import keras

LAYER_NORM_EPSILON = 1e-12
"""The release normalises with epsilon 1e-12; Keras' own default is 1e-3, KerasHub's layer has 1e-5."""

INITIALIZER_STDDEV = 0.02
"""Section A.2: weights start from a normal distribution with sigma 0.02, in the release cut at two sigma."""

DROPOUT = 0.1
"""Section A.2: "a dropout probability of 0.1 on all layers", on the attention probabilities too."""

MASK_BIAS = -1e9
"""What is added to the logit of a key that must not be seen.

In float32, always: the neighbours of 1e9 are 64 apart, so a row in which *every* key is masked forgets its logits (if
they are below 32 in size, and a BERT's are) and attends uniformly; it never holds NaN. The release's -1e4 leaks such
rows, and float16 turns -1e9 into minus infinity.
"""


@keras.saving.register_keras_serializable(package="bertedu")
def gelu_tanh(x):
    """GELU as the release computes it: ``0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))``.

    Hendrycks and Gimpel 2016 (https://arxiv.org/abs/1606.08415), section 2. Google's and the Hub's BERTs were trained
    with it; Hugging Face calls it `gelu_new`. The exact GELU, ``x Phi(x)``, is `keras.activations.gelu`; the two differ
    by at most 5e-4 a neuron, which is enough to break parity with a published checkpoint.
    """
    return keras.activations.gelu(x, approximate=True)


def initializer():
    """A new truncated normal initializer with BERT's sigma (values beyond two sigma are drawn again)."""
    return keras.initializers.TruncatedNormal(stddev=INITIALIZER_STDDEV)


NEWER_FIELDS = ("input_axes", "output_axes", "quantization_config")
"""Fields that versions of Keras after our lower bound, 3.10, write, and that say nothing where they are null."""


def portable(config):
    """Return a serialised configuration without those of `NEWER_FIELDS` that are null.

    Example:
        >>> portable({"class_name": "GlorotUniform", "config": {"seed": 1, "input_axes": None}})
        {'class_name': 'GlorotUniform', 'config': {'seed': 1}}
    """
    if isinstance(config, list | tuple):
        return [portable(item) for item in config]
    if not isinstance(config, dict):
        return config
    return {name: portable(value) for name, value in config.items() if name not in NEWER_FIELDS or value is not None}


def serialize(item):
    """Return Keras' record of an initializer or a layer (None: None), in fields that our lower bound of Keras knows."""
    return portable(keras.saving.serialize_keras_object(item))


def deserialize(record):
    """Return what Keras makes of a record, also of one that a newer Keras wrote."""
    return keras.saving.deserialize_keras_object(portable(record))


def get_initializer(value):
    """Return the Keras initializer that `value` is, names or records; also a record that a newer Keras wrote."""
    return keras.initializers.get(portable(value) if isinstance(value, dict) else value)


def fresh(initializer):
    """A copy of `initializer`, to be used for one weight.

    Keras 3 draws an initializer's random seed once, when it is made: one *instance* used for two weights of the same
    shape fills both with the same numbers, and queries would start out equal to keys. A copy draws its own.
    """
    initializer = get_initializer(initializer)
    if isinstance(initializer, keras.initializers.Initializer):
        return initializer.__class__.from_config(initializer.get_config())
    return initializer


def classes_from_names(config, *keys):
    """`config` with the registered names under `keys` turned back into the classes they name."""
    found = {key: keras.saving.get_registered_object(config[key]) for key in keys if isinstance(config.get(key), str)}
    missing = [config[key] for key, value in found.items() if value is None]
    if missing:
        raise ValueError(
            f"The class {missing[0]!r} is not known to Keras: decorate it with "
            "@keras.saving.register_keras_serializable and import its module before loading."
        )
    return config | found
