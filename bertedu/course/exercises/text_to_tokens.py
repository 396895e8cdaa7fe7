"""Exercises of notebooks/01_text_to_tokens.ipynb."""

import functools

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, one_number


def check_count(answer):
    got = one_number(answer, "the number of tokens that BERT reads.")
    reasons = {
        6: "6 is the number of words. The period is a token too, and two special tokens go around the text.",
        7: "7 is right without the special tokens; [CLS] goes in front, and [SEP] closes the text.",
        8: "8 has only one special token: there is [CLS] in front and [SEP] at the end. (Or is the period missing?)",
        10: "10 is one too many. A single text has [CLS] and one [SEP]; only a pair has two [SEP].",
        128: "128 is the length with padding; leave [PAD] out.",
        23: "23 is the number of characters.",
    }
    compare(got, 9, list(reasons.items()))


def check_tokens_per_word(answer):
    for tokens in (
        ["the", "em", "##bed", "##ding", "##s", "are", "un", "##want", "##ed"],
        ["un", "##want", "##ed", "cat"],
        ["the", "cat", "sat"],
        ["c", "#", "is", "un", "##want", "##ed"],
    ):
        pieces = sum(token.startswith("##") for token in tokens)
        words, total = len(tokens) - pieces, len(tokens)
        without_hash = sum("#" not in token for token in tokens)
        typical = [
            (total / without_hash, "a single # is a punctuation mark, and so a word of its own; look for ## in front."),
            (total, "this is the number of tokens; divide it by the number of words."),
            (words, "this is the number of words; how many tokens are there per word?"),
            (words / total, "the fraction is upside down: divide tokens by words."),
            (1, "every token is counted as a word. A token with ## belongs to the word before it."),
            (pieces / words, "only the pieces with ## are counted; the first piece of a word is a token too."),
            (pieces / total, "this is the fraction of the pieces with ##."),
            (pieces, "this is the number of pieces that begin with ##."),
            (total // words, "the result is rounded down: divide with /, not with //."),
            (total / pieces if pieces else 0, "a word begins where there is no ##; the pieces with ## were counted."),
        ]
        compare(call(answer, list(tokens)), total / words, typical)


def _types_and_mask(n, m, length):
    used, second = n + m + 3, m + 1
    types = [0] * (n + 2) + [1] * second + [0] * (length - used)
    return np.array([types, [1] * used + [0] * (length - used)])


def check_types_and_mask(answer):
    for n, m, length in ((3, 2, 10), (2, 5, 13), (4, 1, 8)):
        right = _types_and_mask(n, m, length)
        types, mask = right
        used = n + m + 3
        positions = np.arange(length)
        last = (positions == used - 1).astype(int)
        special = np.isin(positions, (0, n + 1, used - 1))
        texts_only = [[0] * n + [1] * m + [0] * (length - n - m), [1] * (n + m) + [0] * (length - n - m)]
        typical = [
            (right[::-1], "the two lists are swapped: return the types first, then the mask."),
            (right[:, :used], "the padding is missing: both lists have `length` elements, 0 at every [PAD]."),
            ([types, 1 - mask], "the mask is inverted: it is 1 for a token and 0 for padding."),
            ([types, mask * ~special], "[CLS] and [SEP] are tokens like the others: their mask is 1."),
            ([types, np.ones(length)], "the mask is 1 for the padding too; it should be 0 there."),
            ([np.where(positions > n + 1, 1, 0), mask], "the types are 1 for the padding too; [PAD] has type 0."),
            ([np.where(positions == n + 1, 1, types), mask], "the first [SEP] belongs to the first text: type 0."),
            ([types - last, mask], "the last [SEP] closes the second text: its type is 1."),
            ([[*types[1:], 0], [*mask[1:], 0]], "everything is one position too far left: count [CLS] too."),
            (texts_only, "[CLS] and the two [SEP] occupy positions as well, and are tokens like the others."),
            ([np.zeros(length), mask], "all types are 0; the second text and its [SEP] have type 1."),
        ]
        compare(call(answer, n, m, length), right, typical)


def _round_robin(n, m, limit):
    counts = [0, 0]
    while sum(counts) < min(limit, n + m):
        turn = 0 if counts[0] <= counts[1] and counts[0] < n or counts[1] == m else 1
        counts[turn] += 1
    return counts


def check_share_the_room(answer):
    for n, m, limit in ((3, 10, 8), (10, 3, 8), (9, 9, 7), (2, 3, 20), (8, 9, 10)):
        half = limit // 2
        in_proportion = round(limit * n / (n + m))
        right = _round_robin(n, m, limit)
        typical = [
            ([min(n, limit), max(0, limit - n)], "the first text takes all it can, and the second gets the rest."),
            ([max(0, limit - m), min(m, limit)], "the second text takes all it can, and the first gets the rest."),
            (_round_robin(m, n, limit)[::-1], "the first text begins, so the odd token is one of its tokens."),
            ([limit - half, half], "each text gets half of the limit, even where it has fewer tokens than that."),
            ([min(n, half), min(m, half)], "some tokens are unused: what a short text leaves, the other may use."),
            (
                [in_proportion, limit - in_proportion],
                "this is in proportion to the lengths; take turns instead, one token at a time.",
            ),
            ([right[0], right[1] + 1], "one too many: before the second text adds a token, is the limit reached?"),
            ([n, m], "nothing is truncated, but together the texts are longer than the limit."),
        ]
        compare(call(answer, n, m, limit), right, typical)


def _greedy(word, vocabulary, start=True, shortest=False):
    ends = range(1, len(word) + 1) if shortest else range(len(word), 0, -1)
    for end in ends:
        if ("" if start else "##") + word[:end] in vocabulary:
            return 1 + _greedy(word[end:], vocabulary, False, shortest)
    return 0 if not word else float("inf")


def _greedy_after_one(word, vocabulary):
    starts = [end for end in range(1, len(word) + 1) if word[:end] in vocabulary]
    return 1 + min(_greedy(word[end:], vocabulary, False) for end in starts)


def _fewest(word, vocabulary):
    @functools.cache
    def after(begin):
        if begin == len(word):
            return 0
        ends = range(begin + 1, len(word) + 1)
        fits = [end for end in ends if ("##" if begin else "") + word[begin:end] in vocabulary]
        return min((1 + after(end) for end in fits), default=float("inf"))

    return after(0)


PIECES = [
    *("p", "pp", "##p", "##r", "##rin", "##t", "##print", "print"),
    *("un", "##want", "##ed", "##wanted", "want", "ed"),
    *("ca", "cat", "##m", "##at", "mat"),
    *("en", "##lis", "##list", "##ting", "##i", "##ng"),
]
AB = ["a", "ab", "b", "ba", "##a", "##b", "##ab", "##aab", "##abb", "##bab", "##abba"]


def _call_for_fewest(answer, word):
    try:
        return call(answer, word, list(PIECES))
    except WrongAnswer as reason:
        if "empty" not in str(reason) and "NoneType" not in str(reason):
            raise
        raise WrongAnswer(
            f"{reason} For {word!r} some first pieces lead nowhere, because no piece fits after them. What does the "
            "function return there? It must be larger than any count, so that it is never the minimum."
        ) from None


def check_fewest_pieces(answer):
    marks_ignored = [*PIECES, *(f"##{piece}" for piece in PIECES)]
    for word in ("mat", "cat", "catmat", "unwanted", "pprint", "enlisting"):
        typical = [
            (
                _greedy_after_one(word, PIECES),
                f"for {word!r} this tries every first piece, and takes the longest match after it; also try every "
                "second piece, and so on: call the function itself for the rest.",
            ),
            (_greedy(word, PIECES), f"for {word!r} this is the longest-match-first count; try shorter starts as well."),
            (len(word), f"for {word!r} this is the number of letters."),
            (_greedy(word, PIECES, shortest=True), f"for {word!r} this is the shortest-match-first count; try all."),
            (1, f"{word!r} is not a piece itself; count the pieces of the rest of the word as well."),
            (
                _fewest(word, marks_ignored),
                "after the start of a word, only pieces with ## may follow: start is False.",
            ),
            (_fewest(word, PIECES) + 1, f"for {word!r} this is one too many: an empty word needs no piece at all."),
        ]
        compare(_call_for_fewest(answer, word), _fewest(word, PIECES), typical)


EXERCISES = {
    "count": Exercise(
        task='How many tokens does BERT read for "The cat sat on the mat."? Count all of them except padding.',
        blank="count = ...",
        answer="count",
        check=check_count,
        correct="six words, a period, [CLS] and [SEP].",
        hints=(
            "Punctuation is split off, and each punctuation mark is a token of its own.",
            "One special token goes in front, and one closes the text.",
        ),
        solution="count = 6 + 1 + 2  # words, the period, [CLS] and [SEP]",
    ),
    "tokens_per_word": Exercise(
        task="Write a function that takes a list of tokens and returns the mean number of tokens per word.",
        blank="def tokens_per_word(tokens):\n    return ...",
        answer="tokens_per_word",
        check=check_tokens_per_word,
        correct="tokenizers are compared by this number; papers call it fertility.",
        hints=(
            "A word begins at each token that does not begin with ##.",
            "Count these tokens with str.startswith; then divide len(tokens) by the count.",
        ),
        solution=(
            "def tokens_per_word(tokens):\n"
            '    words = sum(not token.startswith("##") for token in tokens)\n'
            "    return len(tokens) / words"
        ),
        cases=(
            (["cat"],),
            (["em", "##bed", "##ding", "##s"],),
            (["#", "1", ":", "c", "#"],),
            (["a", "mat", "."] * 50 + ["un", "##want", "##ed"],),
        ),
    ),
    "types_and_mask": Exercise(
        task="Write a function that returns the types and the mask of a pair with n and m tokens, padded to `length`.",
        blank="def types_and_mask(n, m, length):\n    return ...",
        answer="types_and_mask",
        check=check_types_and_mask,
        correct="[CLS] and the first [SEP] belong to the first text, the last [SEP] to the second.",
        hints=(
            "Write the tokens of the example above on paper, and both lists below them. How many zeros come first?",
            "Types: n + 2 zeros, m + 1 ones, then zeros. Mask: n + m + 3 ones, then zeros. Both are `length` long.",
        ),
        solution=(
            "def types_and_mask(n, m, length):\n"
            "    padding = [0] * (length - n - m - 3)\n"
            "    types = [0] * (n + 2) + [1] * (m + 1) + padding\n"
            "    mask = [1] * (n + m + 3) + padding\n"
            "    return types, mask"
        ),
        cases=((3, 2, 10), (1, 1, 5), (1, 6, 20), (7, 3, 14), (0, 4, 9), (5, 0, 8), (100, 27, 512)),
    ),
    "share_the_room": Exercise(
        task="Write round-robin truncation: of n and m tokens, how many of each remain within the limit?",
        blank="def round_robin(n, m, limit):\n    return ...",
        answer="round_robin",
        check=check_share_the_room,
        correct="they take turns, one token at a time, and what a short text does not need goes to the other.",
        hints=(
            "Begin with two counts of 0. Then alternate: each text in turn adds a token, if it has any left.",
            "Stop when the limit is reached, or when neither text has tokens left.",
        ),
        solution=(
            "def round_robin(n, m, limit):\n"
            "    counts = [0, 0]\n"
            "    while sum(counts) < min(limit, n + m):\n"
            "        for text, size in enumerate((n, m)):\n"
            "            if counts[text] < size and sum(counts) < limit:\n"
            "                counts[text] += 1\n"
            "    return counts"
        ),
        cases=(
            *((3, 10, 8), (10, 3, 8), (1, 1, 1), (5, 5, 0), (6, 5, 11), (4, 6, 11), (0, 9, 5), (7, 0, 4)),
            *((5, 4, 7), (4, 5, 6), (1000, 3, 509), (2, 600, 509), (300, 400, 509)),
        ),
    ),
    "fewest_pieces": Exercise(
        task="Write a function that returns the smallest number of vocabulary pieces that make up a word.",
        blank="def fewest_pieces(word, vocabulary, start=True):\n    return ...",
        answer="fewest_pieces",
        check=check_fewest_pieces,
        correct="it tries every split, where WordPiece takes the longest first piece and never reconsiders.",
        hints=(
            "An empty word needs 0 pieces. Otherwise try every start of the word that is a piece, short ones too.",
            "Each costs 1 plus the fewest pieces for the rest of the word, where pieces begin with ##: call the "
            "function itself with start=False, and take the minimum.",
        ),
        solution=(
            "def fewest_pieces(word, vocabulary, start=True):\n"
            "    if not word:\n"
            "        return 0\n"
            '    prefix = "" if start else "##"\n'
            "    ends = [end for end in range(1, len(word) + 1) if prefix + word[:end] in vocabulary]\n"
            '    return min((1 + fewest_pieces(word[end:], vocabulary, False) for end in ends), default=float("inf"))'
        ),
        cases=(
            ("a", AB),
            ("aa", AB),
            ("embeddings", ["em", "##bed", "##ding", "##s", "##beddings", "embeddings"]),
            ("reenlisting", ["re", "##en", *PIECES]),
            ("unwanted", ["##unwanted", "un", "##wanted", "wanted", "unwant", "##e", "##d"]),
            ("aaababaabba", AB),
            ("aaaaababaabba", AB),
        ),
    ),
}
