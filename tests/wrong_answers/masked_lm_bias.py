"""Wrong answers to the exercises of chapter 8 on association tests, each with a part of the feedback to get."""

from itertools import combinations, permutations

import numpy as np
from keras import ops


def unit(vectors):
    return np.array(vectors) / np.linalg.norm(vectors, axis=-1, keepdims=True)


def effect(scale=unit, mean=np.mean, center=np.mean, deviation=lambda x, y: np.std([*x, *y], ddof=1)):
    def effect_size(X, Y, A, B):
        X, Y, A, B = map(scale, (X, Y, A, B))
        x, y = (mean(targets @ A.T, axis=1) - mean(targets @ B.T, axis=1) for targets in (X, Y))
        return (center(x) - center(y)) / deviation(x, y)

    return effect_size


def pooled(x, y):
    squares = sum(((group - group.mean()) ** 2).sum() for group in (x, y))
    return np.sqrt(squares / (len(x) + len(y) - 2))


def fraction(counts, divided=True):
    def permutation_p(x, y):
        groups = list(combinations([*x, *y], len(x)))
        count = sum(counts(sum(group), sum(x)) for group in groups)
        return count / len(groups) if divided else count

    return permutation_p


def two_sided(x, y):
    numbers, count, total = np.array([*x, *y], float), 0, 0
    for chosen in combinations(range(len(numbers)), len(x)):
        rest = np.delete(numbers, chosen)
        count += abs(numbers[list(chosen)].mean() - rest.mean()) >= abs(np.mean(x) - np.mean(y))
        total += 1
    return count / total


def corrected(step):
    def permutation_p(x, y):
        sums = [sum(group) for group in combinations([*x, *y], len(x))]
        return (sum(s >= sum(x) for s in sums) + step) / (len(sums) + step)

    return permutation_p


WRONG = {
    "masked_lm.effect_size": [
        (lambda X, Y, A, B: effect()(Y, X, A, B), "sign is wrong"),
        (lambda X, Y, A, B: effect()(X, Y, B, A), "sign is wrong"),
        (lambda *a: abs(effect()(*a)), "sign is wrong"),
        (effect(deviation=lambda x, y: np.std([*x, *y])), "ddof=1"),
        (effect(deviation=lambda x, y: np.std(x, ddof=1)), "X alone"),
        (effect(deviation=lambda x, y: np.std(y, ddof=1)), "Y alone"),
        (effect(deviation=pooled), "Cohen"),
        (effect(deviation=lambda x, y: (np.std(x, ddof=1) + np.std(y, ddof=1)) / 2), "averages two"),
        (effect(deviation=lambda x, y: np.var([*x, *y], ddof=1)), "variance"),
        (effect(deviation=lambda x, y: 1), "difference of the means"),
        (effect(center=np.sum, deviation=lambda x, y: 1), "test statistic"),
        (effect(center=np.sum), "difference of sums"),
        (lambda X, Y, A, B: effect()(A, B, X, Y), "swapped"),
        (effect(scale=np.array), "dot products"),
        (effect(mean=np.sum), "sums of cosines"),
        (effect(center=np.median), "expected"),
    ],
    "masked_lm.permutation_p": [
        (fraction(lambda s, observed: s > observed), "ties"),
        (fraction(lambda s, observed: s <= observed), "other side"),
        (fraction(lambda s, observed: s < observed), "other side"),
        (two_sided, "two-sided"),
        (fraction(lambda s, observed: s >= observed, divided=False), "Divide"),
        (corrected(-1), "left out"),
        (corrected(1), "twice"),
        (lambda x, y: fraction(lambda s, observed: s >= observed)(x, sorted(y)[:3]), "expected"),
    ],
}


def effect_in_loops(X, Y, A, B):
    def cosine(v, w):
        dot = sum(a * b for a, b in zip(v, w, strict=True))
        return dot / (sum(a * a for a in v) * sum(b * b for b in w)) ** 0.5

    def association(w):
        return sum(cosine(w, a) for a in A) / len(A) - sum(cosine(w, b) for b in B) / len(B)

    x, y = [association(w) for w in X], [association(w) for w in Y]
    mean = sum(x + y) / len(x + y)
    variance = sum((s - mean) ** 2 for s in x + y) / (len(x + y) - 1)
    return (sum(x) / len(x) - sum(y) / len(y)) / variance**0.5


def effect_of_tensors(X, Y, A, B):
    X, Y, A, B = (ops.normalize(ops.array(vectors, dtype="float32"), axis=-1) for vectors in (X, Y, A, B))
    x, y = (
        ops.mean(targets @ ops.transpose(A), axis=1) - ops.mean(targets @ ops.transpose(B), axis=1)
        for targets in (X, Y)
    )
    both = ops.concatenate([x, y])
    variance = ops.sum(ops.square(both - ops.mean(both))) / (len(both) - 1)
    return (ops.mean(x) - ops.mean(y)) / ops.sqrt(variance)


def p_in_loops(x, y):
    count = total = 0
    numbers = [*x, *y]
    for chosen in combinations(range(len(numbers)), len(x)):
        first = [numbers[i] for i in chosen]
        rest = [number for i, number in enumerate(numbers) if i not in chosen]
        difference = sum(first) / len(first) - sum(rest) / len(rest)
        count += difference >= sum(x) / len(x) - sum(y) / len(y) - 1e-9
        total += 1
    return count / total


def p_of_all_orders(x, y):
    sums = np.array([sum(order[: len(x)]) for order in permutations([*x, *y])])
    return (sums >= sum(x)).mean()


def p_of_tensors(x, y):
    chosen = ops.array(list(combinations(range(len(x) + len(y)), len(x))), dtype="int32")
    sums = ops.sum(ops.take(ops.array([*x, *y], dtype="float32"), chosen), axis=1)
    return ops.mean(ops.cast(sums >= sum(x), "float32"))


RIGHT = {
    "masked_lm.effect_size": [effect(), effect_in_loops, effect_of_tensors],
    "masked_lm.permutation_p": [
        p_in_loops,
        p_of_all_orders,
        p_of_tensors,
        fraction(lambda s, observed: s >= observed - 1e-6),
    ],
}
