"""Exercises of notebooks/09_classification.ipynb."""

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers, one_number

# Two texts, a vector of three numbers each, four classes: no two sizes are equal, so that a mix-up shows.
POOLED = np.array([[1.0, -2.0, 0.5], [0.0, 1.0, 3.0]])
KERNEL = np.array([[0.5, -1.0, 0.0, 2.0], [1.0, 0.3, -0.2, 0.0], [-0.4, 0.6, 0.1, 0.2]])
BIAS = np.array([0.1, 0.0, -0.3, 0.2])
COUNTS = np.array([[8, 1, 1], [3, 5, 2], [4, 0, 26]])  # rows are the true classes

SURE = np.array([0.55, 0.58, 0.93, 0.97, 0.95, 0.99, 0.72])
RIGHT = np.array([1, 0, 1, 0, 0, 1, 1])

_random = np.random.default_rng(9)
LOGITS = np.round(3 * _random.normal(size=(40, 3)), 2)
LABELS = np.where(_random.random(40) < 0.6, LOGITS.argmax(-1), _random.integers(0, 3, 40))


def _softmax(x):
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _surprise(logits, labels):
    return -np.log(_softmax(logits)[np.arange(len(labels)), labels]).mean()


def check_constant(answer):
    typical = [
        (
            1 / 3,
            "that is a guess by lot among three classes; the constant guess names the most frequent one each time.",
        ),
        (40, "that is a percentage; give a share between 0 and 1."),
        (80, "that is how many it gets right; divide by how many there are."),
        (0.35, "that is the class of 70. Which is the most frequent?"),
        (0.25, "that is the rarest class. Which is the most frequent?"),
        (0.6, "that is the share that it gets wrong."),
    ]
    got = one_number(answer, "the share that it gets right.")
    compare(got, 0.4, typical)


def check_accuracy(answer):
    right, by_class = np.diag(COUNTS), np.diag(COUNTS) / COUNTS.sum(axis=1)
    typical = [
        (by_class.mean(), "that is the mean over the classes; here every text counts the same, so large classes more."),
        ((right / COUNTS.sum(axis=0)).mean(), "the columns are what was said; divide all that is right by all texts."),
        (1 - right.sum() / COUNTS.sum(), "that is the share of mistakes."),
        (right.sum(), "that is how many are right; divide by how many there are."),
        (by_class, "that is one number a class; one for all texts is asked for."),
        (right[:2].sum() / COUNTS.sum(), "it looks at two classes; this table has three, and another may have more."),
        (np.fliplr(COUNTS).trace() / COUNTS.sum(), "that is the other diagonal; what is right stands at table[i][i]."),
        (100 * right.sum() / COUNTS.sum(), "that is a percentage; give a share between 0 and 1."),
        (right.sum() / 3, "divide by the number of texts, not of classes."),
        (COUNTS.trace() / 9, "divide by the texts, not by the squares of the table."),
    ]
    compare(call(answer, COUNTS.tolist()), right.sum() / COUNTS.sum(), typical)


def check_head(answer):
    logits = POOLED @ KERNEL + BIAS
    typical = [
        (logits, "these are the logits; the softmax is missing."),
        (_softmax(POOLED @ KERNEL), "the bias is missing."),
        (1 / (1 + np.exp(-logits)), "a sigmoid judges each class alone; here exactly one is right, so softmax."),
        (_softmax(logits.T).T, "the softmax runs over the texts; it runs over the classes, each row for itself."),
        (np.exp(logits) / np.exp(logits).sum(), "the softmax runs over the whole table; each row must sum to 1."),
        (np.exp(logits), "these are the powers; divide each row by its sum."),
        (logits.argmax(-1), "these are the classes; the probability of each class is asked for."),
        (
            logits / logits.sum(-1, keepdims=True),
            "it divides the logits by their sum; the softmax raises e to each first.",
        ),
        (
            np.log(_softmax(logits)),
            "these are logarithms of the probabilities; the probabilities themselves are wanted.",
        ),
        (_softmax(np.tanh(POOLED) @ KERNEL + BIAS), "`pooled` has been through its tanh already."),
        (_softmax(np.tanh(logits)), "there is no tanh here; that one is in the pooler, before."),
    ]
    compare(call(answer, POOLED.copy(), KERNEL.copy(), BIAS.copy()), _softmax(logits), typical)


def _error(sure, right, bins, power=1, weighed=True, middle=False):
    places = np.minimum((sure * bins).astype(int), bins - 1)
    claimed = (places + 0.5) / bins if middle else sure
    gaps = [(np.sum(places == b), right[places == b].mean() - claimed[places == b].mean()) for b in np.unique(places)]
    if not weighed:
        return np.mean([abs(gap) for _, gap in gaps])
    return sum(count * abs(gap) ** power for count, gap in gaps) / len(sure)


def check_calibration(answer):
    gap = SURE.mean() - RIGHT.mean()
    at_once = "that is the distance over all texts at once: take it bin by bin, and each without its sign (abs)."
    bins = len(np.unique(np.minimum((SURE * 10).astype(int), 9)))
    plain_mean = _error(SURE, RIGHT, 10, weighed=False)
    typical = [
        (gap, at_once),
        (-gap, at_once),
        (bins * plain_mean, "the bins are added up alike; each counts by its share of the texts."),
        (bins * plain_mean / 10, "each bin counts by its share of the texts, not by a tenth."),
        (
            _error(SURE, RIGHT, 10, middle=True),
            "it compares with the middle of the bin; take the mean of its confidences.",
        ),
        (_error(SURE, RIGHT, 10, weighed=False), "each bin counts by how many texts it holds, not all bins the same."),
        (np.abs(SURE - RIGHT).mean(), "that is the distance of each text alone; take the means of each bin first."),
        (_error(SURE, RIGHT, 10, power=2), "the distance is taken as it is, not squared."),
        (_error(SURE, RIGHT, 10) * len(SURE), "divide by the number of texts."),
        (RIGHT.mean(), "that is the accuracy; how far is it from what was claimed?"),
        (SURE.mean(), "that is the mean confidence; how far is it from the accuracy?"),
    ]
    compare(call(answer, SURE.tolist(), RIGHT.tolist()), _error(SURE, RIGHT, 10), typical)
    compare(call(answer, [1.0, 1.0], [1, 0]), 0.5, [(0, "a confidence of 1.0 falls into no bin; it is in the last.")])


def check_temperature(answer):
    grid = np.arange(0.1, 10.01, 0.1)
    surprises = [_surprise(LOGITS / t, LABELS) for t in grid]
    best = grid[np.argmin(surprises)]
    got = numbers(call(answer, LOGITS.copy(), LABELS.copy()))
    if got.shape != ():
        raise WrongAnswer("one number is asked for: the temperature.")
    reasons = [
        (surprises[int(np.argmin(surprises))], "that is the least surprise itself; at which temperature is it?"),
        (
            grid[np.argmax(surprises)],
            "there the surprise is *largest*; look for the smallest mean of -log p, p being that of the right label.",
        ),
        (1 / best, "the logits are divided by the temperature; here they were multiplied."),
        (np.argmin(surprises), "that is the place in the list; give the temperature that stands there."),
    ]
    for wrong, reason in reasons:
        if abs(got - wrong) < 0.011 and abs(wrong - best) > 0.06:
            raise WrongAnswer(reason)
    if got == 1:
        raise WrongAnswer("1 leaves the logits as they are; try others, and keep the one with the least surprise.")
    if not abs(got - best) <= 0.06:
        raise WrongAnswer(
            f"the surprise there is {_surprise(LOGITS / max(got, 0.01), LABELS):.3f}, and a smaller one can be had."
        )


EXERCISES = {
    "constant_guess": Exercise(
        task="What share does a constant guess get right, where there are 50, 80 and 70 texts of three classes?",
        blank="share = ...",
        answer="share",
        check=check_constant,
        correct="this is the base rate, and any classifier has to beat it before it has shown anything.",
        hints=(
            "It says the same class every time. Which one is the best to say?",
            "The most frequent class has 80 texts, of 50 + 80 + 70.",
        ),
        solution="share = 80 / (50 + 80 + 70)  # always say the most frequent class",
    ),
    "accuracy": Exercise(
        task="Write the accuracy from a table of confusion: rows are the true classes, columns what was said.",
        blank="def accuracy(table):\n    return ...",
        answer="accuracy",
        check=check_accuracy,
        correct="what is on the diagonal is right, and every text counts once.",
        hints=(
            "A text is right where row and column are the same: table[i][i].",
            "Add up the diagonal, and divide by the sum of the whole table.",
        ),
        solution=(
            "def accuracy(table):\n"
            "    right = sum(table[i][i] for i in range(len(table)))\n"
            "    return right / sum(sum(row) for row in table)"
        ),
    ),
    "head": Exercise(
        task="Write the head in NumPy: vectors [B, D], kernel [D, C] and bias [C] give probabilities [B, C].",
        blank="def head(pooled, kernel, bias):\n    return ...",
        answer="head",
        check=check_head,
        correct="a product, a bias, a softmax: this is all that stands on top of a BERT.",
        hints=(
            "The logits are pooled @ kernel + bias. Then the softmax of each row.",
            "np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True) is the softmax of each row of x.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def head(pooled, kernel, bias):\n"
            "    logits = pooled @ kernel + bias  # [B, C]\n"
            "    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))  # [B, C]\n"
            "    return powers / powers.sum(axis=-1, keepdims=True)  # [B, C]"
        ),
    ),
    "calibration_error": Exercise(
        task="Write the expected calibration error with ten bins, from confidences and whether each answer was right.",
        blank="def calibration_error(sure, right):\n    return ...",
        answer="calibration_error",
        check=check_calibration,
        correct="how far what it claims is from what it does, text by text of its bin.",
        hints=(
            "Bin b holds the confidences from b/10 up to (b+1)/10; 1.0 is in the last: min(int(10 * s), 9).",
            "For each bin: the number of its texts times |mean of right - mean of sure|. Add up, divide by all texts.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def calibration_error(sure, right):\n"
            "    sure, right = np.array(sure), np.array(right)\n"
            "    places = np.minimum((10 * sure).astype(int), 9)\n"
            "    total = 0.0\n"
            "    for place in set(places.tolist()):\n"
            "        inside = places == place\n"
            "        total += inside.sum() * abs(right[inside].mean() - sure[inside].mean())\n"
            "    return total / len(sure)"
        ),
    ),
    "best_temperature": Exercise(
        task="Find the temperature, of 0.1, 0.2, ... 10, at which the right labels surprise least.",
        blank="def best_temperature(logits, labels):\n    return ...",
        answer="best_temperature",
        check=check_temperature,
        correct="one number, found on texts that were not trained on, and no answer has changed.",
        hints=(
            "For each t: the softmax of logits / t, of that the probability of the right label, minus its logarithm.",
            "probabilities[np.arange(len(labels)), labels] picks the right ones. Keep the t of the least mean.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def best_temperature(logits, labels):\n"
            "    def surprise(t):\n"
            "        x = logits / t\n"
            "        powers = np.exp(x - x.max(axis=-1, keepdims=True))\n"
            "        shares = powers / powers.sum(axis=-1, keepdims=True)\n"
            "        return -np.log(shares[np.arange(len(labels)), labels]).mean()\n\n"
            "    return min(np.arange(0.1, 10.01, 0.1), key=surprise)"
        ),
    ),
}
