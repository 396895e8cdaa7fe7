"""Wrong answers to the exercises of the chapter, each with a word of the reason that `check` gives."""

import functools

import numpy as np
from keras import ops


def rows(n, m, length, cls=1, first_sep=0, last_sep=1, pad_type=0, pad_mask=0, special_mask=1):
    """Types and mask of a pair, correct by default; each argument breaks one thing."""
    padding = length - n - m - 2 - cls
    types = [0] * (n + cls) + [first_sep] + [1] * m + [last_sep] + [pad_type] * padding
    mask = [special_mask] * cls + [1] * n + [special_mask] + [1] * m + [special_mask] + [pad_mask] * padding
    return np.array([types, mask])


def longest_first(word, vocabulary, prefix=""):
    for end in range(len(word), 0, -1):
        if prefix + word[:end] in vocabulary:
            return 1 + longest_first(word[end:], vocabulary, "##")
    return 0


def fewest(word, vocabulary, start=True, marked_later=True, of_nothing=0, impossible=99, smallest=min):
    """The fewest pieces, correct by default; each argument breaks one thing."""
    if not word:
        return of_nothing
    ends = [end for end in range(1, len(word) + 1) if "##" * (not start) + word[:end] in vocabulary]
    if not ends:
        return impossible
    defects = (marked_later, of_nothing, impossible, smallest)
    return smallest([1 + fewest(word[end:], vocabulary, not marked_later, *defects) for end in ends])


def no_way_out(word, vocabulary, start=True):
    if not word:
        return 0
    ends = [end for end in range(1, len(word) + 1) if "##" * (not start) + word[:end] in vocabulary]
    return min(1 + no_way_out(word[end:], vocabulary, False) for end in ends)


def two_at_a_time(n, m, limit):
    counts = [0, 0]
    while sum(counts) < min(limit, n + m):
        counts[0] += counts[0] < n
        counts[1] += counts[1] < m
    return counts


def without_marks(word, vocabulary):
    plain = {piece.removeprefix("##") for piece in vocabulary}
    if not word:
        return 0
    ends = [end for end in range(1, len(word) + 1) if word[:end] in plain]
    return min((1 + without_marks(word[end:], vocabulary) for end in ends), default=99)


def cuts_then_longest(word, vocabulary, cuts=1, prefix=""):
    """All ways to cut off `cuts` pieces, each followed by the longest match."""
    if not word or not cuts:
        return longest_first(word, vocabulary, prefix)
    ends = [end for end in range(1, len(word) + 1) if prefix + word[:end] in vocabulary]
    return min((1 + cuts_then_longest(word[end:], vocabulary, cuts - 1, "##") for end in ends), default=99)


def fewest_by_position(word, vocabulary):
    fewest_to = [0]
    for end in range(1, len(word) + 1):
        begins = [begin for begin in range(end) if "##" * (begin > 0) + word[begin:end] in vocabulary]
        fewest_to.append(min((1 + fewest_to[begin] for begin in begins), default=10**9))
    return fewest_to[-1]


def fewest_in_breadth(word, vocabulary, start=True):
    vocabulary, reached, count = set(vocabulary), {0}, 0
    while len(word) not in reached:
        reached = {
            end
            for begin in reached
            for end in range(begin + 1, len(word) + 1)
            if ("##" if begin or not start else "") + word[begin:end] in vocabulary
        }
        count += 1
    return count


def fewest_of_shortest_paths(word, vocabulary):
    """The first power of the matrix of pieces that leads from the first letter to the end."""
    size = len(word) + 1
    fits = np.array(
        [[i < j and "##" * (i > 0) + word[i:j] in vocabulary for j in range(size)] for i in range(size)], dtype=int
    )
    return next(power for power in range(size) if np.linalg.matrix_power(fits, power)[0, -1])


@functools.cache
def _fewest_cached(word, vocabulary, start):
    if word == "":
        return 0
    counts = [99]
    for piece in vocabulary:
        if start != piece.startswith("##") and word.startswith(piece.removeprefix("##")):
            counts.append(1 + _fewest_cached(word[len(piece.removeprefix("##")) :], vocabulary, False))
    return min(counts)


def types_and_mask_with_loop(n, m, length):
    types, mask = [], []
    for position in range(length):
        types.append(1 if n + 2 <= position < n + m + 3 else 0)
        mask.append(int(position < n + m + 3))
    return [types, mask]


def types_and_mask_of_tensors(n, m, length):
    positions = ops.arange(length)
    mask = ops.cast(positions < n + m + 3, "int32")
    return mask * ops.cast(positions >= n + 2, "int32"), mask


def round_robin_of_turns(n, m, limit):
    texts, kept, turn = [n, m], [0, 0], 0
    while limit > 0 and texts != [0, 0]:
        if texts[turn]:
            texts[turn] -= 1
            kept[turn] += 1
            limit -= 1
        turn = 1 - turn
    return tuple(kept)


def round_robin_by_formula(n, m, limit):
    return min(n, max(limit - limit // 2, limit - m)), min(m, max(limit // 2, limit - n))


def round_robin_by_deletion(n, m, limit):
    while n + m > limit:
        if n > m:
            n -= 1
        else:
            m -= 1
    return np.array([n, m])


def round_robin_of_tensors(n, m, limit):
    order = ops.argsort(ops.concatenate([2 * ops.arange(n), 2 * ops.arange(m) + 1]))[:limit]
    return ops.sum(ops.cast(order < n, "int32")), ops.sum(ops.cast(order >= n, "int32"))


def tokens_per_word_of_tensors(tokens):
    return 1 / (1 - ops.mean(ops.array([float(token[:2] == "##") for token in tokens])))


RIGHT = {
    "text_to_tokens.tokens_per_word": [
        lambda tokens: len(tokens) / sum(1 for token in tokens if token[:2] != "##"),
        lambda tokens: 1 / np.mean(~np.char.startswith(tokens, "##")),
        tokens_per_word_of_tensors,
    ],
    "text_to_tokens.types_and_mask": [rows, types_and_mask_with_loop, types_and_mask_of_tensors],
    "text_to_tokens.share_the_room": [
        round_robin_of_turns,
        round_robin_by_formula,
        round_robin_by_deletion,
        round_robin_of_tensors,
    ],
    "text_to_tokens.fewest_pieces": [
        fewest,
        fewest_by_position,
        fewest_in_breadth,
        fewest_of_shortest_paths,
        lambda word, vocabulary: _fewest_cached(word, tuple(vocabulary), True),
    ],
}

WRONG = {
    "text_to_tokens.count": [
        (6, "words"),
        (7, "special"),
        (8, "one special"),
        (10, "too many"),
        (128, "padding"),
        ([9], "one number"),
        (11, "expected 9"),
    ],
    "text_to_tokens.tokens_per_word": [
        (len, "divide"),
        (lambda tokens: sum("##" not in token for token in tokens) / len(tokens), "upside down"),
        (lambda tokens: len(tokens) / len(tokens), "belongs to the word"),
        (lambda tokens: sum("##" in token for token in tokens) / sum("##" not in token for token in tokens), "first"),
        (lambda tokens: sum("##" in token for token in tokens) / len(tokens), "fraction of"),
        (lambda tokens: tokens, "rows"),
        (lambda tokens: len(tokens) // sum("##" not in token for token in tokens), "rounded"),
        (lambda tokens: len(tokens) / max(1, sum("##" in token for token in tokens)), "where there is no ##"),
        (lambda tokens: len(tokens) / sum("#" not in token for token in tokens), "punctuation mark"),
    ],
    "text_to_tokens.types_and_mask": [
        (lambda n, m, length: rows(n, m, length)[::-1], "swapped"),
        (lambda n, m, length: rows(n, m, n + m + 3), "padding is missing"),
        (lambda n, m, length: rows(n, m, length, first_sep=1), "first [SEP]"),
        (lambda n, m, length: rows(n, m, length, last_sep=0), "last [SEP]"),
        (lambda n, m, length: rows(n, m, length, pad_type=1), "type 0"),
        (lambda n, m, length: rows(n, m, length, pad_mask=1), "padding too"),
        (lambda n, m, length: rows(n, m, length, special_mask=0), "tokens like the others"),
        (lambda n, m, length: rows(n, m, length, cls=0), "[CLS]"),
        (lambda n, m, length: rows(n, m, length)[0], "shape"),
        (lambda n, m, k: [[0] * n + [1] * m + [0] * (k - n - m), [1] * (n + m) + [0] * (k - n - m)], "the two [SEP]"),
    ],
    "text_to_tokens.share_the_room": [
        (lambda n, m, limit: [min(n, limit), max(0, min(m, limit - n))], "takes all"),
        (lambda n, m, limit: [limit - limit // 2, limit // 2], "even where"),
        (lambda n, m, limit: [min(n, limit // 2), min(m, limit // 2)], "unused"),
        (lambda n, m, limit: [round(limit * n / (n + m)), limit - round(limit * n / (n + m))], "proportion"),
        (lambda n, m, limit: [n, m], "nothing is truncated"),
        (lambda n, m, limit: limit, "shape"),
        (two_at_a_time, "limit reached"),
        (lambda n, m, limit: round_robin_by_formula(n, m, max(1, limit)), "round_robin(5, 5, 0)"),
    ],
    "text_to_tokens.fewest_pieces": [
        (longest_first, "longest-match-first"),
        (lambda word, vocabulary: len(word), "letters"),
        (lambda word, vocabulary: 1, "rest of the word"),
        (without_marks, "with ##"),
        (no_way_out, "lead nowhere"),
        (lambda word, vocabulary: fewest(word, vocabulary, impossible=None), "lead nowhere"),
        (lambda word, vocabulary: fewest(word, vocabulary, marked_later=False), "start is False"),
        (lambda word, vocabulary: fewest(word, vocabulary, of_nothing=1), "empty word"),
        (lambda word, vocabulary: fewest(word, vocabulary, smallest=lambda counts: counts[0]), "shortest"),
        (cuts_then_longest, "every second piece"),
        (lambda word, vocabulary: cuts_then_longest(word, vocabulary, 2), "fewest_pieces('reenlisting'"),
        (lambda word, vocabulary: cuts_then_longest(word, vocabulary, 4), "expected 7, got 8"),
        (lambda word, vocabulary: fewest(word, vocabulary) + (len(word) == 1), "fewest_pieces('a'"),
    ],
}
