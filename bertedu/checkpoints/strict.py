"""Strict filling: every weight of a model from one named tensor, and no tensor left unexplained. For all formats.

A reader lists its tensors (`TensorInfo`), `check` compares names, types and shapes with those of the model that the
configuration describes, before a byte of that model is allocated, and `fill` reads them into its weights.
Chapter: notebooks/10_checkpoints.ipynb.
"""

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from bertedu.attention import MultiHeadAttention, TalkingHeadsAttention
from bertedu.checkpoints.common import FLOATS, LONGEST_NAME, TensorInfo, shortened
from bertedu.feedforward import Feedforward, GatedFeedforward
from bertedu.terminal import escape

Shape = tuple[int, ...]

POOLER = "pooler_transform/"


class Stored(NamedTuple):
    """The tensors of a checkpoint, none of them read; the last three are for formats that store weights unlike us.

    Args:
        tensors: list of `TensorInfo`, all that the checkpoint holds.
        read: function of a `TensorInfo` that returns its array.
        source: the file or directory, for messages.
        described_by: the file that says which model it is ("config.json"), for messages.
        shape: function of a weight's path and shape here: its shape in the format.
        array: function of an array in that shape, the weight's path and its shape here: the array in that shape.
        name: function of a weight's path: its name in the format, for messages.
    """

    tensors: Sequence[TensorInfo]
    read: Callable[[TensorInfo], Any]
    source: Any
    described_by: str
    shape: Callable[[str, Shape], Shape] = lambda path, shape: shape
    array: Callable[[Any, str, Shape], Any] = lambda array, path, shape: array.reshape(shape)
    name: Callable[[str], str] = lambda path: path


def model_shapes(
    arguments: dict[str, Any], masked_lm: bool = False, classifier: dict[str, Shape] | None = None
) -> tuple[dict[str, Shape], list[str]]:
    """Return the shape of every weight of a model, by its path, without making the model.

    Args:
        arguments: dict, the arguments of a `BertEncoder`, sizes and classes.
        masked_lm: bool, with a masked-LM head.
        classifier: None, or dict: the shapes of its classifier by their paths in it.

    Returns:
        shapes: dict, path -> tuple; and the list of prefixes of those parts whose class is not one of ours, of which
        only the made layer knows the shapes.
    """
    hidden, inner, heads = (arguments[name] for name in ("hidden_size", "inner_dim", "num_attention_heads"))
    width = arguments.get("embedding_width") or hidden
    table, name, rows = arguments.get("embedding_layer"), "word_embeddings", (arguments["vocab_size"], width)
    if table is not None:
        name, rows = table.name, (table.input_dim, table.output_dim)
    shapes = {
        f"embeddings/{name}/embeddings": rows,
        "embeddings/position_embedding/embeddings": (arguments["max_sequence_length"], width),
        "embeddings/type_embeddings/embeddings": (arguments["type_vocab_size"], width),
        **norm("embeddings/layer_norm", width),
        **(dense("embeddings/embedding_projection", width, hidden) if width != hidden else {}),
    }
    attention = attention_shapes(arguments.get("attention_cls", MultiHeadAttention), hidden, heads)
    feedforward = feedforward_shapes(arguments.get("feedforward_cls", Feedforward), hidden, inner)
    others = []
    for layer in (f"layer_{i}" for i in range(arguments["num_layers"])):
        for part, inside in (("self_attention", attention), ("feedforward", feedforward)):
            shapes |= {f"{layer}/{part}/{name}": shape for name, shape in (inside or {}).items()}
            others += [f"{layer}/{part}/"] if inside is None else []
        shapes |= norm(f"{layer}/self_attention_layer_norm", hidden) | norm(f"{layer}/output_layer_norm", hidden)
    shapes |= dense("pooler_transform", hidden, hidden)
    if masked_lm:
        shapes |= dense("masked_lm/transform", hidden, width) | norm("masked_lm/layer_norm", width)
        shapes |= {"masked_lm/output_bias": rows[:1]}
    return shapes | {f"classifier/{path}": shape for path, shape in (classifier or {}).items()}, others


def dense(path: str, width: int, units: int) -> dict[str, Shape]:
    """Return the shapes of a dense layer by their paths."""
    return {f"{path}/kernel": (width, units), f"{path}/bias": (units,)}


def norm(path: str, width: int) -> dict[str, Shape]:
    """Return the shapes of a normalisation by their paths."""
    return {f"{path}/gamma": (width,), f"{path}/beta": (width,)}


def attention_shapes(attention_cls: type, hidden: int, heads: int) -> dict[str, Shape] | None:
    """Return the shapes of an attention layer by their paths in it; None for a class that is not ours."""
    if attention_cls not in (MultiHeadAttention, TalkingHeadsAttention):
        return None
    size = hidden // heads
    shapes = {"attention_output/kernel": (heads, size, hidden), "attention_output/bias": (hidden,)}
    for name in ("query", "key", "value"):
        shapes |= {f"{name}/kernel": (hidden, heads, size), f"{name}/bias": (heads, size)}
    if attention_cls is TalkingHeadsAttention:
        shapes |= {"pre_softmax_weight": (heads, heads), "post_softmax_weight": (heads, heads)}
    return shapes


def feedforward_shapes(feedforward_cls: type, hidden: int, inner: int) -> dict[str, Shape] | None:
    """Return the shapes of a feed-forward network by their paths in it; None for a class that is not ours."""
    if feedforward_cls not in (Feedforward, GatedFeedforward):
        return None
    gate = dense("gate", hidden, inner) if feedforward_cls is GatedFeedforward else {}
    return dense("intermediate", hidden, inner) | dense("output", inner, hidden) | gate


def has_pooler(tensors: Iterable[TensorInfo]) -> bool:
    """Return whether a pooler is among the tensors; many checkpoints for embeddings have none."""
    return any((tensor.ours or "").startswith(POOLER) for tensor in tensors)


def check(stored: Stored, shapes: dict[str, Shape], others: Sequence[str] = ()) -> None:
    """Compare the tensors of a checkpoint with the weights of a model.

    Args:
        stored: the `Stored` tensors.
        shapes: dict, the path of a weight -> its shape, as `model_shapes` gives them.
        others: prefixes of parts that are not in `shapes` and are not checked yet.

    Raises:
        ValueError: a weight has no tensor (a whole pooler may be absent), or two; a tensor is unknown, is no array of
            floats, or has another shape.
    """
    by_path: dict[Any, list[TensorInfo]] = {}
    for tensor in stored.tensors:
        by_path.setdefault(tensor.ours, []).append(tensor)
    optional = () if has_pooler(stored.tensors) else POOLER
    missing = [path for path in shapes if path not in by_path and not path.startswith(optional)]
    unknown = [tensor.name for tensor in by_path.pop(None, ()) if not tensor.known]
    for path, candidates in by_path.items():
        fits = path in shapes or path.startswith(tuple(others))
        unknown += [tensor.name for tensor in candidates[fits:]]
    if missing or unknown:
        tensors = f"Missing: {shortened(list(map(stored.name, missing)))}. Unknown: {shortened(sorted(unknown))}."
        raise ValueError(f"{stored.source} does not hold the BERT that {stored.described_by} describes. {tensors}")
    for path, (tensor,) in by_path.items():
        place, dtype = f"{stored.source}: the tensor {tensor.name[:LONGEST_NAME]!r}", tensor.dtype
        if dtype not in FLOATS:
            raise ValueError(f"{place} must be of {', '.join(FLOATS)}; got {escape(dtype)[:40]}.")
        expected = stored.shape(path, shapes[path]) if path in shapes else tensor.shape
        if tensor.shape != expected:
            raise ValueError(f"{place} has shape {tensor.shape}, but {stored.described_by} makes it {expected}.")


def fill(stored: Stored, variables: dict[str, Any]) -> bool:
    """Check all tensors against a model's weights, and read them into it.

    Args:
        stored: the `Stored` tensors.
        variables: dict, path -> variable, as `common.weights` gives them.

    Returns:
        whether the checkpoint has a pooler.

    Raises:
        ValueError: as `check`.
    """
    check(stored, {path: tuple(variable.shape) for path, variable in variables.items()})
    not_finite = []
    for tensor in stored.tensors:
        if tensor.ours is None:
            continue
        variable, array = variables[tensor.ours], stored.read(tensor)
        if not is_finite(array):
            not_finite.append(tensor.name)
        variable.assign(stored.array(array, tensor.ours, tuple(variable.shape)))
    if not_finite:
        warnings.warn(f"{stored.source}: {shortened(not_finite)} hold NaN or infinity.", stacklevel=2)
    return has_pooler(stored.tensors)


def is_finite(array: np.ndarray) -> bool:
    """Return whether all elements are finite; their sum tells at a fifth of the cost of looking at each."""
    with np.errstate(over="ignore", invalid="ignore"):
        total = float(np.sum(array, dtype="float32"))
    return math.isfinite(total) or bool(np.isfinite(array.astype("float32", copy=False)).all())
