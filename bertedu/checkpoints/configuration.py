"""Configurations of bertedu's own models in bertedu.json and `.keras` files, checked field by field.

Chapter: notebooks/11_checkpoints.ipynb.
"""

from typing import Any

import keras

from bertedu import defaults
from bertedu.checkpoints import objects
from bertedu.checkpoints.objects import ACTIVATIONS, LARGEST, LAYER, REGISTER_FIRST
from bertedu.encoder import BertEncoder, layer_sizes
from bertedu.fields import ANYTHING, FLAG, Rule, for_all, number, one_of, only, optional, shown, text, whole
from bertedu.registry import registered

RATE, COUNT, INDEX = number(0, 1), whole(1, LARGEST), whole(-LARGEST, LARGEST)
COUNTS = Rule(f"{COUNT.expected}, or a list", lambda v: all(map(COUNT.accepts, v if isinstance(v, list) else [v])))
RATES = Rule("a list of numbers from 0 to 1", lambda v: isinstance(v, list) and all(map(RATE.accepts, v)))
ENCODER = LAYER | {
    **for_all("vocab_size max_sequence_length type_vocab_size inner_dim", COUNT),
    "hidden_size": whole(1, 100_000),
    "num_layers": whole(1, 1000),
    "num_attention_heads": whole(1, 10_000),
    "output_range": optional(INDEX),
    "embedding_width": optional(COUNT),
    **for_all("output_dropout attention_dropout layer_norm_epsilon", RATE),
    **for_all("norm_first with_dense_inputs return_attention_scores", FLAG),
    **for_all("inner_activation initializer embedding_layer pruned_heads", ANYTHING),
    **for_all("attention_cls feedforward_cls", text()),
}
"""The arguments of a `BertEncoder`. Those with the rule ANYTHING are checked by a function of their own."""
OWN = ENCODER | {"inner_dim": COUNTS}  # only our own files have a list
OPTIONAL = LAYER.keys() | {"pruned_heads"}  # files of version 0.1 lack it

MASKED_LM = LAYER | {
    "embedding_table": only(None),
    **for_all("activation initializer", ANYTHING),
    "output": one_of(("logits", "predictions")),
    "layer_norm_epsilon": RATE,
}
CLASSIFIER = {
    "name": optional(text()),
    "num_classes": COUNT,
    "dropout_rate": RATE,
    "head_name": text(),
    **for_all("use_encoder_pooler multi_label", FLAG),
    **for_all("initializer cls_head class_names", ANYTHING),
    "thresholds": optional(RATES),
}
TOKEN_CLASSIFIER = {
    "name": optional(text()),
    "num_classes": COUNT,
    "dropout_rate": RATE,
    "output": one_of(("logits", "predictions")),
    "output_encoder_outputs": FLAG,
    **for_all("initializer class_names", ANYTHING),
}
HEAD = LAYER | {
    "inner_dim": whole(0, LARGEST),
    "num_classes": COUNT,
    "cls_token_idx": INDEX,
    "dropout_rate": RATE,
    **for_all("activation initializer", ANYTHING),
}
PRETRAINER = {
    "name": optional(text()),
    **for_all("mlm_activation mlm_initializer classification_heads customized_masked_lm", ANYTHING),
}

GOOGLE_FIELDS = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "num_layers": "num_hidden_layers",
    "num_attention_heads": "num_attention_heads",
    "max_sequence_length": "max_position_embeddings",
    "type_vocab_size": "type_vocab_size",
    "inner_dim": "intermediate_size",
}
"""Argument -> its field in google-research/bert's bert_config.json and Hugging Face's config.json."""
GOOGLE_POOLER = "pooler_fc_size pooler_num_attention_heads pooler_num_fc_layers pooler_size_per_head"
"""Fields of both files that have no effect."""


def published_arguments(fields: dict[str, Any], activation: str, dtype: str) -> dict[str, Any]:
    """Return the arguments of a published BERT's encoder besides its sizes.

    Args:
        fields: dict, the fields of its config.json or bert_config.json, by Hugging Face's names. Missing ones default
            to the values of all published BERTs. A format with other names passes {} and overrides the result.
        activation: name of the activation in `objects.ACTIVATIONS`.
        dtype: name of the dtype policy.
    """
    return {
        "inner_activation": ACTIVATIONS[activation],
        "output_dropout": fields.get("hidden_dropout_prob", defaults.DROPOUT),
        "attention_dropout": fields.get("attention_probs_dropout_prob", defaults.DROPOUT),
        "layer_norm_epsilon": fields.get("layer_norm_eps", defaults.LAYER_NORM_EPSILON),
        "initializer": defaults.initializer(),  # for a new head, or a clone
        "dtype": dtype,
        "name": "bert",
    }


def published_fields(encoder: BertEncoder, fields: dict[str, str], activations: dict[str, str]) -> dict[str, Any]:
    """Return the fields of a config.json or bert_config.json about an encoder, the inverse of `published_arguments`.

    Args:
        encoder: the `BertEncoder`.
        fields: dict, argument -> field of its sizes, such as `GOOGLE_FIELDS`.
        activations: dict, hidden_act -> the name in `objects.ACTIVATIONS`.
    """
    return {
        **{field: getattr(encoder, argument) for argument, field in fields.items()},
        "hidden_act": objects.activation_name(encoder.inner_activation, activations),
        "hidden_dropout_prob": encoder.output_dropout,
        "attention_probs_dropout_prob": encoder.attention_dropout,
        "layer_norm_eps": encoder.layer_norm_epsilon,
    }


FIRST_AXES = {
    "vocab_size": "embeddings/word_embeddings/embeddings",
    "hidden_size": "layer_0/output_layer_norm/gamma",
    "num_attention_heads": "layer_0/self_attention/query/bias",
    "max_sequence_length": "embeddings/position_embedding/embeddings",
    "type_vocab_size": "embeddings/type_embeddings/embeddings",
    "inner_dim": "layer_0/feedforward/intermediate/bias",
    "embedding_width": "embeddings/layer_norm/gamma",
}
"""Argument -> the weight whose first axis it is, in formats that store weights in the shapes of our layers."""


def sizes_from_shapes(shapes: dict[str, tuple[int, ...]]) -> dict[str, int]:
    """Return the sizes of an encoder, a dict by argument, from the shapes of its weights by path.

    A size whose weight is missing is 1; `strict.check` then reports the weight.
    """
    layers = {path.partition("/")[0] for path in shapes if path.startswith("layer_")}
    sizes = {argument: (*shapes.get(path, ()), 1)[0] or 1 for argument, path in FIRST_AXES.items()}
    return sizes | {"num_layers": len(layers) or 1}


def encoder_arguments(config: Any, source: Any, dtype: str | None = None) -> dict[str, Any]:
    """Return the arguments of a `BertEncoder` from its configuration, checked.

    Args:
        config: dict, the content of the file.
        source: the file, for messages.
        dtype: name of the dtype policy. Defaults to the file's.
    """
    arguments = objects.read_layer(config, OWN, source, required=ENCODER.keys() - OPTIONAL)
    try:
        layers, heads, inner_dim = (arguments[name] for name in ("num_layers", "num_attention_heads", "inner_dim"))
        layer_sizes(layers, heads, inner_dim, arguments.get("pruned_heads"))
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None
    arguments["dtype"] = dtype or objects.policy(config.get("dtype"), source)
    arguments["embedding_layer"] = objects.embedding(config["embedding_layer"], source)
    for field, default in (("attention_cls", "MultiHeadAttention"), ("feedforward_cls", "Feedforward")):
        arguments[field] = registered(config[field])
        if not isinstance(arguments[field], type) or not issubclass(arguments[field], keras.layers.Layer):
            expected = f"expected {default!r} or another registered layer, got {shown(config[field])}"
            raise ValueError(f"{source}: {field}: {expected}. {REGISTER_FIRST}")
    return arguments
