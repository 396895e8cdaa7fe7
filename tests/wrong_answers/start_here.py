"""Wrong answers to the exercises of the chapter, and a word that the reason given must hold."""

import numpy as np


def cosine(a, b):
    return np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b)


def gap_of_six(money, river):
    alike = [sum(cosine(a, b) for a in g for b in g) for g in (money, river)]
    return (sum(alike) - 6) / 12 - np.mean([cosine(a, b) for a in money for b in river])


def gap_of_two_means(money, river):
    same = [np.mean([cosine(a, b) for i, a in enumerate(g) for b in g[i + 1 :]]) for g in (money, river)]
    return np.mean(same) - np.mean([cosine(a, b) for a in money for b in river])


def gap_of_one(money, river):
    same = [cosine(a, b) for i, a in enumerate(money) for b in money[i + 1 :]]
    return np.mean(same) - np.mean([cosine(a, b) for a in money for b in river])


def gap_in_turn(money, river):
    same = [cosine(a, b) for g in (money, river) for i, a in enumerate(g) for b in g[i + 1 :]]
    return np.mean(same) - np.mean([cosine(a, b) for a, b in zip(money, river, strict=False)])


def gap(money, river, first=1, other=1, mean=np.mean, alike=cosine):
    """The gap, right as it stands; every argument can spoil one thing."""
    same = [alike(a, b) for g in (money, river) for i, a in enumerate(g) for b in (g[i + 1 :] if first else g)]
    return mean(same) - other * mean([alike(a, b) for a in money for b in river])


WRONG = {
    "start_here.heads": [
        (12, "one layer"),
        (6, "layers"),
        (14112, "every number"),
        (73, "expected 72"),
        ("72", "a text"),
    ],
    "start_here.most_looked_at": [
        (lambda tokens, row: row.index(max(row)), "position"),
        (lambda tokens, row: max(row), "largest share"),
        (lambda tokens, row: tokens[row.index(min(row))], "smallest"),
        (lambda tokens, row: tokens[0], "'cat'"),
        (lambda tokens, row: [tokens[row.index(max(row))]], "the token itself"),
        (lambda tokens, row: max(tokens), "'cat' has the largest"),
    ],
    "start_here.cosine": [
        (lambda a, b: np.dot(a, b), "sum of products"),
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
        (lambda money, river: gap(money, river, other=0), "subtract that of the others"),
        (lambda money, river: gap(money, river, mean=sum), "the mean of each kind"),
        (lambda money, river: gap(money, river, alike=np.dot), "two lengths"),
        (gap_of_six, "6 and the 12"),
        (gap_of_two_means, "each pair counts alike"),
        (gap_in_turn, "in turn"),
        (gap_of_one, "second list"),
    ],
}
