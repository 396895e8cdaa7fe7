"""Wrong answers to the exercises of chapter 9, each with a part of the feedback that it must get."""

import math

import numpy as np
from keras import ops

TEMPERATURES = np.arange(0.1, 10.01, 0.1)


def softmax(x):
    powers = np.exp(x)
    return powers / powers.sum(axis=-1, keepdims=True)


def cross_entropies(logits, labels):
    return [-np.log(softmax(logits / t)[np.arange(len(labels)), labels]).mean() for t in TEMPERATURES]


def gaps(confidences, correct, num_bins=10, weighted=False):
    """Return the gap of each bin [b/10, (b+1)/10) with texts, so without 1.0; times their number if `weighted`."""
    confidences, correct = np.array(confidences), np.array(correct)
    bins = [(confidences >= b / 10) & (confidences < (b + 1) / 10) for b in range(num_bins)]
    return np.array(
        [abs(confidences[b].mean() - correct[b].mean()) * (b.sum() if weighted else 1) for b in bins if b.any()]
    )


def binned(confidences, correct, num_bins, last=None):
    """Return the calibration error with any number of bins, of which the last may be another one."""
    confidences, correct = np.array(confidences), np.array(correct)
    bins = np.minimum((num_bins * confidences).astype(int), num_bins - 1 if last is None else last)
    gaps = [(bins == b).sum() * abs(correct[bins == b].mean() - confidences[bins == b].mean()) for b in np.unique(bins)]
    return sum(gaps) / len(confidences)


def coldest(logits, labels, temperatures):
    return temperatures[
        np.argmin([-np.log(softmax(logits / t)[np.arange(len(labels)), labels]).mean() for t in temperatures])
    ]


def accuracy_in_loops(matrix):
    correct = total = 0
    for i, row in enumerate(matrix):
        for j, count in enumerate(row):
            total += count
            if i == j:
                correct += count
    return correct / total


def head_in_loops(pooled, kernel, bias):
    rows = []
    for vector in pooled:
        logits = [sum(x * w for x, w in zip(vector, column, strict=True)) for column in kernel.T] + bias
        powers = [math.exp(logit - max(logits)) for logit in logits]
        rows.append([power / sum(powers) for power in powers])
    return rows


def calibration_error_in_loops(confidences, correct):
    bins = [[] for _ in range(10)]
    for p, right in zip(confidences, correct, strict=True):
        bins[min(int(10 * p), 9)].append((p, right))
    # The number of texts cancels: n * |mean - mean| = |sum - sum|.
    return sum(abs(sum(p - right for p, right in texts)) for texts in bins) / len(confidences)


def calibration_error_in_tensors(confidences, correct):
    confidences, correct = ops.array(confidences, dtype="float32"), ops.array(correct, dtype="float32")
    bins = ops.one_hot(ops.minimum(ops.cast(10 * confidences, "int32"), 9), 10)  # [n, 10]
    return ops.sum(ops.abs(ops.matmul(correct - confidences, bins))) / len(confidences)


def best_temperature_in_loops(logits, labels):
    best, lowest = None, float("inf")
    for tenths in range(1, 101):
        loss = 0
        for row, label in zip(logits * 10 / tenths, labels, strict=True):
            loss += max(row) + math.log(sum(math.exp(x - max(row)) for x in row)) - row[label]
        if loss < lowest:
            best, lowest = tenths / 10, loss
    return best


def best_temperature_in_tensors(logits, labels):
    temperatures = ops.reshape(ops.arange(1, 101, dtype="float32") / 10, [-1, 1, 1])
    log_probabilities = ops.log_softmax(ops.array(logits, dtype="float32") / temperatures, axis=-1)  # [100, n, classes]
    chosen = ops.sum(log_probabilities * ops.one_hot(labels, logits.shape[1]), axis=(1, 2))
    return temperatures[ops.argmax(chosen), 0, 0]


def counts(matrix, k):
    """Return hits, texts predicted as k, and texts that are k."""
    matrix = np.array(matrix, float)
    return matrix[k, k], matrix[:, k].sum(), matrix[k].sum()


def f1_with(mean, divide=lambda a, b: a / b if b else 0.0):
    """Return an answer with another mean of precision and recall, or another division."""

    def answer(matrix, k):
        hits, predicted, true = counts(matrix, k)
        precision, recall = divide(hits, predicted), divide(hits, true)
        return precision, recall, mean(precision, recall)

    return answer


def harmonic(precision, recall):
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def f1_in_loops(matrix, k):
    hits = predicted = true = 0
    for i, row in enumerate(matrix):
        for j, count in enumerate(row):
            predicted += count * (j == k)
            true += count * (i == k)
            hits += count * (i == j == k)
    return [hits / max(predicted, 1), hits / max(true, 1), 2 * hits / max(predicted + true, 1)]


def f1_in_arrays(matrix, k):
    hits, predicted, true = counts(matrix, k)
    return np.array([hits, hits, 2 * hits]) / np.maximum([predicted, true, predicted + true], 1e-9)


def f1_in_tensors(matrix, k):
    matrix = ops.array(matrix, dtype="float32")
    hits, predicted, true = matrix[k, k], ops.sum(matrix[:, k]), ops.sum(matrix[k])
    divisors = ops.maximum(ops.stack([predicted, true, predicted + true]), 1e-9)
    return ops.stack([hits, hits, 2 * hits]) / divisors


def parts(labels, scores):
    labels, scores = np.array(labels), np.array(scores)
    return scores[labels == 1], scores[labels == 0]


def auc_with(weigh):
    """Return an answer that weighs the numbers of pairs: won, tied, all."""

    def answer(labels, scores):
        positive, negative = parts(labels, scores)
        won, tied = np.sum(positive[:, None] > negative), np.sum(positive[:, None] == negative)
        return weigh(won, tied, len(positive) * len(negative))

    return answer


def auc_of_ranks(labels, scores):
    positive, negative = parts(labels, scores)
    ranks = [np.mean([np.sum(scores < p) + 1, np.sum(scores <= p)]) for p in positive]
    return (np.sum(ranks) - len(positive) * (len(positive) + 1) / 2) / (len(positive) * len(negative))


def auc_of_a_curve(labels, scores):
    x, y = [0.0], [0.0]
    for threshold in sorted(set(scores), reverse=True):
        positive, negative = parts(labels, scores)
        x.append(np.mean(negative >= threshold))
        y.append(np.mean(positive >= threshold))
    return np.trapezoid(y, x)


def auc_in_tensors(labels, scores):
    positive, negative = (ops.array(part, dtype="float32") for part in parts(labels, scores))
    return ops.mean((ops.sign(positive[:, None] - negative) + 1) / 2)


# Answers in other ways than the solution's, which `check` must accept.
RIGHT = {
    "classification.f1": [f1_with(harmonic), f1_in_loops, f1_in_arrays, f1_in_tensors],
    "classification.auc": [
        auc_with(lambda won, tied, pairs: (won + tied / 2) / pairs),
        auc_of_ranks,
        auc_of_a_curve,
        auc_in_tensors,
        lambda labels, scores: np.mean(
            [(p > n) + (p == n) / 2 for p in parts(labels, scores)[0] for n in parts(labels, scores)[1]]
        ),
    ],
    "classification.accuracy": [
        accuracy_in_loops,
        lambda matrix: np.trace(matrix) / np.sum(matrix),
        lambda matrix: np.average(np.diag(matrix) / np.maximum(np.sum(matrix, 1), 1), weights=np.sum(matrix, 1)),
        lambda matrix: ops.trace(ops.array(matrix)) / ops.sum(ops.array(matrix)),
    ],
    "classification.head": [
        head_in_loops,
        lambda x, w, b: softmax(np.einsum("bd,dc->bc", x, w) + b),
        lambda x, w, b: ops.softmax(ops.matmul(ops.array(x, dtype="float32"), w) + b, axis=-1),
        lambda x, w, b: (row / row.sum() for row in np.exp(x @ w + b)),
    ],
    "classification.calibration_error": [
        calibration_error_in_loops,
        lambda confidences, correct: binned(confidences, correct, 10),
        calibration_error_in_tensors,
    ],
    "classification.best_temperature": [
        best_temperature_in_loops,
        lambda logits, labels: TEMPERATURES[np.argmin(cross_entropies(logits, labels))],
        lambda logits, labels: coldest(logits, labels, np.linspace(0.1, 10, 100)),
        best_temperature_in_tensors,
    ],
}

WRONG = {
    "classification.base_rate": [
        (1 / 3, "at random"),
        (40, "percentage"),
        (80, "number of correct"),
        (0.6, "wrong predictions"),
        (0.25, "rarest"),
        ([0.4, 0.4], "one number"),
    ],
    "classification.accuracy": [
        (lambda matrix: np.mean([row[i] / sum(row) for i, row in enumerate(matrix)]), "mean over the classes"),
        (lambda matrix: 1 - np.trace(matrix) / np.sum(matrix), "mistakes"),
        (lambda matrix: np.trace(matrix), "number of correct"),
        (lambda matrix: np.diag(matrix) / np.sum(matrix, axis=1), "per class"),
        (lambda matrix: np.mean(np.diag(matrix) / np.sum(matrix, axis=0)), "by the columns"),
        (lambda matrix: (matrix[0][0] + matrix[1][1]) / np.sum(matrix), "two classes"),
        (lambda matrix: np.trace(np.fliplr(matrix)) / np.sum(matrix), "other diagonal"),
        (lambda matrix: 100 * np.trace(matrix) / np.sum(matrix), "percentage"),
        (lambda matrix: sum(matrix[i][i] for i in range(3)) / np.sum(matrix), "may have more"),
        (lambda matrix: np.trace(matrix) / 50, "add up all its cells"),
        (lambda matrix: sum(matrix[i][i] for i in range(min(len(matrix), 4))) / np.sum(matrix), "accuracy([[3, 0, 1,"),
    ],
    "classification.f1": [
        (f1_with(lambda precision, recall: (precision + recall) / 2), "harmonic mean"),
        (f1_with(lambda precision, recall: harmonic(precision, recall) / 2), "factor 2"),
        (f1_with(lambda precision, recall: (precision * recall) ** 0.5), "geometric"),
        (lambda matrix, k: f1_with(harmonic)(np.transpose(matrix), k), "swapped"),
        (lambda matrix, k: f1_with(harmonic)(matrix, k)[2], "F1 alone"),
        (lambda matrix, k: f1_with(harmonic)(matrix, k)[:2], "F1 is missing"),
        (lambda matrix, k: f1_with(harmonic)(matrix, 1), "class 1, but k is 0"),
        (lambda matrix, k: np.mean([f1_with(harmonic)(matrix, i) for i in range(len(matrix))], axis=0), "mean over"),
        (lambda matrix, k: [f1_with(harmonic)(matrix, i) for i in range(len(matrix))], "of all classes"),
        (lambda matrix, k: [np.trace(matrix) / np.sum(matrix)] * 3, "the accuracy"),
        (f1_with(harmonic, lambda a, b: np.divide(a, b) if b else np.nan), "0 / 0"),
        (f1_with(harmonic, lambda a, b: a / b if b else 1.0), "0 / 0"),
        (f1_with(harmonic, lambda a, b: int(a) / int(b)), "ZeroDivisionError"),
        (lambda matrix, k: f1_with(harmonic)([row[:3] for row in matrix[:3]], k), "IndexError"),
    ],
    "classification.auc": [
        (auc_with(lambda won, tied, pairs: won / pairs), "counts nothing"),
        (auc_with(lambda won, tied, pairs: (won + tied) / pairs), "counts as won"),
        (auc_with(lambda won, tied, pairs: won / (pairs - tied)), "leaves out the tie"),
        (auc_with(lambda won, tied, pairs: 1 - (won + tied / 2) / pairs), "1 minus the area"),
        (auc_with(lambda won, tied, pairs: won + tied / 2), "number of pairs"),
        (auc_with(lambda won, tied, pairs: 2 * (won + tied / 2) / pairs - 1), "Gini"),
        (auc_with(lambda won, tied, pairs: (won + tied / 2) / 21), "Only pairs of"),
        (auc_with(lambda won, tied, pairs: (won + tied / 2) / 49), "n * n"),
        (auc_with(lambda won, tied, pairs: (won + tied / 2) / 12), "auc([1, 0]"),
        (lambda labels, scores: np.mean((np.array(scores) >= 0.5) == labels), "threshold of 0.5"),
        (lambda labels, scores: parts(labels, scores)[0].mean() - parts(labels, scores)[1].mean(), "the means"),
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
        (lambda x, w, b: softmax((x @ w + b).clip(-50, 50)), "head([[1.0], [-1.0]], [[400.0"),
        (lambda x, w, b: softmax(x.reshape(-1, 3) @ w + b), "ValueError"),
    ],
    "classification.calibration_error": [
        (lambda confidences, correct: abs(np.mean(confidences) - np.mean(correct)), "bin by bin"),
        (lambda confidences, correct: np.abs(np.subtract(confidences, correct)).mean(), "gap of each text"),
        (lambda confidences, correct: np.mean(correct), "that is the accuracy"),
        (lambda confidences, correct: np.mean(confidences), "mean confidence"),
        (lambda confidences, correct: np.mean(confidences) - np.mean(correct), "without its sign"),
        (lambda confidences, correct: gaps(confidences, correct).sum(), "without weights"),
        (lambda confidences, correct: gaps(confidences, correct).sum() / 10, "a tenth"),
        (lambda confidences, correct: gaps(confidences, correct, num_bins=9).sum() / len(confidences), "expected"),
        (
            lambda confidences, correct: gaps(confidences, correct, weighted=True).sum() / len(confidences),
            "in none of your bins",
        ),
        (lambda confidences, correct: binned(confidences, correct, 5), "uses 5 bins"),
        (lambda confidences, correct: binned(confidences, correct, 20), "uses 20 bins"),
        (lambda confidences, correct: binned(confidences, correct, 10, last=10), "bin of its own"),
    ],
    "classification.best_temperature": [
        (lambda logits, labels: min(cross_entropies(logits, labels)), "that is the lowest cross-entropy"),
        (lambda logits, labels: TEMPERATURES[np.argmax(cross_entropies(logits, labels))], "largest"),
        (lambda logits, labels: 1.0, "leaves the logits"),
        (lambda logits, labels: np.argmin(cross_entropies(logits, labels)), "an index"),
        (lambda logits, labels: 7.0, "a lower one"),
        (lambda logits, labels: coldest(logits, labels, np.arange(0.1, 10, 0.01)), "none of 0.1"),
        (lambda logits, labels: coldest(logits, labels, np.arange(0.1, 10, 0.1)), "expected 10, got 9.9"),
        (lambda logits, labels: coldest(logits, labels, np.arange(0.2, 10.01, 0.1)), "expected 0.1, got 0.2"),
        (lambda logits, labels: coldest(logits, labels, np.arange(0.1, 20, 0.1)), "expected 10, got 19.9"),
        (lambda logits, labels: coldest(logits, labels, np.arange(0.1, 10.01, 0.2)), "expected 10, got 9.9"),
    ],
}
