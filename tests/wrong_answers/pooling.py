"""Wrong answers to the exercises of chapter 7, each with a part of the feedback that it must get."""

import math

import numpy as np
from keras import ops


def similarities(query, texts, embed):
    query_embedding, embeddings = embed(query), embed(texts)
    return embeddings @ query_embedding / np.linalg.norm(embeddings, axis=1)


def column(mask):
    return np.array(mask)[:, None]


def rank(query, texts, embed, top_k, score=float):
    found = [score(x) for x in similarities(query, texts, embed)]
    return sorted(range(len(texts)), key=lambda i: -found[i])[:top_k]


def ranks(similarities, right, first=1):
    return np.array([first + np.sum(row > row[i]) for row, i in zip(similarities, right, strict=True)])


def discounted(grades, gain=float, discount=lambda i: np.log2(i + 2)):
    return sum(gain(grade) / discount(i) for i, grade in enumerate(grades))


def best(grades):
    return sorted(grades, reverse=True)


WRONG = {
    "pooling.mean_reciprocal_rank": [
        (lambda s, right: np.mean(s.argmax(axis=1) == right), "that is the accuracy"),
        (lambda s, right: 1 / ranks(s, right).mean(), "1 / rank for each query first"),
        (lambda s, right: ranks(s, right).mean(), "mean rank"),
        (lambda s, right: 1 / ranks(s, right), "one number per query"),
        (lambda s, right: (1 / ranks(s, right)).sum(), "the sum"),
        (lambda s, right: (1 / ranks(s, right)).sum() / s.shape[1], "number of texts"),
        (lambda s, right: (1 / ranks(s, right, 2)).mean(), "one too high"),
        (lambda s, right: (1 / ranks(-s, right)).mean(), "least similar text first"),
        (lambda s, right: (1 / ranks(s, range(len(s)))).mean(), "right[i], not text i"),
        (lambda s, right: np.mean([1 / r if r > 1 else np.inf for r in ranks(s, right)]), "start at 1"),
        (lambda s, right: (1 / np.minimum(ranks(s, right), 5)).mean(), "mean_reciprocal_rank([["),
        (lambda s, right: (1 / ranks(np.abs(s), right)).mean(), "expected 0.6111"),
    ],
    "pooling.ndcg": [
        (lambda grades, k: discounted(grades[:k]), "that is the DCG"),
        (lambda grades, k: discounted(grades[:k]) / discounted(best(grades)), "cut off at k"),
        (lambda grades, k: discounted(grades[:k]) / discounted(best(grades[:k])), "*all* grades"),
        (lambda grades, k: discounted(grades) / discounted(best(grades)), "k has no effect"),
        (lambda grades, k: sum(grades[:k]) / sum(best(grades)[:k]), "discount is missing"),
        (
            lambda grades, k: (
                discounted(grades[:k], discount=lambda i: i + 1)
                / discounted(best(grades)[:k], discount=lambda i: i + 1)
            ),
            "divides by the rank",
        ),
        (
            lambda grades, k: (
                discounted(grades[:k], lambda grade: 2**grade - 1)
                / discounted(best(grades)[:k], lambda grade: 2**grade - 1)
            ),
            "another convention",
        ),
        (lambda grades, k: discounted(grades[:k]) / k, "divides by k"),
        (lambda grades, k: discounted(grades[:k]) / discounted(sorted(grades)[:k]), "sorts upward"),
        (lambda grades, k: np.divide(discounted(grades[:k]), discounted(best(grades)[:k])), "0 / 0"),
        (
            lambda grades, k: discounted(grades[:k]) / (discounted(best(grades)[:k]) or 1) if len(grades) > 1 else 0,
            "ndcg([2], 5): expected 1, got 0",
        ),
    ],
    "pooling.zero_padding": [
        (0.25, "length shrinks"),
        (0.75, "fraction of zeros"),
        (4, "never above 1"),
        (0, "right angle"),
    ],
    "pooling.mean_by_hand": [
        (lambda x, mask: x.mean(axis=0), "no effect"),
        (lambda x, mask: x[: mask.sum()].mean(axis=0), "which tokens are real"),
        (lambda x, mask: (x * column(mask)).mean(axis=0), "all five positions"),
        (lambda x, mask: (x * column(mask)).sum(axis=0), "number of real tokens"),
        (lambda x, mask: x[0], "first token"),
        (lambda x, mask: x[mask == 1].mean(), "one number for everything"),
        (lambda x, mask: (x * column(1 - mask)).sum(axis=0) / (1 - mask).sum(), "inverted"),
        (lambda x, mask: x * column(mask), "zero now"),
        (lambda x, mask: x[mask].mean(axis=0), "mask == 1"),
        (
            lambda x, mask: (x * column(mask)).sum(axis=0) / max(mask.sum(), 2),
            "mean_pool([[-2.5]], [1]): expected -2.5",
        ),
        (lambda x, mask: (x * column(mask)).sum(axis=0) / min(mask.sum(), 3), "expected 0.3325 at [0], got 0.4433"),
    ],
    "pooling.max_by_hand": [
        (lambda x, mask: x.max(axis=0), "no effect"),
        (lambda x, mask: x[: mask.sum()].max(axis=0), "which tokens are real"),
        (lambda x, mask: (x * column(mask)).max(axis=0), "0 is more than -1"),
        (lambda x, mask: x[mask == 1].max(), "one number for everything"),
        (lambda x, mask: np.abs(x[mask == 1]).max(axis=0), "sign is lost"),
        (lambda x, mask: x[mask == 1].mean(axis=0), "this is the mean"),
        (lambda x, mask: x[mask].max(axis=0), "mask == 1"),
        (lambda x, mask: x[mask == 1].argmax(axis=0), "positions of the maxima"),
        (lambda x, mask: np.where(column(mask) == 1, x, -5).max(axis=0), "it returns -5. Fill padding with -np.inf"),
        (lambda x, mask: np.where(column(mask) == 1, x, -1000).max(axis=0), "it returns -1000"),
        (lambda x, mask: (x - 1000 * column(1 - mask)).max(axis=0), "padding wins"),
        (lambda x, mask: np.maximum(x[mask == 1].max(axis=0), -9), "padding wins"),
    ],
    "pooling.unit": [
        (lambda x: x / np.linalg.norm(x), "whole array"),
        (lambda x: x / x.sum(axis=1, keepdims=True), "length is the square root"),
        (lambda x: np.linalg.norm(x, axis=1), "these are the lengths"),
        (lambda x: x / np.linalg.norm(x, axis=0), "columns"),
        (lambda x: x / np.linalg.norm(x, axis=1, keepdims=True), "0 / 0"),
        (lambda x: x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1), "below 1"),
        (lambda x: np.array([row / np.linalg.norm(row) for row in x if row.any()]), "is missing"),
        (lambda x: x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-3), "gets the length 0.5 instead of 1"),
        (lambda x: x / (np.linalg.norm(x, axis=1, keepdims=True) + 1e-4), "a short vector"),
        (
            lambda x: x / np.clip(np.linalg.norm(x, axis=1, keepdims=True), 1e-12, 100),
            "l2_normalize([[3000.0, -4000.0]",
        ),
    ],
    "pooling.search": [
        (
            lambda query, texts, embed, top_k: [
                texts[i] for i in np.argsort(-similarities(query, texts, embed))[:top_k]
            ],
            "indices",
        ),
        (lambda query, texts, embed, top_k: np.argsort(similarities(query, texts, embed))[:top_k], "least similar"),
        (lambda query, texts, embed, top_k: np.argsort(similarities(query, texts, embed))[-top_k:], "wrong order"),
        (lambda query, texts, embed, top_k: np.argsort(-similarities(query, texts, embed)), "all texts"),
        (lambda query, texts, embed, top_k: np.argsort(-(embed(texts) @ embed(query)))[:top_k], "long vector wins"),
        (lambda query, texts, embed, top_k: np.argmax(similarities(query, texts, embed)), "only the best"),
        (lambda query, texts, embed, top_k: np.sort(-similarities(query, texts, embed))[:top_k], "whole numbers"),
        (
            lambda query, texts, embed, top_k: np.argsort(np.linalg.norm(embed(texts) - embed(query), axis=1))[:top_k],
            "distance",
        ),
        (lambda query, texts, embed, top_k: rank(query, texts, embed, top_k, abs), "expected 1 at [0], got 0"),
        (
            lambda query, texts, embed, top_k: rank(query, texts, lambda t: embed(t)[..., :2], top_k),
            "semantic_search('dead', ['bee'",
        ),
    ],
}


def mean_in_a_loop(x, mask):
    total = [0.0] * x.shape[1]
    for vector, real in zip(x, mask, strict=True):
        if real:
            total = [a + b for a, b in zip(total, vector, strict=True)]
    return [a / sum(mask) for a in total]


def mean_of_tensors(x, mask):
    weights = ops.array(mask, dtype="float32")[:, None]
    return ops.sum(ops.array(x, dtype="float32") * weights, axis=0) / ops.sum(weights)


def max_in_a_loop(x, mask):
    return [max(row[i] for row, real in zip(x, mask, strict=True) if real) for i in range(x.shape[1])]


def max_of_tensors(x, mask):
    return ops.max(ops.where(ops.array(mask)[:, None] == 1, ops.array(x, dtype="float32"), -1e9), axis=0)


def unit_in_a_loop(x):
    rows = []
    for row in x:
        length = math.sqrt(sum(value * value for value in row))
        rows.append([value / length if length else 0.0 for value in row])
    return rows


def unit_with_where(x):
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(norms == 0, 1, norms)


def search_in_a_loop(query, texts, embed, top_k):
    wanted, found = embed(query), []
    for i, text in enumerate(texts):
        vector = embed(text)
        lengths = math.sqrt(sum(x * x for x in vector)) * math.sqrt(sum(x * x for x in wanted))
        found.append((sum(x * y for x, y in zip(vector, wanted, strict=True)) / lengths, i))
    return [i for _, i in sorted(found, reverse=True)[:top_k]]


def search_with_tensors(query, texts, embed, top_k):
    embeddings = ops.normalize(ops.array(embed(texts), dtype="float32"), axis=-1)
    return ops.top_k(ops.matmul(embeddings, ops.array(embed(query), dtype="float32")), top_k)[1]


def reciprocal_ranks_of_sorted(similarities, right):
    places = np.argsort(-similarities, axis=1)
    return np.mean(1 / (1 + np.argmax(places == right[:, None], axis=1)))


def reciprocal_ranks_of_tensors(similarities, right):
    similarities = ops.array(similarities, dtype="float32")
    own = ops.take_along_axis(similarities, ops.array(right)[:, None], axis=1)
    return ops.mean(1 / (1 + ops.sum(ops.cast(similarities > own, "float32"), axis=1)))


def ndcg_in_a_loop(grades, k):
    gains = []
    for order in (grades, sorted(grades)[::-1]):
        gain = 0.0
        for rank in range(1, min(k, len(order)) + 1):
            gain += order[rank - 1] / math.log(rank + 1)  # the base cancels
        gains.append(gain)
    return gains[0] / gains[1] if gains[1] > 0 else 0


def ndcg_of_arrays(grades, k):
    found, ideal = np.array(grades, float)[:k], np.sort(grades)[::-1][:k]
    discounts = 1 / np.log2(np.arange(2, len(found) + 2))
    return found @ discounts / max(ideal @ discounts, 1e-12)


def ndcg_of_tensors(grades, k):
    grades = ops.array(grades, dtype="float32")
    discounts = ops.log(ops.arange(2, len(grades[:k]) + 2, dtype="float32"))
    ideal = ops.sum(ops.flip(ops.sort(grades))[:k] / discounts)
    return ops.sum(grades[:k] / discounts) / ops.maximum(ideal, 1e-12)


RIGHT = {
    "pooling.mean_reciprocal_rank": [
        reciprocal_ranks_of_sorted,
        reciprocal_ranks_of_tensors,
        lambda s, right: (1 / ranks(s, right)).mean(),
        lambda s, right: (
            sum(1 / (sorted(row)[::-1].index(row[i]) + 1) for row, i in zip(s, right, strict=True)) / len(s)
        ),
    ],
    "pooling.ndcg": [ndcg_in_a_loop, ndcg_of_arrays, ndcg_of_tensors],
    "pooling.mean_by_hand": [
        mean_in_a_loop,
        mean_of_tensors,
        lambda x, mask: x[mask == 1].mean(axis=0),
        lambda x, mask: np.average(x, axis=0, weights=mask),
        lambda x, mask: mask @ x / mask.sum(),
    ],
    "pooling.max_by_hand": [
        max_in_a_loop,
        max_of_tensors,
        lambda x, mask: x[mask == 1].max(axis=0),
        lambda x, mask: x[mask.astype(bool)].max(axis=0),
        lambda x, mask: (x - 1e9 * column(1 - mask)).max(axis=0),
        lambda x, mask: np.where(column(mask) == 1, x, -1e4).max(axis=0),
        lambda x, mask: map(max, zip(*x[mask == 1], strict=True)),
    ],
    "pooling.unit": [
        unit_in_a_loop,
        unit_with_where,
        lambda x: ops.normalize(ops.array(x, dtype="float32"), axis=-1),
        lambda x: x / (np.linalg.norm(x, axis=1, keepdims=True) + 1e-12),
        lambda x: x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-7),
        lambda x: np.nan_to_num(x / np.linalg.norm(x, axis=1, keepdims=True)),
    ],
    "pooling.search": [
        rank,
        search_in_a_loop,
        search_with_tensors,
        lambda query, texts, embed, top_k: np.argsort(similarities(query, texts, embed))[::-1][:top_k],
        lambda query, texts, embed, top_k: (int(i) for i in rank(query, texts, embed, top_k)),
    ],
}
