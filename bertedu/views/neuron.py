"""Neuron view: how one token of one head comes to its weights, from the numbers of query and keys.

    weight of key s for query t = softmax over s of  sum_h q[t, h] * k[s, h] / sqrt(H)

The products q[t, h] * k[s, h] show which of the H numbers made two tokens meet. Chapter: 12.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from bertedu.numeric import to_numpy
from bertedu.views import arrays
from bertedu.views.view import View


class NeuronView(View):
    """One token's query, every key, their products number by number, the sums, and the softmax over them.

    Args:
        queries, keys: `[L, N, T, H]`, as `bert.encoder(..., return_qkv=True)` returns them; finite.
        tokens: T strings.
        attention: the model's own weights `[L, N, T, T]`, to be shown beside the softmax. Defaults to none.
        mask: T numbers: 0 or False for keys that are hidden. Defaults to none.
        layer, head, token: what is shown first.
        title: None, or a line above.

    Raises:
        TypeError, ValueError: an argument is not as above; the message names it.

    Example:
        >>> neuron_view(np.ones((2, 3, 4, 5)), np.ones((2, 3, 4, 5)), list("abcd"))  # doctest: +ELLIPSIS
        neuron_view of 4 tokens, 2 layers of 3 heads: ... KB to the first drawing, a file of at most ... KB
    """

    kind = "neuron"

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
            raise ValueError(f"queries and keys must have one shape, got {list(queries.shape)} and {list(keys.shape)}.")
        length, self.width = queries.shape[2:]
        self.arrays = [queries, keys, *([] if attention is None else [_attention(attention, queries.shape)])]
        layer_nbytes = sum(arrays.packed_nbytes(array.shape[1:]) for array in self.arrays)
        super().__init__(arrays.token_list(tokens, length, "queries"), title, queries.shape[:2], layer_nbytes)
        self.mask = None if mask is None else _mask(mask, length)
        self.layer = arrays.choice("layer", layer, self.layers)
        self.head = arrays.choice("head", head, self.head_count)
        self.token = arrays.choice("token", token, length)

    def setup(self) -> dict[str, Any]:
        """Return what the page must know first."""
        hidden = 0 if self.mask is None else self.mask.count(0)
        return {
            "tokens": self.tokens,
            "heads": self.head_count,
            "width": self.width,
            "layer": self.layer,
            "head": self.head,
            "token": self.token,
            "mask": self.mask,
            "attention": len(self.arrays) > 2,
            "title": self.title,
            "notes": [f"{hidden} keys are masked: nobody may look at them."] if hidden else [],
        }

    def first_part(self) -> str:
        """Return the name of the chosen head's part."""
        return f"head/{self.layer}/{self.head}"

    def part_names(self, layers: Iterable[int]) -> list[str]:
        """Return the name of one part a head."""
        return [f"head/{layer}/{head}" for layer in layers for head in range(self.head_count)]

    def part(self, name: str) -> bytes:
        """Return a head's queries `[T, H]`, keys `[T, H]` and, where they are known, weights `[T, T]`."""
        return b"".join(arrays.packed(array) for array in self._of(*arrays.part_place(name, "head")))

    def exact(self, *, layer: int, head: int, index: int | None = None) -> bytes:
        """Return a head's queries and keys, `[2, T, H]`; with `index`, the model's weights of that query, `[T]`."""
        queries, keys, *attention = self._of(layer, head)
        if index is None:
            return queries.tobytes() + keys.tobytes()
        return attention[0][arrays.choice("index", index, len(self.tokens))].tobytes() if attention else b""

    def axes(self) -> Any:
        """Return the head's weights as a heat map."""
        from bertedu import plots

        queries, keys, *_ = self._of(self.layer, self.head)
        name = f"layer {self.layer}, head {self.head}" + ("" if self.title is None else f": {self.title}")
        return plots.head(scores(queries, keys, self.mask), self.labels, title=f"softmax(q·k/√{self.width}), {name}")

    def _of(self, layer: int, head: int) -> list[np.ndarray]:
        place = arrays.choice("layer", layer, self.layers), arrays.choice("head", head, self.head_count)
        return [array[place] for array in self.arrays]


neuron_view = NeuronView


def scores(queries: np.ndarray, keys: np.ndarray, mask: Sequence[int] | None = None) -> np.ndarray:
    """Return softmax(q·k/sqrt(H)) of one head, `[T, T]`, from `[T, H]` each; masked keys get 0.

    Example:
        >>> scores(np.zeros((2, 3)), np.zeros((2, 3))).tolist(), scores(np.eye(2), np.eye(2), [1, 0])[1].tolist()
        ([[0.5, 0.5], [0.5, 0.5]], [1.0, 0.0])
    """
    logits = queries.astype(np.float64) @ keys.astype(np.float64).T / np.sqrt(queries.shape[-1])  # [T, S]
    if mask is not None:
        logits = np.where(np.asarray(mask, bool), logits, -np.inf)
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _attention(attention: Any, shape: tuple[int, ...]) -> np.ndarray:
    array = arrays.attention_array("attention", attention)
    if array.shape[:3] != shape[:3]:
        raise ValueError(
            f"attention must have the layers, heads and tokens of queries: expected {[*shape[:3], shape[2]]}, got "
            f"{list(array.shape)}."
        )
    return array


def _mask(mask: Any, length: int) -> list[int]:
    shown = to_numpy("mask", mask, np.float32).ravel()
    if len(shown) != length:
        raise ValueError(f"mask must have a number for each token: expected {length}, got {len(shown)}.")
    if not shown.any():
        raise ValueError("mask hides every key: at least one must be 1.")
    return [int(bool(value)) for value in shown]
