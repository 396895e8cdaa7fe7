"""Keras objects in a configuration: dtype policies, activations, initializers, `Dense` and `Embedding`, read as data.

Keras' loader builds any object that a configuration names. This module builds only the classes below, looks names up
only in the tables below and among the user's own (`bertedu.register`), and checks all arguments. Chapter:
notebooks/11_checkpoints.ipynb.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import keras

from bertedu import defaults
from bertedu.fields import ANYTHING, FLAG, for_all, number, one_of, only, optional, read_fields, shown, text, whole
from bertedu.registry import registered

WAY_OUT = "If you trust the file, load it with keras.models.load_model, and pass its BertEncoder to bertedu.Bert."
REGISTER_FIRST = "If it is your own, decorate it with @bertedu.register() and import its module before loading."
LARGEST = 10_000_000
LAYER = {"name": optional(text()), "trainable": FLAG, "dtype": ANYTHING}
UNUSED = "activity_regularizer quantization_config lora_rank lora_alpha"
DENSE = LAYER | {
    "units": whole(1, LARGEST),
    "use_bias": FLAG,
    **for_all("activation kernel_initializer bias_initializer", ANYTHING),
    **for_all(f"{UNUSED} kernel_regularizer bias_regularizer kernel_constraint bias_constraint", only(None)),
}
EMBEDDING = LAYER | {
    **for_all("input_dim output_dim", whole(1, LARGEST)),
    "embeddings_initializer": ANYTHING,
    "mask_zero": FLAG,
    **for_all(f"{UNUSED} embeddings_regularizer embeddings_constraint", only(None)),
}

POLICIES = ("float32", "float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16")
FUNCTIONS = "linear relu gelu silu tanh sigmoid elu selu softplus softsign relu6 leaky_relu hard_sigmoid mish softmax"
ACTIVATIONS = {name: keras.activations.get(name) for name in (*FUNCTIONS.split(), "exponential")}
ACTIVATIONS["bertedu>gelu_tanh"] = defaults.gelu_tanh

SEED = {"seed": optional(whole(-(2**63), 2**63 - 1))}
ANY_NUMBER = number(-1e9, 1e9)
SPREAD = SEED | {"mean": ANY_NUMBER, "stddev": number(0, 1e9)}
FANS = SEED | {"input_axes": only(None), "output_axes": only(None)}  # Keras 3.14 and later write the axes
INITIALIZERS: dict[str, dict[str, Any]] = {
    **for_all("TruncatedNormal RandomNormal", SPREAD),
    "RandomUniform": SEED | for_all("minval maxval", ANY_NUMBER),
    "VarianceScaling": {
        **FANS,
        "scale": number(1e-9, 1e9),
        "mode": one_of(("fan_in", "fan_out", "fan_avg")),
        "distribution": one_of(("normal", "truncated_normal", "untruncated_normal", "uniform")),
    },
    **for_all("GlorotNormal GlorotUniform HeNormal HeUniform LecunNormal LecunUniform", FANS),
    "Orthogonal": SEED | {"gain": ANY_NUMBER},
    "Constant": {"value": ANY_NUMBER},
    **for_all("Zeros Ones", {}),
}
"""Name of a Keras initializer -> the rules of its arguments."""
INITIALIZER_CLASSES = {name: getattr(keras.initializers, name) for name in INITIALIZERS}

RECORD = {
    "class_name": text(),
    "config": ANYTHING,
    **for_all("module registered_name name", optional(text())),
    **for_all("build_config compile_config shared_object_id inbound_nodes", ANYTHING),
}
"""A serialized Keras object. Its `build_config` and `compile_config` do not affect what it computes."""


def record(value: Any, source: Any, field: str, names: Sequence[str]) -> tuple[str, Any]:
    """Return the name and the configuration of a serialized Keras object.

    Args:
        value: dict, the serialized object.
        source, field: the file and the field, for messages.
        names: tuple of the accepted names: registered names, or names of Keras' own classes.

    Raises:
        ValueError: not a serialized object, or one with another name.
    """
    fields = read_fields(value, RECORD, f"{source}, {field}", required=("class_name", "config"))
    module = (fields.get("module") or "keras").partition(".")[0]
    name = fields.get("registered_name") or fields["class_name"]
    if name not in names or (">" not in name and module != "keras"):
        kind = name if ">" in name or module in ("keras", "builtins") else f"{module}>{name}"
        raise ValueError(f"{source}: {field}: expected one of {', '.join(names)}, got {shown(kind)}. {WAY_OUT}")
    return name, fields["config"]


def policy(value: Any, source: Any) -> str | None:
    """Return the name of a dtype policy, from its name or its serialized form; None if `value` is None."""
    if isinstance(value, dict):
        _, config = record(value, source, "dtype", ("DTypePolicy", "FloatDTypePolicy"))
        value = read_fields(config, {"name": text()}, f"{source}, dtype", required=("name",))["name"]
    if value is not None and value not in POLICIES:
        raise ValueError(f"{source}: dtype: expected one of {', '.join(POLICIES)}, got {shown(value)}.")
    return value


def activation(value: Any, source: Any, field: str) -> Callable:
    """Return an activation by its name, one of `ACTIVATIONS` or a registered function."""
    name = value
    if isinstance(value, dict):
        fields = read_fields(value, RECORD, f"{source}, {field}", required=("class_name", "config"))
        name = fields["config"] if fields["class_name"] == "function" else fields["class_name"]
    if value is None:
        return ACTIVATIONS["linear"]
    known = (ACTIVATIONS.get(name) or registered(name)) if isinstance(name, str) else None
    if known is None or isinstance(known, type):
        expected = f"expected a registered function or one of {', '.join(ACTIVATIONS)}, got {shown(name)}"
        raise ValueError(f"{source}: {field}: {expected}. {REGISTER_FIRST}")
    return known


def activation_name(function: Callable, table: dict[str, str]) -> str | None:
    """Return the name of an activation in a format, or None.

    Args:
        function: the activation.
        table: dict, name in the format -> name in `ACTIVATIONS`.
    """
    return next((name for name, known in table.items() if ACTIVATIONS[known] is function), None)


def initializer(value: Any, source: Any, field: str) -> keras.initializers.Initializer:
    """Return an initializer, one of `INITIALIZERS`, from its name or its serialized form."""
    if isinstance(value, str):
        value = {"class_name": "".join(part.title() for part in value.split("_")), "config": {}}
    name, config = record(value, source, field, tuple(INITIALIZERS))
    return INITIALIZER_CLASSES[name](**read_fields(config, INITIALIZERS[name], f"{source}, {field}"))


def embedding(value: Any, source: Any) -> keras.layers.Embedding | None:
    """Return an `Embedding` for the word embedding table from its serialized form; None if `value` is None."""
    if value is None:
        return None
    _, config = record(value, source, "embedding_layer", ("Embedding",))
    location = f"{source}, embedding_layer"
    return keras.layers.Embedding(**read_layer(config, EMBEDDING, location, required=("input_dim", "output_dim")))


def read_layer(
    config: Any, table: dict, source: Any, required: Collection[str] = (), dtype: str | None = None
) -> dict[str, Any]:
    """Return the checked arguments of a layer, with activations and initializers as objects.

    Args:
        config: dict, the layer's configuration.
        table: dict, field -> `fields.Rule`.
        source: the file and field, for messages.
        required: required fields. Defaults to none.
        dtype: name of the dtype policy. Defaults to the file's.
    """
    arguments = read_fields(config, table, source, required=required)
    for field, value in arguments.items():
        if field.endswith("activation"):
            arguments[field] = activation(value, source, field)
        elif field.endswith("initializer"):
            arguments[field] = initializer(value, source, field)
        elif field == "dtype":
            arguments[field] = dtype or policy(value, source)
    return arguments
