"""Diagrams of the input: tokenization, embeddings and padding."""

import math

from tools.diagrams.canvas import Drawing, shade

PADDED_LOGITS = [
    [2.1, 0.4, 0.3, 1.1],
    [0.5, 1.0, 1.9, 0.1],
    [0.3, 2.4, 0.9, 0.6],
    [1.5, 0.2, 0.8, 1.0],
    [0.9, 0.7, 0.4, 1.3],
]
"""Attention logits of five queries, the last of them padding, for the four keys that are not."""


def tokenization():
    """Draw the steps from a text to ids, type ids and mask."""
    d = Drawing(
        "tokenization",
        520,
        "From a text to the inputs of BERT",
        "The text 'Unaffable café' is lower-cased without accents, split into words, and each word into the longest "
        "pieces of the vocabulary: una, ##ffa, ##ble, cafe. With CLS in front, SEP at the end and one PAD, these "
        "are seven tokens. Each has an id, the type id 0, and a mask of 1, or 0 for PAD.",
    )
    columns = [78 + 64 * i for i in range(7)]
    text = d.box(148, 24, 240, 38, "Unaffable café")
    lower = d.box(148, 110, 240, 38, "unaffable cafe")
    words = [d.box(columns[1], 196, 188, 38, "unaffable"), d.box(columns[4], 196, 60, 38, "cafe")]
    d.arrow(text.south, lower.north)
    for word in words:
        d.arrow((word.cx, lower.bottom), word.north)
    d.note(20, 86, "lower case, no accents")
    d.note(20, 172, "split into words")
    d.note(20, 255, "WordPiece:", "longest piece first")
    tokens = ["[CLS]", "una", "##ffa", "##ble", "cafe", "[SEP]", "[PAD]"]
    rows = {"ids": [101, 14477, 20961, 3468, 7668, 102, 0], "types": [0] * 7, "mask": [1] * 6 + [0]}
    for i, (x, token) in enumerate(zip(columns, tokens, strict=True)):
        chip = d.box(x, 298, 60, 36, token, role="off" if token == "[PAD]" else "stream")
        if 1 <= i <= 4:
            d.arrow((chip.cx, 234), chip.north)
    d.note(20, 316, "tokens")
    for r, (name, numbers) in enumerate(rows.items()):
        y = 346 + 40 * r
        d.group(78, y, 444, 32)
        d.note(20, y + 16, name)
        for x, value in zip(columns, numbers, strict=True):
            d.text(x + 30, y + 16, str(value), "muted" if x == columns[6] else "")
    d.note(270, 486, "[CLS] and [SEP] are added, then [PAD] up to a fixed length.", anchor="middle")
    return d


def vector(table, index):
    """Return the shades of the six elements of an embedding."""
    return [shade(table, index, j) for j in range(6)]


def normalize(values):
    """Return the shades of a vector after layer normalization."""
    mean = sum(values) / len(values)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
    return [min(max(0.5 + 0.3 * (value - mean) / deviation, 0), 1) for value in values]


def embeddings():
    """Draw the three embeddings of each token, their sum and its normalization."""
    d = Drawing(
        "embeddings",
        548,
        "Embeddings: a sum of three vectors per token",
        "For each of the tokens CLS the cat sat SEP, a word embedding (chosen by the token's id), a position "
        "embedding (0 to 4) and a type embedding (segment 0) are added. Layer normalization and, in training only, "
        "dropout follow. The result is the input of the first layer, one vector of D elements per token.",
    )
    ids = {"[CLS]": 101, "the": 1996, "cat": 4937, "sat": 2938, "[SEP]": 102}
    names = ("word", "position", "type")
    for r, (name, shape) in enumerate(zip(names, ("[V, D]", "[512, D]", "[2, D]"), strict=True)):
        d.text(20, 92 + 86 * r, name, "bold", "start")
        d.note(20, 112 + 86 * r, shape)
    norm = d.box(112, 334, 408, 36, "LayerNorm, each token by itself")
    dropout = d.box(112, 396, 408, 36, "~dropout (in training only)", extra="dashed")
    for t, (token, token_id) in enumerate(ids.items()):
        x = 112 + 84 * t
        chip = d.box(x, 20, 72, 34, token, role="stream")
        columns = [vector(table, index) for table, index in enumerate((token_id, t, 0))]
        for r, (index, values) in enumerate(zip((token_id, t, 0), columns, strict=True)):
            box = d.box(x, 74 + 86 * r, 72, 54, role="table")
            d.text(box.cx, box.y + 17, str(index), within=box)
            d.cells(x + 6, box.y + 32, 1, 6, role="table", size=10, height=12, values=[values])
            if r:
                d.plus(box.cx, box.y - 16)
        d.arrow(chip.south, (chip.cx, 74))
        d.arrow((chip.cx, 300), (chip.cx, norm.y))
        d.arrow((chip.cx, norm.bottom), (chip.cx, dropout.y))
        d.arrow((chip.cx, dropout.bottom), (chip.cx, 462))
        d.cells(
            x, 462, 1, 6, size=12, height=18, values=[normalize([sum(column) for column in zip(*columns, strict=True)])]
        )
    d.text(20, 471, "x_{0}", "bold", "start")
    d.note(316, 512, "input of the first layer, [T, D]", anchor="middle")
    return d


def number_table(d, x, y, rows, role, hidden):
    """Draw a matrix of numbers with the padded last column hidden."""
    for i, row in enumerate(rows):
        for j, value in enumerate([*row, hidden]):
            d.box(x + 57 * j, y + 34 * i, 54, 30, str(value), role="off" if j == 4 else role, radius=4)


def padding_mask():
    """Draw a batch of two texts, its mask, and the logits and weights of the shorter text."""
    d = Drawing(
        "padding_mask",
        712,
        "The padding mask of attention",
        "A batch of two texts: CLS the cat sat SEP, and the shorter CLS it ran SEP, filled up with one PAD. "
        "The mask is 1 at tokens and 0 at PAD. In the shorter text, minus one billion is added to the attention "
        "logits of the key PAD, so that the softmax gives it an attention weight of exactly 0.",
    )
    texts = [["[CLS]", "the", "cat", "sat", "[SEP]"], ["[CLS]", "it", "ran", "[SEP]", "[PAD]"]]
    for b, tokens in enumerate(texts):
        d.note(20, 38 + 84 * b, f"text {b}")
        d.note(20, 72 + 84 * b, "mask")
        for j, token in enumerate(tokens):
            d.box(72 + 57 * j, 22 + 84 * b, 54, 32, token, role="off" if token == "[PAD]" else "stream")
            d.text(99 + 57 * j, 72 + 84 * b, str(int(token != "[PAD]")), "muted" if token == "[PAD]" else "bold")
    exponentials = [[math.exp(value) for value in row] for row in PADDED_LOGITS]
    weights = [[f"{e / sum(row):.2f}" for e in row] for row in exponentials]
    keys = texts[1]
    for y, rows, role, hidden in ((230, PADDED_LOGITS, "plain", "−10^{9}"), (514, weights, "weight", "0")):
        for j, token in enumerate(keys):
            d.text(99 + 57 * j, y - 18, token, "muted" if token == "[PAD]" else "")
            d.text(64, y + 15 + 34 * j, token, "muted" if token == "[PAD]" else "", "end")
        number_table(d, 72, y, rows, role, hidden)
    d.note(368, 212, "← keys")
    d.text(368, 245, "attention logits", "bold", "start")
    d.note(368, 267, "of text 1, one head", "", "−10^{9} is added", "where the mask is 0")
    d.box(72, 418, 282, 36, "softmax over the keys")
    d.arrow((213, 400), (213, 418))
    d.arrow((213, 454), (213, 482))
    d.text(368, 529, "attention weights", "bold", "start")
    d.note(368, 551, "each row sums to 1", "", "A padded query still", "attends. Its output", "is not used.")
    return d


DIAGRAMS = (tokenization, embeddings, padding_mask)
