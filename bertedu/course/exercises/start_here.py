"""Exercises of notebooks/00_start_here.ipynb."""

import itertools
import math

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers, one_number


def check_heads(answer):
    got = one_number(answer, "the total number of heads.")
    reasons = {
        12: "12 is the number of heads in one layer, and there are 6 layers.",
        6: "6 is the number of layers; each of them has 12 heads.",
        18: "18 is 6 + 12. Each of the 6 layers has 12 heads of its own.",
        14: "14 is the number of tokens, so each head is a 14 by 14 heatmap. How many heatmaps are there?",
        196: "196 is the number of attention weights in one head; how many heads are there?",
        14112: "14112 is the number of elements in the whole array; the question is about the heads.",
    }
    compare(got, 72, list(reasons.items()))


def check_top_token(answer):
    cases = [
        (["the", "cat", "sat"], [0.3, 0.5, 0.2], "cat"),
        (["it", "was", "warm", "."], [0.1, 0.2, 0.1, 0.6], "."),
        (["the", "mat"], [0.9, 0.1], "the"),
    ]
    for tokens, weights, expected in cases:
        got = call(answer, list(tokens), list(weights))
        if got is None or got is ...:
            numbers(got)  # raises, with the reason for either
        if isinstance(got, str):
            result = f"for the tokens {tokens} and the weights {weights} it returns {got!r}"
            if got != expected and got == tokens[weights.index(min(weights))]:
                raise WrongAnswer(f"{result}, the token with the smallest weight. Return the one with the largest.")
            if got != expected:
                raise WrongAnswer(f"{result}, but {expected!r} has the largest weight.")
            continue
        if isinstance(got, list | tuple) and expected in got:
            raise WrongAnswer(f"return the token itself, {expected!r}, not a {type(got).__name__} that contains it.")
        value = numbers(got)
        if value.shape == () and float(value) == weights.index(max(weights)):
            raise WrongAnswer(f"it returns the position, {int(value)}. Use it as an index: which token is there?")
        if value.shape == () and math.isclose(float(value), max(weights)):
            raise WrongAnswer(f"it returns the largest weight, {max(weights)}. Which token has it?")
        raise WrongAnswer(f"return a token, which is a string; it returns a {type(got).__name__}.")


def _call_for_cosine(answer, a, b):
    try:
        return call(answer, list(a), list(b))
    except WrongAnswer as reason:
        if "IndexError" not in str(reason):
            raise
        raise WrongAnswer(f"{reason} These lists have {len(a)} elements: the formula is for any length.") from None


def check_cosine(answer):
    for a, b in (
        ([1.0, 2.0, 2.0], [-2.0, 0.0, 4.0]),
        ([3.0, 4.0], [4.0, 3.0]),
        ([1.0, 0.0], [0.0, 5.0]),
        ([2.0, -1.0], [-3.0, 0.5]),
    ):
        dot = sum(x * y for x, y in zip(a, b, strict=True))
        length_a, length_b = (math.sqrt(sum(x * x for x in vector)) for vector in (a, b))
        typical = [
            (dot, "this is the dot product alone. Divide it by both lengths, otherwise long vectors always win."),
            (dot / (length_a * length_b) ** 2, "these are squared lengths; take the square root of each."),
            (dot / length_a, "it divides by the length of a only; divide by the length of b as well."),
            (dot / length_b, "it divides by the length of b only; divide by the length of a as well."),
            (dot / length_a * length_b, "brackets are missing: x / a * b divides by a only, and multiplies by b."),
            (dot / sum(a) / sum(b), "a length is the root of the sum of the squares, not the sum."),
            (dot / (length_a + length_b), "divide by the product of the two lengths, not by their sum."),
            (math.dist(a, b), "this is the Euclidean distance; return the cosine of the angle instead."),
            (dot / len(a), "it divides by the number of elements; divide by the two lengths."),
            (
                abs(dot) / (length_a * length_b),
                f"for {a} and {b}, which point away from each other, the cosine is negative: keep its sign.",
            ),
        ]
        compare(_call_for_cosine(answer, a, b), dot / (length_a * length_b), typical)


def _cosine(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


def _mean(values):
    return sum(values) / len(values)


def _gap_mistakes(one, other, same, different):
    """Return pairs of (wrong gap, the reason to give)."""
    with_itself = [_cosine(a, b) for group in (one, other) for a in group for b in group]
    products = [sum(x * y for x, y in zip(a, b, strict=True)) for a in one for b in other]
    inside = [
        sum(x * y for x, y in zip(a, b, strict=True))
        for group in (one, other)
        for a, b in itertools.combinations(group, 2)
    ]
    of_two_means = _mean([_mean([_cosine(a, b) for a, b in itertools.combinations(g, 2)]) for g in (one, other)])
    of_one = [_cosine(a, b) for a, b in itertools.combinations(one, 2)]
    in_turn = [_cosine(a, b) for a, b in zip(one, other, strict=False)]
    of_six = (sum(with_itself) - 6) / 12
    reversed_sign = "the sign is reversed: it should be same meaning minus different meaning."
    if _mean(same) < _mean(different):  # reached only by answers that are correct for a positive gap
        reversed_sign = (
            "where pairs with different meanings are the more similar ones, the gap is negative: keep its sign."
        )
    return [
        (_mean(different) - _mean(same), reversed_sign),
        (
            _mean(with_itself) - _mean(different),
            "it also compares each sentence with itself, where the cosine is always 1. Leave those pairs out.",
        ),
        (
            of_six - _mean(different),
            "the 6 and the 12 are right for three and three sentences only; count the actual pairs.",
        ),
        (
            of_two_means - _mean(different),
            "every pair should count equally: take one mean over the pairs of both lists together.",
        ),
        (
            _mean(same) - _mean(in_turn),
            "pair each vector of one list with every vector of the other, not only with the one at the same index.",
        ),
        (_mean(of_one) - _mean(different), "the pairs within the second list are missing."),
        (_mean(same), "this is the mean of the pairs with the same meaning; subtract the mean of the other pairs."),
        (_mean(different), "this is the mean of the pairs with different meanings; subtract it from the other mean."),
        (sum(same) - sum(different), "a sum grows with the number of pairs; take the mean of each kind."),
        (_mean(inside) - _mean(products), "these are dot products; divide each by the two lengths (exercise 3)."),
    ]


def check_gap(answer):
    groups = [
        ([[3.0, 4.0, 0.0], [0.0, 2.0, 0.0], [1.0, 1.0, 1.0]], [[0.0, 1.0, 5.0], [1.0, 0.0, 2.0]]),
        ([[1.0, 0.0], [1.0, 1.0]], [[0.0, 2.0], [1.0, 3.0], [-1.0, 1.0]]),
        ([[2.0, 0.5], [-1.0, 2.0]], [[3.0, 1.0], [-1.0, 1.5]]),
    ]
    for one, other in groups:
        same = [_cosine(a, b) for group in (one, other) for a, b in itertools.combinations(group, 2)]
        different = [_cosine(a, b) for a in one for b in other]
        copies = [[list(vector) for vector in group] for group in (one, other)]
        compare(call(answer, *copies), _mean(same) - _mean(different), _gap_mistakes(one, other, same, different))


def _vectors(seed, count, size):
    return np.round(np.random.default_rng(seed).normal(size=(count, size)), 1).tolist()


EXERCISES = {
    "heads": Exercise(
        task="reading.attention.shape is (6, 12, 14, 14). How many heads does this BERT have in all?",
        blank="heads = ...",
        answer="heads",
        check=check_heads,
        correct="6 layers with 12 heads each are 72 heads, and each is a 14 by 14 table of attention weights.",
        hints=(
            "The shape is (layers, heads per layer, query tokens, key tokens).",
            "Each of the 6 layers has 12 heads of its own.",
        ),
        solution="heads = 6 * 12  # layers times heads per layer",
    ),
    "top_token": Exercise(
        task="Write a function that takes the tokens and one row of attention weights, and returns the token with the "
        "largest weight.",
        blank="def top_token(tokens, weights):\n    return ...",
        answer="top_token",
        check=check_top_token,
        correct="that is what a dark square means: this row has its largest attention weight there.",
        hints=(
            "Two steps: find the position of the largest weight, then look up the token at that position.",
            "max(weights) is the largest weight, and weights.index(...) returns the position of a value.",
        ),
        solution=(
            "def top_token(tokens, weights):\n"
            "    weights = list(weights)\n"
            "    return tokens[weights.index(max(weights))]"
        ),
        cases=(
            (["warm"], [1.0]),
            (["the", "cat", "the"], [0.5, 0.3, 0.2]),  # a token may occur twice
            (["the", "cat", "the"], [0.3, 0.4, 0.3]),
            (["on", "a", "warm", "mat", "."], [0.21, 0.06, 0.21, 0.25, 0.27]),
        ),
    ),
    "cosine": Exercise(
        task="Write the cosine similarity of two lists of numbers, with loops or sum() only.",
        blank="def cosine(a, b):\n    return ...",
        answer="cosine",
        check=check_cosine,
        correct="1 for the same direction, 0 for a right angle, -1 for opposite directions, whatever the lengths.",
        hints=(
            "You need three sums: of a[i] * b[i], of a[i] * a[i] and of b[i] * b[i].",
            "The length of a is the square root of the second sum. Divide the first sum by both lengths.",
        ),
        solution=(
            "def cosine(a, b):\n"
            "    products = sum(x * y for x, y in zip(a, b))\n"
            "    length_a = sum(x * x for x in a) ** 0.5\n"
            "    length_b = sum(y * y for y in b) ** 0.5\n"
            "    return products / (length_a * length_b)"
        ),
        cases=(
            ([2.5], [-4.0]),
            ([-3.0], [-0.5]),
            ([1000.0, -250.0], [-999.0, 400.0]),
            ([0.5, 0.0, -0.25, 3.0], [-1.5, 2.0, 0.0, 0.75]),
            ([1.5, -2.0, 0.5, 1.0, 2.5], [-3.0, 4.0, -1.0, -2.0, -5.0]),  # opposite directions
        ),
    ),
    "gap": Exercise(
        task="Write the gap: the mean cosine of same-meaning pairs minus the mean cosine of different-meaning pairs.",
        blank="def gap(money, river):\n    return ...",
        answer="gap",
        check=check_gap,
        correct="one number for how far apart two meanings of a word are, and you can compute it after every layer.",
        hints=(
            "Collect two lists of cosines: pairs within `money` or within `river`, and pairs of one vector from each.",
            "Pair vector i only with the later ones, vectors[i + 1:]. Then no sentence is paired with itself.",
        ),
        solution=(
            "def gap(money, river):\n"
            "    def cosine(a, b):\n"
            "        lengths = sum(x * x for x in a) ** 0.5 * sum(y * y for y in b) ** 0.5\n"
            "        return sum(x * y for x, y in zip(a, b)) / lengths\n"
            "\n"
            "    groups = (money, river)\n"
            "    same = [cosine(a, b) for group in groups for i, a in enumerate(group) for b in group[i + 1 :]]\n"
            "    different = [cosine(a, b) for a in money for b in river]\n"
            "    return sum(same) / len(same) - sum(different) / len(different)"
        ),
        cases=(
            ([[2.0], [-1.0]], [[3.0]]),
            (_vectors(1, 4, 3), _vectors(2, 2, 3)),
            (_vectors(3, 1, 5), _vectors(4, 4, 5)),
            (_vectors(5, 3, 2), _vectors(6, 5, 2)),
        ),
    ),
}
