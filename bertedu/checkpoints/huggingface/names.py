"""Hugging Face's names: of weights and how they are stored, of arguments in config.json, and of activations.

Chapter: notebooks/10_checkpoints.ipynb.
"""

import math
from typing import Any

from keras import ops

from bertedu.checkpoints.names import GOOGLE, GOOGLE_LAYER, GOOGLE_MASKED_LM, Names, weight_names
from bertedu.fields import for_all

LEAVES = {"kernel": "/weight", "bias": "/bias", "gamma": "/weight", "beta": "/bias", "embeddings": "/weight"}
BIAS, DECODER_WEIGHT, DECODER_BIAS = (f"cls.predictions.{end}" for end in ("bias", "decoder.weight", "decoder.bias"))
"""The output bias of the masked-LM head, and second names of the word table and of that bias."""


def dotted(layers: dict[str, str]) -> dict[str, str]:
    """Return Hugging Face's names of the weights of some layers: dict, our path -> name."""
    return {path: name.replace("/", ".") for path, name in weight_names(layers, LEAVES).items()}


NAMES = Names(
    dotted(GOOGLE | GOOGLE_MASKED_LM | {"classifier/logits": "classifier"}) | {"masked_lm/output_bias": BIAS},
    dotted(GOOGLE_LAYER),
    "encoder.layer.{}.".format,
    r"encoder\.layer\.(0|[1-9]\d{0,8})\.(.+)",
    other_outside={"masked_lm/output_bias": DECODER_BIAS},
)
"""Hugging Face's names, without the `bert.` that may stand before them."""

HEADS = ("cls.", "classifier.", "qa_outputs.")
"""How the names of heads' tensors begin; two heads are read."""

BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")
"""Constants (0, 1, 2, ... and zeros) that some versions of transformers saved."""

ACTIVATIONS = {
    "gelu": "gelu",  # exact; the weights of Google's BERTs were trained with the tanh form all the same
    "gelu_python": "gelu",
    **for_all("gelu_new gelu_pytorch_tanh gelu_python_tanh gelu_fast gelu_accurate", "bertedu>gelu_tanh"),
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
    return NAMES.path(canonical(name))


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
