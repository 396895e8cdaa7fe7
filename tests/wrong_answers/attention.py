"""Wrong answers to the exercises of the chapter, each with a word of the reason that `check` gives."""

import numpy as np


def softmax(x, axis=-1):
    return np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True)


def normalized(x):
    x = np.array(x)
    return x / x.sum()


def logits(q, k):
    return np.array(q) @ np.array(k).T


WRONG = {
    "attention.softmax_by_hand": [
        (np.exp, "sum"),
        (normalized, "raise e"),
        (lambda x: np.exp(np.array(x) - max(x)), "not by the largest"),
        (lambda x: softmax(-np.array(x)), "reversed"),
        (lambda x: softmax(np.array(x)), "overflow"),
        (lambda x: sum(x), "one number"),
    ],
    "attention.scaled_dot_products": [
        (logits, "1/sqrt(H)"),
        (lambda q, k: logits(q, k) / 5, "square root"),
        (lambda q, k: logits(q, k) / 3**0.5, "number of queries"),
        (lambda q, k: logits(k, q) / 5**0.5, "swapped"),
        (lambda q, k: softmax(logits(q, k) / 5**0.5), "after the softmax"),
    ],
    "attention.weighted_sum": [
        (lambda weights, values: np.tile(np.mean(values, axis=0), (len(weights), 1)), "plain mean"),
        (lambda weights, values: np.array(values)[np.argmax(weights, axis=1)], "largest weight only"),
        (lambda weights, values: (np.array(weights) @ values).T, "swapped"),
        (lambda weights, values: (np.array(weights) @ values)[:, :3], "three elements"),
        (lambda weights, values: np.cumsum(np.array(weights) @ values, axis=0), "rows before"),
        (lambda weights, values: np.ones((3, 3)) @ weights @ values, "rows before"),
    ],
    "attention.masked_softmax_by_hand": [
        (lambda x, mask: softmax(np.array(x)) * mask, "after the softmax"),
        (lambda x, mask: softmax(np.array(x) * mask), "e^0 is 1"),
        (lambda x, mask: softmax(np.array(x)), "no effect"),
        (lambda x, mask: softmax(np.array(x) - 10 * (1 - np.array(mask))), "a billion"),
        (lambda x, mask: softmax(np.array(x) - 1e9 * np.array(mask)), "inverted"),
    ],
    "attention.attend": [
        (lambda q, k, v: softmax(q @ k.T / 5**0.5, axis=0) @ v, "wrong axis"),
        (lambda q, k, v: softmax(q @ k.T) @ v, "1/sqrt(H)"),
        (lambda q, k, v: softmax(q @ k.T / 5**0.5), "one step is left"),
        (lambda q, k, v: softmax(q @ k.T / len(q) ** 0.5) @ v, "root of T"),
        (lambda q, k, v: softmax(q @ k.T / len(k) ** 0.5) @ v, "root of S"),
        (lambda q, k, v: np.exp(q @ k.T) / np.exp(q @ k.T).sum(axis=1) @ v, "keepdims"),
        (lambda q, k, v: (q @ k.T / 5**0.5) @ v, "no softmax"),
        (lambda q, k, v: softmax(q @ k.T / 5**0.5) @ k, "sum the values"),
    ],
}
