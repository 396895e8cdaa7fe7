"""Wrong answers to the exercises of the chapter, and a word that the reason given must hold."""

import numpy as np


def norm(x, axis=-1):
    return (x - x.mean(axis=axis, keepdims=True)) / x.std(axis=axis, keepdims=True)


def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)


def look(x, w, root=5**0.5):
    return softmax((x @ w["q"]) @ (x @ w["k"]).T / root) @ (x @ w["v"])


def think(y, w):
    return np.maximum(y @ w["w1"], 0) @ w["w2"]


def whole(x, w, attended, axis=-1):
    y = norm(x + attended, axis)
    return norm(y + think(y, w), axis)


def without_first_norm(x, w):
    y = x + look(x, w) @ w["o"]
    return norm(y + think(y, w))


def normed(x, scale, shift, epsilon, ddof=0, root=0.5):
    x = np.array(x)
    return (x - x.mean()) / (x.var(ddof=ddof) + epsilon) ** root * scale + shift


WRONG = {
    "transformer.parameters": [
        (7084800, "two norms"),
        (7084800 + 2 * 768, "4 D"),
        (12 * 7087872, "one was asked"),
        (1774464, "MiniLM"),
        (4 * (768 * 768 + 768) + 4 * 768, "feed-forward network is missing"),
        (7_000_000, "expected"),
    ],
    "transformer.layer_norm_by_hand": [
        (lambda x, scale, shift, epsilon: normed(x, 1, 0, epsilon), "scale and shift"),
        (lambda x, scale, shift, epsilon: normed(x, scale, 0, epsilon), "shift is missing"),
        (lambda x, scale, shift, epsilon: normed(x, scale, shift, 0), "epsilon is missing"),
        (lambda x, scale, shift, epsilon: normed(x, scale, shift, epsilon, root=1), "square root"),
        (lambda x, scale, shift, epsilon: normed(x, scale, shift, epsilon, ddof=1), "n - 1"),
        (lambda x, scale, shift, epsilon: (np.array(x) - np.mean(x)) * scale + shift, "spread"),
        (lambda x, scale, shift, epsilon: normed(x, 1, shift, epsilon) * scale, "first the scale"),
        (lambda x, s, b, epsilon: (np.array(x) - np.mean(x)) / (np.std(x) + epsilon**0.5) * s + b, "inside"),
    ],
    "transformer.dropout_by_hand": [
        (lambda x, keep, rate: x * keep, "must grow"),
        (lambda x, keep, rate: x * keep * (1 - rate), "shrink"),
        (lambda x, keep, rate: x * keep / rate, "not by the rate"),
        (lambda x, keep, rate: x * (1 - keep) / (1 - rate), "turned round"),
        (lambda x, keep, rate: x[keep == 1] / (1 - rate), "places"),
    ],
    "transformer.post_norm": [
        (lambda x, a, f, n1, n2: x + a(n1(x)) + f(n2(x + a(n1(x)))), "pre-norm"),
        (lambda x, a, f, n1, n2: n1(x + a(x)), "first half"),
        (lambda x, a, f, n1, n2: n2(f(n1(a(x)))), "both sums"),
        (lambda x, a, f, n1, n2: n2(f(n1(x + a(x)))), "second sum"),
        (lambda x, a, f, n1, n2: n2(x + f(n1(x + a(x)))), "starts from x"),
        (lambda x, a, f, n1, n2: n1(n1(x + a(x)) + f(n1(x + a(x)))), "first norm twice"),
        (lambda x, a, f, n1, n2: x + n1(a(x)) + n2(f(x + n1(a(x)))), "inside the sums"),
        (lambda x, a, f, n1, n2: n1(x + a(x)) + n2(f(n1(x + a(x)))), "second norm is inside"),
        (lambda x, a, f, n1, n2: n2(n1(x + a(x)) + f(x)), "should read y"),
        (lambda x, a, f, n1, n2: n2(x + a(x) + f(n1(x + a(x)))), "before its norm"),
    ],
    "transformer.pre_norm": [
        (lambda x, a, f, n1, n2: n2(n1(x + a(x)) + f(n1(x + a(x)))), "post-norm"),
        (lambda x, a, f, n1, n2: x + a(n1(x)), "first half"),
        (lambda x, a, f, n1, n2: n1(x) + a(n1(x)) + f(n2(n1(x) + a(n1(x)))), "x itself"),
        (lambda x, a, f, n1, n2: f(n2(a(n1(x)))), "both sums"),
        (lambda x, a, f, n1, n2: x + f(n2(x + a(n1(x)))), "starts from x"),
        (lambda x, a, f, n1, n2: x + a(n1(x)) + f(x + a(n1(x))), "second norm"),
        (lambda x, a, f, n1, n2: n2(n1(x) + a(n1(x))) + f(n2(n1(x) + a(n1(x)))), "x and y themselves"),
        (lambda x, a, f, n1, n2: x + n1(a(x)) + n2(f(x + n1(a(x)))), "before the work"),
        (lambda x, a, f, n1, n2: x + a(n1(x)) + f(n2(x)), "should read y"),
    ],
    "transformer.encoder_layer": [
        (lambda x, w: whole(x, w, look(x, w, root=1) @ w["o"]), "1/sqrt(H)"),
        (lambda x, w: whole(x, w, look(x, w)), "w['o']"),
        (lambda x, w: norm(think(norm(look(x, w) @ w["o"]), w)), "both sums"),
        (without_first_norm, "first norm"),
        (lambda x, w: whole(x, w, look(x, w) @ w["o"], axis=None), "whole table"),
        (lambda x, w: whole(x, w, look(x, w) @ w["o"], axis=0), "over the tokens"),
        (lambda x, w: norm(x + think(norm(x + look(x, w) @ w["o"]), w)), "starts from x"),
        (lambda x, w: look(x, w) @ w["o"], "expected"),
    ],
}
