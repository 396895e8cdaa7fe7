"""Wrong and right answers to the exercises of lab 5; the wrong ones with a part of the feedback."""

import math

import numpy as np
from keras import ops


def moved(attention, vectors):
    return attention * np.linalg.norm(vectors, axis=-1)


def fraction_of(norms, key):
    return norms[:, key].sum() / norms.sum()


def fraction_by_loops(attention, vectors, key):
    part = total = 0
    for row in attention:
        for s, weight in enumerate(row):
            norm = weight * math.sqrt(sum(element**2 for element in vectors[s]))
            total += norm
            part += norm * (s == key)
    return part / total


def fraction_by_tensors(attention, vectors, key):
    norms = ops.array(attention) * ops.sqrt(ops.sum(ops.array(vectors) ** 2, axis=-1))
    return ops.sum(norms[:, key]) / ops.sum(norms)


def outliers_by_loops(output):
    elements = [element for row in output for element in row]
    mean = sum(elements) / len(elements)
    deviation = math.sqrt(sum((element - mean) ** 2 for element in elements) / len(elements))
    return [sum(abs(element - mean) > 6 * deviation for element in row) for row in output]


def outliers_by_tensors(output):
    output = ops.array(output, dtype="float32")
    return ops.sum(ops.cast(ops.abs(output - ops.mean(output)) > 6 * ops.std(output), "int32"), axis=-1)


def far(output, limit=6, **options):
    centered = output - output.mean(**options, keepdims=True)
    return np.abs(centered) > limit * output.std(**options, keepdims=True)


WRONG = {
    "sinks_and_outliers.sink_fraction": [
        (0.9, "part of the attention"),
        (0.09, "Divide it by everything"),
        (0.1, "other tokens move"),
        (0.53, "part of the other tokens"),
        (0.82, "belongs to [CLS]"),
        (47.4, "percentage"),
        (0.3, "divide the product"),
        ([0.47, 0.53], "one number"),
    ],
    "sinks_and_outliers.fraction_moved": [
        (lambda a, v, key: a[:, key].mean(), "part of the attention"),
        (lambda a, v, key: moved(a, v)[:, key].sum(), "norm that the key moves"),
        (lambda a, v, key: moved(a, v)[:, key].mean(), "mean norm"),
        (lambda a, v, key: moved(a, v)[:, key] / moved(a, v).sum(axis=1), "fractions of the queries"),
        (lambda a, v, key: np.mean(moved(a, v)[:, key] / moved(a, v).sum(axis=1)), "each query's fraction"),
        (lambda a, v, key: np.linalg.norm(v[key]) / np.linalg.norm(v, axis=1).sum(), "weights are missing"),
        (lambda a, v, key: fraction_of(a * (v**2).sum(axis=-1), key), "square root"),
        (lambda a, v, key: fraction_of(a * np.abs(v).sum(axis=-1), key), "absolute values"),
        (lambda a, v, key: fraction_of(a * np.abs(v.sum(axis=-1)), key), "cancel out"),
        (lambda a, v, key: moved(a, v)[key % 4].sum() / moved(a, v).sum(), "Keys are the columns"),
        (lambda a, v, key: fraction_of(moved(a, v)[:4], key), "fraction_moved([["),
    ],
    "sinks_and_outliers.count_outliers": [
        (lambda x: far(x).sum(axis=0), "each dimension"),
        (lambda x: far(x).sum(), "number of all outliers"),
        (lambda x: far(x), "outliers themselves"),
        (lambda x: (x - x.mean() > 6 * x.std()).sum(axis=-1), "below the mean"),
        (lambda x: (np.abs(x) > 6 * x.std()).sum(axis=-1), "subtract the mean"),
        (lambda x: far(x, 3).sum(axis=-1), "three standard deviations"),
        (lambda x: (np.abs(x - x.mean()) > 6 * x.var()).sum(axis=-1), "not the variance"),
        (lambda x: (np.abs(x - x.mean()) > 6).sum(axis=-1), "unit is missing"),
        (lambda x: far(x, axis=-1).sum(axis=-1), "all tokens"),
        (lambda x: far(x, axis=0).sum(axis=-1), "of all elements"),
        (lambda x: far(x).mean(axis=-1), "fraction"),
        (lambda x: [0, 2, 0, 0, 1, 0], "count_outliers([["),
    ],
}

RIGHT = {
    "sinks_and_outliers.sink_fraction": [0.47, 0.474, 9 / 19, np.float32(0.4737), ops.array(0.4737)],
    "sinks_and_outliers.fraction_moved": [
        fraction_by_loops,
        fraction_by_tensors,
        lambda a, v, key: fraction_of(moved(a, v), key),
        lambda a, v, key: np.einsum("ts,s->s", a, np.sqrt((v**2).sum(axis=1)))[key] / moved(a, v).sum(),
    ],
    "sinks_and_outliers.count_outliers": [
        outliers_by_loops,
        outliers_by_tensors,
        lambda x: far(x).sum(axis=-1),
        lambda x: np.count_nonzero(((x - x.mean()) / max(x.std(), 1e-9)) ** 2 > 36, axis=1),
    ],
}
