"""Wrong answers to the exercises of the chapter, and a word that the reason given must hold."""

import numpy as np


def rows(n, m, length, cls=1, first_sep=0, last_sep=1, pad_type=0, pad_mask=0, special_mask=1):
    """Types and mask of a pair, right as they stand; every argument can spoil one thing."""
    padding = length - n - m - 2 - cls
    types = [0] * (n + cls) + [first_sep] + [1] * m + [last_sep] + [pad_type] * padding
    mask = [special_mask] * cls + [1] * n + [special_mask] + [1] * m + [special_mask] + [pad_mask] * padding
    return np.array([types, mask])


def longest_first(word, vocabulary, prefix=""):
    for end in range(len(word), 0, -1):
        if prefix + word[:end] in vocabulary:
            return 1 + longest_first(word[end:], vocabulary, "##")
    return 0


def without_marks(word, vocabulary):
    plain = {piece.removeprefix("##") for piece in vocabulary}
    if not word:
        return 0
    ends = [end for end in range(1, len(word) + 1) if word[:end] in plain]
    return min((1 + without_marks(word[end:], vocabulary) for end in ends), default=99)


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
        (lambda tokens: sum("##" in token for token in tokens) / len(tokens), "share"),
        (lambda tokens: tokens, "rows"),
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
    ],
    "text_to_tokens.share_the_room": [
        (lambda n, m, room: [min(n, room), max(0, min(m, room - n))], "takes all"),
        (lambda n, m, room: [room - room // 2, room // 2], "even where"),
        (lambda n, m, room: [min(n, room // 2), min(m, room // 2)], "stay empty"),
        (lambda n, m, room: [round(room * n / (n + m)), room - round(room * n / (n + m))], "proportion"),
        (lambda n, m, room: [n, m], "nothing is cut"),
        (lambda n, m, room: room, "shape"),
    ],
    "text_to_tokens.fewest_pieces": [
        (longest_first, "longest-match-first"),
        (lambda word, vocabulary: len(word), "letters"),
        (lambda word, vocabulary: 1, "what is left"),
        (without_marks, "with ##"),
    ],
}
