"""Sites: the tensors of a forward pass that can be read and edited, by name.

    embedding_output    layer_3/attention_scores    pooled_output

A layer marks a tensor with one line, `q = site("queries", q)`. That returns the tensor itself, unless `BertEncoder` was
called with an edit for this site. The names are those of the outputs and of the weights' paths. All sites with their
shapes: docs/interventions.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from bertedu.checks import instance
from bertedu.fields import shown

Edit = Callable[[Any], Any] | ArrayLike
"""A function of the tensor of a site, or what replaces it."""

LAYER_SITES = {
    "queries": "[B, N, T, H]",
    "keys": "[B, N, S, H]",
    "values": "[B, N, S, H]",
    "attention_logits": "[B, N, T, S]",
    "attention_scores": "[B, N, T, S]",
    "head_outputs": "[B, N, T, H]",
    "attention_output": "[B, T, D]",
    "intermediate": "[B, T, F]",
    "feedforward_output": "[B, T, D]",
    "encoder_outputs": "[B, T, D]",
}
"""The sites of a layer with their shapes, in the order of the forward pass."""
ENCODER_SITES = {"embedding_output": "[B, T, D]", "pooled_output": "[B, D]"}
SHAPES = (
    f"Sites: {', '.join(f'{name} {shape}' for name, shape in ENCODER_SITES.items())}; "
    f"in layer_0, layer_1 and so on: {', '.join(f'{name} {shape}' for name, shape in LAYER_SITES.items())}."
)

NUMBERS = ("float", "bfloat", "int", "uint", "bool")  # how the dtypes of edits may start

_active: ContextVar[Sites | None] = ContextVar("the sites of the forward pass that is running", default=None)


def site(name: str, tensor: Any, leading: Any = None) -> Any:
    """Return a tensor of the forward pass, or what an edit replaces it by.

    Args:
        name: str, the site's name within its layer, as "queries".
        tensor: the tensor that the model computed.
        leading: shape `[B, T]` of the first axis, if the tensor has these two axes flattened to one; edits see both.
    """
    active = _active.get()
    if active is None:
        return tensor
    if leading is None:
        return active.visit(name, tensor)
    return ops.reshape(active.visit(name, ops.reshape(tensor, (*leading, -1))), ops.shape(tensor))


def numbered(layers: Iterable[Callable]) -> Iterator[tuple[int, Callable]]:
    """Enumerate layers. While layer i runs, the names of its sites start with "layer_i/"."""
    active = _active.get()
    for i, layer in enumerate(layers):
        if active is not None:
            active.prefix = f"layer_{i}/"
        yield i, layer
    if active is not None:
        active.prefix = ""


class Sites:
    """The edits of one forward pass, and the tensors that it returns: `with Sites(...) as sites: ...`.

    Args:
        edit: dict, site -> function of its tensor, or the tensor that replaces it. Defaults to no edits.
        return_sites: names of the sites to collect in `tensors`, after the edits.
    """

    def __init__(self, edit: Mapping[str, Edit] | None = None, return_sites: Sequence[str] = ()) -> None:
        self.edit, self.return_sites = checked(edit), return_sites
        self.prefix, self.visited = "", dict[str, None]()
        self.tensors: dict[str, Any] = {}

    def visit(self, name: str, tensor: Any) -> Any:
        """Return the tensor of a site, edited, and store it if it is one of `return_sites`."""
        name = self.prefix + name
        self.visited[name] = None
        if name in self.edit:
            tensor = edited(name, self.edit[name], tensor)
        if name in self.return_sites:
            self.tensors[name] = tensor
        return tensor

    def __enter__(self) -> Sites:
        self._token = _active.set(self if self.edit or self.return_sites else None)
        return self

    def __exit__(self, error: Any, *_: Any) -> None:
        _active.reset(self._token)
        for argument, names in (("edit", self.edit), ("return_sites", self.return_sites)):
            unknown = [name for name in names if name not in self.visited]
            if unknown and error is None:
                expected = f"expected sites of this model, got {', '.join(map(repr, unknown))}"
                raise _error(ValueError, f"{argument}: {expected}. {self._description()}")

    def _description(self):
        layers, names = (dict.fromkeys(path.split("/")[i] for path in self.visited if "/" in path) for i in (0, 1))
        own = [name for name in self.visited if "/" not in name]
        return f"Its sites are {', '.join(own)}, and in {', '.join(layers)}: {', '.join(names)}."


def checked(edit: Mapping[str, Edit] | None) -> dict[str, Edit]:
    """Return a dict of edits; an empty one for None. TypeError if `edit` is not a dict."""
    return {} if edit is None else dict(instance("edit", edit, dict, 'such as {"layer_0/queries": function}'))


def edited(name: str, edit: Edit, tensor: Any) -> Any:
    """Apply an edit to the tensor of a site, and return the result in the tensor's dtype.

    Args:
        name: str, the site, for errors.
        edit: function of the tensor, or an array of its shape.
        tensor: tensor or array.

    Raises:
        TypeError: the result is not an array of numbers. ValueError: it has another shape.
    """
    expected = f"edit[{name!r}]: expected an array of shape {tuple(tensor.shape)}"
    try:
        value = edit(tensor) if callable(edit) else edit
    except Exception as error:
        if not hasattr(error, "_keras_call_info_injected"):
            error._keras_call_info_injected = True  # type: ignore[attr-defined]
            error.add_note(f"in edit[{name!r}]")
        raise
    if value is None:
        raise _error(TypeError, f"{expected}, got None. Return the array.")
    try:
        result = ops.convert_to_tensor(value)
        is_number = keras.backend.standardize_dtype(result.dtype).startswith(NUMBERS)
    except (TypeError, ValueError):
        is_number = False
    if not is_number:
        raise _error(TypeError, f"{expected}, got {shown(value)}. Return an array of numbers.")
    shape = tuple(result.shape)
    if len(shape) != len(tensor.shape) or any(
        a != b for a, b in zip(shape, tensor.shape, strict=True) if None not in (a, b)
    ):
        raise _error(ValueError, f"{expected}, got {shape}. Return an array of the same shape. {SHAPES}")
    return ops.cast(result, tensor.dtype)


def _error(kind, message):
    """An error to which Keras does not add the arguments of every layer that it passes through."""
    error = kind(message)
    error._keras_call_info_injected = True
    return error


def unbatched(edit: Mapping[str, Edit] | None, heads: Sequence[Sequence[int]], num_heads: int) -> dict[str, Edit]:
    """Return edits of a batch of one as edits of float32 NumPy arrays without the batch axis, with all N heads.

    Args:
        edit: dict of edits.
        heads: list of L lists, the heads that each layer has.
        num_heads: int, the number of heads N before pruning. The arrays of pruned heads are 0, and stay it.
    """

    def of_array(name, change):
        remaining = heads_of_site(name, heads)

        def batched(tensor):
            array = np.array(ops.convert_to_numpy(tensor), "float32")  # a copy, which the function may write to
            if remaining is None:
                return edited(name, change, array[0])[None]
            (whole,) = with_all_heads(array, remaining, num_heads)
            return ops.take(edited(name, change, whole), remaining, axis=0)[None]

        return batched

    return {name: of_array(name, change) for name, change in checked(edit).items()}


def heads_of_site(name: str, heads: Sequence[Sequence[int]]) -> Sequence[int] | None:
    """Return the heads that the tensor of a site has, or None if it has no axis of heads.

    Args:
        name: str, the site, as "layer_3/queries".
        heads: list of L lists, the heads that each layer has.
    """
    layer, _, own_name = name.rpartition("/")
    per_layer = {f"layer_{i}": layer_heads for i, layer_heads in enumerate(heads)}
    return per_layer.get(layer) if "N" in LAYER_SITES.get(own_name, "") else None


def with_all_heads(array: np.ndarray, heads: Sequence[int], num_heads: int) -> np.ndarray:
    """Return an array `[B, heads, ...]` as `[B, N, ...]`, with zeros for the heads that it lacks."""
    result = np.zeros((array.shape[0], num_heads, *array.shape[2:]), array.dtype)
    result[:, heads] = array
    return result
