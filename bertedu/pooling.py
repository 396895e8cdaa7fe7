"""Pooling: one vector per text from one vector per token.

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
    """The settings with which a model embeds texts; the defaults of `Bert.embed`.

    Args:
        pooling: "mean", "cls", "max" or "pooled", a function, or the name of a registered function. For a checkpoint
            with an unsupported pooling, its description, which `Bert.embed` refuses.
        normalize: bool, scale every vector to length 1.
        max_length: int, number of tokens to which longer texts are truncated. Defaults to the model's own limit.
        prompt: str, prepended to each text.
    """

    pooling: str | Pooling = "mean"
    normalize: bool = False
    max_length: int | None = None
    prompt: str = ""


def cls_pooling(sequence_output: Any, input_mask: Any = None) -> Any:
    """Return the vector of the first token, [CLS], as `[B, D]`. `input_mask` is not used.

    Example:
        >>> cls_pooling(ops.ones((2, 3, 4))).shape[1]
        4
    """
    return sequence_output[:, 0]  # [B, D]


def mean_pooling(sequence_output: Any, input_mask: Any) -> Any:
    """Return the mean of the vectors of all real tokens, `[B, D]`; 0 for a text without real tokens.

    Example:
        >>> float(mean_pooling(ops.array([[[2.0], [4.0], [99.0]]]), ops.array([[1, 1, 0]]))[0, 0])
        3.0
    """
    real = _real(sequence_output, input_mask)  # [B, T, 1]
    count = ops.maximum(ops.sum(real, axis=1), 1.0)  # [B, 1]
    return ops.sum(ops.multiply(sequence_output, real), axis=1) / count  # [B, D]


def max_pooling(sequence_output: Any, input_mask: Any) -> Any:
    """Return the maximum of each element over all real tokens, `[B, D]`; 0 for a text without real tokens.

    Example:
        >>> float(max_pooling(ops.array([[[2.0], [4.0], [99.0]]]), ops.array([[1, 1, 0]]))[0, 0])
        4.0
    """
    real = _real(sequence_output, input_mask)  # [B, T, 1]
    lowest = ops.min(sequence_output, axis=1, keepdims=True)  # [B, 1, D], replaces padding
    return ops.max(ops.where(real > 0, sequence_output, lowest), axis=1) * ops.max(real, axis=1)  # [B, D]


def pool(outputs: Mapping[str, Any], input_mask: Any, pooling: str | Pooling = "mean") -> Any:
    """Return one vector per text, `[B, D]`, from the outputs of a `BertEncoder`.

    Args:
        outputs: dict with `sequence_output` `[B, T, D]` and, for "pooled", `pooled_output` `[B, D]`.
        input_mask: `[B, T]`, zero at padding.
        pooling: "cls", "pooled", "mean" or "max"; a function of `sequence_output` and `input_mask`, or the name of one
            that is registered with `bertedu.register`.

    Raises:
        ValueError: `pooling` is unknown.

    Example:
        >>> pool({"sequence_output": ops.ones((2, 3, 4))}, ops.ones((2, 3)), "max").shape[1]
        4
    """
    check_pooling(pooling)
    function = get(pooling)
    return outputs["pooled_output"] if function is None else function(outputs["sequence_output"], input_mask)


POOLINGS: dict[str, Pooling] = {"cls": cls_pooling, "mean": mean_pooling, "max": max_pooling}
"""The built-in pooling functions of `sequence_output` by name."""


def get(pooling: Any) -> Pooling | None:
    """Return the function of a pooling; None for "pooled", which needs none, and for unknown names."""
    if isinstance(pooling, str):
        pooling = POOLINGS.get(pooling) or registered(pooling)
    return pooling if callable(pooling) and not isinstance(pooling, type) else None


def check_pooling(pooling: Any) -> None:
    """Raise ValueError if `pool` does not know `pooling`."""
    if not is_pooling(pooling):
        expected = f"one of {['pooled', *POOLINGS]}, a function, or the name of one registered with bertedu.register"
        raise ValueError(f"pooling: expected {expected}, got {pooling!r}.")


def is_pooling(pooling: Any) -> bool:
    """Return whether `pool` knows `pooling`: a built-in or registered name, or a function."""
    return pooling == "pooled" or get(pooling) is not None


def pooling_name(pooling: str | Pooling) -> str:
    """Return the name by which a configuration file refers to a pooling.

    Raises:
        ValueError: the function is not registered.
    """
    built_in = {function: name for name, function in POOLINGS.items()}
    name = pooling if isinstance(pooling, str) else built_in.get(pooling) or name_of(pooling)
    if name is None:
        advice = "Decorate the function with @bertedu.register()."
        raise ValueError(f"embed_settings: expected a registered pooling, got {pooling!r}. {advice}")
    return name


def _real(sequence_output, input_mask):
    """Return 1 at real tokens and 0 at padding, `[B, T, 1]`, in the dtype of `sequence_output`."""
    return ops.cast(ops.cast(input_mask, "bool"), sequence_output.dtype)[:, :, None]
