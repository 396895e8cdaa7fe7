"""Exercises of notebooks/04_feedforward.ipynb."""

import itertools
import math

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers


def _arrays(t, d, f):
    """Return x, W1, b1, W2 and b2 for T, D and F."""
    shapes = (t, d), (d, f), (f,), (f, d), (d,)
    return tuple(np.round(np.random.default_rng(s).normal(size=shape), 2) for s, shape in enumerate(shapes, start=1))


X, W1, B1, W2, B2 = _arrays(3, 5, 7)  # the sizes differ, so that a mix-up shows
ONE, SMALL, WIDE = _arrays(1, 2, 1), _arrays(4, 2, 3), _arrays(2, 3, 8)
POINTS = (0.0, 1.0, -1.0, 2.7, -2.7, 5.0, -0.75)  # at 2.7 the exact GELU and its tanh approximation differ most


def _relu(x):
    return np.maximum(x, 0)


def check_parameters(answer):
    d, f = 768, 3072
    one = "this is one matrix with its bias (as many as all of attention); the projection back from F to D is missing."
    typical = [
        (2 * d * f, "the two matrices are right; each has a bias as well, one of F elements and one of D."),
        (2 * d * f + f, "the second bias is missing: one element for each of the D outputs."),
        (2 * d * f + d, "the first bias is missing: one element for each of the F neurons."),
        (2 * d * f + 2 * d, "the first bias has one element for each of the F neurons, not for each of the D outputs."),
        (2 * d * f + 2 * f, "the first bias is right; W2 has D outputs, so its bias has D elements."),
        (d * f + f, one),
        (d * f, "this is one matrix; there are two, and each has a bias."),
        (12 * (2 * d * f + d + f), "this is all 12 layers; the question is about one layer."),
        (2 * 384 * 1536 + 384 + 1536, "this is MiniLM, with D = 384. BERT-Base has D = 768 and F = 3072."),
    ]
    compare(answer, 2 * d * f + d + f, typical)


def check_neuron(answer):
    neuron = numbers(answer)
    if neuron.shape != (4,):
        raise WrongAnswer("give four numbers: three weights (being, thing, action), then the bias.")
    if not np.isfinite(neuron).all():
        raise WrongAnswer("the four numbers must be finite.")
    fires = {word: bool(neuron[:3] @ word + neuron[3] > 0) for word in itertools.product((0, 1), repeat=3)}
    if not any(fires.values()):
        raise WrongAnswer("it never fires: even with all three inputs, the sum is not above 0. Raise the bias.")
    if all(fires.values()):
        raise WrongAnswer("it always fires, even when all inputs are 0. Lower the bias.")
    if fires[0, 0, 0]:
        raise WrongAnswer("it fires when all inputs are 0: only the bias is left then, so the bias must be negative.")
    for word, reason in (
        ((1, 0, 0), "it fires for a being alone; lower the bias, so that one of the two is not enough."),
        ((0, 1, 0), "it fires for a thing alone; lower the bias, so that one of the two is not enough."),
        ((0, 0, 1), "it fires for an action alone; the action should not matter, so give it the weight 0."),
        ((1, 0, 1), "it fires for a being with an action; the action should not matter, so give it the weight 0."),
        ((0, 1, 1), "it fires for a thing with an action; the action should not matter, so give it the weight 0."),
    ):
        if fires[word]:
            raise WrongAnswer(reason)
    if not fires[1, 1, 0]:
        raise WrongAnswer("it should fire for a being and a thing without an action, but does not.")
    if not fires[1, 1, 1]:
        raise WrongAnswer("an action keeps it from firing; the action should not matter, so give it the weight 0.")


def check_gelu(answer):
    x = np.array(POINTS)
    erf = np.array([math.erf(point) for point in x])
    phi = np.array([0.5 * (1 + math.erf(point / 2**0.5)) for point in x])
    tanh = 0.5 * x * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3)))
    typical = [
        (_relu(x), "this is ReLU, which cuts at 0. GELU multiplies x by Phi(x)."),
        (phi, "this is Phi(x); multiply x by it."),
        (tanh, "this is the tanh approximation, up to 0.0005 off. Write the exact GELU, with math.erf."),
        (x / (1 + np.exp(-1.702 * x)), "this is the sigmoid approximation; write the exact GELU, with math.erf."),
        (
            x / (1 + np.exp(-x)),
            "this is x times its sigmoid (SiLU); GELU has Phi there, which is computed with math.erf.",
        ),
        (0.5 * x * (1 + erf), "inside erf, divide x by the square root of 2."),
        (
            0.5 * x * (1 + np.array([math.erf(point / 2) for point in x])),
            "inside erf, divide by the root of 2, not by 2.",
        ),
        (0.5 * x * (1 + np.array([math.erf(point / 4) for point in x])), "2**1/2 is (2**1)/2; write 2**0.5."),
        (0.5 * x * (1 + erf / 2**0.5), "divide x by the root before you take erf, not the erf afterwards."),
        (0.5 * x + np.array([math.erf(point / 2**0.5) for point in x]), "1 + erf(...) belongs in brackets."),
        (_relu(x * phi), "GELU is not cut at 0: it is slightly negative there."),
        (2 * x * phi, "the factor 1/2 is missing: Phi goes from 0 to 1."),
        (x * (phi - 0.5), "the 1 is missing: Phi(x) is half of 1 + erf(...)."),
        (x * (2 * phi - 1), "this is x times erf alone; Phi is half of 1 + erf(...)."),
    ]
    compare([numbers(call(answer, point)) for point in POINTS], x * phi, typical)


def check_feedforward(answer):
    raw = X @ W1 + B1
    right = _relu(raw) @ W2 + B2
    typical = [
        (raw @ W2 + B2, "there is no activation between the two products: apply np.maximum(..., 0) to the neurons."),
        (_relu(X @ W1) @ W2 + B2, "the first bias is missing."),
        (_relu(X @ W1) @ W2, "both biases are missing."),
        ((_relu(X @ W1) + B1) @ W2 + B2, "the first bias comes after the activation; add it before."),
        (_relu(raw) @ W2, "the second bias is missing."),
        (_relu(raw @ W2 + B2), "the activation is at the end; it belongs between the two products."),
        (_relu(raw @ W2) + B2, "the activation belongs between the two products, before @ w2."),
        (_relu(right), "the activation is applied twice; the output may be negative, so apply it to the neurons only."),
        (_relu(raw), "these are the neurons; one step is left, the projection back to D: @ w2 + b2."),
        (X + right, "it adds x at the end; that residual connection belongs to the layer around it (chapter 5)."),
    ]
    compare(call(answer, *(array.copy() for array in (X, W1, B1, W2, B2))), right, typical)


def check_fold(answer):
    pair = call(answer, W1.copy(), B1.copy(), W2.copy(), B2.copy())
    if not isinstance(pair, tuple | list):
        numbers(pair)  # explains None, dots and strings
        raise WrongAnswer("return two arrays: return w, b.")
    if len(pair) != 2:
        raise WrongAnswer(f"return two arrays, w and b; it returns {len(pair)}.")
    w, b = pair
    if np.shape(w) == B2.shape and np.shape(b) == (5, 5):
        raise WrongAnswer("the two are swapped: return the matrix w first, then the bias b.")
    reversed_order = (W2 @ W1, "the order is reversed: x is multiplied by w1 first, so w1 comes first.")
    compare(w, W1 @ W2, [((W1 @ W2).T, "w is transposed: it should be w1 @ w2."), reversed_order])
    typical = [
        (B2, "w is right. b is not b2 alone: b1 contributes as well, as b1 @ w2."),
        (B1 @ W2, "w is right; in b, b2 is missing."),
        (B1 @ W2 - B2, "w is right; add b2 instead of subtracting it."),
    ]
    compare(b, B1 @ W2 + B2, typical)


def check_strongest(answer):
    neurons, k = X @ W1 + B1, 2

    def output_of(selected):
        return np.where(selected, neurons, 0) @ W2 + B2

    size = np.abs(neurons)
    right = output_of(size >= np.sort(size)[:, -k, None])
    typical = [
        (right - B2, "the bias is missing: it is added whatever the neurons are."),
        (neurons @ W2 + B2, "all neurons are used; use only the k strongest of each token."),
        (
            output_of(neurons >= np.sort(neurons)[:, -k, None]),
            "strong means far from 0: a large negative activation counts too.",
        ),
        (output_of(size >= np.sort(size, axis=None)[-k]), "it keeps k of the whole array; keep k per token (row)."),
        (output_of(size >= np.sort(size, axis=0)[-k]), "it keeps k per column; keep k per token (row)."),
        (output_of(size <= np.sort(size)[:, k - 1, None]), "these are the weakest; keep the strongest."),
        (output_of(size > np.sort(size)[:, -k, None]), "it keeps one too few; the k-th strongest belongs to them."),
        (
            np.where(size >= np.sort(size)[:, -k, None], size, 0) @ W2 + B2,
            "select by absolute value, but use each neuron with its own sign.",
        ),
    ]
    compare(call(answer, neurons.copy(), W2.copy(), B2.copy(), k), right, typical)
    with_all = call(answer, neurons.copy(), W2.copy(), B2.copy(), neurons.shape[1])
    compare(with_all, neurons @ W2 + B2, [(right, "k need not be 2: with k = 7, all neurons are used.")])


EXERCISES = {
    "parameters": Exercise(
        task="How many parameters does the feed-forward network of one layer of BERT-Base have (D = 768, F = 3072)?",
        blank="parameters = ...",
        answer="parameters",
        check=check_parameters,
        correct="4,722,432 in each of 12 layers: 57 million of BERT-Base's 110 million.",
        hints=(
            "There are two weight matrices and two biases. Their shapes are in the table below the equation.",
            "W1 maps D dimensions to F, and W2 maps them back. W1 has D times F elements, its bias F.",
        ),
        solution="parameters = 768 * 3072 + 3072 + 3072 * 768 + 768",
    ),
    "and_neuron": Exercise(
        task="Choose three weights and a bias such that a neuron fires for a being AND a thing, whatever the action.",
        blank="neuron = ...  # [being, thing, action, bias]",
        answer="neuron",
        check=check_neuron,
        correct="it needs both inputs and ignores the third. An activation and a bias make an AND.",
        hints=(
            "An input that should not matter gets the weight 0. The other two weights can be 1.",
            "With weights of 1, one input adds up to 1 and both to 2. Which bias puts 0 between the two?",
        ),
        solution="neuron = [1, 1, 0, -1.5]  # [being, thing, action, bias]",
    ),
    "gelu_by_hand": Exercise(
        task="Write the exact GELU of one number, with math.erf.",
        blank="def gelu(x):\n    return ...",
        answer="gelu",
        check=check_gelu,
        correct="x times Phi(x). This is the activation of MiniLM, computed 9,216 times per token.",
        hints=(
            "GELU is x times Phi(x), and Phi goes from 0 on the far left to 1 on the far right.",
            "math.erf goes from -1 to 1. Add 1 and halve it to get Phi; inside erf, x is divided by 2 ** 0.5.",
        ),
        solution="import math\n\ndef gelu(x):\n    return x * 0.5 * (1 + math.erf(x / 2**0.5))",
        cases=((2,), (0.25,), (-0.03,), (-1.6,), (3.5,), (-3.5,), (1000.0,), (-1000.0,)),
    ),
    "feedforward_by_hand": Exercise(
        task="Write the whole network in NumPy, with ReLU as its activation.",
        blank="def feedforward(x, w1, b1, w2, b2):\n    return ...",
        answer="feedforward",
        check=check_feedforward,
        correct="expand, activate, project back. Two thirds of a layer's parameters, in two lines.",
        hints=(
            "x @ w1 + b1 is [T, F]. Apply the activation, and a second product leads back to [T, D].",
            "The activation is np.maximum(neurons, 0). It comes after the first bias and before the second product.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def feedforward(x, w1, b1, w2, b2):\n"
            "    neurons = np.maximum(x @ w1 + b1, 0)  # [T, F]\n"
            "    return neurons @ w2 + b2  # [T, D]"
        ),
        cases=(ONE, SMALL, WIDE, (np.zeros((3, 2)), *SMALL[1:]), (np.round(-1000 * SMALL[0]), *SMALL[1:])),
    ),
    "fold": Exercise(
        task="Without the activation, replace the two matrices and biases with one matrix and one bias.",
        blank="def fold(w1, b1, w2, b2):\n    return ...",
        answer="fold",
        check=check_fold,
        correct="one matrix does the work of two. Only the activation keeps a network from collapsing into one.",
        hints=(
            "Write down (x @ w1 + b1) @ w2 + b2 and expand the brackets.",
            "x is multiplied by w1 @ w2. Everything without an x is the new bias: what b1 turns into, and b2.",
        ),
        solution="def fold(w1, b1, w2, b2):\n    return w1 @ w2, b1 @ w2 + b2",
        cases=(ONE[1:], SMALL[1:], WIDE[1:]),
    ),
    "strongest": Exercise(
        task="Use only the k strongest neurons of each token: those that are furthest from 0.",
        blank="def strongest(neurons, w2, b2, k):\n    return ...",
        answer="strongest",
        check=check_strongest,
        correct="each token has its own k neurons. The experiment of this chapter did the same.",
        hints=(
            "np.abs(neurons) is their strength; np.sort of it, row by row, has the k-th strongest at index -k.",
            "np.where(condition, neurons, 0) keeps those that are at least that strong. Then @ w2 + b2, as always.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def strongest(neurons, w2, b2, k):\n"
            "    strength = np.abs(neurons)  # [T, F]\n"
            "    threshold = np.sort(strength, axis=-1)[:, -k]  # [T]\n"
            "    return np.where(strength >= threshold[:, None], neurons, 0) @ w2 + b2  # [T, D]"
        ),
        cases=(
            (np.array([[-0.5]]), *ONE[3:], 1),
            (np.array([[3.0, -4.0, 1.0], [-0.1, 0.0, -1000.0]]), *SMALL[3:], 1),
            (np.array([[3.0, -4.0, 1.0], [-0.1, 0.0, -1000.0]]), *SMALL[3:], 2),
            (np.array([[0.3, -1.2, 2.5, -0.4, 0.0, 0.9, -2.2, 1.1]]), *WIDE[3:], 5),
        ),
    ),
}
