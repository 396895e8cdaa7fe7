"""Wrong answers to the exercises of the chapter, each with a word of the reason that `check` gives."""

import numpy as np
from keras import ops


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


def ranked(table, index, k, own=-np.inf):
    """The `k` nearest rows, correct by default; `own` takes the place of the cosine of the row itself."""
    cosines = table @ table[index] / np.linalg.norm(table, axis=1) / np.linalg.norm(table[index])
    cosines[index] = own
    return np.argsort(-cosines, kind="stable")[:k]


def nearest_with_loops(table, index, k):
    def cosine(i):
        a, b = table[i], table[index]
        return sum(x * y for x, y in zip(a, b, strict=True)) / (sum(x * x for x in a) * sum(y * y for y in b)) ** 0.5

    return sorted((i for i in range(len(table)) if i != index), key=cosine, reverse=True)[:k]


def nearest_of_tensors(table, index, k):
    unit_vectors = ops.normalize(ops.convert_to_tensor(table, dtype="float32"), axis=-1)
    cosines = ops.matmul(unit_vectors, unit_vectors[index]) - 9 * ops.one_hot(index, len(table))
    return ops.top_k(cosines, k)[1]


def add_with_loops(ids, type_ids, words, positions, types):
    rows = []
    for t in range(len(ids)):
        row = []
        for d in range(len(words[0])):
            row.append(words[ids[t]][d] + positions[t][d] + types[type_ids[t]][d])
        rows.append(row)
    return rows


def add_tensors(ids, type_ids, words, positions, types):
    words, positions, types = (ops.array(table, dtype="float32") for table in (words, positions, types))
    ids, type_ids = ops.array(ids, dtype="int32"), ops.array(type_ids, dtype="int32")
    return ops.take(words, ids, axis=0) + positions[: len(ids)] + ops.take(types, type_ids, axis=0)


def layer_norm_with_loops(x, gamma, beta, epsilon=1e-12):
    mean = variance = 0
    for element in x:
        mean += element / len(x)
    for element in x:
        variance += (element - mean) ** 2 / len(x)
    return (
        g * (element - mean) * (variance + epsilon) ** -0.5 + b for element, g, b in zip(x, gamma, beta, strict=True)
    )


def layer_norm_of_tensors(x, gamma, beta, epsilon=1e-12):
    x, gamma, beta = (ops.convert_to_tensor(part, dtype="float32") for part in (x, gamma, beta))
    mean, variance = ops.moments(x, axes=[-1], keepdims=True)
    return gamma * (x - mean) / ops.sqrt(variance + epsilon) + beta


def embed_with_loops(*inputs):
    return [list(layer_norm_with_loops(row, *inputs[5:])) for row in add_with_loops(*inputs[:5])]


def layer_norm_of_three(x, gamma, beta, epsilon=1e-12):
    centered = np.array(x) - sum(x) / 3
    return gamma * centered / np.sqrt(sum(centered**2) / 3 + epsilon) + beta


RIGHT = {
    "embeddings.add_up": [add_embeddings, add_with_loops, add_tensors],
    "embeddings.layer_norm": [
        lambda x, gamma, beta, epsilon=1e-12: layer_norm(x, gamma, beta, epsilon),
        layer_norm_with_loops,
        layer_norm_of_tensors,
    ],
    "embeddings.nearest": [
        ranked,
        nearest_with_loops,
        nearest_of_tensors,
        lambda table, index, k: [i for i in most_similar(table, index, len(table)) if i != index][:k],
    ],
    "embeddings.embed": [
        lambda *inputs: layer_norm(add_embeddings(*inputs[:5]), *inputs[5:]),
        embed_with_loops,
        lambda *inputs: layer_norm_of_tensors(add_tensors(*inputs[:5]), *inputs[5:]),
    ],
}

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
        (lambda ids, kinds, w, p, s: np.array(add_with_loops(ids, kinds, w, p, s))[:, :3], "expected shape"),
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
        (lambda x, gamma, beta, epsilon=1e-5: layer_norm(x, gamma, beta, epsilon), "[1e-06, -2e-06, 4e-06, 0.0]"),
        (layer_norm_of_three, "layer_norm([3.5], [2.0], [-0.5]): expected -0.5"),
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
        (lambda table, index, k: most_similar(table, index, k + 1)[1:], "need not come first"),
        (lambda table, index, k: most_similar(table[:, ::-1], index, k + 1)[1:], "need not come first"),
        (lambda table, index, k: ranked(table, index, k, own=-1), "opposite rows"),
        (lambda table, index, k: ranked(table, index, k, own=0), "smaller number"),
    ],
    "embeddings.embed": [
        (lambda *inputs: add_embeddings(*inputs[:5]), "LayerNorm is missing"),
        (lambda *inputs: layer_norm(add_embeddings(*inputs[:5])), "gamma and beta"),
        (lambda *inputs: layer_norm(add_embeddings(*inputs[:5]), *inputs[5:], axis=0), "wrong axis"),
        (lambda *inputs: layer_norm(add_embeddings(*inputs[:5]), *inputs[5:], epsilon=1e-3), "1e-12"),
        (lambda *inputs: layer_norm(add_embeddings(*inputs[:5]), *inputs[5:], epsilon=1e-5), "default of PyTorch"),
        (lambda *inputs: layer_norm(add_embeddings(*inputs[:5]), *inputs[5:], epsilon=1e-6), "is 1e-6"),
        (lambda *inputs: layer_norm(add_embeddings(*inputs[:5]), *inputs[5:], epsilon=0), "not under the root"),
        (
            lambda *inputs: layer_norm(add_embeddings(*inputs[:5]), *inputs[5:], epsilon=3e-12),
            "tiny numbers, such as 1e-6: expected",
        ),
        (lambda ids, kinds, w, p, s, gamma, beta: layer_norm(w[ids] + s[kinds], gamma, beta), "positions"),
        (lambda ids, kinds, w, p, s, gamma, beta: w[ids] + p + s[kinds], "first rows"),
        (lambda ids, kinds, w, p, s, gamma, beta: w[ids] - w[ids].mean(axis=1), "keepdims"),
    ],
}
