"""Exercises of notebooks/05_transformer.ipynb."""

import numpy as np

from bertedu.course.exercise import Exercise, call, compare

# Three tokens of five numbers, seven neurons: no two sizes are equal, so that a mix-up shows.
X = np.round(np.random.default_rng(1).normal(size=(3, 5)), 2)
SIZES = {"q": (5, 5), "k": (5, 5), "v": (5, 5), "o": (5, 5), "w1": (5, 7), "w2": (7, 5)}
WEIGHTS = {
    name: np.round(np.random.default_rng(seed).normal(size=size), 2)
    for seed, (name, size) in enumerate(SIZES.items(), start=2)
}


def _norm(x, axis=-1, epsilon=1e-12):
    return (x - x.mean(axis=axis, keepdims=True)) / np.sqrt(x.var(axis=axis, keepdims=True) + epsilon)


def _attention(x):
    """Stands in for attention in the order exercises: any function that mixes tokens will do."""
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
        (attention + feedforward, "the two norms are missing; each has a scale and a shift for each of the D numbers."),
        (attention + feedforward + 2 * d, "there are two norms, and each has a scale and a shift: 4 D numbers."),
        (4 * d * d + feedforward + norms, "the biases of attention are missing: one for each of its four tables."),
        (3 * (d * d + d) + feedforward + norms, "attention has a fourth table, that of the output."),
        (attention + norms, "the feed-forward network is missing."),
        (feedforward + norms, "attention is missing."),
        (4 * d * d + 2 * d * f, "these are the tables; the biases and the norms are missing."),
        (12 * one_layer, "that is all 12 layers; one was asked for."),
        (1774464, "that is MiniLM's layer, with D = 384. BERT-Base has D = 768 and F = 3072."),
    ]
    compare(answer, one_layer, typical)


def check_layer_norm(answer):
    given = ([1.0, 2.0, 6.0, 7.0], [2.0, 1.0, 1.0, 0.5], [1.0, 1.0, -1.0, 0.0], 0.25)
    x, scale, shift, epsilon = (np.array(each) for each in given)
    centred, variance = x - x.mean(), x.var()
    right = centred / np.sqrt(variance + epsilon) * scale + shift
    typical = [
        (centred / np.sqrt(variance + epsilon), "scale and shift are missing: they come last."),
        (centred / np.sqrt(variance + epsilon) * scale, "the shift is missing."),
        (centred / np.sqrt(variance + epsilon) + shift, "the scale is missing."),
        ((centred / np.sqrt(variance + epsilon) + shift) * scale, "first the scale, then the shift."),
        (centred / np.sqrt(variance) * scale + shift, "epsilon is missing: it is added to the variance."),
        (centred / (np.sqrt(variance) + epsilon) * scale + shift, "epsilon is added inside of the root."),
        (centred / (np.sqrt(variance) + np.sqrt(epsilon)) * scale + shift, "epsilon is added inside of the root."),
        (centred / (variance + epsilon) * scale + shift, "divide by the square root of the variance (and epsilon)."),
        (x / np.sqrt(variance + epsilon) * scale + shift, "take the mean away first."),
        (centred * scale + shift, "the mean is taken away; now divide by the spread."),
        (
            centred / np.sqrt(x.var(ddof=1) + epsilon) * scale + shift,
            "the variance is the mean of the squares: divide their sum by n, not by n - 1.",
        ),
        (
            centred / np.sqrt(4 * variance + epsilon) * scale + shift,
            "the variance is the mean of the squares, not the sum.",
        ),
    ]
    compare(call(answer, *(each.copy() if isinstance(each, list) else each for each in given)), right, typical)


def check_dropout(answer):
    x, keep, rate = np.array([1.0, -2.0, 3.0, 4.0, 5.0]), np.array([1, 0, 1, 1, 0]), 0.2
    typical = [
        (x * keep, "what is kept must grow, so that the sum stays the same on average: divide by 1 - rate."),
        (x * keep * (1 - rate), "divide by 1 - rate: what is kept grows, it does not shrink."),
        (x * keep / rate, "divide by the share that is kept, 1 - rate, not by the rate."),
        (x * (1 - keep) / (1 - rate), "the mask is turned round: 1 means kept."),
        (x / (1 - rate), "nothing is dropped: where keep is 0, the result is 0."),
        (x[keep == 1] / (1 - rate), "the dropped numbers are cut out; keep their places, with a 0."),
        (x * keep * (1 + rate), "divide by 1 - rate; that is not the same as to multiply by 1 + rate."),
    ]
    compare(call(answer, x.copy(), keep.copy(), rate), x * keep / (1 - rate), typical)


def _orders():
    """What the two orders, and what goes wrong with them, give for X."""
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
        (y, "this is the first half; the feed-forward network, with its sum and its norm, is still to come."),
        (no_residual, "both sums are missing: add what was there before."),
        (_norm2(_feedforward(y)), "the second sum is missing: add y to what feed-forward says."),
        (
            _norm2(_norm1(_attention(X)) + _feedforward(_norm1(_attention(X)))),
            "the first sum is missing: add x to what attention brings.",
        ),
        (_norm2(X + _feedforward(y)), "the second sum starts from x; it starts from y, what the first half has made."),
        (y + _feedforward(y), "the second norm is missing."),
        (bare + _feedforward(bare), "both norms are missing."),
        (_norm2(bare + _feedforward(bare)), "the first norm is missing."),
        (_norm1(y + _feedforward(y)), "it uses the first norm twice; the second has numbers of its own."),
        (X + _norm1(_attention(X)), "the norm comes after the sum, not inside it; and the second half is missing."),
        (inside + _norm2(_feedforward(inside)), "the norms are inside the sums; BERT norms each sum as a whole."),
        (y + _norm2(_feedforward(y)), "the second norm is inside the sum; it must norm the sum as a whole."),
        (_norm2(y + _feedforward(X)), "feed-forward reads x; it should read y, what the first half has made."),
        (_norm2(bare + _feedforward(y)), "the second sum starts from the first before its norm; it starts from y."),
    ]
    compare(call(answer, X.copy(), _attention, _feedforward, _norm1, _norm2), post, typical)


def check_pre_norm(answer):
    _, z, post, pre, bare, no_residual = _orders()
    normed = _norm1(X)
    w = normed + _attention(normed)
    inside = X + _norm1(_attention(X))
    typical = [
        (post, "this is post-norm: here the norms come before attention and feed-forward, and nothing after the sums."),
        (z, "this is the first half; the feed-forward network, with its norm and its sum, is still to come."),
        (_feedforward(_norm2(_attention(normed))), "both sums are missing: add what was there before."),
        (no_residual, "both sums are missing, and the norms come after."),
        (
            w + _feedforward(_norm2(w)),
            "the sum must start from x itself, not from the normed x: nothing stands in the way of the stream.",
        ),
        (
            _norm2(w) + _feedforward(_norm2(w)),
            "the sums must start from x and y themselves, not from what the norms made of them.",
        ),
        (inside + _norm2(_feedforward(inside)), "the norm goes before the work: attention reads the normed x."),
        (z + _feedforward(_norm2(X)), "feed-forward reads x; it should read y, what the first half has made, normed."),
        (_norm2(z) + _feedforward(_norm2(z)), "the second sum must start from y itself, not from the normed y."),
        (X + _feedforward(_norm2(z)), "the second sum starts from x; it starts from what the first half has made."),
        (bare + _feedforward(bare), "both norms are missing."),
        (z + _feedforward(z), "the second norm is missing: it comes before feed-forward."),
        (bare + _feedforward(_norm2(bare)), "the first norm is missing: it comes before attention."),
    ]
    compare(call(answer, X.copy(), _attention, _feedforward, _norm1, _norm2), pre, typical)


def _layer(
    x, w, root=True, softmax=-1, output=True, first=True, second=True, bend=True, sums=True, over=-1, from_y=True
):
    """A whole layer, with the parts that can be forgotten, and the axes that can be mixed up."""
    logits = (x @ w["q"]) @ (x @ w["k"]).T / (np.sqrt(x.shape[-1]) if root else 1)
    powers = np.exp(logits - logits.max())
    shares = logits if softmax is None else powers / powers.sum(axis=softmax, keepdims=True)
    mixed = shares @ (x @ w["v"])
    y = sums * x + (mixed @ w["o"] if output else mixed)
    y = _norm(y, over) if first else y
    neurons = y @ w["w1"]
    z = sums * (y if from_y else x) + (np.maximum(neurons, 0) if bend else neurons) @ w["w2"]
    return _norm(z, over) if second else z


def check_encoder_layer(answer):
    typical = [
        (_layer(X, WEIGHTS, root=False), "in attention the factor 1/sqrt(H) is missing; one head, so H is D."),
        (_layer(X, WEIGHTS, softmax=None), "attention has no softmax: the weights are raw products."),
        (_layer(X, WEIGHTS, output=False), "the mix of the values is not yet multiplied by w['o']."),
        (_layer(X, WEIGHTS, bend=False), "there is no bend between w1 and w2: np.maximum(..., 0)."),
        (_layer(X, WEIGHTS, sums=False), "both sums are missing: add what was there before."),
        (_layer(X, WEIGHTS, first=False), "the first norm is missing, after the sum with attention."),
        (_layer(X, WEIGHTS, second=False), "the second norm is missing, at the end."),
        (_layer(X, WEIGHTS, first=False, second=False), "both norms are missing: one after each sum."),
        (_layer(X, WEIGHTS, over=None), "the norms take one mean of the whole table; each token has its own: axis=-1."),
        (_layer(X, WEIGHTS, over=0), "the norms go over the tokens; they go over the numbers of one token: axis=-1."),
        (_layer(X, WEIGHTS, softmax=0), "the softmax goes down the columns; each row must add up to 1: axis=-1."),
        (_layer(X, WEIGHTS, from_y=False), "the second sum starts from x; it starts from y, after the first norm."),
    ]
    weights = {name: table.copy() for name, table in WEIGHTS.items()}
    compare(call(answer, X.copy(), weights), _layer(X, WEIGHTS), typical)


EXERCISES = {
    "parameters": Exercise(
        task="How many parameters has one whole layer of BERT-Base (D = 768, F = 3072)?",
        blank="parameters = ...",
        answer="parameters",
        check=check_parameters,
        correct="7,087,872. Twelve of them make 85 of BERT-Base's 110 million.",
        hints=(
            "Attention has four tables with a bias each, feed-forward two; each of two norms has a scale and a shift.",
            "A table from 768 to 768 with its bias has 768 * 768 + 768 numbers. A scale has 768, and so has a shift.",
        ),
        solution="parameters = 4 * (768 * 768 + 768) + (768 * 3072 + 3072 + 3072 * 768 + 768) + 2 * (768 + 768)",
    ),
    "layer_norm_by_hand": Exercise(
        task="Write the layer normalisation of one token: a list of numbers, with scale, shift and epsilon.",
        blank="def layer_norm(x, scale, shift, epsilon):\n    return ...",
        answer="layer_norm",
        check=check_layer_norm,
        correct="mean 0, spread 1, then the scale and shift that were learned.",
        hints=(
            "First the mean of x, then the variance: the mean of the squared distances from that mean.",
            "Each number: take the mean away, divide by the root of variance plus epsilon, times scale, plus shift.",
        ),
        solution=(
            "def layer_norm(x, scale, shift, epsilon):\n"
            "    mean = sum(x) / len(x)\n"
            "    variance = sum((number - mean) ** 2 for number in x) / len(x)\n"
            "    root = (variance + epsilon) ** 0.5\n"
            "    return [(number - mean) / root * a + b for number, a, b in zip(x, scale, shift)]"
        ),
    ),
    "dropout_by_hand": Exercise(
        task="Write dropout: keep the numbers where keep is 1, and let them grow so that the sum stays, on average.",
        blank="def dropout(x, keep, rate):\n    return ...",
        answer="dropout",
        check=check_dropout,
        correct="a fifth is gone, the rest has grown by a quarter, and on average nothing has changed.",
        hints=(
            "Multiplying by keep puts a 0 where keep is 0.",
            "With a rate of 0.2, 0.8 of the numbers stay. By what must they be divided to make up for the others?",
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
            "Two lines of the same form: y is a norm of a sum, and the result is a norm of a sum.",
            "The first sum is x and what attention makes of x. The second is y and what feedforward makes of y.",
        ),
        solution=(
            "def post_norm(x, attention, feedforward, norm1, norm2):\n"
            "    y = norm1(x + attention(x))\n"
            "    return norm2(y + feedforward(y))"
        ),
    ),
    "pre_norm": Exercise(
        task="The same four functions in the other order, pre-norm.",
        blank="def pre_norm(x, attention, feedforward, norm1, norm2):\n    return ...",
        answer="pre_norm",
        check=check_pre_norm,
        correct="norm, then work, then the sum. From the first layer to the last, nothing stands in the stream.",
        hints=(
            "The norm moves inside: it is applied to what attention reads, not to the sum.",
            "y is x itself, and to it comes attention of the normed x. The second half has the same form.",
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
            "The norm of rows: (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True). H is x.shape[-1].",
        ),
        solution=(
            "import numpy as np\n\n"
            "def norm(x):\n"
            "    return (x - x.mean(axis=-1, keepdims=True)) / x.std(axis=-1, keepdims=True)\n\n"
            "def encoder_layer(x, w):\n"
            '    logits = (x @ w["q"]) @ (x @ w["k"]).T / np.sqrt(x.shape[-1])  # [T, S]\n'
            "    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))  # [T, S]\n"
            "    scores = powers / powers.sum(axis=-1, keepdims=True)  # [T, S]\n"
            '    y = norm(x + scores @ (x @ w["v"]) @ w["o"])  # [T, D]\n'
            '    return norm(y + np.maximum(y @ w["w1"], 0) @ w["w2"])  # [T, D]'
        ),
    ),
}
