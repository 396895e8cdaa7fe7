"""Wrong answers to the exercises of the chapter, and a word that the reason given must hold."""

import numpy as np


def alike(question, texts, embed):
    one, many = embed(question), embed(texts)
    return many @ one / np.linalg.norm(many, axis=1)


def spread(mask):
    return np.array(mask)[:, None]


WRONG = {
    "pooling.zero_padding": [
        (0.25, "length shrinks"),
        (0.75, "share of zeros"),
        (4, "never above 1"),
        (0, "right angle"),
    ],
    "pooling.mean_by_hand": [
        (lambda x, mask: x.mean(axis=0), "no effect"),
        (lambda x, mask: x[: mask.sum()].mean(axis=0), "which tokens are real"),
        (lambda x, mask: (x * spread(mask)).mean(axis=0), "all five places"),
        (lambda x, mask: (x * spread(mask)).sum(axis=0), "how many they are"),
        (lambda x, mask: x[0], "first token"),
        (lambda x, mask: x[mask == 1].mean(), "one number for all"),
        (lambda x, mask: (x * spread(1 - mask)).sum(axis=0) / (1 - mask).sum(), "turned round"),
        (lambda x, mask: x * spread(mask), "zero now"),
        (lambda x, mask: x[mask].mean(axis=0), "mask == 1"),
    ],
    "pooling.max_by_hand": [
        (lambda x, mask: x.max(axis=0), "no effect"),
        (lambda x, mask: x[: mask.sum()].max(axis=0), "which tokens are real"),
        (lambda x, mask: (x * spread(mask)).max(axis=0), "0 is more than -1"),
        (lambda x, mask: x[mask == 1].max(), "one number for all"),
        (lambda x, mask: np.abs(x[mask == 1]).max(axis=0), "sign is lost"),
        (lambda x, mask: x[mask == 1].mean(axis=0), "this is the mean"),
        (lambda x, mask: x[mask].max(axis=0), "mask == 1"),
        (lambda x, mask: x[mask == 1].argmax(axis=0), "largest stand"),
    ],
    "pooling.unit": [
        (lambda x: x / np.linalg.norm(x), "whole table"),
        (lambda x: x / x.sum(axis=1, keepdims=True), "length is a root"),
        (lambda x: np.linalg.norm(x, axis=1), "these are the lengths"),
        (lambda x: x / np.linalg.norm(x, axis=0), "columns"),
        (lambda x: x / np.linalg.norm(x, axis=1, keepdims=True), "0 / 0"),
        (lambda x: x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1), "below 1"),
        (lambda x: np.array([row / np.linalg.norm(row) for row in x if row.any()]), "is gone"),
    ],
    "pooling.search": [
        (lambda q, texts, embed, top: [texts[i] for i in np.argsort(-alike(q, texts, embed))[:top]], "places"),
        (lambda q, texts, embed, top: np.argsort(alike(q, texts, embed))[:top], "least alike"),
        (lambda q, texts, embed, top: np.argsort(alike(q, texts, embed))[-top:], "wrong order"),
        (lambda q, texts, embed, top: np.argsort(-alike(q, texts, embed)), "everybody"),
        (lambda q, texts, embed, top: np.argsort(-(embed(texts) @ embed(q)))[:top], "long vector wins"),
        (lambda q, texts, embed, top: np.argmax(alike(q, texts, embed)), "only the best"),
        (lambda q, texts, embed, top: np.sort(-alike(q, texts, embed))[:top], "whole numbers"),
        (lambda q, texts, embed, top: np.argsort(np.linalg.norm(embed(texts) - embed(q), axis=1))[:top], "distance"),
    ],
}
