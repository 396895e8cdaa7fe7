"""Wrong answers to the exercises of chapter 10, each with a part of the feedback that it must get."""

import numpy as np


def adamw(w, g, m, v, t, rate, decay, corrected=True, coupled=False, power=0.5, epsilon=1e-6, under_root=0.0):
    g = g + decay * w if coupled else g
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    m_hat, v_hat = (m / (1 - 0.9**t), v / (1 - 0.999**t)) if corrected else (m, v)
    step = rate * m_hat / ((v_hat + under_root) ** power + epsilon)
    return w - (0 if coupled else rate * decay * w) - step, m, v


def split(order, size):
    return [order[i : i + size] for i in range(0, len(order), size)]


def by_length(lengths):
    return sorted(range(len(lengths)), key=lambda i: lengths[i])


def welch_t(a, b, ddof=1, of_means=True, power=0.5):
    variance = sum(np.var(x, ddof=ddof) / (len(x) if of_means else 1) for x in (a, b))
    return (np.mean(a) - np.mean(b)) / variance**power


WRONG = {
    "fine_tuning.count_steps": [
        (560 * 4 / 48, "round up"),
        (47, "in each epoch"),
        (44, "not down"),
        (46, "within one epoch"),
        (12, "of one epoch"),
        (2240, "number of texts"),
        (54, "batch size is 48"),
    ],
    "fine_tuning.rate_at": [
        (lambda t, peak, w, n: peak * min(t / w, (n - t) / (n - w)), "does nothing"),
        (lambda t, peak, w, n: peak * min((t + 1) / w, 1), "stays constant"),
        (lambda t, peak, w, n: peak * min(1, (n - t) / (n - w)), "no warm-up"),
        (lambda t, peak, w, n: peak * min((t + 1) / w, (n - t) / n), "steps - warm_up"),
        (lambda t, peak, w, n: max(min((t + 1) / w, (n - t) / (n - w), 1), 0), "Multiply"),
        (lambda t, peak, w, n: peak * min((t + 1) / w, (n - t) / (n - w), 1), "later step"),
        (lambda t, peak, w, n: peak * ((t + 1) / w if t < w else (n - t) / n), "jumps"),
        (lambda t, peak, w, n: peak * ((t + 1) / w if t <= w else (n - t) / (n - w)), "more than the peak"),
        (lambda t, peak, w, n: peak * (1 / w if t < w else (n - t) / (n - w)), "of step 0"),
    ],
    "fine_tuning.adamw_step": [
        (lambda *a: adamw(*a, corrected=False), "bias correction"),
        (lambda *a: adamw(*a, coupled=True), "itself"),
        (lambda *a: adamw(*a, power=1), "square root"),
        (lambda *a: adamw(*a)[0], "three numbers"),
        (lambda *a: adamw(*a, epsilon=0.0), "add 1e-6"),
        (lambda *a: adamw(*a, epsilon=0.0, under_root=1e-6), "not under it"),
        (lambda *a: adamw(*a, epsilon=1e-8), "epsilon is 1e-6"),
        (lambda *a: adamw(*a[:-1], 0), "does not decay"),
        (lambda w, *a: (2 * w - adamw(w, *a)[0], *adamw(w, *a)[1:]), "climbs"),
        (lambda w, *a: (adamw(w, *a)[0] + a[-2] * a[-1] * (w - 1), *adamw(w, *a)[1:]), "in proportion"),
        (lambda w, g, m, v, *a: (w, 0.1 * m + 0.9 * g, 0.001 * v + 0.999 * g * g), "["),
    ],
    "fine_tuning.least_padding": [
        (lambda lengths, size: split(list(range(len(lengths))), size), "original order"),
        (lambda lengths, size: split(sorted(lengths), size), "lengths themselves"),
        (lambda lengths, size: split(by_length(lengths), size)[:-1], "no batch"),
        (lambda lengths, size: [[i] for i in range(len(lengths))], "as few as possible"),
        (lambda lengths, size: split(by_length(lengths), 4), "batch_size is 3"),
        (lambda lengths, size: [by_length(lengths)[i::4] for i in range(4)], "by length"),
        (lambda lengths, size: by_length(lengths), "list of lists"),
    ],
    "fine_tuning.more_than_luck": [
        (lambda a, b: welch_t(a, b, ddof=0), "n - 1"),
        (lambda a, b: welch_t(a, b, of_means=False), "single runs"),
        (lambda a, b: welch_t(a, b, power=1), "square root"),
        (lambda a, b: welch_t(b, a), "first list"),
        (lambda a, b: abs(welch_t(a, b)), "keep the sign"),
        (lambda a, b: np.mean(a) - np.mean(b), "Divide it by"),
        (lambda a, b: welch_t(a, b) > 2, "yes or no"),
        (lambda a, b: (np.mean(a) - np.mean(b)) / welch_t(a, b), "denominator"),
        (lambda a, b: (max(a) - max(b)) / (np.mean(a) - np.mean(b)) * welch_t(a, b), "best seeds"),
        (lambda a, b: np.mean(a) - np.mean(b) / ((np.mean(a) - np.mean(b)) / welch_t(a, b)), "parentheses"),
    ],
}
