"""Wrong and right answers to the exercises of lab 3; the wrong ones with a part of the feedback."""

import functools

import numpy as np
import scipy.stats
from keras import ops

ranks = scipy.stats.rankdata


def pearson(x, y):
    return np.corrcoef(x, y)[0, 1]


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


def spearman_by_loops(x, y):
    def rank(values, value):
        return (sum(other < value for other in values) + sum(other <= value for other in values)) / 2

    a, b = [rank(x, value) for value in x], [rank(y, value) for value in y]
    a, b = [value - sum(a) / len(a) for value in a], [value - sum(b) / len(b) for value in b]
    return float(np.dot(a, b) / (np.dot(a, a) * np.dot(b, b)) ** 0.5)


def by_formula(x, y):
    return 1 - 6 * np.sum((ranks(x) - ranks(y)) ** 2) / (len(x) * (len(x) ** 2 - 1))


# One edge of 0.5, from token 0 to token 0 of the first layer, shared by the paths over both tokens of the layer above.
ONE_EDGE = [[[0.5, 0.5], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]], [[0.5, 0.5], [0.5, 0.5]]]
# Each token passes on all it gets to one other, so that no two paths meet.
SEPARATE = [np.eye(3), np.roll(np.eye(3), 1, axis=1), np.eye(3)]


WRONG = {
    "rollout_and_flow.spearman": [
        (pearson, "Pearson"),
        (by_formula, "only without ties"),
        (lambda x, y: pearson(np.argsort(np.argsort(x)), np.argsort(np.argsort(y))), "different ranks"),
        (lambda x, y: pearson(ranks(x, "min"), ranks(y, "min")), "smallest of their ranks"),
        (lambda x, y: pearson(ranks(x, "max"), ranks(y, "max")), "largest of their ranks"),
        (lambda x, y: pearson(ranks(x, "dense"), ranks(y, "dense")), "two ranks"),
        (lambda x, y: pearson(np.argsort(x), np.argsort(y)), "argsort"),
        (lambda x, y: -spearman_by_loops(x, y), "reversed"),
        (lambda x, y: 0.5, "expected"),
        (lambda x, y: spearman_by_loops(x[:7], y[:7]) if len(x) > 2 else 1, "spearman(["),
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
    "rollout_and_flow.shared_edges": [
        (np.full((2, 2, 2), 0.5), "three square matrices"),
        (np.full((3, 2, 3), 0.5), "three square matrices"),
        (np.full((2, 2), 0.5), "three square matrices"),
        (np.full((3, 9, 9), 1 / 9), "two tokens"),
        (np.ones((3, 2, 2)), "sums to 1"),
        ([[[2, -1], [0, 1]]] * 3, "from 0 to 1"),
        (SEPARATE, "share an edge"),
        (np.ones((3, 1, 1)), "share an edge"),
    ],
}

RIGHT = {
    "rollout_and_flow.spearman": [
        spearman_by_loops,
        lambda x, y: scipy.stats.spearmanr(x, y).statistic,
        lambda x, y: pearson(ranks(x), ranks(y)),
    ],
    "rollout_and_flow.rollout_row": [
        whole_rollout,
        lambda layers, position: functools.reduce(
            lambda row, w: (row @ w + row) / 2, layers[::-1], np.eye(len(layers[0]))[position]
        ),
        lambda layers, position: ops.convert_to_tensor(whole_rollout(layers, position)),
    ],
    "rollout_and_flow.shared_edges": [
        ONE_EDGE,
        ops.array(ONE_EDGE),
        np.full((3, 3, 3), 1 / 3),
        np.random.default_rng(0).dirichlet(np.ones(4), size=(3, 4)),
    ],
}
