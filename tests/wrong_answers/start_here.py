"""Wrong answers to the exercises of the chapter, and a word that the reason given must hold."""

import numpy as np

WRONG = {
    "start_here.heads": [
        (12, "one layer"),
        (6, "layers"),
        (14112, "every number"),
        (73, "expected 72"),
        ("72", "a text"),
    ],
    "start_here.most_looked_at": [
        (lambda tokens, row: row.index(max(row)), "position"),
        (lambda tokens, row: max(row), "largest share"),
        (lambda tokens, row: tokens[row.index(min(row))], "smallest"),
        (lambda tokens, row: tokens[0], "'cat'"),
    ],
    "start_here.cosine": [
        (lambda a, b: np.dot(a, b), "sum of products"),
        (lambda a, b: np.dot(a, b) / np.dot(a, a) / np.dot(b, b), "square root"),
        (lambda a, b: np.linalg.norm(np.subtract(a, b)), "distance"),
        (lambda a, b: np.multiply(a, b), "one number"),
    ],
}
