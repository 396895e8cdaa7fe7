"""Hugging Face's names of weights and activations, and the shapes in which it stores weights.

Chapter: notebooks/11_checkpoints.ipynb.
"""

import math
from typing import Any

from bertedu.checkpoints.names import GOOGLE, GOOGLE_LAYER, GOOGLE_MASKED_LM, Names, weight_names
from bertedu.fields import for_all

LEAVES = {"kernel": "/weight", "bias": "/bias", "gamma": "/weight", "beta": "/bias", "embeddings": "/weight"}
BIAS, DECODER_WEIGHT, DECODER_BIAS = (f"cls.predictions.{end}" for end in ("bias", "decoder.weight", "decoder.bias"))
"""The output bias of the masked-LM head, and the names of the tensors tied to word embeddings and bias."""


def dotted(layers: dict[str, str]) -> dict[str, str]:
    """Return Hugging Face's names of the weights of some layers: dict, path -> name."""
    return {path: name.replace("/", ".") for path, name in weight_names(layers, LEAVES).items()}


NAMES = Names(
    dotted(GOOGLE | GOOGLE_MASKED_LM | {"classifier/logits": "classifier"}) | {"masked_lm/output_bias": BIAS},
    dotted(GOOGLE_LAYER),
    "encoder.layer.{}.".format,
    r"encoder\.layer\.(0|[1-9]\d{0,8})\.(.+)",
    other_globals={"masked_lm/output_bias": DECODER_BIAS},
)
"""Hugging Face's names, without the prefix "bert."."""


def hf_name(path: str) -> str:
    """Return the name of the weight `path`. A token classifier's head has the same name as a classifier's."""
    return NAMES.name(path.removeprefix("token_"))


HEADS = ("cls.", "classifier.", "qa_outputs.")
"""Prefixes of the names of heads' tensors. Three of the heads are loaded."""

BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")
"""Constants (0, 1, 2, ... and zeros) that some versions of transformers save."""

ACTIVATIONS = {
    **for_all("gelu gelu_python", "gelu"),  # exact, although Google's BERTs were trained with the tanh approximation
    **for_all("gelu_new gelu_pytorch_tanh gelu_python_tanh gelu_fast gelu_accurate", "bertedu>gelu_tanh"),
    "relu": "relu",
    **for_all("silu swish", "silu"),
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
"""Flag of sentence-transformers before version 6 -> its mode since. bertedu supports the first three."""


def our_path(name: str) -> str | None:
    """Return the path of the weight called `name` in a checkpoint, or None.

    Example:
        >>> our_path("bert.encoder.layer.3.output.dense.weight")
        'layer_3/feedforward/output/kernel'
    """
    return NAMES.path(canonical(name))


def canonical(name: str) -> str:
    """Return a tensor's name without the prefix "bert.", and with weight and bias for gamma and beta (before 2019)."""
    name = name.removeprefix("bert.").replace("LayerNorm.gamma", "LayerNorm.weight")
    return name.replace("LayerNorm.beta", "LayerNorm.bias")


def hf_shape(path: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a weight in a checkpoint: heads merged, matrices as [out, in]."""
    if path.endswith("embeddings"):
        return shape
    if not path.endswith("kernel"):
        return (math.prod(shape),)
    inputs = 2 if "attention_output" in path else 1  # axes of the kernel
    return math.prod(shape[inputs:]), math.prod(shape[:inputs])


def from_hf(array: Any, path: str, shape: tuple[int, ...]) -> Any:
    """Return a view of a checkpoint's array for the weight `path` of `shape`: matrices as [in, out], heads split."""
    return (array.T if path.endswith("kernel") else array).reshape(shape)
