"""Wrong answers to the exercises of the chapter, and a word that the reason given must hold."""

import numpy as np


def adamw(w, g, m, v, t, rate, decay, corrected=True, inside=False, power=0.5, epsilon=1e-6, under=0.0):
    g = g + decay * w if inside else g
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    mean, square = (m / (1 - 0.9**t), v / (1 - 0.999**t)) if corrected else (m, v)
    return w - (0 if inside else rate * decay * w) - rate * mean / ((square + under) ** power + epsilon), m, v


def cut(order, size):
    return [order[i : i + size] for i in range(0, len(order), size)]


def by_length(lengths):
    return sorted(range(len(lengths)), key=lambda i: lengths[i])


def luck(a, b, ddof=1, each=True, power=0.5):
    spread = sum(np.var(x, ddof=ddof) / (len(x) if each else 1) for x in (a, b))
    return (np.mean(a) - np.mean(b)) / spread**power


WRONG = {
    "fine_tuning.count_steps": [
        (560 * 4 / 48, "round up"),
        (47, "in each epoch"),
        (44, "not down"),
        (46, "within one epoch"),
        (12, "one epoch"),
        (2240, "texts"),
        (54, "batches are of 48"),
    ],
    "fine_tuning.rate_at": [
        (lambda t, peak, w, n: peak * min(t / w, (n - t) / (n - w)), "does nothing"),
        (lambda t, peak, w, n: peak * min((t + 1) / w, 1), "stays"),
        (lambda t, peak, w, n: peak * min(1, (n - t) / (n - w)), "no warm-up"),
        (lambda t, peak, w, n: peak * min((t + 1) / w, (n - t) / n), "steps - warm_up"),
        (lambda t, peak, w, n: max(min((t + 1) / w, (n - t) / (n - w), 1), 0), "multiply"),
        (lambda t, peak, w, n: peak * min((t + 1) / w, (n - t) / (n - w), 1), "after it"),
        (lambda t, peak, w, n: peak * ((t + 1) / w if t < w else (n - t) / n), "jumps"),
        (lambda t, peak, w, n: peak * ((t + 1) / w if t <= w else (n - t) / (n - w)), "more than the peak"),
        (lambda t, peak, w, n: peak * (1 / w if t < w else (n - t) / (n - w)), "of step 0"),
    ],
    "fine_tuning.adamw_step": [
        (lambda *a: adamw(*a, corrected=False), "correction"),
        (lambda *a: adamw(*a, inside=True), "itself"),
        (lambda *a: adamw(*a, power=1), "square root"),
        (lambda *a: adamw(*a)[0], "three numbers"),
        (lambda *a: adamw(*a, epsilon=0.0), "add 1e-6"),
        (lambda *a: adamw(*a, epsilon=0.0, under=1e-6), "not under it"),
        (lambda *a: adamw(*a, epsilon=1e-8), "epsilon is 1e-6"),
        (lambda *a: adamw(*a[:-1], 0), "does not decay"),
        (lambda w, *a: (2 * w - adamw(w, *a)[0], *adamw(w, *a)[1:]), "climbs"),
        (lambda w, *a: (adamw(w, *a)[0] + a[-2] * a[-1] * (w - 1), *adamw(w, *a)[1:]), "in proportion"),
        (lambda w, g, m, v, *a: (w, 0.1 * m + 0.9 * g, 0.001 * v + 0.999 * g * g), "["),
    ],
    "fine_tuning.least_padding": [
        (lambda lengths, size: cut(list(range(len(lengths))), size), "first order"),
        (lambda lengths, size: cut(sorted(lengths), size), "lengths themselves"),
        (lambda lengths, size: cut(by_length(lengths), size)[:-1], "no batch"),
        (lambda lengths, size: [[i] for i in range(len(lengths))], "as few as possible"),
        (lambda lengths, size: cut(by_length(lengths), 4), "batch_size is 3"),
        (lambda lengths, size: [by_length(lengths)[i::4] for i in range(4)], "neighbours"),
        (lambda lengths, size: by_length(lengths), "list of lists"),
    ],
    "fine_tuning.more_than_luck": [
        (lambda a, b: luck(a, b, ddof=0), "n - 1"),
        (lambda a, b: luck(a, b, each=False), "single runs"),
        (lambda a, b: luck(a, b, power=1), "root"),
        (lambda a, b: luck(b, a), "first list"),
        (lambda a, b: abs(luck(a, b)), "keep the sign"),
        (lambda a, b: np.mean(a) - np.mean(b), "divide it by"),
        (lambda a, b: luck(a, b) > 2, "yes or no"),
        (lambda a, b: (np.mean(a) - np.mean(b)) / luck(a, b), "belongs above"),
        (lambda a, b: (max(a) - max(b)) / (np.mean(a) - np.mean(b)) * luck(a, b), "best seeds"),
        (lambda a, b: np.mean(a) - np.mean(b) / ((np.mean(a) - np.mean(b)) / luck(a, b)), "brackets"),
    ],
}
