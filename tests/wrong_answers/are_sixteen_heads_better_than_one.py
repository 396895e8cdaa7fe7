"""Wrong and right answers to the exercises of lab 2; the wrong ones with a part of the feedback."""

import numpy as np
from keras import ops


def sums(outputs, gradients):
    return (outputs * gradients).sum(axis=(2, 3))


def importance_by_loops(outputs, gradients):
    texts, heads = range(len(outputs)), range(len(outputs[0]))
    return [sum(abs(np.vdot(outputs[b][n], gradients[b][n])) for b in texts) / len(texts) for n in heads]


def limit(accuracies, tolerance):
    return accuracies[0] - tolerance


def recovering(accuracies, tolerance):
    return max(i for i, accuracy in enumerate(accuracies) if accuracy >= limit(accuracies, tolerance))


def removable_with_next(accuracies, tolerance):
    falls = (i for i, accuracy in enumerate(accuracies) if accuracy < limit(accuracies, tolerance))
    return next(falls, len(accuracies)) - 1


def removable_with_numpy(accuracies, tolerance):
    below = np.array([*accuracies, -np.inf]) < limit(accuracies, tolerance)
    return below.argmax() - 1


WRONG = {
    "are_sixteen_heads_better_than_one.head_weights": [
        (49_152, "biases of query"),
        (36_864, "and the biases"),
        (36_960, "output projection is missing"),
        (12_288, "four matrices"),
        (49_280, "no head owns it"),
        (49_632, "belongs to all heads"),
        (590_976, "12 heads"),
        (589_824, "without biases"),
        (3_545_856, "72 heads"),
        (50_000, "384 x 32"),
        ([49_248, 49_248], "one number"),
    ],
    "are_sixteen_heads_better_than_one.removable": [
        (recovering, "first fall"),
        (lambda accuracies, tolerance: removable_with_next(accuracies, tolerance) + 1, "number before"),
        (lambda accuracies, tolerance: removable_with_next(accuracies, 0), "tolerance counts"),
        (lambda accuracies, tolerance: 0, "whole model"),
        (lambda accuracies, tolerance: len(accuracies) - 1, "all of them"),
        (lambda accuracies, tolerance: 2, "removable("),
    ],
    "are_sixteen_heads_better_than_one.importance": [
        (lambda x, g: sums(x, g).mean(axis=0), "sign is left"),
        (lambda x, g: np.abs(sums(x, g).mean(axis=0)), "before the mean"),
        (lambda x, g: np.abs(x * g).sum(axis=(2, 3)).mean(axis=0), "products first"),
        (lambda x, g: np.abs(x * g).mean(axis=(0, 2, 3)), "only texts"),
        (lambda x, g: np.abs(sums(x, g)).sum(axis=0), "not the sum"),
        (lambda x, g: np.abs(sums(x, g)), "for each text"),
        (lambda x, g: np.abs((x * g).mean(axis=(2, 3))).mean(axis=0), "only texts"),
        (lambda x, g: np.abs(sums(x, g)).mean(axis=1), "over the heads"),
        (lambda x, g: np.abs(g.sum(axis=(2, 3))).mean(axis=0), "by the outputs"),
        (lambda x, g: np.abs(sums(x, g))[:3].mean(axis=0), "importance_of_heads("),
    ],
}

RIGHT = {
    "are_sixteen_heads_better_than_one.head_weights": [49_248, 384 * 32 * 4 + 96, np.int64(49_248), ops.array(49_248)],
    "are_sixteen_heads_better_than_one.removable": [removable_with_next, removable_with_numpy],
    "are_sixteen_heads_better_than_one.importance": [
        importance_by_loops,
        lambda x, g: np.mean(np.abs(np.einsum("bnth,bnth->bn", x, g)), axis=0),
        lambda x, g: ops.mean(ops.abs(ops.sum(ops.array(x) * ops.array(g), axis=(2, 3))), axis=0),
    ],
}
