"""Exercises of notebooks/labs/4_rogue_dimensions.ipynb."""

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, one_number

_rng = np.random.default_rng(4)
R, D, NEW = 5, 3, 4  # no two sizes are equal, so that swapped axes are noticed
VECTORS, OTHERS = (np.round(_rng.normal(size=(count, D)) + [0, 3, -1], 1) for count in (R, NEW))
CONSTANT = np.column_stack([VECTORS, np.full(R, 7.0)])


def _normal(seed, *shape):
    return np.round(np.random.default_rng(seed).normal(size=shape), 1)


def _products(vectors):
    """Return the product of every pair of vectors in every dimension, `[R, R, D]`."""
    return vectors[:, None] * vectors


def _units(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _pairs(products):
    """Return the mean over all pairs of different vectors, `[D]`."""
    return products[np.triu_indices(len(products), k=1)].mean(axis=0)


def check_one_dimension(answer):
    got = float(one_number(answer, "the cosine."))
    reasons = [
        (30 / 130, "square the numbers: a dot product and a length are sums of squares."),
        (900 / 930, "100 squares of about 1 add up to 100, whatever their sum is."),
        (9.0, "900 is the dot product. Divide it by the product of the two lengths."),
        (900, "that is the dot product. Divide it by the product of the two lengths."),
        (900 / 1000**0.5, "divide by the lengths of both vectors, not of one."),
        (1 / 101, "that is one dimension of 101. Its number is 30 times as large as the others."),
        (0.0, "the 100 random dimensions alone would give a cosine near 0. What does the large one add?"),
        (1.0, "the random dimensions add nothing to the dot product, but they make the vectors longer."),
    ]
    for wrong, reason in reasons:
        if abs(got - wrong) < 2e-3:
            raise WrongAnswer(reason)
    if not abs(got - 0.9) < 5e-4:  # NaN neither
        raise WrongAnswer("compute the dot product, and divide it by the product of the lengths.")


def check_contributions(answer):
    units, pairs = _units(VECTORS), R * (R - 1) / 2
    typical = [
        (_products(units).mean(axis=(0, 1)), "a pair of a vector and itself is no pair. Leave these out."),
        (_pairs(_products(VECTORS)), "divide every vector by its length first: a cosine ignores lengths."),
        (_pairs(_products(units)).sum(), "that is the mean cosine. What does each dimension contribute to it?"),
        (_pairs(_products(units)) * pairs, "that is the sum over all pairs. Take the mean."),
        (_pairs(_products(units)) * 2, "count every pair once, or divide by the number of all ordered pairs."),
        (_pairs(_products(units)) / 2, "you counted R (R - 1) pairs, but added each only once."),
        (_pairs(np.abs(_products(units))), "the signs are lost: a product below 0 reduces the cosine."),
        (
            _pairs(_products(units)) / _pairs(_products(units)).sum(),
            "these are fractions of the mean cosine. Return the contributions themselves.",
        ),
        (
            _pairs(_products(VECTORS / np.linalg.norm(VECTORS, axis=0))),
            "each vector, a row, has a length of its own: axis=1.",
        ),
    ]
    compare(call(answer, VECTORS.copy()), _pairs(_products(units)), typical)


def check_standardize_new(answer):
    mean, deviation = VECTORS.mean(axis=0), VECTORS.std(axis=0)
    typical = [
        (
            (OTHERS - OTHERS.mean(axis=0)) / OTHERS.std(axis=0),
            "mean and standard deviation are those of `train`, not of the new vectors.",
        ),
        ((VECTORS - mean) / deviation, "these are the vectors of `train`. Standardize the new ones."),
        (OTHERS - mean, "the means are subtracted; the division by the standard deviation is missing."),
        (OTHERS / deviation, "subtract the means first."),
        (OTHERS - mean / deviation, "parentheses are missing: subtract the mean first, then divide."),
        ((OTHERS - mean) / deviation**2, "that is the variance. Divide by its square root."),
        ((OTHERS - mean) / VECTORS.std(axis=0, ddof=1), "divide by R, not by R - 1: np.std as it is."),
        ((OTHERS - VECTORS.mean()) / VECTORS.std(), "each dimension has a mean and a standard deviation: axis=0."),
    ]
    compare(call(answer, VECTORS.copy(), OTHERS.copy()), (OTHERS - mean) / deviation, typical)
    new = np.array([[0.0, 0, 0, 7], [1, 1, 1, 9]])
    try:
        got = call(answer, CONSTANT.copy(), new.copy())
        compare(got, np.column_stack([(new[:, :3] - mean) / deviation, [0, 2]]))
    except WrongAnswer as reason:
        raise WrongAnswer(
            f"it is right, but not for a dimension that is 7 in all vectors of `train`: {reason} "
            "Where the standard deviation is 0, divide by 1."
        ) from None


EXERCISES = {
    "one_dimension": Exercise(
        task="Compute the cosine of two vectors that agree in one large dimension.",
        blank="cosine = ...",
        answer="cosine",
        check=check_one_dimension,
        correct="one dimension of 101 makes two unrelated vectors nearly parallel.",
        hints=(
            "The dot product is 30 x 30 plus 100 products that are positive or negative and add up to about 0.",
            "The square of each length is 30 x 30 plus 100 squares of about 1.",
        ),
        solution="cosine = 30**2 / (30**2 + 100)",
    ),
    "contributions": Exercise(
        task="Compute what each dimension contributes to the mean cosine of all pairs of different vectors.",
        blank="def contributions_of(vectors):\n    return ...",
        answer="contributions_of",
        check=check_contributions,
        cases=(
            (np.array([[3.0, 4.0], [-4.0, 3.0]]),),
            (_normal(1, 6, 2) + 0.3,),
            (_normal(2, 2, 7) * 10,),
            (_normal(3, 9, 4) - [0, 0, 5, 0],),
        ),
        correct="add them up, and you have the anisotropy.",
        hints=(
            "Divide each vector by its length; then the product of two of them in dimension d is its contribution.",
            "(sum of all x)² is the sum over all ordered pairs, each x with itself included. Subtract the sum of x².",
        ),
        solution=(
            "import numpy as np\n\n"
            "def contributions_of(vectors):\n"
            "    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)  # [R, D]\n"
            "    products = units.sum(axis=0) ** 2 - (units**2).sum(axis=0)  # [D], of all ordered pairs\n"
            "    return products / (len(units) * (len(units) - 1))"
        ),
    ),
    "standardize_new": Exercise(
        task="Standardize new vectors with the means and standard deviations of others.",
        blank="def standardize_new(train, new):\n    return ...",
        answer="standardize_new",
        check=check_standardize_new,
        cases=(
            (np.array([[1.0, 7.0], [3.0, 7.0]]), np.array([[2.0, 7.0]])),
            (_normal(4, 8, 2), _normal(5, 3, 2) + 2),
            (_normal(6, 4, 6) * 5, _normal(7, 1, 6)),
            (np.ones((3, 2)), np.array([[1.0, 2.0], [0.5, 1.0]])),
        ),
        correct="a search engine needs this: it meets its queries one at a time, after the corpus.",
        hints=(
            "train.mean(axis=0) and train.std(axis=0) have one number for each dimension.",
            "np.where(deviation > 0, deviation, 1) replaces the zeros.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def standardize_new(train, new):\n"
            "    deviation = train.std(axis=0)  # [D]\n"
            "    return (new - train.mean(axis=0)) / np.where(deviation > 0, deviation, 1)"
        ),
    ),
}
