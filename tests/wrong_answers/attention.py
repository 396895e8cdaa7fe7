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


def multi_head(x, kernels, biases, n, mask, root=None, cut=False, uncut=False, projected=True, biased=True, reach=1e9):
    q, k, v = (x @ kernels[name] + (biases[name] if biased else 0) for name in ("query", "key", "value"))
    q, k, v = (y.reshape(n, len(x), -1) if cut else y.reshape(len(x), n, -1).swapaxes(0, 1) for y in (q, k, v))
    logits = q @ k.swapaxes(1, 2) / (root or q.shape[-1]) ** 0.5 - reach * (1 - mask)
    context = softmax(logits - logits.max(axis=-1, keepdims=True)) @ v
    joined = (context if uncut else context.swapaxes(0, 1)).reshape(len(x), -1)
    return joined @ kernels["output"] + (biases["output"] if biased else 0) if projected else joined


def parts(x, kernels, biases, n):
    """Queries, keys and values of n heads, [N, T, H] each."""
    projected = [x @ kernels[name] + biases[name] for name in ("query", "key", "value")]
    return (y.reshape(len(x), n, -1).swapaxes(0, 1) for y in projected)


def mask_after(x, kernels, biases, n, mask):
    q, k, v = parts(x, kernels, biases, n)
    context = (softmax(q @ k.swapaxes(1, 2) / q.shape[-1] ** 0.5) * mask @ v).swapaxes(0, 1).reshape(len(x), -1)
    return context @ kernels["output"] + biases["output"]


def mask_on_queries(x, kernels, biases, n, mask):
    q, k, v = parts(x, kernels, biases, n)
    logits = q @ k.swapaxes(1, 2) / q.shape[-1] ** 0.5 - 1e9 * (1 - mask[:, None])
    context = softmax(logits - logits.max(axis=-1, keepdims=True)) @ v
    return context.swapaxes(0, 1).reshape(len(x), -1) @ kernels["output"] + biases["output"]


def added_heads(x, kernels, biases, n, mask, projected=False):
    q, k, v = parts(x, kernels, biases, n)
    context = (softmax(q @ k.swapaxes(1, 2) / q.shape[-1] ** 0.5) @ v).sum(axis=0)
    return context @ kernels["output"] + biases["output"] if projected else context


def small_logits_only(x, kernels, biases, n, mask):
    q, k, v = parts(x, kernels, biases, n)
    context = softmax(q @ k.swapaxes(1, 2) / q.shape[-1] ** 0.5 - 1e9 * (1 - mask)) @ v
    return context.swapaxes(0, 1).reshape(len(x), -1) @ kernels["output"] + biases["output"]


def multi_head_loop(x, kernels, biases, n, mask):
    """Head by head; each adds its own part of the output projection."""
    size, output = len(kernels["output"]) // n, np.tile(biases["output"], (len(x), 1))
    for head in range(n):
        part = slice(head * size, (head + 1) * size)
        q, k, v = (x @ kernels[name][:, part] + biases[name][part] for name in ("query", "key", "value"))
        for t in range(len(x)):
            row = masked_loop(list(q[t] @ k.T / math.sqrt(size)), list(mask))
            output[t] += sum(w * value for w, value in zip(row, v, strict=True)) @ kernels["output"][part]
    return output


def multi_head_tensors(x, kernels, biases, n, mask):
    x, mask = tensor(x), tensor(mask)
    q, k, v = (ops.matmul(x, tensor(kernels[name])) + tensor(biases[name]) for name in ("query", "key", "value"))
    q, k, v = (ops.reshape(y, (len(x), n, -1)) for y in (q, k, v))
    logits = ops.einsum("tnh,snh->nts", q, k) / q.shape[-1] ** 0.5 - 1e9 * (1 - mask)
    joined = ops.reshape(ops.einsum("nts,snh->tnh", ops.softmax(logits), v), (len(x), -1))
    return ops.matmul(joined, tensor(kernels["output"])) + tensor(biases["output"])


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
    "attention.multi_head": [
        (lambda *a: multi_head(*a, cut=True), "mixes the tokens"),
        (lambda *a: multi_head(*a, uncut=True), "wrong order"),
        (lambda *a: multi_head(*a, root=a[0].shape[-1]), "sqrt(D)"),
        (lambda *a: multi_head(*a, root=1), "1/sqrt(H)"),
        (lambda *a: multi_head(*a, root=a[3]), "number of heads"),
        (lambda *a: multi_head(*a, projected=False), "output projection is missing"),
        (lambda *a: multi_head(*a, biased=False), "all four biases"),
        (lambda *a: multi_head(*a) - a[2]["output"], "bias of the output projection"),
        (lambda *a: multi_head(*a[:4], 1 - a[4]), "inverted"),
        (lambda *a: multi_head(*a, reach=0), "mask has no effect"),
        (mask_on_queries, "to a query"),
        (lambda *a: multi_head(*a) * a[4][:, None], "hide keys only"),
        (mask_after, "after the softmax"),
        (added_heads, "side by side"),
        (lambda *a: added_heads(*a, projected=True), "not added up"),
        (lambda *a: multi_head(*a, reach=10), "expected"),
        (small_logits_only, "largest visible logit"),
        (lambda *a: np.abs(multi_head(*a)), "expected"),
        (lambda *a: a[0], "expected"),
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
    "attention.multi_head": [
        multi_head_loop,
        multi_head,
        multi_head_tensors,
    ],
}
