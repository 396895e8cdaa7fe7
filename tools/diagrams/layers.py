"""Diagrams of the whole model, a transformer layer, the residual stream and the feed-forward network."""

from tools.diagrams.canvas import Drawing

TOKENS = ("[CLS]", "the", "cat", "sat", ".", "[SEP]")


def bert():
    """Draw BERT as a whole, from a text to the outputs of its heads."""
    d = Drawing(
        "bert",
        820,
        "BERT as a whole",
        "A text becomes tokens, and each token a normalized sum of a word, a position and a type embedding. L "
        "transformer layers of attention and feed-forward network turn these vectors into one hidden state per token. "
        "From the hidden states, mean pooling makes a text vector, the pooler and a classifier use that of CLS, and "
        "the masked-LM head predicts masked tokens.",
    )
    xs = [51 + 88 * i for i in range(6)]
    text = d.box(190, 22, 160, 38, "The cat sat.")
    for x, token in zip(xs, TOKENS, strict=True):
        chip = d.box(x - 33, 104, 66, 34, token, role="stream")
        d.arrow(chip.south, (x, 166))
        d.arrow((x, 250), (x, 272))
        d.cells(x - 30, 272, 1, 6, size=10, height=16, seed=int(x))
        d.arrow((x, 288), (x, 312))
        d.arrow((x, 496), (x, 520))
        d.cells(x - 30, 520, 1, 6, size=10, height=16, seed=int(x) + 5)
    d.arrow(text.south, (270, 104))
    d.note(282, 82, "tokenizer")
    group = d.group(18, 166, 504, 84)
    d.text(group.cx, 184, "embeddings", "bold")
    for x, w, name in ((34, 76, "word"), (142, 96, "position"), (270, 76, "type"), (408, 100, "LayerNorm")):
        d.box(x, 202, w, 36, name, role="plain" if name == "LayerNorm" else "table")
    d.plus(126, 220)
    d.plus(254, 220)
    d.arrow((346, 220), (408, 220))
    _stack(d)
    d.text(270, 556, "hidden states, [T, D]", "bold")
    _outputs(d)
    return d


def _stack(d):
    """Draw the stack of transformer layers."""
    for i in (2, 1):
        d.box(18 + 8 * i, 312 + 9 * i, 504 - 16 * i, 166, role="plain", radius=12)
    front = d.box(18, 312, 504, 166, radius=12)
    d.text(front.cx, 334, "transformer layer", "bold")
    d.text(front.right - 20, 334, "× L", "bold", "end")
    attention = d.box(54, 352, 432, 36, "attention: tokens exchange information", role="weight")
    feedforward = d.box(54, 420, 432, 36, "feed-forward network: each token by itself", role="feedforward")
    for x in (51 + 88 * i for i in range(6)):
        d.arrow((min(max(x, 74), 466), attention.bottom), (min(max(x, 74), 466), feedforward.y))


def _outputs(d):
    """Draw the three ways from hidden states to outputs."""
    columns = ((18, "mean pooling", "of real tokens", "text vector", "[D]"),)
    columns += ((190, "pooler", "of [CLS]", "class logits", "[C]"),)
    columns += ((362, "masked-LM head", "at [MASK]", "token logits", "[V]"),)
    for x, name, tokens, output, shape in columns:
        d.arrow((x + 80, 574), (x + 80, 602))
        top = d.box(x, 602, 160, 58, name, f"~{tokens}")
        end = d.box(x, 742, 160, 58, output, f"~{shape}", role="stream")
        if name == "pooler":
            head = d.box(x, 684, 160, 36, "classifier", role="new")
            d.arrow(top.south, head.north)
            d.arrow(head.south, end.north)
        else:
            d.arrow(top.south, end.north)


def _post_norm(d, x):
    """Draw a layer that normalizes after the sums."""
    stream, block = x + 62, x + 172
    d.arrow((stream, 96), (stream, 672), role="stream", kind="wide")
    for y, name, role in ((120, "attention", "weight"), (400, "feed-forward", "feedforward")):
        main = d.box(block - 66, y + 22, 132, 40, name, role=role)
        dropout = d.box(block - 66, y + 88, 132, 36, "~dropout", extra="dashed")
        d.arrow((stream, y), (block, y), main.north)
        d.arrow(main.south, dropout.north)
        d.arrow(dropout.south, (block, y + 152), (stream + 11, y + 152))
        d.plus(stream, y + 152)
        d.box(stream - 50, y + 186, 100, 36, "LayerNorm")


def _pre_norm(d, x):
    """Draw a layer that normalizes the inputs of its two parts."""
    stream, block = x + 62, x + 172
    d.arrow((stream, 96), (stream, 672), role="stream", kind="wide")
    for y, name, role in ((120, "attention", "weight"), (400, "feed-forward", "feedforward")):
        norm = d.box(block - 66, y + 22, 132, 36, "LayerNorm")
        main = d.box(block - 66, y + 84, 132, 40, name, role=role)
        dropout = d.box(block - 66, y + 150, 132, 36, "~dropout", extra="dashed")
        d.arrow((stream, y), (block, y), norm.north)
        d.arrow(norm.south, main.north)
        d.arrow(main.south, dropout.north)
        d.arrow(dropout.south, (block, y + 214), (stream + 11, y + 214))
        d.plus(stream, y + 214)


def transformer_layer():
    """Draw a transformer layer in post-norm and in pre-norm order."""
    d = Drawing(
        "transformer_layer",
        726,
        "A transformer layer: post-norm and pre-norm",
        "Left, post-norm, the order of BERT: the outputs of attention and of the feed-forward network, after dropout, "
        "are added to the residual stream, and layer normalization follows each sum. Right, pre-norm: layer "
        "normalization comes before attention and before the feed-forward network, and the residual stream itself is "
        "only added to.",
    )
    for x, name, note, draw in ((16, "post-norm", "BERT", _post_norm), (276, "pre-norm", "norm_first=True", _pre_norm)):
        d.group(x, 16, 248, 694)
        d.text(x + 124, 38, name, "bold")
        d.note(x + 124, 58, note, anchor="middle")
        draw(d, x)
        d.note(x + 62, 84, "x", anchor="middle")
        d.note(x + 62, 688, "output", anchor="middle")
    return d


def residual_stream():
    """Draw the residual stream through six layers."""
    d = Drawing(
        "residual_stream",
        836,
        "The residual stream through six layers",
        "A vertical stream runs from the embeddings through six layers to the hidden states. In each layer, attention "
        "reads the stream and adds its output to it, then the feed-forward network does the same. A bar across the "
        "stream after each sum is the layer normalization of BERT.",
    )
    d.box(180, 20, 180, 38, "embeddings", role="stream")
    d.arrow((270, 58), (270, 746), role="stream", kind="wide")
    for i in range(6):
        y = 76 + 109 * i
        d.note(20, y + 26, f"layer {i}")
        for side, name, role, top in ((-1, "attention", "weight", y), (1, "feed-forward", "feedforward", y + 52)):
            x = 96 if side < 0 else 318
            block = d.box(x, top + 6, 126, 40, name, role=role)
            near = block.right if side < 0 else block.x
            d.arrow((270, top + 14), (near, top + 14), role="stream")
            d.arrow((near, top + 36), (270 + 11 * side, top + 36), role=role)
            d.plus(270, top + 36)
            d.box(252, top + 51, 36, 6, radius=3)
    d.box(180, 746, 180, 38, "hidden states", role="stream")
    d.plus(112, 810)
    d.note(130, 810, "sum")
    d.box(196, 807, 36, 6, radius=3)
    d.note(242, 810, "LayerNorm after each sum")
    return d


def feedforward():
    """Draw the two dense layers of the feed-forward network, for one token."""
    d = Drawing(
        "feedforward",
        560,
        "The feed-forward network of one token",
        "The vector of one token, of D elements (384 in MiniLM), is expanded by a dense layer to 4 D neurons (1536). "
        "GELU keeps positive values and brings negative ones close to 0; a second dense layer returns to D elements. "
        "The same weights are applied to every token, each by itself.",
    )
    d.text(212, 34, "x", "bold", "end")
    d.note(222, 34, "[D], one token")
    start = d.cells(212, 52, 1, 8, size=14.5, height=26, seed=5)
    before = [[0.15 + 0.85 * abs((i * 37 % 32) / 31) for i in range(32)]]
    wide = d.cells(38, 196, 1, 32, "feedforward", size=14.5, height=26, values=before)
    after = [[value if value > 0.6 else 0.08 for value in before[0]]]
    neurons = d.cells(38, 330, 1, 32, "feedforward", size=14.5, height=26, values=after)
    end = d.cells(212, 474, 1, 8, size=14.5, height=26, seed=9)
    for near, far in ((start, wide), (neurons, end)):
        d.line((near.x, near.bottom + 4), (far.x, far.y - 4), role="feedforward")
        d.line((near.right, near.bottom + 4), (far.right, far.y - 4), role="feedforward")
    first = d.box(170, 116, 200, 40, "x W_{1} + b_{1}", role="feedforward")
    gelu = d.box(170, 258, 200, 38, "GELU")
    second = d.box(170, 394, 200, 40, "· W_{2} + b_{2}", role="feedforward")
    for one, other in ((start, first), (first, wide), (wide, gelu), (gelu, neurons), (neurons, second), (second, end)):
        d.arrow(one.south, other.north)
    d.note(384, 277, "F neurons")
    d.note(156, 277, "F = 4 D", anchor="end")
    d.note(270, 524, "[D], the same weights for every token", anchor="middle")
    return d


DIAGRAMS = (bert, transformer_layer, residual_stream, feedforward)
