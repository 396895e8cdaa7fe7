"""Wrong and right answers to the exercises of chapter 14; the wrong ones with a part of the feedback."""

import math

import numpy as np
from keras import ops


def softmax(x, axis=-1):
    powers = np.exp(x)
    return powers / powers.sum(axis=axis, keepdims=True)


def log_softmax(x):
    x = np.array(x)
    return x - np.max(x) - np.log(np.sum(np.exp(x - np.max(x))))


def divergence(teacher, student):
    t, s = log_softmax(teacher), log_softmax(student)
    return np.sum(np.exp(t) * (t - s))


def rotated(vector, angles):
    x, y = np.array(vector[0::2]), np.array(vector[1::2])
    return np.stack([x * np.cos(angles) - y * np.sin(angles), x * np.sin(angles) + y * np.cos(angles)], 1).ravel()


def rotate_halves(vector, position, frequencies):
    angles = position * np.array(frequencies)
    x, y = np.split(np.array(vector), 2)
    return np.concatenate([x * np.cos(angles) - y * np.sin(angles), x * np.sin(angles) + y * np.cos(angles)])


def rotate_by_complex_numbers(vector, position, frequencies):
    pairs = np.array(vector[0::2]) + 1j * np.array(vector[1::2])
    pairs = pairs * np.exp(1j * position * np.array(frequencies))
    return [part for pair in pairs for part in (pair.real, pair.imag)]


def rotate_by_tensors(vector, position, frequencies):
    pairs = ops.reshape(ops.array(vector, dtype="float32"), (-1, 2))
    angles = position * ops.array(frequencies, dtype="float32")
    cos, sin = ops.cos(angles), ops.sin(angles)
    x, y = pairs[:, 0], pairs[:, 1]
    return ops.reshape(ops.stack([x * cos - y * sin, x * sin + y * cos], axis=1), (-1,))


def distill_by_loops(teacher, student, temperature):
    def probabilities(logits):
        powers = [math.exp((x - max(logits)) / temperature) for x in logits]
        return [power / sum(powers) for power in powers]

    def log_probability(logits, i):
        total = math.log(sum(math.exp((x - max(logits)) / temperature) for x in logits))
        return (logits[i] - max(logits)) / temperature - total

    loss = 0
    for i, p in enumerate(probabilities(teacher)):
        loss += p * (log_probability(teacher, i) - log_probability(student, i))
    return loss * temperature**2


def distill_by_tensors(teacher, student, temperature):
    t, s = (ops.log_softmax(ops.array(x, dtype="float32") / temperature) for x in (teacher, student))
    return temperature**2 * ops.sum(ops.exp(t) * (t - s))


def contrast_by_loops(similarities, temperature):
    losses = []
    for i, row in enumerate(similarities):
        logits = [x / temperature for x in row]
        total = max(logits) + math.log(sum(math.exp(x - max(logits)) for x in logits))
        losses.append(total - logits[i])
    return sum(losses) / len(losses)


def contrast_by_tensors(similarities, temperature):
    logits = ops.array(similarities, dtype="float32") / temperature
    log = ops.log_softmax(logits, axis=1)
    return -ops.mean(ops.diagonal(log))


WRONG = {
    "bert_to_today.causal_mask": [
        (lambda real: np.triu(np.ones((len(real), len(real)))) * real, "upper triangle"),
        (lambda real: np.tril(np.ones((len(real), len(real)))), "padding is still visible"),
        (lambda real: np.tril(np.ones((len(real), len(real))), -1) * real, "attend to itself"),
        (lambda real: np.tril(np.ones((len(real), len(real)))) * np.array(real)[:, None], "never a key"),
        (lambda real: np.tril(np.outer(real, real)), "padded query"),
        (lambda real: [real] * len(real), "encoder's mask"),
        (lambda real: 1 - np.tril(np.ones((len(real), len(real)))) * real, "swapped"),
        (lambda real: np.where(np.tril(np.tile(real, (len(real), 1))), 0, -1e9), "add to the logits"),
        (lambda real: np.tril(np.ones((5, 5))) * (real * 5)[:5], "causal_mask("),
    ],
    "bert_to_today.local_mask": [
        (lambda n, reach: [[abs(t - s) < reach for s in range(n)] for t in range(n)], "exactly that distance"),
        (lambda n, reach: [[abs(t - s) <= reach // 2 for s in range(n)] for t in range(n)], "to each side"),
        (lambda n, reach: [[abs(t - s) <= 2 * reach for s in range(n)] for t in range(n)], "double"),
        (lambda n, reach: [[0 <= t - s <= reach for s in range(n)] for t in range(n)], "only the past"),
        (lambda n, reach: [[t - s <= reach for s in range(n)] for t in range(n)], "expected 0"),
        (lambda n, reach: [[abs(t - s) for s in range(n)] for t in range(n)], "are the distances"),
        (lambda n, reach: [[0 < abs(t - s) <= reach for s in range(n)] for t in range(n)], "attend to itself"),
        (lambda n, reach: [[abs(t - s) <= 4 for s in range(n)] for t in range(n)], "local_mask("),
    ],
    "bert_to_today.rotate_vector": [
        (lambda v, p, f: rotated(v, -p * np.array(f)), "other way"),
        (rotate_halves, "pairs are neighbors"),
        (lambda v, p, f: rotated(v, np.array(f)), "times the position"),
        (lambda v, p, f: rotated(v, np.full(len(f), p)), "pair's frequency"),
        (lambda v, p, f: rotated(v, np.full(len(f), p * f[0])), "its own frequency"),
        (lambda v, p, f: rotated(v, p + np.array(f)), "don't add"),
        (lambda v, p, f: rotated(v, np.radians(p * np.array(f))), "radians already"),
        (lambda v, p, f: v, "nothing is rotated"),
        (lambda v, p, f: rotated(v, abs(p) * np.array(f)), "rotate_vector("),
    ],
    "bert_to_today.distillation_loss": [
        (lambda t, s, T: divergence(np.divide(t, T), np.divide(s, T)), "squared is missing"),
        (lambda t, s, T: T * divergence(np.divide(t, T), np.divide(s, T)), "temperature squared"),
        (lambda t, s, T: T**2 * divergence(t, s), "not divided"),
        (lambda t, s, T: T**2 * divergence(np.divide(t, T), s), "student's logits"),
        (lambda t, s, T: T**2 * divergence(t, np.divide(s, T)), "teacher's logits"),
        (lambda t, s, T: T**2 * divergence(np.divide(s, T), np.divide(t, T)), "are swapped"),
        (lambda t, s, T: -(T**2) * np.sum(softmax(np.divide(t, T)) * log_softmax(np.divide(s, T))), "cross-entropy"),
        (lambda t, s, T: 4 * divergence(np.divide(t, T), np.divide(s, T)), "logits of 1000"),
        (
            lambda t, s, T: (
                T**2 * np.sum(softmax(np.divide(t, T)) * np.log(softmax(np.divide(t, T)) / softmax(np.divide(s, T))))
            ),
            "Subtract the largest",
        ),
    ],
    "bert_to_today.contrastive_loss": [
        (lambda x, T: contrast_by_loops(x, T) * len(x), "Take the mean"),
        (lambda x, T: -contrast_by_loops(x, T), "sign is missing"),
        (lambda x, T: contrast_by_loops(x, 1), "not divided"),
        (lambda x, T: contrast_by_loops(x, 1 / T), "don't multiply"),
        (lambda x, T: -np.log(np.diag(softmax(np.array(x) / T, 0))).mean(), "over the columns"),
        (lambda x, T: contrast_by_loops([row[: len(x)] for row in x], T), "hard negatives"),
        (lambda x, T: -np.log(np.diag(softmax(np.array(x) / T)).mean()), "of each probability"),
        (lambda x, T: np.diag(softmax(np.array(x) / T)).mean(), "mean probability"),
        (lambda x, T: -np.log(np.diag(softmax(np.array(x) / T))), "losses of the rows"),
        (lambda x, T: -np.log(np.diag(softmax(np.array(x) / T))).mean(), "Subtract the largest"),
    ],
}

RIGHT = {
    "bert_to_today.causal_mask": [
        lambda real: [[1 if s <= t and real[s] else 0 for s in range(len(real))] for t in range(len(real))],
        lambda real: np.tril(np.tile(real, (len(real), 1))),
        lambda real: ops.tril(ops.ones((len(real), len(real)))) * ops.array(real, dtype="float32"),
        lambda real: ([bool(s <= t and real[s]) for s in range(len(real))] for t in range(len(real))),
    ],
    "bert_to_today.local_mask": [
        lambda n, reach: [[1 if -reach <= t - s <= reach else 0 for s in range(n)] for t in range(n)],
        lambda n, reach: np.abs(np.arange(n)[:, None] - np.arange(n)) <= reach,
        lambda n, reach: np.tril(np.triu(np.ones((n, n)), -reach), reach),
        lambda n, reach: ops.abs(ops.arange(n)[:, None] - ops.arange(n)) <= reach,
    ],
    "bert_to_today.rotate_vector": [
        rotate_by_complex_numbers,
        rotate_by_tensors,
        lambda v, p, f: rotated(v, p * np.array(f)),
    ],
    "bert_to_today.distillation_loss": [
        distill_by_loops,
        distill_by_tensors,
        lambda t, s, T: T**2 * divergence(np.divide(t, T), np.divide(s, T)),
    ],
    "bert_to_today.contrastive_loss": [
        contrast_by_loops,
        contrast_by_tensors,
        lambda x, T: -np.mean([log_softmax(np.divide(row, T))[i] for i, row in enumerate(x)]),
    ],
}
