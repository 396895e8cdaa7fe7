"""Wrong answers to the exercises of the chapter, each with a word of the reason that `check` gives."""

import numpy as np


def norm(x, axis=-1):
    return (x - x.mean(axis=axis, keepdims=True)) / x.std(axis=axis, keepdims=True)


def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)


def attention(x, w, root=5**0.5):
    return softmax((x @ w["q"]) @ (x @ w["k"]).T / root) @ (x @ w["v"])


def feedforward(y, w):
    return np.maximum(y @ w["w1"], 0) @ w["w2"]


def layer(x, w, attention_output, axis=-1):
    y = norm(x + attention_output, axis)
    return norm(y + feedforward(y, w), axis)


def without_first_norm(x, w):
    y = x + attention(x, w) @ w["o"]
    return norm(y + feedforward(y, w))


def layer_norm(x, scale, shift, epsilon, ddof=0, root=0.5):
    x = np.array(x)
    return (x - x.mean()) / (x.var(ddof=ddof) + epsilon) ** root * scale + shift


WRONG = {
    "transformer.parameters": [
        (7084800, "two norms"),
        (7084800 + 2 * 768, "4 D"),
        (12 * 7087872, "about one"),
        (1774464, "MiniLM"),
        (4 * (768 * 768 + 768) + 4 * 768, "feed-forward network is missing"),
        (7_000_000, "expected"),
    ],
    "transformer.layer_norm_by_hand": [
        (lambda x, scale, shift, epsilon: layer_norm(x, 1, 0, epsilon), "scale and shift"),
        (lambda x, scale, shift, epsilon: layer_norm(x, scale, 0, epsilon), "shift is missing"),
        (lambda x, scale, shift, epsilon: layer_norm(x, scale, shift, 0), "epsilon is missing"),
        (lambda x, scale, shift, epsilon: layer_norm(x, scale, shift, epsilon, root=1), "square root"),
        (lambda x, scale, shift, epsilon: layer_norm(x, scale, shift, epsilon, ddof=1), "n - 1"),
        (lambda x, scale, shift, epsilon: (np.array(x) - np.mean(x)) * scale + shift, "standard deviation"),
        (lambda x, scale, shift, epsilon: layer_norm(x, 1, shift, epsilon) * scale, "first the scale"),
        (lambda x, s, b, epsilon: (np.array(x) - np.mean(x)) / (np.std(x) + epsilon**0.5) * s + b, "inside the root"),
    ],
    "transformer.dropout_by_hand": [
        (lambda x, keep, rate: x * keep, "scale up"),
        (lambda x, keep, rate: x * keep * (1 - rate), "shrink"),
        (lambda x, keep, rate: x * keep / rate, "not by the rate"),
        (lambda x, keep, rate: x * (1 - keep) / (1 - rate), "inverted"),
        (lambda x, keep, rate: x[keep == 1] / (1 - rate), "shape stays"),
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
        (lambda x, a, f, n1, n2: n2(n1(x + a(x)) + f(x)), "should get y"),
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
        (lambda x, a, f, n1, n2: x + n1(a(x)) + n2(f(x + n1(a(x)))), "before attention"),
        (lambda x, a, f, n1, n2: x + a(n1(x)) + f(n2(x)), "should get y"),
    ],
    "transformer.encoder_layer": [
        (lambda x, w: layer(x, w, attention(x, w, root=1) @ w["o"]), "1/sqrt(H)"),
        (lambda x, w: layer(x, w, attention(x, w)), "w['o']"),
        (lambda x, w: norm(feedforward(norm(attention(x, w) @ w["o"]), w)), "both sums"),
        (without_first_norm, "first norm"),
        (lambda x, w: layer(x, w, attention(x, w) @ w["o"], axis=None), "whole array"),
        (lambda x, w: layer(x, w, attention(x, w) @ w["o"], axis=0), "over the tokens"),
        (lambda x, w: norm(x + feedforward(norm(x + attention(x, w) @ w["o"]), w)), "starts from x"),
        (lambda x, w: attention(x, w) @ w["o"], "expected"),
    ],
}
