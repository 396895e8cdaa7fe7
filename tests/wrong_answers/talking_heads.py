"""Wrong answers to the exercises of the chapter, and a word that the reason given must hold."""

import numpy as np


def softmax(x, axis=-1):
    powers = np.exp(x)
    return powers / powers.sum(axis=axis, keepdims=True)


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def mix(x, table):
    return np.einsum("nts,nm->mts", x, table)


WRONG = {
    "talking_heads.inner_dim": [
        (3072, "half as large again"),
        (1536, "two thirds"),
        (4608, "more neurons"),
        (1024, "one third"),
        (2000, "three matrices"),
        ([2048, 2048], "one number"),
    ],
    "talking_heads.row_sums": [
        (lambda after: [sum(row) for row in after], "column m"),
        (lambda after: [1] * len(after), "changes that"),
        (lambda after: np.sum(after), "whole table"),
        (lambda after: np.diag(after), "the others"),
        (lambda after: np.mean(after, axis=0), "divided"),
        (lambda after: np.abs(after).sum(axis=0), "signs"),
    ],
    "talking_heads.added_parameters": [
        (lambda layers, d, f, n: layers * (n * n + d * f + f), "two mixings"),
        (lambda layers, d, f, n: layers * (2 * n * n + d * f), "bias is missing"),
        (lambda layers, d, f, n: 2 * n * n + d * f + f, "one layer"),
        (lambda layers, d, f, n: layers * 2 * n * n, "gates are missing"),
        (lambda layers, d, f, n: layers * (d * f + f), "mixings are missing"),
        (lambda layers, d, f, n: layers * 2 * n * n + d * f + f, "in every layer"),
        (lambda layers, d, f, n: layers * (2 * n * n + d * f) + f, "brackets"),
        (lambda layers, d, f, n: layers * (2 * n * n + d * f + d), "not of size D"),
        (lambda layers, d, f, n: layers * (2 * n + d * f + f), "not a list"),
        (lambda layers, d, f, n: layers * (2 * n * n + 2 * (d * f + f)), "one gate is added"),
        (lambda layers, d, f, n: layers * (2 * n * n + 2 * d * f + d + f), "way back"),
        (lambda layers, d, f, n: 100_773_888, "expected 236"),
    ],
    "talking_heads.gated_neurons": [
        (lambda x, w, b, v, c: gelu(x @ w + b) * gelu(x @ v + c), "stay linear"),
        (lambda x, w, b, v, c: (x @ w + b) * gelu(x @ v + c), "on the gate"),
        (lambda x, w, b, v, c: gelu((x @ w + b) * (x @ v + c)), "product goes through"),
        (lambda x, w, b, v, c: gelu(x @ w + b) + (x @ v + c), "multiplies"),
        (lambda x, w, b, v, c: gelu(x @ w + b), "no gate"),
        (lambda x, w, b, v, c: (x @ w + b) * (x @ v + c), "GELU is missing"),
        (lambda x, w, b, v, c: gelu(x @ w) * (x @ v), "both biases"),
        (lambda x, w, b, v, c: gelu(x @ w) + b * (x @ v + c), "goes into GELU"),
        (lambda x, w, b, v, c: np.maximum(x @ w + b, 0) * (x @ v + c), "ReLU"),
        (lambda x, w, b, v, c: gelu(x @ w + b) @ (x @ v + c).T, "of its own"),
        (lambda x, w, b, v, c: gelu(x * w + b) * (x * v + c), "number by number"),
        (lambda x, w, b, v, c: gelu(x @ w + b) / (1 + np.exp(-(x @ v + c))), "sigmoid"),
    ],
    "talking_heads.talk": [
        (lambda x, before, after: softmax(x), "do not talk"),
        (lambda x, before, after: softmax(mix(x, before)), "second mixing is missing"),
        (lambda x, before, after: mix(softmax(x), after), "first mixing is missing"),
        (lambda x, before, after: mix(softmax(mix(x, before.T)), after.T), "turned round"),
        (lambda x, before, after: mix(softmax(mix(x, after)), before), "changed places"),
        (lambda x, before, after: mix(softmax(mix(x, before), axis=0), after), "over the heads"),
        (lambda x, before, after: mix(mix(x, before), after), "no softmax"),
        (lambda x, before, after: softmax(mix(mix(x, before), after)), "comes last"),
        (lambda x, before, after: mix(mix(softmax(x), before), after), "belongs before it"),
        (lambda x, before, after: softmax(mix(softmax(mix(x, before)), after)), "nothing comes after"),
        (lambda x, before, after: mix(softmax(mix(x, before), axis=None), after), "of its own"),
        (lambda x, before, after: softmax(x @ before) @ after, "first axis"),
    ],
}
