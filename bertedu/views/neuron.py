"""Neuron view: how the attention weights of one query follow from the elements of the query and the keys.

    weight of key s for query t = softmax over s of  sum_h q[t, h] * k[s, h] / sqrt(H)

The products q[t, h] * k[s, h] show which of the H dimensions contribute to a weight. Chapter: 12.
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from bertedu.checks import numbers, position, to_numpy
from bertedu.views import arrays
from bertedu.views.array_view import ArrayView


class NeuronView(ArrayView):
    """One query, all keys, their elementwise products, the attention logits, and the softmax over them.

    Args:
        queries, keys: `[L, N, T, H]`, as `bert.encoder(..., return_qkv=True)` returns them; finite.
        tokens: list of T strings.
        attention: the model's weights, `[L, N, T, T]`, to compare with the softmax. Defaults to none.
        mask: `[T]`, 0 or False for masked keys. Defaults to no mask.
        layer, head, token: int, shown first; `token` is the query.
        title: str. Defaults to no title.

    Raises:
        TypeError, ValueError: an argument is not as above; the message names it.

    Example:
        >>> neuron_view(np.ones((2, 3, 4, 5)), np.ones((2, 3, 4, 5)), list("abcd"))  # doctest: +ELLIPSIS
        neuron_view of 4 tokens, 2 layers of 3 heads: sends ... KB before the first drawing; ... at most ... KB
    """

    kind = "neuron"
    fields = ("head", "token", "mask")

    def __init__(
        self,
        queries: Any,
        keys: Any,
        tokens: Sequence[str],
        *,
        attention: Any = None,
        mask: Any = None,
        layer: int = 0,
        head: int = 0,
        token: int = 0,
        title: str | None = None,
    ) -> None:
        queries, keys = arrays.with_layers("queries", queries, "H"), arrays.with_layers("keys", keys, "H")
        if queries.shape != keys.shape:
            raise ValueError(f"keys: expected the shape of queries, {list(queries.shape)}, got {list(keys.shape)}.")
        layers, heads, length, self.width = queries.shape
        head_arrays = [queries, keys]
        if attention is not None:
            attention = arrays.attention_array("attention", attention)
            head_arrays.append(numbers("attention", attention, "LNTT", np.float32, L=layers, N=heads, T=length))
        super().__init__(head_arrays, tokens, layer, head, title, "queries")
        self.pruned = np.zeros((layers, heads), bool)
        if attention is not None:
            self.pruned = ~head_arrays[-1].any(axis=(-2, -1))
        self.mask = None if mask is None else _mask(mask, length)
        self.token = position("token", token, length)

    @functools.cached_property
    def notes(self) -> list[str]:
        """Sentences with the number of masked keys, and of pruned heads, if there are any."""
        count = 0 if self.mask is None else self.mask.count(0)
        masked = [f"{count} keys are masked: no query can attend to them."] if count else []
        return masked + arrays.pruned_note(self.pruned)

    def setup(self) -> dict[str, Any]:
        """Return the page's initial state."""
        own = {"keyDim": self.width, "attention": len(self.arrays) > 2, "pruned": self.pruned.tolist()}
        return super().setup() | own

    def exact(self, *, layer: int, head: int, index: int | None = None) -> bytes:
        """Return a head's queries and keys, `[2, T, H]`; with `index`, the model's weights of that query, `[T]`."""
        queries, keys, *attention = self.of_head(layer, head)
        if index is None:
            return queries.tobytes() + keys.tobytes()
        return attention[0][position("index", index, len(self.tokens))].tobytes() if attention else b""

    def axes(self) -> Any:
        """Plot the head's softmax as a heat map."""
        from bertedu import plots

        queries, keys, *_ = self.of_head(self.layer, self.head)
        title = f"softmax(q·k/√{self.width}), layer {self.layer}, head {self.head}"
        title += "" if self.title is None else f": {self.title}"
        weights = softmax_weights(queries, keys, self.mask) * ~self.pruned[self.layer, self.head]
        return plots.head(weights, self.labels, title=title)


neuron_view = NeuronView


def softmax_weights(queries: np.ndarray, keys: np.ndarray, mask: Sequence[int] | None = None) -> np.ndarray:
    """Return softmax(q·k/sqrt(H)) of one head, `[T, T]`, from `[T, H]` each; masked keys get weight 0.

    Example:
        >>> softmax_weights(np.zeros((2, 3)), np.zeros((2, 3))).tolist()
        [[0.5, 0.5], [0.5, 0.5]]
    """
    logits = queries.astype(np.float64) @ keys.astype(np.float64).T / np.sqrt(queries.shape[-1])  # [T, S]
    if mask is not None:
        logits = np.where(np.asarray(mask, bool), logits, -np.inf)
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _mask(mask: Any, length: int) -> list[int]:
    visible = numbers("mask", to_numpy("mask", mask, bool).ravel(), "T", bool, T=length)
    if not visible.any():
        raise ValueError("mask: expected at least one key that is not masked, got none.")
    return [int(value) for value in visible]
