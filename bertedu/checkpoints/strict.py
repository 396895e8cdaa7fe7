"""Strict loading: every weight gets exactly one tensor, and every tensor is accounted for. Shared by all formats.

A reader lists its tensors (`TensorInfo`), `check` compares their names, dtypes and shapes with the configured model
before anything is allocated, and `fill` reads them into the model's weights.
Chapter: notebooks/11_checkpoints.ipynb.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from bertedu.attention import MultiHeadAttention, TalkingHeadsAttention
from bertedu.backend.variables import assign
from bertedu.checkpoints.common import FLOATS, LONGEST_NAME, TensorInfo, shortened
from bertedu.encoder import layer_sizes
from bertedu.feedforward import Feedforward, GatedFeedforward
from bertedu.terminal import escape, warn

Shape = tuple[int, ...]

POOLER = "pooler_transform/"


class Stored(NamedTuple):
    """The tensors of a checkpoint, not read yet.

    Args:
        tensors: list of the `TensorInfo` of all tensors in the checkpoint.
        read: function of a `TensorInfo` that returns its array.
        source: the file or directory, for messages.
        described_by: name of the configuration file ("config.json"), for messages.
        shape: function `(path, shape)` that returns the format's shape of a weight. Defaults to the same shape.
        array: function `(array, path, shape)` that converts the format's array to the weight's shape. Defaults to
            reshaping.
        name: function of a weight's path that returns its name in the format, for messages. Defaults to the path.
    """

    tensors: Sequence[TensorInfo]
    read: Callable[[TensorInfo], Any]
    source: Any
    described_by: str
    shape: Callable[[str, Shape], Shape] = lambda path, shape: shape
    array: Callable[[Any, str, Shape], Any] = lambda array, path, shape: array.reshape(shape)
    name: Callable[[str], str] = lambda path: path


def model_shapes(
    arguments: dict[str, Any],
    masked_lm: bool = False,
    classifier: dict[str, Shape] | None = None,
    token_classes: int | None = None,
) -> tuple[dict[str, Shape], list[str]]:
    """Return the shape of every weight of a model by its path, without building the model.

    Args:
        arguments: dict, the arguments of a `BertEncoder`: sizes and classes.
        masked_lm: bool, whether it has a masked-LM head. Defaults to False.
        classifier: dict, the shapes of its classifier by their paths within it. Defaults to None: no classifier.
        token_classes: int, number of classes of its token classifier. Defaults to None: no token classifier.

    Returns:
        tuple of a dict, path -> shape, and the list of path prefixes of attention and feed-forward layers of
        custom classes, whose shapes are unknown before they are built.
    """
    hidden, heads, layers = (arguments[name] for name in ("hidden_size", "num_attention_heads", "num_layers"))
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
    attention_cls = arguments.get("attention_cls", MultiHeadAttention)
    feedforward_cls = arguments.get("feedforward_cls", Feedforward)
    others = []
    sizes = layer_sizes(layers, heads, arguments["inner_dim"], arguments.get("pruned_heads"))
    for i, (count, inner) in enumerate(sizes):
        layer = f"layer_{i}"
        attention = attention_shapes(attention_cls, hidden, count, hidden // heads)
        feedforward = feedforward_shapes(feedforward_cls, hidden, inner)
        for part, inside in (("self_attention", attention), ("feedforward", feedforward)):
            shapes |= {f"{layer}/{part}/{name}": shape for name, shape in (inside or {}).items()}
            others += [f"{layer}/{part}/"] if inside is None else []
        shapes |= norm(f"{layer}/self_attention_layer_norm", hidden) | norm(f"{layer}/output_layer_norm", hidden)
    shapes |= dense("pooler_transform", hidden, hidden)
    if masked_lm:
        shapes |= dense("masked_lm/transform", hidden, width) | norm("masked_lm/layer_norm", width)
        shapes |= {"masked_lm/output_bias": rows[:1]}
    if token_classes:
        shapes |= dense("token_classifier/logits", hidden, token_classes)
    return shapes | {f"classifier/{path}": shape for path, shape in (classifier or {}).items()}, others


def dense(path: str, width: int, units: int) -> dict[str, Shape]:
    """Return the shapes of a dense layer by their paths."""
    return {f"{path}/kernel": (width, units), f"{path}/bias": (units,)}


def norm(path: str, width: int) -> dict[str, Shape]:
    """Return the shapes of a layer normalization by their paths."""
    return {f"{path}/gamma": (width,), f"{path}/beta": (width,)}


def attention_shapes(attention_cls: type, hidden: int, heads: int, size: int) -> dict[str, Shape] | None:
    """Return the shapes of an attention layer by their paths within it; None for a custom class."""
    if attention_cls not in (MultiHeadAttention, TalkingHeadsAttention):
        return None
    shapes = {"attention_output/kernel": (heads, size, hidden), "attention_output/bias": (hidden,)}
    for name in ("query", "key", "value"):
        shapes |= {f"{name}/kernel": (hidden, heads, size), f"{name}/bias": (heads, size)}
    if attention_cls is TalkingHeadsAttention:
        shapes |= {"pre_softmax_weight": (heads, heads), "post_softmax_weight": (heads, heads)}
    return shapes


def feedforward_shapes(feedforward_cls: type, hidden: int, inner: int) -> dict[str, Shape] | None:
    """Return the shapes of a feed-forward network by their paths within it; None for a custom class."""
    if feedforward_cls not in (Feedforward, GatedFeedforward):
        return None
    gate = dense("gate", hidden, inner) if feedforward_cls is GatedFeedforward else {}
    return dense("intermediate", hidden, inner) | dense("output", inner, hidden) | gate


def has_pooler(tensors: Iterable[TensorInfo]) -> bool:
    """Return whether the tensors include a pooler; many checkpoints of sentence embeddings have none."""
    return any((tensor.weight_path or "").startswith(POOLER) for tensor in tensors)


def check(stored: Stored, shapes: dict[str, Shape], others: Sequence[str] = ()) -> None:
    """Compare the tensors of a checkpoint with the weights of a model.

    Args:
        stored: the `Stored` tensors.
        shapes: dict, path of a weight -> its shape, as from `model_shapes`.
        others: list of path prefixes whose tensors may have any shape. Defaults to none.

    Raises:
        ValueError: a weight has no tensor (a complete pooler may be absent) or two; a tensor is unknown, is not of
            floats, or has the wrong shape.
    """
    by_path: dict[Any, list[TensorInfo]] = {}
    for tensor in stored.tensors:
        by_path.setdefault(tensor.weight_path, []).append(tensor)
    optional = () if has_pooler(stored.tensors) else POOLER
    missing = [path for path in shapes if path not in by_path and not path.startswith(optional)]
    unknown = [tensor.name for tensor in by_path.pop(None, ()) if not tensor.known]
    for path, candidates in by_path.items():
        fits = path in shapes or path.startswith(tuple(others))
        unknown += [tensor.name for tensor in candidates[fits:]]
    if missing or unknown:
        tensors = f"missing: {shortened(list(map(stored.name, missing)))}; unexpected: {shortened(sorted(unknown))}"
        described = f"The model is described by {stored.described_by}. Is it the right checkpoint?"
        raise ValueError(f"{stored.source}: expected exactly one tensor for each weight, got {tensors}. {described}")
    for path, (tensor,) in by_path.items():
        subject, dtype = f"{stored.source}: the tensor {tensor.name[:LONGEST_NAME]!r}", tensor.dtype
        if dtype not in FLOATS:
            raise ValueError(f"{subject}: expected one of {', '.join(FLOATS)}, got {escape(dtype)[:40]}. Convert it.")
        expected = stored.shape(path, shapes[path]) if path in shapes else tensor.shape
        if tensor.shape != expected:
            raise ValueError(f"{subject}: expected shape {expected} from {stored.described_by}, got {tensor.shape}.")


def fill(stored: Stored, variables: dict[str, Any]) -> bool:
    """Check all tensors against a model's weights, and read them into the weights.

    Args:
        stored: the `Stored` tensors.
        variables: dict, path -> variable, as from `common.weights`.

    Returns:
        bool, whether the checkpoint has a pooler.

    Raises:
        ValueError: as `check`.
    """
    check(stored, {path: tuple(variable.shape) for path, variable in variables.items()})
    not_finite = []
    for tensor in stored.tensors:
        if tensor.weight_path is None:
            continue
        variable, array = variables[tensor.weight_path], stored.read(tensor)
        not_finite += [] if is_finite(array) else [tensor.name]
        assign(variable, stored.array(array, tensor.weight_path, tuple(variable.shape)))
    if not_finite:
        values = f"expected finite tensors, got NaN or infinity in {shortened(not_finite)}"
        warn(f"{stored.source}: {values}. Download it again.")
    return has_pooler(stored.tensors)


def is_finite(array: np.ndarray) -> bool:
    """Return whether all elements are finite. Their sum is checked first, at a fifth of the cost of `np.isfinite`."""
    with np.errstate(over="ignore", invalid="ignore"):
        total = float(np.sum(array, dtype="float32"))
    return math.isfinite(total) or bool(np.isfinite(array.astype("float32", copy=False)).all())
