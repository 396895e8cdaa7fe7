"""Wrong answers to the exercises of the chapter, and a word that the reason given must hold."""

import math

import numpy as np


def relu(x):
    return np.maximum(x, 0)


def tanh_gelu(x):
    return 0.5 * x * (1 + math.tanh((2 / math.pi) ** 0.5 * (x + 0.044715 * x**3)))


def kept(neurons, chosen, w2, b2):
    return np.where(chosen, neurons, 0) @ w2 + b2


def size_of_kth(x, k):
    return np.sort(np.abs(x))[:, -k, None]


WRONG = {
    "feedforward.parameters": [
        (2 * 768 * 3072, "each has a bias"),
        (768 * 3072 + 3072, "way back"),
        (768 * 3072, "there are two"),
        (2 * 768 * 3072 + 3072, "second is missing"),
        (2 * 768 * 3072 + 768, "first is missing"),
        (12 * 4722432, "one layer"),
        (1181568, "MiniLM"),
        (2 * (768 * 3072 + 3072), "its bias has D"),
        (4000000, "expected"),
    ],
    "feedforward.and_neuron": [
        ([1, 1, 0, 0], "being alone"),
        ([0.5, 2, 0, -1], "thing alone"),
        ([1, 1, 0, -2], "never fires"),
        ([1, 1, 1, 1], "fires for everything"),
        ([-1, -1, 0, 0.5], "knows nothing"),
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
        (lambda x: max(0, x / 2 * (1 + math.erf(x / 2**0.5))), "dips"),
        (lambda x: x / (1 + math.exp(-1.702 * x)), "sigmoid approximation"),
    ],
    "feedforward.feedforward_by_hand": [
        (lambda x, w1, b1, w2, b2: (x @ w1 + b1) @ w2 + b2, "no bend"),
        (lambda x, w1, b1, w2, b2: relu(x @ w1) @ w2 + b2, "first bias"),
        (lambda x, w1, b1, w2, b2: (relu(x @ w1) + b1) @ w2 + b2, "after the bend"),
        (lambda x, w1, b1, w2, b2: relu(x @ w1 + b1) @ w2, "second bias"),
        (lambda x, w1, b1, w2, b2: relu((x @ w1 + b1) @ w2 + b2), "at the end"),
        (lambda x, w1, b1, w2, b2: relu((x @ w1 + b1) @ w2) + b2, "before @ w2"),
        (lambda x, w1, b1, w2, b2: relu(relu(x @ w1 + b1) @ w2 + b2), "bends twice"),
        (lambda x, w1, b1, w2, b2: relu(x @ w1 + b1), "one step is left"),
        (lambda x, w1, b1, w2, b2: x + relu(x @ w1 + b1) @ w2 + b2, "layer around it"),
    ],
    "feedforward.fold": [
        (lambda w1, b1, w2, b2: w1 @ w2, "return w, b"),
        (lambda w1, b1, w2, b2: (w1 @ w2, b2), "b2 alone"),
        (lambda w1, b1, w2, b2: (w1 @ w2, b1 @ w2), "b2 is missing"),
        (lambda w1, b1, w2, b2: (w2 @ w1, b2), "turned round"),
        (lambda w1, b1, w2, b2: (b1 @ w2 + b2, w1 @ w2), "swapped"),
        (lambda w1, b1, w2, b2: ((w1 @ w2).T, b1 @ w2 + b2), "transposed"),
        (lambda w1, b1, w2, b2: (w1 @ w2, b1 + b2), "raised"),
    ],
    "feedforward.strongest": [
        (lambda n, w2, b2, k: n @ w2 + b2, "nothing was left out"),
        (lambda n, w2, b2, k: kept(n, n >= np.sort(n)[:, -k, None], w2, b2), "negative"),
        (lambda n, w2, b2, k: kept(n, np.abs(n) >= np.sort(np.abs(n), axis=None)[-k], w2, b2), "whole table"),
        (lambda n, w2, b2, k: kept(n, np.abs(n) > size_of_kth(n, k), w2, b2), "one too few"),
        (lambda n, w2, b2, k: kept(n, np.abs(n) <= np.sort(np.abs(n))[:, k - 1, None], w2, b2), "weakest"),
        (lambda n, w2, b2, k: kept(n, np.abs(n) >= size_of_kth(n, k), w2, 0), "bias is missing"),
        (lambda n, w2, b2, k: kept(np.abs(n), np.abs(n) >= size_of_kth(n, k), w2, b2), "own sign"),
    ],
}
