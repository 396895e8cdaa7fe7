"""Exercises of notebooks/07_pooling.ipynb."""

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers
from bertedu.course.exercises import evaluation


def _normal(seed, *size):
    return np.round(np.random.default_rng(seed).normal(size=size), 2)


# Five tokens with three elements each; the last two tokens are padding. The second element is negative at every real
# token, so that zeros at padding would win a maximum.
VECTORS = np.array([[2.0, -1.0, 0.5], [1.0, -3.0, 4.0], [6.0, -2.0, 0.0], [7.0, 5.0, -9.0], [7.0, 5.0, -9.0]])
MASK = np.array([1, 1, 1, 0, 0])
REAL = VECTORS[:3]
SEPARATED_MASK = np.array([1, 0, 1, 0, 0])  # real tokens need not be contiguous
VERY_NEGATIVE = np.array([[-2000.5, 1.0], [9.0, 3.0], [-3000.25, 2.0]])  # at the real tokens, 0 and 2

TEXTS = ["cat", "dog", "car", "sun"]
EMBEDDINGS = {"cat": [1.0, 0.2], "dog": [0.9, 0.1], "car": [2.0, 9.0], "sun": [0.0, -1.0], "kitten": [3.0, 0.6]}


def embed(texts):
    """Stand-in for `bert.embed`: one vector per text, not normalized."""
    if isinstance(texts, str):
        return np.array(EMBEDDINGS[texts])
    return np.array([EMBEDDINGS[text] for text in texts])


def embed_letters(texts):
    """Another one: how often a text has each of the letters a to e."""
    if isinstance(texts, str):
        return np.array([float(texts.count(letter)) for letter in "abcde"])
    return np.array([embed_letters(text) for text in texts])


def check_zero_padding(answer):
    typical = [
        (0.25, "the length shrinks to a quarter, but the cosine depends only on the direction."),
        (0.75, "that is the fraction of zeros. They make the mean shorter, but they don't turn it."),
        (4, "a cosine is never above 1. How does the direction change when a vector is divided by 4?"),
        (0, "a cosine of 0 is a right angle. Adding zeros doesn't turn the vector."),
        (0.5, "the unmasked mean is the true mean divided by 4. What does dividing do to the direction?"),
    ]
    compare(answer, 1, typical)


INTEGER_INDEX = (
    "vectors[mask] selects rows 1 and 0, because the mask holds integers. Use vectors[mask == 1] for the real tokens."
)


CONTIGUOUS = (
    "this works only when the real tokens come first. The mask says which tokens are real: [1, 0, 1, 0, 0] means "
    "tokens 0 and 2."
)


def check_mean(answer):
    typical = [
        (VECTORS.mean(axis=0), "padding is included: the mask has no effect."),
        (
            REAL.sum(axis=0) / 5,
            "the sum is right, but it is divided by all five positions. Divide by the three real tokens.",
        ),
        (REAL.sum(axis=0), "this is the sum of the real vectors. Divide it by the number of real tokens."),
        (REAL.mean(), "this is one number for everything. Take the mean over the tokens, so that D elements remain."),
        (REAL.mean(axis=1), "this is the mean over the elements of each token. Take it over the tokens, axis 0."),
        (VECTORS[3:].mean(axis=0), "this is the mean of the padding: the mask is inverted."),
        (REAL[0], "this is the first token's vector, which is cls pooling. The exercise asks for the mean."),
        (VECTORS * MASK[:, None], "padding is zero now. Add up what is left and divide by the number of real tokens."),
        (REAL.max(axis=0), "this is the maximum; the exercise asks for the mean."),
        (VECTORS[MASK].mean(axis=0), INTEGER_INDEX),
    ]
    compare(call(answer, VECTORS.copy(), MASK.copy()), REAL.mean(axis=0), typical)
    compare(call(answer, VECTORS[:2].copy(), np.array([1, 1])), VECTORS[:2].mean(axis=0))
    typical = [(VECTORS[:2].mean(axis=0), CONTIGUOUS)]
    expected = VECTORS[SEPARATED_MASK == 1].mean(axis=0)
    compare(call(answer, VECTORS.copy(), SEPARATED_MASK.copy()), expected, typical)


def check_max(answer):
    masked = VECTORS * MASK[:, None]
    typical = [
        (VECTORS.max(axis=0), "padding is included: the mask has no effect."),
        (masked.max(axis=0), "the padding became zeros, and 0 is more than -1. Use a very negative number instead."),
        (REAL.max(), "this is one number for everything. Take the maximum over the tokens, so that D elements remain."),
        (REAL.max(axis=1), "this is the maximum over the elements of each token. Take it over the tokens, axis 0."),
        (REAL[REAL.sum(axis=1).argmax()], "this is one token's whole vector. Take the maximum of each element."),
        (REAL.min(axis=0), "this is the minimum; the exercise asks for the maximum."),
        (np.abs(REAL).max(axis=0), "the sign is lost: the largest of -1, -3 and -2 is -1."),
        (REAL.mean(axis=0), "this is the mean; the exercise asks for the maximum."),
        (REAL.argmax(axis=0), "these are the positions of the maxima. Return the largest values themselves."),
        (VECTORS[MASK].max(axis=0), INTEGER_INDEX),
    ]
    compare(call(answer, VECTORS.copy(), MASK.copy()), REAL.max(axis=0), typical)
    typical = [(VECTORS[:2].max(axis=0), CONTIGUOUS)]
    expected = VECTORS[SEPARATED_MASK == 1].max(axis=0)
    compare(call(answer, VECTORS.copy(), SEPARATED_MASK.copy()), expected, typical)
    got = numbers(call(answer, VERY_NEGATIVE.copy(), np.array([1, 0, 1])))
    if got.shape == (2,) and -2000.5 < got[0] < 0:
        raise WrongAnswer(
            f"padding wins: where the real elements are -2000.5 and -3000.25, it returns {got[0]:g}. Fill padding with "
            "-np.inf, or with a number that is far lower, such as -1e9."
        )
    compare(got, [-2000.5, 2])


def check_unit(answer):
    rows = np.array([[3.0, 4.0], [-6.0, 8.0], [0.5, 0.0]])
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    sum_of_elements = "it divides by the sum of the elements. The length is the square root of the sum of squares."
    typical = [
        (rows, "the vectors are unchanged."),
        (rows / np.linalg.norm(rows), "it divides by the length of the whole array. Each row has its own length."),
        (rows / np.abs(rows).sum(axis=1, keepdims=True), sum_of_elements),
        (rows / rows.sum(axis=1, keepdims=True), sum_of_elements),
        (rows / norms**2, "it divides by the square of the length. Take the square root."),
        (rows / rows.max(axis=1, keepdims=True), "it divides by the largest element of a row. Divide by its length."),
        (rows / np.linalg.norm(rows, axis=0), "it divides by the lengths of the columns. A vector is a row (axis=1)."),
        (
            rows / np.maximum(norms, 1),
            "a length below 1 counts as 1 here. Only a length of 0 needs protection, and 1e-12 is enough for that.",
        ),
        (norms, "these are the lengths. Divide the vectors by them."),
        (norms[:, 0], "these are the lengths. Divide the vectors by them."),
    ]
    compare(call(answer, rows.copy()), rows / norms, typical)
    result = numbers(call(answer, np.array([[0.0, 0.0], [0.0, 2.0]])))
    if np.isnan(result).any():
        raise WrongAnswer(
            "almost: a vector of zeros gives 0 / 0, which is NaN. Divide by at least 1e-12 to keep zeros."
        )
    if result.shape == (1, 2):
        raise WrongAnswer("the row of zeros is missing from the result. Keep it, as zeros.")
    compare(result, [[0, 0], [0, 1]])
    result = numbers(call(answer, np.array([[0.0003, -0.0004]])))
    if result.shape == (1, 2) and np.linalg.norm(result) < 0.99:
        raise WrongAnswer(
            f"a short vector, [0.0003, -0.0004], gets the length {np.linalg.norm(result):.3g} instead of 1. Only a "
            "length of 0 needs protection, and 1e-12 is enough for that."
        )


def check_search(answer):
    result = call(answer, "kitten", list(TEXTS), embed, 2)
    if isinstance(result, list | tuple) and result and all(isinstance(item, str) for item in result):
        if list(result) == ["cat", "dog"]:
            raise WrongAnswer("these are the right texts. Return their indices in the list, [0, 1].")
        raise WrongAnswer("it returns texts. Return their indices in the list, such as [0, 1].")
    rows = embed(TEXTS)
    products = rows @ embed("kitten")
    cosines = _cosines("kitten")
    typical = [
        (np.argsort(cosines)[:2], "these are the two least similar texts: argsort puts the smallest value first."),
        (np.argsort(-products)[:2], "it ranks by dot products, so a long vector wins. Scale all to length 1 first."),
        (np.argsort(cosines)[-2:], "these are the right two in the wrong order. Put the best one first."),
        (np.argsort(-cosines), "these are all texts, in the right order. Return only the `top_k` best."),
        (np.sort(cosines)[::-1][:2], "these are the similarities. Return the indices where they are (np.argsort)."),
        (cosines, "these are the similarities of all texts. Return the indices of the best ones."),
        (0, "it returns only the best one. Return a list of the `top_k` best."),
    ]
    if not np.allclose(got := numbers(result), np.round(got)):
        raise WrongAnswer("these are not indices. Indices are whole numbers, and np.argsort returns them.")
    compare(got, [0, 1], typical)
    compare(call(answer, "sun", list(TEXTS), embed, 1), [3])
    nearest = np.argsort(np.linalg.norm(rows - embed("dog"), axis=1))[:3]
    by_distance = "it ranks by distance, which depends on the lengths. The cosine depends only on the direction."
    compare(call(answer, "dog", list(TEXTS), embed, 3), np.argsort(-_cosines("dog"))[:3], [(nearest, by_distance)])


def _cosines(query):
    text_embeddings, query_embedding = embed(TEXTS), embed(query)
    norms = np.linalg.norm(text_embeddings, axis=1) * np.linalg.norm(query_embedding)
    return text_embeddings @ query_embedding / norms


EXERCISES = {
    "zero_padding": Exercise(
        task="What is the cosine of the true mean and the unmasked mean, if the vectors at padding are all zeros?",
        blank="similarity = ...",
        answer="similarity",
        check=check_zero_padding,
        correct="zeros wouldn't change the direction. The problem is that the vectors at padding aren't zeros.",
        hints=(
            "The true mean is a sum of ten vectors, divided by 10. What is the unmasked mean, which adds thirty zeros?",
            "It is the same sum, divided by 40. So one is a multiple of the other. What is the angle between them?",
        ),
        solution="similarity = 1  # the unmasked mean is a quarter as long, but has the same direction",
    ),
    "mean_by_hand": Exercise(
        task="Compute the mean of the real vectors: vectors [T, D], mask [T] with 1 at real tokens.",
        blank="def mean_pool(vectors, mask):\n    return ...",
        answer="mean_pool",
        check=check_mean,
        correct="padding is in neither the sum nor the count.",
        hints=(
            "Multiply each vector by its mask, so that padding becomes zeros. Then add up over the tokens.",
            "Divide by the number of real tokens. That is the sum of the mask, not its length.",
        ),
        solution=(
            "def mean_pool(vectors, mask):\n"
            "    real = vectors * mask[:, None]  # [T, D], zeros at padding\n"
            "    return real.sum(axis=0) / mask.sum()"
        ),
        cases=(
            (np.array([[-2.5]]), np.array([1])),
            (np.array([[9.0, 9.0], [1000.5, -1000.0], [9.0, 9.0]]), np.array([0, 1, 0])),
            (_normal(1, 4, 5), np.array([0, 1, 1, 1])),
            (_normal(2, 7, 2), np.array([1, 0, 1, 1, 0, 0, 1])),
            (_normal(3, 2, 6), np.array([1, 1])),
        ),
    ),
    "max_by_hand": Exercise(
        task="Compute the maximum of each of the D elements over the real tokens.",
        blank="def max_pool(vectors, mask):\n    return ...",
        answer="max_pool",
        check=check_max,
        correct="and it works where every real element is negative, too.",
        hints=(
            "Zeros at padding would win against negative numbers. Which value never wins a maximum?",
            "np.where(mask[:, None] == 1, vectors, something very negative), and then the maximum over axis 0.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def max_pool(vectors, mask):\n"
            "    masked = np.where(mask[:, None] == 1, vectors, -np.inf)  # [T, D]\n"
            "    return masked.max(axis=0)"
        ),
        cases=(
            (np.array([[-2.5]]), np.array([1])),
            (np.array([[9.0, 9.0], [-2000.5, -7.0], [9.0, 9.0]]), np.array([0, 1, 0])),
            (_normal(1, 4, 5) - 9, np.array([0, 1, 1, 1])),
            (_normal(2, 7, 2), np.array([1, 0, 1, 1, 0, 0, 1])),
            (np.array([[0.0, -1.5, 3.0, 3.0], [0.0, -1.5, 2.0, 3.0], [1.0, 1.0, 9.0, 1.0]]), np.array([1, 1, 0])),
        ),
    ),
    "unit": Exercise(
        task="Scale every row of an array [n, D] to length 1; a row of zeros stays zeros.",
        blank="def l2_normalize(vectors):\n    return ...",
        answer="l2_normalize",
        check=check_unit,
        correct="from here on, a dot product is a cosine.",
        hints=(
            "The length of a row is the root of its sum of squares: np.linalg.norm with axis=1 and keepdims=True.",
            "You can't divide by a length of 0. np.maximum(norms, 1e-12) is never 0 and changes no other row.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def l2_normalize(vectors):\n"
            "    norms = np.linalg.norm(vectors, axis=1, keepdims=True)  # [n, 1]\n"
            "    return vectors / np.maximum(norms, 1e-12)"
        ),
        cases=(
            (np.array([[-2.5], [0.0], [0.5]]),),
            (np.zeros((1, 3)),),
            (np.array([[3000.0, -4000.0], [0.0003, 0.0004]]),),
            (_normal(4, 2, 5),),
            (_normal(5, 6, 4) * 0.1,),
        ),
    ),
    "search": Exercise(
        task="Build a semantic search: the indices of the `top_k` texts most similar to the query, the best first.",
        blank="def semantic_search(query, texts, embed, top_k):\n    return ...",
        answer="semantic_search",
        check=check_search,
        correct="with bert.embed as `embed`, this is a search engine.",
        hints=(
            "embed(texts) is an array [n, D], embed(query) one vector. Scale both to length 1, then take one product.",
            "np.argsort sorts in ascending order: sort the negative similarities and keep the first `top_k`.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def semantic_search(query, texts, embed, top_k):\n"
            "    query_embedding, embeddings = embed(query), embed(texts)\n"
            "    norms = np.linalg.norm(embeddings, axis=1)  # the query's length doesn't change the order\n"
            "    similarities = embeddings @ query_embedding / norms\n"
            "    return list(np.argsort(-similarities)[:top_k])"
        ),
        cases=(
            ("dog", ["sun"], embed, 1),  # even a negative cosine is the best if there is no other
            ("sun", ["car", "dog", "kitten"], embed, 3),
            ("car", ["sun", "kitten", "car", "dog"], embed, 2),
            ("dead", ["bee", "dad", "cabbed", "ace", "faced", "ebbed"], embed_letters, 4),
        ),
    ),
    **evaluation.SEARCH,
}
