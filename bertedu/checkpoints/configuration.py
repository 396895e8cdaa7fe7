"""Configurations of our own models, as bertedu.json and `.keras` files hold them: read as data, field by field.

Keras' own loader builds whatever object a configuration names. Here nothing is built but the classes below, nothing is
looked up but in the tables below and among what the user has registered (`bertedu.register`), and all arguments are
plain values that have been checked. Chapter: notebooks/10_checkpoints.ipynb.
"""

import keras

from bertedu import defaults
from bertedu.attention import MultiHeadAttention
from bertedu.feedforward import Feedforward
from bertedu.fields import (
    ANYTHING,
    FLAG,
    IGNORED,
    number,
    one_of,
    only,
    optional,
    read_fields,
    shown,
    text,
    whole,
)
from bertedu.registry import registered

WAY_OUT = "If you trust the file, load it with keras.models.load_model and make a bertedu.Bert of its BertEncoder."
RATE = number(0, 1)
LARGEST = 10_000_000
LAYER = {"name": optional(text()), "trainable": FLAG, "dtype": ANYTHING}

ENCODER = LAYER | {
    "vocab_size": whole(1, LARGEST),
    "hidden_size": whole(1, 100_000),
    "num_layers": whole(1, 1000),
    "num_attention_heads": whole(1, 10_000),
    "max_sequence_length": whole(1, LARGEST),
    "type_vocab_size": whole(1, LARGEST),
    "inner_dim": whole(1, LARGEST),
    "output_dropout": RATE,
    "attention_dropout": RATE,
    "output_range": optional(whole(-LARGEST, LARGEST)),
    "embedding_width": optional(whole(1, LARGEST)),
    "norm_first": FLAG,
    "with_dense_inputs": FLAG,
    "return_attention_scores": FLAG,
    "layer_norm_epsilon": number(0, 1),
    "inner_activation": ANYTHING,
    "initializer": ANYTHING,
    "embedding_layer": ANYTHING,
    "attention_cls": text(),
    "feedforward_cls": text(),
}
"""The arguments of a `BertEncoder`; what is ANYTHING here has a function of its own below."""

MASKED_LM = LAYER | {
    "embedding_table": only(None),
    "activation": ANYTHING,
    "initializer": ANYTHING,
    "output": one_of(("logits", "predictions")),
    "layer_norm_epsilon": number(0, 1),
}
CLASSIFIER = {
    "name": optional(text()),
    "num_classes": whole(1, LARGEST),
    "initializer": ANYTHING,
    "dropout_rate": RATE,
    "use_encoder_pooler": FLAG,
    "head_name": text(),
    "cls_head": ANYTHING,
    "class_names": ANYTHING,
    "multi_label": FLAG,
}
HEAD = LAYER | {
    "inner_dim": whole(0, LARGEST),
    "num_classes": whole(1, LARGEST),
    "cls_token_idx": whole(-LARGEST, LARGEST),
    "activation": ANYTHING,
    "dropout_rate": RATE,
    "initializer": ANYTHING,
}
DENSE = LAYER | {
    "units": whole(1, LARGEST),
    "activation": ANYTHING,
    "use_bias": FLAG,
    "kernel_initializer": ANYTHING,
    "bias_initializer": ANYTHING,
    **dict.fromkeys(
        (
            *("kernel_regularizer", "bias_regularizer", "activity_regularizer", "kernel_constraint"),
            *("bias_constraint", "quantization_config", "lora_rank", "lora_alpha"),
        ),
        only(None),
    ),
}
EMBEDDING = LAYER | {
    "input_dim": whole(1, LARGEST),
    "output_dim": whole(1, LARGEST),
    "embeddings_initializer": ANYTHING,
    "mask_zero": FLAG,
    **dict.fromkeys(
        (
            *("embeddings_regularizer", "activity_regularizer", "embeddings_constraint"),
            *("quantization_config", "lora_rank", "lora_alpha"),
        ),
        only(None),
    ),
}
PRETRAINER = {
    "name": optional(text()),
    "encoder_network": ANYTHING,
    "mlm_activation": ANYTHING,
    "mlm_initializer": ANYTHING,
    "classification_heads": ANYTHING,
    "customized_masked_lm": ANYTHING,
}

POLICIES = ("float32", "float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16")
ACTIVATIONS = {
    name: keras.activations.get(name)
    for name in (
        *("linear", "relu", "gelu", "silu", "tanh", "sigmoid", "elu", "selu", "softplus", "softsign", "relu6"),
        *("leaky_relu", "hard_sigmoid", "mish", "exponential", "softmax"),
    )
} | {"bertedu>gelu_tanh": defaults.gelu_tanh}
SEED = {"seed": optional(whole(-(2**63), 2**63 - 1))}
ANY_NUMBER = number(-1e9, 1e9)
SPREAD = SEED | {"mean": ANY_NUMBER, "stddev": number(0, 1e9)}
FANS = SEED | {"input_axes": only(None), "output_axes": only(None)}  # the axes are written by Keras from 3.14 on
INITIALIZERS = {
    keras.initializers.TruncatedNormal: SPREAD,
    keras.initializers.RandomNormal: SPREAD,
    keras.initializers.RandomUniform: SEED | {"minval": ANY_NUMBER, "maxval": ANY_NUMBER},
    keras.initializers.VarianceScaling: FANS
    | {
        "scale": number(1e-9, 1e9),
        "mode": one_of(("fan_in", "fan_out", "fan_avg")),
        "distribution": one_of(("normal", "truncated_normal", "untruncated_normal", "uniform")),
    },
    keras.initializers.GlorotNormal: FANS,
    keras.initializers.GlorotUniform: FANS,
    keras.initializers.HeNormal: FANS,
    keras.initializers.HeUniform: FANS,
    keras.initializers.LecunNormal: FANS,
    keras.initializers.LecunUniform: FANS,
    keras.initializers.Orthogonal: SEED | {"gain": ANY_NUMBER},
    keras.initializers.Constant: {"value": ANY_NUMBER},
    keras.initializers.Zeros: {},
    keras.initializers.Ones: {},
}
"""Class -> the arguments that it may have."""

RECORD = {
    "module": optional(text()),
    "class_name": text(),
    "config": ANYTHING,
    "registered_name": optional(text()),
    "name": optional(text()),
    **dict.fromkeys(("build_config", "compile_config", "shared_object_id", "inbound_nodes"), IGNORED),
}
"""What Keras writes of an object. Where it was built and how it was compiled says nothing about what it computes."""


def record(value, source, field, names):
    """Return the name and the arguments in Keras' record of an object.

    Args:
        value: what the file holds.
        source, field: where, for messages.
        names: the names that may stand there: a registered name, or for Keras' own classes the class's.

    Raises:
        ValueError: no record, or of another object.
    """
    found = read_fields(value, RECORD, f"{source}, {field}", required=("class_name", "config"))
    module = (found.get("module") or "keras").partition(".")[0]
    name = found.get("registered_name") or found["class_name"]
    if name not in names or (">" not in name and module != "keras"):
        kind = name if ">" in name or module in ("keras", "builtins") else f"{module}>{name}"
        raise ValueError(f"{source}: {field} must be one of {', '.join(names)}; got {shown(kind)}. {WAY_OUT}")
    return name, found["config"]


def encoder_arguments(config, source, dtype=None):
    """Return the arguments of a `BertEncoder`, plain and checked.

    Args:
        config: what the file says of it.
        source: the file, for messages.
        dtype: name of the precision that is wanted (None: the file's).
    """
    arguments = read_fields(config, ENCODER, source, required=ENCODER.keys() - LAYER.keys())
    arguments |= {
        "dtype": dtype or policy(config.get("dtype"), source),
        "inner_activation": activation(config["inner_activation"], source, "inner_activation"),
        "initializer": initializer(config["initializer"], source, "initializer"),
        "embedding_layer": embedding(config["embedding_layer"], source),
    }
    for field, default in (("attention_cls", MultiHeadAttention), ("feedforward_cls", Feedforward)):
        arguments[field] = registered(config[field])
        if not isinstance(arguments[field], type) or not issubclass(arguments[field], keras.layers.Layer):
            raise ValueError(
                f"{source}: {field} is {shown(config[field])}, a class that is not registered here, as our "
                f"{default.__name__} is. If it is yours, decorate it with @bertedu.register() and import its module "
                "before loading."
            )
    return arguments


def policy(value, source):
    """Return the name of a precision, from its name or Keras' record of it; None where nothing is said."""
    if isinstance(value, dict):
        _, config = record(value, source, "dtype", ("DTypePolicy", "FloatDTypePolicy"))
        value = read_fields(config, {"name": text()}, f"{source}, dtype", required=("name",))["name"]
    if value is not None and value not in POLICIES:
        raise ValueError(f"{source}: dtype must be one of {', '.join(POLICIES)}; got {shown(value)}.")
    return value


def activation(value, source, field):
    """Return an activation by its name, out of the table above or registered."""
    name = value
    if isinstance(value, dict):
        found = read_fields(value, RECORD, f"{source}, {field}", required=("class_name", "config"))
        name = found["config"] if found["class_name"] == "function" else found["class_name"]
    if value is None:
        return ACTIVATIONS["linear"]
    known = (ACTIVATIONS.get(name) or registered(name)) if isinstance(name, str) else None
    if known is None or isinstance(known, type):
        raise ValueError(
            f"{source}: {field} is {shown(name)}, which is not registered here; known are {', '.join(ACTIVATIONS)}. If "
            "it is your function, decorate it with @bertedu.register() and import its module before loading."
        )
    return known


def initializer(value, source, field):
    """Return an initializer, out of the table above, from its name or Keras' record of it."""
    if isinstance(value, str):
        value = {"class_name": "".join(part.title() for part in value.split("_")), "config": {}}
    kinds = {kind.__name__: kind for kind in INITIALIZERS}
    name, config = record(value, source, field, tuple(kinds))
    return kinds[name](**read_fields(config, INITIALIZERS[kinds[name]], f"{source}, {field}"))


def embedding(value, source):
    """Return an `Embedding` to be used as word table, or None where the file says none."""
    if value is None:
        return None
    _, config = record(value, source, "embedding_layer", ("Embedding",))
    arguments = read_fields(config, EMBEDDING, f"{source}, embedding_layer", required=("input_dim", "output_dim"))
    return keras.layers.Embedding(**with_objects(arguments, f"{source}, embedding_layer"))


def with_objects(arguments, source, dtype=None):
    """Return a layer's arguments with its precision, activations and initializers parsed."""
    made = dict(arguments)
    for field, value in arguments.items():
        if field.endswith("activation"):
            made[field] = activation(value, source, field)
        elif field.endswith("initializer"):
            made[field] = initializer(value, source, field)
    if "dtype" in made:
        made["dtype"] = dtype or policy(made["dtype"], source)
    return made
