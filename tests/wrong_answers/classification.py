"""Wrong answers to the exercises of chapter 9, each with a part of the feedback that it must get."""

import numpy as np

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
    ],
    "classification.best_temperature": [
        (lambda logits, labels: min(cross_entropies(logits, labels)), "that is the lowest cross-entropy"),
        (lambda logits, labels: TEMPERATURES[np.argmax(cross_entropies(logits, labels))], "largest"),
        (lambda logits, labels: 1.0, "leaves the logits"),
        (lambda logits, labels: np.argmin(cross_entropies(logits, labels)), "an index"),
        (lambda logits, labels: 7.0, "a lower one"),
    ],
}
