"""Diagrams of what is built on the hidden states, of fine-tuning, and of checkpoints."""

from tools.diagrams.canvas import Drawing

VECTORS = {"[CLS]": (2, 1, 1), "cats": (6, 1, 0), "sleep": (1, 0, 6), "[SEP]": (3, 2, 1), "[PAD]": (5, 5, 5)}


def pooling():
    """Draw three ways to pool the hidden states of a text."""
    d = Drawing(
        "pooling",
        560,
        "Three ways to pool hidden states",
        "Five tokens with hidden states of three elements: CLS 2 1 1, cats 6 1 0, sleep 1 0 6, SEP 3 2 1, and one "
        "PAD, whose mask is 0 and which is left out. CLS pooling takes the vector of CLS, 2 1 1. Of the four real "
        "tokens, mean pooling takes the mean, 3 1 2, and max pooling the largest value of each element, 6 2 6.",
    )
    real = [vector for token, vector in VECTORS.items() if token != "[PAD]"]
    maximum = [max(column) for column in zip(*real, strict=True)]
    mean = [sum(column) // len(real) for column in zip(*real, strict=True)]
    d.note(134, 34, "mask", anchor="middle")
    d.text(293, 34, "hidden states, [T, D]", "bold")
    for t, (token, vector) in enumerate(VECTORS.items()):
        y, padded = 56 + 46 * t, token == "[PAD]"
        d.text(96, y + 19, token, "muted" if padded else "", "end")
        d.text(134, y + 19, "0" if padded else "1", "muted" if padded else "bold")
        largest = [not padded and value == top for value, top in zip(vector, maximum, strict=True)]
        _elements(d, y, vector, "off" if padded else "stream", largest)
    d.bracket((392, 56), (392, 232))
    d.note(412, 134, "real tokens:", "mean and max")
    d.note(392, 259, "left out")
    d.arrow((293, 292), (293, 342))
    d.note(306, 315, "pooling")
    rules = (("cls", real[0], "row of [CLS]"), ("mean", mean, "sum / 4"), ("max", maximum, "largest value"))
    for r, (name, vector, rule) in enumerate(rules):
        y = 348 + 54 * r
        d.text(134, y + 19, name, "bold")
        _elements(d, y, vector, "stream", [name == "max"] * 3)
        d.note(400, y + 19, rule)
    d.note(270, 530, "The pooler of BERT computes tanh(cls · W + b).", anchor="middle")
    return d


def _elements(d, y, vector, role, largest):
    """Draw the three elements of a vector, with thick outlines where they are the largest."""
    for j, (value, thick) in enumerate(zip(vector, largest, strict=True)):
        extra = "strong" if thick else ""
        d.box(206 + 60 * j, y, 54, 38, str(value), role=role, style="bold" * thick, radius=4, extra=extra)


def bi_cross_encoder():
    """Draw a bi-encoder beside a cross-encoder."""
    d = Drawing(
        "bi_cross_encoder",
        540,
        "Bi-encoder and cross-encoder",
        "Left, a bi-encoder: text A and text B go through the same BERT separately, pooling makes a vector of each, "
        "and the cosine compares the vectors, which can be stored. Right, a cross-encoder: both texts go through BERT "
        "together as CLS A SEP B SEP, and a head computes the score of this pair.",
    )
    d.group(16, 16, 248, 508)
    d.group(276, 16, 248, 508)
    d.text(140, 40, "bi-encoder", "bold")
    d.text(400, 40, "cross-encoder", "bold")
    cosine = d.box(60, 372, 160, 38, "cosine")
    for x, name in ((28, "A"), (146, "B")):
        text = d.box(x, 64, 106, 38, f"text {name}", role="stream")
        bert = d.box(x, 130, 106, 62, "BERT")
        pool = d.box(x, 234, 106, 38, "pooling")
        vector = d.cells(x + 11, 302, 1, 6, size=14, height=20, seed=ord(name))
        for one, other in ((text, bert), (bert, pool), (pool, vector)):
            d.arrow(one.south, other.north)
        d.arrow(
            vector.south, (vector.cx, 338), (140 + (vector.cx - 140) * 0.5, 352), (140 + (vector.cx - 140) * 0.5, 372)
        )
    d.note(140, 212, "same weights", anchor="middle")
    score = d.box(60, 436, 160, 38, "similarity", role="stream")
    d.arrow(cosine.south, score.north)
    pair = d.box(288, 64, 224, 38, "[CLS] A [SEP] B [SEP]", role="stream")
    bert = d.box(288, 130, 224, 62, "BERT", "~attention over A and B")
    head = d.box(320, 290, 160, 38, "head on [CLS]", role="new")
    score = d.box(320, 436, 160, 38, "score of the pair", role="stream")
    for one, other in ((pair, bert), (bert, head), (head, score)):
        d.arrow(one.south, other.north)
    d.note(140, 500, "vectors can be stored", anchor="middle")
    d.note(400, 500, "one pass per pair", anchor="middle")
    return d


NAMES = ("list.pop", "list.append", "os.remove")
PARAGRAPHS = ("Remove and return …", "Append object to …", "Remove a file …")
SIMILARITIES = ((0.71, 0.32, 0.20), (-0.14, 0.95, -0.20), (0.85, -0.63, 0.80))


def in_batch_negatives():
    """Draw the two towers of an embedding model and the similarities of a batch."""
    d = Drawing(
        "in_batch_negatives",
        700,
        "Two towers and in-batch negatives",
        "Two towers with the same weights: three names and three paragraphs go through BERT and pooling, which make "
        "vectors of length 1. Their cosines are a matrix of names by paragraphs, whose diagonal holds the right pairs: "
        "0.71 0.32 0.20, then -0.14 0.95 -0.20, then 0.85 -0.63 0.80. Each row is multiplied by 20 and goes through a "
        "softmax, and the loss is minus the logarithm of the diagonal's probability, so it pulls right pairs together "
        "and pushes all others apart.",
    )
    towers = (("names", NAMES, 24, "query"), ("paragraphs", PARAGRAPHS, 292, "key"))
    for title, texts, x, role in towers:
        d.text(x + 112, 30, title, "bold")
        box = d.box(x, 48, 224, 78, *texts, role="stream")
        bert = d.box(x + 32, 154, 160, 38, "BERT")
        pool = d.box(x + 32, 220, 160, 38, "mean, length 1")
        vectors = d.cells(x + 56, 286, 3, 8, role, size=14, seed=len(title))
        for one, other in ((box, bert), (bert, pool), (pool, vectors)):
            d.arrow(one.south, other.north)
    d.note(270, 140, "same weights", anchor="middle")
    d.line((220, 173), (320, 173), kind="dashed")
    _similarities(d)
    return d


def _similarities(d):
    """Draw the matrix of cosines below the towers, and what becomes of its rows."""
    d.arrow((100, 328), (100, 382), role="query")
    d.arrow((404, 328), (404, 346), (256, 346), (256, 372), role="key")
    d.text(386, 390, "cosines", "bold", "start")
    for j in range(3):
        d.text(176 + 80 * j, 390, f"p_{{{j}}}")
    for i, (name, row) in enumerate(zip(NAMES, SIMILARITIES, strict=True)):
        d.text(126, 424 + 48 * i, name, "", "end")
        for j, cosine in enumerate(row):
            right = i == j
            style = {"role": "weight", "style": "bold", "extra": "strong"} if right else {}
            d.box(140 + 80 * j, 404 + 48 * i, 72, 40, f"{cosine:.2f}".replace("-", "−"), radius=4, **style)
    d.note(386, 418, "thick: right pairs,", "pulled together", "", "others: negatives,", "pushed apart")
    softmax = d.box(140, 568, 232, 38, "× 20, softmax of each row")
    loss = d.box(140, 634, 232, 38, "loss: −ln of the diagonal", role="new")
    d.arrow((256, 540), softmax.north)
    d.arrow(softmax.south, loss.north)


def confusion_matrix():
    """Draw the way from a vector to a cell of the confusion matrix, and what precision and recall divide."""
    d = Drawing(
        "confusion_matrix",
        768,
        "From a vector to the confusion matrix",
        "A text's vector goes through the head, which computes two logits, 0.4 for negative and 1.9 for positive; the "
        "softmax makes them probabilities, 0.18 and 0.82, and because 0.82 reaches the threshold of 0.5, the "
        "prediction is positive. Over many texts, the confusion matrix counts true classes in rows and predicted ones "
        "in columns: true negatives TN and false positives FP above, false negatives FN and true positives TP below. "
        "Precision divides TP by the column of predicted positives, FP + TP, and recall divides TP by the row of "
        "positive texts, FN + TP.",
    )
    vector = d.cells(172, 30, 1, 14, size=14, height=22, seed=18)
    d.text(158, 41, "text's vector", "bold", "end")
    d.note(382, 41, "[D]")
    head = d.box(172, 78, 196, 38, "head: W, b", role="new")
    softmax = d.box(172, 204, 196, 38, "softmax")
    threshold = d.box(216, 330, 152, 38, "0.5 or more?")
    d.arrow(vector.south, head.north)
    for y, name, values in ((142, "logits", ("0.4", "1.9")), (268, "probabilities", ("0.18", "0.82"))):
        d.text(158, y + 18, name, "bold", "end")
        for x, value in zip((172, 274), values, strict=True):
            box = d.box(x, y, 94, 36, value, role="stream")
            d.arrow((box.cx, y - 26), box.north)
            if name == "logits":
                d.arrow(box.south, (box.cx, softmax.y))
    d.note(382, 160, "negative,", "positive")
    d.arrow((321, 304), (321, threshold.y))
    d.text(202, 349, "threshold", "bold", "end")
    d.note(382, 339, "move it, and the", "matrix changes")
    d.arrow((321, threshold.bottom), (321, 432))
    d.note(333, 389, "yes: positive")
    _cells_of_confusion(d)
    return d


def _cells_of_confusion(d):
    """Draw the four cells, their names, and the two fractions."""
    d.note(16, 446, "true class")
    for y, name, cells in ((462, "negative", ("TN", "FP")), (540, "positive", ("FN", "TP"))):
        d.text(102, y + 36, name, "bold", "end")
        for x, cell in zip((114, 252), cells, strict=True):
            right = cell[0] == "T"
            style = {"role": "stream" if right else "plain", "style": "bold", "extra": "strong" if cell == "TP" else ""}
            d.box(x, y, 132, 72, cell, "~correct" if right else "~mistake", **style)
    d.text(180, 446, "negative", "bold")
    d.text(318, 446, "positive", "bold")
    d.note(400, 446, "predicted class")
    d.bracket((392, 540), (392, 612))
    d.text(412, 556, "recall", "bold", "start")
    d.note(412, 576, "TP / (FN + TP)")
    d.bracket((252, 620), (384, 620))
    d.text(318, 648, "precision", "bold")
    d.note(318, 668, "TP / (FP + TP)", anchor="middle")
    d.note(270, 712, "recall: of the positive texts, how many does it find?", anchor="middle")
    d.note(270, 734, "precision: of those it calls positive, how many are?", anchor="middle")


def masked_lm_head():
    """Draw the masked-LM head and the table that it shares with the embeddings."""
    d = Drawing(
        "masked_lm_head",
        784,
        "The masked-LM head and its tied table",
        "The tokens the, MASK, sat are looked up in the word embedding table E, V × D, and pass the encoder. The "
        "hidden state at MASK goes through a dense layer, GELU and LayerNorm. The result h, multiplied by the "
        "transpose of the same table E, plus a bias c, is one logit per token of the vocabulary; the softmax of the "
        "logits is the probability of each token.",
    )
    lookup = _masked_input(d)
    d.text(84, 136, "word embedding", "bold")
    d.text(84, 156, "table E", "bold")
    d.cells(36, 172, 20, 8, "table", size=12, height=19, seed=77)
    d.note(84, 572, "[V, D]", anchor="middle")
    d.note(384, 243, "at [MASK]")
    dense = d.box(272, 262, 200, 36, "dense layer W, b")
    gelu = d.box(272, 320, 200, 36, "GELU")
    norm = d.box(272, 378, 200, 36, "LayerNorm")
    h = d.cells(336, 440, 1, 6, size=12, height=18, seed=51)
    d.text(420, 449, "h", "bold", "start")
    output = d.box(272, 488, 200, 38, "h E^{T} + c", role="table")
    softmax = d.box(272, 560, 200, 36, "softmax")
    d.arrow((372, 224), dense.north)
    for one, other in ((dense, gelu), (gelu, norm), (norm, h), (h, output), (output, softmax)):
        d.arrow(one.south, other.north)
    d.arrow((132, 240), (186, 240), (186, 105), lookup.west, role="table")
    d.arrow((132, 507), output.west, role="table")
    d.note(150, 540, "the same table,", "transposed")
    d.arrow(softmax.south, (372, 622))
    for r, (token, probability) in enumerate((("cat", 0.73), ("mat", 0.10), ("the", 0.07))):
        y = 640 + 38 * r
        d.text(262, y, token, "", "end")
        d.box(272, y - 12, 200 * probability, 24, role="stream", radius=4)
        d.note(282 + 200 * probability, y, f"{probability:.2f}")
    d.note(372, 756, "probabilities of V tokens", anchor="middle")
    return d


def _masked_input(d):
    """Draw the way from three tokens to their hidden states, and return the box of the lookup."""
    for j, token in enumerate(("the", "[MASK]", "sat")):
        chip = d.box(232 + 98 * j, 22, 84, 36, token, role="plain" if token == "[MASK]" else "stream")
        for start, end in ((chip.bottom, 86), (124, 148), (186, 206)):
            d.arrow((chip.cx, start), (chip.cx, end))
        d.cells(chip.cx - 36, 206, 1, 6, size=12, height=18, seed=31 + j)
    d.box(232, 148, 280, 38, "encoder")
    d.text(228, 215, "x_{L}", "bold", "end")
    return d.box(232, 86, 280, 38, "rows of E, + position + type")


def fine_tuning():
    """Draw what a classifier takes from a pretrained model, what is new, and what can be frozen."""
    d = Drawing(
        "fine_tuning",
        640,
        "What fine-tuning starts from",
        "Left, a pretrained model: embeddings, layers, pooler and masked-LM head. Right, the classifier: embeddings, "
        "layers and pooler are copied with their weights; the masked-LM head is not used; a new head with random "
        "weights is added. The copied encoder can be frozen, or trained together with the new head.",
    )
    d.text(112, 36, "pretrained model", "bold")
    d.text(348, 36, "classifier", "bold")
    parts = ["embeddings", *(f"layer {i}" for i in range(6)), "pooler"]
    before = {}
    for i, part in enumerate(parts):
        y = 64 + 54 * i
        source = d.box(24, y, 176, 38, part, role="stream")
        copy = d.box(260, y, 176, 38, part, role="stream")
        d.arrow((source.right + 4, source.cy), (copy.x - 4, copy.cy))
        for column, box in (("left", source), ("right", copy)):
            if i:
                d.arrow((box.cx, before[column].bottom), box.north)
            before[column] = box
    d.note(230, 52, "copy", anchor="middle")
    d.box(24, 518, 176, 38, "masked-LM head", role="off", extra="dashed")
    new = d.box(260, 518, 176, 38, "classification head", role="new")
    d.arrow(before["right"].south, new.north)
    d.note(112, 576, "not used", anchor="middle")
    d.note(348, 576, "new: a dense layer, [D, C],", anchor="middle")
    d.note(348, 596, "with random weights", anchor="middle")
    d.bracket((446, 64), (446, 480))
    d.note(464, 242, "encoder:", "frozen", "or", "trained")
    d.bracket((446, 518), (446, 556))
    d.note(464, 537, "trained")
    return d


CARDS = (
    ("embeddings.word_embeddings.weight", "unchanged", "[30522, 384]", "embeddings/word_embeddings/embeddings"),
    (
        "encoder.layer.0.attention.self.query.weight",
        "transpose, split",
        "[384, 384] → [384, 12, 32]",
        "layer_0/self_attention/query/kernel",
    ),
    (
        "encoder.layer.0.attention.self.query.bias",
        "split into heads",
        "[384] → [12, 32]",
        "layer_0/self_attention/query/bias",
    ),
    (
        "encoder.layer.0.intermediate.dense.weight",
        "transpose",
        "[1536, 384] → [384, 1536]",
        "layer_0/feedforward/intermediate/kernel",
    ),
    ("encoder.layer.0.output.LayerNorm.weight", "unchanged", "[384]", "layer_0/output_layer_norm/gamma"),
)
"""Name in a file, conversion, shapes, name here."""


def checkpoint():
    """Draw how names and arrays of a file become weights of the package."""
    d = Drawing(
        "checkpoint",
        812,
        "From names in a file to weights",
        "Five arrays of a Hugging Face file and the weights of the package that they become. Embeddings and "
        "normalization weights are only renamed; matrices are transposed, because torch stores out × in and Keras "
        "in × out; queries, keys and values are also split into 12 heads of 32.",
    )
    d.note(270, 28, "above: a Hugging Face file; below: bertedu", anchor="middle")
    for r, (name, change, shape, path) in enumerate(CARDS):
        y = 50 + 150 * r
        d.group(16, y, 508, 138)
        top = d.box(28, y + 11, 484, 36, role="stream")
        low = d.box(28, y + 91, 484, 36)
        d.text(42, top.cy, name, "mono", "start", top)
        d.text(42, low.cy, path, "mono", "start", low)
        d.arrow((56, top.bottom), (56, low.y))
        d.text(74, y + 69, change, "" if change == "unchanged" else "bold", "start")
        d.note(498, y + 69, shape, anchor="end")
    return d


def low_rank_update():
    """Draw a frozen matrix beside the two small ones that are trained."""
    d = Drawing(
        "low_rank_update",
        500,
        "A low-rank update",
        "The input x, of D elements, goes two ways. Left, through the frozen matrix W, D by D. Right, through down, D "
        "by rank, and up, rank by D, which are trained and whose result is multiplied by alpha / rank; the sum of both "
        "is the output, and merging adds the product of down and up to W.",
    )
    x = d.box(150, 24, 200, 38, "x, [D]", role="stream")
    d.text(90, 96, "frozen", "bold")
    d.text(422, 96, "trained", "bold")
    weight = d.cells(60, 122, 10, 10, role="off", seed=3)
    down = d.cells(349, 122, 10, 3, role="new", seed=5)
    up = d.cells(300, 314, 3, 10, role="new", values=[[0.0] * 10] * 3)
    d.arrow((190, x.bottom), (190, 82), (weight.cx, 82), (weight.cx, 116))
    d.arrow((310, x.bottom), (310, 82), (down.cx, 82), (down.cx, 116))
    d.text(216, 192, "W", "bold", "start")
    d.text(404, 172, "down", "bold", "start")
    d.note(404, 194, "[D, rank],", "random at first")
    d.note(210, 214, "[D, D]")
    d.arrow((down.cx, down.bottom + 4), (up.cx, up.y - 6))
    d.note(384, 288, "[rank]")
    d.text(454, 325, "up", "bold", "start")
    d.note(454, 345, "[rank, D],", "0 at first")
    total = d.plus(250, 420)
    d.arrow((weight.cx, weight.bottom + 4), (weight.cx, 420), (total.x - 3, 420))
    d.arrow((up.cx, up.bottom + 4), (up.cx, 420), (total.right + 3, 420))
    d.note(384, 420, "times alpha / rank")
    d.arrow(total.south, (250, 456))
    d.text(250, 472, "x W + alpha / rank · (x down) up, [D]")
    return d


DIAGRAMS = (
    pooling,
    bi_cross_encoder,
    in_batch_negatives,
    confusion_matrix,
    masked_lm_head,
    fine_tuning,
    low_rank_update,
    checkpoint,
)
