"""Wrong answers to the exercises of the chapter, each with a word of the reason that `check` gives."""

import numpy as np


def add_embeddings(ids, type_ids, words, positions, types, first=0, by_id=False, factor=1):
    """The sum of three rows, correct by default; each argument breaks one thing."""
    words, positions, types = (np.array(table) for table in (words, positions, types))
    rows = np.array(ids) % len(positions) if by_id else np.arange(len(ids)) + first
    return factor * (words[ids] + positions[rows] + types[type_ids])


def layer_norm(x, gamma=1, beta=0, epsilon=1e-12, axis=-1, mean=True, root=0.5):
    """LayerNorm, correct by default; each argument breaks one thing."""
    x = np.array(x)
    centered = x - x.mean(axis=axis, keepdims=True) * mean
    variance = x.var(axis=axis, keepdims=True) + epsilon
    return np.array(gamma) * centered / variance**root + np.array(beta)


def rows_of(ids, kinds, words, positions, types):
    return [(words[i], positions[t], types[kind]) for t, (i, kind) in enumerate(zip(ids, kinds, strict=True))]


def most_similar(table, index, k, own=True, scaled=True, sign=-1):
    lengths = np.linalg.norm(table, axis=1) if scaled else 1
    order = np.argsort(sign * (table @ table[index]) / lengths, kind="stable")
    return (order if own else order[order != index])[:k]


WRONG = {
    "embeddings.count": [
        (1000 * 16, "word table alone"),
        (1064 * 16, "types"),
        (1066 * 16, "gamma and beta"),
        (1066 * 16 + 16, "there are both"),
        (1066 * 16 + 2, "16 each"),
        (1066, "rows"),
        (1000 * 64 * 2 * 16, "add them"),
        ([17088], "one number"),
    ],
    "embeddings.add_up": [
        (lambda ids, kinds, w, p, s: np.array(w)[ids], "word rows alone"),
        (lambda ids, kinds, w, p, s: np.array(w)[ids] + np.array(p)[: len(ids)], "types are missing"),
        (lambda ids, kinds, w, p, s: np.array(w)[ids] + np.array(s)[kinds], "positions are missing"),
        (lambda *inputs: add_embeddings(*inputs, first=1), "from 0"),
        (lambda *inputs: add_embeddings(*inputs, by_id=True), "use the position"),
        (lambda *inputs: add_embeddings(*inputs, factor=1 / 3), "this is a mean"),
        (lambda *inputs: add_embeddings(*inputs).sum(axis=1), "one number"),
        (lambda *inputs: layer_norm(add_embeddings(*inputs)), "normalized already"),
        (lambda *inputs: [word + position + kind for word, position, kind in rows_of(*inputs)], "concatenates"),
        (lambda ids, kinds, w, p, s: add_embeddings(ids, [0] * len(ids), w, p, s), "type 0"),
        (lambda ids, kinds, w, p, s: [p[i] for i in ids], "not an id"),
        (lambda ids, kinds, w, p, s: np.array(w)[ids] + np.array(p), "first rows"),
    ],
    "embeddings.layer_norm": [
        (lambda x, gamma, beta: np.array(x) - np.mean(x), "divide"),
        (lambda x, gamma, beta: layer_norm(x), "gamma and beta"),
        (lambda x, gamma, beta: layer_norm(x, gamma), "beta is missing"),
        (lambda x, gamma, beta: layer_norm(x, 1, beta), "gamma is missing"),
        (lambda x, gamma, beta: layer_norm(x, gamma, beta, root=1), "square root"),
        (lambda x, gamma, beta: layer_norm(x, gamma, beta, mean=False), "not subtracted"),
        (lambda x, gamma, beta: gamma * (np.array(x) - np.mean(x)) / np.std(x, ddof=1) + beta, "n - 1"),
        (lambda x, gamma, beta: layer_norm(x, gamma, beta, epsilon=0), "epsilon"),
        (lambda x, gamma, beta: gamma * (x - np.mean(x)) / np.mean(np.square(x)) ** 0.5 + beta, "before you square"),
        (lambda x, gamma, beta, e=1e-12: gamma * (x - np.mean(x)) / (np.std(x) + e) + beta, "under the root"),
        (lambda x, gamma, beta, epsilon=0: layer_norm(x, gamma, beta), "an argument"),
    ],
    "embeddings.nearest": [
        (most_similar, "leave it out"),
        (lambda table, index, k: most_similar(table, index, k + 1), "leave it out"),
        (lambda table, index, k: most_similar(table, index, k, own=False, scaled=False), "divide by both"),
        (lambda table, index, k: most_similar(table, index, k, own=False, sign=1), "farthest"),
        (lambda table, index, k: np.argsort(np.linalg.norm(table - table[index], axis=1))[1 : k + 1], "distance"),
        (lambda table, index, k: most_similar(table, index, k + 1, scaled=False)[1:], "divide by both"),
        (lambda table, index, k: most_similar(table, index, k, own=False)[::-1], "come first"),
        (lambda table, index, k: most_similar(table, index, 99, own=False), "first k"),
    ],
    "embeddings.embed": [
        (lambda *inputs: add_embeddings(*inputs[:5]), "LayerNorm is missing"),
        (lambda *inputs: layer_norm(add_embeddings(*inputs[:5])), "gamma and beta"),
        (lambda *inputs: layer_norm(add_embeddings(*inputs[:5]), *inputs[5:], axis=0), "wrong axis"),
        (lambda *inputs: layer_norm(add_embeddings(*inputs[:5]), *inputs[5:], epsilon=1e-3), "1e-12"),
        (lambda ids, kinds, w, p, s, gamma, beta: layer_norm(w[ids] + s[kinds], gamma, beta), "positions"),
        (lambda ids, kinds, w, p, s, gamma, beta: w[ids] + p + s[kinds], "first rows"),
        (lambda ids, kinds, w, p, s, gamma, beta: w[ids] - w[ids].mean(axis=1), "keepdims"),
    ],
}
