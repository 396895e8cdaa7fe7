"""Exercises of notebooks/labs/3_rollout_and_flow.ipynb."""

import numpy as np

from bertedu.course.exercise import Exercise, call, compare

X, Y = [3, 1.5, 4, 0, 9], [1, 2, 5, 8, 3]
L, T = 3, 4
_rng = np.random.default_rng(20)
LAYERS = _rng.dirichlet(np.ones(T), size=(L, T)).round(3)  # [L, T, T]
FIRST, SECOND = (
    np.array([[0.7, 0.3, 0.0], [0.2, 0.5, 0.3], [0.6, 0.1, 0.3]]),
    np.array([[0.5, 0.1, 0.4], [0.0, 0.9, 0.1], [0.3, 0.3, 0.4]]),
)


def _weights(seed, layers, tokens):
    return np.random.default_rng(seed).dirichlet(np.ones(tokens), size=(layers, tokens)).round(3)


def _ranks(values):
    return np.argsort(np.argsort(values))


def check_spearman(answer):
    d, n = _ranks(X) - _ranks(Y), len(X)
    expected = 1 - 6 * (d**2).sum() / (n * (n**2 - 1))
    raw = np.subtract(X, Y)
    typical = [
        (np.corrcoef(X, Y)[0, 1], "that is Pearson's correlation of the numbers. Replace them by their ranks first."),
        (1 - 6 * (raw**2).sum() / (n * (n**2 - 1)), "these are differences of the numbers. Take those of the ranks."),
        (1 - (d**2).sum() / (n * (n**2 - 1)), "the factor 6 is missing."),
        (1 - 6 * np.abs(d).sum() / (n * (n**2 - 1)), "square the differences of the ranks."),
        (1 - 6 * d.sum() / (n * (n**2 - 1)), "square the differences of the ranks."),
        (1 - 6 * (d**2).sum() / n**3, "divide by n (n² - 1), not by n³."),
        (6 * (d**2).sum() / (n * (n**2 - 1)), "subtract this from 1: equal orders give 1."),
        (-expected, "one of the two orders is reversed: the smallest number has the smallest rank in both."),
        (np.corrcoef(np.argsort(X), np.argsort(Y))[0, 1], "argsort is not the ranks. The argsort of the argsort is."),
    ]
    compare(call(answer, list(X), list(Y)), expected, typical)


def _row(layers, position, residual=0.5):
    row = np.eye(layers.shape[-1])[position]
    for weights in layers:
        row = (1 - residual) * row @ weights + residual * row
    return row


def check_row(answer):
    position = 1
    expected = _row(LAYERS[::-1], position)
    column = np.eye(T)[position]
    for weights in LAYERS:
        column = (weights @ column + column) / 2
    typical = [
        (_row(LAYERS, position), "the layers are in the wrong order. Start at the last layer and walk down."),
        (_row(LAYERS[::-1], position, 0), "the residual connection is missing: half of the row stays where it is."),
        (2**L * expected, "halve the sum in each layer, so that the row still sums to 1."),
        (column, "that is a column: where the input token goes. Multiply the row from the left, row @ weights."),
        (LAYERS[-1, position], "that is the attention of the last layer alone."),
        ((LAYERS[-1, position] + np.eye(T)[position]) / 2, "that is the last layer alone. Walk down through all."),
    ]
    compare(call(answer, LAYERS.copy(), position), expected, typical)


def check_flow(answer):
    expected = np.minimum(SECOND[:, :, None], FIRST).sum(axis=1)
    typical = [
        (SECOND @ FIRST, "these are the products, as in rollout. A path carries no more than its smaller edge."),
        (np.minimum(FIRST[:, :, None], SECOND).sum(axis=1), "the two layers are swapped: paths start in the second."),
        (np.minimum(SECOND[:, :, None], FIRST).max(axis=1), "that is the best path. Add up those through all tokens."),
        (np.maximum(SECOND[:, :, None], FIRST).sum(axis=1), "the smaller of the two edges limits a path, so use min."),
        (expected.T, "it is transposed: rows are the output tokens, where the paths start."),
        (np.minimum(SECOND, FIRST), "these paths do not exist: the second edge starts where the first one ends."),
        (
            expected / expected.sum(axis=1, keepdims=True),
            "do not divide by the sums: each flow has all edges to itself.",
        ),
    ]
    compare(call(answer, FIRST.copy(), SECOND.copy()), expected, typical)


EXERCISES = {
    "spearman": Exercise(
        task="Compute Spearman's rank correlation of two lists without ties.",
        blank="def spearman(x, y):\n    return ...",
        answer="spearman",
        check=check_spearman,
        cases=(
            ([1, 2], [5, 3]),
            ([1.0, 2.0, 300.0], [-7, 0, 1]),
            ([0.1, -0.2, 5, 3, 4, 2], [6, 5, 4, 3, 2, 1]),
            ([10, 20, 30, 40, 60, 50, 70], [2, 1, 4, 3, 6, 5, 7]),
        ),
        correct="only the order counts, so any measure can be compared with any other.",
        hints=(
            "Replace each number by its rank. Then take the difference of the two ranks of each item, and square it.",
            "The rank of a number is its position in the sorted list: sorted(x).index(number).",
        ),
        solution=(
            "def spearman(x, y):\n"
            "    n = len(x)\n"
            "    d = [sorted(x).index(a) - sorted(y).index(b) for a, b in zip(x, y)]\n"
            "    return 1 - 6 * sum(value**2 for value in d) / (n * (n**2 - 1))"
        ),
    ),
    "rollout_row": Exercise(
        task="Compute one row of the rollout, without the others.",
        blank="def rollout_row(layers, position):\n    return ...",
        answer="rollout_row",
        check=check_row,
        cases=(
            (_weights(1, 1, 2), 0),
            (_weights(2, 2, 3), 2),
            (_weights(3, 6, 5), 4),
            (np.array([np.eye(3), np.roll(np.eye(3), 1, axis=1), np.eye(3)]), 1),
        ),
        correct="a row times a matrix per layer, instead of a matrix times a matrix: T times less work.",
        hints=(
            "Start with a row that is 1 at `position` and 0 elsewhere, and walk from the last layer down to the first.",
            "In each layer, half of the row stays and half moves on: the row times the weights of the layer.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def rollout_row(layers, position):\n"
            "    row = np.eye(len(layers[0]))[position]\n"
            "    for weights in layers[::-1]:\n"
            "        row = (row @ weights + row) / 2\n"
            "    return row"
        ),
    ),
    "two_layer_flow": Exercise(
        task="Compute the attention flow through two layers.",
        blank="def two_layer_flow(first, second):\n    return ...",
        answer="two_layer_flow",
        check=check_flow,
        cases=(
            (np.array([[1.0]]), np.array([[0.25]])),
            tuple(_weights(4, 2, 2)),
            tuple(_weights(5, 2, 5)),
            (np.eye(3), np.roll(np.eye(3), 1, axis=1)),
        ),
        correct="the sum over the middle token of the smaller of the two edges.",
        hints=(
            "A path leads from an output token over a token in the middle to an input token: two edges. The smaller "
            "one limits what it carries.",
            "Paths over different tokens share no edge, so their flows add up: the sum over k of "
            "min(second[q][k], first[k][s]).",
        ),
        solution=(
            "import numpy as np\n\n"
            "def two_layer_flow(first, second):\n"
            "    n = len(first)\n"
            "    flow = np.zeros((n, n))\n"
            "    for q, k, s in np.ndindex(n, n, n):\n"
            "        flow[q, s] += min(second[q, k], first[k, s])\n"
            "    return flow"
        ),
    ),
}
