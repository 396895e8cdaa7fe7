"""Wrong and right answers to the exercises of lab 1; the wrong ones with a part of the feedback."""

import math

import numpy as np
from keras import ops


def entropies(rows, logarithm=np.log):
    rows = np.asarray(rows)
    return -(rows * logarithm(np.where(rows > 0, rows, 1))).sum(axis=-1)


def bits(row):
    return entropies(row, np.log2)


def keys_by_loops(attention):
    totals = []
    for head in attention:
        total = 0
        for weight in head[0]:
            if weight > 0:
                total -= weight * math.log(weight)
        totals.append(math.exp(total))
    return totals


def keys_by_tensors(attention):
    row = ops.array(attention, dtype="float32")[:, 0]
    return ops.exp(ops.sum(-row * ops.log(ops.maximum(row, 1e-30)), axis=-1))


def divergences(p, q):  # of each row
    return bits((p + q) / 2) - (bits(p) + bits(q)) / 2


def divergence_by_relative_entropies(first, second):
    def relative(row, other):
        return sum(a * math.log2(2 * a / (a + b)) for a, b in zip(row, other, strict=True) if a)

    rows = zip(first, second, strict=True)
    return sum((relative(p, q) + relative(q, p)) / 2 for p, q in rows) / len(first)


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
    "what_does_bert_look_at.effective_keys": [
        (lambda a: entropies(a)[:, 0], "these are the entropies"),
        (lambda a: 2 ** entropies(a)[:, 0], "fits bits"),
        (lambda a: np.exp(entropies(a, np.log2)[:, 0]), "not bits"),
        (lambda a: np.exp(-entropies(a)[:, 0]), "sign is wrong"),
        (lambda a: np.exp(entropies(a)), "all rows"),
        (lambda a: np.exp(entropies(a)[:, -1]), "last row"),
        (lambda a: np.exp(entropies(a[:, :, 0])), "column 0"),
        (lambda a: np.exp(entropies(a)[:, 0]).mean(), "one number per head"),
        (lambda a: np.exp(entropies(a)[:, 0].mean()), "one number per head"),
        (lambda a: np.exp(entropies(a)[0]), "head 0 only"),
        (lambda a: (a[:, 0] > 0).sum(axis=-1), "count less"),
        (lambda a: np.exp(entropies(a)[:3, 0]), "effective_keys([["),
    ],
    "what_does_bert_look_at.head_divergence": [
        (lambda p, q: divergences(p, q).mean() * math.log(2), "in nats"),
        (lambda p, q: (divergences(p, q) ** 0.5).mean(), "square roots"),
        (lambda p, q: divergences(p, q).mean() ** 0.5, "a square root"),
        (lambda p, q: -divergences(p, q).mean(), "sign is wrong"),
        (divergences, "of the queries"),
        (lambda p, q: divergences(p, q).sum(), "sum over the queries"),
        (lambda p, q: bits((p + q) / 2).mean(), "Subtract the mean"),
        (lambda p, q: (bits((p + q) / 2) - bits(p) - bits(q)).mean(), "not their sum"),
        (lambda p, q: divergences(p.mean(axis=0), q.mean(axis=0)), "query by query"),
        (lambda p, q: np.abs(p - q).sum() / 2 / len(p), "half the sum"),
        (lambda p, q: np.sum(p * np.log2(p / q)) / len(p), "0 times log 0"),
        (lambda p, q: divergences(p, q)[:3].mean(), "head_divergence("),
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
    "what_does_bert_look_at.effective_keys": [
        keys_by_loops,
        keys_by_tensors,
        lambda a: 2 ** bits(a[:, 0]),
        lambda a: [np.prod(head[0] ** -head[0]) for head in a],
    ],
    "what_does_bert_look_at.head_divergence": [
        divergence_by_relative_entropies,
        lambda p, q: divergences(p, q).mean(),
        lambda p, q: np.mean([divergences(a, b) for a, b in zip(p, q, strict=True)]),
    ],
    "what_does_bert_look_at.held_out_accuracy": [
        held_out_by_loops,
        lambda first, second: second[first == first.max()][0],
        lambda first, second: np.ravel(second)[np.argmax(first)],
        lambda first, second: max(zip(first.flat, second.flat, strict=True))[1],
    ],
}
