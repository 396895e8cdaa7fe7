"""Exercises of notebooks/11_fine_tuning.ipynb."""

import math

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers

LENGTHS = (19, 8, 23, 11, 8, 30, 14, 9, 21, 12, 17)
B1, B2, EPSILON = 0.9, 0.999, 1e-6


def _one(result):
    number = numbers(result)
    if number.ndim:
        raise WrongAnswer(f"one number should come back, not {list(number.shape)}.")
    return float(number)


def check_steps(answer):
    texts, size, epochs = 560, 48, 4
    typical = [
        (
            texts * epochs / size,
            "an epoch ends with a batch that is not full, and that one is a step as well: round up.",
        ),
        (
            math.ceil(texts * epochs / size),
            "round up in each epoch, not once at the end: no batch reaches into the next.",
        ),
        (texts * epochs // size, "no batch reaches into the next epoch: divide within one epoch, and round up."),
        (texts // size * epochs, "the last batch of each epoch is not full, but it is a step: round up, not down."),
        (math.ceil(texts / size), "that is one epoch; there are 4."),
        (texts * epochs, "those are the texts that are read; a step reads 48 of them at once."),
        (18 * 4, "that is with batches of 32; here they are of 48."),
        (18 * 3, "those are the steps of the training above; here batches are of 48, and there are 4 epochs."),
    ]
    compare(answer, math.ceil(texts / size) * epochs, typical)


def _rate(step, peak, warm_up, steps):
    return peak * max(min((step + 1) / warm_up, (steps - step) / (steps - warm_up), 1.0), 0.0)


def _slips_of_rate(peak, warm_up, steps):
    """Schedules that are wrong, each as a function of the step, with what to say of it."""
    return (
        (
            lambda t: peak * min(t / warm_up, (steps - t) / (steps - warm_up)),
            "step 0 gets the rate 0 and does nothing; count the step itself as done: (step + 1) / warm_up.",
        ),
        (
            lambda t: peak * min((t + 1) / warm_up, 1),
            "it rises and then stays; after the warm-up it falls evenly to 0.",
        ),
        (lambda t: peak * min((steps - t) / (steps - warm_up), 1), "it falls, but there is no warm-up at the start."),
        (
            lambda t: peak * min((t + 1) / warm_up, (steps - t) / steps),
            "the way down begins at the peak, when the warm-up is over: divide by steps - warm_up.",
        ),
        (
            lambda t: peak * min((t + 1) / warm_up, 1 - (t + 1 - warm_up) / (steps - warm_up)),
            "the way down is one step early: at `step` there are steps - step left, this one included.",
        ),
        (
            lambda t: peak * min((t + 1) / warm_up, (steps - t) / (steps - warm_up)),
            "between rise and fall the two lines cross above the peak; no rate is larger than `peak`.",
        ),
        (lambda t: _rate(t, 1.0, warm_up, steps), "that is the share of the peak; multiply it by `peak`."),
        *(
            (
                lambda t, fall=fall: peak * ((t + 1) / warm_up if t < warm_up else fall(t)),
                "at the end of the warm-up the rate jumps down: the fall begins at the peak, so divide what is left by "
                "steps - warm_up.",
            )
            for fall in (lambda t: (steps - t) / steps, lambda t: 1 - t / (steps - warm_up))
        ),
        (
            lambda t: peak * ((t + 1) / warm_up if t <= warm_up else (steps - t) / (steps - warm_up)),
            "step `warm_up` gets more than the peak: the warm-up are the steps 0 to warm_up - 1.",
        ),
        (
            lambda t: peak * (1 / warm_up if t < warm_up else (steps - t) / (steps - warm_up)),
            "every step of the warm-up gets the rate of step 0; each should get one part more than the one before.",
        ),
    )


def check_rate(answer):
    peak, warm_up, steps = 4e-3, 5, 25
    places = (0, 2, 4, 5, 6, 15, 24)
    got = [_one(call(answer, step, peak, warm_up, steps)) * 1000 for step in places]
    slips = _slips_of_rate(peak, warm_up, steps)
    typical = [([function(t) * 1000 for t in places], reason) for function, reason in slips]
    compare(got, [_rate(t, peak, warm_up, steps) * 1000 for t in places], typical)
    longer = _one(call(answer, 30, peak, warm_up, steps))
    if not abs(longer) < 1e-12:
        raise WrongAnswer(
            f"right up to the end. For a step after it (30 of 25) it gives {longer:.4g}; it should stay at 0."
        )


def _adamw(
    w, g, m, v, t, rate, decay, *,
    correct=True, inside=False, root=True, betas=(B1, B2), sign=-1, scaled=True, epsilon=EPSILON, under=0.0,
):  # fmt: skip
    g = g + decay * w if inside else g
    m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g * g
    mean, square = (m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)) if correct else (m, v)
    length = (math.sqrt(square + under) if root else square) + epsilon
    pulled = w if inside else w - (rate if scaled else 1) * decay * w
    return pulled + sign * rate * mean / length, m, v


OTHER_EPSILON = "right, but for a slope as small as 0.000002: epsilon is 1e-6, as in the release of BERT."


def check_adamw(answer):
    cases = (
        (0.8, 0.05, 0.0, 0.0, 1, 0.01, 0.5),
        (-0.6, -0.3, 0.2, 0.09, 4, 0.02, 0.1),
        (0.2, 2e-6, 0.0, 0.0, 1, 0.3, 0.0),  # a slope so small that epsilon counts
    )
    got = [numbers(call(answer, *case)) for case in cases]
    if any(part.shape != (3,) for part in got):
        raise WrongAnswer("three numbers should come back: the new weight, the new m and the new v.")
    reasons = (
        ({"correct": False}, "the correction is missing: divide m by 1 - 0.9**t and v by 1 - 0.999**t for the step."),
        ({"inside": True}, "the decay goes through m and v, as in plain Adam; the W means: pull the weight itself."),
        ({"root": False}, "divide by the square root of v, not by v."),
        ({"betas": (B2, B1)}, "the two memories are swapped: 0.9 for m, 0.999 for v."),
        ({"betas": (1 - B1, 1 - B2)}, "it forgets nearly all: 0.9 and 0.999 belong to the old memory, the rest to g."),
        ({"sign": 1}, "it climbs: the step goes against the slope."),
        ({"scaled": False}, "the decay is far too strong: it is multiplied by the rate, too."),
        ({"epsilon": 0.0}, "right, but for a slope as small as 0.000002: add 1e-6 to the root that you divide by."),
        ({"epsilon": 0.0, "under": EPSILON}, "1e-6 is added to the root, after it is taken, and not under it."),
        ({"epsilon": 1e-7}, OTHER_EPSILON),  # Keras' own
        ({"epsilon": 1e-8}, OTHER_EPSILON),  # torch's
    )
    typical = [([_adamw(*case, **slip) for case in cases], reason) for slip, reason in reasons]
    typical.append(
        ([_adamw(*case[:-1], 0.0) for case in cases], "the weight does not decay: take rate * decay * w off.")
    )
    climbing = [(2 * case[0] - w, m, v) for case, (w, m, v) in ((case, _adamw(*case)) for case in cases)]
    typical.append((climbing, "it climbs: take the step off the weight, do not add it."))
    constant = [
        (w - case[5] * case[6] * (1 - case[0]), m, v) for case, (w, m, v) in ((case, _adamw(*case)) for case in cases)
    ]
    typical.append((constant, "the decay is in proportion to the weight: decay * w."))
    corrected = [
        (w, m / (1 - B1 ** case[4]), v / (1 - B2 ** case[4]))
        for case, (w, m, v) in ((case, _adamw(*case)) for case in cases)
    ]
    typical.append((corrected, "the weight is right; but give m and v back as they are, without the correction."))
    compare(got, [_adamw(*case) for case in cases], typical)


def _padding(batches):
    return sum(max(LENGTHS[i] for i in batch) * len(batch) - sum(LENGTHS[i] for i in batch) for batch in batches)


def _cut(order, size):
    return [order[i : i + size] for i in range(0, len(order), size)]


def check_batches(answer):
    size = 3
    result = call(answer, list(LENGTHS), size)
    if result is None or result is ...:
        numbers(result)  # says which of the two
    try:
        batches = [[int(i) for i in batch] for batch in result]
    except (TypeError, ValueError):
        raise WrongAnswer("a list of lists is wanted, each with the places of the texts of one batch.") from None
    everyone = sorted(i for batch in batches for i in batch)
    if everyone == sorted(LENGTHS):
        raise WrongAnswer("these are the lengths themselves; give the places (0, 1, 2, ...) of the texts.")
    if everyone != list(range(len(LENGTHS))):
        missing = sorted(set(range(len(LENGTHS))) - set(everyone))
        raise WrongAnswer(
            f"text {missing[0]} is in no batch." if missing else "a text is in more than one batch, or unknown."
        )
    if max(map(len, batches)) > size:
        raise WrongAnswer(f"a batch has {max(map(len, batches))} texts; batch_size is {size}.")
    if sum(map(bool, batches)) > math.ceil(len(LENGTHS) / size):
        raise WrongAnswer(f"no padding is easy with {len(batches)} batches; make as few as possible, full ones first.")
    ascending = sorted(range(len(LENGTHS)), key=lambda i: LENGTHS[i])
    least, found = max(_padding(_cut(order, size)) for order in (ascending, ascending[::-1])), _padding(batches)
    if batches == _cut(list(range(len(LENGTHS))), size):
        raise WrongAnswer(
            f"the texts are still in their first order: {found} tokens of padding, and {least} are enough."
        )
    if found > least:
        raise WrongAnswer(f"{found} tokens of padding, and {least} are enough: neighbours in length belong together.")


def _luck(a, b, *, ddof=1, rooted=True, of_means=True):
    squares = [np.var(x, ddof=ddof) / (len(x) if of_means else 1) for x in (a, b)]
    return (np.mean(a) - np.mean(b)) / (sum(squares) ** 0.5 if rooted else sum(squares))


def _best(a, b):
    return (max(a) - max(b)) / (np.mean(a) - np.mean(b)) * _luck(a, b)


def _spread(a, b):
    return (np.mean(a) - np.mean(b)) / _luck(a, b)


def check_luck(answer):
    cases = (([0.70, 0.74, 0.69], [0.66, 0.71, 0.62, 0.65]), ([0.5, 0.6], [0.58, 0.6, 0.59, 0.63, 0.55]))
    got = [call(answer, list(a), list(b)) for a, b in cases]
    if any(isinstance(result, bool | np.bool_) for result in got):
        raise WrongAnswer("a number is asked for, not yes or no: how large the difference is beside its spread.")
    got = [_one(result) for result in got]
    reasons = (
        ({"ddof": 0}, "the spread of a sample: divide the squares by n - 1, not by n (np.std(..., ddof=1))."),
        (
            {"of_means": False},
            "this is the spread of single runs; a mean of n runs spreads less: divide each square by its n.",
        ),
        ({"of_means": False, "ddof": 0}, "divide each sum of squares by n - 1, and then once more by n, for the mean."),
        ({"rooted": False}, "the square root is missing below."),
    )
    typical = [([_luck(a, b, **slip) for a, b in cases], reason) for slip, reason in reasons]
    typical += [
        ([_luck(b, a) for a, b in cases], "the sign: positive where the first list is better."),
        ([abs(_luck(a, b)) for a, b in cases], "keep the sign: negative where the second list is better."),
        (
            [np.mean(a) - np.mean(b) for a, b in cases],
            "that is the difference; divide it by the spread of a difference.",
        ),
        ([_spread(a, b) for a, b in cases], "that is what stands below; the difference of the means belongs above it."),
        (
            [np.mean(a) - np.mean(b) / _spread(a, b) for a, b in cases],
            "Python divides before it subtracts: put the difference in brackets.",
        ),
        ([_best(a, b) for a, b in cases], "above belongs the difference of the means, not of the best seeds."),
        (
            [(np.mean(a) - np.mean(b)) / sum(np.std(x, ddof=1) / len(x) for x in (a, b)) ** 0.5 for a, b in cases],
            "the standard deviations are not squared yet.",
        ),
    ]
    compare(got, [_luck(a, b) for a, b in cases], typical)


EXERCISES = {
    "count_steps": Exercise(
        task="How many steps are 4 epochs of 560 texts in batches of 48?",
        blank="count_steps = ...",
        answer="count_steps",
        check=check_steps,
        correct="an epoch is 12 steps, the last of them with 32 texts.",
        hints=(
            "How many batches does one epoch have? 560 / 48 is no whole number.",
            "The rest is a batch of its own, so round up. The next epoch begins with a new batch.",
        ),
        solution="count_steps = 4 * 12  # 560 / 48 is 11.7: eleven full batches, and one of 32 texts",
    ),
    "rate_at": Exercise(
        task="Write the rate at a step: an even rise to the peak, then an even fall to 0.",
        blank="def rate_at(step, peak, warm_up, steps):\n    return ...",
        answer="rate_at",
        check=check_rate,
        correct="it rises, it falls, and it never passes the peak.",
        hints=(
            "Two straight lines, and the smaller of them counts. Neither may be larger than 1, nor smaller than 0.",
            "Rising: (step + 1) / warm_up. Falling: what is left, divided by what was left when the warm-up was over.",
        ),
        solution=(
            "def rate_at(step, peak, warm_up, steps):\n"
            "    rising = (step + 1) / warm_up\n"
            "    falling = (steps - step) / (steps - warm_up)\n"
            "    return peak * max(min(rising, falling, 1), 0)"
        ),
    ),
    "adamw_step": Exercise(
        task="Write one step of AdamW for one weight; it gives back the weight, m and v.",
        blank="def adamw_step(w, g, m, v, t, rate, decay):\n    return ...",
        answer="adamw_step",
        check=check_adamw,
        correct="a weight is pulled towards 0, and moved against its slope by about the rate.",
        hints=(
            "New m: 0.9 of the old, 0.1 of the slope. New v: 0.999 of the old, 0.001 of the slope's square.",
            "For the step, divide m by 1 - 0.9**t and v by 1 - 0.999**t. First take rate * decay * w off the weight.",
        ),
        solution=(
            "def adamw_step(w, g, m, v, t, rate, decay):\n"
            "    m = 0.9 * m + 0.1 * g\n"
            "    v = 0.999 * v + 0.001 * g * g\n"
            "    mean, square = m / (1 - 0.9**t), v / (1 - 0.999**t)\n"
            "    w = w - rate * decay * w - rate * mean / (square**0.5 + 1e-6)\n"
            "    return w, m, v"
        ),
    ),
    "least_padding": Exercise(
        task="Write a plan: which texts go together, so that there is least padding in as few batches as possible.",
        blank="def least_padding(lengths, batch_size):\n    return ...",
        answer="least_padding",
        check=check_batches,
        correct="texts of a length go together, and each is read once.",
        hints=(
            "Put the places 0, 1, 2, ... in the order of the texts' lengths, and cut that list into batches.",
            "sorted(range(len(lengths)), key=...) sorts places; the key of a place is the length of the text there.",
        ),
        solution=(
            "def least_padding(lengths, batch_size):\n"
            "    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])\n"
            "    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]"
        ),
    ),
    "more_than_luck": Exercise(
        task="Write the difference of two means, measured in its own spread.",
        blank="def more_than_luck(one, other):\n    return ...",
        answer="more_than_luck",
        check=check_luck,
        correct="this is Welch's t. Below about 2 (with few seeds, more) it may be luck.",
        hints=(
            "Above: the difference of the means. Below: how far such a difference strays by chance.",
            "Below: square both standard deviations (ddof=1), divide each by its number of runs, add, take the root.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def more_than_luck(one, other):\n"
            "    spread = np.var(one, ddof=1) / len(one) + np.var(other, ddof=1) / len(other)\n"
            "    return (np.mean(one) - np.mean(other)) / spread**0.5"
        ),
    ),
}
