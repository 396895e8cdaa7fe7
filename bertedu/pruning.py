"""Pruning: a smaller model without some attention heads and feed-forward neurons, whose weights are removed.

    head n          its columns of the query, key and value kernels, and its rows of the output kernel
    neuron j        column j of the intermediate (and gate) kernel, and row j of the output kernel

Michel et al. 2019 (https://arxiv.org/abs/1905.10650), section 4. Heads that are masked, not removed: chapter
notebooks/03_attention.ipynb.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import keras
import numpy as np
from keras import ops

from bertedu import checks
from bertedu.bert import Bert
from bertedu.checkpoints.common import check_encoders
from bertedu.classifier import copy_settings, on_encoder
from bertedu.encoder import BertEncoder, layer_sizes

Model = TypeVar("Model", Bert, BertEncoder)
Indices = Mapping[int, Sequence[int]]

AXES = {
    "heads": {
        **dict.fromkeys(("query/kernel", "key/kernel", "value/kernel"), 1),
        **dict.fromkeys(("query/bias", "key/bias", "value/bias", "attention_output/kernel"), 0),
    },
    "neurons": {
        **dict.fromkeys(("intermediate/kernel", "gate/kernel"), 1),
        **dict.fromkeys(("intermediate/bias", "gate/bias", "output/kernel"), 0),
    },
}
"""Weight of an attention or feed-forward layer -> its axis of heads or neurons. Other weights stay as they are."""
WAYS_OUT = {"heads": "Use head_mask instead.", "neurons": "Remove only heads."}


class Part(NamedTuple):
    """A layer's attention or feed-forward network, before and after pruning.

    Args:
        kind: "heads" or "neurons".
        layer: the layer before.
        pruned: the layer after.
        size: int, number of heads or neurons before.
        remaining: list of int, the positions of those that remain.
    """

    kind: str
    layer: keras.layers.Layer
    pruned: keras.layers.Layer
    size: int
    remaining: list[int]


def prune(model: Model, heads: Indices | None = None, neurons: Indices | None = None) -> Model:
    """Return a copy of a model without some attention heads and feed-forward neurons.

    The copy has smaller weight matrices. Its outputs are those of `model` with 0 in `head_mask` for these heads, and
    with the values of these neurons set to 0. `save_checkpoint` writes it in the formats "bertedu" and "keras"; other
    formats have one number of heads for all layers.

    Args:
        model: a `Bert`, whose masked-LM head and classifiers are copied too, or a `BertEncoder`. It stays as it is.
        heads: dict, layer -> list of heads to remove, by their numbers in the model before any pruning. Heads that are
            pruned already are ignored. Defaults to no heads.
        neurons: dict, layer -> list of neurons to remove, from 0 to F - 1. The others are renumbered without gaps.
            Defaults to no neurons.

    Returns:
        `Bert` or `BertEncoder`. `pruned_heads` of the encoder lists the heads that it lacks.

    Raises:
        TypeError: `model` is neither.
        ValueError: a layer, head or neuron is unknown or occurs twice; a layer would have no heads or neurons left; or
            its class is one whose heads affect each other, such as `TalkingHeadsAttention`.

    Example:
        >>> encoder = BertEncoder(20, hidden_size=6, num_layers=2, num_attention_heads=3, inner_dim=8)
        >>> pruned = prune(encoder, heads={0: [1]}, neurons={1: [0, 7]})
        >>> pruned.pruned_heads[0], pruned.inner_dim, encoder.count_params() - pruned.count_params()
        ([1], (8, 6), 80)
    """
    encoder = checks.instance("model", getattr(model, "encoder", model), BertEncoder, "or a Bert")
    pruned = _pruned_encoder(encoder, heads, neurons)
    if isinstance(model, BertEncoder):
        return pruned
    check_encoders(model)
    loader = model.load_masked_lm
    return Bert(
        model.tokenizer,
        pruned,
        model.preprocessor,
        name=model.name,
        has_pooler=model.has_pooler,
        embed_settings=model.embed_settings,
        masked_lm=model.masked_lm and on_encoder(model.masked_lm, "encoder_network", pruned),
        classifier=model.classifier and on_encoder(model.classifier, "network", pruned),
        token_classifier=model.token_classifier and on_encoder(model.token_classifier, "network", pruned),
        load_masked_lm=loader and functools.partial(_loaded_and_pruned, loader, heads, neurons),
    )


def _loaded_and_pruned(loader, heads, neurons):
    """Return the second model of `fill_mask`, pruned like the first."""
    bert = loader()
    return bert and prune(bert, heads, neurons)


def _pruned_encoder(encoder: BertEncoder, heads: Indices | None, neurons: Indices | None) -> BertEncoder:
    """Return the pruned copy of an encoder, with its weights."""
    layers, count = encoder.num_layers, encoder.num_attention_heads
    inner_dims = [inner for _, inner in layer_sizes(layers, count, encoder.inner_dim)]
    removed_heads = checks.indices_by_layer("heads", heads, [count] * layers)
    removed_neurons = checks.indices_by_layer("neurons", neurons, inner_dims)
    before = encoder.pruned_heads or {}
    pruned_heads = {i: {*before.get(i, ()), *removed_heads.get(i, ())} for i in range(layers)}
    for i, indices in pruned_heads.items():
        if len(indices) == count:
            rest = f"at least one of the remaining {count - len(before.get(i, ()))} to remain"
            raise ValueError(f"heads[{i}]: expected {rest}, got all of them. Remove fewer.")
    sizes = [inner - len(removed_neurons.get(i, ())) for i, inner in enumerate(inner_dims)]
    inner_dim = sizes[0] if len(set(sizes)) == 1 else sizes
    config = encoder.get_config() | {"pruned_heads": pruned_heads, "inner_dim": inner_dim}
    pruned = type(encoder).from_config(config)

    parts = []
    for i, (layer, smaller) in enumerate(zip(encoder.transformer_layers, pruned.transformer_layers, strict=True)):
        heads_before, heads_after = encoder.remaining_heads[i], set(pruned.remaining_heads[i])
        positions = [position for position, head in enumerate(heads_before) if head in heads_after]
        parts.append(Part("heads", layer.attention, smaller.attention, len(heads_before), positions))
        positions = sorted(set(range(inner_dims[i])) - set(removed_neurons.get(i, ())))
        parts.append(Part("neurons", layer.feedforward, smaller.feedforward, inner_dims[i], positions))
    _copy_weights(encoder, pruned, [part for part in parts if len(part.remaining) < part.size])
    copy_settings(encoder, pruned)
    return pruned


def _copy_weights(encoder: BertEncoder, pruned: BertEncoder, parts: Sequence[Part]) -> None:
    """Copy all weights of an encoder, in the pruned parts only those of the heads and neurons that remain."""
    sliced = {}  # id of a weight -> the positions that remain, and their axis
    for part in parts:
        for name, source, target in _weights_of(part.layer, part.pruned):
            axis, shape = AXES[part.kind].get(name), list(source.shape)
            if axis is not None:
                sliced[id(source)] = part.remaining, axis
                shape[axis] -= part.size - len(part.remaining)
            if tuple(shape) != tuple(target.shape):
                raise _refusal(part, f"with {name} {list(source.shape)}")
    for source, target in zip(encoder.weights, pruned.weights, strict=True):
        values = ops.convert_to_numpy(source)  # a copy: JAX would share the buffer, and training donates it
        target.assign(np.take(values, *sliced[id(source)]) if id(source) in sliced else values)
    for part in parts:
        _check_outputs(part, encoder.hidden_size)


def _check_outputs(part: Part, width: int) -> None:
    """Raise ValueError if the output is not that of the layer with 0 in place of the removed heads or neurons.

    The shapes of the weights do not say it: in ALiBi, for example, a head's number decides where it attends.
    """
    masked = type(part.layer).from_config(part.layer.get_config())
    masked.build((None, None, width))
    masked.set_weights(part.layer.get_weights())
    kernel = next(weight for name, weight, _ in _weights_of(masked, masked) if name.endswith("output/kernel"))
    mask = np.isin(range(part.size), part.remaining).astype("float32")
    kernel.assign(kernel * ops.cast(mask.reshape(-1, *[1] * (len(kernel.shape) - 1)), kernel.dtype))
    x = np.random.default_rng(0).normal(size=(1, 16, width)).astype("float32")  # [B, T, D]
    expected, output = (ops.convert_to_numpy(ops.cast(layer(x), "float32")) for layer in (masked, part.pruned))
    tolerance = 1e-4 if masked.compute_dtype == "float32" else 5e-2
    if np.abs(output - expected).max() > tolerance * np.abs(expected).max():
        raise _refusal(part, "in which the others change")


def _weights_of(layer, other):
    """Return (name, weight of `layer`, the same weight of `other`) for all weights."""
    pairs = zip(layer.weights, other.weights, strict=True)
    return [(weight.path.rpartition(f"{layer.name}/")[2], weight, same) for weight, same in pairs]


def _refusal(part: Part, got: str) -> ValueError:
    expected = f"expected {part.kind} that do not affect each other"
    return ValueError(f"{part.kind}: {expected}, got {type(part.layer).__name__} {got}. {WAYS_OUT[part.kind]}")
