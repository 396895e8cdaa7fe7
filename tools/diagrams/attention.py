"""Diagrams of attention: one head, all heads, and heads that talk."""

import math

from tools.diagrams.canvas import Drawing, shade


def product(a, b):
    """Return the product of two matrices, as lists of rows."""
    return [[sum(x * y for x, y in zip(row, column, strict=True)) for column in zip(*b, strict=True)] for row in a]


def random_matrix(rows, columns, seed):
    """Return a matrix of elements between -1 and 1 that depends only on `seed`."""
    return [[2 * shade(seed, i, j) - 1 for j in range(columns)] for i in range(rows)]


def softmax(rows, factor=1.0):
    """Return the softmax of each row, after multiplication by `factor`."""
    powers = [[math.exp(factor * value) for value in row] for row in rows]
    return [[power / sum(row) for power in row] for row in powers]


def shades(rows):
    """Return the elements of a matrix, scaled to [0, 1]."""
    low, high = min(map(min, rows)), max(map(max, rows))
    return [[(value - low) / (high - low) for value in row] for row in rows]


def attention_head():
    """Draw queries, keys and values of one head, its weights and its context vectors."""
    d = Drawing(
        "attention_head",
        716,
        "One attention head",
        "From the hidden states x, T × D, three dense layers compute queries, keys and values, T × H each. The "
        "scaled dot products q k^T / √H are the attention logits, T × T; with the mask and a softmax over the keys "
        "they become the attention weights. The weights times the values are the context vectors, T × H.",
    )
    x = random_matrix(5, 8, 3)
    q, k, v = (product(x, random_matrix(8, 4, seed)) for seed in (11, 12, 13))
    logits = product(q, [list(column) for column in zip(*k, strict=True)])
    weights = softmax(logits, 4**-0.5)  # H = 4
    d.text(262, 32, "x", "bold", "end")
    d.note(272, 32, "[T, D]")
    stream = d.cells(214, 48, 5, 8, values=shades(x))
    boxes = {}
    for name, cx, role, values in (("q", 100, "query", q), ("k", 250, "key", k), ("v", 425, "value", v)):
        dense = d.box(cx - 48, 156, 96, 36, f"x W_{{{name}}} + b_{{{name}}}")
        d.arrow(stream.south, (270, 136), (cx, 136), dense.north)
        boxes[name] = d.cells(cx - 28, 214, 5, 4, role, values=shades(values))
        d.arrow(dense.south, boxes[name].north)
        d.text(cx + 38, 239, {"q": "queries", "k": "keys", "v": "values"}[name], "bold", "start")
        d.note(cx + 38, 259, "[T, H]")
    dots = d.box(95, 318, 160, 38, "q k^{T} / √H")
    d.arrow(boxes["q"].south, (100, 302), (145, 302), (145, dots.y), role="query")
    d.arrow(boxes["k"].south, (250, 302), (205, 302), (205, dots.y), role="key")
    _weights_of_head(d, dots, logits, weights)
    total = d.box(357, 554, 136, 38, "weights · v")
    d.arrow((210, 573), total.west, role="weight")
    d.arrow(boxes["v"].south, total.north, role="value")
    context = d.cells(397, 618, 5, 4, "value", values=shades(product(weights, v)))
    d.arrow(total.south, context.north)
    d.text(463, 643, "context", "bold", "start")
    d.note(463, 663, "[T, H]")
    return d


def _weights_of_head(d, dots, logits, weights):
    """Draw the attention logits, the softmax and the attention weights."""
    scores = d.cells(140, 380, 5, 5, "plain", values=shades(logits))
    soft = d.box(95, 474, 160, 38, "+ mask, softmax")
    cells = d.cells(140, 538, 5, 5, "weight", values=shades(weights))
    for start, end in ((dots, scores), (scores, soft), (soft, cells)):
        d.arrow(start.south, end.north)
    for y, name in ((395, "logits"), (553, "weights")):
        d.text(128, y, "attention", "bold", "end")
        d.text(128, y + 20, name, "bold", "end")
        d.note(128, y + 40, "[T, T]", anchor="end")
    d.note(268, 493, "over the keys")


def split_heads():
    """Draw how queries, keys and values are split into heads and joined again."""
    d = Drawing(
        "split_heads",
        656,
        "Twelve heads of 32 dimensions",
        "Queries, keys and values of 384 dimensions per token are cut into 12 pieces of 32, one per head. Each head "
        "attends by itself with its own pieces. The 12 context vectors of 32 dimensions are concatenated to 384 again, "
        "and the output projection mixes the heads.",
    )
    left, step = 92, 35.5
    dense = d.box(left, 18, 426, 36, "three dense layers of x, [T, 384]")
    d.arrow(dense.south, (dense.cx, 84))
    for r, (name, role) in enumerate((("queries", "query"), ("keys", "key"), ("values", "value"))):
        d.text(82, 95 + 30 * r, name, "bold", "end")
        for n in range(12):
            d.cells(left + step * n, 84 + 30 * r, 1, 4, role, size=8.5, height=22, seed=40 * r + n)
    d.note(318, 72, "384 = 12 heads × 32")
    output = d.box(left, 516, 426, 36, "output projection, W_{o} and b_{o}")
    for n, x in ((0, 36), (1, 168), (11, 394)):
        start = left + step * n + 17
        d.box(start - 19, 81, 38, 88, role="weight", radius=5, extra="outline")
        head = d.group(x, 240, 110, 142, "weight")
        d.arrow((start, 169), (start, 180), (head.cx, 214), head.north)
        d.text(head.cx, 260, f"head {n}", "bold", within=head)
        d.box(x + 9, 280, 92, 40, "attention", role="weight")
        context = d.cells(head.cx - 17, 346, 1, 4, "value", size=8.5, height=22, seed=90 + n)
        d.arrow((head.cx, 320), context.north)
        d.arrow((head.cx, head.bottom), (head.cx, 406), (start, 444), (start, 462))
    d.text(336, 311, "…", "bold")
    d.note(348, 424, "[T, 32] each, concatenated", anchor="middle")
    d.text(82, 473, "context", "bold", "end")
    for n in range(12):
        d.cells(left + step * n, 462, 1, 4, "value", size=8.5, height=22, seed=90 + n)
    d.arrow((305, 484), output.north)
    result = d.cells(left, 580, 1, 24, size=17.75, height=22, seed=7)
    d.arrow(output.south, result.north)
    d.text(82, 591, "output", "bold", "end")
    d.note(305, 622, "[T, 384]", anchor="middle")
    return d


P_LOGITS = [[1.0, 0.5, 0.0], [0.7, 1.0, 0.0], [0.0, 0.3, 1.0]]
P_WEIGHTS = [[1.0, 0.0, -0.6], [0.4, 1.0, 0.0], [0.0, 0.0, 1.0]]
"""Mixing matrices: row n, column m mixes head n into head m."""


def mix(heads, matrix):
    """Return the heads, mixed by a matrix of [input head, output head]."""
    size = range(len(heads[0]))
    return [
        [[sum(head[i][j] * row[m] for head, row in zip(heads, matrix, strict=True)) for j in size] for i in size]
        for m in range(len(heads))
    ]


def talking_heads():
    """Draw the two mixings of talking-heads attention."""
    d = Drawing(
        "talking_heads",
        732,
        "Talking-heads attention",
        "Three heads of a layer. Before the mask and the softmax, a trained matrix mixes the attention logits of all "
        "heads; after the softmax, a second matrix mixes their attention weights, which then multiply the values. "
        "Mixed weights need not sum to 1, and some are negative (marked with a minus sign).",
    )
    logits = [random_matrix(4, 4, seed) for seed in (21, 22, 25)]
    new_logits = mix(logits, P_LOGITS)
    weights = [softmax(rows, 2.0) for rows in new_logits]
    new_weights = mix(weights, P_WEIGHTS)
    for y, heads, role in (
        (52, logits, "plain"),
        (204, new_logits, "plain"),
        (380, weights, "weight"),
        (532, new_weights, "weight"),
    ):
        for n, rows in enumerate(heads):
            x = 24 + 124 * n
            values = [[max(value, 0) for value in row] for row in rows] if y == 532 else shades(rows)
            d.cells(x, y, 4, 4, role, size=20, values=[[min(value, 1) for value in row] for row in values])
            for i, j in ((i, j) for i in range(4) for j in range(4) if y == 532 and rows[i][j] < -0.05):
                d.line((x + 20 * j + 6, y + 20 * i + 10), (x + 20 * j + 14, y + 20 * i + 10), role="weight")
    for n in range(3):
        d.text(64 + 124 * n, 32, f"head {n}", "bold")
    for y, matrix in ((132, P_LOGITS), (460, P_WEIGHTS)):
        for n in range(3):
            for m in (m for m in range(3) if matrix[n][m]):
                d.arrow((64 + 124 * n, y + 4), (64 + 124 * m + 14 * (n - m), y + 68), role="new")
    soft = d.box(24, 312, 328, 38, "+ mask, softmax over the keys")
    values = d.box(24, 646, 328, 38, "weights · v, in each head", role="value")
    for n in range(3):
        d.arrow((64 + 124 * n, 284), (64 + 124 * n, soft.y))
        d.arrow((64 + 124 * n, soft.bottom), (64 + 124 * n, 380))
        d.arrow((64 + 124 * n, 612), (64 + 124 * n, values.y))
    _talking_labels(d)
    return d


def _talking_labels(d):
    """Write what the rows of matrices are, and the two mixing matrices."""
    d.text(376, 82, "attention logits", "bold", "start")
    d.note(376, 102, "q k^{T} / √H")
    d.text(376, 234, "mixed logits", "bold", "start")
    d.text(376, 410, "weights", "bold", "start")
    d.note(376, 430, "rows sum to 1")
    d.text(376, 562, "mixed weights", "bold", "start")
    d.note(376, 582, "can be negative")
    d.box(376, 150, 140, 36, "P_{l}  [N, N]", role="new")
    d.box(376, 478, 140, 36, "P_{w}  [N, N]", role="new")
    d.note(270, 708, "P_{l}, P_{w}: trained, entry n, m mixes head n into head m.", anchor="middle")


DIAGRAMS = (attention_head, split_heads, talking_heads)
