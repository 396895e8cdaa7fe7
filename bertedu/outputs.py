"""The outputs of BERT's encoder: how each is computed, which flag requests it, which axes have the text's length.

Chapter: notebooks/06_encoder.ipynb.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from bertedu.sites import heads_of_site, with_all_heads


class ForwardPass(NamedTuple):
    """The tensors of a forward pass through L layers, from which the outputs are selected.

    Args:
        embedding_output: `[B, T, D]`.
        layer_outputs: list of L, `[B, T, D]`.
        attention_scores: list of L, `[B, N, T, S]`.
        qkv: list of L tuples (queries, keys, values), `[B, N, T, H]` each; empty without `return_qkv`.
        pooled_output: `[B, D]`.
    """

    embedding_output: Any
    layer_outputs: list[Any]
    attention_scores: list[Any]
    qkv: list[tuple[Any, Any, Any]]
    pooled_output: Any


class Output(NamedTuple):
    """An output of `BertEncoder`.

    Args:
        of: function that returns it from a `ForwardPass`.
        length_axes: tuple of the axes that have the length of the text, in each tensor if the output is a list.
        flag: str, the argument of `BertEncoder.call` that requests it. Defaults to None, always returned.
            (`return_attention_scores` is an argument of the constructor too, as in tf-models; new flags are not.)
    """

    of: Callable[[ForwardPass], Any]
    length_axes: tuple[int, ...] = ()
    flag: str | None = None


OUTPUTS = {
    "sequence_output": Output(lambda computed: computed.layer_outputs[-1], (1,)),
    "pooled_output": Output(lambda computed: computed.pooled_output),
    "encoder_outputs": Output(lambda computed: computed.layer_outputs, (1,)),
    "attention_scores": Output(lambda computed: computed.attention_scores, (2, 3), "return_attention_scores"),
    "embedding_output": Output(lambda computed: computed.embedding_output, (1,), "return_embedding_output"),
    "queries": Output(lambda computed: [queries for queries, _, _ in computed.qkv], (2,), "return_qkv"),
    "keys": Output(lambda computed: [keys for _, keys, _ in computed.qkv], (2,), "return_qkv"),
    "values": Output(lambda computed: [values for _, _, values in computed.qkv], (2,), "return_qkv"),
}
"""The outputs by name. One that a `ForwardPass` holds needs only a line here; for others, see CONTRIBUTING.md."""


def select(computed: ForwardPass, **flags: bool) -> dict[str, Any]:
    """Return the outputs by name: those without a flag, and those whose flag is True."""
    return {name: o.of(computed) for name, o in OUTPUTS.items() if o.flag is None or flags[o.flag]}


PER_HEAD = ("attention_scores", "queries", "keys", "values")
"""The outputs `[B, N, ...]` of each layer."""


def with_pruned_heads(
    outputs: dict[str, Any], remaining_heads: Sequence[Sequence[int]], num_heads: int
) -> dict[str, Any]:
    """Return outputs whose `PER_HEAD` arrays, and sites, have all N heads of each layer, with zeros for pruned heads.

    Args:
        outputs: dict of outputs of an encoder, as NumPy arrays.
        remaining_heads: list of L lists, the heads of each layer.
        num_heads: int, the number of heads N before pruning.
    """
    expanded = dict(outputs)
    for name, output in outputs.items():
        if name in PER_HEAD:
            pairs = zip(output, remaining_heads, strict=True)
            expanded[name] = [with_all_heads(array, heads, num_heads) for array, heads in pairs]
        elif (heads := heads_of_site(name, remaining_heads)) is not None:
            expanded[name] = with_all_heads(output, heads, num_heads)
    return expanded
