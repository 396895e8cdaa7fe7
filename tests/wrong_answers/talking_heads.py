"""Wrong answers to the exercises of chapter 13, each with a part of the feedback that it must get."""

import numpy as np


def softmax(x, axis=-1):
    powers = np.exp(x)
    return powers / powers.sum(axis=axis, keepdims=True)


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def project(x, matrix):
    return np.einsum("nts,nm->mts", x, matrix)


WRONG = {
    "talking_heads.inner_dim": [
        (3072, "1.5 times as large"),
        (1536, "two thirds"),
        (4608, "more neurons"),
        (1024, "one third"),
        (2000, "three matrices"),
        ([2048, 2048], "one number"),
    ],
    "talking_heads.row_sums": [
        (lambda matrix: [sum(row) for row in matrix], "receives column m"),
        (lambda matrix: [1] * len(matrix), "changes that"),
        (lambda matrix: np.sum(matrix), "whole matrix"),
        (lambda matrix: np.diag(matrix), "the others"),
        (lambda matrix: np.mean(matrix, axis=0), "means of the columns"),
        (lambda matrix: np.abs(matrix).sum(axis=0), "signs"),
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
    ],
}
