"""Neuron view: how one token of one head comes to its weights, from the numbers of query and keys.

    weight of key s for query t = softmax over s of  sum_h q[t, h] * k[s, h] / sqrt(H)

The products q[t, h] * k[s, h] show which of the H numbers made two tokens meet. Chapter: 12.
"""

import numpy as np

from bertedu.views import arrays
from bertedu.views.common import View

SHAPES = "[L, N, T, H], [N, T, H], [L, 1, N, T, H], or a list of L arrays [N, T, H] or [1, N, T, H]"


def neuron_view(queries, keys, tokens, *, attention=None, mask=None, layer=0, head=0, token=0, title=None):
    """One token's query, every key, their products number by number, the sums, and the softmax over them.

    Args:
        queries, keys: `[L, N, T, H]`, as `bert.encoder(..., return_qkv=True)` gives them; finite.
        tokens: T strings.
        attention: None, or the model's own scores `[L, N, T, T]`, to be shown beside the softmax.
        mask: None, or T numbers: 0 or False for keys that nobody may look at.
        layer, head, token: what is shown first.
        title: None, or a line above.

    Returns:
        A `View`.

    Raises:
        TypeError, ValueError: an argument is not as above; the message names it.

    Example:
        >>> neuron_view(np.ones((2, 3, 4, 5)), np.ones((2, 3, 4, 5)), list("abcd"))  # doctest: +ELLIPSIS
        neuron_view of 4 tokens, 2 layers of 3 heads: ... KB to the first drawing, a file of at most ... KB
    """
    queries = arrays.with_layers("queries", queries, SHAPES)
    keys = arrays.with_layers("keys", keys, SHAPES)
    if queries.shape != keys.shape:
        raise ValueError(f"queries and keys must have one shape, got {list(queries.shape)} and {list(keys.shape)}.")
    layers, heads, length = queries.shape[:3]
    return NeuronView(
        queries,
        keys,
        arrays.token_list(tokens, length, "queries"),
        attention=_attention(attention, queries.shape),
        mask=_mask(mask, length),
        layer=arrays.choice("layer", layer, layers),
        head=arrays.choice("head", head, heads),
        token=arrays.choice("token", token, length),
        title=None if title is None else arrays.visible(title),
    )


class NeuronView(View):
    """What `neuron_view` returns."""

    kind = "neuron"

    def __init__(self, queries, keys, tokens, *, attention, mask, layer, head, token, title):
        _, heads, length, width = queries.shape
        own = 0 if attention is None else arrays.packed_nbytes(attention.shape[1:])
        nbytes = 2 * arrays.packed_nbytes((heads, length, width)) + own
        super().__init__(tokens, title, queries.shape[:2], nbytes)
        self.queries, self.keys, self.attention, self.mask = queries, keys, attention, mask
        self.layer, self.head, self.token = layer, head, token

    def setup(self):
        """What the page must know first."""
        hidden = 0 if self.mask is None else self.mask.count(0)
        return {
            "tokens": self.tokens,
            "heads": self.head_count,
            "width": self.queries.shape[-1],
            "layer": self.layer,
            "head": self.head,
            "token": self.token,
            "mask": self.mask,
            "attention": self.attention is not None,
            "title": self.title,
            "notes": [f"{hidden} keys are masked: nobody may look at them."] if hidden else [],
        }

    def first_part(self):
        """The chosen head."""
        return f"head/{self.layer}/{self.head}"

    def part_names(self, layers):
        """A part a head."""
        return [f"head/{layer}/{head}" for layer in layers for head in range(self.head_count)]

    def part(self, name):
        """A head's queries `[T, H]`, keys `[T, H]` and, where they are there, scores `[T, T]`."""
        kind, layer, head = name.split("/")
        if kind != "head":
            raise KeyError(name)
        return b"".join(arrays.packed(array) for array in self._of(int(layer), int(head)))

    def exact(self, *, layer, head, index=None):
        """A head's queries and keys, `[2, T, H]`; with `index`, what the model's scores say of that query, `[T]`."""
        queries, keys, *attention = self._of(layer, head)
        if index is None:
            return queries.tobytes() + keys.tobytes()
        return attention[0][arrays.choice("index", index, len(self.tokens))].tobytes() if attention else b""

    def axes(self):
        """The head's weights as a heat map."""
        from bertedu import plots

        queries, keys, *_ = self._of(self.layer, self.head)
        weights = scores(queries, keys, self.mask)
        name = f"layer {self.layer}, head {self.head}" + ("" if self.title is None else f": {self.title}")
        return plots.head(weights, self.labels, title=f"softmax(q·k/√{queries.shape[-1]}), {name}")

    def _of(self, layer, head):
        place = arrays.choice("layer", layer, self.layers), arrays.choice("head", head, self.head_count)
        own = [] if self.attention is None else [self.attention[place]]
        return [np.ascontiguousarray(array) for array in (self.queries[place], self.keys[place], *own)]


def scores(queries, keys, mask=None):
    """softmax(q·k/sqrt(H)) of one head, `[T, T]`, from `[T, H]` each; masked keys get 0.

    Example:
        >>> scores(np.zeros((2, 3)), np.zeros((2, 3))).tolist(), scores(np.eye(2), np.eye(2), [1, 0])[1].tolist()
        ([[0.5, 0.5], [0.5, 0.5]], [1.0, 0.0])
    """
    logits = queries.astype(np.float64) @ keys.astype(np.float64).T / np.sqrt(queries.shape[-1])  # [T, S]
    if mask is not None:
        logits = np.where(np.asarray(mask, bool), logits, -np.inf)
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _attention(attention, shape):
    if attention is None:
        return None
    array = arrays.attention_array("attention", attention)
    if array.shape[:3] != shape[:3]:
        raise ValueError(
            f"attention must have the layers, heads and tokens of queries: expected {[*shape[:3], shape[2]]}, got "
            f"{list(array.shape)}."
        )
    return array


def _mask(mask, length):
    if mask is None:
        return None
    shown = arrays.to_numpy("mask", mask).ravel()
    if len(shown) != length:
        raise ValueError(f"mask must have a number for each token: expected {length}, got {len(shown)}.")
    if not shown.any():
        raise ValueError("mask hides every key: at least one must be 1.")
    return [int(bool(value)) for value in shown]
