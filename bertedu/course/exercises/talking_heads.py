"""Exercises of notebooks/13_talking_heads.ipynb."""

import math

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers, one_number

N, T, S, D, F = 3, 2, 5, 4, 7  # no two sizes are equal, so that a mix-up shows
_random = np.random.default_rng(13)
LOGITS = np.round(_random.normal(size=(N, T, S)), 2)
BEFORE, AFTER = (np.round(_random.normal(size=(N, N)), 2) for _ in range(2))
X, W, V = (np.round(_random.normal(size=shape), 2) for shape in ((T, D), (D, F), (D, F)))
B, C = (np.round(_random.normal(size=F), 2) for _ in range(2))

LARGE = (24, 1024, 4096, 16)  # talkheads_ggelu_bert_en_large: L, D, F, N
SMALL = (2, 3, 5, 7)  # where a mistake in the mixings is not lost beside the gates


def _softmax(x, axis=-1):
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def _gelu(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def _gelu_exact(x):
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def check_inner(answer):
    got = one_number(answer, "how many neurons.")
    reasons = {
        3072: "with as many neurons as before, the third matrix makes the block half as large again.",
        1536: "that is half. There are three matrices in place of two, so two thirds of the neurons are left.",
        4608: "that is more neurons, not fewer: three matrices must hold what two held.",
        1024: "that is one third. Three matrices of F' neurons should hold what two of 3072 hold.",
        768: "that is D, the width of a token. How many neurons?",
    }
    if float(got) in reasons:
        raise WrongAnswer(reasons[float(got)])
    if not abs(got - 2048) <= 1:  # NaN neither; with the biases it is 2047.6
        raise WrongAnswer("three matrices of D times F' should hold as many numbers as two of D times 3072.")


def check_row_sums(answer):
    typical = [
        (AFTER.sum(axis=1), "these are the sums of the rows of the table; head m gets the column m."),
        (np.ones(N), "they were 1 before the second mixing; the table changes that."),
        (AFTER.sum(), "that is the sum of the whole table; each head has a sum of its own."),
        (np.diag(AFTER), "that is what each head keeps of itself; what the others give it counts too."),
        (np.abs(AFTER).sum(axis=0), "the signs are lost: a weight below zero takes something off the sum."),
        (AFTER.mean(axis=0), "these are the means of the columns; nothing is divided here."),
    ]
    compare(call(answer, AFTER.tolist()), AFTER.sum(axis=0), typical)
    compare(call(answer, [[1.0, -1.0], [0.0, 1.0]]), [1.0, 0.0])


def check_added(answer):
    layers, hidden, inner, heads = SMALL
    talking, gate = 2 * heads**2, hidden * inner + inner
    typical = [
        (layers * (heads**2 + gate), "there are two mixings in a layer, one before and one after the softmax."),
        (layers * (talking + hidden * inner), "the gate's bias is missing: one number for each neuron."),
        (talking + gate, "that is one layer; there are as many as the first argument says."),
        (layers * talking, "these are the mixings; the gates are missing."),
        (layers * gate, "these are the gates; the mixings are missing."),
        (layers * (talking + heads * 2 + gate), "the mixings have no biases."),
        (layers * (talking + hidden * inner + hidden), "the gate has a bias for each of the F neurons, not of size D."),
        (layers * (2 * heads + gate), "a mixing is a table of heads by heads, not a list."),
        (layers * talking + gate, "there is a gate in every layer."),
        (layers * talking + gate + (layers - 1) * hidden * inner, "the bias, too, is there in every layer: brackets."),
        (layers * (talking + 2 * gate), "the plain block has its two matrices already; one gate is added."),
        (layers * (talking + gate + hidden * inner + hidden), "the way back was there before; only the gate is added."),
        (layers * (talking + gate + hidden), "the gate has a bias for each of the F neurons, and none of size D."),
    ]
    compare(call(answer, *SMALL), layers * (talking + gate), typical)
    compare(call(answer, *LARGE), 100_773_888)


def check_gated(answer):
    neurons, gate = X @ W + B, X @ V + C
    right = _gelu(neurons) * gate
    typical = [
        (_gelu(neurons) * _gelu(gate), "the gate is activated too; it should stay linear."),
        (neurons * _gelu(gate), "GELU belongs to the neurons, x W + b; here it is on the gate."),
        (_gelu(neurons * gate), "GELU comes first, and then the gate; here the product goes through GELU."),
        (_gelu(neurons) + gate, "the gate multiplies; it does not add."),
        (_gelu(neurons), "there is no gate yet: multiply with x V + c."),
        (neurons * gate, "GELU is missing on the neurons."),
        (_gelu(X @ W) * (X @ V), "both biases are missing."),
        (_gelu(X @ W) + B * gate, "the bias belongs to what goes into GELU: gelu(x @ w + b)."),
        (np.maximum(neurons, 0) * gate, "that is ReLU; here it is GELU."),
        (_gelu(neurons) @ gate.T, "`@` multiplies and adds up; each neuron has a gate of its own: use *."),
        (_gelu(neurons) * (X @ V), "the gate's bias c is missing."),
        (_gelu(neurons) / (1 + np.exp(-gate)), "the gate goes through a sigmoid; here it stays as it is."),
    ]
    try:
        got = call(answer, X.copy(), W.copy(), B.copy(), V.copy(), C.copy())
    except WrongAnswer as reason:
        if "broadcast" in str(reason):
            raise WrongAnswer(f"{reason} A token times a matrix is x @ w; * goes number by number.") from None
        raise
    if numbers(got).shape == right.shape and np.abs(numbers(got) - _gelu_exact(neurons) * gate).max() < 1e-4:
        return  # the exact GELU is a GELU too
    compare(got, right, typical)


def check_talk(answer):
    def talked(x, before, after, axis=-1):
        mixed = np.einsum("nts,nm->mts", x, before)
        return np.einsum("nts,nm->mts", _softmax(mixed, axis), after)

    eye = np.eye(N)
    typical = [
        (_softmax(LOGITS), "the heads do not talk yet: these are the shares of each alone."),
        (talked(LOGITS, BEFORE, eye), "the second mixing is missing, the one after the softmax."),
        (talked(LOGITS, eye, AFTER), "the first mixing is missing, the one before the softmax."),
        (talked(LOGITS, BEFORE.T, AFTER.T), "both tables are turned round: row n is the head that speaks."),
        (talked(LOGITS, BEFORE.T, AFTER), "the first table is turned round: row n is the head that speaks."),
        (talked(LOGITS, BEFORE, AFTER.T), "the second table is turned round: row n is the head that speaks."),
        (talked(LOGITS, AFTER, BEFORE), "the two tables have changed places."),
        (talked(LOGITS, BEFORE, AFTER, 0), "the softmax runs over the heads; it runs over the keys, the last axis."),
        (talked(LOGITS, BEFORE, AFTER, 1), "the softmax runs over the queries; it runs over the keys, the last axis."),
        (
            np.einsum("nts,nm,mk->kts", LOGITS, BEFORE, AFTER),
            "there is no softmax between the two mixings, so that they are one.",
        ),
        (
            _softmax(np.einsum("nts,nm,mk->kts", LOGITS, BEFORE, AFTER)),
            "the softmax comes last; it belongs between the two mixings.",
        ),
    ]
    mixed = np.exp(np.einsum("nts,nm->mts", LOGITS, BEFORE))
    both_after, over_all = np.einsum("nts,nm,mk->kts", _softmax(LOGITS), BEFORE, AFTER), mixed / mixed.sum()
    typical += [
        (both_after, "both mixings come after the softmax; the first belongs before it."),
        (_softmax(talked(LOGITS, BEFORE, AFTER)), "nothing comes after the second mixing, no softmax either."),
        (np.einsum("nts,nm->mts", over_all, AFTER), "each row gets a softmax of its own: divide by its sum, axis=-1."),
    ]
    try:
        got = call(answer, LOGITS.copy(), BEFORE.copy(), AFTER.copy())
    except WrongAnswer as reason:
        if "matmul" in str(reason):
            raise WrongAnswer(
                f"{reason} The tables mix the heads, which are the first axis; @ takes the last."
            ) from None
        raise
    compare(got, talked(LOGITS, BEFORE, AFTER), typical)


EXERCISES = {
    "inner_dim": Exercise(
        task="How many neurons may a gated block have, so that it is as large as a plain one of 3072?",
        blank="inner_dim = ...",
        answer="inner_dim",
        check=check_inner,
        correct="two thirds: three matrices hold what two held before.",
        hints=(
            "A plain block has two matrices of 768 x 3072. A gated one has three of 768 x F'. Biases hardly count.",
            "2 x 3072 = 3 x F'.",
        ),
        solution="inner_dim = 3072 * 2 // 3  # two matrices' worth of numbers, over three matrices",
    ),
    "row_sums": Exercise(
        task="Write what each head's row sums to after the second mixing, from the table alone.",
        blank="def row_sums(after):\n    return ...",
        answer="row_sums",
        check=check_row_sums,
        correct="every head's shares sum to 1, so what head m gets sums to the column m of the table.",
        hints=(
            "What head m gets is the sum over n of after[n][m] times the shares of head n, and those sum to 1.",
            "So add up after[n][m] over all n: one sum for each column.",
        ),
        solution=(
            "def row_sums(after):\n"
            "    return [sum(row[m] for row in after) for m in range(len(after))]  # one sum a column"
        ),
    ),
    "added_parameters": Exercise(
        task="Write how many parameters talking heads and gates add to an encoder.",
        blank="def added_parameters(layers, hidden, inner, heads):\n    return ...",
        answer="added_parameters",
        check=check_added,
        correct="100,773,888 for the published large model, and nearly all of it is gates.",
        hints=(
            "For one layer: two tables of heads x heads, and the gate, a dense layer from D to F with its bias.",
            "The gate has hidden * inner weights and inner biases. Then times the layers.",
        ),
        solution=(
            "def added_parameters(layers, hidden, inner, heads):\n"
            "    mixings = 2 * heads**2\n"
            "    gate = hidden * inner + inner\n"
            "    return layers * (mixings + gate)"
        ),
    ),
    "gated_neurons": Exercise(
        task="Write the neurons of a gated block in NumPy: GELU of x w + b, times the gate x v + c.",
        blank="def gated_neurons(x, w, b, v, c):\n    return ...",
        answer="gated_neurons",
        check=check_gated,
        correct="the neurons of GEGLU; one more matrix product, and the block is done.",
        hints=(
            "Three steps: the neurons x @ w + b, the gate x @ v + c, and their product, number by number.",
            "GELU(n) is 0.5 * n * (1 + np.tanh(np.sqrt(2 / np.pi) * (n + 0.044715 * n**3))); only the neurons get it.",
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
        task="Write talking heads in NumPy, from logits [N, T, S] to what weighs the values, [N, T, S].",
        blank="def talk(logits, before, after):\n    return ...",
        answer="talk",
        check=check_talk,
        correct="mix, softmax, mix: with q, k and v around it, this is the attention of the published model.",
        hints=(
            'np.einsum("nts,nm->mts", x, table) mixes the heads of x: number n speaks, number m listens.',
            "Mix the logits with `before`, take the softmax over the last axis, and mix the shares with `after`.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def talk(logits, before, after):\n"
            '    mixed = np.einsum("nts,nm->mts", logits, before)  # [N, T, S]\n'
            "    powers = np.exp(mixed - mixed.max(axis=-1, keepdims=True))  # [N, T, S]\n"
            "    shares = powers / powers.sum(axis=-1, keepdims=True)  # [N, T, S]\n"
            '    return np.einsum("nts,nm->mts", shares, after)  # [N, T, S]'
        ),
    ),
}
