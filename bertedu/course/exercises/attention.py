"""Exercises of notebooks/03_attention.ipynb."""

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers
from bertedu.course.exercises.multi_head import MULTI_HEAD


def _random(seed, *shape):
    return np.round(np.random.default_rng(seed).normal(size=shape), 2)


# Three queries, four keys and four values, each with five elements: the sizes differ, so that a mix-up shows.
Q, K, V = _random(1, 3, 5), _random(2, 4, 5), _random(3, 4, 5)
Q2, K2, V2 = _random(4, 4, 7), _random(5, 6, 7), _random(6, 6, 9)  # larger
WEIGHTS2 = [
    [0.5, 0.2, 0.3, 0.0, 0.0, 0.0],
    [0.1, 0.1, 0.1, 0.1, 0.15, 0.45],
    [0, 0, 1, 0, 0, 0],
    [0.3, 0, 0, 0.7, 0, 0],
]
# The logits are about 400 in the first row and about -400 in the second.
FAR = np.array([[20.0], [-20.0]]), np.array([[20.0], [19.9], [20.05]]), V[:3, :1]


def _softmax(x, axis=-1):
    exponentials = np.exp(x - x.max(axis=axis, keepdims=True))
    return exponentials / exponentials.sum(axis=axis, keepdims=True)


def check_softmax(answer):
    for logits in ([1.0, 2.0, 4.0], [0.0, 0.0], [-1.0, 3.0, 0.5, 0.5]):
        x = np.array(logits)
        typical = [
            (np.exp(x), "these are the exponentials e^x; divide each by their sum, so that they add up to 1."),
            (x / x.sum() if x.sum() else x, "it divides the logits by their sum; first raise e to each of them."),
            (np.exp(x - x.max()), "the largest value is 1: divide by the sum of the exponentials, not by the largest."),
            (2**x / (2**x).sum(), "the base is e (math.exp), not 2."),
            (_softmax(-x), "the order is reversed: the largest logit should get the largest probability."),
            (np.eye(len(x))[x.argmax()], "the largest logit gets everything; in a softmax every value is above 0."),
        ]
        compare(call(answer, list(logits)), _softmax(x), typical)
    try:
        large = numbers(call(answer, [1000.0, 1000.0]))
    except WrongAnswer as reason:
        raise WrongAnswer(
            f"it is right for small logits, but for [1000, 1000] {reason} Subtract the largest logit first."
        ) from None
    if not np.allclose(large, 0.5):
        raise WrongAnswer("it is right for small logits, but e^1000 overflows. Subtract the largest logit first.")
    cut_off = "it is right for small logits, but 1000 and 998 get equal values. Subtract the largest logit instead."
    compare(call(answer, [1000.0, 998.0]), _softmax(np.array([1000.0, 998.0])), [([0.5, 0.5], cut_off)])
    for logits in ([-1000.0, -1001.0], [0.0, 1000.0]):
        try:
            compare(call(answer, list(logits)), _softmax(np.array(logits)))
        except WrongAnswer as reason:
            raise WrongAnswer(
                f"it is right for small logits, but for {logits} {reason} Subtract the largest logit, always."
            ) from None


def check_logits(answer):
    products, size = Q @ K.T, Q.shape[1]
    typical = [
        (products, "the factor 1/sqrt(H) is missing: divide by the square root of 5, the size of a query."),
        (products / size, "it divides by H; divide by its square root."),
        (products * size**0.5, "it multiplies by sqrt(H); divide by it."),
        (products / len(K) ** 0.5, "it divides by the square root of the number of keys; H is the size of one query."),
        (
            products / len(Q) ** 0.5,
            "it divides by the root of 3, the number of queries here; H is the size of one query, 5.",
        ),
        (products.T / size**0.5, "rows and columns are swapped: there is one row per query and one column per key."),
        (
            _softmax(products / size**0.5),
            "these are attention weights, after the softmax; return the logits, before it.",
        ),
    ]
    compare(call(answer, Q.tolist(), K.tolist()), products / size**0.5, typical)
    right = Q2 @ K2.T / 7**0.5
    constant = "H need not be five: here a query has seven elements, len(queries[0])."
    typical = [
        (Q2 @ K2.T / 5**0.5, constant),
        (Q2[:, :5] @ K2[:, :5].T / 7**0.5, constant),
        (Q2[:, :5] @ K2[:, :5].T / 5**0.5, constant),
        (right[:3], "there need not be three queries: here there are four, len(queries)."),
        (right[:, :4], "there need not be four keys: here there are six, len(keys)."),
    ]
    compare(call(answer, Q2.tolist(), K2.tolist()), right, typical)


def check_weighted_sum(answer):
    weights = np.array([[0.7, 0.2, 0.1, 0.0], [0.25, 0.25, 0.25, 0.25], [0.0, 0.1, 0.1, 0.8]])
    carried = "each row still includes the sums of the rows before; start each row with zeros."
    typical = [
        (np.tile(V.mean(axis=0), (3, 1)), "every row is the plain mean; multiply each value by its attention weight."),
        (weights @ V / 4, "the weights already sum to 1; do not divide by the number of values as well."),
        (V[weights.argmax(axis=1)], "it returns the value with the largest weight only; the others have weights too."),
        (np.tile(V.sum(axis=0), (3, 1)), "it adds the values without their weights."),
        (V.T @ weights.T, "rows and columns are swapped: there is one row per query."),
        ((weights @ V).sum(axis=1), "each query should get a whole vector; sum over the keys only."),
        ((weights @ V)[:, :3], "a value need not have three elements: here it has five, len(values[0])."),
        (np.cumsum(weights @ V, axis=0), carried),
        (np.tile((weights @ V).sum(axis=0), (3, 1)), carried),
    ]
    compare(call(answer, weights.tolist(), V.tolist()), weights @ V, typical)
    weights = np.array(WEIGHTS2)
    typical = [
        ((weights @ V2)[:, :5], "a value need not have five elements: here it has nine, len(values[0])."),
        ((weights @ V2)[:3], "there need not be three queries: here there are four rows of weights."),
        (weights[:, :4] @ V2[:4], "there need not be four values: here there are six."),
    ]
    compare(call(answer, weights.tolist(), V2.tolist()), weights @ V2, typical)


LARGEST_VISIBLE = "Mask first; then subtract the largest of the masked logits before taking exponentials."


def check_masked(answer):
    logits, mask = np.array([1.0, 3.0, 2.0, 0.5]), np.array([1, 1, 0, 0])
    weights = _softmax(logits)
    typical = [
        (weights * mask, "the mask comes after the softmax, so the row no longer sums to 1. Mask the logits."),
        (weights, "the mask has no effect: the two masked keys still get attention."),
        (
            _softmax(logits * mask),
            "the masked logits are set to 0, and e^0 is 1: they still get attention. Make them very negative.",
        ),
        (
            _softmax(logits + mask),
            "adding the mask itself changes a logit by 1 only. Add a very negative number where it is 0.",
        ),
        (_softmax(logits - 1e9 * mask), "the mask is inverted: 1 means visible, 0 means masked."),
        (_softmax(logits[:2]), "the masked keys are removed; keep them in the row, with a weight of 0."),
    ]
    compare(call(answer, logits.tolist(), mask.tolist()), _softmax(logits - 1e9 * (1 - mask)), typical)
    row = call(answer, [5.0, -5.0, 0.0], [0, 1, 1])
    too_little = "a logit of 5 minus 10 still gets a small weight; subtract a billion, and it gets 0."
    typical = [(_softmax(np.array([5.0 - 10, -5.0, 0.0])), too_little)]
    compare(row, _softmax(np.array([5.0 - 1e9, -5.0, 0.0])), typical)
    for logits in ([300.0, -1.0, 2.0], [3.0, -2000.0, -2001.0], [1000.0, -1.0, 2.0]):
        try:
            row = numbers(call(answer, list(logits), [0, 1, 1]))
        except WrongAnswer as reason:
            raise WrongAnswer(f"with logits of {logits} and a mask of [0, 1, 1], {reason} {LARGEST_VISIBLE}") from None
        if row.shape == (3,) and row[0] > 0.01:
            raise WrongAnswer(f"a masked key still gets attention with logits of {logits}; subtract a billion from it.")
        if not np.isfinite(row).all():
            raise WrongAnswer(f"with logits of {logits} and a mask of [0, 1, 1], it contains NaN. {LARGEST_VISIBLE}")


def check_attend(answer):
    scaled = Q @ K.T / Q.shape[1] ** 0.5
    everything = np.exp(scaled) / np.exp(scaled).sum()
    typical = [
        (
            _softmax(scaled, axis=0) @ V,
            "the softmax runs over the wrong axis: each row (query) must sum to 1. Use axis=-1.",
        ),
        (everything @ V, "the softmax runs over all elements; each row must sum to 1. Use axis=-1, keepdims=True."),
        (_softmax(Q @ K.T) @ V, "the factor 1/sqrt(H) is missing: divide the logits by sqrt(q.shape[-1])."),
        (
            _softmax(Q @ K.T / len(Q) ** 0.5) @ V,
            "it divides by the root of T, the number of queries; take q.shape[-1].",
        ),
        (_softmax(Q @ K.T / len(K) ** 0.5) @ V, "it divides by the root of S, the number of keys; take q.shape[-1]."),
        (_softmax(Q @ K.T / 5) @ V, "it divides by H; divide by its square root."),
        (scaled @ V, "there is no softmax: the weights are still logits."),
        (np.exp(scaled) @ V, "the exponentials are not divided by the sum of their row."),
        (_softmax(scaled) @ K, "it sums the keys; sum the values instead."),
        (_softmax(scaled), "these are the attention weights; one step is left: multiply them by the values."),
    ]
    try:
        got = call(answer, Q.copy(), K.copy(), V.copy())
    except WrongAnswer as reason:
        if "broadcast" not in str(reason):
            raise
        raise WrongAnswer(
            f"{reason} With keepdims=True, the sum of each row keeps its axis: [T, 1] fits [T, S]."
        ) from None
    compare(got, _softmax(scaled) @ V, typical)
    typical = [(_softmax(Q2 @ K2.T / 5**0.5) @ V2, "H need not be five: here it is seven, q.shape[-1].")]
    compare(call(answer, Q2.copy(), K2.copy(), V2.copy()), _softmax(Q2 @ K2.T / 7**0.5) @ V2, typical)
    if not np.isfinite(numbers(call(answer, *(array.copy() for array in FAR)))).all():
        raise WrongAnswer(
            "a row of logits around 400 and one around -400 give NaN. Before np.exp, subtract the largest logit of "
            "each row, logits.max(axis=-1, keepdims=True)."
        )


EXERCISES = {
    "softmax_by_hand": Exercise(
        task="Write the softmax of a list of logits, with math.exp and sum.",
        blank="def softmax(logits):\n    return ...",
        answer="softmax",
        check=check_softmax,
        correct="all values are positive and sum to 1, and large logits do not overflow.",
        hints=(
            "First make a list of math.exp(x) for each x; then divide each by the sum of that list.",
            "math.exp(1000) is too large. Subtract max(logits) from each logit first: the result stays the same.",
        ),
        solution=(
            "import math\n\n"
            "def softmax(logits):\n"
            "    largest = max(logits)\n"
            "    exponentials = [math.exp(x - largest) for x in logits]\n"
            "    return [e / sum(exponentials) for e in exponentials]"
        ),
        cases=(
            ([0.0],),
            ([3, 1, 2],),
            ([0.3, 0.3, -0.7, 2.1, 0.3],),
            ([1000.0, 998.5],),
            ([-1000.0, -1001.5, -999.2],),
            ([-1000.0, 0.0, 1000.0, 999.6],),
        ),
    ),
    "scaled_dot_products": Exercise(
        task="Write the attention logits: a row per query, a column per key, each the scaled dot product of the two.",
        blank="def scaled_dot_products(queries, keys):\n    return ...",
        answer="scaled_dot_products",
        check=check_logits,
        correct="dot products of queries and keys, divided by sqrt(H).",
        hints=(
            "Two loops around a sum: for each query, for each key, the sum of q[h] * k[h].",
            "Divide each sum by the square root of H, where H is the size of one query: len(queries[0]).",
        ),
        solution=(
            "def scaled_dot_products(queries, keys):\n"
            "    root = len(queries[0]) ** 0.5\n"
            "    return [[sum(a * b for a, b in zip(q, k)) / root for k in keys] for q in queries]"
        ),
        cases=(
            ([[1.5, -2.0]], [[0.5, 1.0]]),
            ([[3.0], [-1.0], [0.0]], [[2.0], [-0.5]]),
            (K2.tolist(), Q2.tolist()),
            (_random(7, 1, 9).tolist(), _random(8, 5, 9).tolist()),
        ),
    ),
    "weighted_sum": Exercise(
        task="Write the last step: for each query, the sum of the values, weighted by its row of attention weights.",
        blank="def weighted_sum(attention_weights, values):\n    return ...",
        answer="weighted_sum",
        check=check_weighted_sum,
        correct="each output is a weighted mean of the values: a context vector.",
        hints=(
            "The output for one row of weights has as many elements as one value.",
            "Element h of it is the sum over s of row[s] * values[s][h].",
        ),
        solution=(
            "def weighted_sum(attention_weights, values):\n"
            "    dimensions = range(len(values[0]))\n"
            "    return [[sum(w * v[h] for w, v in zip(row, values)) for h in dimensions] for row in attention_weights]"
        ),
        cases=(
            ([[1.0]], [[-2.5]]),
            ([[0.25, 0.75]], [[1.0, -4.0, 2.5], [0.0, 8.0, 0.1]]),
            ([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]], [[1.5], [-2.0], [7.0]]),
            ([[0.4, 0.6], [1, 0], [0, 1], [0.9, 0.1], [0.5, 0.5]], _random(9, 2, 9).tolist()),
        ),
    ),
    "masked_softmax_by_hand": Exercise(
        task="Write the softmax of one row of logits, in which keys with mask 0 get a weight of 0.",
        blank="def masked_softmax(logits, mask):\n    return ...",
        answer="masked_softmax",
        check=check_masked,
        correct="masked keys get a weight of exactly 0, and the weights of the others add up to 1.",
        hints=(
            "Mask before the softmax: a masked key needs a logit so negative that its exponential is 0.",
            "Add -1e9 to the logit where mask is 0. Then take the softmax, subtracting the largest logit first.",
        ),
        solution=(
            "import math\n\n"
            "def masked_softmax(logits, mask):\n"
            "    masked = [x + (1 - visible) * -1e9 for x, visible in zip(logits, mask)]\n"
            "    exponentials = [math.exp(x - max(masked)) for x in masked]\n"
            "    return [e / sum(exponentials) for e in exponentials]"
        ),
        cases=(
            ([-3.0], [1]),
            ([0.5, 0.5], [0, 1]),
            ([2.0, -1.0, 0.3, 0.3, 5.0], [0, 1, 0, 1, 1]),  # gaps
            ([0.7, -0.2, 1.9, 0.0], [1, 1, 1, 1]),
            ([1000.0, 1.0, 2.5], [0, 1, 1]),
            ([1000.0, 998.5, -4.0], [1, 1, 0]),
            ([-1000.0, 0.0, -1001.0], [1, 0, 1]),
        ),
    ),
    "attend": Exercise(
        task="Write one head in NumPy: from queries [T, H], keys [S, H] and values [S, H] to the head output [T, H].",
        blank="def attend(q, k, v):\n    return ...",
        answer="attend",
        check=check_attend,
        correct="one head, in three lines. Each layer of BERT-Base has 12 of them.",
        hints=(
            "q @ k.T is all dot products at once, with shape [T, S]. Then scale, softmax each row, and @ v.",
            "Softmax of each row: np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True).",
        ),
        solution=(
            "import numpy as np\n\n"
            "def attend(q, k, v):\n"
            "    logits = q @ k.T / np.sqrt(q.shape[-1])  # [T, S]\n"
            "    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))  # [T, S]\n"
            "    return exponentials / exponentials.sum(axis=-1, keepdims=True) @ v  # [T, H]"
        ),
        cases=(
            (Q[:1, :2], K[:1, :2], V[:1, :2]),
            (Q2[:1], K2[:5], V2[:5, :3]),
            (_random(7, 4, 2), _random(8, 3, 2), _random(9, 3, 2)),
            FAR,
        ),
    ),
    "multi_head": MULTI_HEAD,
}
