"""Wrong answers to the exercises of chapter 12, each with a part of the feedback that it must get."""

import math

import numpy as np


def relative_head(attention, offset, start=1, flat=False):
    """Return the head with the largest mean weight at `offset` from the query."""
    t = np.arange(start, attention.shape[-1] - max(offset, 0))
    weights = attention[:, :, t, t + offset].mean(axis=-1)
    return weights.argmax() if flat else np.unravel_index(weights.argmax(), weights.shape)


def quantized(row, low=None, high=None, steps=255, to_integer=round, guard=True):
    """Return low, step and bytes of a row, which are correct with the defaults; every argument can break one thing."""
    low = min(row) if low is None else low
    step = ((max(row) if high is None else high) - low) / steps
    if steps == 1:
        return low, step, [round(255 * (weight - low) / step) if step else 0 for weight in row]
    return low, step, [to_integer((weight - low) / step) if step or not guard else 0 for weight in row]


def rollout(layers, multiply):
    result = np.eye(layers.shape[-1])
    for layer in layers:
        result = multiply((layer + np.eye(len(layer))) / 2, result)
    return result


WRONG = {
    "visualize_attention.bits": [
        (64, "number of tokens"),
        (1, "there are 64"),
        (math.log(64), "base 2"),
        (-6, "sign"),
        (1 / 64, "weight of each"),
        (32, "halve"),
        ([6], "one number"),
        (5, "expected 6"),
    ],
    "visualize_attention.previous_token_head": [
        (lambda a: relative_head(a, 1), "next token"),
        (lambda a: relative_head(a, 0), "itself"),
        (lambda a: relative_head(a, -1)[::-1], "layer comes first"),
        (lambda a: relative_head(a, -1, flat=True), "flattened"),
        (lambda a: np.unravel_index(a[..., 0].mean(axis=-1).argmax(), a.shape[:2]), "first token"),
        (lambda a: relative_head(a, -1, start=0), "Begin with row 1"),
        (lambda a: np.diagonal(a, -1, 2, 3).mean(axis=-1).max(), "argmax"),
        (lambda a: np.unravel_index(np.diagonal(a, -1, 2, 3).max(axis=-1).argmax(), a.shape[:2]), "mean over the rows"),
        (lambda a: a.mean(axis=-1), "shape"),
    ],
    "visualize_attention.row_to_bytes": [
        (lambda row: quantized(row, low=0, high=1), "fixed step"),
        (lambda row: (*quantized(row)[:2], [round(255 * weight) for weight in row]), "own step"),
        (lambda row: quantized(row, to_integer=int), "Round to the nearest"),
        (lambda row: quantized(row, to_integer=float), "integer"),
        (lambda row: quantized(row, low=0), "smallest weight"),
        (lambda row: quantized(row, steps=256), "not 256"),
        (lambda row: quantized(row, steps=1), "Divide it by 255"),
        (lambda row: [quantized(row)[i] for i in (1, 0, 2)], "swapped"),
        (lambda row: quantized(row, guard=False), "step is 0"),
        (lambda row: quantized(row)[2], "three values"),
        (lambda row: (0, 0, [0] * len(row)), "expected low"),
    ],
    "visualize_attention.rollout": [
        (lambda layers: rollout(layers, lambda p, r: r @ p), "reversed"),
        (lambda layers: rollout(2 * layers - np.eye(5), lambda p, r: p @ r), "residual connection is missing"),
        (lambda layers: rollout(layers, lambda p, r: 2 * p @ r), "rows sum to 8"),
        (lambda layers: layers.mean(axis=0), "mean of the layers"),
        (lambda layers: rollout(layers, lambda p, r: p * r), "element by element"),
        (lambda layers: rollout(layers[-1:], lambda p, r: p @ r), "last layer only"),
        (lambda layers: rollout(layers[:1], lambda p, r: p @ r), "inside the loop"),
        (
            lambda layers: rollout(np.concatenate([2 * layers[:1] - np.eye(5), layers[1:]]), np.matmul),
            "first layer has a residual",
        ),
        (lambda layers: rollout(layers, lambda p, r: (p - np.eye(5) / 2) @ r + np.eye(5) / 2), "not of the input"),
        (lambda layers: layers, "shape [5, 5]"),
    ],
    "visualize_attention.head_output_norm": [
        (lambda scores, v, w: np.linalg.norm(scores @ v, axis=-1).mean(axis=-1), "output kernel"),
        (lambda scores, v, w: np.linalg.norm((scores @ v @ w).mean(axis=1), axis=-1), "norm first"),
        (lambda scores, v, w: np.linalg.norm(scores @ v @ w, axis=-1), "for each token"),
        (lambda scores, v, w: np.linalg.norm(scores @ v @ w, axis=-1).sum(axis=-1), "sums over"),
        (lambda scores, v, w: np.linalg.norm(scores @ v @ w, axis=-1).mean(axis=0), "over heads"),
        (lambda scores, v, w: ((scores @ v @ w) ** 2).sum(axis=-1).mean(axis=-1), "square root"),
        (lambda scores, v, w: np.linalg.norm((scores @ v @ w).sum(axis=0), axis=-1), "added up"),
        (
            lambda scores, v, w: (scores @ np.linalg.norm(v, axis=-1)[..., None]).mean(axis=(1, 2)),
            "Vectors can cancel out",
        ),
        (lambda scores, v, w: scores @ v @ w, "vectors themselves"),
        (lambda scores, v, w: np.linalg.norm(scores @ v @ w, axis=(1, 2)), "one norm for all tokens"),
        (lambda scores, v, w: np.linalg.norm(scores @ v @ w, axis=1).mean(axis=-1), "last axis"),
        (lambda scores, v, w: np.abs(scores @ v @ w).sum(axis=-1).mean(axis=-1), "sum of squares"),
        (lambda scores, v, w: (scores @ v @ w).mean(axis=(1, 2)), "norms first"),
        (lambda scores, v, w: np.linalg.norm(scores @ v @ w, axis=-1).mean(), "each head"),
    ],
}
