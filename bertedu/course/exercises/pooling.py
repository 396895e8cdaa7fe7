"""Exercises of notebooks/07_pooling.ipynb."""

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers

# Five tokens of three numbers, of which two are padding; the second number is negative at every real token, so that
# zeros in place of padding would win a maximum.
VECTORS = np.array([[2.0, -1.0, 0.5], [1.0, -3.0, 4.0], [6.0, -2.0, 0.0], [7.0, 5.0, -9.0], [7.0, 5.0, -9.0]])
MASK = np.array([1, 1, 1, 0, 0])
REAL = VECTORS[:3]
APART = np.array([1, 0, 1, 0, 0])  # real tokens need not stand together

TEXTS = ["cat", "dog", "car", "sun"]
TABLE = {"cat": [1.0, 0.2], "dog": [0.9, 0.1], "car": [2.0, 9.0], "sun": [0.0, -1.0], "kitten": [3.0, 0.6]}


def embed(texts):
    """A stand-in for `bert.embed`: a vector for each text, of any length."""
    if isinstance(texts, str):
        return np.array(TABLE[texts])
    return np.array([TABLE[text] for text in texts])


def check_zero_padding(answer):
    typical = [
        (0.25, "the length shrinks to a quarter, but the cosine asks for the direction only."),
        (0.75, "that is the share of zeros; they make the mean shorter, and do not turn it."),
        (4, "a cosine is never above 1. How does the direction change, if a vector is divided by 4?"),
        (0, "a cosine of 0 is a right angle. Adding zeros turns nothing."),
        (0.5, "the naive mean is the true one, divided by 4. What does dividing do to the direction?"),
    ]
    compare(answer, 1, typical)


BY_NUMBER = (
    "vectors[mask] picks rows number 1 and 0, as the mask holds numbers; vectors[mask == 1] picks the real ones."
)


HOW_MANY = (
    "right where the real tokens come first. But the mask says which tokens are real: for [1, 0, 1, 0, 0], 0 and 2."
)


def check_mean(answer):
    typical = [
        (VECTORS.mean(axis=0), "padding is counted in: the mask has no effect."),
        (
            REAL.sum(axis=0) / 5,
            "the sum is right, but it is divided by all five places; divide by the three real ones.",
        ),
        (REAL.sum(axis=0), "this is the sum of the real vectors; divide by how many they are."),
        (REAL.mean(), "this is one number for all; the mean goes over the tokens, and D numbers stay."),
        (REAL.mean(axis=1), "the mean goes over the numbers of each token; it should go over the tokens, axis 0."),
        (VECTORS[3:].mean(axis=0), "this is the mean of the padding: the mask is turned round."),
        (REAL[0], "this is the first token's vector, cls pooling; the mean is wanted."),
        (VECTORS * MASK[:, None], "padding is zero now; add up what is left, and divide by how many are real."),
        (REAL.max(axis=0), "this is the maximum; the mean is wanted."),
        (VECTORS[MASK].mean(axis=0), BY_NUMBER),
    ]
    compare(call(answer, VECTORS.copy(), MASK.copy()), REAL.mean(axis=0), typical)
    compare(call(answer, VECTORS[:2].copy(), np.array([1, 1])), VECTORS[:2].mean(axis=0))
    typical = [(VECTORS[:2].mean(axis=0), HOW_MANY)]
    compare(call(answer, VECTORS.copy(), APART.copy()), VECTORS[APART == 1].mean(axis=0), typical)


def check_max(answer):
    masked = VECTORS * MASK[:, None]
    typical = [
        (VECTORS.max(axis=0), "padding takes part: the mask has no effect."),
        (masked.max(axis=0), "a hidden vector became zeros, and 0 is more than -1: make it very negative instead."),
        (REAL.max(), "this is one number for all; the maximum goes over the tokens, and D numbers stay."),
        (REAL.max(axis=1), "the maximum goes over the numbers of each token; it should go over the tokens, axis 0."),
        (REAL[REAL.sum(axis=1).argmax()], "this is one token's whole vector; each number has a winner of its own."),
        (REAL.min(axis=0), "this is the smallest; the largest is wanted."),
        (np.abs(REAL).max(axis=0), "the sign is lost: the largest of -1, -3 and -2 is -1."),
        (REAL.mean(axis=0), "this is the mean; the maximum is wanted."),
        (REAL.argmax(axis=0), "these are the places where the largest stand; give the largest numbers themselves."),
        (VECTORS[MASK].max(axis=0), BY_NUMBER),
    ]
    compare(call(answer, VECTORS.copy(), MASK.copy()), REAL.max(axis=0), typical)
    typical = [(VECTORS[:2].max(axis=0), HOW_MANY)]
    compare(call(answer, VECTORS.copy(), APART.copy()), VECTORS[APART == 1].max(axis=0), typical)


def check_unit(answer):
    rows = np.array([[3.0, 4.0], [-6.0, 8.0], [0.5, 0.0]])
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    typical = [
        (rows, "the vectors are as they were."),
        (rows / np.linalg.norm(rows), "it divides by the length of the whole table; each row has a length of its own."),
        (rows / np.abs(rows).sum(axis=1, keepdims=True), "it divides by the sum of the numbers; the length is a root."),
        (rows / rows.sum(axis=1, keepdims=True), "it divides by the sum of the numbers; the length is a root."),
        (rows / lengths**2, "it divides by the square of the length; take the root."),
        (rows / rows.max(axis=1, keepdims=True), "it divides by the largest number of a row; divide by its length."),
        (rows / np.linalg.norm(rows, axis=0), "it divides by the lengths of the columns; a vector is a row (axis=1)."),
        (
            rows / np.maximum(lengths, 1),
            "a length below 1 counts as 1 here; only a length of 0 needs help, with 1e-12.",
        ),
        (lengths, "these are the lengths; divide the vectors by them."),
        (lengths[:, 0], "these are the lengths; divide the vectors by them."),
    ]
    compare(call(answer, rows.copy()), rows / lengths, typical)
    result = numbers(call(answer, np.array([[0.0, 0.0], [0.0, 2.0]])))
    if np.isnan(result).any():
        raise WrongAnswer("right, but a vector of zeros gives 0 / 0, NaN. Let it stay zeros: divide by at least 1e-12.")
    if result.shape == (1, 2):
        raise WrongAnswer("the row of zeros is gone; let it stay, as zeros.")
    compare(result, [[0, 0], [0, 1]])


def check_search(answer):
    result = call(answer, "kitten", list(TEXTS), embed, 2)
    if isinstance(result, list | tuple) and result and all(isinstance(item, str) for item in result):
        if list(result) == ["cat", "dog"]:
            raise WrongAnswer("these are the right texts; give their places in the list, [0, 1].")
        raise WrongAnswer("texts came back; give places in the list, as [0, 1].")
    rows = embed(TEXTS)
    products = rows @ embed("kitten")
    cosines = products / np.linalg.norm(rows, axis=1) / np.linalg.norm(embed("kitten"))
    typical = [
        (np.argsort(cosines)[:2], "these are the two that are least alike; argsort puts the smallest first."),
        (np.argsort(-products)[:2], "it ranks by plain products, and a long vector wins; scale all to length 1 first."),
        (np.argsort(cosines)[-2:], "the right two, in the wrong order: the best first."),
        (np.argsort(-cosines), "that is everybody, in order; only the `top` best are wanted."),
        (np.sort(cosines)[::-1][:2], "these are the similarities; give the places they stand at (np.argsort)."),
        (cosines, "these are the similarities of all; give the places of the best."),
        (0, "only the best came back; `top` of them are wanted, as a list."),
    ]
    if not np.allclose(got := numbers(result), np.round(got)):
        raise WrongAnswer("these are no places; places are whole numbers (np.argsort gives them).")
    compare(got, [0, 1], typical)
    compare(call(answer, "sun", list(TEXTS), embed, 1), [3])
    nearest = np.argsort(np.linalg.norm(rows - embed("dog"), axis=1))[:3]
    by_distance = "it ranks by distance, where lengths count; by cosine only the direction does."
    compare(call(answer, "dog", list(TEXTS), embed, 3), np.argsort(-_cosines("dog"))[:3], [(nearest, by_distance)])


def _cosines(question):
    rows, one = embed(TEXTS), embed(question)
    return rows @ one / np.linalg.norm(rows, axis=1) / np.linalg.norm(one)


EXERCISES = {
    "zero_padding": Exercise(
        task="The cosine of true and naive mean, if the vectors at padding were all zeros.",
        blank="alike = ...",
        answer="alike",
        check=check_zero_padding,
        correct="zeros would do no harm to the direction. The vectors at padding are not zeros; that is the trouble.",
        hints=(
            "The true mean is a sum of ten vectors, divided by 10. What is the naive one, if thirty zeros are added?",
            "It is the same sum, divided by 40. So one is the other, times a number. How far apart do they point?",
        ),
        solution="alike = 1  # the same arrow, four times shorter: the direction is the same",
    ),
    "mean_by_hand": Exercise(
        task="The mean of the real vectors: vectors [T, D], mask [T] with 1 at real tokens.",
        blank="def mean_pool(vectors, mask):\n    return ...",
        answer="mean_pool",
        check=check_mean,
        correct="padding is out of the sum, and out of the count.",
        hints=(
            "Multiply each vector by its mask, so that padding becomes zeros. Then add up over the tokens.",
            "Divide by how many tokens are real. That is the sum of the mask, not its length.",
        ),
        solution=(
            "def mean_pool(vectors, mask):\n"
            "    real = vectors * mask[:, None]  # [T, D], zeros at padding\n"
            "    return real.sum(axis=0) / mask.sum()"
        ),
    ),
    "max_by_hand": Exercise(
        task="The largest value of each of the D numbers over the real tokens.",
        blank="def max_pool(vectors, mask):\n    return ...",
        answer="max_pool",
        check=check_max,
        correct="also where every real number is negative.",
        hints=(
            "Zeros at padding would win against negative numbers. What can stand there that never wins?",
            "np.where(mask[:, None] == 1, vectors, something very negative), and then the maximum over axis 0.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def max_pool(vectors, mask):\n"
            "    hidden = np.where(mask[:, None] == 1, vectors, -np.inf)  # [T, D]\n"
            "    return hidden.max(axis=0)"
        ),
    ),
    "unit": Exercise(
        task="Scale every row of an array [n, D] to length 1; a row of zeros stays zeros.",
        blank="def to_length_one(vectors):\n    return ...",
        answer="to_length_one",
        check=check_unit,
        correct="from here on, a product is a cosine.",
        hints=(
            "The length is the root of the sum of squares of a row: np.linalg.norm with axis=1 and keepdims=True.",
            "A length of 0 cannot be divided by. np.maximum(lengths, 1e-12) never is 0, and changes no other row.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def to_length_one(vectors):\n"
            "    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)  # [n, 1]\n"
            "    return vectors / np.maximum(lengths, 1e-12)"
        ),
    ),
    "search": Exercise(
        task="Build the search: the places of the `top` texts most like the question, the best first.",
        blank="def find(question, texts, embed, top):\n    return ...",
        answer="find",
        check=check_search,
        correct="with bert.embed in place of ours, this is a search engine.",
        hints=(
            "embed(texts) is an array [n, D], embed(question) one vector. Scale both to length 1, then one product.",
            "np.argsort sorts upwards: sort the negative similarities, and keep the first `top`.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def find(question, texts, embed, top):\n"
            "    one, many = embed(question), embed(texts)\n"
            "    alike = many @ one / np.linalg.norm(many, axis=1)  # the question's length changes no order\n"
            "    return list(np.argsort(-alike)[:top])"
        ),
    ),
}
