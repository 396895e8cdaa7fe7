"""Exercises of notebooks/02_embeddings.ipynb."""

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers, one_number

# Three tables with hidden size 3: 7 words, 5 positions, 2 types; and a text of 4 tokens. All sizes differ.
WORDS, POSITIONS, TYPES = (
    np.round(np.random.default_rng(seed).normal(size=(rows, 3)), 2) for seed, rows in ((1, 7), (2, 5), (3, 2))
)
IDS, TYPE_IDS = [4, 6, 4, 1], [0, 0, 1, 1]
SUMS = WORDS[IDS] + POSITIONS[:4] + TYPES[TYPE_IDS]
GAMMA, BETA = np.array([0.5, 1.0, 2.0]), np.array([0.1, -0.3, 0.2])


def _layer_norm(x, gamma=1.0, beta=0.0, epsilon=1e-12, axis=-1):
    centered = x - x.mean(axis=axis, keepdims=True)
    return gamma * centered / np.sqrt((centered**2).mean(axis=axis, keepdims=True) + epsilon) + beta


def _inputs(seed, tokens, rows, positions, size, scale=1.0):
    """Return ids, type ids, three tables, gamma and beta, as arrays; `scale` is that of the tables."""
    random = np.random.default_rng(seed)
    shapes = (rows, size), (positions, size), (2, size), (size,), (size,)
    *tables, gamma, beta = (np.round(random.normal(size=shape), 1) for shape in shapes)
    ids, type_ids = random.integers(rows, size=tokens), random.integers(2, size=tokens)
    return ids, type_ids, *(scale * table for table in tables), gamma, beta


def _lists(*arrays):
    return tuple(array.tolist() for array in arrays)


def _call(answer, *arguments):
    """Like `call`, but explain shape and index errors in the terms of this chapter."""
    try:
        return call(answer, *arguments)
    except WrongAnswer as reason:
        if "IndexError" in str(reason):
            raise WrongAnswer(f"{reason} Index the position table with a position, 0 to T - 1, not an id.") from None
        if "broadcast" in str(reason) and "(5," in str(reason):
            raise WrongAnswer(f"{reason} The table has 5 positions, the text 4 tokens: take its first rows.") from None
        if "broadcast" in str(reason) and "(4,)" in str(reason):
            raise WrongAnswer(f"{reason} keepdims=True keeps the axis that the mean reduces.") from None
        raise


def check_count(answer):
    got = one_number(answer, "the total number of parameters.")
    reasons = {
        16000: "16,000 is the word table alone; positions, types and LayerNorm have parameters too.",
        17024: "17,024 covers words and positions; the types and LayerNorm are missing.",
        17056: "17,056 covers the three tables. LayerNorm has gamma and beta, with 16 elements each.",
        17072: "17,072 includes only one of gamma and beta; there are both.",
        17058: "17,058 counts gamma and beta as one number each; they have 16 each, one per dimension of a vector.",
        1066: "1,066 is the number of rows in the three tables; each has 16 elements.",
        2048000: "the numbers of rows are multiplied; the tables are separate, so add them.",
    }
    compare(got, 17088, list(reasons.items()))


def check_add_up(answer):
    by_id = POSITIONS[np.array(IDS) % 5]
    typical = [
        (WORDS[IDS], "these are the word rows alone; add the rows for position and type."),
        (WORDS[IDS] + POSITIONS[:4], "the types are missing."),
        (WORDS[IDS] + TYPES[TYPE_IDS], "the positions are missing: row 0 for the first token, row 1 for the next."),
        (WORDS[:4] + POSITIONS[:4] + TYPES[TYPE_IDS], "the word rows are taken in order; take the row of each id."),
        (WORDS[IDS] + by_id + TYPES[TYPE_IDS], "the position table is indexed with the id; use the position."),
        (WORDS[IDS] + POSITIONS[1:5] + TYPES[TYPE_IDS], "positions are counted from 0, not from 1."),
        (WORDS[IDS] + POSITIONS[0] + TYPES[TYPE_IDS], "every token gets position 0."),
        (WORDS[IDS] + POSITIONS[:4] + TYPES[0], "every token gets type 0; take the row of its own type."),
        (
            np.hstack([WORDS[IDS], POSITIONS[:4], TYPES[TYPE_IDS]]),
            "+ concatenates lists; add them element by element instead, with zip or a loop.",
        ),
        (SUMS / 3, "this is a mean; the sum is not divided by 3."),
        (SUMS.sum(axis=1), "each token should have a whole vector; here its elements are added up to one number."),
        (SUMS.sum(axis=0), "there should be one row per token; here the tokens are added up."),
        (_layer_norm(SUMS), "this is normalized already; return the sum alone."),
    ]  # fmt: skip
    tables = WORDS.tolist(), POSITIONS.tolist(), TYPES.tolist()
    compare(_call(answer, list(IDS), list(TYPE_IDS), *tables), SUMS, typical)


def check_layer_norm(answer):
    for vector in ([1.0, 2.0, 6.0], [0.5, -1.0, 2.5], [40.0, 10.0, 10.0]):
        x = np.array(vector)
        centered, n = x - x.mean(), len(x)
        typical = [
            (centered, "the mean is subtracted; now divide by the root of the variance, then apply gamma and beta."),
            (_layer_norm(x), "this is normalized, but gamma and beta are missing."),
            (GAMMA * _layer_norm(x), "beta is missing: add it at the end."),
            (_layer_norm(x) + BETA, "gamma is missing: multiply by it before you add beta."),
            (GAMMA * (_layer_norm(x) + BETA), "gamma comes first, then beta: beta is not multiplied."),
            (GAMMA * centered / centered.var() + BETA, "it divides by the variance; divide by its square root."),
            (GAMMA * centered / x.std(ddof=1) + BETA, "the variance divides by n here, not by n - 1."),
            (GAMMA * centered / (centered @ centered) ** 0.5 + BETA, "variance is a mean of squares, not a sum."),
            (GAMMA * centered / (x @ x / n) ** 0.5 + BETA, "subtract the mean before you square as well."),
            (GAMMA * x / x.std() + BETA, "the mean is not subtracted."),
            (GAMMA * x / (x @ x / n) ** 0.5 + BETA, "the mean is not subtracted (this would be RMSNorm)."),
        ]  # fmt: skip
        compare(call(answer, list(vector), GAMMA.tolist(), BETA.tolist()), GAMMA * _layer_norm(x) + BETA, typical)
    try:
        flat = numbers(call(answer, [2.0, 2.0, 2.0], GAMMA.tolist(), BETA.tolist()))
    except WrongAnswer as reason:
        raise WrongAnswer(f"almost right, but for [2, 2, 2] {reason} Add epsilon to the variance.") from None
    if flat.shape != (3,) or not np.allclose(flat, BETA):
        raise WrongAnswer(
            "almost right, but the variance of [2, 2, 2] is 0. Add epsilon to it before you take the root."
        )
    typical = [
        (
            GAMMA * centered / (x.std() + 1) + BETA,
            "right for a tiny epsilon, but epsilon belongs under the root: add it to the variance.",
        ),
        (GAMMA * _layer_norm(x) + BETA, "almost right, but epsilon is an argument: use it instead of a constant."),
    ]
    got = call(answer, list(vector), GAMMA.tolist(), BETA.tolist(), 1.0)
    compare(got, GAMMA * _layer_norm(x, epsilon=1.0) + BETA, typical)


def _ranking(similarity, index):
    return [i for i in np.argsort(-similarity, kind="stable").tolist() if i != index]


PARALLEL = np.array([[6.0, 8.0], [3.0, 4.0], [4.0, 3.0], [-3.0, -4.0]])  # rows 0 and 1, and their opposite


def check_nearest(answer):
    table = np.array([[3.0, 4.0], [4.0, 3.0], [-3.0, -4.0], [30.0, 1.0], [3.5, 3.6], [0.3, 0.45], [-8.0, 9.0]])
    lengths = np.linalg.norm(table, axis=1)
    for index, k in ((0, 3), (5, 2), (3, 4)):
        products = table @ table[index]
        cosines = products / lengths / lengths[index]
        distances = np.linalg.norm(table - table[index], axis=1)
        right = _ranking(cosines, index)
        by_product = "these have the largest dot products, which favors long rows; divide by both lengths."
        typical = [
            ([index, *right[: k - 1]], "the row nearest to a row is that row itself; leave it out."),
            ([index, *right[:k]], "the row itself is included; leave it out."),
            (right[::-1][:k], "these are the farthest rows; return those with the largest cosines."),
            (right[::-1][1 : k + 1], "these are the farthest rows; return those with the largest cosines."),
            (right[:k][::-1], "these are the right rows, but the most similar should come first."),
            (_ranking(products, index)[:k], by_product),
            (np.argsort(-products, kind="stable")[1 : k + 1], by_product),
            (
                _ranking(-distances, index)[:k],
                "these are the nearest by distance; compare angles, without the lengths.",
            ),
            (cosines[right[:k]], "these are the cosines; return the indices of the rows."),
            (right, "these are all the other rows; return only the first k."),
        ]
        compare(call(answer, table.copy(), index, k), right[:k], typical)
    for index, right, own_first in ((1, [0, 2, 3], [1, 2, 3]), (0, [1, 2, 3], [0, 2, 3])):
        typical = [
            (
                own_first,
                f"almost right, but rows 0 and 1 of {PARALLEL.tolist()} have the same direction, so the row itself "
                f"need not come first: leave out index {index}, not whichever is first.",
            ),
            (
                [*right[:2], index],
                f"almost right, but the cosine of opposite rows is -1 (rows {index} and 3 of {PARALLEL.tolist()}): "
                "if you replace that of the row itself, then by a smaller number.",
            ),
        ]
        compare(call(answer, PARALLEL.copy(), index, 3), right, typical)


def check_embed(answer):
    typical = [
        (SUMS, "this is the sum; LayerNorm is missing."),
        (_layer_norm(SUMS), "gamma and beta are missing."),
        (_layer_norm(SUMS, GAMMA), "beta is missing."),
        (_layer_norm(SUMS, GAMMA, BETA, axis=0), "mean and variance are taken over the wrong axis. Use axis=-1."),
        (GAMMA * (SUMS - SUMS.mean()) / SUMS.std() + BETA, "each token has its own mean and variance. Use axis=-1."),
        (_layer_norm(WORDS[IDS] + TYPES[TYPE_IDS], GAMMA, BETA), "the positions are missing."),
        (_layer_norm(WORDS[IDS] + POSITIONS[:4], GAMMA, BETA), "the types are missing."),
        (_layer_norm(SUMS, GAMMA, BETA, epsilon=1e-3), "epsilon is 1e-3, the default of Keras; BERT uses 1e-12."),
    ]  # fmt: skip
    arrays = np.array(IDS), np.array(TYPE_IDS), WORDS.copy(), POSITIONS.copy(), TYPES.copy(), GAMMA.copy(), BETA.copy()
    compare(_call(answer, *arrays), _layer_norm(SUMS, GAMMA, BETA), typical)
    tiny = 1e-6 * SUMS
    names = {1e-5: "1e-5, the default of PyTorch", 1e-6: "1e-6", 1e-8: "1e-8", 0: "missing, or not under the root"}
    typical = [
        (_layer_norm(tiny, GAMMA, BETA, epsilon), f"epsilon is {name}; BERT adds 1e-12 to the variance.")
        for epsilon, name in names.items()
    ]
    arrays = *arrays[:2], *(1e-6 * table for table in (WORDS, POSITIONS, TYPES)), GAMMA.copy(), BETA.copy()
    try:
        compare(_call(answer, *arrays), _layer_norm(tiny, GAMMA, BETA), typical)
    except WrongAnswer as reason:
        raise WrongAnswer(f"almost right, but for tables of tiny numbers, such as 1e-6: {reason}") from None


EXERCISES = {
    "count": Exercise(
        task="A BERT has 1,000 pieces, 64 positions, 2 types and D = 16. How many parameters do its embeddings have?",
        blank="count = ...",
        answer="count",
        check=check_count,
        correct="(1000 + 64 + 2) rows of 16 elements, plus gamma and beta.",
        hints=(
            "There are three tables, with 1,000, 64 and 2 rows. How long is a row?",
            "LayerNorm has two more vectors, gamma and beta, as long as a row.",
        ),
        solution="count = (1000 + 64 + 2) * 16 + 2 * 16  # rows of the three tables, gamma and beta",
    ),
    "add_up": Exercise(
        task="Write the sum: for each token, the row of its word plus the rows of its position and of its type.",
        blank="def add_embeddings(ids, type_ids, words, positions, types):\n    return ...",
        answer="add_embeddings",
        check=check_add_up,
        correct="three lookups and a sum, separately for each token.",
        hints=(
            "enumerate(zip(ids, type_ids)) yields the position t together with the ids of word and type.",
            "The three rows are words[id], positions[t] and types[type_id]; add them element by element, with zip.",
        ),
        solution=(
            "def add_embeddings(ids, type_ids, words, positions, types):\n"
            "    rows = []\n"
            "    for t, (word_id, type_id) in enumerate(zip(ids, type_ids)):\n"
            "        rows.append([w + p + s for w, p, s in zip(words[word_id], positions[t], types[type_id])])\n"
            "    return rows"
        ),
        cases=(
            _lists(*_inputs(1, 1, 4, 3, 5)[:5]),
            _lists(*_inputs(2, 6, 3, 7, 2)[:5]),
            _lists(*_inputs(3, 5, 9, 5, 4, 100.0)[:5]),  # as many tokens as positions
        ),
    ),
    "layer_norm": Exercise(
        task="Write layer normalization of one vector. x, gamma and beta are lists.",
        blank="def layer_norm(x, gamma, beta, epsilon=1e-12):\n    return ...",
        answer="layer_norm",
        check=check_layer_norm,
        correct="first mean 0 and variance 1, then the scale gamma and the shift beta.",
        hints=(
            "First the mean; then the variance, which is the mean of the squared distances from the mean.",
            "Divide by the square root of variance plus epsilon, then multiply by gamma and add beta (use zip).",
        ),
        solution=(
            "def layer_norm(x, gamma, beta, epsilon=1e-12):\n"
            "    mean = sum(x) / len(x)\n"
            "    variance = sum((element - mean) ** 2 for element in x) / len(x)\n"
            "    root = (variance + epsilon) ** 0.5\n"
            "    return [g * (element - mean) / root + b for element, g, b in zip(x, gamma, beta)]"
        ),
        cases=(
            ([3.5], [2.0], [-0.5]),
            ([0.5] * 4, [1.5, 2.0, -1.0, 0.5], [0.1, 0.0, -0.3, 0.2]),
            ([1e-6, -2e-6, 4e-6, 0.0], [1.5, 2.0, -1.0, 0.5], [0.1, 0.0, -0.3, 0.2]),
            ([1000.0, -250.5, 0.0, 730.25, -90.0], [1.0, 0.5, -2.0, 0.0, 1.5], [0.0, 0.2, -0.1, 3.0, 1.0]),
            ([1.5, -2.0], [2.0, 0.5], [0.1, -0.2], 0.25),
        ),
    ),
    "nearest": Exercise(
        task="Write a function that returns the indices of the k rows of a table nearest (by cosine) to row `index`.",
        blank="def nearest(table, index, k):\n    return ...",
        answer="nearest",
        check=check_nearest,
        correct="with this function you can ask any table of vectors what it has learned.",
        hints=(
            "Divide all rows by np.linalg.norm(table, axis=1, keepdims=True). Then a cosine is a dot product.",
            "np.argsort of the negative cosines has the most similar row first; leave the row itself out.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def nearest(table, index, k):\n"
            "    unit_vectors = table / np.linalg.norm(table, axis=1, keepdims=True)\n"
            "    cosines = unit_vectors @ unit_vectors[index]\n"
            "    cosines[index] = -2  # the row itself comes last\n"
            "    return np.argsort(-cosines)[:k]"
        ),
        cases=(
            (np.array([[0.5, -2.0, 1.0], [-0.5, -1.0, 0.3]]), 0, 1),
            (_inputs(1, 1, 3, 1, 7)[2], 0, 2),
            (_inputs(2, 1, 12, 1, 4, 1000.0)[2], 7, 11),
            (_inputs(3, 1, 6, 1, 5)[2], 5, 3),
        ),
    ),
    "embed": Exercise(
        task="Write BERT's whole embedding layer in NumPy: from the ids and types of T tokens to [T, D].",
        blank="def embed(ids, type_ids, words, positions, types, gamma, beta):\n    return ...",
        answer="embed",
        check=check_embed,
        correct="this is all that happens to the tokens before the first transformer layer.",
        hints=(
            "words[ids] is all rows at once, [T, D]; of the positions, take the first len(ids) rows.",
            "Each token has its own mean and variance: x.mean(axis=-1, keepdims=True), and x.var in the same way.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def embed(ids, type_ids, words, positions, types, gamma, beta):\n"
            "    x = words[ids] + positions[: len(ids)] + types[type_ids]  # [T, D]\n"
            "    centered = x - x.mean(axis=-1, keepdims=True)  # [T, D]\n"
            "    return gamma * centered / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-12) + beta  # [T, D]"
        ),
        cases=(
            _inputs(4, 1, 4, 3, 5),
            _inputs(5, 6, 9, 8, 3, 1000.0),
            _inputs(6, 3, 5, 7, 4, 1e-6),
            _inputs(7, 2, 6, 5, 3, 0.0),  # all elements are equal
        ),
    ),
}
