"""Exercises of notebooks/00_start_here.ipynb."""

import itertools
import math

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers, one_number


def check_heads(answer):
    got = one_number(answer, "how many heads there are in all.")
    reasons = {
        12: "12 is the heads of one layer, and there are 6 layers.",
        6: "6 is the layers; each of them has 12 heads.",
        18: "18 is 6 + 12. Each of the 6 layers has 12 heads of its own.",
        14: "14 is the tokens: how wide each picture is, not how many pictures there are.",
        196: "196 is the squares in one picture; how many pictures are there?",
        14112: "14112 is every number in the array; the question is about the pictures.",
    }
    compare(got, 72, list(reasons.items()))


def check_most_looked_at(answer):
    cases = [
        (["the", "cat", "sat"], [0.3, 0.5, 0.2], "cat"),
        (["it", "was", "warm", "."], [0.1, 0.2, 0.1, 0.6], "."),
        (["the", "mat"], [0.9, 0.1], "the"),
    ]
    for tokens, row, expected in cases:
        got = call(answer, list(tokens), list(row))
        if got is None:
            raise WrongAnswer("it gives None. Is a `return` missing?")
        if got is ...:
            raise WrongAnswer("it gives back the dots (...); put your code in their place.")
        if isinstance(got, str):
            given = f"for the tokens {tokens} and the shares {row} it gives {got!r}"
            if got != expected and got == tokens[row.index(min(row))]:
                raise WrongAnswer(f"{given}: the token with the smallest share. The largest is wanted.")
            if got != expected:
                raise WrongAnswer(f"{given}, and {expected!r} has the largest share.")
            continue
        if isinstance(got, list | tuple) and expected in got:
            raise WrongAnswer(
                f"the token itself is wanted, {expected!r}; it gives a {type(got).__name__} with more around it."
            )
        value = numbers(got)
        if value.shape == () and float(value) == row.index(max(row)):
            raise WrongAnswer(f"it gives the position, {int(value)}. Use it as an index: which token stands there?")
        if value.shape == () and math.isclose(float(value), max(row)):
            raise WrongAnswer(f"it gives the largest share, {max(row)}. Which token has it?")
        raise WrongAnswer(f"a token is wanted, a string; it gives a {type(got).__name__}.")


def _call_for_cosine(answer, a, b):
    try:
        return call(answer, list(a), list(b))
    except WrongAnswer as reason:
        if "IndexError" not in str(reason):
            raise
        raise WrongAnswer(f"{reason} These lists have {len(a)} numbers: the formula is for any length.") from None


def check_cosine(answer):
    for a, b in ([[1.0, 2.0, 2.0], [-2.0, 0.0, 4.0]], [[3.0, 4.0], [4.0, 3.0]], [[1.0, 0.0], [0.0, 5.0]]):
        dot = sum(x * y for x, y in zip(a, b, strict=True))
        length_a, length_b = (math.sqrt(sum(x * x for x in vector)) for vector in (a, b))
        typical = [
            (dot, "that is the sum of products alone. Divide it by both lengths, else long vectors always win."),
            (dot / (length_a * length_b) ** 2, "the lengths are not lengths yet: a square root is missing."),
            (dot / length_a, "it is divided by the length of a only; divide by the length of b too."),
            (dot / length_b, "it is divided by the length of b only; divide by the length of a too."),
            (dot / length_a * length_b, "brackets are missing: x / a * b divides by a alone, and multiplies by b."),
            (dot / sum(a) / sum(b), "a length is the root of the sum of the squares, not the sum."),
            (dot / (length_a + length_b), "divide by the product of the two lengths, not by their sum."),
            (math.dist(a, b), "that is the distance between the two points; here the angle is wanted."),
            (dot / len(a), "it is divided by how many numbers there are; divide by the two lengths."),
        ]
        compare(_call_for_cosine(answer, a, b), dot / (length_a * length_b), typical)


def _cosine(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


def _mean(values):
    return sum(values) / len(values)


def _slips_of_gap(one, other, same, different):
    """Gaps that are wrong, each with what to say of it."""
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
    return [
        (_mean(different) - _mean(same), "the sign is turned round: same meaning minus different meaning."),
        (
            _mean(with_itself) - _mean(different),
            "pairs of a sentence with itself are counted, and their cosine is always 1. Leave them out.",
        ),
        (
            of_six - _mean(different),
            "the 6 and the 12 hold for three and three sentences; count the pairs there are.",
        ),
        (
            of_two_means - _mean(different),
            "each pair counts alike: one mean over the pairs of both lists together.",
        ),
        (
            _mean(same) - _mean(in_turn),
            "each vector of one list makes a pair with each of the other, not only in turn.",
        ),
        (_mean(of_one) - _mean(different), "the pairs within the second list are missing."),
        (_mean(same), "that is the mean of the pairs with the same meaning; subtract that of the others."),
        (_mean(different), "that is the mean of the pairs with different meanings; it is to be subtracted."),
        (sum(same) - sum(different), "sums grow with the number of pairs; take the mean of each kind."),
        (_mean(inside) - _mean(products), "these are plain products; divide each by the two lengths (exercise 3)."),
    ]


def check_gap(answer):
    groups = [
        ([[3.0, 4.0, 0.0], [0.0, 2.0, 0.0], [1.0, 1.0, 1.0]], [[0.0, 1.0, 5.0], [1.0, 0.0, 2.0]]),
        ([[1.0, 0.0], [1.0, 1.0]], [[0.0, 2.0], [1.0, 3.0], [-1.0, 1.0]]),
    ]
    for one, other in groups:
        same = [_cosine(a, b) for group in (one, other) for a, b in itertools.combinations(group, 2)]
        different = [_cosine(a, b) for a in one for b in other]
        given = [[list(vector) for vector in group] for group in (one, other)]
        compare(call(answer, *given), _mean(same) - _mean(different), _slips_of_gap(one, other, same, different))


EXERCISES = {
    "heads": Exercise(
        task="reading.attention.shape is (6, 12, 14, 14). How many heads does this BERT have in all?",
        blank="heads = ...",
        answer="heads",
        check=check_heads,
        correct="6 layers of 12 heads make 72 pictures, each of 14 by 14 squares.",
        hints=(
            "The shape is (layers, heads of a layer, tokens that look, tokens that are looked at).",
            "Every layer has 12 heads of its own; there are 6 layers.",
        ),
        solution="heads = 6 * 12  # layers times heads of a layer",
    ),
    "most_looked_at": Exercise(
        task="Write a function: given the tokens and one row of a head, which token is looked at most?",
        blank="def most_looked_at(tokens, row):\n    return ...",
        answer="most_looked_at",
        check=check_most_looked_at,
        correct="that is all a bright square says: of this row, the largest share goes there.",
        hints=(
            "Two steps: find the position of the largest number in `row`, then look up the token at that position.",
            "max(row) is the largest number, and row.index(...) tells where a number stands.",
        ),
        solution="def most_looked_at(tokens, row):\n    row = list(row)\n    return tokens[row.index(max(row))]",
    ),
    "cosine": Exercise(
        task="Write the cosine similarity of two lists of numbers, with loops or sum() only.",
        blank="def cosine(a, b):\n    return ...",
        answer="cosine",
        check=check_cosine,
        correct="1 for the same direction, 0 for a right angle, -1 for opposite ones, however long they are.",
        hints=(
            "Three sums: of a[i] * b[i], of a[i] * a[i] and of b[i] * b[i].",
            "The length of a is the square root of the second sum. Divide the first sum by both lengths.",
        ),
        solution=(
            "def cosine(a, b):\n"
            "    products = sum(x * y for x, y in zip(a, b))\n"
            "    length_a = sum(x * x for x in a) ** 0.5\n"
            "    length_b = sum(y * y for y in b) ** 0.5\n"
            "    return products / (length_a * length_b)"
        ),
    ),
    "gap": Exercise(
        task="Write the gap: mean cosine of pairs with the same meaning, minus that of pairs with different meanings.",
        blank="def gap(money, river):\n    return ...",
        answer="gap",
        check=check_gap,
        correct="one number that says how far two meanings of a word are apart, and you can take it at every layer.",
        hints=(
            "Collect two lists of cosines: pairs within `money` and within `river`, and pairs of one from each.",
            "In a list, the partners of number i are those behind it, vectors[i + 1:]; so no sentence meets itself.",
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
    ),
}
