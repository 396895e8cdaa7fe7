"""Exercises of notebooks/10_fine_tuning.ipynb."""

import math

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers
from bertedu.course.exercises.mixed_precision import ROUND_TO_BFLOAT16

PLANNED = (  # lengths of texts, and the batch size
    ((19, 8, 23, 11, 8, 30, 14, 9, 21, 12, 17), 3),
    ((5, 5, 130, 7, 5, 41, 128, 40), 4),  # ties; all batches are full
    ((60, 6, 25, 7, 24), 1),
    ((9, 31, 8), 7),  # one batch, which is not full
    ((24, 5, 18, 33, 9, 41, 12, 28, 7, 37, 15, 21, 30), 5),
)
B1, B2, EPSILON = 0.9, 0.999, 1e-6


def _one(result):
    number = numbers(result)
    if number.ndim:
        raise WrongAnswer(f"return one number, not an array of shape {list(number.shape)}.")
    return float(number)


def check_steps(answer):
    texts, size, epochs = 560, 48, 4
    typical = [
        (texts * epochs / size, "the last batch of an epoch isn't full, but it is a step, too: round up."),
        (math.ceil(texts * epochs / size), "round up in each epoch, not once at the end: no batch spans two epochs."),
        (texts * epochs // size, "no batch spans two epochs: divide within one epoch, and round up."),
        (texts // size * epochs, "the last batch of each epoch isn't full, but it is a step: round up, not down."),
        (math.ceil(texts / size), "that is the number of steps of one epoch. There are 4 epochs."),
        (texts * epochs, "that is the number of texts. Each step reads 48 of them."),
        (18 * 4, "that is for batches of 32. Here the batch size is 48."),
        (18 * 3, "those are the steps of the training above. Here the batch size is 48, and there are 4 epochs."),
    ]
    compare(answer, math.ceil(texts / size) * epochs, typical)


def _learning_rate(step, peak, warm_up, steps):
    return peak * max(min((step + 1) / warm_up, (steps - step) / (steps - warm_up), 1.0), 0.0)


def _wrong_schedules(peak, warm_up, steps):
    """Pairs of a wrong schedule, as a function of the step, and the feedback."""
    return (
        (
            lambda t: peak * min(t / warm_up, (steps - t) / (steps - warm_up)),
            "the learning rate of step 0 is 0, so it does nothing. Count the step itself: (step + 1) / warm_up.",
        ),
        (
            lambda t: peak * min((t + 1) / warm_up, 1),
            "it rises and then stays constant. After the warm-up it should decay linearly to 0.",
        ),
        (lambda t: peak * min((steps - t) / (steps - warm_up), 1), "it decays, but there is no warm-up at the start."),
        (
            lambda t: peak * min((t + 1) / warm_up, (steps - t) / steps),
            "the decay should begin at the peak, when the warm-up ends: divide by steps - warm_up.",
        ),
        (
            lambda t: peak * min((t + 1) / warm_up, 1 - (t + 1 - warm_up) / (steps - warm_up)),
            "the decay is one step early: at `step`, steps - step are left, including this one.",
        ),
        (
            lambda t: peak * min((t + 1) / warm_up, (steps - t) / (steps - warm_up)),
            "the two lines cross above the peak. Limit the learning rate to `peak`.",
        ),
        (lambda t: _learning_rate(t, 1.0, warm_up, steps), "that is the fraction of the peak. Multiply it by `peak`."),
        *(
            (
                lambda t, decay=decay: peak * ((t + 1) / warm_up if t < warm_up else decay(t)),
                "the learning rate jumps down at the end of the warm-up. The decay begins at the peak, so divide the "
                "remaining steps by steps - warm_up.",
            )
            for decay in (lambda t: (steps - t) / steps, lambda t: 1 - t / (steps - warm_up))
        ),
        (
            lambda t: peak * ((t + 1) / warm_up if t <= warm_up else (steps - t) / (steps - warm_up)),
            "step `warm_up` gets more than the peak. The warm-up consists of the steps 0 to warm_up - 1.",
        ),
        (
            lambda t: peak * (1 / warm_up if t < warm_up else (steps - t) / (steps - warm_up)),
            "every step of the warm-up has the learning rate of step 0. It should rise linearly.",
        ),
    )


def check_learning_rate(answer):
    peak, warm_up, steps = 4e-3, 5, 25
    tested = (0, 2, 4, 5, 6, 15, 24)
    got = [_one(call(answer, step, peak, warm_up, steps)) * 1000 for step in tested]
    schedules = _wrong_schedules(peak, warm_up, steps)
    typical = [([schedule(t) * 1000 for t in tested], reason) for schedule, reason in schedules]
    compare(got, [_learning_rate(t, peak, warm_up, steps) * 1000 for t in tested], typical)
    after_end = _one(call(answer, 30, peak, warm_up, steps))
    if not abs(after_end) < 1e-12:
        raise WrongAnswer(
            f"it is right up to the end. For a later step (30 of 25) it returns {after_end:.4g}; it should stay at 0."
        )


def _adamw(
    w, g, m, v, t, rate, decay, *,
    correct=True, coupled=False, root=True, betas=(B1, B2), sign=-1, scaled=True, epsilon=EPSILON, under_root=0.0,
):  # fmt: skip
    g = g + decay * w if coupled else g
    m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g * g
    m_hat, v_hat = (m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)) if correct else (m, v)
    denominator = (math.sqrt(v_hat + under_root) if root else v_hat) + epsilon
    decayed = w if coupled else w - (rate if scaled else 1) * decay * w
    return decayed + sign * rate * m_hat / denominator, m, v


TINY_GRADIENT = "it is right except for a gradient as small as 0.000002: "
OTHER_EPSILON = f"{TINY_GRADIENT}epsilon is 1e-6, as in the original BERT."


ADAMW_MISTAKES = (  # arguments of `_adamw` that make a mistake, and what to say then
    ({"correct": False}, "the bias correction is missing: for the step, divide m by 1 - 0.9**t and v by 1 - 0.999**t."),
    ({"coupled": True}, "the decay goes through m and v, as in Adam. AdamW decays the weight itself."),
    ({"root": False}, "divide by the square root of v, not by v."),
    ({"betas": (B2, B1)}, "the two betas are swapped: use 0.9 for m and 0.999 for v."),
    (
        {"betas": (1 - B1, 1 - B2)},
        "it forgets nearly everything: 0.9 and 0.999 multiply the old moments, the rest multiplies g.",
    ),
    ({"sign": 1}, "it climbs: the step should go against the gradient."),
    ({"scaled": False}, "the decay is far too strong. Multiply it by the learning rate, too."),
    ({"epsilon": 0.0}, f"{TINY_GRADIENT}add 1e-6 to the square root that you divide by."),
    ({"epsilon": 0.0, "under_root": EPSILON}, "add 1e-6 after taking the square root, not under it."),
    ({"epsilon": 1e-7}, OTHER_EPSILON),  # Keras' own
    ({"epsilon": 1e-8}, OTHER_EPSILON),  # torch's
)


def check_adamw(answer):
    cases = (
        (0.8, 0.05, 0.0, 0.0, 1, 0.01, 0.5),
        (-0.6, -0.3, 0.2, 0.09, 4, 0.02, 0.1),
        (0.2, 2e-6, 0.0, 0.0, 1, 0.3, 0.0),  # a gradient so small that epsilon matters
    )
    got = [numbers(call(answer, *case)) for case in cases]
    if any(part.shape != (3,) for part in got):
        raise WrongAnswer("return three numbers: the new weight, the new m and the new v.")
    typical = [([_adamw(*case, **mistake) for case in cases], reason) for mistake, reason in ADAMW_MISTAKES]
    without_decay = [_adamw(*case[:-1], 0.0) for case in cases]
    typical.append((without_decay, "the weight does not decay: subtract learning_rate * weight_decay * w."))
    pairs = [(case, _adamw(*case)) for case in cases]
    climbing = [(2 * case[0] - w, m, v) for case, (w, m, v) in pairs]
    typical.append((climbing, "it climbs: subtract the step from the weight, don't add it."))
    constant = [(w - case[5] * case[6] * (1 - case[0]), m, v) for case, (w, m, v) in pairs]
    typical.append((constant, "the decay should be in proportion to the weight: weight_decay * w."))
    corrected = [(w, m / (1 - B1 ** case[4]), v / (1 - B2 ** case[4])) for case, (w, m, v) in pairs]
    typical.append((corrected, "the weight is right, but return m and v without the bias correction."))
    compare(got, [expected for _, expected in pairs], typical)


def _padding(lengths, batches):
    return sum(max(lengths[i] for i in batch) - lengths[j] for batch in batches for j in batch)


def _split(order, size):
    return [order[i : i + size] for i in range(0, len(order), size)]


def check_batches(answer):
    for number, (lengths, size) in enumerate(PLANNED):
        try:
            _check_batches(call(answer, list(lengths), size), lengths, size)
        except WrongAnswer as reason:
            where = f"for lengths = {list(lengths)} and batch_size = {size}: " if number else ""
            raise WrongAnswer(f"{where}{reason}") from None


def _check_batches(result, lengths, size):
    if result is None or result is ...:
        numbers(result)  # raises with the message for it
    try:
        batches = [[int(i) for i in batch] for batch in result]
    except (TypeError, ValueError):
        raise WrongAnswer("return a list of lists, one per batch, each with the indices of its texts.") from None
    indices = sorted(i for batch in batches for i in batch)
    if indices == sorted(lengths):
        raise WrongAnswer("these are the lengths themselves. Return the indices (0, 1, 2, ...) of the texts.")
    if indices != list(range(len(lengths))):
        missing = sorted(set(range(len(lengths))) - set(indices))
        raise WrongAnswer(
            f"text {missing[0]} is in no batch." if missing else "a text is in several batches, or an index is invalid."
        )
    if max(map(len, batches)) > size:
        raise WrongAnswer(f"a batch has {max(map(len, batches))} texts, but batch_size is {size}.")
    if not all(batches):
        raise WrongAnswer("a batch is empty. Make as few batches as possible.")
    if len(batches) > math.ceil(len(lengths) / size):
        raise WrongAnswer(f"{len(batches)} batches are too many. Make as few as possible: fill every batch but one.")
    ascending = sorted(range(len(lengths)), key=lambda i: lengths[i])
    sufficient = max(_padding(lengths, _split(order, size)) for order in (ascending, ascending[::-1]))
    padding = _padding(lengths, batches)
    enough = f"{padding} tokens of padding, where {sufficient} are enough"
    if padding > sufficient and batches == _split(list(range(len(lengths))), size):
        raise WrongAnswer(f"the texts are still in their original order: {enough}.")
    if padding > sufficient:
        raise WrongAnswer(f"{enough}. Sort the texts by length.")


def _welch_t(a, b, *, ddof=1, root=True, of_means=True):
    variances = [np.var(x, ddof=ddof) / (len(x) if of_means else 1) for x in (a, b)]
    return (np.mean(a) - np.mean(b)) / (sum(variances) ** 0.5 if root else sum(variances))


def check_welch_t(answer):
    cases = (([0.70, 0.74, 0.69], [0.66, 0.71, 0.62, 0.65]), ([0.5, 0.6], [0.58, 0.6, 0.59, 0.63, 0.55]))
    got = [call(answer, list(a), list(b)) for a, b in cases]
    if any(isinstance(result, bool | np.bool_) for result in got):
        raise WrongAnswer("return a number, not yes or no: the difference divided by its standard error.")
    got = [_one(result) for result in got]
    reasons = (
        ({"ddof": 0}, "use the sample variance: divide by n - 1, not by n (np.var(..., ddof=1))."),
        (
            {"of_means": False},
            "this uses the variance of single runs. The mean of n runs varies less: divide each variance by its n.",
        ),
        ({"of_means": False, "ddof": 0}, "divide each sum of squares by n - 1, and then again by n, for the mean."),
        ({"root": False}, "the square root in the denominator is missing."),
    )
    typical = [([_welch_t(a, b, **mistake) for a, b in cases], reason) for mistake, reason in reasons]
    difference = np.array([np.mean(a) - np.mean(b) for a, b in cases])
    errors = difference / [_welch_t(a, b) for a, b in cases]
    best = np.array([max(a) - max(b) for a, b in cases])
    unbracketed = [np.mean(a) - np.mean(b) / error for (a, b), error in zip(cases, errors, strict=True)]
    typical += [
        ([_welch_t(b, a) for a, b in cases], "the sign is wrong: it is positive if the first list is better."),
        ([abs(_welch_t(a, b)) for a, b in cases], "keep the sign: it is negative if the second list is better."),
        (difference, "that is the difference. Divide it by the standard error of the difference."),
        (errors, "that is the denominator. Divide the difference of the means by it."),
        (unbracketed, "Python divides before it subtracts: put the difference in parentheses."),
        (best / errors, "use the difference of the means, not of the best seeds."),
        (
            [(np.mean(a) - np.mean(b)) / sum(np.std(x, ddof=1) / len(x) for x in (a, b)) ** 0.5 for a, b in cases],
            "square the standard deviations.",
        ),
    ]
    compare(got, [_welch_t(a, b) for a, b in cases], typical)


EXERCISES = {
    "count_steps": Exercise(
        task="How many steps are 4 epochs of 560 texts in batches of 48?",
        blank="num_steps = ...",
        answer="num_steps",
        check=check_steps,
        correct="an epoch has 12 steps, and the last one reads 32 texts.",
        hints=(
            "How many batches does one epoch have? 560 / 48 is not a whole number.",
            "The remainder is a batch of its own, so round up. The next epoch begins with a new batch.",
        ),
        solution="num_steps = 4 * 12  # 560 / 48 is 11.7: eleven full batches, and one of 32 texts",
    ),
    "rate_at": Exercise(
        task="Write the learning rate at a step: linear warm-up to the peak, then linear decay to 0.",
        blank="def learning_rate_at(step, peak, warm_up, steps):\n    return ...",
        answer="learning_rate_at",
        check=check_learning_rate,
        correct="it rises, it falls, and it never exceeds the peak.",
        hints=(
            "There are two straight lines. Take the smaller of them, and limit it to the range from 0 to 1.",
            "Rising: (step + 1) / warm_up. Falling: the steps left, divided by those left at the end of the warm-up.",
        ),
        solution=(
            "def learning_rate_at(step, peak, warm_up, steps):\n"
            "    rising = (step + 1) / warm_up\n"
            "    falling = (steps - step) / (steps - warm_up)\n"
            "    return peak * max(min(rising, falling, 1), 0)"
        ),
        cases=(
            *((step, 2.5, 1, 4) for step in (0, 1, 3, 4)),  # a warm-up of one step
            *((step, 0.7, 30, 1000) for step in (0, 28, 29, 30, 31, 613, 999, 1000, 5000)),
            *((step, 13, 6, 7) for step in (0, 5, 6, 7)),  # a decay of one step
        ),
    ),
    "adamw_step": Exercise(
        task="Write one step of AdamW for one weight. Return the weight, m and v.",
        blank="def adamw_step(w, g, m, v, t, learning_rate, weight_decay):\n    return ...",
        answer="adamw_step",
        check=check_adamw,
        correct="the weight decays toward 0 and moves against its gradient by about the learning rate.",
        hints=(
            "New m: 0.9 of the old, 0.1 of the gradient. New v: 0.999 of the old, 0.001 of the squared gradient.",
            "For the step, divide m by 1 - 0.9**t, v by 1 - 0.999**t. Also subtract learning_rate * weight_decay * w.",
        ),
        solution=(
            "def adamw_step(w, g, m, v, t, learning_rate, weight_decay):\n"
            "    m = 0.9 * m + 0.1 * g\n"
            "    v = 0.999 * v + 0.001 * g * g\n"
            "    m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)\n"
            "    update = m_hat / (v_hat**0.5 + 1e-6) + weight_decay * w\n"
            "    return w - learning_rate * update, m, v"
        ),
        cases=(
            (-1.3, 0.0, 0.0, 0.0, 1, 0.1, 0.5),  # without a gradient: the decay alone
            (0.0, -1000, 250, 40_000, 7, 3.0, 0.2),
            (-2.4, 0.0, -0.6, 0.3, 1000, 0.25, 0.0),
            (12.5, -0.03, 0.02, 0.0007, 31, 0.8, 0.04),
        ),
    ),
    "least_padding": Exercise(
        task="Plan the batches: as few as possible, with as little padding as possible.",
        blank="def least_padding(lengths, batch_size):\n    return ...",
        answer="least_padding",
        check=check_batches,
        correct="texts of similar length are together, and each text is read once.",
        hints=(
            "Sort the indices 0, 1, 2, ... by the lengths of the texts, and split that list into batches.",
            "sorted(range(len(lengths)), key=...) sorts indices; the key of an index is the length of that text.",
        ),
        solution=(
            "def least_padding(lengths, batch_size):\n"
            "    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])\n"
            "    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]"
        ),
        cases=(([17], 1), ([17], 4), ([0], 2)),  # others have several right answers: see `PLANNED`
    ),
    "more_than_luck": Exercise(
        task="Write the difference of two means, divided by its standard error.",
        blank="def welch_t(first, second):\n    return ...",
        answer="welch_t",
        check=check_welch_t,
        correct="this is Welch's t. Below about 2 (or more, with few seeds) the difference may be random.",
        hints=(
            "Numerator: the difference of the means. Denominator: the standard error of that difference.",
            "Denominator: divide both variances (ddof=1) by their number of runs, add them, take the square root.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def welch_t(first, second):\n"
            "    variance = np.var(first, ddof=1) / len(first) + np.var(second, ddof=1) / len(second)\n"
            "    return (np.mean(first) - np.mean(second)) / variance**0.5"
        ),
        cases=(
            ([0.6, 0.7], [0.7, 0.6]),  # equal means
            ([0.5, 0.5, 0.5], [0.71, 0.64]),  # a variance of 0
            ([71.5, 1000, 68.25], [70, 69.5, 72, 73.75, 0]),
            ([0.91, 0.88, 0.93, 0.9, 0.92, 0.89, 0.95], [0.83, 0.87]),
        ),
    ),
    "round_to_bfloat16": ROUND_TO_BFLOAT16,
}
