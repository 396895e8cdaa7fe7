"""Exercises of notebooks/labs/5_sinks_and_outliers.ipynb."""

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, one_number

FRACTION = 9 / 19  # 0.9 * 0.1 of 0.9 * 0.1 + 0.1 * 1
ROUNDING = 0.0051  # two decimals are enough

# Four queries, five keys, vectors of seven elements; key 0 gets half of the attention and has a short vector.
_rng = np.random.default_rng(5)
ATTENTION = _rng.dirichlet(np.ones(5), size=4) / 2
ATTENTION[:, 0] += 0.5  # [T, S]
VECTORS = np.round(_rng.normal(size=(5, 7)), 1) * np.array([0.1, 1, 2, 1, 3])[:, None]  # [S, D]

# Six tokens of fifty elements, of mean 5 and standard deviation 1.9: two outliers at token 1, above the mean and below
# it, and one at token 4; and three elements within six standard deviations that mistakes count.
OUTPUT = np.round(np.random.default_rng(6).normal(size=(6, 50)), 1) + 5  # [T, D]
OUTPUT[1, [3, 30]] = 20, -12
OUTPUT[4, 3] = 18
OUTPUT[2, 8], OUTPUT[3, 5], OUTPUT[5, 2] = 12, 11, -1.6


def check_sink_fraction(answer):
    got = float(one_number(answer, "a fraction between 0 and 1."))
    reasons = {
        0.9: "that is the part of the attention. What is moved is the weight times the length of the vector.",
        0.09: "that is what [CLS] moves. Divide it by everything that is moved, that of the others included.",
        0.1: "that is what the other tokens move. Which fraction comes from [CLS]?",
        10 / 19: "that is the part of the other tokens. Which fraction comes from [CLS]?",
        0.9 / 1.1: "the factor belongs to [CLS], whose vector is short. Multiply its weight by it.",
    }
    if abs(got - 100 * FRACTION) < 1:
        raise WrongAnswer("that is a percentage. Express it as a fraction of 1.")
    for wrong, reason in reasons.items():
        if abs(got - wrong) < ROUNDING:
            raise WrongAnswer(reason)
    if not abs(got - FRACTION) < ROUNDING:  # NaN neither
        raise WrongAnswer(
            "multiply each weight by the length of its vector; then divide the product of [CLS] by the sum."
        )


def _fraction(attention, lengths, key):
    norms = attention * lengths
    return norms[:, key].sum() / norms.sum()


def check_fraction_moved(answer):
    lengths = np.linalg.norm(VECTORS, axis=-1)
    norms = ATTENTION * lengths
    for key in (0, 4):
        typical = [
            (ATTENTION[:, key].mean(), "that is the part of the attention. Multiply the weights by the norms."),
            (norms[:, key].sum(), "that is the norm that the key moves. Divide it by that of all keys."),
            (norms[:, key].mean(), "that is the mean norm that the key moves. Divide it by that of all keys."),
            ((norms[:, key] / norms.sum(axis=1)), "these are the fractions of the queries. Add up all queries first."),
            (
                (norms[:, key] / norms.sum(axis=1)).mean(),
                "that is the mean of each query's fraction. Add up the norms of all queries before you divide.",
            ),
            (lengths[key] / lengths.sum(), "the weights are missing."),
            (
                _fraction(ATTENTION, lengths**2, key),
                "the square root is missing: a norm is the root of the sum of squares.",
            ),
            (_fraction(ATTENTION, np.abs(VECTORS).sum(axis=-1), key), "a norm is not the sum of absolute values."),
            (
                _fraction(ATTENTION, np.abs(VECTORS.sum(axis=-1)), key),
                "the elements of a vector cancel out. Take its norm.",
            ),
            (norms[key % 4].sum() / norms.sum(), "that is a query, a row. Keys are the columns."),
        ]
        compare(call(answer, ATTENTION.copy(), VECTORS.copy(), key), _fraction(ATTENTION, lengths, key), typical)


def _outliers(output, **options):
    distances = np.abs(output - output.mean(**options, keepdims=True))
    return distances > 6 * output.std(**options, keepdims=True)


def check_count_outliers(answer):
    far = _outliers(OUTPUT)
    expected = far.sum(axis=-1)
    centered = OUTPUT - OUTPUT.mean()
    typical = [
        (far.sum(axis=0), "these are the outliers of each dimension. Count those of each token."),
        (far.sum(), "that is the number of all outliers. Count those of each token."),
        (far, "these are the outliers themselves. Count those of each token."),
        ((centered > 6 * OUTPUT.std()).sum(axis=-1), "an outlier may be below the mean, too."),
        ((np.abs(centered) > 3 * OUTPUT.std()).sum(axis=-1), "that is three standard deviations. It takes six."),
        ((np.abs(centered) > 6).sum(axis=-1), "the unit is missing: six standard deviations, not six."),
        ((6 * OUTPUT.std() < OUTPUT).sum(axis=-1), "subtract the mean first."),
        ((np.abs(OUTPUT) > 6 * OUTPUT.std()).sum(axis=-1), "subtract the mean first."),
        (_outliers(OUTPUT, axis=-1).sum(axis=-1), "take mean and standard deviation over all tokens, not of each."),
        (np.zeros(6), "no outlier is left. Take the standard deviation, not the variance, and that of all elements."),
        (far.mean(axis=-1), "that is a fraction. Count the outliers."),
    ]
    compare(call(answer, OUTPUT.copy()), expected, typical)


def _output(seed, shape, *outliers):
    """Return a layer output with a few large elements: (token, dimension, value)."""
    output = np.round(np.random.default_rng(seed).normal(size=shape), 1)
    for token, dimension, value in outliers:
        output[token, dimension] = value
    return output


EXERCISES = {
    "sink_fraction": Exercise(
        task="A head puts 0.9 of its attention on [CLS], whose vector is a tenth as long as the others: what is moved?",
        blank="fraction = ...",
        answer="fraction",
        check=check_sink_fraction,
        correct="nine tenths of the attention, less than half of what is moved.",
        hints=(
            "What a token moves is its weight times the length of its vector. Let the others have the length 1.",
            "[CLS] moves 0.9 times 0.1, the others together 0.1 times 1. Which part of the sum is the first?",
        ),
        solution="fraction = 0.9 * 0.1 / (0.9 * 0.1 + 0.1)  # 0.09 of 0.19",
    ),
    "fraction_moved": Exercise(
        task="Compute which fraction of the norm that a head moves comes from one key.",
        blank="def fraction_moved(attention, vectors, key):\n    return ...",
        answer="fraction_moved",
        check=check_fraction_moved,
        cases=(
            (np.ones((1, 1)), np.array([[3.0, 4.0]]), 0),
            (np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([[1.0], [-3.0]]), 1),
            (np.random.default_rng(13).multinomial(20, np.ones(3) / 3, size=5) / 20, _output(7, (3, 4)), 2),
            (np.random.default_rng(8).multinomial(20, np.ones(6) / 6, size=2) / 20, _output(9, (6, 2)), 0),
        ),
        correct="a weight says how much of a vector is taken, and the norm how much there is to take.",
        hints=(
            "np.linalg.norm(vectors, axis=-1) has one norm per key, [S]. Multiply the weights [T, S] by it.",
            "Sum the column of the key over all queries, and divide it by the sum of everything.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def fraction_moved(attention, vectors, key):\n"
            "    norms = attention * np.sqrt((vectors**2).sum(axis=1))  # [T, S]\n"
            "    return norms[:, key].sum() / norms.sum()"
        ),
    ),
    "count_outliers": Exercise(
        task="Count the outliers of each token: elements more than six standard deviations from the mean of all.",
        blank="def count_outliers(output):\n    return ...",
        answer="count_outliers",
        check=check_count_outliers,
        cases=(
            (np.zeros((2, 3)),),
            (_output(10, (1, 60), (0, 5, 40)),),
            (_output(11, (7, 40), (2, 1, -30), (6, 39, 30), (6, 0, 25)),),
            (_output(12, (3, 90), (1, 1, 7.2), (2, 2, 5)),),
        ),
        correct="few elements are so far away, and a whole layer's precision has to make room for them.",
        hints=(
            "output.mean() and output.std() are those of all tokens and dimensions.",
            "Compare np.abs(output - output.mean()) with six standard deviations, and sum over the last axis.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def count_outliers(output):\n"
            "    distances = np.abs(output - output.mean())  # [T, D]\n"
            "    return (distances > 6 * output.std()).sum(axis=1)  # [T]"
        ),
    ),
}
