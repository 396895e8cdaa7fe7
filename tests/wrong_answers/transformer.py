"""Wrong answers to the exercises of the chapter, each with a word of the reason that `check` gives; and right ones."""

import numpy as np
from keras import ops


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


def sized_layer_norm(x, scale, shift, epsilon, size, stop=None):
    mean = sum(x[:stop]) / size
    root = (sum((element - mean) ** 2 for element in x[:stop]) / size + epsilon) ** 0.5
    return [(element - mean) / root * a + b for element, a, b in zip(x[:stop], scale, shift, strict=False)]


def one_max(x, w):
    logits = (x @ w["q"]) @ (x @ w["k"]).T / x.shape[-1] ** 0.5
    return layer(x, w, softmax(logits - logits.max()) @ (x @ w["v"]) @ w["o"])


def layer_loop(x, w):
    keys, values = x @ w["k"], x @ w["v"]
    y = []
    for token in x:
        dots = [sum(a * b for a, b in zip(token @ w["q"], key, strict=True)) / x.shape[-1] ** 0.5 for key in keys]
        exponentials = [np.exp(dot - max(dots)) for dot in dots]
        context = sum(e / sum(exponentials) * value for e, value in zip(exponentials, values, strict=True))
        y.append(norm(token + context @ w["o"]))
    return [norm(row + feedforward(row, w)) for row in y]


def tensor(x):
    return ops.array(x, dtype="float32")


def layer_tensor(x, w):
    def normalized(z):
        return (z - ops.mean(z, axis=-1, keepdims=True)) / ops.std(z, axis=-1, keepdims=True)

    x, w = tensor(x), {name: tensor(matrix) for name, matrix in w.items()}
    logits = ops.matmul(x @ w["q"], ops.transpose(x @ w["k"])) / x.shape[-1] ** 0.5
    y = normalized(x + ops.softmax(logits) @ (x @ w["v"]) @ w["o"])
    return normalized(y + ops.relu(y @ w["w1"]) @ w["w2"])


def layer_norm_tensor(x, scale, shift, epsilon):
    x = tensor(x)
    return (x - ops.mean(x)) / ops.sqrt(ops.var(x) + epsilon) * tensor(scale) + tensor(shift)


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
        (lambda x, scale, shift, epsilon: sized_layer_norm(x, scale, shift, epsilon, 4), "four elements"),
        (lambda x, scale, shift, epsilon: sized_layer_norm(x, scale, shift, epsilon, 4, 4), "four elements"),
        (lambda x, scale, shift, epsilon: layer_norm(x, scale, shift, 0.25), "expected"),
    ],
    "transformer.dropout_by_hand": [
        (lambda x, keep, rate: x * keep, "scale up"),
        (lambda x, keep, rate: x * keep * (1 - rate), "shrink"),
        (lambda x, keep, rate: x * keep / rate, "not by the rate"),
        (lambda x, keep, rate: x * (1 - keep) / (1 - rate), "inverted"),
        (lambda x, keep, rate: x[keep == 1] / (1 - rate), "shape stays"),
        (lambda x, keep, rate: x * keep / 0.8, "need not be 0.2"),
        (lambda x, keep, rate: [x[i] * keep[i] / (1 - rate) for i in range(5)], "five elements"),
        (lambda x, keep, rate: np.abs(x) * keep / (1 - rate), "expected"),
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
        (lambda x, w: layer(x, w, attention(x, w) @ w["o"]), "need not be five"),
        (one_max, "of each row"),
    ],
}

RIGHT = {
    "transformer.layer_norm_by_hand": [
        lambda x, scale, shift, epsilon: sized_layer_norm(x, scale, shift, epsilon, len(x)),
        layer_norm,
        layer_norm_tensor,
    ],
    "transformer.dropout_by_hand": [
        lambda x, keep, rate: [element / (1 - rate) if kept else 0 for element, kept in zip(x, keep, strict=True)],
        lambda x, keep, rate: np.where(keep == 1, x / (1 - rate), 0),
        lambda x, keep, rate: tensor(x) * tensor(keep) / (1 - rate),
    ],
    "transformer.post_norm": [
        lambda x, a, f, n1, n2: n2(n1(a(x) + x) + f(n1(a(x) + x))),
        lambda x, a, f, n1, n2: n2(np.add(n1(np.add(x, a(x))), f(n1(np.add(x, a(x)))))),
        lambda x, a, f, n1, n2: tensor(n2(n1(x + a(x)) + f(n1(x + a(x))))),
    ],
    "transformer.pre_norm": [
        lambda x, a, f, n1, n2: x + a(n1(x)) + f(n2(x + a(n1(x)))),
        lambda x, a, f, n1, n2: np.sum([x, a(n1(x)), f(n2(np.add(x, a(n1(x)))))], axis=0),
        lambda x, a, f, n1, n2: tensor(x) + tensor(a(n1(x))) + tensor(f(n2(x + a(n1(x))))),
    ],
    "transformer.encoder_layer": [
        layer_loop,
        lambda x, w: layer(x, w, attention(x, w, root=np.sqrt(x.shape[1])) @ w["o"]),
        layer_tensor,
    ],
}
