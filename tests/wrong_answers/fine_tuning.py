"""Wrong answers to the exercises of chapter 10, each with a part of the feedback that it must get."""

import math
import statistics

import ml_dtypes
import numpy as np
from keras import ops


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


def rate_with_branches(step, peak, warm_up, steps):
    if step < warm_up:
        return peak / warm_up * (step + 1)
    if step >= steps:
        return 0
    return peak - peak / (steps - warm_up) * (step - warm_up)


def adamw_in_place(w, g, m, v, t, rate, decay):
    m += (g - m) / 10
    v += (g**2 - v) / 1000
    w *= 1 - rate * decay
    w -= rate * m / (1 - 0.9**t) / (math.sqrt(v / (1 - 0.999**t)) + 1e-6)
    return [w, m, v]


def adamw_in_tensors(w, g, m, v, t, rate, decay):
    w, g, m, v = (ops.array(x, dtype="float32") for x in (w, g, m, v))
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * ops.square(g)
    step = m / (1 - 0.9**t) / (ops.sqrt(v / (1 - 0.999**t)) + 1e-6)
    return w - rate * (step + decay * w), m, v


def batches_in_loops(lengths, size):
    batches = []
    for _, index in sorted(zip(lengths, range(len(lengths)), strict=True), reverse=True):
        if not batches or len(batches[-1]) == size:
            batches.append([])
        batches[-1].append(index)
    return batches


def t_in_loops(first, second):
    squares = 0
    for runs in (first, second):
        mean = sum(runs) / len(runs)
        squares += sum((x - mean) ** 2 for x in runs) / (len(runs) - 1) / len(runs)
    return (sum(first) / len(first) - sum(second) / len(second)) / math.sqrt(squares)


def t_in_tensors(first, second):
    a, b = ops.array(first, dtype="float64"), ops.array(second, dtype="float64")
    variances = [ops.var(x) / (len(x) - 1) for x in (a, b)]  # of the means
    return (ops.mean(a) - ops.mean(b)) / ops.sqrt(sum(variances))


def rounded(x, bits=8, to_whole=round):
    fraction, exponent = math.frexp(x)
    return to_whole(fraction * 2**bits) * 2.0 ** (exponent - bits)


def rounded_in_loops(x):
    scale = 1.0
    while abs(x) >= 256:
        x, scale = x / 2, scale * 2
    while 0 < abs(x) < 128:
        x, scale = x * 2, scale / 2
    return round(x) * scale


def rounded_in_numpy(x):
    fraction, exponent = np.frexp(x)
    return np.rint(fraction * 256) * np.exp2(exponent - 8.0)


def rounded_by_bits(x):
    bits = int(np.float32(x).view(np.uint32))
    bits += 0x7FFF + (bits >> 16 & 1)
    return np.uint32(bits & 0xFFFF0000).view(np.float32)


# Answers in other ways than the solution's, which `check` must accept.
RIGHT = {
    "fine_tuning.rate_at": [
        rate_with_branches,
        lambda t, peak, w, n: peak * np.clip(min((t + 1) / w, (n - t) / (n - w)), 0, 1),
        lambda t, peak, w, n: peak * max(min((t + 1) / w, (n - t) / (n - w)), 0),
        lambda t, peak, w, n: peak * ops.clip(ops.minimum((t + 1) / w, (n - t) / (n - w)), 0.0, 1.0),
    ],
    "fine_tuning.adamw_step": [
        adamw,
        adamw_in_place,
        lambda *a: np.array(adamw(*map(np.float64, a))),
        adamw_in_tensors,
    ],
    "fine_tuning.least_padding": [
        batches_in_loops,
        lambda lengths, size: split(by_length(lengths), size),
        lambda lengths, size: split(np.argsort(lengths), size),
        lambda lengths, size: split(ops.convert_to_numpy(ops.argsort(ops.array(lengths))), size),
        lambda lengths, size: (batch[::-1] for batch in split(by_length(lengths), size)[::-1]),
        lambda lengths, size: tuple(map(tuple, split(by_length(lengths), size))),
    ],
    "fine_tuning.more_than_luck": [
        t_in_loops,
        lambda a, b: (np.mean(a) - np.mean(b)) / np.hypot(*(np.std(x, ddof=1) / len(x) ** 0.5 for x in (a, b))),
        lambda a, b: (
            (statistics.mean(a) - statistics.mean(b)) / sum(statistics.variance(x) / len(x) for x in (a, b)) ** 0.5
        ),
        t_in_tensors,
    ],
    "fine_tuning.round_to_bfloat16": [
        rounded_in_loops,
        rounded_in_numpy,
        rounded_by_bits,
        ml_dtypes.bfloat16,
        lambda x: ops.cast(x, "bfloat16"),
    ],
}

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
        (lambda t, peak, w, n: peak * max(min((t + 1) / 5, (n - t) / (n - 5), 1), 0), "learning_rate_at(0, 2.5, 1, 4)"),
        (lambda t, peak, w, n: abs(peak * min((t + 1) / w, (n - t) / (n - w))), "later step"),
        (lambda t, peak, w, n: 4e-3 * max(min((t + 1) / w, (n - t) / (n - w)), 0), "expected 2.5, got 0.004"),
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
        (lambda *a: np.abs(adamw(*a)), "got"),
        (lambda w, g, m, v, t, *a: adamw(w, g, m, v, min(t, 4), *a), "adamw_step(0.0, -1000,"),
    ],
    "fine_tuning.least_padding": [
        (lambda lengths, size: split(list(range(len(lengths))), size), "original order"),
        (lambda lengths, size: split(sorted(lengths), size), "lengths themselves"),
        (lambda lengths, size: split(by_length(lengths), size)[:-1], "no batch"),
        (lambda lengths, size: [[i] for i in range(len(lengths))], "as few as possible"),
        (lambda lengths, size: split(by_length(lengths), 4), "batch_size is 3"),
        (lambda lengths, size: [by_length(lengths)[i::4] for i in range(4)], "by length"),
        (lambda lengths, size: by_length(lengths), "list of lists"),
        (lambda lengths, size: split(by_length(lengths), 3), "3 batches are too many"),
        (
            lambda lengths, size: split(sorted(range(11), key=lambda i: lengths[i]), size),
            "[5, 5, 130, 7, 5, 41, 128, 40]",
        ),
        (lambda lengths, size: [*split(by_length(lengths), size), []], "empty"),
        (lambda lengths, size: split([lengths.index(n) for n in sorted(lengths)], size), "text 4 is in no batch"),
        (
            lambda lengths, size: [
                by_length(lengths)[i : i + size] for i in range(0, len(lengths) // size * size, size)
            ],
            "is in no batch",
        ),
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
        (lambda a, b: welch_t(a[:3], b), "welch_t([0.91, 0.88, 0.93, 0.9,"),
        (lambda a, b: (np.mean(a) - np.mean(b)) / ((np.var(a, ddof=1) + np.var(b, ddof=1)) / len(a)) ** 0.5, "got"),
    ],
    "fine_tuning.round_to_bfloat16": [
        (lambda x: x, "number itself"),
        (lambda x: rounded(x, to_whole=int), "cuts off"),
        (lambda x: rounded(x, to_whole=math.floor), "rounds down"),
        (lambda x: rounded(x, to_whole=math.ceil), "rounds up"),
        (lambda x: rounded(x, to_whole=lambda n: math.floor(n + 0.5)), "ties"),
        (lambda x: rounded(x, to_whole=lambda n: math.copysign(math.floor(abs(n) + 0.5), n)), "ties"),
        (lambda x: rounded(x, 7), "for free"),
        (lambda x: rounded(x, 9), "9 significant bits"),
        (np.float16, "float16"),
        (lambda x: round(x * 128) / 128, "steps double"),
        (lambda x: round(math.frexp(x)[0] * 256), "Scale it back"),
        (lambda x: rounded(x) * 256, "256 times"),
        (lambda x: abs(rounded(x)), "sign"),
        (lambda x: rounded(max(min(x, 65504), -65504)), "round_to_bfloat16(99999.5)"),
        (lambda x: [x], "expected one number"),
    ],
}
