"""Exercises of notebooks/09_classification.ipynb."""

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers, one_number
from bertedu.course.exercises import evaluation

# Two texts, D=3, four classes: no two sizes are equal, so that swapped axes are noticed.
POOLED = np.array([[1.0, -2.0, 0.5], [0.0, 1.0, 3.0]])
KERNEL = np.array([[0.5, -1.0, 0.0, 2.0], [1.0, 0.3, -0.2, 0.0], [-0.4, 0.6, 0.1, 0.2]])
BIAS = np.array([0.1, 0.0, -0.3, 0.2])
CONFUSION_MATRIX = np.array([[8, 1, 1], [3, 5, 2], [4, 0, 26]])  # rows are the true classes
FOUR_CLASSES = [[9, 2, 0, 1], [0, 7, 3, 0], [4, 0, 5, 2], [1, 1, 6, 8]]

# In eight of the ten bins; another number of bins, or a typical mistake, has another result.
CONFIDENCES = np.array([0.71, 0.44, 0.55, 0.14, 0.89, 0.25, 0.49, 0.05, 0.24, 0.86, 0.73, 0.09, 0.96])
CORRECT = np.array([1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1, 0])

_rng = np.random.default_rng(9)
LOGITS = np.round(3 * _rng.normal(size=(40, 3)), 2)
LABELS = np.where(_rng.random(40) < 0.6, LOGITS.argmax(-1), _rng.integers(0, 3, 40))
SMALL_LOGITS = np.array([[0.3, 0.1, -0.2], [-0.5, 0.4, 0.1]])
LARGE_LOGITS = np.array([[40.0, 37.0, 38.5], [-38.0, -36.0, -40.0], [30.0, 31.0, 35.5], [-36.5, -33.0, -39.0]])


def _softmax(x):
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _cross_entropy(logits, labels):
    return -np.log(_softmax(logits)[np.arange(len(labels)), labels]).mean()


def check_base_rate(answer):
    typical = [
        (
            1 / 3,
            "that is the accuracy of choosing one of three classes at random. Always predict the most frequent class.",
        ),
        (40, "that is a percentage. Give a fraction between 0 and 1."),
        (80, "that is the number of correct predictions. Divide it by the number of texts."),
        (0.35, "that is for the class of 70 texts. Which class is the most frequent?"),
        (0.25, "that is for the rarest class. Which class is the most frequent?"),
        (0.6, "that is the fraction of wrong predictions."),
    ]
    got = one_number(answer, "the accuracy.")
    compare(got, 0.4, typical)


FIFTY = "it divides by 50, but another matrix may hold more or fewer texts: add up all its cells."


def check_accuracy(answer):
    matrix, total = CONFUSION_MATRIX, CONFUSION_MATRIX.sum()
    correct, recalls = np.diag(matrix), np.diag(matrix) / matrix.sum(axis=1)
    typical = [
        (recalls.mean(), "that is the mean over the classes. Here every text counts the same, not every class."),
        (
            (correct / matrix.sum(axis=0)).mean(),
            "it divides by the columns, which are the predictions. Divide all correct texts by all texts.",
        ),
        (1 - correct.sum() / total, "that is the fraction of mistakes."),
        (correct.sum(), "that is the number of correct predictions. Divide it by the number of texts."),
        (recalls, "that is one number per class. Return one number for all texts."),
        (correct[:2].sum() / total, "it uses only two classes. This matrix has three, and others may have more."),
        (np.fliplr(matrix).trace() / total, "that is the other diagonal. Correct predictions are at [i][i]."),
        (100 * correct.sum() / total, "that is a percentage. Give a fraction between 0 and 1."),
        (correct.sum() / 3, "it divides by the number of classes. Divide by the number of texts."),
        (matrix.trace() / 9, "it divides by the number of cells in the matrix. Divide by the number of texts."),
    ]
    compare(call(answer, matrix.tolist()), correct.sum() / total, typical)
    three = "it uses three classes, but another matrix may have more: use len(confusion_matrix)."
    compare(call(answer, [list(row) for row in FOUR_CLASSES]), 29 / 49, [(21 / 49, three), (29 / 50, FIFTY)])


def check_head(answer):
    logits = POOLED @ KERNEL + BIAS
    typical = [
        (logits, "these are the logits; the softmax is missing."),
        (_softmax(POOLED @ KERNEL), "the bias is missing."),
        (
            1 / (1 + np.exp(-logits)),
            "a sigmoid treats each class separately. Here exactly one class is right, so use the softmax.",
        ),
        (_softmax(logits.T).T, "the softmax is over the texts. Take it over the classes, for each row."),
        (np.exp(logits) / np.exp(logits).sum(), "the softmax is over the whole array. Each row must sum to 1."),
        (np.exp(logits), "these are the powers. Divide each row by its sum."),
        (logits.argmax(-1), "these are the classes. Return the probability of each class."),
        (
            logits / logits.sum(-1, keepdims=True),
            "it divides the logits by their sum. The softmax raises e to each logit first.",
        ),
        (np.log(_softmax(logits)), "these are the logarithms of the probabilities. Return the probabilities."),
        (_softmax(np.tanh(POOLED) @ KERNEL + BIAS), "`pooled` has already been through the pooler's tanh."),
        (_softmax(np.tanh(logits)), "there is no tanh here. The only one is in the pooler, before the head."),
    ]
    compare(call(answer, POOLED.copy(), KERNEL.copy(), BIAS.copy()), _softmax(logits), typical)


def _calibration_error(confidences, correct, num_bins, power=1, weighted=True, bin_centers=False):
    bins = np.minimum((confidences * num_bins).astype(int), num_bins - 1)
    claimed = (bins + 0.5) / num_bins if bin_centers else confidences
    gaps = [(np.sum(bins == b), correct[bins == b].mean() - claimed[bins == b].mean()) for b in np.unique(bins)]
    if not weighted:
        return np.mean([abs(gap) for _, gap in gaps])
    return sum(count * abs(gap) ** power for count, gap in gaps) / len(confidences)


def check_calibration(answer):
    gap = CONFIDENCES.mean() - CORRECT.mean()
    expected = _calibration_error(CONFIDENCES, CORRECT, 10)
    one_bin = "that is the gap over all texts. Compute it bin by bin, and take each gap without its sign (abs)."
    num_bins = len(np.unique(np.minimum((CONFIDENCES * 10).astype(int), 9)))
    unweighted = _calibration_error(CONFIDENCES, CORRECT, 10, weighted=False)
    typical = [
        (gap, one_bin),
        (-gap, one_bin),
        (num_bins * unweighted, "it sums the bins without weights. Weight each bin by its fraction of the texts."),
        (num_bins * unweighted / 10, "it gives each bin a tenth. Weight each bin by its fraction of the texts."),
        (
            _calibration_error(CONFIDENCES, CORRECT, 10, bin_centers=True),
            "it uses the center of the bin. Use the mean of the bin's confidences.",
        ),
        (unweighted, "all bins have the same weight. Weight each bin by the number of its texts."),
        (np.abs(CONFIDENCES - CORRECT).mean(), "that is the gap of each text. Take the means of each bin first."),
        (_calibration_error(CONFIDENCES, CORRECT, 10, power=2), "it squares the gaps. Take their absolute values."),
        (expected * len(CONFIDENCES), "divide by the number of texts."),
        (CORRECT.mean(), "that is the accuracy. How far is it from the confidence?"),
        (CONFIDENCES.mean(), "that is the mean confidence. How far is it from the accuracy?"),
    ]
    for n in (2, 4, 5, 8, 9, 11, 12, 15, 20):
        typical.append((_calibration_error(CONFIDENCES, CORRECT, n), f"it uses {n} bins. Use ten, of width 0.1."))
    compare(call(answer, CONFIDENCES.tolist(), CORRECT.tolist()), expected, typical)
    last_bin = "a confidence of 1.0 is in none of your bins. It belongs in the last one."
    compare(call(answer, [1.0, 1.0], [1, 0]), 0.5, [(0, last_bin)])
    own_bin = "a confidence of 1.0 is in a bin of its own. It belongs in the last of the ten, with those from 0.9 on."
    compare(call(answer, [1.0, 0.96], [0, 1]), 0.48, [(0.52, own_bin)])


def check_temperature(answer):
    temperatures = np.arange(0.1, 10.01, 0.1)
    losses = [_cross_entropy(LOGITS / t, LABELS) for t in temperatures]
    best = temperatures[np.argmin(losses)]
    got = numbers(call(answer, LOGITS.copy(), LABELS.copy()))
    if got.shape != ():
        raise WrongAnswer("return one number: the temperature.")
    reasons = [
        (min(losses), "that is the lowest cross-entropy. Return the temperature that gives it."),
        (
            temperatures[np.argmax(losses)],
            "that temperature has the *largest* cross-entropy. Minimize the mean of -log p of the labels.",
        ),
        (1 / best, "it multiplies the logits by the temperature. Divide them by it."),
        (np.argmin(losses), "that is an index. Return the temperature at that index."),
    ]
    for wrong, reason in reasons:
        if abs(got - wrong) < 0.011 and abs(wrong - best) > 0.06:
            raise WrongAnswer(reason)
    if got == 1:
        raise WrongAnswer("1 leaves the logits unchanged. Try the others and take the lowest cross-entropy.")
    if not abs(got - best) <= 0.06:
        loss = _cross_entropy(LOGITS / max(got, 0.01), LABELS)
        raise WrongAnswer(f"the cross-entropy there is {loss:.3f}, and another temperature gives a lower one.")
    if abs(10 * got - np.rint(10 * got)) > 1e-3:
        raise WrongAnswer(f"{got:.4g} is close, but it is none of 0.1, 0.2, 0.3, ... 10. Try only these.")


def _normal(*shape, scale=1.0):
    return np.round(scale * np.random.default_rng(shape).normal(size=shape), 2)


EXERCISES = {
    "base_rate": Exercise(
        task="What is the accuracy of always predicting one class, if three classes have 50, 80 and 70 texts?",
        blank="base_rate = ...",
        answer="base_rate",
        check=check_base_rate,
        correct="this is the base rate. A classifier has to beat it to be of any use.",
        hints=(
            "The prediction is the same for every text. Which class is the best choice?",
            "The most frequent class has 80 texts, of 50 + 80 + 70.",
        ),
        solution="base_rate = 80 / (50 + 80 + 70)  # always predict the most frequent class",
    ),
    "accuracy": Exercise(
        task="Write the accuracy, given a confusion matrix: rows are the true classes, columns the predicted ones.",
        blank="def accuracy(confusion_matrix):\n    return ...",
        answer="accuracy",
        check=check_accuracy,
        correct="what is on the diagonal is right, and every text counts once.",
        hints=(
            "A prediction is correct where row and column are the same: confusion_matrix[i][i].",
            "Add up the diagonal and divide by the sum of the whole matrix.",
        ),
        solution=(
            "def accuracy(confusion_matrix):\n"
            "    correct = sum(confusion_matrix[i][i] for i in range(len(confusion_matrix)))\n"
            "    return correct / sum(sum(row) for row in confusion_matrix)"
        ),
        cases=(
            ([[7]],),
            ([[0, 4], [3, 0]],),  # nothing is correct
            ([[1000, 24], [3, 999]],),
            ([[0, 0, 0], [1, 2, 0], [0, 5, 3]],),  # a class without texts
            ([[3, 0, 1, 0, 2], [1, 1, 0, 0, 0], [0, 4, 6, 0, 0], [2, 0, 0, 9, 1], [0, 0, 5, 1, 8]],),
        ),
    ),
    **evaluation.CLASSIFICATION,
    "head": Exercise(
        task="Write the head in NumPy: vectors [B, D], kernel [D, C] and bias [C] give probabilities [B, C].",
        blank="def head(pooled, kernel, bias):\n    return ...",
        answer="head",
        check=check_head,
        correct="a matrix product, a bias, a softmax: nothing else is on top of a BERT.",
        hints=(
            "The logits are pooled @ kernel + bias. Then take the softmax of each row.",
            "np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True) is the softmax of each row of x.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def head(pooled, kernel, bias):\n"
            "    logits = pooled @ kernel + bias  # [B, C]\n"
            "    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))  # [B, C]\n"
            "    return powers / powers.sum(axis=-1, keepdims=True)  # [B, C]"
        ),
        cases=(
            (_normal(1, 5), _normal(5, 2), _normal(2)),  # one text, two classes
            (_normal(4, 2), _normal(2, 3), np.zeros(3)),
            (_normal(3, 4), _normal(4, 1), _normal(1)),  # one class
            (np.array([[1.0], [-1.0]]), np.array([[400.0, 399.0, 398.5]]), np.array([0.5, 0.0, 0.25])),
        ),
    ),
    "calibration_error": Exercise(
        task="Write the expected calibration error with ten bins, given confidences and whether each was correct.",
        blank="def calibration_error(confidences, correct):\n    return ...",
        answer="calibration_error",
        check=check_calibration,
        correct="this is the gap between confidence and accuracy, averaged over the texts.",
        hints=(
            "Bin b holds the confidences from b/10 up to (b+1)/10, and 1.0 is in the last: min(int(10 * p), 9).",
            "Per bin: number of texts times |mean of correct - mean of confidences|. Sum, and divide by all texts.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def calibration_error(confidences, correct):\n"
            "    confidences, correct = np.array(confidences), np.array(correct)\n"
            "    bins = np.minimum((10 * confidences).astype(int), 9)\n"
            "    total = 0.0\n"
            "    for b in set(bins.tolist()):\n"
            "        in_bin = bins == b\n"
            "        total += in_bin.sum() * abs(correct[in_bin].mean() - confidences[in_bin].mean())\n"
            "    return total / len(confidences)"
        ),
        cases=(
            ([0.73], [0]),
            ([0.04, 0.02, 0.07], [0, 1, 0]),
            ([0.55, 0.65, 0.75, 0.85], [1, 1, 1, 1]),
            ([1.0, 0.91, 0.89, 0.97, 1.0], [1, 0, 1, 0, 0]),
            (np.linspace(0.305, 0.995, 24).round(4).tolist(), [1, 0, 0, 1, 1, 0] * 4),
        ),
    ),
    "best_temperature": Exercise(
        task="Find the temperature, of 0.1, 0.2, ... 10, with the lowest cross-entropy.",
        blank="def best_temperature(logits, labels):\n    return ...",
        answer="best_temperature",
        check=check_temperature,
        correct="one number, chosen on texts that were not trained on; it changes no prediction.",
        hints=(
            "For each t: the softmax of logits / t, the probability of each label in it, and minus its logarithm.",
            "probabilities[np.arange(len(labels)), labels] selects the labels'. Return the t with the lowest mean.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def best_temperature(logits, labels):\n"
            "    def cross_entropy(t):\n"
            "        x = logits / t\n"
            "        powers = np.exp(x - x.max(axis=-1, keepdims=True))\n"
            "        probabilities = powers / powers.sum(axis=-1, keepdims=True)\n"
            "        return -np.log(probabilities[np.arange(len(labels)), labels]).mean()\n\n"
            "    return min(np.arange(0.1, 10.01, 0.1), key=cross_entropy)"
        ),
        cases=(
            (SMALL_LOGITS, np.array([0, 1])),  # both are right: 0.1
            (SMALL_LOGITS, np.array([2, 0])),  # both are wrong: 10
            (_normal(7, 2, scale=3), np.array([0, 1, 0, 1, 0, 1, 1])),
            (_normal(5, 4, scale=9), np.array([3, 0, 2, 1, 1])),
            (LARGE_LOGITS, np.array([0, 0, 2, 1])),
        ),
    ),
}
