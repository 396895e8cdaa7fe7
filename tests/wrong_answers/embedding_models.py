"""Wrong and right answers to the exercises of chapter 16; the wrong ones with a part of the feedback."""

import numpy as np
from keras import ops


def softmax(x):
    powers = np.exp(np.array(x))
    return powers / powers.sum()


def one_hot(cosines, right):
    return np.arange(len(cosines)) == right


def gradient_by_tensors(cosines, right, scale):
    probabilities = ops.softmax(scale * ops.array(cosines, dtype="float32"))
    return scale * (probabilities - ops.one_hot(right, len(cosines)))


def negatives_by_arrays(names, paragraphs):
    names, paragraphs = np.array(names), np.array(paragraphs)
    return (names[:, None] != names) & (paragraphs[:, None] != paragraphs)


def negatives_by_loops(names, paragraphs):
    rows = []
    for name, paragraph in zip(names, paragraphs, strict=True):
        rows.append([name != n and paragraph != p for n, p in zip(names, paragraphs, strict=True)])
    return rows


def rerank_by_arrays(cosines, score, k):
    found = np.argsort(-np.array(cosines), kind="stable")
    scores = np.array([score(i) for i in found[:k]])
    return np.concatenate([found[:k][np.argsort(-scores, kind="stable")], found[k:]]).astype(int)


def by_cosine(cosines):
    return sorted(range(len(cosines)), key=lambda i: -cosines[i])


def rerank_all(cosines, score, k):
    return sorted(range(len(cosines)), key=lambda i: -score(i))


def rerank_expensively(cosines, score, k):
    scores = [score(i) for i in range(len(cosines))]
    found = by_cosine(cosines)
    return sorted(found[:k], key=lambda i: -scores[i]) + found[k:]


def rerank_three(cosines, score, k):
    found = by_cosine(cosines)
    return sorted(found[:3], key=lambda i: -score(i)) + found[3:]


def rerank_upside_down(cosines, score, k):
    found = by_cosine(cosines)
    return sorted(found[:k], key=score) + found[k:]


def rerank_top_only(cosines, score, k):
    return sorted(by_cosine(cosines)[:k], key=lambda i: -score(i))


WRONG = {
    "embedding_models.passes": [
        (10, "the query itself"),
        (1, "one more pass"),
        (20, "together"),
        (1_000_010, "stored"),
        (1_000_000, "cross-encoder for everything"),
        (12, "expected 11"),
    ],
    "embedding_models.gradient": [
        (lambda c, right, s: softmax(s * np.array(c)) - one_hot(c, right), "by the logits"),
        (lambda c, right, s: s * (one_hot(c, right) - softmax(s * np.array(c))), "sign is wrong"),
        (lambda c, right, s: s * softmax(s * np.array(c)), "subtract 1"),
        (lambda c, right, s: s * (softmax(c) - one_hot(c, right)), "before the softmax"),
        (lambda c, right, s: softmax(s * np.array(c)), "should become 1"),
        (lambda c, right, s: -np.log(softmax(s * np.array(c)))[right], "that is the loss"),
        (lambda c, right, s: s * (softmax(s * np.array(c)) - one_hot(c, int(np.argmax(c)))), "not the nearest"),
        (lambda c, right, s: s * (softmax(s * np.array(c)) - one_hot(c, right)), "Subtract the largest"),
    ],
    "embedding_models.negatives": [
        (lambda names, paragraphs: 1 - np.eye(len(names)), "only the diagonal"),
        (lambda names, paragraphs: [[a != b for b in names] for a in names], "right and wrong at once"),
        (lambda names, paragraphs: [[a != b for b in paragraphs] for a in paragraphs], "for `pop`, too"),
        (lambda names, paragraphs: ~negatives_by_arrays(names, paragraphs), "swapped"),
        (lambda names, paragraphs: np.eye(len(names)), "right pairs"),
        (lambda names, paragraphs: negatives_by_arrays(names, paragraphs).sum(axis=1), "how many negatives"),
        (lambda names, paragraphs: negatives_by_arrays(names * 5, paragraphs * 5)[:5, :5], "negatives("),
    ],
    "embedding_models.rerank": [
        (lambda cosines, score, k: by_cosine(cosines), "nothing is re-ranked"),
        (rerank_all, "all are re-ranked"),
        (rerank_top_only, "others are missing"),
        (rerank_upside_down, "reverse order"),
        (rerank_expensively, "called 6 times"),
        (rerank_three, "rerank("),
    ],
}

RIGHT = {
    "embedding_models.passes": [11, 11.0, np.array(11)],
    "embedding_models.gradient": [gradient_by_tensors],
    "embedding_models.negatives": [negatives_by_arrays, negatives_by_loops],
    "embedding_models.rerank": [rerank_by_arrays],
}
