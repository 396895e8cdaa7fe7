"""Wrong and right answers to the exercises of lab 1; the wrong ones with a part of the feedback."""

import math

import numpy as np
from keras import ops


def entropies(rows, logarithm=np.log):
    rows = np.asarray(rows)
    return -(rows * logarithm(np.where(rows > 0, rows, 1))).sum(axis=-1)


def bits(row):
    return entropies(row, np.log2)


def middle(p, q):
    return (np.asarray(p) + q) / 2


def entropy_by_loops(attention):
    total = 0
    for head in attention:
        for weight in head[0]:
            if weight > 0:
                total -= weight * math.log(weight)
    return total / len(attention)


def entropy_by_tensors(attention):
    row = ops.array(attention, dtype="float32")[:, 0]
    return ops.mean(ops.sum(-row * ops.log(ops.maximum(row, 1e-30)), axis=-1))


def divergence_by_relative_entropies(p, q):
    def relative(row, other):
        return sum(a * math.log2(a / b) for a, b in zip(row, other, strict=True) if a)

    return (relative(p, middle(p, q)) + relative(q, middle(p, q))) / 2


def held_out_by_loops(first, second):
    best = None
    for layer, row in enumerate(first):
        for head, accuracy in enumerate(row):
            if best is None or accuracy > best[0]:
                best = accuracy, second[layer][head]
    return best[1]


def at(array, chosen):
    return array[np.unravel_index(chosen, array.shape)]


WRONG = {
    "what_does_bert_look_at.cls_entropy": [
        (lambda a: entropies(a, np.log2)[:, 0].mean(), "in bits"),
        (lambda a: entropies(a).mean(), "mean of all rows"),
        (lambda a: entropies(a)[:, -1].mean(), "last row"),
        (lambda a: entropies(a[:, :, 0]).mean(), "column 0"),
        (lambda a: entropies(a)[:, 0], "Return their mean"),
        (lambda a: entropies(a)[:, 0].sum(), "sum over the heads"),
        (lambda a: entropies(a)[0].mean(), "head 0 only"),
        (lambda a: entropies(a[:, 0].mean(axis=0)), "each head first"),
        (lambda a: -entropies(a)[:, 0].mean(), "sign is wrong"),
        (lambda a: -(a[:, 0] * np.log(a[:, 0])).sum(axis=-1).mean(), "0 times log 0"),
        (lambda a: entropies(a)[:3, 0].mean(), "cls_entropy([["),
    ],
    "what_does_bert_look_at.divergence": [
        (lambda p, q: entropies(middle(p, q)) - (entropies(p) + entropies(q)) / 2, "in nats"),
        (lambda p, q: (bits(middle(p, q)) - (bits(p) + bits(q)) / 2) ** 0.5, "square root"),
        (lambda p, q: (bits(p) + bits(q)) / 2 - bits(middle(p, q)), "sign is wrong"),
        (lambda p, q: bits(middle(p, q)), "Subtract the mean"),
        (lambda p, q: bits(middle(p, q)) - bits(p) - bits(q), "not their sum"),
        (lambda p, q: np.abs(np.subtract(p, q)).sum() / 2, "half the sum"),
        (lambda p, q: np.sum(np.array(p) * np.log2(np.array(p) / q)), "0 times log 0"),
        (lambda p, q: 0.31127812, "divergence([1.0], [1.0])"),
    ],
    "what_does_bert_look_at.held_out_accuracy": [
        (lambda first, second: first.max(), "too high"),
        (lambda first, second: second.max(), "chosen on the first"),
        (lambda first, second: at(first, second.argmax()), "swapped"),
        (lambda first, second: (first + second).max() / 2, "pooled"),
        (lambda first, second: at(first + second, first.argmax()) / 2, "mean of both halves"),
        (lambda first, second: np.unravel_index(first.argmax(), first.shape), "Return its accuracy"),
        (lambda first, second: second[first.mean(axis=1).argmax()].max(), "within a layer"),
        (lambda first, second: at(second, first.argmin()), "worst head"),
        (lambda first, second: second[1, 2], "held_out_accuracy([["),
    ],
}

RIGHT = {
    "what_does_bert_look_at.cls_entropy": [
        entropy_by_loops,
        entropy_by_tensors,
        lambda a: np.mean([entropies(head[0]) for head in a]),
    ],
    "what_does_bert_look_at.divergence": [
        divergence_by_relative_entropies,
        lambda p, q: bits(middle(p, q)) - np.mean([bits(p), bits(q)]),
        lambda p, q: (entropies(middle(p, q)) - (entropies(p) + entropies(q)) / 2) / math.log(2),
    ],
    "what_does_bert_look_at.held_out_accuracy": [
        held_out_by_loops,
        lambda first, second: second[first == first.max()][0],
        lambda first, second: np.ravel(second)[np.argmax(first)],
        lambda first, second: max(zip(first.flat, second.flat, strict=True))[1],
    ],
}
