"""What weights are called in Hugging Face's checkpoints, and our paths for them; what config.json calls our arguments.

Chapter: notebooks/10_checkpoints.ipynb.
"""

import re

from bertedu import defaults

OUTSIDE = {
    "embeddings.word_embeddings.weight": "embeddings/word_embeddings/embeddings",
    "embeddings.position_embeddings.weight": "embeddings/position_embedding/embeddings",
    "embeddings.token_type_embeddings.weight": "embeddings/type_embeddings/embeddings",
    "embeddings.LayerNorm.weight": "embeddings/layer_norm/gamma",
    "embeddings.LayerNorm.bias": "embeddings/layer_norm/beta",
    "pooler.dense.weight": "pooler_transform/kernel",
    "pooler.dense.bias": "pooler_transform/bias",
    "cls.predictions.transform.dense.weight": "masked_lm/transform/kernel",
    "cls.predictions.transform.dense.bias": "masked_lm/transform/bias",
    "cls.predictions.transform.LayerNorm.weight": "masked_lm/layer_norm/gamma",
    "cls.predictions.transform.LayerNorm.bias": "masked_lm/layer_norm/beta",
    "cls.predictions.bias": "masked_lm/output_bias",
    "classifier.weight": "classifier/logits/kernel",
    "classifier.bias": "classifier/logits/bias",
}
"""Their names, without the `bert.` that may stand before them -> our paths."""

LAYER = {
    "attention.self.query.weight": "self_attention/query/kernel",
    "attention.self.query.bias": "self_attention/query/bias",
    "attention.self.key.weight": "self_attention/key/kernel",
    "attention.self.key.bias": "self_attention/key/bias",
    "attention.self.value.weight": "self_attention/value/kernel",
    "attention.self.value.bias": "self_attention/value/bias",
    "attention.output.dense.weight": "self_attention/attention_output/kernel",
    "attention.output.dense.bias": "self_attention/attention_output/bias",
    "attention.output.LayerNorm.weight": "self_attention_layer_norm/gamma",
    "attention.output.LayerNorm.bias": "self_attention_layer_norm/beta",
    "intermediate.dense.weight": "feedforward/intermediate/kernel",
    "intermediate.dense.bias": "feedforward/intermediate/bias",
    "output.dense.weight": "feedforward/output/kernel",
    "output.dense.bias": "feedforward/output/bias",
    "output.LayerNorm.weight": "output_layer_norm/gamma",
    "output.LayerNorm.bias": "output_layer_norm/beta",
}
"""The same within encoder.layer.i."""

LAYERS = re.compile(r"encoder\.layer\.(\d+)\.(.+)")

SPARES = ("cls.", "classifier.", "qa_outputs.", "embeddings.position_ids")
"""Tensors (by the start of their names) that belong to a BERT but not to its encoder; two heads are read from them."""

ACTIVATIONS = {
    "gelu": "gelu",  # exact; the weights of Google's BERTs were trained with the tanh form all the same
    "gelu_new": defaults.gelu_tanh,
    "gelu_pytorch_tanh": defaults.gelu_tanh,
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}
SIZES = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "num_layers": "num_hidden_layers",
    "num_attention_heads": "num_attention_heads",
    "max_sequence_length": "max_position_embeddings",
    "type_vocab_size": "type_vocab_size",
    "inner_dim": "intermediate_size",
}
"""Our argument -> its field in config.json."""

POOLING_FLAGS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
}


def our_path(name):
    """Our path of the weight that is called `name` in a checkpoint, or None.

    Example:
        >>> our_path("bert.encoder.layer.3.output.dense.weight")
        'layer_3/feedforward/output/kernel'
    """
    name = canonical(name)
    layer = LAYERS.fullmatch(name)
    if layer:
        return f"layer_{layer[1]}/{LAYER[layer[2]]}" if layer[2] in LAYER else None
    return OUTSIDE.get(name)


def their_name(ours):
    """The name of a weight of ours in a checkpoint, without `bert.`; the reverse of `our_path`.

    Example:
        >>> their_name("layer_3/feedforward/output/kernel")
        'encoder.layer.3.output.dense.weight'
    """
    layer, _, inside = ours.partition("/")
    if layer.startswith("layer_"):
        return f"encoder.layer.{layer.removeprefix('layer_')}.{OUR_LAYER[inside]}"
    return OUR_OUTSIDE[ours]


def canonical(key):
    """A tensor's name as in our table: without `bert.`, and gamma and beta (before 2019) as weight and bias."""
    return (
        key.removeprefix("bert.")
        .replace("LayerNorm.gamma", "LayerNorm.weight")
        .replace("LayerNorm.beta", "LayerNorm.bias")
    )


OUR_OUTSIDE, OUR_LAYER = ({ours: theirs for theirs, ours in table.items()} for table in (OUTSIDE, LAYER))
