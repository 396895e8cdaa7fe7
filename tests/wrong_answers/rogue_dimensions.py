"""Wrong and right answers to the exercises of lab 4; the wrong ones with a part of the feedback."""

import numpy as np
from keras import ops


def units(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def pairs(x):
    return [x[i] * x[j] for i in range(len(x)) for j in range(i)]


def by_loops(x):
    total = [0.0] * len(x[0])
    for i in range(len(x)):
        for j in range(i + 1, len(x)):
            lengths = sum(a * a for a in x[i]) ** 0.5 * sum(a * a for a in x[j]) ** 0.5
            for d in range(len(total)):
                total[d] += x[i][d] * x[j][d] / lengths
    return [number / (len(x) * (len(x) - 1) / 2) for number in total]


def by_tensors(x):
    x = ops.array(x, dtype="float32")
    x = x / ops.norm(x, axis=1, keepdims=True)
    count = x.shape[0] * (x.shape[0] - 1)
    return (ops.sum(x, axis=0) ** 2 - ops.sum(x**2, axis=0)) / count


def z(train, new):
    return (new - train.mean(0)) / np.where(train.std(0) > 0, train.std(0), 1)


def z_by_loops(train, new):
    means = [sum(column) / len(train) for column in train.T]
    squares = [sum((a - mean) ** 2 for a in column) for column, mean in zip(train.T, means, strict=True)]
    deviations = [(square / len(train)) ** 0.5 or 1 for square in squares]
    return [[(a - m) / s for a, m, s in zip(row, means, deviations, strict=True)] for row in new]


def z_by_tensors(train, new):
    train, new = (ops.array(array, dtype="float32") for array in (train, new))
    deviation = ops.std(train, axis=0)
    return (new - ops.mean(train, axis=0)) / ops.where(deviation > 0, deviation, 1.0)


WRONG = {
    "rogue_dimensions.one_dimension": [
        (30 / 130, "square"),
        (900, "dot product"),
        (900 / 1000**0.5, "both vectors"),
        (900 / 930, "add up to 100"),
        (1 / 101, "one dimension of 101"),
        (0, "near 0"),
        (1, "longer"),
        (0.5, "product of the lengths"),
        ([0.9, 0.9], "one number"),
    ],
    "rogue_dimensions.contributions": [
        (lambda x: (units(x).mean(0)) ** 2, "no pair"),
        (lambda x: np.mean(pairs(x), axis=0), "by its length first"),
        (lambda x: np.mean(pairs(units(x)), axis=0).sum(), "What does each dimension"),
        (lambda x: np.sum(pairs(units(x)), axis=0), "Take the mean"),
        (lambda x: 2 * np.mean(pairs(units(x)), axis=0), "every pair once"),
        (lambda x: np.mean(pairs(units(x)), axis=0) / 2, "only once"),
        (lambda x: np.abs(pairs(units(x))).mean(0), "signs are lost"),
        (lambda x: np.mean(p := pairs(units(x)), axis=0) / np.mean(np.sum(p, axis=1)), "fractions"),
        (lambda x: np.mean(pairs(x / np.linalg.norm(x, axis=0)), axis=0), "length of its own"),
        (lambda x: np.mean(pairs(units(x[:5])), axis=0), "contributions_of([["),
    ],
    "rogue_dimensions.standardize_new": [
        (lambda train, new: z(new, new), "those of `train`"),
        (lambda train, new: z(train, train), "the new ones"),
        (lambda train, new: new - train.mean(0), "division"),
        (lambda train, new: new / train.std(0), "subtract the means"),
        (lambda train, new: new - train.mean(0) / train.std(0), "parentheses"),
        (lambda train, new: (new - train.mean(0)) / train.var(0), "square root"),
        (lambda train, new: (new - train.mean(0)) / train.std(0, ddof=1), "not by R - 1"),
        (lambda train, new: (new - train.mean()) / train.std(), "axis=0"),
        (lambda train, new: (new - train.mean(0)) / train.std(0), "divide by 1"),
        (lambda train, new: np.where(train.std(0) > 0, z(train, new), 0), "divide by 1"),
    ],
}

RIGHT = {
    "rogue_dimensions.contributions": [
        by_loops,
        by_tensors,
        lambda x: np.mean(pairs(units(x)), axis=0),
        lambda x: ((p := units(x)[:, None] * units(x)).sum((0, 1)) - np.einsum("iid->d", p)) / (len(x) ** 2 - len(x)),
    ],
    "rogue_dimensions.standardize_new": [
        z_by_loops,
        z_by_tensors,
        z,
        lambda train, new: np.divide(new - np.mean(train, axis=0), np.sqrt(v := np.var(train, axis=0)) + (v == 0)),
    ],
}
