"""Exercises of notebooks/01_text_to_tokens.ipynb."""

import functools

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, one_number


def check_count(answer):
    got = one_number(answer, "how many tokens BERT reads.")
    reasons = {
        6: "6 is the words. The full stop is a token too, and two special tokens are put around the text.",
        7: "7 is right without the special tokens; [CLS] goes in front, and [SEP] closes the text.",
        8: "8 has one special token only: there is [CLS] in front and [SEP] behind. (Or is the full stop missing?)",
        10: "10 is one too many. One text has [CLS] and one [SEP]; only a pair has two [SEP].",
        128: "128 is the length with padding; [PAD] is not to be counted.",
        23: "23 is the characters.",
    }
    compare(got, 9, list(reasons.items()))


def check_tokens_per_word(answer):
    for tokens in (
        ["the", "em", "##bed", "##ding", "##s", "are", "un", "##want", "##ed"],
        ["un", "##want", "##ed", "cat"],
        ["the", "cat", "sat"],
    ):
        pieces = sum(token.startswith("##") for token in tokens)
        words, every = len(tokens) - pieces, len(tokens)
        typical = [
            (every, "that is how many tokens there are; divide by the number of words."),
            (words, "that is how many words there are; how many tokens are there for each?"),
            (words / every, "it is upside down: tokens divided by words."),
            (1, "each token is counted as a word. A token with ## belongs to the word before it."),
            (pieces / words, "only the pieces with ## are counted; the first piece of a word is a token too."),
            (pieces / every, "that is the share of the pieces with ##."),
            (pieces, "that is how many pieces begin with ##."),
            (every // words, "it is rounded down: divide with / and not with //."),
            (every / pieces if pieces else 0, "a word begins where there is no ##; those with ## have been counted."),
        ]
        compare(call(answer, list(tokens)), every / words, typical)


def _types_and_mask(n, m, length):
    used, second = n + m + 3, m + 1
    types = [0] * (n + 2) + [1] * second + [0] * (length - used)
    return np.array([types, [1] * used + [0] * (length - used)])


def check_types_and_mask(answer):
    for n, m, length in ((3, 2, 10), (2, 5, 13), (4, 1, 8)):
        right = _types_and_mask(n, m, length)
        types, mask = right
        used = n + m + 3
        places = np.arange(length)
        last = (places == used - 1).astype(int)
        special = np.isin(places, (0, n + 1, used - 1))
        texts_only = [[0] * n + [1] * m + [0] * (length - n - m), [1] * (n + m) + [0] * (length - n - m)]
        typical = [
            (right[::-1], "the two rows are swapped: first the types, then the mask."),
            (right[:, :used], "the padding is missing: both lists have `length` numbers, 0 where [PAD] stands."),
            ([types, 1 - mask], "the mask is turned round: 1 where there is a token, 0 where there is padding."),
            ([types, mask * ~special], "[CLS] and [SEP] are tokens like the others: their mask is 1."),
            ([types, np.ones(length)], "the mask is 1 at the padding too; it should be 0 there."),
            ([np.where(places > n + 1, 1, 0), mask], "the types are 1 at the padding too; [PAD] has type 0."),
            ([np.where(places == n + 1, 1, types), mask], "the first [SEP] belongs to the first text: its type is 0."),
            ([types - last, mask], "the last [SEP] closes the second text: its type is 1."),
            ([[*types[1:], 0], [*mask[1:], 0]], "it is one place too far left: [CLS] takes a place too."),
            (texts_only, "[CLS] and the two [SEP] take places as well, and are tokens like the others."),
            ([np.zeros(length), mask], "all types are 0; those of the second text, with its [SEP], are 1."),
        ]
        compare(call(answer, n, m, length), right, typical)


def _share(n, m, room):
    kept = [0, 0]
    while sum(kept) < min(room, n + m):
        turn = 0 if kept[0] <= kept[1] and kept[0] < n or kept[1] == m else 1
        kept[turn] += 1
    return kept


def check_share_the_room(answer):
    for n, m, room in ((3, 10, 8), (10, 3, 8), (9, 9, 7), (2, 3, 20), (8, 9, 10)):
        half = room // 2
        in_proportion = round(room * n / (n + m))
        even = [min(n, half), min(m, half)]
        right = _share(n, m, room)
        typical = [
            ([min(n, room), max(0, room - n)], "the first text takes all it can, and the second gets the rest."),
            ([max(0, room - m), min(m, room)], "the second text takes all it can, and the first gets the rest."),
            (_share(m, n, room)[::-1], "the turns begin with the first text, so that it gets the odd place."),
            ([room - half, half], "each gets half of the room, even where a text is shorter than that."),
            (even, "places stay empty: what a short text does not need, the other one may have."),
            (
                [in_proportion, room - in_proportion],
                "that is in proportion to the lengths; take turns, one place each.",
            ),
            ([right[0], right[1] + 1], "one too many: before the second text takes a place, is there still one?"),
            ([n, m], "nothing is cut: together they need more than the room there is."),
        ]
        compare(call(answer, n, m, room), right, typical)


def _greedy(word, vocabulary, start=True, shortest=False):
    ends = range(1, len(word) + 1) if shortest else range(len(word), 0, -1)
    for end in ends:
        if ("" if start else "##") + word[:end] in vocabulary:
            return 1 + _greedy(word[end:], vocabulary, False, shortest)
    return 0 if not word else float("inf")


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
]


def _call_for_fewest(answer, word):
    try:
        return call(answer, word, list(PIECES))
    except WrongAnswer as reason:
        if "empty" not in str(reason) and "NoneType" not in str(reason):
            raise
        raise WrongAnswer(
            f"{reason} For {word!r} some starts fit and yet lead nowhere, since nothing fits behind them. What does "
            "the function give back there? It has to be more than any count, so that it is never the smallest."
        ) from None


def check_fewest_pieces(answer):
    marks_ignored = [*PIECES, *(f"##{piece}" for piece in PIECES)]
    for word in ("mat", "cat", "catmat", "unwanted", "pprint"):
        typical = [
            (_greedy(word, PIECES), f"for {word!r} that is what longest-match-first needs; try shorter starts too."),
            (len(word), f"for {word!r} that is the number of letters."),
            (_greedy(word, PIECES, shortest=True), f"for {word!r} that is the shortest start first; try all starts."),
            (1, f"{word!r} is no piece of its own; count the pieces of what is left as well."),
            (
                _fewest(word, marks_ignored),
                "after the start of a word, only pieces with ## may follow: start is False.",
            ),
            (_fewest(word, PIECES) + 1, f"for {word!r} that is one too many: an empty word needs no piece at all."),
        ]
        compare(_call_for_fewest(answer, word), _fewest(word, PIECES), typical)


EXERCISES = {
    "count": Exercise(
        task='How many tokens does BERT read for "The cat sat on the mat."? Without padding, all others counted.',
        blank="count = ...",
        answer="count",
        check=check_count,
        correct="six words, a full stop, [CLS] and [SEP].",
        hints=(
            "Punctuation is split off, and each mark is a token of its own.",
            "One special token is put in front, and one closes the text.",
        ),
        solution="count = 6 + 1 + 2  # words, the full stop, [CLS] and [SEP]",
    ),
    "tokens_per_word": Exercise(
        task="Write a function: given a list of tokens, how many tokens does a word take, on average?",
        blank="def tokens_per_word(tokens):\n    return ...",
        answer="tokens_per_word",
        check=check_tokens_per_word,
        correct="that is the figure by which tokenizers are compared; its name in papers is fertility.",
        hints=(
            "A word begins at each token that does not begin with ##.",
            "Count those tokens with str.startswith; then divide len(tokens) by that count.",
        ),
        solution=(
            "def tokens_per_word(tokens):\n"
            '    words = sum(not token.startswith("##") for token in tokens)\n'
            "    return len(tokens) / words"
        ),
    ),
    "types_and_mask": Exercise(
        task="Write the types and the mask of a pair with n and m tokens, padded to `length`: two lists.",
        blank="def types_and_mask(n, m, length):\n    return ...",
        answer="types_and_mask",
        check=check_types_and_mask,
        correct="[CLS] and the first [SEP] go with the first text, the last [SEP] with the second.",
        hints=(
            "Write the tokens of the example above on paper, and both rows below them. How many 0 come first?",
            "Types: n + 2 zeros, m + 1 ones, then zeros. Mask: n + m + 3 ones, then zeros. Both are `length` long.",
        ),
        solution=(
            "def types_and_mask(n, m, length):\n"
            "    padding = [0] * (length - n - m - 3)\n"
            "    types = [0] * (n + 2) + [1] * (m + 1) + padding\n"
            "    mask = [1] * (n + m + 3) + padding\n"
            "    return types, mask"
        ),
    ),
    "share_the_room": Exercise(
        task="Write round robin: of n and m tokens, how many of each are kept when there is room for `room`?",
        blank="def share_the_room(n, m, room):\n    return ...",
        answer="share_the_room",
        check=check_share_the_room,
        correct="in turn, one place each, and what a short text does not need goes to the other.",
        hints=(
            "Begin with two counts of 0. Then go round and round: the first text takes a place if it has tokens left, "
            "then the second.",
            "Stop when the room is used up, or when neither text has tokens left.",
        ),
        solution=(
            "def share_the_room(n, m, room):\n"
            "    kept = [0, 0]\n"
            "    while sum(kept) < min(room, n + m):\n"
            "        for text, size in enumerate((n, m)):\n"
            "            if kept[text] < size and sum(kept) < room:\n"
            "                kept[text] += 1\n"
            "    return kept"
        ),
    ),
    "fewest_pieces": Exercise(
        task="Write a function: of how few pieces of the vocabulary can a word be made?",
        blank="def fewest_pieces(word, vocabulary, start=True):\n    return ...",
        answer="fewest_pieces",
        check=check_fewest_pieces,
        correct="it looks at every way to cut, where WordPiece takes the longest start and never looks back.",
        hints=(
            "An empty word needs 0 pieces. Else: try every start of the word that is a piece, not only the longest.",
            "Each try costs 1 plus the fewest pieces for what is left, where pieces begin with ##: call the function "
            "itself, with start=False, and take the smallest.",
        ),
        solution=(
            "def fewest_pieces(word, vocabulary, start=True):\n"
            "    if not word:\n"
            "        return 0\n"
            '    prefix = "" if start else "##"\n'
            "    ends = [end for end in range(1, len(word) + 1) if prefix + word[:end] in vocabulary]\n"
            '    return min((1 + fewest_pieces(word[end:], vocabulary, False) for end in ends), default=float("inf"))'
        ),
    ),
}
