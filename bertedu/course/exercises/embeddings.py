"""Exercises of notebooks/02_embeddings.ipynb."""

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers, one_number

# Three tables: 7 words, 5 places, 2 types, of 3 numbers each; and a text of 4 tokens. No two sizes are equal.
WORDS, POSITIONS, TYPES = (
    np.round(np.random.default_rng(seed).normal(size=(rows, 3)), 2) for seed, rows in ((1, 7), (2, 5), (3, 2))
)
IDS, TYPE_IDS = [4, 6, 4, 1], [0, 0, 1, 1]
SUMS = WORDS[IDS] + POSITIONS[:4] + TYPES[TYPE_IDS]
GAMMA, BETA = np.array([0.5, 1.0, 2.0]), np.array([0.1, -0.3, 0.2])


def _normal(x, gamma=1.0, beta=0.0, epsilon=1e-12, axis=-1):
    centred = x - x.mean(axis=axis, keepdims=True)
    return gamma * centred / np.sqrt((centred**2).mean(axis=axis, keepdims=True) + epsilon) + beta


def _call(answer, *arguments):
    """`call`; where arrays or lists do not fit together, with what is behind it in this chapter."""
    try:
        return call(answer, *arguments)
    except WrongAnswer as reason:
        if "IndexError" in str(reason):
            raise WrongAnswer(
                f"{reason} The table of places is asked for a place, 0 to T - 1, and not for an id."
            ) from None
        if "broadcast" in str(reason) and "(5," in str(reason):
            raise WrongAnswer(f"{reason} The table has 5 places and the text 4 tokens: take its first rows.") from None
        if "broadcast" in str(reason) and "(4,)" in str(reason):
            raise WrongAnswer(f"{reason} keepdims=True keeps the axis over which a mean is taken.") from None
        raise


def check_count(answer):
    got = one_number(answer, "how many numbers there are in all.")
    reasons = {
        16000: "16,000 is the word table alone; positions, types and LayerNorm have numbers too.",
        17024: "17,024 is words and positions; the types and LayerNorm are missing.",
        17056: "17,056 is the three tables. LayerNorm has gamma and beta, of 16 numbers each.",
        17072: "17,072 has one of gamma and beta only; they are two.",
        17058: "17,058 counts gamma and beta as one number each; they are 16 each, one for each place in a vector.",
        1066: "1,066 is the rows of the three tables; each has 16 numbers.",
        2048000: "the rows are multiplied; the tables stand side by side, so add their rows up.",
    }
    compare(got, 17088, list(reasons.items()))


def check_add_up(answer):
    by_id = POSITIONS[np.array(IDS) % 5]
    typical = [
        (WORDS[IDS], "these are the words' rows alone; add the rows of place and type."),
        (WORDS[IDS] + POSITIONS[:4], "the types are missing."),
        (WORDS[IDS] + TYPES[TYPE_IDS], "the places are missing: row 0 for the first token, row 1 for the next."),
        (WORDS[:4] + POSITIONS[:4] + TYPES[TYPE_IDS], "the words' rows are taken in turn; take the row of each id."),
        (WORDS[IDS] + by_id + TYPES[TYPE_IDS], "the position table is asked for an id; it wants the place."),
        (WORDS[IDS] + POSITIONS[1:5] + TYPES[TYPE_IDS], "places are counted from 0, not from 1."),
        (WORDS[IDS] + POSITIONS[0] + TYPES[TYPE_IDS], "every token gets the place 0."),
        (WORDS[IDS] + POSITIONS[:4] + TYPES[0], "every token gets type 0; take the row of its own type."),
        (
            np.hstack([WORDS[IDS], POSITIONS[:4], TYPES[TYPE_IDS]]),
            "+ puts lists one behind the other; here number is to be added to number, with zip or a loop.",
        ),
        (SUMS / 3, "it is a sum, not a mean: do not divide by 3."),
        (SUMS.sum(axis=1), "each token should get a whole vector; it is summed up to one number."),
        (SUMS.sum(axis=0), "a row for each token is wanted; the tokens are added up."),
        (_normal(SUMS), "this is normalised already; here the sum alone is wanted."),
    ]  # fmt: skip
    tables = WORDS.tolist(), POSITIONS.tolist(), TYPES.tolist()
    compare(_call(answer, list(IDS), list(TYPE_IDS), *tables), SUMS, typical)


def check_layer_norm(answer):
    for given in ([1.0, 2.0, 6.0], [0.5, -1.0, 2.5], [40.0, 10.0, 10.0]):
        x = np.array(given)
        centred, n = x - x.mean(), len(x)
        typical = [
            (centred, "the mean is taken away; now divide by the root of the variance, then gamma and beta."),
            (_normal(x), "normalised, but gamma and beta are missing."),
            (GAMMA * _normal(x), "beta is missing: add it at the end."),
            (_normal(x) + BETA, "gamma is missing: multiply by it before beta is added."),
            (GAMMA * (_normal(x) + BETA), "gamma comes first, then beta: beta is not multiplied."),
            (GAMMA * centred / centred.var() + BETA, "it divides by the variance; divide by its square root."),
            (GAMMA * centred / x.std(ddof=1) + BETA, "the variance divides by n here, not by n - 1."),
            (GAMMA * centred / (centred @ centred) ** 0.5 + BETA, "variance is the mean of the squares, not the sum."),
            (GAMMA * centred / (x @ x / n) ** 0.5 + BETA, "the squares are those of what is left without the mean."),
            (GAMMA * x / x.std() + BETA, "the mean is not taken away."),
            (GAMMA * x / (x @ x / n) ** 0.5 + BETA, "the mean is not taken away (that would be RMSNorm)."),
        ]  # fmt: skip
        compare(call(answer, list(given), GAMMA.tolist(), BETA.tolist()), GAMMA * _normal(x) + BETA, typical)
    try:
        flat = numbers(call(answer, [2.0, 2.0, 2.0], GAMMA.tolist(), BETA.tolist()))
    except WrongAnswer as reason:
        raise WrongAnswer(
            f"right, but for [2, 2, 2] {reason} Add epsilon to the variance, so that it is never 0."
        ) from None
    if flat.shape != (3,) or not np.allclose(flat, BETA):
        raise WrongAnswer("right, but for [2, 2, 2] the variance is 0. Add epsilon to it before you take the root.")
    typical = [
        (
            GAMMA * centred / (x.std() + 1) + BETA,
            "right for a tiny epsilon; but it goes under the root, added to the variance.",
        ),
        (GAMMA * _normal(x) + BETA, "right, but epsilon is an argument: use it in place of a number."),
    ]
    got = call(answer, list(given), GAMMA.tolist(), BETA.tolist(), 1.0)
    compare(got, GAMMA * _normal(x, epsilon=1.0) + BETA, typical)


def _order(likeness, number):
    return [i for i in np.argsort(-likeness, kind="stable").tolist() if i != number]


def check_nearest(answer):
    table = np.array([[3.0, 4.0], [4.0, 3.0], [-3.0, -4.0], [30.0, 1.0], [3.5, 3.6], [0.3, 0.45], [-8.0, 9.0]])
    lengths = np.linalg.norm(table, axis=1)
    for number, k in ((0, 3), (5, 2), (3, 4)):
        products = table @ table[number]
        cosines = products / lengths / lengths[number]
        away = np.linalg.norm(table - table[number], axis=1)
        right = _order(cosines, number)
        by_product = "these have the largest products, so long rows win; divide by both lengths."
        typical = [
            ([number, *right[: k - 1]], "the nearest to a row is the row itself; leave it out."),
            ([number, *right[:k]], "the row itself is among them; leave it out."),
            (right[::-1][:k], "these are the farthest; the largest cosines are wanted."),
            (right[::-1][1 : k + 1], "these are the farthest; the largest cosines are wanted."),
            (right[:k][::-1], "the right rows, but the most alike should come first."),
            (_order(products, number)[:k], by_product),
            (np.argsort(-products, kind="stable")[1 : k + 1], by_product),
            (_order(-away, number)[:k], "these are the nearest in distance; here the angle counts, not the length."),
            (cosines[right[:k]], "these are the cosines; the numbers of the rows are wanted."),
            (right, "these are all the others; only the first k are wanted."),
        ]
        compare(call(answer, table.copy(), number, k), right[:k], typical)


def check_embed(answer):
    without_place = WORDS[IDS] + TYPES[TYPE_IDS]
    typical = [
        (SUMS, "this is the sum; LayerNorm is missing."),
        (_normal(SUMS), "gamma and beta are missing."),
        (_normal(SUMS, GAMMA), "beta is missing."),
        (_normal(SUMS, GAMMA, BETA, axis=0), "mean and variance go over the wrong axis. Use axis=-1."),
        (GAMMA * (SUMS - SUMS.mean()) / SUMS.std() + BETA, "mean and variance go over everything. Use axis=-1."),
        (_normal(without_place, GAMMA, BETA), "the places are missing."),
        (_normal(WORDS[IDS] + POSITIONS[:4], GAMMA, BETA), "the types are missing."),
        (_normal(SUMS, GAMMA, BETA, epsilon=1e-3), "epsilon is 1e-3, Keras' default; BERT's is 1e-12."),
    ]  # fmt: skip
    arrays = np.array(IDS), np.array(TYPE_IDS), WORDS.copy(), POSITIONS.copy(), TYPES.copy(), GAMMA.copy(), BETA.copy()
    compare(_call(answer, *arrays), _normal(SUMS, GAMMA, BETA), typical)


EXERCISES = {
    "count": Exercise(
        task="How many numbers have the embeddings of a BERT with 1,000 pieces, 64 places, 2 types and D = 16?",
        blank="count = ...",
        answer="count",
        check=check_count,
        correct="(1000 + 64 + 2) rows of 16, and gamma and beta.",
        hints=(
            "Three tables, of 1,000, 64 and 2 rows. How long is a row?",
            "LayerNorm has two more vectors, gamma and beta, as long as a row.",
        ),
        solution="count = (1000 + 64 + 2) * 16 + 2 * 16  # rows of the three tables, gamma and beta",
    ),
    "add_up": Exercise(
        task="Write the sum: for each token a list, its word's row plus its place's row plus its type's row.",
        blank="def add_up(ids, type_ids, words, positions, types):\n    return ...",
        answer="add_up",
        check=check_add_up,
        correct="three look-ups and a sum, for each token by itself.",
        hints=(
            "enumerate(zip(ids, type_ids)) gives the place t, and with it the number of the word and of the type.",
            "The three rows are words[id], positions[t] and types[type_id]; add them number by number, with zip.",
        ),
        solution=(
            "def add_up(ids, type_ids, words, positions, types):\n"
            "    rows = []\n"
            "    for t, (number, kind) in enumerate(zip(ids, type_ids)):\n"
            "        rows.append([w + p + s for w, p, s in zip(words[number], positions[t], types[kind])])\n"
            "    return rows"
        ),
    ),
    "layer_norm": Exercise(
        task="Write LayerNorm of one list of numbers; gamma and beta are lists too.",
        blank="def layer_norm(x, gamma, beta, epsilon=1e-12):\n    return ...",
        answer="layer_norm",
        check=check_layer_norm,
        correct="mean 0 and variance 1 first, then what gamma and beta make of it.",
        hints=(
            "First the mean; then the variance, which is the mean of the squares of what is left without the mean.",
            "Divide by the square root of variance plus epsilon; then multiply by the number in gamma, and add beta's.",
        ),
        solution=(
            "def layer_norm(x, gamma, beta, epsilon=1e-12):\n"
            "    mean = sum(x) / len(x)\n"
            "    variance = sum((number - mean) ** 2 for number in x) / len(x)\n"
            "    root = (variance + epsilon) ** 0.5\n"
            "    return [g * (number - mean) / root + b for number, g, b in zip(x, gamma, beta)]"
        ),
    ),
    "nearest": Exercise(
        task="Write a function: the numbers of the k rows of a table that are most alike (cosine) to row `number`.",
        blank="def nearest(table, number, k):\n    return ...",
        answer="nearest",
        check=check_nearest,
        correct="with this function one can ask any table of vectors what it has learned.",
        hints=(
            "Divide all rows by np.linalg.norm(table, axis=1, keepdims=True). Then cosines are products.",
            "np.argsort of the negative cosines has the most alike first; the row itself must be left out.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def nearest(table, number, k):\n"
            "    arrows = table / np.linalg.norm(table, axis=1, keepdims=True)\n"
            "    cosines = arrows @ arrows[number]\n"
            "    cosines[number] = -2  # itself, last\n"
            "    return np.argsort(-cosines)[:k]"
        ),
    ),
    "embed": Exercise(
        task="Write the whole of BERT's embeddings in NumPy: ids and types of T tokens give [T, D].",
        blank="def embed(ids, type_ids, words, positions, types, gamma, beta):\n    return ...",
        answer="embed",
        check=check_embed,
        correct="this is all that happens to a text before the first layer.",
        hints=(
            "words[ids] takes all rows at once, [T, D]; of the positions, the first len(ids) rows are wanted.",
            "Mean and variance of each token by itself: x.mean(axis=-1, keepdims=True), and x.var in the same way.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def embed(ids, type_ids, words, positions, types, gamma, beta):\n"
            "    x = words[ids] + positions[: len(ids)] + types[type_ids]  # [T, D]\n"
            "    centred = x - x.mean(axis=-1, keepdims=True)  # [T, D]\n"
            "    return gamma * centred / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-12) + beta  # [T, D]"
        ),
    ),
}
