"""What weights are called in Hugging Face's checkpoints and how they lie there; what config.json calls our arguments.

Chapter: notebooks/10_checkpoints.ipynb.
"""

import math
import re

from keras import ops

from bertedu import defaults
from bertedu.checkpoints.strict import Layout

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
    "cls.predictions.decoder.bias": "masked_lm/output_bias",  # the same tensor's second name, first so that the
    "cls.predictions.bias": "masked_lm/output_bias",  # reversed table writes the usual one
    "classifier.weight": "classifier/logits/kernel",
    "classifier.bias": "classifier/logits/bias",
}
"""Hugging Face's names, without the `bert.` that may stand before them -> our paths."""

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

LAYERS = re.compile(r"encoder\.layer\.([0-9]+)\.(.+)")

DECODER_WEIGHT, DECODER_BIAS = "cls.predictions.decoder.weight", "cls.predictions.decoder.bias"

HEADS = ("cls.", "classifier.", "qa_outputs.")
"""How the names of heads' tensors begin; two heads are read."""

BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")
"""Constants (0, 1, 2, ... and zeros) that some versions of transformers saved."""

ACTIVATIONS = {
    "gelu": "gelu",  # exact; the weights of Google's BERTs were trained with the tanh form all the same
    "gelu_python": "gelu",
    **dict.fromkeys(
        ("gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_fast", "gelu_accurate"), defaults.gelu_tanh
    ),
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
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""Flags that sentence-transformers wrote before version 6, and the modes it writes now; the first three are ours."""


def our_path(name):
    """Return our path of the weight that is called `name` in a checkpoint, or None.

    Example:
        >>> our_path("bert.encoder.layer.3.output.dense.weight")
        'layer_3/feedforward/output/kernel'
    """
    name = canonical(name)
    layer = LAYERS.fullmatch(name)
    if layer:
        return f"layer_{layer[1]}/{LAYER[layer[2]]}" if layer[2] in LAYER else None
    return OUTSIDE.get(name)


def hf_name(ours):
    """Return the name of a weight of ours in a checkpoint, without `bert.`; the reverse of `our_path`.

    Example:
        >>> hf_name("layer_3/feedforward/output/kernel")
        'encoder.layer.3.output.dense.weight'
    """
    layer, _, inside = ours.partition("/")
    if layer.startswith("layer_"):
        return f"encoder.layer.{layer.removeprefix('layer_')}.{OUR_LAYER[inside]}"
    return OUR_OUTSIDE[ours]


def canonical(name):
    """Return a tensor's name as in our table: without `bert.`, gamma and beta (before 2019) as weight and bias."""
    return (
        name.removeprefix("bert.")
        .replace("LayerNorm.gamma", "LayerNorm.weight")
        .replace("LayerNorm.beta", "LayerNorm.bias")
    )


OUR_OUTSIDE, OUR_LAYER = ({ours: name for name, ours in table.items()} for table in (OUTSIDE, LAYER))


def input_axes(path):
    """Return how many of the axes of a kernel of ours are inputs."""
    return 2 if "attention_output" in path else 1


def hf_shape(path, shape):
    """Return the shape that a weight of ours has in a checkpoint: heads joined, matrices as [out, in]."""
    if path.endswith("embeddings"):
        return shape
    if not path.endswith("kernel"):
        return (math.prod(shape),)
    axes = input_axes(path)
    return math.prod(shape[axes:]), math.prod(shape[:axes])


def to_ours(array, path, shape):
    """Return a checkpoint's array as our weight `path` of `shape`: matrices transposed to [in, out], heads split."""
    if path.endswith("kernel"):
        array = ops.transpose(ops.convert_to_tensor(array))  # the backend's is several times as fast as NumPy's
    return ops.reshape(array, shape)


LAYOUT = Layout(hf_shape, to_ours, hf_name)
