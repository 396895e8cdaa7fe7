"""Exercises of notebooks/08_masked_lm.ipynb on association tests. `masked_lm` adds them to the chapter's."""

from itertools import combinations

import numpy as np

from bertedu.course.exercise import Exercise, call, compare


def _case(seed, *sizes, D):
    rng = np.random.default_rng(seed)
    return tuple((rng.normal(size=(n, D)) * 3).round(1) for n in sizes)


# Targets X and Y, attributes A and B, of different numbers; no vector has length 1, and d is negative.
X, Y, A, B = _case(6, 4, 3, 2, 5, D=3)


def _unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _associations(vectors, A, B, mean=np.mean):
    return mean(vectors @ A.T, axis=1) - mean(vectors @ B.T, axis=1)


def _wrong_effects(x, y):
    """Pairs of a wrong effect size and the feedback, for the associations `x` and `y` of the targets."""
    difference, both = x.mean() - y.mean(), np.concatenate([x, y])
    pooled = np.sqrt((x.var(ddof=1) * (len(x) - 1) + y.var(ddof=1) * (len(y) - 1)) / (len(both) - 2))
    other_x, other_y = _associations(_unit(A), _unit(X), _unit(Y)), _associations(_unit(B), _unit(X), _unit(Y))
    return [
        (
            -difference / both.std(ddof=1),
            "the sign is wrong. Subtract Y from X, and B from A in each association; d may be negative.",
        ),
        (
            difference / both.std(),
            "that is the population's standard deviation. Divide the squares by n - 1: ddof=1.",
        ),
        (difference / x.std(ddof=1), "the standard deviation is that of X alone. Take it over X and Y together."),
        (difference / y.std(ddof=1), "the standard deviation is that of Y alone. Take it over X and Y together."),
        (
            difference / pooled,
            "that is Cohen's d, with the standard deviation within the sets. WEAT takes it over X and Y together.",
        ),
        (
            2 * difference / (x.std(ddof=1) + y.std(ddof=1)),
            "it averages two standard deviations. Put X and Y together, and take one of all.",
        ),
        (difference / both.var(ddof=1), "it divides by the variance. Divide by its square root."),
        (difference, "that is the difference of the means. Divide it by the standard deviation over X and Y."),
        (x.sum() - y.sum(), "that is the test statistic, a difference of sums. Take means, and divide."),
        ((x.sum() - y.sum()) / both.std(ddof=1), "the numerator is a difference of sums. Take means."),
        (
            (other_x.mean() - other_y.mean()) / np.concatenate([other_x, other_y]).std(ddof=1),
            "targets and attributes are swapped. Compute the associations of X and Y, with A and B.",
        ),
    ]


def check_effect_size(answer):
    unit = [_unit(vectors) for vectors in (X, Y, A, B)]
    x, y = (_associations(targets, *unit[2:]) for targets in unit[:2])
    typical = _wrong_effects(x, y)
    dots = [_associations(targets, A, B) for targets in (X, Y)]
    sums = [_associations(targets, *unit[2:], mean=np.sum) for targets in unit[:2]]
    for (x, y), reason in (
        (dots, "these are dot products. Divide each vector by its length first, so that they are cosines."),
        (sums, "the associations are sums of cosines. Take means, because A and B may differ in number."),
    ):
        typical.append(((x.mean() - y.mean()) / np.concatenate([x, y]).std(ddof=1), reason))
    x, y = (_associations(targets, *unit[2:]) for targets in unit[:2])
    expected = (x.mean() - y.mean()) / np.concatenate([x, y]).std(ddof=1)
    compare(call(answer, *(vectors.tolist() for vectors in (X, Y, A, B))), expected, typical)


OTHER_SIDE = "the other side is counted. Count differences as large as the observed one, or larger."


def _fractions(x, y):
    """Pairs of a wrong p-value and the feedback."""
    groups = list(combinations([*x, *y], len(x)))
    sums = np.array([sum(group) for group in groups])
    distances = np.abs(sums / len(x) - (sum(x) + sum(y) - sums) / len(y))
    return [
        (
            (sums > sum(x)).mean(),
            "ties are not counted. Count every difference of at least the observed one.",
        ),
        (
            (sums <= sum(x)).mean(),
            OTHER_SIDE,
        ),
        (
            (sums < sum(x)).mean(),
            OTHER_SIDE,
        ),
        ((distances >= distances[0]).mean(), "that is two-sided. Count only differences in the observed direction."),
        ((sums >= sum(x)).sum(), "that is the number of partitions. Divide by the number of all partitions."),
        (
            ((sums >= sum(x)).sum() - 1) / (len(sums) - 1),
            "the observed partition is left out. It is one of all partitions, so that p is never 0.",
        ),
        (
            ((sums >= sum(x)).sum() + 1) / (len(sums) + 1),
            "the observed partition counts twice. Adding 1 is for samples; here it is among all partitions.",
        ),
    ]


def check_permutation_p(answer):
    x, y = [7, 3, 5], [5, 1, 2, 4]
    sums = np.array([sum(group) for group in combinations([*x, *y], 3)])
    compare(call(answer, list(x), list(y)), (sums >= sum(x)).mean(), _fractions(x, y))


EXERCISES = {
    "effect_size": Exercise(
        task="Write WEAT's effect size d of targets X, Y and attributes A, B, with the sample standard deviation.",
        blank="def effect_size(X, Y, A, B):\n    return ...",
        answer="effect_size",
        check=check_effect_size,
        correct="the difference of two mean associations, in standard deviations over X and Y together.",
        hints=(
            "Divide all vectors by their lengths: then X @ A.T are cosines. An association is a difference of means.",
            "Compute the associations of X and of Y. Divide the difference of their means by np.std([*x, *y], ddof=1).",
        ),
        solution=(
            "import numpy as np\n\n"
            "def effect_size(X, Y, A, B):\n"
            "    def unit(vectors):\n"
            "        return np.array(vectors) / np.linalg.norm(vectors, axis=1, keepdims=True)\n\n"
            "    def associations(targets):\n"
            "        return (targets @ unit(A).T).mean(axis=1) - (targets @ unit(B).T).mean(axis=1)\n\n"
            "    x, y = associations(unit(X)), associations(unit(Y))\n"
            "    return (x.mean() - y.mean()) / np.std([*x, *y], ddof=1)"
        ),
        cases=(
            ([[1.0, 0.0]], [[0.0, 1.0]], [[1.0, 1.0]], [[1.0, -1.0]]),
            ([[2.0]], [[-3.0], [1.0]], [[0.5]], [[-4.0]]),  # one dimension: cosines of 1 and -1
            _case(0, 3, 3, 2, 2, D=2),
            _case(1, 2, 5, 4, 1, D=4),
            _case(2, 6, 1, 3, 5, D=7),
        ),
    ),
    "permutation_p": Exercise(
        task="Write the exact one-sided p-value of mean(x) - mean(y), over all partitions of the numbers.",
        blank="def permutation_p(x, y):\n    return ...",
        answer="permutation_p",
        check=check_permutation_p,
        correct="the fraction of partitions, the observed one among them, whose difference is at least as large.",
        hints=(
            "itertools.combinations([*x, *y], len(x)) yields every possible first group. Count, then divide.",
            "The sum of all numbers is fixed, so the difference is at least the observed one if sum(group) >= sum(x).",
        ),
        solution=(
            "from itertools import combinations\n\n"
            "def permutation_p(x, y):\n"
            "    sums = [sum(group) for group in combinations([*x, *y], len(x))]\n"
            "    return sum(s >= sum(x) for s in sums) / len(sums)"
        ),
        cases=(
            ([3], [5]),
            ([2, 2], [2, 2]),  # nothing but ties
            ([-1, -4], [-2]),
            ([9, 8, 7], [1, 2, 3]),
            ([1], [4, 0, -2, 1, 6]),
            ([5, 0, 2, 2], [3, 0]),
        ),
    ),
}
