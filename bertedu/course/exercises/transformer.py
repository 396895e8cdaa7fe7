"""Exercises of notebooks/05_transformer.ipynb."""

import copy

import numpy as np

from bertedu.course.exercise import Exercise, call, compare

# T = 3, D = 5, F = 7: the sizes differ, so that a mix-up shows.
X = np.round(np.random.default_rng(1).normal(size=(3, 5)), 2)
SIZES = {"q": (5, 5), "k": (5, 5), "v": (5, 5), "o": (5, 5), "w1": (5, 7), "w2": (7, 5)}
WEIGHTS = {
    name: np.round(np.random.default_rng(seed).normal(size=size), 2)
    for seed, (name, size) in enumerate(SIZES.items(), start=2)
}


def _norm(x, axis=-1, epsilon=1e-12):
    return (x - x.mean(axis=axis, keepdims=True)) / np.sqrt(x.var(axis=axis, keepdims=True) + epsilon)


def _attention(x):
    """Stand in for attention: any function that combines tokens will do."""
    return np.cumsum(x, axis=0) * 0.5 + 1


def _feedforward(x):
    return np.maximum(x, 0) * 2 - 0.5


def _norm1(x):
    return _norm(x) * 1.5


def _norm2(x):
    return _norm(x) + 0.25


def check_parameters(answer):
    d, f = 768, 3072
    attention, feedforward, norms = 4 * (d * d + d), 2 * d * f + d + f, 4 * d
    one_layer = attention + feedforward + norms
    typical = [
        (attention + feedforward, "the two norms are missing; each has a scale and a shift with D elements."),
        (attention + feedforward + 2 * d, "there are two norms, and each has a scale and a shift: 4 D elements."),
        (4 * d * d + feedforward + norms, "the biases of attention are missing: one for each of its four matrices."),
        (3 * (d * d + d) + feedforward + norms, "attention has a fourth matrix, the output projection."),
        (attention + norms, "the feed-forward network is missing."),
        (feedforward + norms, "attention is missing."),
        (4 * d * d + 2 * d * f, "these are the matrices; the biases and the norms are missing."),
        (12 * one_layer, "this is all 12 layers; the question is about one."),
        (1774464, "this is a layer of MiniLM, with D = 384. BERT-Base has D = 768 and F = 3072."),
    ]
    compare(answer, one_layer, typical)


def check_layer_norm(answer):
    arguments = ([1.0, 2.0, 6.0, 7.0], [2.0, 1.0, 1.0, 0.5], [1.0, 1.0, -1.0, 0.0], 0.25)
    x, scale, shift, epsilon = map(np.array, arguments)
    centered, variance = x - x.mean(), x.var()
    right = centered / np.sqrt(variance + epsilon) * scale + shift
    under_root = "epsilon belongs inside the root: add it to the variance."
    typical = [
        (centered / np.sqrt(variance + epsilon), "scale and shift are missing: they come last."),
        (centered / np.sqrt(variance + epsilon) * scale, "the shift is missing."),
        (centered / np.sqrt(variance + epsilon) + shift, "the scale is missing."),
        ((centered / np.sqrt(variance + epsilon) + shift) * scale, "first the scale, then the shift."),
        (centered / np.sqrt(variance) * scale + shift, "epsilon is missing: it is added to the variance."),
        (centered / (np.sqrt(variance) + epsilon) * scale + shift, under_root),
        (centered / (np.sqrt(variance) + np.sqrt(epsilon)) * scale + shift, under_root),
        (centered / (variance + epsilon) * scale + shift, "divide by the square root of the variance (and epsilon)."),
        (x / np.sqrt(variance + epsilon) * scale + shift, "subtract the mean first."),
        (centered * scale + shift, "the mean is subtracted; now divide by the standard deviation."),
        (
            centered / np.sqrt(x.var(ddof=1) + epsilon) * scale + shift,
            "the variance is the mean of the squares: divide their sum by n, not by n - 1.",
        ),
        (
            centered / np.sqrt(4 * variance + epsilon) * scale + shift,
            "the variance is the mean of the squares, not the sum.",
        ),
    ]
    compare(call(answer, *copy.deepcopy(arguments)), right, typical)


def check_dropout(answer):
    x, keep, rate = np.array([1.0, -2.0, 3.0, 4.0, 5.0]), np.array([1, 0, 1, 1, 0]), 0.2
    typical = [
        (x * keep, "scale up the elements that stay, so that the mean stays the same on average: divide by 1 - rate."),
        (x * keep * (1 - rate), "divide by 1 - rate: the elements that stay must grow, not shrink."),
        (x * keep / rate, "divide by the fraction that stays, 1 - rate, not by the rate."),
        (x * (1 - keep) / (1 - rate), "the mask is inverted: 1 means that an element stays."),
        (x / (1 - rate), "nothing is dropped: where keep is 0, the result is 0."),
        (x[keep == 1] / (1 - rate), "the dropped elements are removed; set them to 0 instead, so the shape stays."),
        (x * keep * (1 + rate), "divide by 1 - rate; that is not the same as multiplying by 1 + rate."),
    ]
    compare(call(answer, x.copy(), keep.copy(), rate), x * keep / (1 - rate), typical)


def _orders():
    """Return the stages and results of both orders for X, and of the same without norms or residuals."""
    y = _norm1(X + _attention(X))
    z = X + _attention(_norm1(X))
    post, pre = _norm2(y + _feedforward(y)), z + _feedforward(_norm2(z))
    bare = X + _attention(X)
    no_residual = _norm2(_feedforward(_norm1(_attention(X))))
    return y, z, post, pre, bare, no_residual


def check_post_norm(answer):
    y, _, post, pre, bare, no_residual = _orders()
    inside = X + _norm1(_attention(X))
    typical = [
        (pre, "this is pre-norm: the norms come before attention and feed-forward. Here they come after each sum."),
        (y, "this is the first half; the feed-forward network, with its sum and its norm, is still missing."),
        (no_residual, "both sums are missing: add the input of each half."),
        (_norm2(_feedforward(y)), "the second sum is missing: add y to the output of feed-forward."),
        (
            _norm2(_norm1(_attention(X)) + _feedforward(_norm1(_attention(X)))),
            "the first sum is missing: add x to the output of attention.",
        ),
        (_norm2(X + _feedforward(y)), "the second sum starts from x; it should start from y, the first half's output."),
        (y + _feedforward(y), "the second norm is missing."),
        (bare + _feedforward(bare), "both norms are missing."),
        (_norm2(bare + _feedforward(bare)), "the first norm is missing."),
        (_norm1(y + _feedforward(y)), "it uses the first norm twice; the second has weights of its own."),
        (X + _norm1(_attention(X)), "the norm comes after the sum, not inside it; and the second half is missing."),
        (inside + _norm2(_feedforward(inside)), "the norms are inside the sums; BERT normalizes each sum as a whole."),
        (y + _norm2(_feedforward(y)), "the second norm is inside the sum; it should normalize the sum as a whole."),
        (_norm2(y + _feedforward(X)), "feed-forward gets x; it should get y, the output of the first half."),
        (_norm2(bare + _feedforward(y)), "the second sum starts from the first sum before its norm; start from y."),
    ]
    compare(call(answer, X.copy(), _attention, _feedforward, _norm1, _norm2), post, typical)


def check_pre_norm(answer):
    _, z, post, pre, bare, no_residual = _orders()
    normalized = _norm1(X)
    w = normalized + _attention(normalized)
    inside = X + _norm1(_attention(X))
    typical = [
        (post, "this is post-norm; here the norms come before attention and feed-forward, and not after the sums."),
        (z, "this is the first half; the feed-forward network, with its norm and its sum, is still missing."),
        (_feedforward(_norm2(_attention(normalized))), "both sums are missing: add the input of each half."),
        (no_residual, "both sums are missing, and the norms should come before attention and feed-forward."),
        (
            w + _feedforward(_norm2(w)),
            "the sum must start from x itself, not from the normalized x: the residual stream has no norms.",
        ),
        (
            _norm2(w) + _feedforward(_norm2(w)),
            "the sums must start from x and y themselves, not from their normalized versions.",
        ),
        (inside + _norm2(_feedforward(inside)), "the norm comes before attention: attention gets the normalized x."),
        (z + _feedforward(_norm2(X)), "feed-forward gets x; it should get y, the first half's output, normalized."),
        (_norm2(z) + _feedforward(_norm2(z)), "the second sum must start from y itself, not from the normalized y."),
        (X + _feedforward(_norm2(z)), "the second sum starts from x; it should start from the first half's output."),
        (bare + _feedforward(bare), "both norms are missing."),
        (z + _feedforward(z), "the second norm is missing: it comes before feed-forward."),
        (bare + _feedforward(_norm2(bare)), "the first norm is missing: it comes before attention."),
    ]
    compare(call(answer, X.copy(), _attention, _feedforward, _norm1, _norm2), pre, typical)


def _layer(
    x, w, root=True, softmax=-1, output=True, first=True, second=True, relu=True, residual=True, axis=-1, from_y=True
):
    """Run a whole layer. Each argument leaves out a part, or changes an axis."""
    logits = (x @ w["q"]) @ (x @ w["k"]).T / (np.sqrt(x.shape[-1]) if root else 1)
    exponentials = np.exp(logits - logits.max())
    attention_weights = logits if softmax is None else exponentials / exponentials.sum(axis=softmax, keepdims=True)
    context = attention_weights @ (x @ w["v"])
    y = residual * x + (context @ w["o"] if output else context)
    y = _norm(y, axis) if first else y
    neurons = y @ w["w1"]
    z = residual * (y if from_y else x) + (np.maximum(neurons, 0) if relu else neurons) @ w["w2"]
    return _norm(z, axis) if second else z


def check_encoder_layer(answer):
    typical = [
        (_layer(X, WEIGHTS, root=False), "the factor 1/sqrt(H) is missing in attention; there is one head, so H is D."),
        (_layer(X, WEIGHTS, softmax=None), "attention has no softmax: its weights are still logits."),
        (_layer(X, WEIGHTS, output=False), "the context vectors are not multiplied by w['o'] yet."),
        (_layer(X, WEIGHTS, relu=False), "there is no activation between w1 and w2: np.maximum(..., 0)."),
        (_layer(X, WEIGHTS, residual=False), "both sums are missing: add the input of each half."),
        (_layer(X, WEIGHTS, first=False), "the first norm is missing, after the sum with attention."),
        (_layer(X, WEIGHTS, second=False), "the second norm is missing, at the end."),
        (_layer(X, WEIGHTS, first=False, second=False), "both norms are missing: one after each sum."),
        (_layer(X, WEIGHTS, axis=None), "the norms take one mean of the whole array; each token has its own: axis=-1."),
        (_layer(X, WEIGHTS, axis=0), "the norms run over the tokens; normalize the elements of each token: axis=-1."),
        (_layer(X, WEIGHTS, softmax=0), "the softmax runs down the columns; each row must add up to 1: axis=-1."),
        (
            _layer(X, WEIGHTS, from_y=False),
            "the second sum starts from x; it should start from y, after the first norm.",
        ),
    ]
    weights = {name: matrix.copy() for name, matrix in WEIGHTS.items()}
    compare(call(answer, X.copy(), weights), _layer(X, WEIGHTS), typical)


EXERCISES = {
    "parameters": Exercise(
        task="How many parameters does one whole layer of BERT-Base have (D = 768, F = 3072)?",
        blank="parameters = ...",
        answer="parameters",
        check=check_parameters,
        correct="7,087,872. Twelve layers make 85 million of BERT-Base's 110 million.",
        hints=(
            "Attention has four matrices with biases, feed-forward two; each of the two norms has a scale and a shift.",
            "A matrix from 768 to 768 with its bias has 768 * 768 + 768 parameters. A scale or a shift has 768.",
        ),
        solution="parameters = 4 * (768 * 768 + 768) + (768 * 3072 + 3072 + 3072 * 768 + 768) + 2 * (768 + 768)",
    ),
    "layer_norm_by_hand": Exercise(
        task="Write layer normalization for the vector x of one token, with scale, shift and epsilon.",
        blank="def layer_norm(x, scale, shift, epsilon):\n    return ...",
        answer="layer_norm",
        check=check_layer_norm,
        correct="mean 0 and standard deviation 1, then the learned scale and shift.",
        hints=(
            "First the mean of x, then the variance: the mean of the squared distances from that mean.",
            "Each element: subtract the mean, divide by the root of variance plus epsilon, times scale, plus shift.",
        ),
        solution=(
            "def layer_norm(x, scale, shift, epsilon):\n"
            "    mean = sum(x) / len(x)\n"
            "    variance = sum((element - mean) ** 2 for element in x) / len(x)\n"
            "    root = (variance + epsilon) ** 0.5\n"
            "    return [(element - mean) / root * a + b for element, a, b in zip(x, scale, shift)]"
        ),
    ),
    "dropout_by_hand": Exercise(
        task="Write dropout: keep the elements where keep is 1, scaled up so that the mean stays the same on average.",
        blank="def dropout(x, keep, rate):\n    return ...",
        answer="dropout",
        check=check_dropout,
        correct="a fifth is dropped, the rest grows by a quarter, and on average nothing changes.",
        hints=(
            "Multiplying by keep sets the elements to 0 where keep is 0.",
            "With a rate of 0.2, 0.8 of the elements stay. What must they be divided by to make up for the others?",
        ),
        solution="def dropout(x, keep, rate):\n    return x * keep / (1 - rate)",
    ),
    "post_norm": Exercise(
        task="Put a layer together in BERT's order, post-norm, from four functions.",
        blank="def post_norm(x, attention, feedforward, norm1, norm2):\n    return ...",
        answer="post_norm",
        check=check_post_norm,
        correct="sum, norm, sum, norm. This is BERT's layer.",
        hints=(
            "There are two lines of the same form: y is the norm of a sum, and the result is the norm of a sum.",
            "The first sum is x plus the output of attention for x. The second is y plus that of feedforward for y.",
        ),
        solution=(
            "def post_norm(x, attention, feedforward, norm1, norm2):\n"
            "    y = norm1(x + attention(x))\n"
            "    return norm2(y + feedforward(y))"
        ),
    ),
    "pre_norm": Exercise(
        task="Put the same four functions together in the other order, pre-norm.",
        blank="def pre_norm(x, attention, feedforward, norm1, norm2):\n    return ...",
        answer="pre_norm",
        check=check_pre_norm,
        correct="norm, then attention or feed-forward, then the sum. No norm interrupts the residual stream.",
        hints=(
            "The norm moves inside: it is applied to the input of attention, not to the sum.",
            "y is x itself plus attention of the normalized x. The second half has the same form.",
        ),
        solution=(
            "def pre_norm(x, attention, feedforward, norm1, norm2):\n"
            "    y = x + attention(norm1(x))\n"
            "    return y + feedforward(norm2(y))"
        ),
    ),
    "encoder_layer": Exercise(
        task="Write a whole layer in NumPy: one head, ReLU, post-norm, no biases, norms without scale and shift.",
        blank="def encoder_layer(x, w):\n    return ...",
        answer="encoder_layer",
        check=check_encoder_layer,
        correct="a transformer layer, from nothing but NumPy. BERT is this, twelve times.",
        hints=(
            "Four steps: attention (chapter 3, then @ w['o']), sum and norm; feed-forward (chapter 4), sum and norm.",
            "To normalize rows: (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True). H is x.shape[-1].",
        ),
        solution=(
            "import numpy as np\n\n"
            "def norm(x):\n"
            "    return (x - x.mean(axis=-1, keepdims=True)) / x.std(axis=-1, keepdims=True)\n\n"
            "def encoder_layer(x, w):\n"
            '    logits = (x @ w["q"]) @ (x @ w["k"]).T / np.sqrt(x.shape[-1])  # [T, S]\n'
            "    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))  # [T, S]\n"
            "    attention_weights = exponentials / exponentials.sum(axis=-1, keepdims=True)  # [T, S]\n"
            '    y = norm(x + attention_weights @ (x @ w["v"]) @ w["o"])  # [T, D]\n'
            '    return norm(y + np.maximum(y @ w["w1"], 0) @ w["w2"])  # [T, D]'
        ),
    ),
}
