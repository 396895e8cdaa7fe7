"""Exercises of notebooks/labs/1_what_does_bert_look_at.ipynb."""

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers

# Three heads over five tokens, of different entropies; the first row has a weight of 0.
ATTENTION = np.random.default_rng(1).multinomial(40, np.ones(5) / 5, size=(3, 5)) / 40  # [N, T, T]
ATTENTION[0, 0] = [0.5, 0.25, 0.25, 0, 0]
P, Q = [0.5, 0.5, 0.0, 0.0], [0.25, 0.25, 0.5, 0.0]
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
    if np.isnan(numbers(got)).all():
        raise WrongAnswer(NAN)
    compare(got, expected, typical)


def check_cls_entropy(answer):
    entropies = _entropies(ATTENTION)  # [N, T]
    expected = entropies[:, 0].mean()
    typical = [
        (_entropies(ATTENTION, np.log2)[:, 0].mean(), "that is the entropy in bits. Nats use np.log."),
        (entropies.mean(), "that is the mean of all rows. [CLS] is the query, so take row 0 of each head."),
        (entropies[:, -1].mean(), "that is the last row, of [SEP]. [CLS] is the first token."),
        (_entropies(ATTENTION[:, :, 0]).mean(), "that is column 0, the attention to [CLS]. Take the row."),
        (entropies[:, 0], "these are the entropies of the heads. Return their mean."),
        (entropies[:, 0].sum(), "that is the sum over the heads. Take the mean."),
        (entropies[0].mean(), "that is head 0 only. The first axis is the heads, the second the queries."),
        (_entropies(ATTENTION[:, 0].mean(axis=0)), "take the entropy of each head first, then the mean."),
        (-expected, "the sign is wrong: a logarithm of a weight is negative, and the entropy is minus their sum."),
    ]
    _compare(call(answer, ATTENTION.copy()), expected, typical)


def _divergence(p, q, logarithm=np.log2):
    p, q = np.asarray(p), np.asarray(q)
    return _entropies((p + q) / 2, logarithm) - (_entropies(p, logarithm) + _entropies(q, logarithm)) / 2


def check_divergence(answer):
    p, q = np.array(P), np.array(Q)
    middle = (p + q) / 2
    typical = [
        (_divergence(p, q, np.log), "that is the divergence in nats. Bits use np.log2."),
        (_divergence(p, q) ** 0.5, "that is its square root, the Jensen-Shannon distance of scipy."),
        (-_divergence(p, q), "the sign is wrong: the entropy of the mean is the larger one."),
        (_entropies(middle, np.log2), "that is the entropy of the mean. Subtract the mean of the two entropies."),
        (
            _entropies(middle, np.log2) - _entropies(p, np.log2) - _entropies(q, np.log2),
            "subtract the mean of the two entropies, not their sum.",
        ),
        (np.abs(p - q).sum() / 2, "that is half the sum of the differences. The divergence compares entropies."),
    ]
    _compare(call(answer, p.tolist(), q.tolist()), _divergence(p, q), typical)


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
    "cls_entropy": Exercise(
        task="Compute the entropy of [CLS] in nats, averaged over the heads of a layer.",
        blank="def cls_entropy(attention):\n    return ...",
        answer="cls_entropy",
        check=check_cls_entropy,
        cases=(
            (np.ones((1, 1, 1)),),
            (_weights(1, 2, 3, 3),),
            (_weights(2, 5, 4, 4),),
            (np.full((2, 8, 8), 1 / 8),),
        ),
        correct="equal weights on 128 tokens would have log 128, 4.85 nats.",
        hints=(
            "attention is [N, T, T]: heads, queries, keys. The query [CLS] has index 0.",
            "Replace weights of 0 by 1 within the logarithm, with np.where: log 1 is 0.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def cls_entropy(attention):\n"
            "    row = attention[:, 0]  # [N, S]\n"
            "    terms = -row * np.log(np.where(row, row, 1))  # [N, S]\n"
            "    return terms.sum() / len(row)"
        ),
    ),
    "divergence": Exercise(
        task="Compute the Jensen-Shannon divergence of two rows of attention weights, in bits.",
        blank="def divergence(p, q):\n    return ...",
        answer="divergence",
        check=check_divergence,
        cases=(
            ([1.0], [1.0]),
            ([1.0, 0.0], [0.0, 1.0]),
            ([0.25, 0.75, 0.0], [0.25, 0.25, 0.5]),
            ([0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]),
        ),
        correct="0 for equal rows, 1 for rows without a common key.",
        hints=(
            "The rows are lists. Write a function for the entropy of a row, in which a weight of 0 adds 0.",
            "It is the entropy of the mean row, minus the mean of the two entropies.",
        ),
        solution=(
            "import math\n\n"
            "def divergence(p, q):\n"
            "    def entropy(row):\n"
            "        return -sum(weight * math.log2(weight) for weight in row if weight)\n\n"
            "    middle = [(a + b) / 2 for a, b in zip(p, q)]\n"
            "    return entropy(middle) - (entropy(p) + entropy(q)) / 2"
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
