"""Wrong answers to the exercises of chapter 7, each with a part of the feedback that it must get."""

import numpy as np


def similarities(query, texts, embed):
    query_embedding, embeddings = embed(query), embed(texts)
    return embeddings @ query_embedding / np.linalg.norm(embeddings, axis=1)


def column(mask):
    return np.array(mask)[:, None]


WRONG = {
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
    ],
    "pooling.unit": [
        (lambda x: x / np.linalg.norm(x), "whole array"),
        (lambda x: x / x.sum(axis=1, keepdims=True), "length is the square root"),
        (lambda x: np.linalg.norm(x, axis=1), "these are the lengths"),
        (lambda x: x / np.linalg.norm(x, axis=0), "columns"),
        (lambda x: x / np.linalg.norm(x, axis=1, keepdims=True), "0 / 0"),
        (lambda x: x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1), "below 1"),
        (lambda x: np.array([row / np.linalg.norm(row) for row in x if row.any()]), "is missing"),
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
    ],
}
