"""Interventions: switching parts of a model off, and activation patching, which finds what an output depends on.

In activation patching, the model reads two texts of equal length, a clean and a corrupted one, and then the corrupted
one again and again, each time with one part of a tensor replaced by that of the clean text:

    recovered = (metric(patched) - metric(corrupted)) / (metric(clean) - metric(corrupted))

1: this part alone restores the clean output. 0: it makes no difference. Vig et al. 2020
(https://arxiv.org/abs/2004.12265); Meng et al. 2022 (https://arxiv.org/abs/2202.05262), section 2.
Page: docs/interventions.md.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from tqdm import tqdm

from bertedu.backend.gradients import without_gradients
from bertedu.bert import PROGRESS_AFTER, Bert
from bertedu.checks import choice, instance, numbers, position, strings
from bertedu.encoder import BertEncoder
from bertedu.fields import shown
from bertedu.sites import LAYER_SITES, Edit
from bertedu.text import Encoded

BATCH_TOKENS = 1024  # tokens that are computed at once
BY = ("position", "head", "head and position")

Metric = Callable[[Mapping[str, Any]], Any]
"""A function of the outputs of a `BertEncoder` for a batch; it returns one number per text, `[B]`."""


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Patching:
    """The result of `activation_patching`.

    Attributes:
        recovered: what each patch recovers: `[L, T]` by position, `[L, N]` by head, `[L, N, T]` by head and position.
        clean, corrupted: float, the metric of the two texts.
        clean_tokens, corrupted_tokens: lists of T strings.
        site: str, the site that was patched in every layer, as "encoder_outputs".
        by: str, "position", "head", or "head and position".
    """

    recovered: np.ndarray
    clean: float
    corrupted: float
    clean_tokens: list[str]
    corrupted_tokens: list[str]
    site: str
    by: str

    def __repr__(self) -> str:
        metric = f"metric {self.clean:.3f} clean, {self.corrupted:.3f} corrupted"
        return f"Patching({self.site!r} by {self.by}: {metric}; at most {self.recovered.max():.2f} recovered)"

    def plot(self, layer: int | None = None) -> Any:
        """Plot what the patches recover as a heat map with matplotlib.

        Args:
            layer: int, index of the layer to plot, for patches by head and position. Defaults to None, for others.

        Returns:
            matplotlib Axes.

        Raises:
            ValueError: `layer` is out of range, or missing, or not needed.
        """
        from bertedu import plots

        by_both = self.by == "head and position"
        if by_both == (layer is None):
            expected = "the index of a layer, for patches by head and position" if by_both else "None, all layers"
            raise ValueError(f"layer: expected {expected}, got {layer}.")
        values = self.recovered if layer is None else self.recovered[position("layer", layer, len(self.recovered))]
        pairs = zip(self.corrupted_tokens, self.clean_tokens, strict=True)
        tokens = [old if old == new else f"{old} → {new}" for old, new in pairs]
        return plots.heat_map(
            values,
            [str(i) for i in range(len(values))],
            [str(i) for i in range(values.shape[1])] if self.by == "head" else tokens,
            xlabel="head" if self.by == "head" else "position",
            ylabel="head" if by_both else "layer",
            unit="recovered",
            title=f"Patching {self.site}" + (f", layer {layer}" if by_both else ""),
        )


def switched_off(
    encoder: BertEncoder,
    heads: Iterable[Sequence[int]] = (),
    attention: Iterable[int] = (),
    layers: Iterable[int] = (),
) -> dict[str, Edit]:
    """Return edits that switch off heads, the attention of whole layers, and whole layers.

    Args:
        encoder: `BertEncoder`, the model to edit.
        heads: pairs (layer, head); the head's output becomes 0, as with `head_mask`. Its attention weights are still
            computed.
        attention: indices of layers; all heads of the layer are switched off.
        layers: indices of layers; the output of the layer becomes its input.

    Returns:
        dict for `edit` of `bert.read` and `bert.fill_mask`. An edit remembers the input of a layer, so a dict is for
        one forward pass at a time.

    Raises:
        ValueError: a layer or head is out of range.

    Example:
        >>> encoder = BertEncoder(20, hidden_size=6, num_layers=2, num_attention_heads=3, inner_dim=8)
        >>> sorted(switched_off(encoder, heads=[(0, 2)], layers=[1]))
        ['layer_0/encoder_outputs', 'layer_0/head_outputs', 'layer_1/encoder_outputs']
    """
    num_layers, num_heads = encoder.num_layers, encoder.num_attention_heads
    factors = np.ones((num_layers, num_heads, 1, 1), "float32")
    for layer, head in heads:
        factors[position("heads", layer, num_layers), position("heads", head, num_heads)] = 0
    for layer in attention:
        factors[position("attention", layer, num_layers)] = 0
    remaining = encoder.remaining_heads
    changed = [i for i, factor in enumerate(factors) if not factor.all()]
    edit = {f"layer_{i}/head_outputs": _multiplied(factors[i], remaining[i]) for i in changed}
    return edit | _skipped({position("layers", layer, num_layers) for layer in layers})


def _multiplied(factors: np.ndarray, remaining: Sequence[int]) -> Edit:
    """Return an edit of head outputs `[..., N, T, H]`, also of those of the remaining heads only."""
    return lambda outputs: outputs * (factors if outputs.shape[-3] == len(factors) else factors[remaining])


def _skipped(layers):
    """Return edits that replace the outputs of layers by their inputs."""
    outputs: dict[int, Any] = {}  # of the layers before them; -1 for the embeddings

    def remembered(layer):
        def change(output):
            outputs[layer] = outputs[layer - 1] if layer in layers else output
            return outputs[layer]

        return change

    visited = {layer for skipped in layers for layer in (skipped - 1, skipped)}
    names = {layer: f"layer_{layer}/encoder_outputs" if layer >= 0 else "embedding_output" for layer in visited}
    return {name: remembered(layer) for layer, name in names.items()}


def activation_patching(
    bert: Bert,
    clean: str | Sequence[str],
    corrupted: str | Sequence[str],
    metric: Metric,
    *,
    site: str = "encoder_outputs",
    by: str = "position",
    progress: bool = True,
) -> Patching:
    """Replace tensors of a corrupted text's forward pass by those of a clean text, and measure the effect.

    Args:
        bert: a `Bert`; for metrics of the masked language model, `bert.masked_lm_bert`.
        clean, corrupted: str, or (text, pair), with the same number of tokens T.
        metric: function of the encoder's outputs for a batch of B texts that returns `[B]`, as `logit_difference`.
        site: str, a site that every layer has, without the layer's name.
        by: "position" patches the tensor at one position, "head" that of one head, "head and position" that of one head
            at one position. Positions are those of the queries, or for keys and values of the keys.
        progress: bool, show a progress bar after two seconds.

    Returns:
        A `Patching`.

    Raises:
        TypeError, ValueError: an argument is not as above, the texts have different numbers of tokens, the metric is
            the same for both, or the site has no heads.

    Example:
        bert = be.load("minilm").masked_lm_bert
        clean, corrupted = "A missing key raises a [MASK].", "A missing file raises a [MASK]."
        metric = be.interventions.logit_difference(bert, clean, "key", "file")
        be.interventions.activation_patching(bert, clean, corrupted, metric).plot()
    """
    instance("bert", bert, Bert, 'such as be.load("minilm")').check_readable()
    if not callable(metric):
        raise TypeError(f"metric: expected a function of the encoder's outputs, got {shown(metric)}.")
    choice("site", site, LAYER_SITES)
    choice("by", by, BY)
    texts = [_encode(bert, name, text) for name, text in (("clean", clean), ("corrupted", corrupted))]
    clean_tokens, corrupted_tokens = (text.tokens for text in texts)
    if len(clean_tokens) != len(corrupted_tokens):
        got = f"got {len(corrupted_tokens)}: {' '.join(corrupted_tokens)}"
        raise ValueError(f"corrupted: expected {len(clean_tokens)} tokens, as in clean, {got}. Choose similar words.")
    names = [f"layer_{i}/{site}" for i in range(bert.encoder.num_layers)]
    sources = _run(bert, texts[:1], return_sites=names)
    (highest,), (lowest,) = _measure(metric, sources, 1), _measure(metric, _run(bert, texts[1:]), 1)
    if highest == lowest:
        raise ValueError(f"metric: expected different values for the two texts, got {highest} for both.")
    if by != "position" and bert.encoder.pruned_heads:
        raise ValueError(f'by: expected "position" for a model with pruned heads, got {by!r}.')
    patches, shape = _patches(by, sources[names[0]].shape, site)
    patched = np.zeros(len(names) * len(patches))  # all layers in one batch: a run that is not compiled starts slowly
    step = max(1, BATCH_TOKENS // len(clean_tokens))
    with tqdm(total=patched.size, unit="patch", delay=PROGRESS_AFTER, disable=not progress, leave=False) as bar:
        for start in range(0, patched.size, step):
            layers, indices = np.divmod(np.arange(start, min(start + step, patched.size)), len(patches))
            edit = {}
            for i in np.unique(layers):
                chosen = patches[indices] & (layers == i).reshape(-1, *[1] * (patches.ndim - 1))
                edit[names[i]] = functools.partial(ops.where, chosen, sources[names[i]])
            outputs = _run(bert, texts[1:] * len(layers), edit=edit)
            patched[start : start + step] = _measure(metric, outputs, len(layers))
            bar.update(len(layers))
    recovered = ((patched - lowest) / (highest - lowest)).reshape(len(names), *shape)
    return Patching(recovered, float(highest), float(lowest), clean_tokens, corrupted_tokens, site, by)


def logit_difference(bert: Bert, text: str | Sequence[str], word: str, other: str) -> Metric:
    """Return a metric: by how much the masked language model prefers one word to another at the first [MASK].

    Args:
        bert: a `Bert` with a masked-LM head, as `bert.masked_lm_bert`.
        text: str, or (text, pair), with a [MASK], at the position where the texts to be measured have it.
        word, other: str, two tokens of the vocabulary.

    Returns:
        Function of the encoder's outputs for B texts that returns the logit of `word` minus that of `other`, `[B]`.

    Raises:
        ValueError: the model has no masked-LM head, the text no [MASK], or a word is not in the vocabulary.

    Example:
        text = "A [MASK] is raised when the key is not found."
        metric = logit_difference(bert, text, "keyerror", "error")
    """
    head = instance("bert", bert, Bert, 'such as be.load("minilm").masked_lm_bert').masked_lm
    if head is None:
        raise ValueError(f"bert: expected a masked-LM head, got {bert.name!r} without one. Use bert.masked_lm_bert.")
    tokenizer, encoded = bert.tokenizer, _encode(bert, "text", text)
    if tokenizer.mask_id not in encoded.ids:
        raise ValueError(f"text: expected a {tokenizer.mask_token}, got {' '.join(encoded.tokens)}.")
    ids = tokenizer.tokens_to_ids([word, other])
    for name, token, i in zip(("word", "other"), (word, other), ids, strict=True):
        if i == tokenizer.unk_id:
            raise ValueError(f"{name}: expected a token of the vocabulary, got {token!r}. Choose a more common word.")
    mask = np.array([[encoded.ids.index(tokenizer.mask_id)]], "int32")  # [1, 1]

    def metric(outputs):
        sequence = outputs["sequence_output"]  # [B, T, D]
        logits = head.masked_lm(sequence, np.repeat(mask, sequence.shape[0], axis=0))[:, 0]  # [B, V]
        return logits[:, ids[0]] - logits[:, ids[1]]  # [B]

    return metric


def _encode(bert: Bert, name: str, text: str | Sequence[str]) -> Encoded:
    first, second = (text, None) if isinstance(text, str) else strings(name, text, 2, "text and pair")
    return bert.encode(first, second)


def _run(bert: Bert, texts: Sequence[Encoded], **options: Any) -> dict[str, Any]:
    """Return the encoder's outputs for texts of the same length."""
    with without_gradients():
        return bert.encoder(bert.encoder_inputs(texts), return_attention_scores=True, training=False, **options)


def _measure(metric: Metric, outputs: Mapping[str, Any], count: int) -> np.ndarray:
    with without_gradients():
        return numbers("metric", keras.ops.convert_to_numpy(metric(outputs)), "B", B=count)


def _patches(by: str, shape: Sequence[int], site: str) -> tuple[np.ndarray, tuple[int, ...]]:
    """Return a bool array `[R, ...]`, True where each of R patches changes a tensor, and the shape of the results."""
    if len(shape) == 3:
        if by != "position":
            raise ValueError(f'by: expected "position" for {site}, which has no heads, got {by!r}.')
        return np.eye(shape[1], dtype=bool)[:, :, None], (shape[1],)  # [T, T, 1]
    heads, length = shape[1:3]
    if by == "position":
        return np.eye(length, dtype=bool)[:, None, :, None], (length,)  # [T, 1, T, 1]
    if by == "head":
        return np.eye(heads, dtype=bool)[:, :, None, None], (heads,)  # [N, N, 1, 1]
    return np.eye(heads * length, dtype=bool).reshape(-1, heads, length, 1), (heads, length)  # [N T, N, T, 1]
