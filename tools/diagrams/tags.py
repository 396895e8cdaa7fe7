"""A diagram of token classification."""

from tools.diagrams.canvas import Drawing

TAGGED = (  # words with their tokens and labels
    ("Use", ("use",), "O"),
    ("async", ("as", "##yn", "##c"), "B-CODE"),
    ("for", ("for",), "I-CODE"),
    ("or", ("or",), "O"),
    ("next()", ("next", "(", ")"), "B-CODE"),
    (".", (".",), "O"),
)


def word_pieces_and_labels():
    """Draw the words of a sentence, their tokens, and the tokens that carry the words' labels."""
    d = Drawing(
        "word_pieces_and_labels",
        590,
        "Words, word pieces and labels",
        "Six words with a label each: Use O, async B-CODE, for I-CODE, or O, next() B-CODE, and the period O. They are "
        "ten tokens, because async is as, ##yn, ##c and next() is next and two parentheses; with CLS and SEP, twelve. "
        "The first token of each word carries its label and has weight 1, and all others are ignored, with weight 0.",
    )
    for x, name in ((74, "word"), (202, "token"), (380, "label"), (492, "weight")):
        d.text(x, 30, name, "bold")
    rows = [("[CLS]", None), *_labeled_tokens(), ("[SEP]", None)]
    for i, (token, label) in enumerate(rows):
        y = 50 + 40 * i
        chip = d.box(160, y, 84, 32, token, role="stream" if label else "off")
        d.text(492, chip.cy, "1" if label else "0", "bold" if label else "muted")
        if label:
            box = d.box(326, y, 108, 32, label, role="plain" if label == "O" else "new")
            d.arrow(chip.east, box.west)
        else:
            d.note(380, chip.cy, "ignored", anchor="middle")
    y = 90
    for word, tokens, _ in TAGGED:
        box = d.box(24, y, 100, 40 * len(tokens) - 8, word)
        d.line((box.right, y + 16), (160, y + 16))
        if len(tokens) > 1:
            d.bracket((152, y + 56), (152, box.bottom), depth=-8)
        y += 40 * len(tokens)
    d.note(270, 552, "Loss and accuracy are means over the tokens of weight 1,", "one per word.", anchor="middle")
    return d


def _labeled_tokens():
    """Yield (token, label) of all words; the label is None for all but the first token of a word."""
    for _, tokens, label in TAGGED:
        for i, token in enumerate(tokens):
            yield token, None if i else label


DIAGRAMS = (word_pieces_and_labels,)
