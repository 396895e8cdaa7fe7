"""Pooling: one vector for a whole text, out of one vector per token.

    cls = x_L[0]        pooled = tanh(cls W + b)
    mean = sum_t mask_t x_L[t] / sum_t mask_t        max = max of x_L[t] over t with mask_t

Devlin et al. 2018 (https://arxiv.org/abs/1810.04805), section 3 (cls, pooled); Reimers and Gurevych 2019
(https://arxiv.org/abs/1908.10084), section 3 (mean, max). Chapter: notebooks/07_pooling.ipynb.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from keras import ops

from bertedu.registry import name_of, registered

Pooling = Callable[[Any, Any], Any]
"""A function of `sequence_output` `[B, T, D]` and `input_mask` `[B, T]` that returns `[B, D]`."""


class EmbedSettings(NamedTuple):
    """How a model was meant to embed texts.

    Args:
        pooling: "mean", "cls", "max" or "pooled", a registered name, or a function of your own; from a checkpoint that
            embeds in another way, a description of that, which `Bert.embed` refuses.
        normalize: bool, whether vectors are scaled to length 1.
        max_length: int, tokens that are read of a text. Defaults to None, the model's own limit.
        prompt: str, put before each text.
    """

    pooling: str | Pooling = "mean"
    normalize: bool = False
    max_length: int | None = None
    prompt: str = ""


def cls_pooling(sequence_output: Any, input_mask: Any = None) -> Any:
    """Return the first token's vector, `[B, D]`, of `[B, T, D]`. The mask has no effect: [CLS] is never padding.

    Example:
        >>> cls_pooling(ops.ones((2, 3, 4))).shape[1]
        4
    """
    return sequence_output[:, 0]  # [B, D]


def mean_pooling(sequence_output: Any, input_mask: Any) -> Any:
    """Return the mean vector of the real tokens, `[B, D]`, of `[B, T, D]` and a mask `[B, T]`; zeros without any.

    Example:
        >>> float(mean_pooling(ops.array([[[2.0], [4.0], [99.0]]]), ops.array([[1, 1, 0]]))[0, 0])
        3.0
    """
    real = _real(sequence_output, input_mask)  # [B, T, 1]
    count = ops.maximum(ops.sum(real, axis=1), 1.0)  # [B, 1]
    return ops.sum(ops.multiply(sequence_output, real), axis=1) / count  # [B, D]


def max_pooling(sequence_output: Any, input_mask: Any) -> Any:
    """Return the largest value of each dimension over the real tokens, `[B, D]`; zeros without any.

    Example:
        >>> float(max_pooling(ops.array([[[2.0], [4.0], [99.0]]]), ops.array([[1, 1, 0]]))[0, 0])
        4.0
    """
    real = _real(sequence_output, input_mask)  # [B, T, 1]
    lowest = ops.min(sequence_output, axis=1, keepdims=True)  # [B, 1, D], what padding becomes: never the largest
    return ops.max(ops.where(real > 0, sequence_output, lowest), axis=1) * ops.max(real, axis=1)  # [B, D]


def pool(outputs: Mapping[str, Any], input_mask: Any, pooling: str | Pooling = "mean") -> Any:
    """Return one vector per text, `[B, D]`, from a `BertEncoder`'s outputs.

    Args:
        outputs: dict with `sequence_output` `[B, T, D]` and, for "pooled", `pooled_output` `[B, D]`.
        input_mask: `[B, T]`, zero at padding.
        pooling: "cls", "pooled", "mean" or "max"; the name of a registered function (`bertedu.register`), or a function
            itself, of `sequence_output` and `input_mask`.

    Raises:
        ValueError: another name.

    Example:
        >>> pool({"sequence_output": ops.ones((2, 3, 4))}, ops.ones((2, 3)), "max").shape[1]
        4
    """
    check_pooling(pooling)
    function = get(pooling)
    return outputs["pooled_output"] if function is None else function(outputs["sequence_output"], input_mask)


POOLINGS: dict[str, Pooling] = {"cls": cls_pooling, "mean": mean_pooling, "max": max_pooling}
"""The poolings by name that need nothing but `sequence_output`."""


def get(pooling: Any) -> Pooling | None:
    """Return the function that a pooling stands for; None for "pooled", which has none, and for unknown names."""
    if isinstance(pooling, str):
        pooling = POOLINGS.get(pooling) or registered(pooling)
    return pooling if callable(pooling) and not isinstance(pooling, type) else None


def check_pooling(pooling: Any) -> None:
    """Raise ValueError unless `pooling` is one that `pool` knows."""
    if not is_pooling(pooling):
        raise ValueError(
            f"pooling must be one of {['pooled', *POOLINGS]}, got {pooling!r}. Pass a function of your own itself, or "
            "its name once it is registered (bertedu.register)."
        )


def is_pooling(pooling: Any) -> bool:
    """Return whether `pooling` is one that `pool` knows: "pooled", a name of `POOLINGS`, registered, or a function."""
    return pooling == "pooled" or get(pooling) is not None


def pooling_name(pooling: str | Pooling) -> str:
    """Return the name under which a file can hold a pooling.

    Raises:
        ValueError: a function that is not registered.
    """
    built_in = {function: name for name, function in POOLINGS.items()}
    name = pooling if isinstance(pooling, str) else built_in.get(pooling) or name_of(pooling)
    if name is None:
        raise ValueError(
            f"embed_settings: the pooling {pooling!r} is not registered, so that no file can name it: decorate it with "
            "@bertedu.register()."
        )
    return name


def _real(sequence_output, input_mask):
    """Return 1 at real tokens and 0 at padding, `[B, T, 1]`, in the dtype of `sequence_output`."""
    return ops.cast(ops.cast(input_mask, "bool"), sequence_output.dtype)[:, :, None]
