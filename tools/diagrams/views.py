"""Diagram of the views: which part of the array of attention weights each of them shows."""

from tools.diagrams.canvas import Drawing

WORDS = ("the", "cat", "sat", "on", "the", "mat")
WEIGHTS = (
    (0.01, 0.46, 0.01, 0.05, 0.01, 0.46),
    (0.03, 0.03, 0.82, 0.08, 0.03, 0.03),
    (0.00, 0.83, 0.00, 0.01, 0.00, 0.15),
    (0.01, 0.01, 0.01, 0.03, 0.01, 0.95),
    (0.01, 0.46, 0.01, 0.05, 0.01, 0.46),
    (0.09, 0.09, 0.49, 0.16, 0.09, 0.09),
)
"""The attention weights of six words that the chapter draws by hand."""
VISIBLE = 0.4
"""Smallest weight that is drawn as a line."""
TOKEN = 2
NAMES = 376
"""Where the names of the views begin."""


def views():
    """Draw what the model view, the head view, a heat map and the neuron view show of one array."""
    d = Drawing(
        "views",
        812,
        "Four ways to plot one array",
        "The attention weights are one array, L × N × T × T. The model view shows all of it, 6 layers of 12 heads, as "
        "thumbnails; the others show ever smaller parts: the head view one layer as lines between tokens, plots.head "
        "one head as a table of squares, and the neuron view one row of it, as the softmax of q k^T / √H.",
    )
    _model_view(d)
    _head_view(d)
    _heat_map(d)
    _neuron_view(d)
    return d


def _name(d, y, name, shape, *notes):
    """Write the name of a view, the shape of what it shows, and the question that it answers."""
    d.text(NAMES, y, name, "bold", "start")
    d.note(NAMES, y + 20, shape, *notes)


def _step(d, y, text):
    """Draw an arrow to the next view, with the choice that leads to it."""
    d.arrow((214, y), (214, y + 32))
    d.note(226, y + 15, text)


def _model_view(d):
    """Draw a grid of thumbnails, one layer and one head outlined."""
    d.note(82, 28, "head 0")
    d.note(346, 28, "head 11", anchor="end")
    for layer in range(6):
        d.note(70, 55 + 24 * layer, f"layer {layer}", anchor="end")
        for head in range(12):
            d.box(82 + 22.2 * head, 46 + 24 * layer, 18, 18, role="weight", radius=2)
    d.box(78, 163, 272, 24, role="weight", radius=5, extra="outline strong")
    _name(d, 95, "model view", "[L, N, T, T]", "which heads?")
    _step(d, 194, "one layer")


def _head_view(d):
    """Draw lines between tokens, in color for one head."""

    def height(t):
        return 246 + 24 * t

    for t, word in enumerate(WORDS):
        d.text(134, height(t), word, anchor="end")
        d.text(292, height(t), word, anchor="start")
    for t in range(6):
        d.line((142, height(t)), (284, height(max(t - 1, 0))))
    for t, row in enumerate(WEIGHTS):
        for s in (s for s, weight in enumerate(row) if weight >= VISIBLE):
            d.line((142, height(t)), (284, height(s)), role="weight")
    _name(d, 276, "head view", "[N, T, T]", "to which tokens?", "one color per head")
    _step(d, 388, "one head")


def _heat_map(d):
    """Draw the table of squares of one head, one row outlined."""
    for t, word in enumerate(WORDS):
        d.text(142, 440 + 22 * t, word, anchor="end")
    d.cells(148, 429, 6, 6, "weight", size=22, values=WEIGHTS)
    d.box(146, 427 + 22 * TOKEN, 136, 26, role="weight", radius=4, extra="outline strong")
    _name(d, 475, "plots.head", "[T, T]", "which pattern?")
    _step(d, 570, "one token")


def _neuron_view(d):
    """Draw one row of weights, and the query and the keys that it comes from."""
    d.text(142, 623, WORDS[TOKEN], anchor="end")
    d.cells(148, 610, 1, 6, "weight", size=22, height=26, values=[WEIGHTS[TOKEN]])
    d.text(214, 662, "= softmax( q k^{T} / √H )")
    query = d.cells(60, 720, 1, 4, "query", size=14, height=18, seed=5)
    keys = d.cells(148, 698, 4, 6, "key", size=22, height=16, seed=9)
    d.text(query.cx, 702, "q", "bold")
    d.note(query.cx, 752, "[H]", anchor="middle")
    d.text(132, keys.cy, "k^{T}", "bold")
    d.note(214, 780, "[H, T]", anchor="middle")
    _name(d, 660, "neuron view", "[T]", "why this weight?")


DIAGRAMS = (views,)
