"""Exercises of notebooks/16_embedding_models.ipynb."""

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, one_number

COSINES, SCALE = np.array([0.2, 0.6, -0.3, 0.5]), 4.0
NAMES = ["pop", "append", "pop", "remove", "unlink"]  # one name with two paragraphs, two names with one
PARAGRAPHS = ["Remove an item.", "Add an item.", "Return the last item.", "Remove a file.", "Remove a file."]
FOUND, SCORES = [0.3, 0.9, 0.1, 0.7, 0.8, -0.2], [0.9, 0.5, 1.0, 0.8, 0.2, 0.6]


def check_passes(answer):
    got = float(one_number(answer, "the number of forward passes."))
    reasons = {
        10: "the query itself goes through the model once, too.",
        1: "that is the search. Each of the ten pairs is one more pass.",
        20: "the query and a paragraph go through the cross-encoder together, as one text.",
        21: "the query and a paragraph go through the cross-encoder together, as one text.",
        1_000_000: "that would be a cross-encoder for everything. The paragraphs' vectors are stored.",
        1_000_001: "the paragraphs' vectors are stored. They were computed once, before the query came.",
        1_000_010: "the paragraphs' vectors are stored. They were computed once, before the query came.",
        1_000_011: "the paragraphs' vectors are stored. They were computed once, before the query came.",
    }
    if got in reasons:
        raise WrongAnswer(reasons[got])
    compare(got, 11)


def _softmax(logits):
    powers = np.exp(logits - np.max(logits))
    return powers / powers.sum()


def check_gradient(answer):
    p, right = _softmax(SCALE * COSINES), np.arange(4) == 3
    expected = SCALE * (p - right)
    typical = [
        (
            p - right,
            "that is the gradient by the logits. A cosine is multiplied by the scale, so its gradient is, too.",
        ),
        (-expected, "the sign is wrong. More similarity to the right text lowers the loss: its gradient is negative."),
        (SCALE * p, "subtract 1 from the probability of the right text."),
        (SCALE * (_softmax(COSINES) - right), "the cosines are multiplied by the scale before the softmax."),
        (SCALE * (_softmax(COSINES / SCALE) - right), "multiply by the scale before the softmax, don't divide."),
        (p, "these are the probabilities. Which of them should become 1?"),
        ((p - right) / SCALE, "multiply by the scale, don't divide."),
        (-np.log(p), "that is what the loss would be for each text. The exercise asks for its derivatives."),
        (-np.log(p[3]), "that is the loss. The exercise asks for its derivatives, one per cosine."),
        (SCALE * (p - (np.arange(4) == COSINES.argmax())), "the right text is number `right`, not the nearest one."),
    ]
    compare(call(answer, COSINES.tolist(), 3, SCALE), expected, typical)
    try:
        compare(call(answer, [1.0, -1.0, 0.5], 2, 1000.0), [1000, 0, -1000])
    except WrongAnswer as reason:
        raise WrongAnswer(
            f"it is right for a scale of 4, but for one of 1000 {reason} "
            "Subtract the largest logit before the softmax (chapter 3)."
        ) from None


def check_negatives(answer):
    names, paragraphs = np.array(NAMES), np.array(PARAGRAPHS)
    other_name, other_paragraph = names[:, None] != names, paragraphs[:, None] != paragraphs
    expected = other_name & other_paragraph
    typical = [
        (~np.eye(5, dtype=bool), "only the diagonal is left out. Row 0: the other paragraph of `pop` is right, too."),
        (other_name, "row 3: `unlink` has the very paragraph of `remove`, which can't be right and wrong at once."),
        (other_paragraph, "row 0: the other paragraph of `pop` is right for `pop`, too."),
        (~expected, "0 and 1 are swapped: 1 means that the paragraph is a negative."),
        (np.eye(5), "these are the right pairs. Mark the negatives."),
        (other_name | other_paragraph, "both must differ, the name and the paragraph: `and`, not `or`."),
        (np.ones((5, 5)), "each name's own paragraph is not a negative."),
        (expected.sum(axis=1), "that is how many negatives each name has. Return a row for each name."),
    ]
    compare(call(answer, list(NAMES), list(PARAGRAPHS)), expected, typical)


class _Counted:
    """A cross-encoder that counts its passes."""

    def __init__(self, scores):
        self.scores, self.passes = scores, 0

    def __call__(self, i):
        self.passes += 1
        return self.scores[i]


def check_rerank(answer):
    cross_encoder = _Counted(SCORES)
    by_cosine = list(np.argsort(FOUND)[::-1])  # 1 4 3 0 2 5
    by_score = sorted(range(6), key=lambda i: -SCORES[i])
    top = sorted(by_cosine[:3], key=lambda i: -SCORES[i])
    typical = [
        (by_cosine, "that is the order of the cosines: nothing is re-ranked."),
        (by_score, "all are re-ranked. Only the `k` with the largest cosines go through the cross-encoder."),
        (top, "the others are missing. They follow, in the order of their cosines."),
        (top[::-1] + by_cosine[3:], "the top `k` are in reverse order: the largest score comes first."),
        (top + by_cosine[3:][::-1], "the rest is in reverse order: the largest cosine comes first."),
        (top + sorted(by_cosine[3:]), "the rest should be in the order of the cosines."),
        (by_score[:3] + [i for i in by_cosine if i not in by_score[:3]], "the cosines choose the `k`, not the scores."),
        (sorted(range(3), key=lambda i: -SCORES[i]) + [3, 4, 5], "take the `k` largest cosines, not the first `k`."),
    ]
    compare(call(answer, list(FOUND), cross_encoder, 3), top + by_cosine[3:], typical)
    if cross_encoder.passes != 3:
        raise WrongAnswer(
            f"the order is right, but the cross-encoder was called {cross_encoder.passes} times. Each call is a "
            "forward pass: call it once for each of the `k` texts."
        )


def score_by_index(i):
    """A cross-encoder of the cases: the last text is the best."""
    return i


def score_alternating(i):
    """Another one."""
    return (-1) ** i * (i + 1)


EXERCISES = {
    "passes": Exercise(
        task="How many forward passes does a query take, if a cross-encoder re-ranks ten texts that embeddings find?",
        blank="num_passes = ...",
        answer="num_passes",
        check=check_passes,
        correct="one for the query's vector and ten for the pairs, whether there are a thousand texts or a billion.",
        hints=(
            "The million vectors are stored, and a dot product is not a forward pass.",
            "The query goes through the embedding model once. How many pairs go through the cross-encoder?",
        ),
        solution="num_passes = 1 + 10  # the query's vector, and ten pairs",
    ),
    "gradient": Exercise(
        task="Return the derivatives of one row's loss by its cosines. `right` is the index of the right text.",
        blank="def gradient(cosines, right, scale):\n    return ...",
        answer="gradient",
        check=check_gradient,
        cases=(
            ([0.5], 0, 20.0),
            ([0.3, 0.3], 1, 20.0),
            ([0.71, 0.32, 0.2], 0, 20.0),
            ([-0.5, 0.9, 0.1, 0.85], 2, 1.0),
            ([-0.9, -0.95], 0, 5000.0),
        ),
        correct="all derivatives add up to 0: as much as the right text is pulled, the negatives are pushed.",
        hints=(
            "The loss is minus the logarithm of a softmax. Its derivative by each logit is the probability, minus 1 "
            "for the right text.",
            "A logit is the scale times the cosine, so its derivative by the cosine is the scale (the chain rule).",
        ),
        solution=(
            "import math\n\n"
            "def gradient(cosines, right, scale):\n"
            "    logits = [scale * cosine for cosine in cosines]\n"
            "    powers = [math.exp(logit - max(logits)) for logit in logits]\n"
            "    return [scale * (power / sum(powers) - (j == right)) for j, power in enumerate(powers)]"
        ),
    ),
    "negatives": Exercise(
        task="Mark the negatives of a batch: 1 where both the name and the paragraph differ, 0 elsewhere.",
        blank="def negatives(names, paragraphs):\n    return ...",
        answer="negatives",
        check=check_negatives,
        cases=(
            (["a"], ["x"]),
            (["a", "a"], ["x", "x"]),
            (["a", "b", "c"], ["x", "y", "z"]),
            (["a", "b", "a", "c"], ["x", "x", "y", "y"]),
        ),
        correct="what is right for a name is never its negative. `train_embeddings` makes the same exceptions.",
        hints=(
            "Row i belongs to name i, column j to paragraph j, which stands beside name j.",
            "Two loops: for each i and j, compare names[i] with names[j], and paragraphs[i] with paragraphs[j].",
        ),
        solution=(
            "def negatives(names, paragraphs):\n"
            "    rows = range(len(names))\n"
            "    return [[int(names[i] != names[j] and paragraphs[i] != paragraphs[j]) for j in rows] for i in rows]"
        ),
    ),
    "rerank": Exercise(
        task="Sort the `k` texts with the largest cosines by the cross-encoder's score; the others follow by cosine.",
        blank="def rerank(cosines, score, k):\n    return ...",
        answer="rerank",
        check=check_rerank,
        cases=(
            ([0.5], score_by_index, 1),
            ([0.1, 0.4, 0.3, 0.2], score_by_index, 0),
            ([0.1, 0.4, 0.3, 0.2], score_by_index, 2),
            ([0.1, 0.4, 0.3, 0.2], score_alternating, 4),
            ([0.9, -0.4, 0.3, 0.2, -0.7, 0.6], score_alternating, 3),
        ),
        correct="cheap for all, expensive for a few.",
        hints=(
            "First sort all indices by cosine, the largest first. The first k of them go to the cross-encoder.",
            "Compute the scores of those k once, in a dict. Sort them by it, and append what comes after them.",
        ),
        solution=(
            "def rerank(cosines, score, k):\n"
            "    by_cosine = sorted(range(len(cosines)), key=lambda i: -cosines[i])\n"
            "    scores = {i: score(i) for i in by_cosine[:k]}\n"
            "    return sorted(by_cosine[:k], key=lambda i: -scores[i]) + by_cosine[k:]"
        ),
    ),
}
