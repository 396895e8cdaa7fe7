"""Wrong answers to the exercises of the chapter, and a word that the reason given must hold."""

import math

import numpy as np


def neighbours(attention, step, start=1, flat=False):
    """The head that looks most at the token `step` places on."""
    t = np.arange(start, attention.shape[-1] - max(step, 0))
    shares = attention[:, :, t, t + step].mean(axis=-1)
    return shares.argmax() if flat else np.unravel_index(shares.argmax(), shares.shape)


def packed_row(row, low=None, high=None, steps=255, whole=round, careful=True):
    """A row of shares as bytes, right as it stands; every argument can spoil one thing."""
    low = min(row) if low is None else low
    step = ((max(row) if high is None else high) - low) / steps
    if steps == 1:
        return low, step, [round(255 * (share - low) / step) if step else 0 for share in row]
    return low, step, [whole((share - low) / step) if step or not careful else 0 for share in row]


def rolled(layers, mixed):
    reached = np.eye(layers.shape[-1])
    for layer in layers:
        reached = mixed((layer + np.eye(len(layer))) / 2, reached)
    return reached


WRONG = {
    "visualize_attention.bits": [
        (64, "how many tokens"),
        (1, "64"),
        (math.log(64), "base 2"),
        (-6, "sign"),
        (1 / 64, "share of each"),
        (32, "halve"),
        ([6], "one number"),
        (5, "expected 6"),
    ],
    "visualize_attention.looks_back": [
        (lambda a: neighbours(a, 1), "ahead by one"),
        (lambda a: neighbours(a, 0), "itself"),
        (lambda a: neighbours(a, -1)[::-1], "layer comes first"),
        (lambda a: neighbours(a, -1, flat=True), "one long list"),
        (lambda a: np.unravel_index(a[..., 0].mean(axis=-1).argmax(), a.shape[:2]), "first token"),
        (lambda a: neighbours(a, -1, start=0), "Begin with row 1"),
        (lambda a: np.diagonal(a, -1, 2, 3).mean(axis=-1).max(), "argmax"),
        (lambda a: np.unravel_index(np.diagonal(a, -1, 2, 3).max(axis=-1).argmax(), a.shape[:2]), "mean over the rows"),
        (lambda a: a.mean(axis=-1), "shape"),
    ],
    "visualize_attention.row_to_bytes": [
        (lambda row: packed_row(row, low=0, high=1), "plain steps"),
        (lambda row: (*packed_row(row)[:2], [round(255 * share) for share in row]), "own steps"),
        (lambda row: packed_row(row, whole=int), "round to the nearest"),
        (lambda row: packed_row(row, whole=float), "whole number"),
        (lambda row: packed_row(row, low=0), "smallest share"),
        (lambda row: packed_row(row, steps=256), "not 256"),
        (lambda row: packed_row(row, steps=1), "255th"),
        (lambda row: [packed_row(row)[i] for i in (1, 0, 2)], "wrong way round"),
        (lambda row: packed_row(row, careful=False), "step is 0"),
        (lambda row: packed_row(row)[2], "three things"),
        (lambda row: (0, 0, [0] * len(row)), "low should be"),
    ],
    "visualize_attention.rollout": [
        (lambda layers: rolled(layers, lambda p, r: r @ p), "turned round"),
        (lambda layers: rolled(2 * layers - np.eye(5), lambda p, r: p @ r), "half that stays"),
        (lambda layers: rolled(layers, lambda p, r: 2 * p @ r), "rows sum to 8"),
        (lambda layers: layers.mean(axis=0), "mean of the layers"),
        (lambda layers: rolled(layers, lambda p, r: p * r), "number by number"),
        (lambda layers: rolled(layers[-1:], lambda p, r: p @ r), "last layer alone"),
        (lambda layers: rolled(layers[:1], lambda p, r: p @ r), "inside of the loop"),
        (
            lambda layers: rolled(np.concatenate([2 * layers[:1] - np.eye(5), layers[1:]]), np.matmul),
            "first layer keeps",
        ),
        (lambda layers: rolled(layers, lambda p, r: (p - np.eye(5) / 2) @ r + np.eye(5) / 2), "not of the beginning"),
        (lambda layers: layers, "shape [5, 5]"),
    ],
    "visualize_attention.brought_home": [
        (lambda p, v, w: np.linalg.norm(p @ v, axis=-1).mean(axis=-1), "output matrix"),
        (lambda p, v, w: np.linalg.norm((p @ v @ w).mean(axis=1), axis=-1), "length first"),
        (lambda p, v, w: np.linalg.norm(p @ v @ w, axis=-1), "each token"),
        (lambda p, v, w: np.linalg.norm(p @ v @ w, axis=-1).sum(axis=-1), "sums over"),
        (lambda p, v, w: np.linalg.norm(p @ v @ w, axis=-1).mean(axis=0), "over heads"),
        (lambda p, v, w: ((p @ v @ w) ** 2).sum(axis=-1).mean(axis=-1), "square root"),
        (lambda p, v, w: np.linalg.norm((p @ v @ w).sum(axis=0), axis=-1), "added up"),
        (lambda p, v, w: (p @ np.linalg.norm(v, axis=-1)[..., None]).mean(axis=(1, 2)), "cancel"),
        (lambda p, v, w: p @ v @ w, "vectors themselves"),
        (lambda p, v, w: np.linalg.norm(p @ v @ w, axis=(1, 2)), "each token's"),
        (lambda p, v, w: np.linalg.norm(p @ v @ w, axis=1).mean(axis=-1), "last axis"),
        (lambda p, v, w: np.abs(p @ v @ w).sum(axis=-1).mean(axis=-1), "sum of squares"),
        (lambda p, v, w: (p @ v @ w).mean(axis=(1, 2)), "lengths first"),
        (lambda p, v, w: np.linalg.norm(p @ v @ w, axis=-1).mean(), "each head"),
    ],
}
