"""Wrong answers to the exercises of the chapter, each with a word of the reason that `check` gives."""

import numpy as np


def cosine(a, b):
    return np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b)


def gap_of_six(money, river):
    same = [sum(cosine(a, b) for a in g for b in g) for g in (money, river)]
    return (sum(same) - 6) / 12 - np.mean([cosine(a, b) for a in money for b in river])


def gap_of_two_means(money, river):
    same = [np.mean([cosine(a, b) for i, a in enumerate(g) for b in g[i + 1 :]]) for g in (money, river)]
    return np.mean(same) - np.mean([cosine(a, b) for a in money for b in river])


def gap_of_one(money, river):
    same = [cosine(a, b) for i, a in enumerate(money) for b in money[i + 1 :]]
    return np.mean(same) - np.mean([cosine(a, b) for a in money for b in river])


def gap_in_turn(money, river):
    same = [cosine(a, b) for g in (money, river) for i, a in enumerate(g) for b in g[i + 1 :]]
    return np.mean(same) - np.mean([cosine(a, b) for a, b in zip(money, river, strict=False)])


def gap(money, river, first=1, other=1, mean=np.mean, similarity=cosine):
    """The gap, correct by default; each argument breaks one thing."""
    same = [similarity(a, b) for g in (money, river) for i, a in enumerate(g) for b in (g[i + 1 :] if first else g)]
    return mean(same) - other * mean([similarity(a, b) for a in money for b in river])


WRONG = {
    "start_here.heads": [
        (12, "one layer"),
        (6, "layers"),
        (14112, "whole array"),
        (73, "expected 72"),
        ("72", "a text"),
    ],
    "start_here.top_token": [
        (lambda tokens, weights: weights.index(max(weights)), "position"),
        (lambda tokens, weights: max(weights), "largest weight"),
        (lambda tokens, weights: tokens[weights.index(min(weights))], "smallest"),
        (lambda tokens, weights: tokens[0], "'cat'"),
        (lambda tokens, weights: [tokens[weights.index(max(weights))]], "the token itself"),
        (lambda tokens, weights: max(tokens), "'cat' has the largest"),
    ],
    "start_here.cosine": [
        (lambda a, b: np.dot(a, b), "dot product alone"),
        (lambda a, b: np.dot(a, b) / np.dot(a, a) / np.dot(b, b), "square root"),
        (lambda a, b: np.linalg.norm(np.subtract(a, b)), "distance"),
        (lambda a, b: np.multiply(a, b), "one number"),
        (lambda a, b: np.dot(a, b) / np.linalg.norm(a) * np.linalg.norm(b), "brackets"),
        (lambda a, b: np.dot(a, b) / np.sum(a) / np.sum(b), "not the sum"),
        (lambda a, b: cosine(a, b) + 0 * a[2], "any length"),
    ],
    "start_here.gap": [
        (lambda money, river: -gap(money, river), "sign"),
        (lambda money, river: gap(money, river, first=0), "always 1"),
        (lambda money, river: gap(money, river, other=0), "mean of the other pairs"),
        (lambda money, river: gap(money, river, mean=sum), "the mean of each kind"),
        (lambda money, river: gap(money, river, similarity=np.dot), "two lengths"),
        (gap_of_six, "6 and the 12"),
        (gap_of_two_means, "count equally"),
        (gap_in_turn, "same index"),
        (gap_of_one, "second list"),
    ],
}
