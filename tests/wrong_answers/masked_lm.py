"""Wrong answers to the exercises of chapter 8, each with a part of the feedback that it must get."""

import math

import numpy as np
from keras import ops


def softmax(logits):
    logits = np.array(logits)
    return np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)


def label_probabilities(logits, labels):
    return softmax(logits)[np.arange(len(labels)), labels]


def norm(x, axis=-1):
    return (x - x.mean(axis, keepdims=True)) / x.std(axis, keepdims=True)


def masking(mask_below, random_below, in_place=False):
    def apply_masking(tokens, positions, samples, random_tokens, mask_id):
        masked = tokens if in_place else list(tokens)
        for position, sample, random_token in zip(positions, samples, random_tokens, strict=True):
            if sample < mask_below:
                masked[position] = mask_id
            elif sample < random_below:
                masked[position] = random_token
        return masked

    return apply_masking


def loss(logits, labels, weights, epsilon=0.0):
    exponents = np.array(logits) - np.max(logits, -1, keepdims=True)
    return -np.dot(np.log(label_probabilities(exponents, labels) + epsilon), weights) / np.sum(weights)


def loss_without_overflow(largest):
    def mlm_loss(logits, labels, weights):
        total = 0.0
        for row, label, weight in zip(logits, labels, weights, strict=True):
            powers = [math.exp(x - largest(row)) for x in row]
            total -= math.log(powers[label] / sum(powers)) * weight
        return total / sum(weights)

    return mlm_loss


def normalized_head(epsilon):
    def head(x, positions, W, b, table, c, gelu):
        h = gelu(x[positions] @ W + b)
        return (h - h.mean(-1, keepdims=True)) / np.sqrt(h.var(-1, keepdims=True) + epsilon) @ table.T + c

    return head


WRONG = {
    "masked_lm.shown": [
        (60, "80 %"),
        (320, "15 %"),
        (6, "10 %"),
        (12, "do not show"),
        (50, "expected 48"),
        (0.12, "400 tokens"),
        (54, "only the first"),
    ],
    "masked_lm.hide": [
        (lambda tokens, *rest: list(tokens), "nothing has changed"),
        (masking(1, 1), "every chosen position"),
        (masking(0.8, 1), "leaves the token"),
        (masking(0.8, 0), "gives the random token"),
        (masking(0.8, 0.9, in_place=True), "copy"),
        (masking(0.801, 0.9), "no longer"),
        (lambda tokens, *rest: masking(0, 0.9)(masking(0.8, 0)(tokens, *rest), *rest), "elif"),
        (lambda tokens, positions, *rest: masking(0.8, 0.9)(tokens, range(len(positions)), *rest), "first positions"),
        (
            lambda tokens, positions, *rest: masking(0.8, 0.9)(
                tokens, map(tokens.index, map(tokens.__getitem__, positions)), *rest
            ),
            "apply_masking([5, 5, 6, 5]",
        ),
        (lambda *a: masking(0.8, 0.9)(a[0], sorted(a[1]), *a[2:]), "apply_masking([101, 5, 0, 8, 102]"),
        (
            lambda *a: masking(0.8, 0.9)(*a[:4], 4),
            "apply_masking([7], [0], [0.0], [9], 103): expected 103 at [0], got 4",
        ),
    ],
    "masked_lm.loss": [
        (lambda logits, labels, weights: -np.log(label_probabilities(logits, labels)).mean(), "padding"),
        (
            lambda logits, labels, weights: -(np.log(label_probabilities(logits, labels)) * weights).mean(),
            "all positions",
        ),
        (
            lambda logits, labels, weights: -(np.log(label_probabilities(logits, labels)) * weights).sum(),
            "sum of the weights",
        ),
        (
            lambda logits, labels, weights: (np.log(label_probabilities(logits, labels)) * weights).sum() / 3,
            "sign is wrong",
        ),
        (
            lambda logits, labels, weights: (label_probabilities(logits, labels) * weights).sum() / 3,
            "minus their logarithm",
        ),
        (
            lambda logits, labels, weights: -np.log((label_probabilities(logits, labels) * weights).sum() / 3),
            "mean probability",
        ),
        (
            lambda logits, labels, weights: -np.log(label_probabilities(logits, labels)) * weights,
            "losses of the positions",
        ),
        (
            lambda logits, labels, weights: -(np.log10(label_probabilities(logits, labels)) * weights).sum() / 3,
            "base 10",
        ),
        (lambda logits, labels, weights: -(np.log2(label_probabilities(logits, labels)) * weights).sum() / 3, "base 2"),
        (
            lambda logits, labels, weights: (
                -(np.log(label_probabilities(logits, labels)) * weights).sum() / np.sum(weights)
            ),
            "largest logit",
        ),
        (lambda logits, *rest: loss(np.minimum(logits, 700), *rest), "1000 and 998 count the same"),
        (lambda logits, *rest: loss(np.clip(logits, -500, 500), *rest), "1000 and 998 count the same"),
        (lambda logits, *rest: loss(np.minimum(logits, 999), *rest), "For logits of 1000, expected 2.127, got 1.313"),
        (loss_without_overflow(min), "OverflowError"),
        (loss_without_overflow(max), "too small for a float"),
        (loss, "too small for a float"),
        (lambda logits, labels, weights: loss(logits, labels, weights, epsilon=1e-9), "expected 1,000, got 20.72"),
        (
            lambda logits, labels, weights: loss_in_a_loop(np.maximum(logits, -50), labels, weights),
            "mlm_loss([[1000.0, 990.0]",
        ),
    ],
    "masked_lm.perplexity": [
        (lambda probabilities: -np.log(probabilities).mean(), "e to that"),
        (lambda probabilities: np.exp(-np.log(probabilities).sum()), "long texts"),
        (lambda probabilities: np.exp(np.log(probabilities).mean()), "sign is wrong"),
        (lambda probabilities: 1 / np.mean(probabilities), "mean probability"),
        (lambda probabilities: np.mean(1 / np.array(probabilities)), "mean of 1/p"),
        (lambda probabilities: np.exp(np.mean(probabilities)), "logarithm is missing"),
        (lambda probabilities: np.exp(-np.log10(probabilities).mean()), "base 10"),
        (lambda probabilities: np.prod(probabilities) ** (-1 / len(probabilities)), "their product is too small"),
        (lambda probabilities: math.prod(probabilities) ** (-1 / len(probabilities)), "ZeroDivisionError"),
        (lambda probabilities: np.exp(-np.log(np.maximum(probabilities, 1e-3)).mean()), "perplexity([1e-05"),
    ],
    "masked_lm.head": [
        (lambda x, positions, W, b, table, c, gelu: norm(gelu(x @ W + b)) @ table.T + c, "every token"),
        (lambda x, positions, W, b, table, c, gelu: norm(gelu(x[positions] @ W + b)) @ table.T, "output bias c"),
        (
            lambda x, positions, W, b, table, c, gelu: gelu(x[positions] @ W + b) @ table.T + c,
            "normalization is missing",
        ),
        (lambda x, positions, W, b, table, c, gelu: norm(x[positions] @ W + b) @ table.T + c, "GELU is missing"),
        (lambda x, positions, W, b, table, c, gelu: gelu(norm(x[positions] @ W + b)) @ table.T + c, "GELU first"),
        (lambda x, positions, W, b, table, c, gelu: x[positions] @ table.T + c, "directly"),
        (lambda x, positions, W, b, table, c, gelu: norm(gelu(x[positions] @ W + b), None) @ table.T + c, "one mean"),
        (
            lambda x, positions, W, b, table, c, gelu: norm(gelu(x[positions] @ W + b), 0) @ table.T + c,
            "over the positions",
        ),
        (lambda x, positions, W, b, table, c, gelu: softmax(norm(gelu(x[positions] @ W + b)) @ table.T + c), "already"),
        (normalized_head(1e-3), "added to the variance"),
        (normalized_head(1e-5), "added to the variance"),
        (lambda x, positions, *rest: normalized_head(0)(x, np.sort(positions), *rest), "head("),
    ],
}


def masking_with_where(tokens, positions, samples, random_tokens, mask_id):
    masked, samples = np.array(tokens), np.array(samples)
    kept = np.where(samples < 0.9, random_tokens, masked[positions])
    masked[positions] = np.where(samples < 0.8, mask_id, kept)
    return masked


def masking_with_tensors(tokens, positions, samples, random_tokens, mask_id):
    tokens, samples = ops.array(tokens, dtype="int32"), ops.array(samples, dtype="float32")
    kept = ops.where(samples < 0.9, ops.array(random_tokens, dtype="int32"), ops.take(tokens, positions))
    shown = ops.where(samples < 0.8, mask_id, kept)
    return ops.scatter_update(tokens, ops.array(positions, dtype="int32")[:, None], shown)


def loss_in_a_loop(logits, labels, weights):
    total = 0.0
    for row, label, weight in zip(logits, labels, weights, strict=True):
        rest = [x - max(row) for x in row]
        total += weight * (math.log(sum(map(math.exp, rest))) - rest[label])
    return total / sum(weights)


def loss_of_tensors(logits, labels, weights):
    log_probabilities = ops.log_softmax(ops.array(logits, dtype="float32"))
    weights = ops.array(weights, dtype="float32")
    log_of_labels = ops.take_along_axis(log_probabilities, ops.array(labels, dtype="int32")[:, None], axis=1)[:, 0]
    return -ops.sum(log_of_labels * weights) / ops.sum(weights)


def loss_in_float32(logits, labels, weights):
    logits = np.array(logits, "float32")
    largest = logits.max(-1, keepdims=True)
    log_probabilities = logits - (largest + np.log(np.exp(logits - largest).sum(-1, keepdims=True)))
    return -np.average(log_probabilities[np.arange(len(labels)), labels], weights=weights)


def head_in_a_loop(x, positions, W, b, table, c, gelu):
    logits = []
    for position in positions:
        h = [sum(x[position, i] * W[i, j] for i in range(len(W))) + b[j] for j in range(len(b))]
        h = gelu(np.array(h))
        mean = sum(h) / len(h)
        deviation = math.sqrt(sum((value - mean) ** 2 for value in h) / len(h))
        h = [(value - mean) / deviation for value in h]
        logits.append(
            [sum(map(math.prod, zip(h, row, strict=True))) + bias for row, bias in zip(table, c, strict=True)]
        )
    return logits


def head_of_tensors(x, positions, W, b, table, c, gelu):
    h = ops.array(gelu(x[positions] @ W + b), dtype="float32")
    h = (h - ops.mean(h, axis=-1, keepdims=True)) / ops.std(h, axis=-1, keepdims=True)
    return ops.matmul(h, ops.transpose(ops.array(table, dtype="float32"))) + ops.array(c, dtype="float32")


RIGHT = {
    "masked_lm.hide": [
        masking(0.8, 0.9),
        masking_with_where,
        masking_with_tensors,
        lambda *a: (token for token in masking(0.8, 0.9)(*a)),
        lambda *a: tuple(masking(0.8, 0.9)(*a)),
    ],
    "masked_lm.loss": [loss_in_a_loop, loss_of_tensors, loss_in_float32],
    "masked_lm.perplexity": [
        lambda probabilities: math.exp(-sum(map(math.log, probabilities)) / len(probabilities)),
        lambda probabilities: np.exp(-np.log(probabilities).mean()),
        lambda probabilities: 2 ** -np.log2(probabilities).mean(),
        lambda probabilities: 1 / math.prod(p ** (1 / len(probabilities)) for p in probabilities),
        lambda probabilities: ops.exp(-ops.mean(ops.log(ops.array(probabilities, dtype="float32")))),
    ],
    "masked_lm.head": [normalized_head(0), normalized_head(1e-12), head_in_a_loop, head_of_tensors],
}
