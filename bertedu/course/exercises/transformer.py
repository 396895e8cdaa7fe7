"""Exercises of notebooks/05_transformer.ipynb."""

import copy

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers


def _random(seed, *shape):
    return np.round(np.random.default_rng(seed).normal(size=shape), 2)


def _weights(d, f):
    shapes = {"q": (d, d), "k": (d, d), "v": (d, d), "o": (d, d), "w1": (d, f), "w2": (f, d)}
    return {name: _random(seed, *shape) for seed, (name, shape) in enumerate(shapes.items(), start=2)}


X, WEIGHTS = _random(1, 3, 5), _weights(5, 7)  # T = 3, D = 5, F = 7: the sizes differ, so that a mix-up shows
X2, WEIGHTS2 = _random(8, 4, 3), _weights(3, 2)
# The logits are about 400 in the first row and about -400 in the second.
FAR = np.array([[20.0, 1.0, 0.5], [-20.0, 1.0, -1.0]])
FAR_WEIGHTS = WEIGHTS2 | {"q": np.diag([1.7, 0, 0]), "k": np.array([[0, 0, 0], [20, 0, 0], [0.05, 0, 0]])}


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


ORDER_CASES = (
    (X2, _attention, _feedforward, _norm1, _norm2),
    (X[:1], _attention, _feedforward, _norm2, _norm1),
    (np.array([[-4.0, 0.5], [1.0, 0.0]]), _feedforward, np.sin, np.tanh, np.cos),
)


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
    x = np.array([1.0, 2.0, 6.0, 7.0, -3.0, -1.0])
    constant = "x need not have four elements: here it has six; take len(x)."
    typical = [
        ((part - mean) / np.sqrt(((part - mean) ** 2).sum() / length + epsilon), constant)
        for part, mean, length in ((x, 3, 4), (x, 3, 6), (x, 2, 4), (x[:4], 4, 4))
    ]
    compare(call(answer, x.tolist(), [1.0] * 6, [0.0] * 6, 0.25), (x - 2) / np.sqrt(x.var() + epsilon), typical)


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
    x, keep = np.array([1.0, 2.0, -3.0, 4.0, -5.0, 6.0]), np.array([1, 0, 1, 1, 0, 1])
    typical = [
        (x * keep / 0.8, "the rate need not be 0.2: here it is 0.5; divide by 1 - rate."),
        ((x * keep / 0.5)[:5], "x need not have five elements: here it has six."),
    ]
    compare(call(answer, x.copy(), keep.copy(), 0.5), x * keep / 0.5, typical)


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
    x, w, root=None, softmax=-1, output=True, first=True, second=True, relu=True, residual=True, axis=-1, from_y=True
):
    """Run a whole layer. Each argument leaves out a part, or changes an axis."""
    logits = (x @ w["q"]) @ (x @ w["k"]).T / (root or np.sqrt(x.shape[-1]))
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
        (_layer(X, WEIGHTS, root=1), "the factor 1/sqrt(H) is missing in attention; there is one head, so H is D."),
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
    compare(call(answer, X.copy(), copy.deepcopy(WEIGHTS)), _layer(X, WEIGHTS), typical)
    typical = [(_layer(X2, WEIGHTS2, root=5**0.5), "H need not be five: here it is three, x.shape[-1].")]
    compare(call(answer, X2.copy(), copy.deepcopy(WEIGHTS2)), _layer(X2, WEIGHTS2), typical)
    if not np.isfinite(numbers(call(answer, FAR.copy(), copy.deepcopy(FAR_WEIGHTS)))).all():
        raise WrongAnswer("rows of logits around 400 and -400 give NaN. Subtract the largest of each row: axis=-1.")


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
        cases=(
            ([-2.5], [3.0], [0.75], 0.5),
            ([1.0, 3.0], [2.0, -1.0], [0.0, 5.0], 0.0),
            ([0.2, 0.2, 0.2], [1.0, 2.0, 3.0], [0.5, -0.5, 0.0], 0.1),
            ([1000.0, -1000.0, 3.0, 0.5, -0.1], [1.0, 0.5, 2.0, -1.0, 0.0], [0.0, 1.0, 0.0, 0.3, 9.0], 2.0),
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
        cases=(
            (np.array([-2.5]), np.array([1]), 0.1),
            (np.array([0.5, -1.5, 0.0, 1000.0]), np.array([1, 1, 1, 0]), 0.0),
            (np.array([3.0, -0.7, 2.0, 1.0, 0.3, -4.0, 6.0]), np.array([0, 1, 0, 1, 1, 0, 0]), 0.9),
            (np.array([1.0, -2.0]), np.array([0, 0]), 0.5),
        ),
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
        cases=ORDER_CASES,
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
        cases=ORDER_CASES,
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
        cases=((X[:1], WEIGHTS), (-X2, WEIGHTS2), (_random(9, 2, 4), _weights(4, 6)), (FAR, FAR_WEIGHTS)),
    ),
}
