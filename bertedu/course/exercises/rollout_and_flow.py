"""Exercises of notebooks/labs/3_rollout_and_flow.ipynb."""

import itertools

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers

X, Y = [3, 1.5, 4, 0, 9, 4, 2], [2, 2, 5, 8, 3, 2, 5]  # equal numbers in both
MAX_TOKENS = 8  # of a counterexample: all sets of its tokens are tried
L, T = 3, 4
_rng = np.random.default_rng(20)
LAYERS = _rng.dirichlet(np.ones(T), size=(L, T)).round(3)  # [L, T, T]


def _weights(seed, layers, tokens):
    return np.random.default_rng(seed).dirichlet(np.ones(tokens), size=(layers, tokens)).round(3)


def _ranks(values, smaller=1.0, equal=0.5):
    values = np.asarray(values)
    return smaller * (values < values[:, None]).sum(axis=1) + equal * (values == values[:, None]).sum(axis=1)


def check_spearman(answer):
    x, y, n = _ranks(X), _ranks(Y), len(X)
    ordinal, order = ([np.argsort(np.argsort(values)) for values in (X, Y)], [np.argsort(X), np.argsort(Y)])
    dense = [np.unique(values, return_inverse=True)[1] for values in (X, Y)]
    lowest, highest = ([_ranks(values, equal=equal) for values in (X, Y)] for equal in (0, 1))
    expected = np.corrcoef(x, y)[0, 1]
    typical = [
        (np.corrcoef(X, Y)[0, 1], "that is Pearson's correlation of the numbers. Replace them by their ranks first."),
        (1 - 6 * ((x - y) ** 2).sum() / (n * (n**2 - 1)), "the formula with the 6 holds only without ties."),
        (np.corrcoef(ordinal)[0, 1], "equal numbers have different ranks here. They share the mean of their ranks."),
        (np.corrcoef(lowest)[0, 1], "equal numbers have the smallest of their ranks here. They share the mean."),
        (np.corrcoef(highest)[0, 1], "equal numbers have the largest of their ranks here. They share the mean."),
        (np.corrcoef(dense)[0, 1], "two equal numbers use two ranks: the next larger one is two ranks higher."),
        (np.corrcoef(order)[0, 1], "argsort is not the ranks: it says where the smallest number is."),
        (-expected, "one of the two orders is reversed: the smallest number has the smallest rank in both."),
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


def _sum_over_paths(first, second, third):
    edges = np.minimum(third[:, :, None, None], second[:, :, None])  # [T, T, T, 1]: query, and two tokens on the way
    return np.minimum(edges, first).sum(axis=(1, 2))  # [T, T]


def _flow(first, second, third):
    """Return the flow through three layers: the smallest cut, over all sets of tokens below the top layer."""
    cuts = []
    for chosen in itertools.product((False, True), repeat=len(first)):
        inside = np.array(chosen)
        above = third[:, ~inside].sum(axis=1)[:, None]  # [T, 1]
        cuts.append(above + np.minimum(second[inside].sum(axis=0)[:, None], first).sum(axis=0))  # [T, T]
    return np.min(cuts, axis=0)


def check_shared_edges(answer):
    layers = numbers(answer)
    if layers.ndim != 3 or len(layers) != 3 or layers.shape[1] != layers.shape[2]:
        raise WrongAnswer(f"expected the shape [3, T, T], three square matrices, got {list(layers.shape)}.")
    if not 0 < layers.shape[1] <= MAX_TOKENS:
        raise WrongAnswer("two tokens are enough.")
    if not (layers >= 0).all():  # NaN neither
        raise WrongAnswer("weights are numbers from 0 to 1.")
    if not np.allclose(layers.sum(axis=-1), 1, atol=1e-3):
        raise WrongAnswer("every row sums to 1: a token passes on as much as it gets.")
    if not (_sum_over_paths(*layers) > _flow(*layers) + 1e-3).any():
        raise WrongAnswer("here the flow is the sum over the paths, for every pair. Let paths share an edge.")


EXERCISES = {
    "spearman": Exercise(
        task="Compute Spearman's rank correlation of two lists that may contain equal numbers.",
        blank="def spearman(x, y):\n    return ...",
        answer="spearman",
        check=check_spearman,
        cases=(
            ([1, 2], [5, 3]),
            ([1.0, 2.0, 300.0], [-7, 0, 1]),
            ([1, 1, 2, 2], [1, 2, 1, 2]),
            ([0.1, -0.2, 5, 3, 5, 2], [6, 5, 4, 4, 4, 1]),
            ([7, 7, 7, 1, 2, 3], [2, 1, 2, 5, 6, 2]),
        ),
        correct="only the order counts, so any measure can be compared with any other.",
        hints=(
            "How many numbers of the list are smaller? And how many are equal? The mean rank follows from both.",
            "The rank is the number of smaller ones plus half of the equal ones, itself included, up to a constant.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def spearman(x, y):\n"
            "    def ranks(values):\n"
            "        return [sum(b < a for b in values) + sum(b == a for b in values) / 2 for a in values]\n\n"
            "    return np.corrcoef(ranks(x), ranks(y))[0, 1]"
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
    "shared_edges": Exercise(
        task="Find weights of three layers with which less can flow than the smallest edges of all paths add up to.",
        blank="counterexample = ...",
        answer="counterexample",
        check=check_shared_edges,
        correct="paths that share an edge share what it can carry, and the sum counts it twice.",
        hints=(
            "Two paths need the same edge. It carries its weight once, and the sum over the paths counts it for each.",
            "What leaves a token sums to 1, so no flow is larger than 1. How many paths are there with two tokens?",
        ),
        solution="import numpy as np\n\ncounterexample = np.full((3, 2, 2), 0.5)",
    ),
}
