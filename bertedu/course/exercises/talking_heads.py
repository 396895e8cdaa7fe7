"""Exercises of notebooks/13_talking_heads.ipynb."""

import math

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers, one_number

N, T, S, D, F = 3, 2, 5, 4, 7  # no two sizes are equal, so that swapped axes are noticed
_rng = np.random.default_rng(13)
LOGITS = np.round(_rng.normal(size=(N, T, S)), 2)
PRE_SOFTMAX, POST_SOFTMAX = (np.round(_rng.normal(size=(N, N)), 2) for _ in range(2))
X, W, V = (np.round(_rng.normal(size=shape), 2) for shape in ((T, D), (D, F), (D, F)))
B, C = (np.round(_rng.normal(size=F), 2) for _ in range(2))
BIG_LOGITS = np.array([[[3.0, 1, -2], [1000, 500, 900]], [[-800, 2, 0], [-1, 0, 600]]])  # [N, T, S]; float32 holds them
BIG_MATRICES = np.array([[1.0, -0.5], [0.5, 1.0]]), np.array([[1.0, 2.0], [-1.0, 0.5]])

LARGE = (24, 1024, 4096, 16)  # talkheads_ggelu_bert_en_large: L, D, F, N
SMALL = (2, 3, 5, 7)  # the projections of the heads are not negligible beside the gates


def _normal(seed, *shape):
    return np.round(np.random.default_rng(seed).normal(size=shape), 1)


def _softmax(x, axis=-1):
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def _gelu(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def _gelu_exact(x):
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def check_inner(answer):
    got = one_number(answer, "the number of neurons.")
    reasons = {
        3072: "with the same number of neurons, the third matrix makes the block 1.5 times as large.",
        1536: "that is half. There are three matrices instead of two, so take two thirds of the neurons.",
        4608: "that is more neurons, not fewer. Three matrices should have as many elements as two had before.",
        1024: "that is one third. Three matrices of F' neurons should have as many elements as two of 3072.",
        768: "that is D, the hidden size. How many neurons are there?",
    }
    if float(got) in reasons:
        raise WrongAnswer(reasons[float(got)])
    if not 2047 <= got <= 2048:  # NaN neither; with the biases it is 2047.6
        raise WrongAnswer("three matrices of D times F' should have as many elements as two of D times 3072.")


def check_row_sums(answer):
    typical = [
        (POST_SOFTMAX.sum(axis=1), "these are the sums of the matrix's rows. Head m receives column m."),
        (np.ones(N), "the rows sum to 1 before the second projection, which changes that."),
        (POST_SOFTMAX.sum(), "that is the sum of the whole matrix. Each head has its own sum."),
        (np.diag(POST_SOFTMAX), "that is only each head's own contribution. Add those of the others."),
        (np.abs(POST_SOFTMAX).sum(axis=0), "the signs are lost: negative elements reduce the sum."),
        (POST_SOFTMAX.mean(axis=0), "these are the means of the columns. Take the sums."),
    ]
    compare(call(answer, POST_SOFTMAX.tolist()), POST_SOFTMAX.sum(axis=0), typical)
    compare(call(answer, [[1.0, -1.0], [0.0, 1.0]]), [1.0, 0.0])


def check_added(answer):
    layers, hidden, inner, heads = SMALL
    projections, gate = 2 * heads**2, hidden * inner + inner
    typical = [
        (layers * (heads**2 + gate), "each layer has two projections, one before and one after the softmax."),
        (layers * (projections + hidden * inner), "the gate's bias is missing: one element per neuron."),
        (projections + gate, "that is one layer. The first argument is the number of layers."),
        (layers * projections, "these are the projections; the gates are missing."),
        (layers * gate, "these are the gates; the projections are missing."),
        (layers * (projections + heads * 2 + gate), "the projections have no biases."),
        (layers * (projections + hidden * inner + hidden), "the gate's bias has F elements, not D."),
        (layers * (2 * heads + gate), "a projection is a matrix of heads by heads, not a vector."),
        (layers * projections + gate, "there is a gate in every layer."),
        (
            layers * projections + gate + (layers - 1) * hidden * inner,
            "the bias is in every layer, too: add parentheses.",
        ),
        (layers * (projections + 2 * gate), "the plain block already has its two matrices. Only one gate is added."),
        (
            layers * (projections + gate + hidden * inner + hidden),
            "the output projection was there before. Only the gate is added.",
        ),
        (layers * (projections + gate + hidden), "the gate's bias has F elements, and there is none with D."),
    ]
    compare(call(answer, *SMALL), layers * (projections + gate), typical)
    compare(call(answer, *LARGE), 100_773_888)


def check_gated(answer):
    neurons, gate = X @ W + B, X @ V + C
    expected = _gelu(neurons) * gate
    typical = [
        (_gelu(neurons) * _gelu(gate), "the gate goes through GELU, too. It should stay linear."),
        (neurons * _gelu(gate), "GELU is applied to the gate. Apply it to the neurons, x W + b."),
        (_gelu(neurons * gate), "the product goes through GELU. Apply GELU first, then multiply by the gate."),
        (_gelu(neurons) + gate, "the gate multiplies; it doesn't add."),
        (_gelu(neurons), "the gate is missing: multiply by x V + c."),
        (neurons * gate, "the GELU of the neurons is missing."),
        (_gelu(X @ W) * (X @ V), "both biases are missing."),
        (_gelu(X @ W) + B * gate, "add the bias before the GELU: gelu(x @ w + b)."),
        (np.maximum(neurons, 0) * gate, "that is ReLU. Use GELU."),
        (_gelu(neurons) @ gate.T, "`@` is a matrix product. Each neuron has its own gate, so use *."),
        (_gelu(neurons) * (X @ V), "the gate's bias c is missing."),
        (_gelu(neurons) / (1 + np.exp(-gate)), "the gate goes through a sigmoid. Here it should stay linear."),
    ]
    try:
        got = call(answer, X.copy(), W.copy(), B.copy(), V.copy(), C.copy())
    except WrongAnswer as reason:
        if "broadcast" in str(reason):
            raise WrongAnswer(f"{reason} Use x @ w for the matrix product; * multiplies element by element.") from None
        raise
    if numbers(got).shape == expected.shape and np.abs(numbers(got) - _gelu_exact(neurons) * gate).max() < 1e-4:
        return  # the exact GELU is accepted, too
    compare(got, expected, typical)


def _talk(logits, pre_softmax, post_softmax, axis=-1):
    projected = np.einsum("nts,nm->mts", logits, pre_softmax)
    return np.einsum("nts,nm->mts", _softmax(projected, axis), post_softmax)


def _wrong_talks():
    """Results of mistakes inside one of the steps, with the reasons to give."""
    eye = np.eye(N)
    return [
        (_softmax(LOGITS), "the heads don't talk yet: these are their separate attention weights."),
        (_talk(LOGITS, PRE_SOFTMAX, eye), "the second projection is missing, the one after the softmax."),
        (_talk(LOGITS, eye, POST_SOFTMAX), "the first projection is missing, the one before the softmax."),
        (_talk(LOGITS, PRE_SOFTMAX.T, POST_SOFTMAX.T), "both matrices are transposed: row n is the input head."),
        (_talk(LOGITS, PRE_SOFTMAX.T, POST_SOFTMAX), "the first matrix is transposed: row n is the input head."),
        (_talk(LOGITS, PRE_SOFTMAX, POST_SOFTMAX.T), "the second matrix is transposed: row n is the input head."),
        (_talk(LOGITS, POST_SOFTMAX, PRE_SOFTMAX), "the two matrices are swapped."),
        (
            _talk(LOGITS, PRE_SOFTMAX, POST_SOFTMAX, 0),
            "the softmax is over the heads. Take it over the keys, the last axis.",
        ),
        (
            _talk(LOGITS, PRE_SOFTMAX, POST_SOFTMAX, 1),
            "the softmax is over the queries. Take it over the keys, the last axis.",
        ),
        (
            np.einsum("nts,nm,mk->kts", LOGITS, PRE_SOFTMAX, POST_SOFTMAX),
            "there is no softmax between the two projections, which makes them one.",
        ),
        (
            _softmax(np.einsum("nts,nm,mk->kts", LOGITS, PRE_SOFTMAX, POST_SOFTMAX)),
            "the softmax comes last. Apply it between the two projections.",
        ),
    ]


def _misplaced_softmaxes():
    """Results of a softmax at the wrong point or over the wrong axis, with the reasons to give."""
    powers = np.exp(np.einsum("nts,nm->mts", LOGITS, PRE_SOFTMAX))
    both_after = np.einsum("nts,nm,mk->kts", _softmax(LOGITS), PRE_SOFTMAX, POST_SOFTMAX)
    global_softmax = powers / powers.sum()
    return [
        (both_after, "both projections come after the softmax. Apply the first one before it."),
        (
            _softmax(_talk(LOGITS, PRE_SOFTMAX, POST_SOFTMAX)),
            "there is a softmax after the second projection. Remove it.",
        ),
        (
            np.einsum("nts,nm->mts", global_softmax, POST_SOFTMAX),
            "each row has its own softmax: divide by its sum, axis=-1.",
        ),
    ]


def check_talk(answer):
    try:
        got = call(answer, LOGITS.copy(), PRE_SOFTMAX.copy(), POST_SOFTMAX.copy())
    except WrongAnswer as reason:
        if "matmul" in str(reason):
            raise WrongAnswer(
                f"{reason} The matrices project the heads, which are the first axis; @ uses the last."
            ) from None
        raise
    compare(got, _talk(LOGITS, PRE_SOFTMAX, POST_SOFTMAX), [*_wrong_talks(), *_misplaced_softmaxes()])
    try:
        compare(call(answer, BIG_LOGITS.copy(), *(m.copy() for m in BIG_MATRICES)), _talk(BIG_LOGITS, *BIG_MATRICES))
    except WrongAnswer as reason:
        raise WrongAnswer(
            f"it is right for small logits, but for some near 0 and others of 1000 {reason} "
            "Subtract the largest logit of each row first (chapter 3)."
        ) from None


def _alibi(num_heads, num_queries, num_keys, first=1):
    slopes = 2.0 ** (-8 * np.arange(first, num_heads + first) / num_heads)  # [N]
    return -slopes[:, None, None] * np.abs(np.arange(num_queries)[:, None] - np.arange(num_keys))  # [N, T, S]


def check_alibi(answer):
    expected = _alibi(N, T, S)
    to_the_right = np.arange(S) - np.arange(T)[:, None]  # [T, S]
    signs = np.sign(to_the_right)
    distances, exponents = np.abs(to_the_right), np.arange(1, N + 1)[:, None, None]
    typical = [
        (-expected, "the sign is wrong: distant keys should lose, so the biases are negative."),
        (expected * signs, "the distances have a sign, so that keys on the left gain. Take the absolute value."),
        (-expected * signs, "the distances have a sign, so that keys on the right gain. Take the absolute value."),
        (_alibi(N, T, S, first=0), "the heads count from 1, not from 0: the first exponent is -8 / N."),
        (expected[::-1], "the heads are in reverse order: the first one has the largest slope."),
        (
            -(2.0**-exponents) * distances,
            "these are the slopes for eight heads. With N heads the exponents are -8 i / N.",
        ),
        (-8 * exponents / N * distances, "8 i / N is only the exponent. The slope is 2 to the power of -8 i / N."),
        (expected * distances, "the distance is squared. The L in ALiBi means linear."),
        (np.moveaxis(expected, 0, -1), "the heads are the last axis. They come first: [N, T, S]."),
        (expected.sum(axis=0), "the heads are added up. Each head has a matrix of its own: [N, T, S]."),
        (np.broadcast_to(-distances, expected.shape), "the slopes are missing."),
    ]
    compare(call(answer, N, T, S), expected, typical)


EXERCISES = {
    "inner_dim": Exercise(
        task="How many neurons does a gated block have, if it is as large as a plain one with 3072?",
        blank="inner_dim = ...",
        answer="inner_dim",
        check=check_inner,
        correct="two thirds: three matrices have as many elements as two had before.",
        hints=(
            "A plain block has two matrices of 768 x 3072, a gated one has three of 768 x F'. Ignore the biases.",
            "2 x 3072 = 3 x F'.",
        ),
        solution="inner_dim = 3072 * 2 // 3  # two matrices' elements in three matrices",
    ),
    "row_sums": Exercise(
        task="Compute the sum of each head's rows after the second projection, from its matrix alone.",
        blank="def row_sums(post_softmax):\n    return ...",
        answer="row_sums",
        check=check_row_sums,
        cases=(
            ([[-0.5]],),
            ([[0.0, -2.5], [0.25, -1000.0]],),
            (_normal(1, 4, 4).tolist(),),
            (_normal(2, 5, 5).tolist(),),
        ),
        correct="every head's weights sum to 1, so the rows of head m sum to the sum of column m of the matrix.",
        hints=(
            "Head m receives the sum over n of post_softmax[n][m] times the weights of head n, and those sum to 1.",
            "So add up post_softmax[n][m] over all n: one sum per column.",
        ),
        solution=("def row_sums(post_softmax):\n    return [sum(column) for column in zip(*post_softmax)]"),
    ),
    "added_parameters": Exercise(
        task="Compute how many parameters talking heads and gates add to an encoder.",
        blank="def added_parameters(num_layers, hidden_size, inner_dim, num_heads):\n    return ...",
        answer="added_parameters",
        check=check_added,
        cases=((1, 1, 1, 1), (3, 2, 1, 4), (5, 1, 8, 3), (12, 768, 2048, 16)),
        correct="100,773,888 for the published large model, nearly all of them in the gates.",
        hints=(
            "Per layer: two matrices of heads x heads, and the gate, a dense layer from D to F with its bias.",
            "The gate has hidden_size * inner_dim weights and inner_dim biases. Multiply by the number of layers.",
        ),
        solution=(
            "def added_parameters(num_layers, hidden_size, inner_dim, num_heads):\n"
            "    projections = 2 * num_heads**2\n"
            "    gate = hidden_size * inner_dim + inner_dim\n"
            "    return num_layers * (projections + gate)"
        ),
    ),
    "gated_neurons": Exercise(
        task="Write the neurons of a gated block in NumPy: the GELU of x w + b, times the gate x v + c.",
        blank="def gated_neurons(x, w, b, v, c):\n    return ...",
        answer="gated_neurons",
        check=check_gated,
        cases=(  # neurons near 0 or far from it, where the exact GELU is equal up to the tolerance
            tuple(np.array(value) for value in ([[0.5]], [[-0.4]], [0.1], [[2.0]], [-3.0])),
            (_normal(3, 3, 2) / 5, _normal(4, 2, 5) / 5, _normal(5, 5) / 10, _normal(6, 2, 5), _normal(7, 5)),
            (_normal(8, 1, 4), 1000 * _normal(9, 4, 3), _normal(10, 3), _normal(11, 4, 3), _normal(12, 3)),
            (np.zeros((2, 3)), _normal(13, 3, 4), np.zeros(4), _normal(14, 3, 4), _normal(15, 4)),
        ),
        correct="these are the neurons of GEGLU. One more matrix product completes the block.",
        hints=(
            "There are three steps: the neurons x @ w + b, the gate x @ v + c, and their elementwise product.",
            "GELU(n) is 0.5 * n * (1 + np.tanh(np.sqrt(2 / np.pi) * (n + 0.044715 * n**3))); apply it only to n.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def gated_neurons(x, w, b, v, c):\n"
            "    n = x @ w + b  # [T, F]\n"
            "    gelu = 0.5 * n * (1 + np.tanh(np.sqrt(2 / np.pi) * (n + 0.044715 * n**3)))  # [T, F]\n"
            "    return gelu * (x @ v + c)  # [T, F]"
        ),
    ),
    "talk": Exercise(
        task="Write talking heads in NumPy, from logits [N, T, S] to the weights of the values, [N, T, S].",
        blank="def talking_heads(logits, pre_softmax, post_softmax):\n    return ...",
        answer="talking_heads",
        check=check_talk,
        cases=(
            tuple(np.array(value) for value in ([[[3.0]]], [[2.0]], [[-0.5]])),
            (_normal(16, 1, 3, 2), _normal(17, 1, 1), _normal(18, 1, 1)),
            (_normal(19, 2, 1, 4), _normal(20, 2, 2), _normal(21, 2, 2)),
            (_normal(22, 4, 5, 3), _normal(23, 4, 4), _normal(24, 4, 4)),
        ),
        correct="project, softmax, project: with queries, keys and values, this is the published model's attention.",
        hints=(
            'np.einsum("nts,nm->mts", x, matrix) projects the heads of x, from the input heads n to the outputs m.',
            "Project the logits with pre_softmax, take the softmax over the last axis, project with post_softmax.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def talking_heads(logits, pre_softmax, post_softmax):\n"
            '    projected = np.einsum("nts,nm->mts", logits, pre_softmax)  # [N, T, S]\n'
            "    powers = np.exp(projected - projected.max(axis=-1, keepdims=True))  # [N, T, S]\n"
            "    weights = powers / powers.sum(axis=-1, keepdims=True)  # [N, T, S]\n"
            '    return np.einsum("nts,nm->mts", weights, post_softmax)  # [N, T, S]'
        ),
    ),
    "alibi": Exercise(
        task="Compute the biases that ALiBi adds to the logits, [N, T, S].",
        blank="def alibi(num_heads, num_queries, num_keys):\n    return ...",
        answer="alibi",
        check=check_alibi,
        cases=((1, 1, 1), (1, 3, 2), (4, 1, 6), (8, 5, 5), (12, 3, 200)),
        correct="no weights, no training, and it works for any number of keys.",
        hints=(
            "A column np.arange(num_queries)[:, None] minus a row np.arange(num_keys) makes [T, S].",
            "The slopes are 2.0 ** (-8 * i / num_heads) for i from 1 to num_heads. Give them two more axes.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def alibi(num_heads, num_queries, num_keys):\n"
            "    slopes = 2.0 ** (-8 * np.arange(1, num_heads + 1) / num_heads)  # [N]\n"
            "    distances = np.abs(np.arange(num_queries)[:, None] - np.arange(num_keys))  # [T, S]\n"
            "    return -slopes[:, None, None] * distances  # [N, T, S]"
        ),
    ),
}
