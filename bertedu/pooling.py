"""Pooling: one vector for a whole text, out of one vector per token.

    cls = x_L[0]        pooled = tanh(cls W + b)
    mean = sum_t mask_t x_L[t] / sum_t mask_t        max = max of x_L[t] over t with mask_t

Devlin et al. 2018 (https://arxiv.org/abs/1810.04805), section 3 (cls, pooled); Reimers and Gurevych 2019
(https://arxiv.org/abs/1908.10084), section 3 (mean, max). Chapter: notebooks/07_pooling.ipynb.
"""

from typing import NamedTuple

from keras import ops


class EmbedSettings(NamedTuple):
    """How a model was meant to embed texts.

    Args:
        pooling: "mean", "cls", "max" or "pooled".
        normalize: bool, whether vectors are scaled to length 1.
        max_length: int, tokens that are read of a text. Defaults to None, the model's own limit.
        prompt: str, put before each text.
    """

    pooling: str = "mean"
    normalize: bool = False
    max_length: int | None = None
    prompt: str = ""


def cls_pooling(sequence_output, input_mask=None):
    """The first token's vector, `[B, D]`, of `[B, T, D]`. The mask is not needed: [CLS] is never padding.

    Example:
        >>> cls_pooling(ops.ones((2, 3, 4))).shape[1]
        4
    """
    return sequence_output[:, 0]  # [B, D]


def mean_pooling(sequence_output, input_mask):
    """The mean vector of the real tokens, `[B, D]`, of `[B, T, D]` and a mask `[B, T]`; zeros where there are none.

    Example:
        >>> float(mean_pooling(ops.array([[[2.0], [4.0], [99.0]]]), ops.array([[1, 1, 0]]))[0, 0])
        3.0
    """
    real = _real(sequence_output, input_mask)  # [B, T, 1]
    count = ops.maximum(ops.sum(real, axis=1), 1.0)  # [B, 1]
    return ops.sum(ops.multiply(sequence_output, real), axis=1) / count  # [B, D]


def max_pooling(sequence_output, input_mask):
    """The largest value of each dimension over the real tokens, `[B, D]`; zeros where there are none.

    Example:
        >>> float(max_pooling(ops.array([[[2.0], [4.0], [99.0]]]), ops.array([[1, 1, 0]]))[0, 0])
        4.0
    """
    real = _real(sequence_output, input_mask)  # [B, T, 1]
    lowest = ops.min(sequence_output, axis=1, keepdims=True)  # [B, 1, D], what padding becomes: never the largest
    return ops.max(ops.where(real > 0, sequence_output, lowest), axis=1) * ops.max(real, axis=1)  # [B, D]


def pool(outputs, input_mask, pooling="mean"):
    """One vector per text, `[B, D]`, from a `BertEncoder`'s outputs.

    Args:
        outputs: dict with `sequence_output` `[B, T, D]` and, for "pooled", `pooled_output` `[B, D]`.
        input_mask: `[B, T]`, zero at padding.
        pooling: "cls", "pooled", "mean" or "max".

    Raises:
        ValueError: another name.

    Example:
        >>> pool({"sequence_output": ops.ones((2, 3, 4))}, ops.ones((2, 3)), "max").shape[1]
        4
    """
    if pooling == "pooled":
        return outputs["pooled_output"]
    if pooling not in POOLINGS:
        raise ValueError(f"pooling must be one of {['pooled', *POOLINGS]}, got {pooling!r}.")
    return POOLINGS[pooling](outputs["sequence_output"], input_mask)


POOLINGS = {"cls": cls_pooling, "mean": mean_pooling, "max": max_pooling}


def _real(sequence_output, input_mask):
    """1 at real tokens and 0 at padding, `[B, T, 1]`, in the dtype of `sequence_output`."""
    return ops.cast(ops.cast(input_mask, "bool"), sequence_output.dtype)[:, :, None]
