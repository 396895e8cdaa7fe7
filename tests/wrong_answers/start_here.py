"""Wrong answers to the exercises of the chapter, each with a word of the reason that `check` gives."""

import math

import numpy as np
from keras import ops


def cosine(a, b):
    return np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b)


def gap_of_six(money, river):
    same = [sum(cosine(a, b) for a in g for b in g) for g in (money, river)]
    return (sum(same) - 6) / 12 - np.mean([cosine(a, b) for a in money for b in river])


def gap_of_two_means(money, river):
    same = [np.mean([cosine(a, b) for i, a in enumerate(g) for b in g[i + 1 :]]) for g in (money, river)]
    return np.mean(same) - np.mean([cosine(a, b) for a in money for b in river])


def gap_of_one(money, river):
    same = [cosine(a, b) for i, a in enumerate(money) for b in money[i + 1 :]]
    return np.mean(same) - np.mean([cosine(a, b) for a in money for b in river])


def gap_in_turn(money, river):
    same = [cosine(a, b) for g in (money, river) for i, a in enumerate(g) for b in g[i + 1 :]]
    return np.mean(same) - np.mean([cosine(a, b) for a, b in zip(money, river, strict=False)])


def gap(money, river, first=1, other=1, mean=np.mean, similarity=cosine):
    """The gap, correct by default; each argument breaks one thing."""
    same = [similarity(a, b) for g in (money, river) for i, a in enumerate(g) for b in (g[i + 1 :] if first else g)]
    return mean(same) - other * mean([similarity(a, b) for a in money for b in river])


def cosine_with_loops(a, b):
    products = squares_a = squares_b = 0
    for i in range(len(a)):
        products += a[i] * b[i]
        squares_a += a[i] ** 2
        squares_b += b[i] ** 2
    return products / math.sqrt(squares_a) / math.sqrt(squares_b)


def cosine_of_tensors(a, b):
    a, b = ops.array(a, dtype="float32"), ops.array(b, dtype="float32")
    return ops.sum(a * b) / ops.sqrt(ops.sum(a * a) * ops.sum(b * b))


def gap_with_loops(money, river):
    vectors, same, different = [*money, *river], [], []
    for j in range(len(vectors)):
        for i in range(j):
            pairs = different if i < len(money) <= j else same
            pairs.append(cosine_with_loops(vectors[i], vectors[j]))
    return sum(same) / len(same) - sum(different) / len(different)


def gap_of_arrays(money, river):
    vectors = np.array([*money, *river])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines, meaning = vectors @ vectors.T, np.array([0] * len(money) + [1] * len(river))
    same = meaning[:, None] == meaning
    return cosines[same & ~np.eye(len(vectors), dtype=bool)].mean() - cosines[~same].mean()


def gap_of_tensors(money, river):
    n, m = len(money), len(river)
    money, river = (ops.normalize(ops.array(group, dtype="float32"), axis=-1) for group in (money, river))
    inside = sum(ops.sum(group @ ops.transpose(group)) for group in (money, river)) - n - m
    return inside / (n * (n - 1) + m * (m - 1)) - ops.mean(money @ ops.transpose(river))


def top_token_with_loop(tokens, weights):
    best = 0
    for i, weight in enumerate(weights):
        if weight > weights[best]:
            best = i
    return tokens[best]


RIGHT = {
    "start_here.top_token": [
        top_token_with_loop,
        lambda tokens, weights: max(zip(weights, tokens, strict=True))[1],
        lambda tokens, weights: np.array(tokens)[np.argmax(weights)],
        lambda tokens, weights: tokens[int(ops.argmax(ops.array(weights)))],
    ],
    "start_here.cosine": [cosine, cosine_with_loops, cosine_of_tensors],
    "start_here.gap": [gap, gap_with_loops, gap_of_arrays, gap_of_tensors],
}

WRONG = {
    "start_here.heads": [
        (12, "one layer"),
        (6, "layers"),
        (14112, "whole array"),
        (73, "expected 72"),
        ("72", "a text"),
    ],
    "start_here.top_token": [
        (lambda tokens, weights: weights.index(max(weights)), "position"),
        (lambda tokens, weights: max(weights), "largest weight"),
        (lambda tokens, weights: tokens[weights.index(min(weights))], "smallest"),
        (lambda tokens, weights: tokens[0], "'cat'"),
        (lambda tokens, weights: [tokens[weights.index(max(weights))]], "the token itself"),
        (lambda tokens, weights: max(tokens), "'cat' has the largest"),
        (lambda tokens, weights: max(tokens, key=dict(zip(tokens, weights, strict=True)).get), "expected 'the'"),
        (
            lambda tokens, weights: max(tokens, key=lambda t: sum(np.array(weights)[np.array(tokens) == t])),
            "'cat', got",
        ),
    ],
    "start_here.cosine": [
        (lambda a, b: np.dot(a, b), "dot product alone"),
        (lambda a, b: np.dot(a, b) / np.dot(a, a) / np.dot(b, b), "square root"),
        (lambda a, b: np.linalg.norm(np.subtract(a, b)), "distance"),
        (lambda a, b: np.multiply(a, b), "one number"),
        (lambda a, b: np.dot(a, b) / np.linalg.norm(a) * np.linalg.norm(b), "brackets"),
        (lambda a, b: np.dot(a, b) / np.sum(a) / np.sum(b), "not the sum"),
        (lambda a, b: cosine(a, b) + 0 * a[2], "any length"),
        (lambda a, b: abs(cosine(a, b)), "keep its sign"),
        (lambda a, b: cosine(np.abs(a), np.abs(b)), "expected 0.4472"),
        (lambda a, b: max(0, cosine(a, b)), "got 0"),
    ],
    "start_here.gap": [
        (lambda money, river: -gap(money, river), "sign"),
        (lambda money, river: gap(money, river, first=0), "always 1"),
        (lambda money, river: gap(money, river, other=0), "mean of the other pairs"),
        (lambda money, river: gap(money, river, mean=sum), "the mean of each kind"),
        (lambda money, river: gap(money, river, similarity=np.dot), "two lengths"),
        (gap_of_six, "6 and the 12"),
        (gap_of_two_means, "count equally"),
        (gap_in_turn, "same index"),
        (gap_of_one, "second list"),
        (lambda money, river: abs(gap(money, river)), "the gap is negative"),
        (lambda money, river: max(0, gap(money, river)), "got 0"),
    ],
}
