"""Record the fields of Keras' own classes under the lowest Keras that is supported, for tests/test_older_keras.py.

    pip install keras==3.10.0 tensorflow==2.19.0
    python tests/golden/make_keras_fields.py

A field is known if the constructor of the class has it, or that of a base to which it hands on `**kwargs`, or if its
own `get_config` writes it.
"""

import inspect
import json
from pathlib import Path

import keras

TARGET = Path(__file__).with_name("keras_3_10_fields.json")
INITIALIZERS = (
    *("TruncatedNormal", "RandomNormal", "RandomUniform", "VarianceScaling", "GlorotNormal", "GlorotUniform"),
    *("HeNormal", "HeUniform", "LecunNormal", "LecunUniform", "Orthogonal", "Constant", "Zeros", "Ones"),
)


def model():
    """Return a functional model of one layer."""
    inputs = keras.Input((3,))
    return keras.Model(inputs, keras.layers.Dense(2)(inputs))


EXAMPLES = {
    **{name: getattr(keras.initializers, name)() for name in INITIALIZERS},
    "Dense": keras.layers.Dense(2),
    "Embedding": keras.layers.Embedding(3, 2),
    "LayerNormalization": keras.layers.LayerNormalization(),
    "Dropout": keras.layers.Dropout(0.1),
    "EinsumDense": keras.layers.EinsumDense("ab,bc->ac", 2),
    "InputLayer": keras.layers.InputLayer((3,)),
    "DTypePolicy": keras.DTypePolicy("float32"),
    "Layer": keras.layers.Layer(),
    "Functional": model(),
}


def fields(example):
    """Return the names of all fields that the class of `example` knows, sorted."""
    known = set(example.get_config())
    for kind in type(example).__mro__[:-1]:
        parameters = inspect.signature(kind.__init__).parameters.values()
        known |= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        if all(p.kind is not p.VAR_KEYWORD for p in parameters):
            break
    return sorted(known - {"self"})


def record():
    """Return the fields of the record that Keras writes of an object, and of an object in a functional model."""
    known = set(keras.saving.serialize_keras_object(keras.layers.Dense(2)))
    for layer in model().get_config()["layers"]:
        known |= set(layer)
    return sorted(known | {"build_config", "compile_config", "shared_object_id"})


if __name__ == "__main__":
    content = {"keras": keras.__version__, "record": record()}
    content |= {name: fields(example) for name, example in EXAMPLES.items()}
    TARGET.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
