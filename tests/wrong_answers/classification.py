"""Wrong answers to the exercises of the chapter, and a word that the reason given must hold."""

import numpy as np

GRID = np.arange(0.1, 10.01, 0.1)


def softmax(x):
    powers = np.exp(x)
    return powers / powers.sum(axis=-1, keepdims=True)


def surprises(logits, labels):
    return [-np.log(softmax(logits / t)[np.arange(len(labels)), labels]).mean() for t in GRID]


def gaps(sure, right, last=10, weighed=False):
    """The distance of each bin b/10 to (b+1)/10, in which 1.0 has no place; times its texts, if weighed."""
    sure, right = np.array(sure), np.array(right)
    bins = [(sure >= b / 10) & (sure < (b + 1) / 10) for b in range(last)]
    found = [(abs(sure[b].mean() - right[b].mean()) * (b.sum() if weighed else 1)) for b in bins if b.any()]
    return np.array(found)


WRONG = {
    "classification.constant_guess": [
        (1 / 3, "by lot"),
        (40, "percentage"),
        (80, "how many it gets right"),
        (0.6, "wrong"),
        (0.25, "rarest"),
        ([0.4, 0.4], "one number"),
    ],
    "classification.accuracy": [
        (lambda table: np.mean([row[i] / sum(row) for i, row in enumerate(table)]), "mean over the classes"),
        (lambda table: 1 - np.trace(table) / np.sum(table), "mistakes"),
        (lambda table: np.trace(table), "how many are right"),
        (lambda table: np.diag(table) / np.sum(table, axis=1), "a class"),
        (lambda table: np.mean(np.diag(table) / np.sum(table, axis=0)), "what was said"),
        (lambda table: (table[0][0] + table[1][1]) / np.sum(table), "two classes"),
        (lambda table: np.trace(np.fliplr(table)) / np.sum(table), "other diagonal"),
        (lambda table: 100 * np.trace(table) / np.sum(table), "percentage"),
    ],
    "classification.head": [
        (lambda x, w, b: x @ w + b, "softmax is missing"),
        (lambda x, w, b: softmax(x @ w), "bias"),
        (lambda x, w, b: 1 / (1 + np.exp(-(x @ w + b))), "sigmoid"),
        (lambda x, w, b: softmax((x @ w + b).T).T, "over the texts"),
        (lambda x, w, b: (x @ w + b).argmax(-1), "these are the classes"),
        (lambda x, w, b: softmax(np.tanh(x @ w + b)), "pooler"),
        (lambda x, w, b: softmax(np.tanh(x) @ w + b), "already"),
        (lambda x, w, b: (x @ w + b) / (x @ w + b).sum(-1, keepdims=True), "raises e"),
    ],
    "classification.calibration_error": [
        (lambda sure, right: abs(np.mean(sure) - np.mean(right)), "bin by bin"),
        (lambda sure, right: np.abs(np.subtract(sure, right)).mean(), "each text alone"),
        (lambda sure, right: np.mean(right), "accuracy"),
        (lambda sure, right: np.mean(sure), "mean confidence"),
        (lambda sure, right: np.mean(sure) - np.mean(right), "without its sign"),
        (lambda sure, right: gaps(sure, right).sum(), "added up alike"),
        (lambda sure, right: gaps(sure, right).sum() / 10, "a tenth"),
        (lambda sure, right: gaps(sure, right, last=9).sum() / len(sure), "expected"),
        (lambda sure, right: gaps(sure, right, last=10, weighed=True).sum() / len(sure), "in the last"),
    ],
    "classification.best_temperature": [
        (lambda logits, labels: min(surprises(logits, labels)), "least surprise itself"),
        (lambda logits, labels: GRID[np.argmax(surprises(logits, labels))], "largest"),
        (lambda logits, labels: 1.0, "leaves the logits"),
        (lambda logits, labels: np.argmin(surprises(logits, labels)), "place in the list"),
        (lambda logits, labels: 7.0, "smaller one"),
    ],
}
