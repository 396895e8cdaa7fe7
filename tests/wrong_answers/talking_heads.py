"""Wrong and right answers to the exercises of chapter 13; the wrong ones with a part of the feedback."""

import math

import numpy as np
from keras import ops


def softmax(x, axis=-1):
    powers = np.exp(x)
    return powers / powers.sum(axis=axis, keepdims=True)


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def project(x, matrix):
    return np.einsum("nts,nm->mts", x, matrix)


def stable_softmax(x, axis=-1):
    return softmax(x - x.max(axis=axis, keepdims=True), axis)


def exact_gelu(x):
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


def neurons_by_loops(x, w, b, v, c):
    def weighted(row, matrix, bias, f):
        return sum(row[d] * matrix[d][f] for d in range(len(row))) + bias[f]

    return [[gelu(weighted(row, w, b, f)) * weighted(row, v, c, f) for f in range(len(b))] for row in x]


def neurons_by_tensors(*arrays):
    x, w, b, v, c = (ops.array(array, dtype="float32") for array in arrays)
    return ops.gelu(ops.matmul(x, w) + b) * (ops.matmul(x, v) + c)


def talk_by_loops(logits, pre, post):
    def mix(x, matrix):
        heads = range(len(matrix))
        return [sum(matrix[n][m] * np.array(x[n]) for n in heads) for m in heads]

    weights = []
    for head in mix(logits, pre):
        powers = [[math.exp(logit - max(row)) for logit in row] for row in head]
        weights.append([[power / sum(row) for power in row] for row in powers])
    return mix(weights, post)


def talk_by_tensors(*arrays):
    logits, pre, post = (ops.array(array, dtype="float32") for array in arrays)
    weights = ops.softmax(ops.einsum("nts,nm->mts", logits, pre), axis=-1)
    return ops.einsum("nts,nm->mts", weights, post)


def slopes(n):
    return 2.0 ** (-8 * np.arange(1, n + 1) / n)[:, None, None]


def distances(t, s):
    return np.abs(np.arange(t)[:, None] - np.arange(s))


def alibi_by_loops(n, t, s):
    heads = [2 ** (-8 * (head + 1) / n) for head in range(n)]
    return [[[-slope * abs(query - key) for key in range(s)] for query in range(t)] for slope in heads]


def alibi_by_tensors(n, t, s):
    exponents = ops.arange(1, n + 1, dtype="float32") * (-8 / n)
    steps = ops.abs(ops.expand_dims(ops.arange(t, dtype="float32"), 1) - ops.arange(s, dtype="float32"))
    return -ops.reshape(2.0**exponents, (-1, 1, 1)) * steps


WRONG = {
    "talking_heads.inner_dim": [
        (3072, "1.5 times as large"),
        (1536, "two thirds"),
        (4608, "more neurons"),
        (1024, "one third"),
        (2000, "three matrices"),
        (2049, "three matrices"),
        ([2048, 2048], "one number"),
    ],
    "talking_heads.row_sums": [
        (lambda matrix: [sum(row) for row in matrix], "receives column m"),
        (lambda matrix: [1] * len(matrix), "changes that"),
        (lambda matrix: np.sum(matrix), "whole matrix"),
        (lambda matrix: np.diag(matrix), "the others"),
        (lambda matrix: np.mean(matrix, axis=0), "means of the columns"),
        (lambda matrix: np.abs(matrix).sum(axis=0), "signs"),
        (lambda matrix: np.sum(matrix[:3], axis=0), "row_sums([["),
    ],
    "talking_heads.added_parameters": [
        (lambda layers, d, f, n: layers * (n * n + d * f + f), "two projections"),
        (lambda layers, d, f, n: layers * (2 * n * n + d * f), "bias is missing"),
        (lambda layers, d, f, n: 2 * n * n + d * f + f, "one layer"),
        (lambda layers, d, f, n: layers * 2 * n * n, "gates are missing"),
        (lambda layers, d, f, n: layers * (d * f + f), "projections are missing"),
        (lambda layers, d, f, n: layers * 2 * n * n + d * f + f, "in every layer"),
        (lambda layers, d, f, n: layers * (2 * n * n + d * f) + f, "parentheses"),
        (lambda layers, d, f, n: layers * (2 * n * n + d * f + d), "not D"),
        (lambda layers, d, f, n: layers * (2 * n + d * f + f), "not a vector"),
        (lambda layers, d, f, n: layers * (2 * n * n + 2 * (d * f + f)), "one gate is added"),
        (lambda layers, d, f, n: layers * (2 * n * n + 2 * d * f + d + f), "output projection"),
        (lambda layers, d, f, n: 100_773_888, "expected 236"),
    ],
    "talking_heads.gated_neurons": [
        (lambda x, w, b, v, c: gelu(x @ w + b) * gelu(x @ v + c), "stay linear"),
        (lambda x, w, b, v, c: (x @ w + b) * gelu(x @ v + c), "applied to the gate"),
        (lambda x, w, b, v, c: gelu((x @ w + b) * (x @ v + c)), "product goes through"),
        (lambda x, w, b, v, c: gelu(x @ w + b) + (x @ v + c), "multiplies"),
        (lambda x, w, b, v, c: gelu(x @ w + b), "gate is missing"),
        (lambda x, w, b, v, c: (x @ w + b) * (x @ v + c), "GELU of the neurons is missing"),
        (lambda x, w, b, v, c: gelu(x @ w) * (x @ v), "both biases"),
        (lambda x, w, b, v, c: gelu(x @ w) + b * (x @ v + c), "before the GELU"),
        (lambda x, w, b, v, c: np.maximum(x @ w + b, 0) * (x @ v + c), "ReLU"),
        (lambda x, w, b, v, c: gelu(x @ w + b) @ (x @ v + c).T, "its own gate"),
        (lambda x, w, b, v, c: gelu(x * w + b) * (x * v + c), "element by element"),
        (lambda x, w, b, v, c: gelu(x @ w + b) / (1 + np.exp(-(x @ v + c))), "sigmoid"),
    ],
    "talking_heads.talk": [
        (lambda x, pre, post: softmax(x), "don't talk"),
        (lambda x, pre, post: softmax(project(x, pre)), "second projection is missing"),
        (lambda x, pre, post: project(softmax(x), post), "first projection is missing"),
        (lambda x, pre, post: project(softmax(project(x, pre.T)), post.T), "both matrices are transposed"),
        (lambda x, pre, post: project(softmax(project(x, post)), pre), "are swapped"),
        (lambda x, pre, post: project(softmax(project(x, pre), axis=0), post), "over the heads"),
        (lambda x, pre, post: project(project(x, pre), post), "no softmax"),
        (lambda x, pre, post: softmax(project(project(x, pre), post)), "comes last"),
        (lambda x, pre, post: project(project(softmax(x), pre), post), "first one before it"),
        (lambda x, pre, post: softmax(project(softmax(project(x, pre)), post)), "after the second projection"),
        (lambda x, pre, post: project(softmax(project(x, pre), axis=None), post), "its own softmax"),
        (lambda x, pre, post: softmax(x @ pre) @ post, "first axis"),
        (lambda x, pre, post: project(softmax(project(x, pre)), post), "Subtract the largest logit"),
        (lambda x, pre, post: project(softmax(np.minimum(project(x, pre), 700)), post), "Subtract the largest logit"),
        (
            lambda x, pre, post: project(softmax((logits := project(x, pre)) - logits.max()), post),
            "Subtract the largest logit of each row",
        ),
    ],
    "talking_heads.alibi": [
        (lambda n, t, s: slopes(n) * distances(t, s), "distant keys should lose"),
        (lambda n, t, s: slopes(n) * (np.arange(t)[:, None] - np.arange(s)), "keys on the"),
        (lambda n, t, s: slopes(n) * (np.arange(s) - np.arange(t)[:, None]), "absolute value"),
        (lambda n, t, s: -(2 ** (8 / n)) * slopes(n) * distances(t, s), "count from 1"),
        (lambda n, t, s: -slopes(n)[::-1] * distances(t, s), "reverse order"),
        (lambda n, t, s: -(2.0 ** -np.arange(1, n + 1)[:, None, None]) * distances(t, s), "eight heads"),
        (lambda n, t, s: -8 / n * np.arange(1, n + 1)[:, None, None] * distances(t, s), "only the exponent"),
        (lambda n, t, s: -slopes(n) * distances(t, s) ** 2, "linear"),
        (lambda n, t, s: -np.moveaxis(slopes(n) * distances(t, s), 0, -1), "They come first"),
        (lambda n, t, s: -(slopes(n) * distances(t, s)).sum(axis=0), "matrix of its own"),
        (lambda n, t, s: -np.tile(distances(t, s), (n, 1, 1)), "slopes are missing"),
        (lambda n, t, s: -slopes(n) * distances(s, s), "expected shape [3, 2, 5]"),
        (lambda n, t, s: -slopes(3) * distances(t, s), "alibi(1, 1, 1)"),
    ],
}

RIGHT = {
    "talking_heads.row_sums": [
        lambda matrix: [sum(row[m] for row in matrix) for m in range(len(matrix))],
        lambda matrix: map(sum, zip(*matrix, strict=True)),
        lambda matrix: (sum(column) for column in np.array(matrix).T),
        lambda matrix: np.sum(matrix, axis=0),
        lambda matrix: np.ones(len(matrix)) @ matrix,
        lambda matrix: ops.sum(ops.array(matrix), axis=0),
    ],
    "talking_heads.added_parameters": [
        lambda layers, d, f, n: sum(2 * n * n + d * f + f for _ in range(layers)),
        lambda layers, d, f, n: layers * (np.prod([2, n, n]) + np.prod([d + 1, f])),
        lambda layers, d, f, n: ops.sum(ops.array(layers) * ops.array([2 * n * n, d * f, f])),
    ],
    "talking_heads.gated_neurons": [
        neurons_by_loops,
        neurons_by_tensors,
        lambda x, w, b, v, c: gelu(np.einsum("td,df->tf", x, w) + b) * (x.dot(v) + c),
        lambda x, w, b, v, c: exact_gelu(x @ w + b) * (x @ v + c),
    ],
    "talking_heads.talk": [
        talk_by_loops,
        talk_by_tensors,
        lambda x, pre, post: project(stable_softmax(project(x, pre)), post),
        lambda x, pre, post: np.tensordot(post.T, stable_softmax(np.tensordot(pre.T, x, 1)), 1),
        lambda x, pre, post: np.moveaxis(stable_softmax(np.moveaxis(x, 0, 2) @ pre, axis=1) @ post, 2, 0),
    ],
    "talking_heads.alibi": [
        alibi_by_loops,
        alibi_by_tensors,
        lambda n, t, s: np.fromfunction(lambda i, q, k: -np.abs(q - k) / 256 ** ((i + 1) / n), (n, t, s)),
        lambda n, t, s: np.multiply.outer(-slopes(n).ravel(), distances(t, s)),
        lambda n, t, s: (
            np.minimum(np.subtract.outer(range(t), range(s)), np.subtract.outer(range(s), range(t)).T) * slopes(n)
        ),
    ],
}
