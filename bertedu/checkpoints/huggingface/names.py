"""Hugging Face's names: of weights and how they are stored, of arguments in config.json, and of activations.

Chapter: notebooks/10_checkpoints.ipynb.
"""

from __future__ import annotations

import math
import re
from typing import Any

from keras import ops

from bertedu.checkpoints.names import reversed_table, weight_names
from bertedu.checkpoints.strict import Layout

WEIGHTS = {"kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias", "embeddings": "weight"}
OUTSIDE = weight_names(
    {
        "embeddings/word_embeddings": "embeddings.word_embeddings",
        "embeddings/position_embedding": "embeddings.position_embeddings",
        "embeddings/type_embeddings": "embeddings.token_type_embeddings",
        "embeddings/layer_norm": "embeddings.LayerNorm",
        "pooler_transform": "pooler.dense",
        "masked_lm/transform": "cls.predictions.transform.dense",
        "masked_lm/layer_norm": "cls.predictions.transform.LayerNorm",
        "classifier/logits": "classifier",
    },
    WEIGHTS,
    ".",
) | {"masked_lm/output_bias": "cls.predictions.bias"}
"""Our paths -> Hugging Face's names, without the `bert.` that may stand before them."""

LAYER = weight_names(
    {
        "self_attention/query": "attention.self.query",
        "self_attention/key": "attention.self.key",
        "self_attention/value": "attention.self.value",
        "self_attention/attention_output": "attention.output.dense",
        "self_attention_layer_norm": "attention.output.LayerNorm",
        "feedforward/intermediate": "intermediate.dense",
        "feedforward/output": "output.dense",
        "output_layer_norm": "output.LayerNorm",
    },
    WEIGHTS,
    ".",
)
"""The same within encoder.layer.i."""

LAYERS = re.compile(r"encoder\.layer\.([0-9]+)\.(.+)")

DECODER_WEIGHT, DECODER_BIAS = "cls.predictions.decoder.weight", "cls.predictions.decoder.bias"
"""Second names of the word table and of the output bias, where the masked-LM head uses them."""

OURS_OUTSIDE, OURS_IN_LAYER = reversed_table(OUTSIDE) | {DECODER_BIAS: "masked_lm/output_bias"}, reversed_table(LAYER)

HEADS = ("cls.", "classifier.", "qa_outputs.")
"""How the names of heads' tensors begin; two heads are read."""

BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")
"""Constants (0, 1, 2, ... and zeros) that some versions of transformers saved."""

ACTIVATIONS = {
    "gelu": "gelu",  # exact; the weights of Google's BERTs were trained with the tanh form all the same
    "gelu_python": "gelu",
    **dict.fromkeys(
        ("gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_fast", "gelu_accurate"), "bertedu>gelu_tanh"
    ),
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}
"""hidden_act -> the name in `objects.ACTIVATIONS`."""

POOLING_FLAGS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""Flags that sentence-transformers wrote before version 6, and the modes it writes now; the first three are ours."""


def our_path(name: str) -> str | None:
    """Return our path of the weight that is called `name` in a checkpoint, or None.

    Example:
        >>> our_path("bert.encoder.layer.3.output.dense.weight")
        'layer_3/feedforward/output/kernel'
    """
    layer = LAYERS.fullmatch(canonical(name))
    if layer is None:
        return OURS_OUTSIDE.get(canonical(name))
    return f"layer_{layer[1]}/{OURS_IN_LAYER[layer[2]]}" if layer[2] in OURS_IN_LAYER else None


def hf_name(ours: str) -> str:
    """Return the name of a weight of ours in a checkpoint, without `bert.`; the reverse of `our_path`.

    Example:
        >>> hf_name("layer_3/feedforward/output/kernel")
        'encoder.layer.3.output.dense.weight'
    """
    layer, _, inside = ours.partition("/")
    if layer.startswith("layer_"):
        return f"encoder.layer.{layer.removeprefix('layer_')}.{LAYER[inside]}"
    return OUTSIDE[ours]


def canonical(name: str) -> str:
    """Return a tensor's name as in our table: without `bert.`, gamma and beta (before 2019) as weight and bias."""
    name = name.removeprefix("bert.").replace("LayerNorm.gamma", "LayerNorm.weight")
    return name.replace("LayerNorm.beta", "LayerNorm.bias")


def hf_shape(path: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape that a weight of ours has in a checkpoint: heads joined, matrices as [out, in]."""
    if path.endswith("embeddings"):
        return shape
    if not path.endswith("kernel"):
        return (math.prod(shape),)
    inputs = 2 if "attention_output" in path else 1  # axes of the kernel
    return math.prod(shape[inputs:]), math.prod(shape[:inputs])


def to_ours(array: Any, path: str, shape: tuple[int, ...]) -> Any:
    """Return a checkpoint's array as our weight `path` of `shape`: matrices transposed to [in, out], heads split."""
    if path.endswith("kernel"):
        array = ops.transpose(ops.convert_to_tensor(array))  # the backend's is several times as fast as NumPy's
    return ops.reshape(array, shape)


LAYOUT = Layout(hf_shape, to_ours, hf_name)
