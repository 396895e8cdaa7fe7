"""Wrong and right answers to the exercises of lab 6; the wrong ones with a part of the feedback."""

import numpy as np
from keras import ops
from scipy.sparse.csgraph import minimum_spanning_tree


def softmax(x):
    powers = np.exp(x - np.max(x))
    return powers / powers.sum()


def layers(x):
    return np.arange(len(x))


def kruskal(distances):
    count = len(distances)
    group, edges = list(range(count)), []
    pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    for i, j in sorted(pairs, key=lambda pair: distances[pair[0]][pair[1]]):
        if group[i] != group[j]:
            edges.append((i, j))
            group = [group[i] if one == group[j] else one for one in group]
    return sorted(edges)


def by_scipy(distances):
    pairs = zip(*minimum_spanning_tree(np.array(distances, float)).nonzero(), strict=True)
    return sorted([int(min(pair)), int(max(pair))] for pair in pairs)


def nearest(distances):
    d = np.array(distances, float) + 1e9 * np.eye(len(distances))
    return sorted({tuple(sorted((i, int(j)))) for i, j in enumerate(d.argmin(axis=1))})


def star(distances):
    return [(0, i) for i in range(1, len(distances))]


def chain(distances):
    return [(i, i + 1) for i in range(len(distances) - 1)]


def nearest_next(distances):
    """Grow a path: from the word that was added last, never from another."""
    inside, edges = [0], []
    while len(inside) < len(distances):
        j = min((j for j in range(len(distances)) if j not in inside), key=lambda j: distances[inside[-1]][j])
        edges.append(tuple(sorted((inside[-1], j))))
        inside.append(j)
    return sorted(edges)


WRONG = {
    "where_is_the_knowledge.memorizer": [
        (92, "as a fraction"),
        (0.9, "also right"),
        (0.2, "remembers the others"),
        (0.18, "whatever the label"),
        (0.02, "Add the words"),
        (0.1, "How often is it right"),
        (1, "one of five labels"),
        (0, "memorized"),
        (0.7, "add what it gets"),
        ([0.92, 0.92], "one number"),
    ],
    "where_is_the_knowledge.center_of_gravity": [
        (softmax, "one number: the mean layer"),
        (lambda x: layers(x) @ x, "softmax first"),
        (lambda x: layers(x) @ np.exp(x), "sum to 1"),
        (lambda x: (layers(x) + 1) @ softmax(x), "count from 0"),
        (lambda x: softmax(x).argmax(), "largest weight"),
        (lambda x: layers(x) @ softmax(x) / len(x), "number of layers"),
        (lambda x: softmax(x).mean(), "mean weight"),
        (lambda x: layers(x).mean(), "equal weights"),
        (lambda x: layers(x) @ np.exp(x) / np.exp(x).sum(), "Subtract the largest"),
        (lambda x: np.arange(5)[: len(x)] @ softmax(x)[:5], "center_of_gravity("),
    ],
    "where_is_the_knowledge.spanning_tree": [
        (chain, "chain of neighbors"),
        (star, "connects every word with word 0"),
        (nearest, "nearest neighbor"),
        (lambda d: kruskal(-np.array(d)), "Take the shortest"),
        (lambda d: [(j, i) for i, j in kruskal(d)], "i < j"),
        (lambda d: kruskal(d)[::-1], "sorted"),
        (lambda d: kruskal(d)[:-1], "last word is missing"),
        (nearest_next, "expected"),
        (lambda d: kruskal(d[:6]), "spanning_tree([["),
        (lambda d: {(0, 1)}, "got a set"),
    ],
}

RIGHT = {
    "where_is_the_knowledge.center_of_gravity": [
        lambda x: sum(layer * weight for layer, weight in enumerate(softmax(x))),
        lambda x: np.average(layers(x), weights=softmax(x)),
        lambda x: ops.sum(ops.softmax(ops.array(x, dtype="float32")) * ops.arange(len(x), dtype="float32")),
    ],
    "where_is_the_knowledge.spanning_tree": [
        kruskal,
        by_scipy,
        lambda d: iter(kruskal(d)),
        lambda d: np.array(kruskal(d)),
    ],
}
