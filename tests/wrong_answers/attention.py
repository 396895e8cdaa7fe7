"""Wrong answers to the exercises of the chapter, each with a word of the reason that `check` gives; and right ones."""

import math

import numpy as np
from keras import ops


def softmax(x, axis=-1):
    return np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True)


def normalized(x):
    x = np.array(x)
    return x / x.sum()


def logits(q, k):
    return np.array(q) @ np.array(k).T


def cut_off(x):
    exponentials = [math.exp(min(element, 700)) for element in x]
    return [e / sum(exponentials) for e in exponentials]


def minus_largest(x):
    return softmax(np.array(x) - np.max(x))


def dot_loop(queries, keys, size, root):
    return [[sum(q[h] * k[h] for h in range(size)) / root for k in keys] for q in queries]


def sum_loop(rows, values, queries, size):
    return [[sum(w * v[h] for w, v in zip(rows[t], values, strict=False)) for h in range(size)] for t in range(queries)]


def masked_loop(x, mask):
    largest = max(a for a, visible in zip(x, mask, strict=True) if visible)
    exponentials = [math.exp(a - largest) if visible else 0 for a, visible in zip(x, mask, strict=True)]
    return [e / sum(exponentials) for e in exponentials]


def one_max(q, k, v):
    logits = q @ k.T / q.shape[-1] ** 0.5
    return softmax(logits - logits.max()) @ v


def attend_loop(q, k, v):
    logits = dot_loop(q, k, q.shape[-1], math.sqrt(q.shape[-1]))
    return [sum(w * value for w, value in zip(minus_largest(row), v, strict=True)) for row in logits]


def tensor(x):
    return ops.array(x, dtype="float32")


WRONG = {
    "attention.softmax_by_hand": [
        (np.exp, "sum"),
        (normalized, "raise e"),
        (lambda x: np.exp(np.array(x) - max(x)), "not by the largest"),
        (lambda x: softmax(-np.array(x)), "reversed"),
        (lambda x: softmax(np.array(x)), "overflow"),
        (lambda x: sum(x), "one number"),
        (cut_off, "equal values"),
        (lambda x: minus_largest(x) if max(x) > 0 else softmax(np.array(x)), "always"),
        (lambda x: softmax(np.array(x) - min(x)), "[0.0, 1000.0]"),
        (lambda x: np.round(minus_largest(x), 2), "expected"),
        (lambda x: np.sort(minus_largest(x)), "expected"),
    ],
    "attention.scaled_dot_products": [
        (logits, "1/sqrt(H)"),
        (lambda q, k: logits(q, k) / 5, "square root"),
        (lambda q, k: logits(q, k) / 3**0.5, "number of queries"),
        (lambda q, k: logits(k, q) / 5**0.5, "swapped"),
        (lambda q, k: softmax(logits(q, k) / 5**0.5), "after the softmax"),
        (lambda q, k: logits(q, k) / 5**0.5, "need not be five"),
        (lambda q, k: dot_loop(q, k, 5, 5**0.5), "need not be five"),
        (lambda q, k: dot_loop(q, k, 5, len(q[0]) ** 0.5), "need not be five"),
        (lambda q, k: dot_loop(q[:3], k, len(q[0]), len(q[0]) ** 0.5), "three queries"),
        (lambda q, k: dot_loop(q, k[:4], len(q[0]), len(q[0]) ** 0.5), "four keys"),
    ],
    "attention.weighted_sum": [
        (lambda weights, values: np.tile(np.mean(values, axis=0), (len(weights), 1)), "plain mean"),
        (lambda weights, values: np.array(values)[np.argmax(weights, axis=1)], "largest weight only"),
        (lambda weights, values: (np.array(weights) @ values).T, "swapped"),
        (lambda weights, values: (np.array(weights) @ values)[:, :3], "three elements"),
        (lambda weights, values: np.cumsum(np.array(weights) @ values, axis=0), "rows before"),
        (lambda weights, values: np.ones((3, 3)) @ weights @ values, "rows before"),
        (lambda weights, values: sum_loop(weights, values, len(weights), 5), "five elements"),
        (lambda weights, values: sum_loop(weights, values, 3, len(values[0])), "three queries"),
        (lambda weights, values: sum_loop(weights, values[:4], len(weights), len(values[0])), "four values"),
    ],
    "attention.masked_softmax_by_hand": [
        (lambda x, mask: softmax(np.array(x)) * mask, "after the softmax"),
        (lambda x, mask: softmax(np.array(x) * mask), "e^0 is 1"),
        (lambda x, mask: softmax(np.array(x)), "no effect"),
        (lambda x, mask: softmax(np.array(x) - 10 * (1 - np.array(mask))), "a billion"),
        (lambda x, mask: softmax(np.array(x) - 1e9 * np.array(mask)), "inverted"),
        (lambda x, mask: softmax(np.array(x) - 100 * (1 - np.array(mask))), "subtract a billion"),
        (lambda x, mask: minus_largest(np.array(x) - 100 * (1 - np.array(mask))), "subtract a billion"),
        (lambda x, mask: minus_largest(np.where(mask, x, -100)), "subtract a billion"),
        (lambda x, mask: normalized(minus_largest(x) * mask), "Mask first"),
        (lambda x, mask: softmax(np.array(x) - 1e9 * (1 - np.array(mask))), "Mask first"),
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
        (lambda q, k, v: softmax(q @ k.T / 5**0.5) @ v, "need not be five"),
        (one_max, "of each row"),
    ],
}

RIGHT = {
    "attention.softmax_by_hand": [
        lambda x: (math.exp(a - max(x)) / sum(math.exp(b - max(x)) for b in x) for a in x),
        minus_largest,
        lambda x: ops.softmax(tensor(x)),
    ],
    "attention.scaled_dot_products": [
        lambda q, k: dot_loop(q, k, len(k[0]), math.sqrt(len(k[0]))),
        lambda q, k: np.array(q) @ np.array(k).T / np.sqrt(len(q[0])),
        lambda q, k: ops.matmul(tensor(q), ops.transpose(tensor(k))) / len(q[0]) ** 0.5,
    ],
    "attention.weighted_sum": [
        lambda weights, values: sum_loop(weights, values, len(weights), len(values[0])),
        lambda weights, values: np.array(weights) @ np.array(values),
        lambda weights, values: ops.matmul(tensor(weights), tensor(values)),
    ],
    "attention.masked_softmax_by_hand": [
        masked_loop,
        lambda x, mask: minus_largest(np.where(mask, x, -np.inf)),
        lambda x, mask: ops.softmax(tensor(x) - 1e9 * (1 - tensor(mask))),
    ],
    "attention.attend": [
        attend_loop,
        lambda q, k, v: softmax(q @ k.T / q.shape[1] ** 0.5) @ v,  # as in the hint
        lambda q, k, v: ops.matmul(ops.softmax(ops.matmul(tensor(q), tensor(k.T)) / q.shape[1] ** 0.5), tensor(v)),
    ],
}
