"""Gradients of a model: contributions of tokens, gradients of attention weights, importance of heads.

    contribution of token t   sum_d integrated gradients[t, d], of the embedding output
    importance of head h      mean over texts of |dF/dxi_h|, where xi_h = 1 multiplies the head's output

Sundararajan et al. 2017 (https://arxiv.org/abs/1703.01365), section 3; Michel et al. 2019
(https://arxiv.org/abs/1905.10650), equation 2. A metric F is a function of the outputs of `bert.encoder`, such as
`interventions.logit_difference` or:

    def metric(outputs):                                     # the logit of class 1
        return bert.classifier.classifier(outputs["pooled_output"])[:, 1]

    def metric(outputs):                                     # the logit of token 2,769 at position 4
        positions = keras.ops.full((len(outputs["sequence_output"]), 1), 4)
        return bert.masked_lm.masked_lm(outputs["sequence_output"], positions)[:, 0, 2769]
"""

import dataclasses
import itertools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import ArrayLike
from tqdm import tqdm

from bertedu.analysis.attribution import Attribution, gradient_times_input, integrated_gradients
from bertedu.backend.gradients import value_and_gradient
from bertedu.bert import BATCH_TOKENS, CHUNK, PROGRESS_AFTER, Bert
from bertedu.checks import choice, instance
from bertedu.fields import shown
from bertedu.inputs import checked_texts

Metric = Callable[..., Any]


def attribute(
    bert: Bert,
    text: str,
    metric: Metric,
    pair: str | None = None,
    *,
    method: str = "integrated_gradients",
    baseline: str | ArrayLike | None = None,
    steps: int = 50,
) -> Attribution:
    """Compute how much each token of a text contributes to a metric.

    The input is `embedding_output`, the vectors that enter the first layer; contributions of the D elements of a token
    are summed. The default baseline has [PAD] in place of all tokens except [CLS] and [SEP], at the same positions and
    in the same segments, and the mask hides none of them, as in captum's tutorial for BERT. (The paper's text models
    have a zero embedding as baseline: pass `baseline=0`, with about 300 steps, because the first normalization changes
    quickly near zero.) Contributions depend on the baseline; compare several.

    Args:
        bert: a `Bert`, as `be.load` returns it.
        text, pair: str, as in `Bert.read`. A text that is too long is an error.
        metric: function of the outputs of `bert.encoder` for B texts, a dict, that returns `[B]`, in `keras.ops`. The
            start of this module has examples. `attention_scores` and `embedding_output` are among the outputs.
        method: "integrated_gradients" or "gradient_times_input".
        baseline: a token, such as "[MASK]", or an array that is broadcast to `[T, D]`. Defaults to the [PAD] token.
            Gradient x input does not use it.
        steps: int, number of points of the integral.

    Returns:
        `Attribution` with `attributions` `[T]`, in the unit of the metric.

    Raises:
        TypeError, ValueError: an argument is not as above; the message names it.

    Example:
        >>> from bertedu import load
        >>> result = attribute(load("minilm"), "The cat sat.", lambda outputs: outputs["pooled_output"][:, 0])
        >>> len(result.attributions) == len(result.tokens), abs(result.completeness_error) < 1e-3
        (True, True)
    """
    choice("method", method, ("integrated_gradients", "gradient_times_input"))
    _check(bert, metric)
    row = bert.encode(text, pair)

    def function(embeddings):
        return metric(_outputs(bert, [row] * embeddings.shape[0], {"embedding_output": embeddings}))

    x, other = _embeddings(bert, row, baseline)  # [T, D] each
    if method == "gradient_times_input":
        result = gradient_times_input(function, x)
    else:
        result = integrated_gradients(function, x, other, steps, max(BATCH_TOKENS // len(row.ids), 1))
    return dataclasses.replace(result, attributions=result.attributions.sum(axis=-1), tokens=row.tokens)


def attention_gradients(bert: Bert, text: str, metric: Metric, pair: str | None = None) -> np.ndarray:
    """Compute the gradient of a metric by the attention weights of all layers.

    It says how the metric changes with one weight, while the others of its row stay as they are.

    Args:
        bert: a `Bert`, as `be.load` returns it.
        text, pair: str, as in `Bert.read`. A text that is too long is an error.
        metric: function of the encoder's outputs; see `attribute`.

    Returns:
        `[L, N, T, T]` float32, in units of the metric; 0 for pruned heads.

    Raises:
        TypeError, ValueError: an argument is not as above; the message names it.

    Example:
        >>> from bertedu import load
        >>> bert = load("minilm")
        >>> attention_gradients(bert, "The cat sat.", lambda outputs: outputs["pooled_output"][:, 0]).shape
        (6, 12, 6, 6)

    Source: Clark et al. 2019 (https://arxiv.org/abs/1906.04341), section 3.2.
    """
    _check(bert, metric)
    row = bert.encode(text, pair)

    def function(changes):
        return metric(_outputs(bert, [row], _edits(bert, "attention_scores", operator.add, changes)))

    zeros = np.zeros((1, *_heads(bert), len(row.ids), len(row.ids)), "float32")  # [1, L, N, T, T]
    return value_and_gradient(function, zeros)[1][0]  # [L, N, T, T]


def head_importance(
    bert: Bert,
    texts: Sequence[str],
    metric: Metric,
    pairs: Sequence[str] | None = None,
    *,
    labels: ArrayLike | None = None,
    progress: bool = True,
) -> np.ndarray:
    """Compute the importance of each head for a metric, such as the loss, over several texts.

        I[h] = mean over texts of |dF/dxi_h|, xi_h = 1: the factor of the head in `head_mask`

    The paper divides by the norm of each layer before it compares heads of different layers:
    `importance / np.linalg.norm(importance, axis=1, keepdims=True)`.

    Args:
        bert: a `Bert`, as `be.load` returns it.
        texts, pairs: lists of `n` strings, as in `Bert.read`. Texts that are too long are truncated.
        metric: function of the encoder's outputs for B texts that returns `[B]`; see `attribute`. All texts of a batch
            have the same number of tokens, so there is no padding.
        labels: array of `n` rows. If passed, the metric is called with the labels of its B texts as second argument.
        progress: bool, show a progress bar after two seconds.

    Returns:
        `[L, N]` float64, in units of the metric; 0 for pruned heads.

    Raises:
        TypeError, ValueError: an argument is not as above; the message names it.

    Example:
        >>> from bertedu import load
        >>> bert, texts = load("minilm"), ["The cat sat.", "It was warm."]
        >>> head_importance(bert, texts, lambda outputs: outputs["pooled_output"][:, 0]).shape
        (6, 12)

    Source: Michel et al. 2019, equation 2.
    """
    _check(bert, metric)
    texts, pairs = checked_texts(texts, "texts"), None if pairs is None else checked_texts(pairs, "pairs")
    labels = None if labels is None else np.asarray(labels)
    _check_numbers(texts, pairs=pairs, labels=labels)
    total = np.zeros(_heads(bert))  # [L, N]
    with tqdm(total=len(texts), unit="text", delay=PROGRESS_AFTER, disable=not progress, leave=False) as bar:
        for rows, batch in _batches(bert, texts, pairs):
            extra = () if labels is None else (labels[batch],)
            total += np.abs(_head_gradients(bert, rows, metric, extra)).sum(axis=0)
            bar.update(len(batch))
    return total / len(texts)


def _head_gradients(bert, rows, metric, extra):
    """Return the gradient of the metric of each text by the factor of each head, `[B, L, N]`."""

    def function(factors):
        return metric(_outputs(bert, rows, _edits(bert, "head_outputs", operator.mul, factors)), *extra)

    ones = np.ones((len(rows), *_heads(bert), 1, 1), "float32")  # [B, L, N, 1, 1]
    return value_and_gradient(function, ones)[1][..., 0, 0]


def _batches(bert, texts, pairs):
    """Yield B encoded texts of equal length, and their indices."""
    for start in range(0, len(texts), CHUNK):
        chunk = slice(start, start + CHUNK)
        rows = bert.preprocessor.encode_batch(texts[chunk], pairs and pairs[chunk], max_length=bert.max_length)
        lengths = [len(row.ids) for row in rows]
        order = sorted(range(len(rows)), key=lengths.__getitem__)
        for length, group in itertools.groupby(order, key=lengths.__getitem__):
            same = list(group)
            size = max(BATCH_TOKENS // length, 1)
            for i in range(0, len(same), size):
                batch = same[i : i + size]
                yield [rows[j] for j in batch], [start + j for j in batch]


def _check(bert, metric):
    instance("bert", bert, Bert, 'such as be.load("minilm")')
    if not callable(metric):
        raise TypeError(f"metric: expected a function of the encoder's outputs, got {shown(metric)}.")
    bert.check_readable()


def _check_numbers(texts, **others):
    if not texts:
        raise ValueError("texts: expected at least one text, got none.")
    for name, values in others.items():
        if values is not None and np.shape(values)[:1] != (len(texts),):
            got = len(values) if np.ndim(values) else "a single value"
            raise ValueError(f"{name}: expected {len(texts)}, one for each text, got {got}.")


def _heads(bert):
    return bert.encoder.num_layers, bert.encoder.num_attention_heads


def _edits(bert, name, change, values):
    """Return edits that change the tensors of all layers by `values` `[B, L, N, ...]`, without the pruned heads."""
    parts = [ops.take(values[:, i], heads, axis=1) for i, heads in enumerate(bert.encoder.remaining_heads)]

    def of_layer(part):  # in half precision the part is, too
        return lambda tensor: change(tensor, ops.cast(part, tensor.dtype))

    return {f"layer_{i}/{name}": of_layer(part) for i, part in enumerate(parts)}


def _outputs(bert, rows, edit=None):
    """Return the encoder's outputs for texts of equal length."""
    options = {"return_attention_scores": True, "return_embedding_output": True, "training": False}
    return bert.encoder(bert.encoder_inputs(rows), edit=edit, **options)


def _embeddings(bert, row, baseline):
    """Return the embedding output of a text and its baseline, `[T, D]` each."""
    is_token = baseline is None or isinstance(baseline, str)
    ids = _baseline_ids(bert.tokenizer, row, baseline) if is_token else row.ids
    embeddings = _outputs(bert, [row, row._replace(ids=ids)])["embedding_output"]
    x, other = ops.convert_to_numpy(ops.cast(embeddings, "float32"))
    return x, other if is_token else baseline


def _baseline_ids(tokenizer, row, token):
    """Return the ids with `token` in place of all but [CLS] and [SEP]."""
    token = tokenizer.pad_token if token is None else token
    (index,) = tokenizer.tokens_to_ids([token])
    if index == tokenizer.unk_id and token != tokenizer.unk_token:
        raise ValueError(f"baseline: expected a token of the vocabulary or an array, got {token!r}.")
    return [i if segment is None else index for i, segment in zip(row.ids, row.segments, strict=True)]
