"""Wrong answers to the exercises of the chapter, and a word that the reason given must hold."""

import numpy as np


def added(ids, type_ids, words, positions, types, first=0, by_id=False, factor=1):
    """The sum of three rows, right as it stands; every argument can spoil one thing."""
    words, positions, types = (np.array(table) for table in (words, positions, types))
    places = np.array(ids) % len(positions) if by_id else np.arange(len(ids)) + first
    return factor * (words[ids] + positions[places] + types[type_ids])


def normal(x, gamma=1, beta=0, epsilon=1e-12, axis=-1, mean=True, root=0.5):
    """LayerNorm, right as it stands; every argument can spoil one thing."""
    x = np.array(x)
    centred = x - x.mean(axis=axis, keepdims=True) * mean
    variance = x.var(axis=axis, keepdims=True) + epsilon
    return np.array(gamma) * centred / variance**root + np.array(beta)


def rows_of(ids, kinds, words, positions, types):
    return [(words[number], positions[t], types[kind]) for t, (number, kind) in enumerate(zip(ids, kinds, strict=True))]


def like(table, number, k, own=True, scaled=True, sign=-1):
    lengths = np.linalg.norm(table, axis=1) if scaled else 1
    order = np.argsort(sign * (table @ table[number]) / lengths, kind="stable")
    return (order if own else order[order != number])[:k]


WRONG = {
    "embeddings.count": [
        (1000 * 16, "word table alone"),
        (1064 * 16, "types"),
        (1066 * 16, "gamma and beta"),
        (1066 * 16 + 16, "they are two"),
        (1066 * 16 + 2, "16 each"),
        (1066, "rows"),
        (1000 * 64 * 2 * 16, "add"),
        ([17088], "one number"),
    ],
    "embeddings.add_up": [
        (lambda ids, kinds, w, p, s: np.array(w)[ids], "words' rows alone"),
        (lambda ids, kinds, w, p, s: np.array(w)[ids] + np.array(p)[: len(ids)], "types are missing"),
        (lambda ids, kinds, w, p, s: np.array(w)[ids] + np.array(s)[kinds], "places are missing"),
        (lambda *given: added(*given, first=1), "from 0"),
        (lambda *given: added(*given, by_id=True), "wants the place"),
        (lambda *given: added(*given, factor=1 / 3), "not a mean"),
        (lambda *given: added(*given).sum(axis=1), "one number"),
        (lambda *given: normal(added(*given)), "normalised already"),
        (lambda *given: [word + place + kind for word, place, kind in rows_of(*given)], "one behind the other"),
        (lambda ids, kinds, w, p, s: added(ids, [0] * len(ids), w, p, s), "type 0"),
        (lambda ids, kinds, w, p, s: [p[number] for number in ids], "not for an id"),
        (lambda ids, kinds, w, p, s: np.array(w)[ids] + np.array(p), "first rows"),
    ],
    "embeddings.layer_norm": [
        (lambda x, gamma, beta: np.array(x) - np.mean(x), "divide"),
        (lambda x, gamma, beta: normal(x), "gamma and beta"),
        (lambda x, gamma, beta: normal(x, gamma), "beta is missing"),
        (lambda x, gamma, beta: normal(x, 1, beta), "gamma is missing"),
        (lambda x, gamma, beta: normal(x, gamma, beta, root=1), "square root"),
        (lambda x, gamma, beta: normal(x, gamma, beta, mean=False), "not taken away"),
        (lambda x, gamma, beta: gamma * (np.array(x) - np.mean(x)) / np.std(x, ddof=1) + beta, "n - 1"),
        (lambda x, gamma, beta: normal(x, gamma, beta, epsilon=0), "epsilon"),
        (lambda x, gamma, beta: gamma * (x - np.mean(x)) / np.mean(np.square(x)) ** 0.5 + beta, "what is left"),
        (lambda x, gamma, beta, e=1e-12: gamma * (x - np.mean(x)) / (np.std(x) + e) + beta, "under the root"),
        (lambda x, gamma, beta, epsilon=0: normal(x, gamma, beta), "an argument"),
    ],
    "embeddings.nearest": [
        (like, "leave it out"),
        (lambda table, number, k: like(table, number, k + 1), "leave it out"),
        (lambda table, number, k: like(table, number, k, own=False, scaled=False), "divide by both"),
        (lambda table, number, k: like(table, number, k, own=False, sign=1), "farthest"),
        (lambda table, number, k: np.argsort(np.linalg.norm(table - table[number], axis=1))[1 : k + 1], "distance"),
        (lambda table, number, k: like(table, number, k + 1, scaled=False)[1:], "divide by both"),
        (lambda table, number, k: like(table, number, k, own=False)[::-1], "come first"),
        (lambda table, number, k: like(table, number, 99, own=False), "first k"),
    ],
    "embeddings.embed": [
        (lambda *given: added(*given[:5]), "LayerNorm is missing"),
        (lambda *given: normal(added(*given[:5])), "gamma and beta"),
        (lambda *given: normal(added(*given[:5]), *given[5:], axis=0), "wrong axis"),
        (lambda *given: normal(added(*given[:5]), *given[5:], epsilon=1e-3), "1e-12"),
        (lambda ids, kinds, w, p, s, gamma, beta: normal(w[ids] + s[kinds], gamma, beta), "places"),
        (lambda ids, kinds, w, p, s, gamma, beta: w[ids] + p + s[kinds], "first rows"),
        (lambda ids, kinds, w, p, s, gamma, beta: w[ids] - w[ids].mean(axis=1), "keepdims"),
    ],
}
