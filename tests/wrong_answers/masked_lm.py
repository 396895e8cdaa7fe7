"""Wrong answers to the exercises of chapter 8, each with a part of the feedback that it must get."""

import numpy as np


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
    ],
    "masked_lm.perplexity": [
        (lambda probabilities: -np.log(probabilities).mean(), "e to that"),
        (lambda probabilities: np.exp(-np.log(probabilities).sum()), "long texts"),
        (lambda probabilities: np.exp(np.log(probabilities).mean()), "sign is wrong"),
        (lambda probabilities: 1 / np.mean(probabilities), "mean probability"),
        (lambda probabilities: np.mean(1 / np.array(probabilities)), "mean of 1/p"),
        (lambda probabilities: np.exp(np.mean(probabilities)), "logarithm is missing"),
        (lambda probabilities: np.exp(-np.log10(probabilities).mean()), "base 10"),
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
    ],
}
