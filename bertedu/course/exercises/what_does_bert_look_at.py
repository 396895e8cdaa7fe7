"""Exercises of notebooks/labs/1_what_does_bert_look_at.ipynb."""

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers

# Three heads over five tokens, of different entropies; the first row has a weight of 0.
ATTENTION = np.random.default_rng(1).multinomial(40, np.ones(5) / 5, size=(3, 5)) / 40  # [N, T, T]
ATTENTION[0, 0] = [0.5, 0.25, 0.25, 0, 0]
FIRST_HEAD, SECOND_HEAD = (  # [T, T] each, some weights 0
    np.array([[0.5, 0.5, 0.0], [0.25, 0.25, 0.5], [1.0, 0.0, 0.0]]),
    np.array([[0.25, 0.25, 0.5], [0.0, 0.5, 0.5], [0.2, 0.3, 0.5]]),
)
# The best head of the first half is neither the best of the second half nor the best of their mean.
FIRST = np.array([[0.31, 0.55, 0.62, 0.7], [0.82, 0.44, 0.9, 0.12], [0.2, 0.35, 0.6, 0.05]])  # [L, N]
SECOND = np.array([[0.33, 0.5, 0.95, 0.8], [0.91, 0.4, 0.6, 0.15], [0.1, 0.3, 0.7, 0.02]])
NAN = "it is NaN: 0 times log 0. A weight of 0 adds nothing to the entropy."


def _weights(seed, *shape):
    """Return rows of attention weights, multiples of 0.05 that sum to 1."""
    return np.random.default_rng(seed).multinomial(20, np.ones(shape[-1]) / shape[-1], size=shape[:-1]) / 20


def _accuracies(seed, *shape):
    return np.random.default_rng(seed).permutation(np.prod(shape)).reshape(shape) / np.prod(shape)


def _entropies(rows, logarithm=np.log):
    return -(rows * logarithm(np.where(rows > 0, rows, 1))).sum(axis=-1)


def _compare(got, expected, typical):
    """Compare, and explain a NaN."""
    if np.isnan(numbers(got)).any():
        raise WrongAnswer(NAN)
    compare(got, expected, typical)


def check_effective_keys(answer):
    entropies = _entropies(ATTENTION)  # [N, T]
    keys = np.exp(entropies[:, 0])
    typical = [
        (entropies[:, 0], "these are the entropies, in nats. e to the power of an entropy is a number of keys."),
        (2 ** entropies[:, 0], "2 to the power of an entropy fits bits. For nats, it's e."),
        (np.exp(_entropies(ATTENTION, np.log2)[:, 0]), "e to the power of an entropy fits nats, not bits: use np.log."),
        (1 / keys, "the sign is wrong: a logarithm of a weight is negative, and the entropy is minus their sum."),
        (np.exp(entropies), "these are the numbers of all rows. [CLS] is the query, so take row 0 of each head."),
        (np.exp(entropies[:, -1]), "that is the last row, of [SEP]. [CLS] is the first token."),
        (np.exp(_entropies(ATTENTION[:, :, 0])), "that is column 0, the attention to [CLS]. Take the row."),
        (keys.mean(), "that is the mean of the heads. Return one number per head."),
        (np.exp(entropies[:, 0].mean()), "that is the mean of the heads. Return one number per head."),
        (np.exp(entropies[0]), "that is head 0 only. The first axis is the heads, the second the queries."),
        (
            (ATTENTION[:, 0] > 0).sum(axis=-1),
            "that counts the weights above 0. Small ones count less: take the entropy.",
        ),
    ]
    _compare(call(answer, ATTENTION.copy()), keys, typical)


def _divergence(p, q, logarithm=np.log2):
    return _entropies((p + q) / 2, logarithm) - (_entropies(p, logarithm) + _entropies(q, logarithm)) / 2  # [T]


def check_head_divergence(answer):
    p, q = FIRST_HEAD, SECOND_HEAD
    rows, middle = _divergence(p, q), _entropies((p + q) / 2, np.log2)
    typical = [
        (_divergence(p, q, np.log).mean(), "that is the divergence in nats. Bits use np.log2."),
        ((rows**0.5).mean(), "these are square roots, the Jensen-Shannon distance of scipy."),
        (rows.mean() ** 0.5, "that is a square root, as of the Jensen-Shannon distance of scipy."),
        (-rows.mean(), "the sign is wrong: the entropy of the mean is the larger one."),
        (rows, "these are the divergences of the queries. Return their mean."),
        (rows.sum(), "that is the sum over the queries. Take the mean."),
        (middle.mean(), "that is the entropy of the mean. Subtract the mean of the two entropies."),
        (
            (middle - _entropies(p, np.log2) - _entropies(q, np.log2)).mean(),
            "subtract the mean of the two entropies, not their sum.",
        ),
        (_divergence(p.mean(axis=0), q.mean(axis=0)), "compare the heads query by query; average afterward."),
        (np.abs(p - q).sum(axis=1).mean() / 2, "that is half the sum of the differences. Compare entropies."),
    ]
    _compare(call(answer, p.copy(), q.copy()), rows.mean(), typical)


def check_held_out(answer):
    best = np.unravel_index(FIRST.argmax(), FIRST.shape)
    mean = (FIRST + SECOND) / 2
    typical = [
        (FIRST.max(), "that is its accuracy on the half that chose it, which is too high. Report the second half."),
        (SECOND.max(), "that is the best head of the second half. The head must be chosen on the first."),
        (FIRST[np.unravel_index(SECOND.argmax(), SECOND.shape)], "the halves are swapped."),
        (mean.max(), "the halves are pooled. Choose on the first one alone."),
        (mean[best], "that is the mean of both halves. Report the second half alone."),
        (best, "that is the head. Return its accuracy on the second half."),
        (SECOND[FIRST.mean(axis=1).argmax()].max(), "that head was chosen on the second half, within a layer."),
        (SECOND[np.unravel_index(FIRST.argmin(), FIRST.shape)], "that is the worst head of the first half."),
    ]
    compare(call(answer, FIRST.copy(), SECOND.copy()), SECOND[best], typical)


EXERCISES = {
    "effective_keys": Exercise(
        task="Compute to how many keys [CLS] effectively attends, in each head of a layer.",
        blank="def effective_keys(attention):\n    return ...",
        answer="effective_keys",
        check=check_effective_keys,
        cases=(
            (np.ones((1, 1, 1)),),
            (_weights(1, 2, 3, 3),),
            (_weights(2, 5, 4, 4),),
            (np.full((2, 8, 8), 1 / 8),),
        ),
        correct="it is 1 if all of the attention is on one key, and the number of keys if it is equal.",
        hints=(
            "attention is [N, T, T]: heads, queries, keys. The query [CLS] has index 0.",
            "Replace weights of 0 by 1 within the logarithm, with np.where: log 1 is 0.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def effective_keys(attention):\n"
            "    row = attention[:, 0]  # [N, S]\n"
            "    terms = row * np.log(np.where(row, row, 1))  # [N, S]\n"
            "    return np.exp(-terms.sum(axis=1))"
        ),
    ),
    "head_divergence": Exercise(
        task="Compute the Jensen-Shannon divergence of two heads, in bits, averaged over the queries.",
        blank="def head_divergence(first, second):\n    return ...",
        answer="head_divergence",
        check=check_head_divergence,
        cases=(
            (np.ones((1, 1)), np.ones((1, 1))),
            (np.eye(2), np.eye(2)[::-1]),
            (_weights(9, 5, 5), _weights(10, 5, 5)),
            (_weights(11, 8, 8), np.full((8, 8), 1 / 8)),
        ),
        correct="0 for equal heads, 1 for heads whose rows have no key in common.",
        hints=(
            "Write a function for the mean entropy of the rows of a matrix, in which a weight of 0 adds 0.",
            "It is the entropy of the mean of both matrices, minus the mean of their entropies.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def head_divergence(first, second):\n"
            "    def entropy(rows):  # mean of the rows\n"
            "        return -(rows * np.log2(np.where(rows, rows, 1))).sum() / len(rows)\n\n"
            "    return entropy((first + second) / 2) - (entropy(first) + entropy(second)) / 2"
        ),
    ),
    "held_out_accuracy": Exercise(
        task="Choose the best head on the first half of the sentences, and return its accuracy on the second half.",
        blank="def held_out_accuracy(first, second):\n    return ...",
        answer="held_out_accuracy",
        check=check_held_out,
        cases=(
            (np.array([[0.5]]), np.array([[0.25]])),
            (_accuracies(3, 2, 3), _accuracies(4, 2, 3)),
            (_accuracies(5, 4, 2), _accuracies(6, 4, 2)),
            (_accuracies(7, 6, 12), _accuracies(8, 6, 12)),
        ),
        correct="a head that was chosen among 72 is best where it was chosen; elsewhere it has to prove itself.",
        hints=(
            "argmax returns the index in the flattened array. np.unravel_index turns it into layer and head.",
            "Use the layer and head of the largest element of the first array as an index into the second array.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def held_out_accuracy(first, second):\n"
            "    head = np.unravel_index(first.argmax(), first.shape)\n"
            "    return second[head]"
        ),
    ),
}
