"""Wrong answers to the exercises of the chapter, each with a word of the reason that `check` gives; and right ones."""

import math

import numpy as np
from keras import ops


def relu(x):
    return np.maximum(x, 0)


def tanh_gelu(x):
    return 0.5 * x * (1 + math.tanh((2 / math.pi) ** 0.5 * (x + 0.044715 * x**3)))


def output_of(neurons, selected, w2, b2):
    return np.where(selected, neurons, 0) @ w2 + b2


def kth_strength(x, k):
    return np.sort(np.abs(x))[:, -k, None]


def product(x, w, b):
    return [
        [sum(a * c for a, c in zip(row, column, strict=True)) + d for column, d in zip(w.T, b, strict=True)]
        for row in x
    ]


def feedforward_loop(x, w1, b1, w2, b2):
    return product([[max(neuron, 0) for neuron in row] for row in product(x, w1, b1)], w2, b2)


def strongest_loop(neurons, w2, b2, k):
    kept = [[n if abs(n) in sorted(map(abs, row))[-k:] else 0 for n in row] for row in neurons]
    return product(kept, w2, b2)


def strongest_numpy(neurons, w2, b2, k):
    kept, order = np.zeros_like(neurons), np.argsort(-abs(neurons), axis=1)[:, :k]
    np.put_along_axis(kept, order, np.take_along_axis(neurons, order, 1), 1)
    return kept @ w2 + b2


def strongest_tensor(neurons, w2, b2, k):
    n = tensor(neurons)
    threshold = ops.top_k(ops.abs(n), k)[0][:, -1:]
    return ops.matmul(ops.where(ops.abs(n) >= threshold, n, 0.0), tensor(w2)) + tensor(b2)


def tensor(x):
    return ops.array(x, dtype="float32")


WRONG = {
    "feedforward.parameters": [
        (2 * 768 * 3072, "each has a bias"),
        (768 * 3072 + 3072, "projection back"),
        (768 * 3072, "there are two"),
        (2 * 768 * 3072 + 3072, "second bias is missing"),
        (2 * 768 * 3072 + 768, "first bias is missing"),
        (12 * 4722432, "one layer"),
        (1181568, "MiniLM"),
        (2 * (768 * 3072 + 3072), "its bias has D"),
        (4000000, "expected"),
    ],
    "feedforward.and_neuron": [
        ([1, 1, 0, 0], "being alone"),
        ([0.5, 2, 0, -1], "thing alone"),
        ([1, 1, 0, -2], "never fires"),
        ([1, 1, 1, 1], "always fires"),
        ([-1, -1, 0, 0.5], "all inputs are 0"),
        ([1, 1, 1, -1.5], "being with an action"),
        ([1, 1, 1, -2.5], "should"),
        ([1, 1, -1, -1.5], "keeps it from firing"),
        ([1, 1, 0], "four numbers"),
    ],
    "feedforward.gelu_by_hand": [
        (lambda x: max(x, 0), "ReLU"),
        (tanh_gelu, "tanh approximation"),
        (lambda x: 0.5 * (1 + math.erf(x / 2**0.5)), "multiply x"),
        (lambda x: 0.5 * x * (1 + math.erf(x)), "square root of 2"),
        (lambda x: x * (1 + math.erf(x / 2**0.5)), "1/2"),
        (lambda x: x / (1 + math.exp(-x)), "SiLU"),
        (lambda x: x / 2 * (1 + math.erf(x / 2)), "root of 2"),
        (lambda x: x / 2 * (1 + math.erf(x / 2**1 / 2)), "(2**1)/2"),
        (lambda x: x / 2 * (1 + math.erf(x) / 2**0.5), "not the erf"),
        (lambda x: x / 2 * 1 + math.erf(x / 2**0.5), "in brackets"),
        (lambda x: max(0, x / 2 * (1 + math.erf(x / 2**0.5))), "slightly negative"),
        (lambda x: x / (1 + math.exp(-1.702 * x)), "sigmoid approximation"),
        (lambda x: x / 2 * (1 + math.erf(x / 2**0.5)) if abs(x) < 3 else max(x, 0), "gelu(3.5): expected 3.499"),
    ],
    "feedforward.feedforward_by_hand": [
        (lambda x, w1, b1, w2, b2: (x @ w1 + b1) @ w2 + b2, "no activation"),
        (lambda x, w1, b1, w2, b2: relu(x @ w1) @ w2 + b2, "first bias"),
        (lambda x, w1, b1, w2, b2: (relu(x @ w1) + b1) @ w2 + b2, "after the activation"),
        (lambda x, w1, b1, w2, b2: relu(x @ w1 + b1) @ w2, "second bias"),
        (lambda x, w1, b1, w2, b2: relu((x @ w1 + b1) @ w2 + b2), "at the end"),
        (lambda x, w1, b1, w2, b2: relu((x @ w1 + b1) @ w2) + b2, "before @ w2"),
        (lambda x, w1, b1, w2, b2: relu(relu(x @ w1 + b1) @ w2 + b2), "applied twice"),
        (lambda x, w1, b1, w2, b2: relu(x @ w1 + b1), "one step is left"),
        (lambda x, w1, b1, w2, b2: x + relu(x @ w1 + b1) @ w2 + b2, "layer around it"),
        (lambda x, w1, b1, w2, b2: np.clip(x @ w1 + b1, 0, 6) @ w2 + b2, "expected"),
    ],
    "feedforward.fold": [
        (lambda w1, b1, w2, b2: w1 @ w2, "return w, b"),
        (lambda w1, b1, w2, b2: (w1 @ w2, b2), "b2 alone"),
        (lambda w1, b1, w2, b2: (w1 @ w2, b1 @ w2), "b2 is missing"),
        (lambda w1, b1, w2, b2: (w2 @ w1, b2), "reversed"),
        (lambda w1, b1, w2, b2: (b1 @ w2 + b2, w1 @ w2), "swapped"),
        (lambda w1, b1, w2, b2: ((w1 @ w2).T, b1 @ w2 + b2), "transposed"),
        (lambda w1, b1, w2, b2: (w1 @ w2, b1 + b2), "ValueError"),
    ],
    "feedforward.strongest": [
        (lambda n, w2, b2, k: n @ w2 + b2, "all neurons are used"),
        (lambda n, w2, b2, k: output_of(n, n >= np.sort(n)[:, -k, None], w2, b2), "negative"),
        (lambda n, w2, b2, k: output_of(n, np.abs(n) >= np.sort(np.abs(n), axis=None)[-k], w2, b2), "whole array"),
        (lambda n, w2, b2, k: output_of(n, np.abs(n) > kth_strength(n, k), w2, b2), "one too few"),
        (lambda n, w2, b2, k: output_of(n, np.abs(n) <= np.sort(np.abs(n))[:, k - 1, None], w2, b2), "weakest"),
        (lambda n, w2, b2, k: output_of(n, np.abs(n) >= kth_strength(n, k), w2, 0), "bias is missing"),
        (lambda n, w2, b2, k: output_of(np.abs(n), np.abs(n) >= kth_strength(n, k), w2, b2), "own sign"),
        (lambda n, w2, b2, k: output_of(n, np.abs(n) >= kth_strength(n, 2), w2, b2), "need not be 2"),
    ],
}

RIGHT = {
    "feedforward.gelu_by_hand": [
        lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
        lambda x: np.multiply(x, 1 - 0.5 * np.vectorize(math.erfc)(x / np.sqrt(2))),
        lambda x: tensor(x) * (1 + ops.erf(tensor(x) / 2**0.5)) / 2,
    ],
    "feedforward.feedforward_by_hand": [
        feedforward_loop,
        lambda x, w1, b1, w2, b2: relu(x @ w1 + b1) @ w2 + b2,
        lambda x, w1, b1, w2, b2: ops.matmul(ops.relu(ops.matmul(tensor(x), tensor(w1)) + b1), tensor(w2)) + b2,
    ],
    "feedforward.fold": [
        lambda w1, b1, w2, b2: (product(w1, w2, 0 * b2), product([b1], w2, b2)[0]),
        lambda w1, b1, w2, b2: [np.dot(w1, w2), np.dot(b1, w2) + b2],
        lambda w1, b1, w2, b2: (ops.matmul(tensor(w1), tensor(w2)), ops.matmul(tensor(b1), tensor(w2)) + tensor(b2)),
    ],
    "feedforward.strongest": [strongest_loop, strongest_numpy, strongest_tensor],
}
