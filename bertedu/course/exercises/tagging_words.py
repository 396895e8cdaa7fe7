"""Exercises of notebooks/15_tagging_words.ipynb."""

from bertedu.course.exercise import Exercise, WrongAnswer, agree, call, compare, kind, numbers, one_number

IGNORED = -100
LABELS, COUNTS = [0, 1, 2, 0, 1], [1, 3, 1, 2, 4]
ALIGNED = [-100, 0, 1, -100, -100, 2, 0, -100, 1, -100, -100, -100, -100]

TAGS = ["B-CODE", "I-CODE", "O", "B-CODE", "B-CODE", "I-CODE", "I-CODE", "O", "B-CODE"]
SPANS = [(0, 2), (3, 4), (4, 7), (8, 9)]

EXPECTED = [[(0, 2), (4, 5)], [(1, 2)], [], [(0, 1), (2, 4), (6, 7)]]
PREDICTED = [[(0, 2)], [], [(3, 4)], [(0, 1), (2, 3)]]


def _joined(first, later, ends, counts=COUNTS):
    """Return labels of all tokens, from functions of a word's label for its first token and for the later ones."""
    labels = [ends]
    for label, count in zip(LABELS, counts, strict=True):
        labels += [first(label)] + [later(label)] * (count - 1)
    return [*labels, ends]


def check_align(answer):
    ignored = _joined(lambda label: label, lambda label: IGNORED, IGNORED)
    last = [x for label, count in zip(LABELS, COUNTS, strict=True) for x in [IGNORED] * (count - 1) + [label]]
    typical = [
        (ignored[1:-1], "[CLS] in front and [SEP] at the end are tokens, too, and are ignored: one -100 for each."),
        (_joined(lambda label: label, lambda label: label, IGNORED), "only the first token of a word has its label."),
        (_joined(lambda label: label, lambda label: 0, IGNORED), "0 is the class O. An ignored token has -100."),
        (_joined(lambda label: label, lambda label: 0, 0), "0 is the class O. An ignored token has -100."),
        (_joined(lambda label: label, lambda label: IGNORED, 0), "[CLS] and [SEP] belong to no word: -100, not 0."),
        ([IGNORED, *last, IGNORED], "that is each word's last token. The first one has the label."),
        (ignored[:-1], "the last token, [SEP], is missing."),
        (ignored[1:], "the first token, [CLS], is missing."),
        (LABELS, "that is one label per word. Return one per token."),
        ([IGNORED, *LABELS, IGNORED], "that is one label per word. A word of three tokens needs three entries."),
    ]
    compare(call(answer, list(LABELS), list(COUNTS)), ignored, typical)


def check_spans(answer):
    def shifted(start, end):
        return [(i + start, j + end) for i, j in SPANS]

    one_each = [(i, i + 1) for i, tag in enumerate(TAGS) if tag != "O"]
    typical = [
        (shifted(0, -1), "the end is exclusive: one after the last word."),
        (shifted(1, 1), "count words from 0."),
        (shifted(1, 0), "count words from 0."),
        (SPANS[:-1], "the last span reaches the end of the sentence and was never closed."),
        ([(0, 2), (3, 7), (8, 9)], "a B- always begins a span, even right after another one."),
        (one_each, "I- continues the span of the word before."),
        ([(i, i + 1) for i, _ in SPANS], "I- continues the span of the word before."),
        ([(i, j - i) for i, j in SPANS], "return where a span ends, not its length."),
    ]
    got = call(answer, list(TAGS))
    if isinstance(got, set):
        raise WrongAnswer("return a list, in the order of the sentence; a set has no order.")
    compare(got, SPANS, typical)
    got = call(answer, ["O", "I-CODE", "I-CODE", "O", "I-CODE"])
    compare(got, [(1, 3), (4, 5)], [([], "an I- after O, as a model may predict it, begins a span, too.")])


def _bioes(tags):
    """Return the tags of a sentence in IOBES."""
    result = []
    for tag, after in zip(tags, [*tags[1:], "O"], strict=True):
        prefix, _, label = tag.partition("-")
        goes_on = after == f"I-{label}"
        new = {"B": "B" if goes_on else "S", "I": "I" if goes_on else "E"}.get(prefix)
        result.append(f"{new}-{label}" if new else tag)
    return result


def check_iobes(answer):
    tags = ["O", "B-CODE", "I-CODE", "I-CODE", "B-CODE", "O", "B-NAME", "I-NAME", "B-CODE"]
    got = call(answer, list(tags))
    if got == tags:
        raise WrongAnswer("the tags are unchanged. The last word of a span needs E-, and an only one S-.")
    if isinstance(got, list) and all(isinstance(tag, str) for tag in got):
        expected = _bioes(tags)
        if len(got) == len(expected) and got[-1] != expected[-1] and got[:-1] == expected[:-1]:
            raise WrongAnswer("the last word of the sentence ends its span, too: nothing follows.")
        if "S-CODE" not in got and got.count("B-CODE") == 3:
            raise WrongAnswer("a span of one word has neither beginning nor end: it is S-, for single.")
        if "E-CODE" not in got:
            raise WrongAnswer("the last word of a span of several words is E-, for end.")
    else:
        if got is None or got is ...:
            numbers(got)  # explains None and the dots
        raise WrongAnswer(f"expected a list of tags, got {kind(got)}.")
    agree(got, _bioes(tags))


def _counts(expected, predicted):
    right = sum(len(set(true) & set(other)) for true, other in zip(expected, predicted, strict=True))
    return right, sum(map(len, expected)), sum(map(len, predicted))


def check_f1(answer):
    right, actual, total = _counts(EXPECTED, PREDICTED)
    pairs = [(set(true), set(other)) for true, other in zip(EXPECTED, PREDICTED, strict=True)]
    by_sentence = [2 * len(a & b) / (len(a) + len(b)) for a, b in pairs]
    typical = [
        (right / total, "that is the precision. F1 needs the recall, too."),
        (right / actual, "that is the recall. F1 needs the precision, too."),
        ((right / total + right / actual) / 2, "that is the mean of both. F1 is the harmonic mean, which is smaller."),
        (right / (total + actual - right), "that is the Jaccard similarity, right / (all different spans)."),
        (right / (total + actual), "twice the right spans: 2 * right / (expected + predicted)."),
        (sum(by_sentence) / len(pairs), "that is the mean over sentences. Count the spans of all sentences first."),
        (100 * 2 * right / (total + actual), "a fraction, please, not percent."),
    ]
    got = one_number(call(answer, [list(row) for row in EXPECTED], [list(row) for row in PREDICTED]), "the F1.")
    compare(got, 2 * right / (total + actual), typical)
    try:
        nothing = one_number(call(answer, [[], []], [[], []]), "the F1.")
    except WrongAnswer as reason:
        raise WrongAnswer(f"it is right where there are spans. For sentences without any: {reason}") from None
    compare(nothing, 0.0)


EXERCISES = {
    "align": Exercise(
        task=(
            "Return the labels of all tokens of a sentence, from [CLS] to [SEP]: the first token of each word has the "
            "word's label, all others have -100."
        ),
        blank="def align(word_labels, token_counts):\n    return ...",
        answer="align",
        check=check_align,
        correct="these are the labels that transformers and torch expect: their loss ignores -100.",
        hints=(
            "Begin with a list that holds -100 for [CLS]. Walk through words and counts together with zip.",
            "A word of n tokens adds its label once, and then -100 for the n - 1 others.",
        ),
        solution=(
            "def align(word_labels, token_counts):\n"
            "    labels = [-100]  # [CLS]\n"
            "    for label, count in zip(word_labels, token_counts):\n"
            "        labels += [label] + [-100] * (count - 1)\n"
            "    return labels + [-100]  # [SEP]"
        ),
        cases=(
            ([2], [1]),
            ([], []),
            ([1, 0, 0, 2, 1, 0], [1, 1, 1, 5, 2, 1]),
            ([0, 7, 3], [6, 1, 2]),
        ),
    ),
    "spans": Exercise(
        task="Return the spans of a sentence tagged in BIO: a list of (first word, last word + 1), in order.",
        blank="def spans(tags):\n    return ...",
        answer="spans",
        check=check_spans,
        correct="B- begins a span, O ends one, and a stray I- is forgiven, as seqeval does.",
        hints=(
            "Walk through the tags with enumerate. At each word a span begins, goes on, or there is none.",
            "Store the spans as [first, last + 1], and move the end of the last one by 1 whenever an I- continues it.",
        ),
        solution=(
            "def spans(tags):\n"
            "    found, before = [], 'O'\n"
            "    for i, tag in enumerate(tags):\n"
            "        if tag[0] == 'I' and before != 'O':\n"
            "            found[-1] = (found[-1][0], i + 1)\n"
            "        elif tag != 'O':\n"
            "            found.append((i, i + 1))\n"
            "        before = tag\n"
            "    return found"
        ),
        cases=(
            ([],),
            (["O", "O"],),
            (["I-CODE"],),
            (["B-CODE", "O", "I-CODE", "I-CODE", "B-CODE", "B-CODE", "I-CODE"],),
            (["O", "B-CODE", "I-CODE", "I-CODE", "O", "O", "B-CODE"],),
        ),
    ),
    "to_iobes": Exercise(
        task="Turn the tags of a sentence from BIO into IOBES.",
        blank="def to_iobes(tags):\n    return ...",
        answer="to_iobes",
        check=check_iobes,
        correct="each tag now says where a span ends, too.",
        hints=(
            "What changes depends on the next tag: does it continue this span? After the last word, treat it as O.",
            "B- becomes S- and I- becomes E- unless the next tag begins with I.",
        ),
        solution=(
            "def to_iobes(tags):\n"
            "    result = []\n"
            "    for tag, after in zip(tags, tags[1:] + ['O']):\n"
            "        if after[0] != 'I':\n"
            "            tag = tag.replace('B-', 'S-').replace('I-', 'E-')\n"
            "        result.append(tag)\n"
            "    return result"
        ),
        cases=(
            (["O", "O"],),
            (["B-CODE"],),
            (["B-CODE", "B-CODE", "I-CODE"],),
            (["O", "B-A", "I-A", "I-A", "I-A", "O", "B-B"],),
        ),
    ),
    "f1": Exercise(
        task=(
            "Return the F1 of all sentences: `expected` and `predicted` have a list of spans for each. Return 0 if "
            "there are no spans at all."
        ),
        blank="def f1(expected, predicted):\n    return ...",
        answer="f1",
        check=check_f1,
        correct="a span counts only if both its ends are right.",
        hints=(
            "Three numbers are enough: how many spans are right, expected and predicted, in all sentences.",
            "set(a) & set(b) has the right ones. F1 is twice their number, divided by the sum of the other two.",
        ),
        solution=(
            "def f1(expected, predicted):\n"
            "    right = sum(len(set(true) & set(other)) for true, other in zip(expected, predicted))\n"
            "    total = sum(len(spans) for spans in expected + predicted)\n"
            "    return 2 * right / total if total else 0"
        ),
        cases=(
            ([[(0, 1)]], [[(0, 1)]]),
            ([[(0, 1)], [(0, 1)]], [[], [(0, 1), (2, 3)]]),  # a position is that of its own sentence
            ([[(0, 2)]], [[(0, 1), (1, 2)]]),
            ([[], []], [[(1, 2)], []]),
        ),
    ),
}
