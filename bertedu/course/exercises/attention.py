"""Exercises of notebooks/03_attention.ipynb."""

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers

# Three queries, four keys and values, of five numbers each: no two sizes are equal, so that a mix-up shows.
Q, K, V = (np.round(np.random.default_rng(seed).normal(size=(size, 5)), 2) for seed, size in ((1, 3), (2, 4), (3, 4)))


def _softmax(x, axis=-1):
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def check_softmax(answer):
    for given in ([1.0, 2.0, 4.0], [0.0, 0.0], [-1.0, 3.0, 0.5, 0.5]):
        x = np.array(given)
        typical = [
            (np.exp(x), "these are the powers e^x; divide each by their sum, so that together they make 1."),
            (x / x.sum() if x.sum() else x, "it divides the numbers by their sum; first raise e to each of them."),
            (np.exp(x - x.max()), "the largest share is 1: divide the powers by their sum, not by the largest."),
            (2**x / (2**x).sum(), "the base is e (math.exp), not 2."),
            (_softmax(-x), "the order is turned round: the largest number should get the largest share."),
            (np.eye(len(x))[x.argmax()], "all goes to the largest number; softmax gives everyone a share."),
        ]
        compare(call(answer, list(given)), _softmax(x), typical)
    try:
        large = numbers(call(answer, [1000.0, 1000.0]))
    except WrongAnswer as reason:
        raise WrongAnswer(
            f"right for small numbers. For [1000, 1000] {reason} Subtract the largest number first."
        ) from None
    if not np.allclose(large, 0.5):
        raise WrongAnswer("right for small numbers; for [1000, 1000] e^x overflows. Subtract the largest number first.")


def check_logits(answer):
    products, size = Q @ K.T, Q.shape[1]
    typical = [
        (products, "the factor 1/sqrt(H) is missing: divide by the square root of 5, the numbers in a query."),
        (products / size, "it divides by H; divide by its square root."),
        (products * size**0.5, "it multiplies by sqrt(H); divide by it."),
        (products / len(K) ** 0.5, "it divides by the square root of the number of keys; H is the size of one query."),
        (
            products / len(Q) ** 0.5,
            "it divides by the root of 3, the number of queries here; H is the size of one query, 5.",
        ),
        (products.T / size**0.5, "rows and columns are swapped: a row for each query, a column for each key."),
        (_softmax(products / size**0.5), "this is after the softmax already; the scaled products alone are wanted."),
    ]
    compare(call(answer, Q.tolist(), K.tolist()), products / size**0.5, typical)


def check_mix(answer):
    scores = np.array([[0.7, 0.2, 0.1, 0.0], [0.25, 0.25, 0.25, 0.25], [0.0, 0.1, 0.1, 0.8]])
    carried = "the mixes of the rows before are still in it: begin each row with zeros of its own."
    typical = [
        (np.tile(V.mean(axis=0), (3, 1)), "every row is the plain mean of the values; weigh each value by its share."),
        (scores @ V / 4, "the shares already sum to 1; do not divide by the number of values as well."),
        (V[scores.argmax(axis=1)], "it takes the value looked at most only; the others have their shares too."),
        (np.tile(V.sum(axis=0), (3, 1)), "it adds the values up without their shares."),
        (V.T @ scores.T, "rows and columns are swapped: a row for each query."),
        ((scores @ V).sum(axis=1), "each query should get a whole vector; the sum goes over the keys only."),
        ((scores @ V)[:, :3], "a value need not have three numbers: here it has five, len(values[0])."),
        (np.cumsum(scores @ V, axis=0), carried),
        (np.tile((scores @ V).sum(axis=0), (3, 1)), carried),
    ]
    compare(call(answer, scores.tolist(), V.tolist()), scores @ V, typical)


def check_masked(answer):
    logits, mask = np.array([1.0, 3.0, 2.0, 0.5]), np.array([1, 1, 0, 0])
    shares = _softmax(logits)
    typical = [
        (shares * mask, "the mask comes after the softmax, so that the row no longer sums to 1. Mask the logits."),
        (shares, "the mask has no effect: the two hidden keys still get a share."),
        (
            _softmax(logits * mask),
            "a hidden logit is set to 0, and e^0 is 1: it still gets a share. Make it very negative.",
        ),
        (
            _softmax(logits + mask),
            "adding the mask itself moves a logit by 1 only. Add a very negative number where it is 0.",
        ),
        (_softmax(logits - 1e9 * mask), "the mask is turned round: 1 means seen, 0 means hidden."),
        (_softmax(logits[:2]), "the hidden keys are cut out; keep their places, with a share of 0."),
    ]
    compare(call(answer, logits.tolist(), mask.tolist()), _softmax(logits - 1e9 * (1 - mask)), typical)
    row = call(answer, [5.0, -5.0, 0.0], [0, 1, 1])
    too_little = "a logit of 5, less 10, still has a small share; a billion less leaves 0."
    typical = [(_softmax(np.array([5.0 - 10, -5.0, 0.0])), too_little)]
    compare(row, _softmax(np.array([5.0 - 1e9, -5.0, 0.0])), typical)


def check_attend(answer):
    scaled = Q @ K.T / Q.shape[1] ** 0.5
    everything = np.exp(scaled) / np.exp(scaled).sum()
    typical = [
        (
            _softmax(scaled, axis=0) @ V,
            "the softmax runs over the wrong axis: each row (query) must sum to 1. Use axis=-1.",
        ),
        (everything @ V, "the softmax runs over the whole table; each row must sum to 1. Use axis=-1, keepdims=True."),
        (_softmax(Q @ K.T) @ V, "the factor 1/sqrt(H) is missing: divide the products by sqrt(q.shape[-1])."),
        (
            _softmax(Q @ K.T / len(Q) ** 0.5) @ V,
            "it divides by the root of T, the number of queries; take q.shape[-1].",
        ),
        (_softmax(Q @ K.T / len(K) ** 0.5) @ V, "it divides by the root of S, the number of keys; take q.shape[-1]."),
        (_softmax(Q @ K.T / 5) @ V, "it divides by H; divide by its square root."),
        (scaled @ V, "there is no softmax: the weights are raw products."),
        (np.exp(scaled) @ V, "the powers are not divided by the sum of their row."),
        (_softmax(scaled) @ K, "it mixes the keys; mix the values."),
        (_softmax(scaled), "these are the shares; one step is left: mix the values with them."),
    ]
    try:
        got = call(answer, Q.copy(), K.copy(), V.copy())
    except WrongAnswer as reason:
        if "broadcast" not in str(reason):
            raise
        raise WrongAnswer(
            f"{reason} With keepdims=True a sum over a row keeps its axis, [T, 1], and fits [T, S]."
        ) from None
    compare(got, _softmax(scaled) @ V, typical)


EXERCISES = {
    "softmax_by_hand": Exercise(
        task="Write the softmax of a list of numbers, with math.exp and sum.",
        blank="def softmax(numbers):\n    return ...",
        answer="softmax",
        check=check_softmax,
        correct="all shares are positive and sum to 1, and large numbers do not overflow.",
        hints=(
            "First a list of math.exp(x) for each x; then divide each by the sum of that list.",
            "math.exp(1000) is too large a number. Subtract max(numbers) from each first: the shares stay the same.",
        ),
        solution=(
            "import math\n\n"
            "def softmax(numbers):\n"
            "    largest = max(numbers)\n"
            "    powers = [math.exp(x - largest) for x in numbers]\n"
            "    return [power / sum(powers) for power in powers]"
        ),
    ),
    "scaled_products": Exercise(
        task="Write the logits: a row for each query, a column for each key, each the scaled product of the two.",
        blank="def scaled_products(queries, keys):\n    return ...",
        answer="scaled_products",
        check=check_logits,
        correct="products of queries and keys, divided by sqrt(H).",
        hints=(
            "Two loops around a sum: for each query, for each key, the sum of q[h] * k[h].",
            "Divide each sum by the square root of H, and H is how many numbers are in one query: len(queries[0]).",
        ),
        solution=(
            "def scaled_products(queries, keys):\n"
            "    root = len(queries[0]) ** 0.5\n"
            "    return [[sum(a * b for a, b in zip(q, k)) / root for k in keys] for q in queries]"
        ),
    ),
    "mix": Exercise(
        task="Write the last step: each query takes home the mean of the values, weighted by its row of scores.",
        blank="def mix(scores, values):\n    return ...",
        answer="mix",
        check=check_mix,
        correct="each output is a weighted mean of the values, and the scores are the weights.",
        hints=(
            "The output for a row of scores has as many numbers as one value.",
            "Number h of it is the sum over s of row[s] * values[s][h].",
        ),
        solution=(
            "def mix(scores, values):\n"
            "    size = len(values[0])\n"
            "    return [[sum(w * v[h] for w, v in zip(row, values)) for h in range(size)] for row in scores]"
        ),
    ),
    "masked_softmax_by_hand": Exercise(
        task="Write the softmax of one row of logits that leaves out the keys whose mask is 0.",
        blank="def masked_row(logits, mask):\n    return ...",
        answer="masked_row",
        check=check_masked,
        correct="hidden keys get exactly 0, and the others share the whole.",
        hints=(
            "Mask before the softmax: a hidden key needs a logit so small that e to it is 0.",
            "Add -1e9 to the logit where mask is 0. Then softmax, taking the largest logit away first.",
        ),
        solution=(
            "import math\n\n"
            "def masked_row(logits, mask):\n"
            "    hidden = [x + (1 - seen) * -1e9 for x, seen in zip(logits, mask)]\n"
            "    powers = [math.exp(x - max(hidden)) for x in hidden]\n"
            "    return [power / sum(powers) for power in powers]"
        ),
    ),
    "attend": Exercise(
        task="Write one head in NumPy: queries [T, H], keys [S, H] and values [S, H] give [T, H].",
        blank="def attend(q, k, v):\n    return ...",
        answer="attend",
        check=check_attend,
        correct="one head, in three lines. BERT does this 12 times a layer, and then goes on to the next layer.",
        hints=(
            "q @ k.T holds all products at once, with shape [T, S]. Then scale, softmax over each row, and @ v.",
            "Softmax of each row: np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True).",
        ),
        solution=(
            "import numpy as np\n\n"
            "def attend(q, k, v):\n"
            "    logits = q @ k.T / np.sqrt(q.shape[-1])  # [T, S]\n"
            "    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))  # [T, S]\n"
            "    return powers / powers.sum(axis=-1, keepdims=True) @ v  # [T, H]"
        ),
    ),
}
