"""Exercises on metrics, of notebooks/07_pooling.ipynb and 09_classification.ipynb.

`pooling` and `classification` add them to their own.
"""

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers

# Three queries and five texts; the right texts have the ranks 3, 1 and 2.
SIMILARITIES = np.array([[0.5, 0.9, -0.7, 0.1, -0.8], [-0.2, 0.3, 0.4, 0.8, -0.6], [0.6, -0.1, 0.2, 0.1, -0.5]])
RIGHT = np.array([3, 3, 2])
GRADES = [0, 3, 1, 0, 2, 3, 0]  # of the texts that a search returned, in its order

MATRIX = [[8, 1, 1], [3, 5, 2], [4, 0, 26]]  # rows are the true classes
SCORES = np.array([0.7, 0.2, 0.9, 0.4, 0.4, 0.6, 0.3])
LABELS = np.array([0, 0, 1, 1, 0, 1, 0])  # of 3 * 4 pairs, 9 are in order and one is tied


def check_mean_reciprocal_rank(answer):
    ranks = 1 + np.sum(SIMILARITIES[np.arange(3), RIGHT][:, None] < SIMILARITIES, axis=1)
    reverse, expected = 6 - ranks, np.mean(1 / ranks)
    diagonal = 1 + np.sum(np.diag(SIMILARITIES)[:, None] < SIMILARITIES, axis=1)
    typical = [
        (np.mean(ranks == 1), "that is the accuracy: only rank 1 counts. Rank 2 must count one half."),
        (1 / ranks.mean(), "take 1 / rank for each query first, and then the mean, not the other way around."),
        (ranks.mean(), "that is the mean rank. Take the mean of 1 / rank."),
        (1 / ranks, "that is one number per query. Return their mean."),
        (np.sum(1 / ranks), "that is the sum. Divide it by the number of queries."),
        (np.sum(1 / ranks) / 5, "it divides by the number of texts. Divide by the number of queries."),
        (np.mean(1 / (ranks + 1)), "your ranks are one too high: the most similar text has rank 1."),
        (np.mean(1 / reverse), "it ranks the least similar text first. Rank 1 is the largest similarity."),
        (np.mean(1 / diagonal), "here the right text of query i is right[i], not text i."),
    ]
    result = call(answer, SIMILARITIES.copy(), RIGHT.copy())
    if np.isinf(got := numbers(result)).any():
        raise WrongAnswer("1 / 0 gives infinity: ranks start at 1, so that the best rank counts 1.")
    compare(got, expected, typical)


def _dcg(grades, gain=float, discount=lambda rank: np.log2(rank + 1)):
    return sum(gain(grade) / discount(rank) for rank, grade in enumerate(grades, start=1))


def check_ndcg(answer):
    k, ideal = 3, sorted(GRADES, reverse=True)
    best, part = ideal[:k], GRADES[:k]
    powers, ranks, flat = lambda grade: 2**grade - 1, {"discount": lambda rank: rank}, {"discount": lambda rank: 1}
    typical = [
        (_dcg(part), "that is the DCG. Divide it by the DCG of the best order."),
        (_dcg(part) / _dcg(ideal), "the best order is cut off at k, too."),
        (_dcg(part) / _dcg(sorted(part, reverse=True)), "the best order is that of *all* grades, of which it takes k."),
        (_dcg(GRADES) / _dcg(ideal), "k has no effect: only the first k texts count."),
        (_dcg(part, **flat) / _dcg(best, **flat), "the discount is missing: divide each grade by log2(rank + 1)."),
        (_dcg(part, **ranks) / _dcg(best, **ranks), "it divides by the rank. Divide by log2(rank + 1)."),
        (_dcg(part, powers) / _dcg(best, powers), "it counts 2^grade - 1, another convention. Count the grade itself."),
        (_dcg(part) / k, "it divides by k. Divide by the DCG of the best order."),
        (_dcg(best) / _dcg(part), "that is upside down: the best order is the divisor."),
        (_dcg(part) / _dcg(sorted(GRADES)[:k]), "it sorts upward. The best order has the highest grades first."),
    ]
    compare(call(answer, list(GRADES), k), _dcg(part) / _dcg(best), typical)
    got = numbers(call(answer, [0, 0, 0], 2))
    if np.isnan(got).any():
        raise WrongAnswer("if all grades are 0, it is 0 / 0. The task says: 0.")
    compare(got, 0)


def _scores(hits, true, predicted):
    precision, recall = hits / predicted, hits / true
    return np.array([precision, recall, 2 * precision * recall / (precision + recall)])


def check_f1(answer):
    matrix, total = np.array(MATRIX), np.sum(MATRIX)
    hits, true, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    all_classes = np.array([_scores(*counts) for counts in zip(hits, true, predicted, strict=True)])
    precision, recall, f1 = expected = all_classes[0]
    typical = [
        (_scores(hits[0], predicted[0], true[0]), "precision and recall are swapped: precision divides by a column."),
        (f1, "that is F1 alone. Return precision, recall and F1."),
        ([precision, recall], "F1 is missing."),
        ([precision, recall, (precision + recall) / 2], "F1 is the harmonic mean, 2 p r / (p + r), not (p + r) / 2."),
        ([precision, recall, f1 / 2], "F1 lacks its factor 2: it is 2 p r / (p + r)."),
        ([precision, recall, (precision * recall) ** 0.5], "that is the geometric mean. F1 is 2 p r / (p + r)."),
        (all_classes.mean(axis=0), "that is the mean over the classes. Return the numbers of class k alone."),
        (all_classes, "these are the numbers of all classes. Return those of class k."),
        (all_classes.T, "these are the numbers of all classes. Return those of class k."),
        (
            np.full(3, hits.sum() / total),
            "that is the accuracy, three times. Class k has a row and a column of its own.",
        ),
        (_scores(hits[0], total, total), "it divides by all texts. Precision divides by a column, recall by a row."),
        (all_classes[1], "these are the numbers of class 1, but k is 0 here."),
    ]
    compare(call(answer, [list(row) for row in MATRIX], 0), expected, typical)
    got = numbers(call(answer, [[5, 0], [3, 0]], 1))
    if got.shape == (3,) and (np.isnan(got).any() or got[0] == 1):
        raise WrongAnswer("for [[5, 0], [3, 0]] and class 1, precision is 0 / 0, and so is F1. The task says: 0.")
    compare(got, [0, 0, 0])


def check_auc(answer):
    positive, negative = SCORES[LABELS == 1], SCORES[LABELS == 0]
    wins, ties = np.sum(positive[:, None] > negative), np.sum(positive[:, None] == negative)
    pairs = len(positive) * len(negative)
    expected = (wins + ties / 2) / pairs
    in_all = len(LABELS) * (len(LABELS) - 1) / 2
    typical = [
        (wins / pairs, "a tie counts nothing here. It counts one half."),
        ((wins + ties) / pairs, "a tie counts as won here. It counts one half."),
        (wins / (pairs - ties), "it leaves out the tie. A tie counts one half."),
        (1 - expected, "that is 1 minus the area: count the pairs in which the *positive* one has the higher score."),
        (
            wins + ties / 2,
            "that is the number of pairs. Divide it by the number of all pairs, positive times negative.",
        ),
        ((wins + ties / 2) / in_all, "it divides by all pairs. Only pairs of a positive and a negative count."),
        ((wins + ties / 2) / len(LABELS) ** 2, "it divides by n * n. Divide by positives times negatives."),
        (np.mean((SCORES >= 0.5) == LABELS), "that is the accuracy at a threshold of 0.5. Compare pairs instead."),
        (positive.mean() - negative.mean(), "that is the difference of the means. Count pairs in the right order."),
        (2 * expected - 1, "that is the Gini coefficient, twice the area minus 1. Return the area."),
    ]
    compare(call(answer, LABELS.tolist(), SCORES.tolist()), expected, typical)


def _normal(seed, *size):
    return np.round(np.random.default_rng(seed).normal(size=size), 2)


def _random(seed, positives, negatives):
    """Return labels and scores with ties, in a random order."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation([1] * positives + [0] * negatives)
    return labels.tolist(), np.round(rng.normal(0.5 * labels), 1).tolist()


SEARCH = {
    "mean_reciprocal_rank": Exercise(
        task="Write the MRR, given similarities [queries, texts] and the index of each query's right text.",
        blank="def mean_reciprocal_rank(similarities, right):\n    return ...",
        answer="mean_reciprocal_rank",
        check=check_mean_reciprocal_rank,
        correct="1 for rank 1, 1/2 for rank 2, and little for the rest.",
        hints=(
            "The rank of the right text is 1 plus the number of texts that are more similar to the query.",
            "For each row: 1 + sum(x > row[i] for x in row), where i is the index of its right text.",
        ),
        solution=(
            "def mean_reciprocal_rank(similarities, right):\n"
            "    total = 0.0\n"
            "    for row, i in zip(similarities, right):\n"
            "        rank = 1 + sum(x > row[i] for x in row)\n"
            "        total += 1 / rank\n"
            "    return total / len(similarities)"
        ),
        cases=(
            (np.array([[-0.5]]), np.array([0])),
            (np.array([[0.3, 0.1, 0.2]]), np.array([1])),  # one query, its right text comes last
            (np.array([[0.5], [0.2], [-0.1], [0.7]]), np.array([0, 0, 0, 0])),  # one text
            (np.array([[-3000.0, -2000.5], [1000.0, 0.0001]]), np.array([0, 0])),
            (_normal(1, 6, 9), np.array([8, 0, 3, 3, 7, 1])),
            (_normal(2, 5, 5), np.array([4, 3, 2, 1, 0])),
        ),
    ),
    "ndcg": Exercise(
        task="Write nDCG@k, given the grades of all texts in the order of a search; 0 if all grades are 0.",
        blank="def ndcg(grades, k):\n    return ...",
        answer="ndcg",
        check=check_ndcg,
        correct="this is what a search gains in its first k ranks, as a fraction of what it could.",
        hints=(
            "Write a function dcg(ranked): the sum of grade / log2(rank + 1) over the first k, ranks from 1.",
            "Divide dcg of the grades by dcg of the grades sorted with reverse=True, unless that is 0.",
        ),
        solution=(
            "import math\n\n"
            "def ndcg(grades, k):\n"
            "    def dcg(ranked):\n"
            "        return sum(grade / math.log2(i + 2) for i, grade in enumerate(ranked[:k]))\n\n"
            "    ideal = dcg(sorted(grades, reverse=True))\n"
            "    return dcg(grades) / ideal if ideal else 0.0"
        ),
        cases=(
            ([0], 1),
            ([2], 5),  # k is larger than the list
            ([0, 0, 0, 1], 3),  # the only good one comes too late
            ([0, 0, 0, 1], 4),
            ([0, 1, 2, 3, 4, 5], 2),
            ([3, 3, 0, 1, 2, 0, 0.5, 3], 6),
            ([1000, 0, 0, 500], 4),
        ),
    ),
}

CLASSIFICATION = {
    "f1": Exercise(
        task="Write precision, recall and F1 of class k, given a confusion matrix; 0 where a division is by 0.",
        blank="def precision_recall_f1(confusion_matrix, k):\n    return ...",
        answer="precision_recall_f1",
        check=check_f1,
        correct="the same diagonal cell, divided by its column and by its row.",
        hints=(
            "Hits are at [k][k]. Column k holds all texts that were predicted as k, row k all that are k.",
            "F1 is 2 p r / (p + r). Test each divisor before you divide: `a / b if b else 0.0`.",
        ),
        solution=(
            "def precision_recall_f1(confusion_matrix, k):\n"
            "    hits = confusion_matrix[k][k]\n"
            "    predicted = sum(row[k] for row in confusion_matrix)  # a column\n"
            "    true = sum(confusion_matrix[k])  # a row\n"
            "    precision = hits / predicted if predicted else 0.0\n"
            "    recall = hits / true if true else 0.0\n"
            "    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0\n"
            "    return precision, recall, f1"
        ),
        cases=(
            ([[7]], 0),
            ([[5, 0], [3, 0]], 1),  # never predicted
            ([[4, 2], [0, 0]], 1),  # no text
            ([[0, 4], [3, 0]], 0),  # no hit
            ([[6, 0, 0], [1, 0, 2], [0, 0, 9]], 1),
            (MATRIX, 2),
            ([[1000, 24], [3, 999]], 1),
            ([[3, 0, 1, 0, 2], [1, 1, 0, 0, 0], [0, 4, 6, 0, 0], [2, 0, 0, 9, 1], [0, 0, 5, 1, 8]], 3),
        ),
    ),
    "auc": Exercise(
        task="Write the area under the ROC curve, given labels (1 or 0) and scores; a tie counts one half.",
        blank="def auc(labels, scores):\n    return ...",
        answer="auc",
        check=check_auc,
        correct="no curve and no threshold: just pairs in the right order.",
        hints=(
            "Make two lists, the scores of the positives and those of the negatives. Then compare each with each.",
            "Count 1 where the positive one is higher and 0.5 where both are equal; divide by the number of pairs.",
        ),
        solution=(
            "def auc(labels, scores):\n"
            "    positive = [score for score, label in zip(scores, labels) if label]\n"
            "    negative = [score for score, label in zip(scores, labels) if not label]\n"
            "    wins = sum((p > n) + 0.5 * (p == n) for p in positive for n in negative)\n"
            "    return wins / (len(positive) * len(negative))"
        ),
        cases=(
            ([1, 0], [0.3, 0.3]),
            ([0, 1], [0.2, -0.1]),
            ([1, 0, 0], [1000.0, -5.0, 999.5]),
            ([0, 1, 1, 1], [-3.0, -4.0, -3.0, -2.0]),
            _random(1, 5, 9),
            _random(2, 8, 3),
            _random(3, 2, 6),
        ),
    ),
}
