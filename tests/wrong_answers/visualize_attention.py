"""Wrong and right answers to the exercises of chapter 12; the wrong ones with a part of the feedback."""

import functools
import math

import numpy as np
from keras import ops


def relative_head(attention, offset, start=1, flat=False):
    """Return the head with the largest mean weight at `offset` from the query."""
    t = np.arange(start, attention.shape[-1] - max(offset, 0))
    weights = attention[:, :, t, t + offset].mean(axis=-1)
    return weights.argmax() if flat else np.unravel_index(weights.argmax(), weights.shape)


def quantized(row, low=None, high=None, steps=255, to_integer=round, guard=True):
    """Return low, step and bytes of a row, which are correct with the defaults; every argument can break one thing."""
    low = min(row) if low is None else low
    step = ((max(row) if high is None else high) - low) / steps
    if steps == 1:
        return low, step, [round(255 * (weight - low) / step) if step else 0 for weight in row]
    return low, step, [to_integer((weight - low) / step) if step or not guard else 0 for weight in row]


def rollout(layers, multiply):
    result = np.eye(layers.shape[-1])
    for layer in layers:
        result = multiply((layer + np.eye(len(layer))) / 2, result)
    return result


def in_range(row, other):
    """Return a correct answer, but the byte `other` for equal weights."""
    low, step, levels = quantized(row)
    return low, step, levels if step else [other] * len(row)


def head_by_loops(attention):
    best = None
    for layer in range(len(attention)):
        for head in range(len(attention[layer])):
            rows = attention[layer][head]
            weights = [rows[t][t - 1] for t in range(1, len(rows))]
            if best is None or sum(weights) > best[0]:
                best = sum(weights), layer, head
    return best[1:]


def head_by_tensors(attention):
    weights = ops.mean(ops.diagonal(ops.array(attention), offset=-1, axis1=2, axis2=3), axis=-1)
    return divmod(int(ops.argmax(weights)), weights.shape[1])


def row_by_arrays(row):
    row = np.array(row)
    step = (row.max() - row.min()) / 255
    return row.min(), step, np.rint((row - row.min()) / (step or 1)).astype("uint8")


def row_by_tensors(row):
    row = ops.array(row)
    low, step = ops.min(row), (ops.max(row) - ops.min(row)) / 255
    return low, step, ops.where(step > 0, ops.round((row - low) / ops.maximum(step, 1e-30)), 0)


def rollout_by_loops(layers):
    size = len(layers[0])
    result = [[float(t == s) for s in range(size)] for t in range(size)]
    for layer in layers:
        result = [
            [sum((layer[t][k] + (t == k)) / 2 * result[k][s] for k in range(size)) for s in range(size)]
            for t in range(size)
        ]
    return result


def rollout_by_tensors(layers):
    result = ops.eye(layers.shape[-1])
    for layer in ops.array(layers, dtype="float32"):
        result = ops.matmul((layer + ops.eye(layers.shape[-1])) / 2, result)
    return result


def norm_by_loops(attention_scores, values, output_kernel):
    norms = []
    for scores, value, kernel in zip(attention_scores, values, output_kernel, strict=True):
        total = 0
        for row in scores:
            context = [sum(weight * v[h] for weight, v in zip(row, value, strict=True)) for h in range(len(kernel))]
            output = [sum(c * kernel[h][d] for h, c in enumerate(context)) for d in range(len(kernel[0]))]
            total += math.hypot(*output)
        norms.append(total / len(scores))
    return norms


def norm_by_tensors(attention_scores, values, output_kernel):
    scores, values, kernel = (ops.array(x, dtype="float32") for x in (attention_scores, values, output_kernel))
    return ops.mean(ops.norm(ops.matmul(ops.matmul(scores, values), kernel), axis=-1), axis=-1)


WRONG = {
    "visualize_attention.bits": [
        (64, "number of tokens"),
        (1, "there are 64"),
        (math.log(64), "base 2"),
        (-6, "sign"),
        (1 / 64, "weight of each"),
        (32, "halve"),
        ([6], "one number"),
        (5, "expected 6"),
    ],
    "visualize_attention.previous_token_head": [
        (lambda a: relative_head(a, 1), "next token"),
        (lambda a: relative_head(a, 0), "itself"),
        (lambda a: relative_head(a, -1)[::-1], "layer comes first"),
        (lambda a: relative_head(a, -1, flat=True), "flattened"),
        (lambda a: np.unravel_index(a[..., 0].mean(axis=-1).argmax(), a.shape[:2]), "first token"),
        (lambda a: relative_head(a, -1, start=0), "Begin with row 1"),
        (lambda a: np.diagonal(a, -1, 2, 3).mean(axis=-1).max(), "argmax"),
        (lambda a: np.unravel_index(np.diagonal(a, -1, 2, 3).max(axis=-1).argmax(), a.shape[:2]), "mean over the rows"),
        (lambda a: a.mean(axis=-1), "shape"),
        (lambda a: relative_head(a[..., :5, :5], -1), "previous_token_head([[[["),
        (lambda a: relative_head(a, -1, start=2), "Begin with row 1"),
    ],
    "visualize_attention.row_to_bytes": [
        (lambda row: quantized(row, low=0, high=1), "fixed step"),
        (lambda row: (*quantized(row)[:2], [round(255 * weight) for weight in row]), "own step"),
        (lambda row: quantized(row, to_integer=int), "Round to the nearest"),
        (lambda row: quantized(row, to_integer=math.ceil), "rounded up"),
        (lambda row: quantized(row, to_integer=float), "integer"),
        (lambda row: quantized(row, low=row[0]), "expected low = 0.125, got 0.1305"),
        (lambda row: quantized(row, high=row[-1]), "expected step"),
        (lambda row: in_range(row, 256), "For 512 equal weights, the bytes are not"),
        (lambda row: in_range(row, 0.5), "For 512 equal weights, the bytes are not"),
        (lambda row: quantized(row) if len(row) > 1 else (0, 0, [0]), "For one weight, low + step * byte"),
        (lambda row: quantized(row, low=0), "smallest weight"),
        (lambda row: quantized(row, steps=256), "not 256"),
        (lambda row: quantized(row, steps=1), "Divide it by 255"),
        (lambda row: [quantized(row)[i] for i in (1, 0, 2)], "swapped"),
        (lambda row: quantized(row, guard=False), "step is 0"),
        (lambda row: quantized(row)[2], "three values"),
        (lambda row: (0, 0, [0] * len(row)), "expected low"),
    ],
    "visualize_attention.rollout": [
        (lambda layers: rollout(layers, lambda p, r: r @ p), "reversed"),
        (lambda layers: rollout(2 * layers - np.eye(5), lambda p, r: p @ r), "residual connection is missing"),
        (lambda layers: rollout(layers, lambda p, r: 2 * p @ r), "rows sum to 8"),
        (lambda layers: layers.mean(axis=0), "mean of the layers"),
        (lambda layers: rollout(layers, lambda p, r: p * r), "element by element"),
        (lambda layers: rollout(layers[-1:], lambda p, r: p @ r), "last layer only"),
        (lambda layers: rollout(layers[:1], lambda p, r: p @ r), "inside the loop"),
        (
            lambda layers: rollout(np.concatenate([2 * layers[:1] - np.eye(5), layers[1:]]), np.matmul),
            "first layer has a residual",
        ),
        (lambda layers: rollout(layers, lambda p, r: (p - np.eye(5) / 2) @ r + np.eye(5) / 2), "not of the input"),
        (lambda layers: layers, "shape [5, 5]"),
        (lambda layers: rollout(layers[:3], np.matmul), "attention_rollout([[["),
    ],
    "visualize_attention.head_output_norm": [
        (lambda scores, v, w: np.linalg.norm(scores @ v, axis=-1).mean(axis=-1), "output kernel"),
        (lambda scores, v, w: np.linalg.norm((scores @ v @ w).mean(axis=1), axis=-1), "norm first"),
        (lambda scores, v, w: np.linalg.norm(scores @ v @ w, axis=-1), "for each token"),
        (lambda scores, v, w: np.linalg.norm(scores @ v @ w, axis=-1).sum(axis=-1), "sums over"),
        (lambda scores, v, w: np.linalg.norm(scores @ v @ w, axis=-1).mean(axis=0), "over heads"),
        (lambda scores, v, w: ((scores @ v @ w) ** 2).sum(axis=-1).mean(axis=-1), "square root"),
        (lambda scores, v, w: np.linalg.norm((scores @ v @ w).sum(axis=0), axis=-1), "added up"),
        (
            lambda scores, v, w: (scores @ np.linalg.norm(v, axis=-1)[..., None]).mean(axis=(1, 2)),
            "Vectors can cancel out",
        ),
        (lambda scores, v, w: scores @ v @ w, "vectors themselves"),
        (lambda scores, v, w: np.linalg.norm(scores @ v @ w, axis=(1, 2)), "one norm for all tokens"),
        (lambda scores, v, w: np.linalg.norm(scores @ v @ w, axis=1).mean(axis=-1), "last axis"),
        (lambda scores, v, w: np.abs(scores @ v @ w).sum(axis=-1).mean(axis=-1), "sum of squares"),
        (lambda scores, v, w: (scores @ v @ w).mean(axis=(1, 2)), "norms first"),
        (lambda scores, v, w: np.linalg.norm(scores @ v @ w, axis=-1).mean(), "each head"),
        (lambda scores, v, w: np.linalg.norm(scores @ v @ w, axis=-1).sum(axis=-1) / 4, "head_output_norm([[["),
    ],
}

RIGHT = {
    "visualize_attention.previous_token_head": [
        head_by_loops,
        head_by_tensors,
        lambda a: relative_head(a, -1),
        lambda a: np.argwhere((w := np.trace(a, -1, 2, 3)) == w.max())[0],
        lambda a: divmod(int(np.einsum("lntt->ln", a[:, :, 1:, :-1]).argmax()), a.shape[1]),
    ],
    "visualize_attention.row_to_bytes": [
        quantized,
        row_by_arrays,
        row_by_tensors,
        lambda row: (*quantized(row)[:2], bytes(quantized(row)[2])),
        lambda row: (*quantized(row)[:2], bytearray(quantized(row)[2])),
        lambda row: (*quantized(row)[:2], iter(quantized(row)[2])),
        lambda row: quantized(row, to_integer=lambda steps: int(steps + 0.5)),
        lambda row: in_range(row, 255),
    ],
    "visualize_attention.rollout": [
        rollout_by_loops,
        rollout_by_tensors,
        lambda layers: rollout(layers, np.matmul),
        lambda layers: functools.reduce(lambda r, p: (p @ r + r) / 2, layers, np.eye(layers.shape[1])),
        lambda layers: rollout(layers, lambda p, r: p / p.sum(axis=-1, keepdims=True) @ r),
    ],
    "visualize_attention.head_output_norm": [
        norm_by_loops,
        norm_by_tensors,
        lambda scores, v, w: np.linalg.norm(scores @ (v @ w), axis=-1).mean(axis=-1),
        lambda scores, v, w: np.sqrt((np.einsum("nts,nsh,nhd->ntd", scores, v, w) ** 2).sum(axis=2)).mean(axis=1),
        lambda scores, v, w: [np.mean(np.linalg.norm(s @ v[n] @ w[n], axis=-1)) for n, s in enumerate(scores)],
    ],
}
