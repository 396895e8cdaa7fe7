"""Wrong and right answers to the exercises of lab 3; the wrong ones with a part of the feedback."""

import functools

import numpy as np
import scipy.stats
from keras import ops


def ranks(values):
    return np.argsort(np.argsort(values))


def walk(layers, position, residual=0.5):
    row = np.eye(layers.shape[-1])[position]
    for weights in layers:
        row = (1 - residual) * row @ weights + residual * row
    return row


def whole_rollout(layers, position):
    joint = np.eye(layers.shape[-1])
    for weights in layers:
        joint = (weights @ joint + joint) / 2
    return joint[position]


def column(layers, position):
    joint = np.eye(layers.shape[-1])
    for weights in layers:
        joint = (weights @ joint + joint) / 2
    return joint[:, position]


def paths(first, second):
    return np.minimum(second[:, :, None], first)


def flow_by_lists(first, second):
    n = range(len(first))
    return [[sum(min(second[q][k], first[k][s]) for k in n) for s in n] for q in n]


def spearman_by_loops(x, y):
    def smaller(values, value):
        return sum(other < value for other in values)

    total = sum((smaller(x, a) - smaller(y, b)) ** 2 for a, b in zip(x, y, strict=True))
    return 1 - 6 * total / (len(x) ** 3 - len(x))


WRONG = {
    "rollout_and_flow.spearman": [
        (lambda x, y: np.corrcoef(x, y)[0, 1], "Pearson"),
        (lambda x, y: 1 - 6 * np.sum(np.subtract(x, y) ** 2) / (len(x) * (len(x) ** 2 - 1)), "differences of the num"),
        (lambda x, y: 1 - np.sum((ranks(x) - ranks(y)) ** 2) / (len(x) * (len(x) ** 2 - 1)), "factor 6"),
        (lambda x, y: 1 - 6 * np.sum(np.abs(ranks(x) - ranks(y))) / (len(x) * (len(x) ** 2 - 1)), "square"),
        (lambda x, y: 1 - 6 * np.sum((ranks(x) - ranks(y)) ** 2) / len(x) ** 3, "not by n"),
        (lambda x, y: 6 * np.sum((ranks(x) - ranks(y)) ** 2) / (len(x) * (len(x) ** 2 - 1)), "from 1"),
        (lambda x, y: -spearman_by_loops(x, y), "reversed"),
        (lambda x, y: np.corrcoef(np.argsort(x), np.argsort(y))[0, 1], "argsort"),
        (lambda x, y: 0.5, "expected"),
        (lambda x, y: spearman_by_loops(x[:5], y[:5]), "spearman(["),
    ],
    "rollout_and_flow.rollout_row": [
        (lambda layers, position: walk(layers, position), "wrong order"),
        (lambda layers, position: walk(layers[::-1], position, 0), "residual connection"),
        (lambda layers, position: 2 ** len(layers) * whole_rollout(layers, position), "halve the sum"),
        (column, "that is a column"),
        (lambda layers, position: layers[-1, position], "last layer alone"),
        (lambda layers, position: (layers[-1] + np.eye(layers.shape[-1]))[position] / 2, "through all"),
        (lambda layers, position: whole_rollout(layers, 1), "rollout_row("),
    ],
    "rollout_and_flow.two_layer_flow": [
        (lambda first, second: second @ first, "products"),
        (lambda first, second: paths(second, first).sum(axis=1), "swapped"),
        (lambda first, second: paths(first, second).max(axis=1), "best path"),
        (lambda first, second: np.maximum(second[:, :, None], first).sum(axis=1), "use min"),
        (lambda first, second: paths(first, second).sum(axis=1).T, "transposed"),
        (lambda first, second: np.minimum(second, first), "do not exist"),
        (lambda first, second: (f := paths(first, second).sum(axis=1)) / f.sum(axis=1, keepdims=True), "divide"),
        (lambda first, second: paths(first, second)[:, :3].sum(axis=1), "two_layer_flow("),
    ],
}

RIGHT = {
    "rollout_and_flow.spearman": [
        spearman_by_loops,
        lambda x, y: scipy.stats.spearmanr(x, y).statistic,
        lambda x, y: np.corrcoef(ranks(x), ranks(y))[0, 1],
        lambda x, y: np.corrcoef(scipy.stats.rankdata(x), scipy.stats.rankdata(y))[0, 1],
    ],
    "rollout_and_flow.rollout_row": [
        whole_rollout,
        lambda layers, position: functools.reduce(
            lambda row, w: (row @ w + row) / 2, layers[::-1], np.eye(len(layers[0]))[position]
        ),
        lambda layers, position: ops.convert_to_tensor(whole_rollout(layers, position)),
    ],
    "rollout_and_flow.two_layer_flow": [
        flow_by_lists,
        lambda first, second: paths(first, second).sum(axis=1),
        lambda first, second: ops.sum(ops.minimum(second[:, :, None], first[None]), axis=1),
        lambda first, second: np.stack([np.minimum(second, column).sum(axis=1) for column in first.T], axis=1),
    ],
}
