"""Exercises of notebooks/04_feedforward.ipynb."""

import itertools
import math

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers

# Three tokens of five numbers, seven neurons: no two sizes are equal, so that a mix-up shows.
X, W1, B1, W2, B2 = (
    np.round(np.random.default_rng(seed).normal(size=size), 2)
    for seed, size in enumerate(((3, 5), (5, 7), 7, (7, 5), 5), start=1)
)
POINTS = (0.0, 1.0, -1.0, 2.7, -2.7, 5.0, -0.75)  # at 2.7 exact GELU and tanh's are furthest apart


def _relu(x):
    return np.maximum(x, 0)


def check_parameters(answer):
    d, f = 768, 3072
    one = "that is one table with its bias (and as many as all of attention has); there is a way back from F to D too."
    typical = [
        (2 * d * f, "the two tables are right; each has a bias as well: F numbers and D numbers."),
        (2 * d * f + f, "the first bias is there, the second is missing: one number for each of the D that come out."),
        (2 * d * f + d, "the second bias is there, the first is missing: one number for each of the F neurons."),
        (2 * d * f + 2 * d, "the first bias has one number for each of the F neurons, not for each of the D."),
        (2 * d * f + 2 * f, "W1's bias is right; W2 comes out at D numbers, so its bias has D."),
        (d * f + f, one),
        (d * f, "that is one table; there are two, and each has a bias."),
        (12 * (2 * d * f + d + f), "that is all 12 layers; one layer was asked for."),
        (2 * 384 * 1536 + 384 + 1536, "that is MiniLM's, with D = 384. BERT-Base has D = 768 and F = 3072."),
    ]
    compare(answer, 2 * d * f + d + f, typical)


def check_neuron(answer):
    neuron = numbers(answer)
    if neuron.shape != (4,):
        raise WrongAnswer("four numbers are wanted: three weights (being, thing, action), then the bias.")
    if not np.isfinite(neuron).all():
        raise WrongAnswer("the four numbers must be finite.")
    fires = {word: bool(neuron[:3] @ word + neuron[3] > 0) for word in itertools.product((0, 1), repeat=3)}
    if not any(fires.values()):
        raise WrongAnswer(
            "it never fires: even with all three the product plus the bias is not above 0. Raise the bias."
        )
    if all(fires.values()):
        raise WrongAnswer("it fires for everything, even for a word that knows nothing. Lower the bias.")
    if fires[0, 0, 0]:
        raise WrongAnswer(
            "it fires for a word that knows nothing: there only the bias is left, so the bias must be negative."
        )
    for word, reason in (
        ((1, 0, 0), "it fires for a being alone; the bias must be low enough that one of the two is not sufficient."),
        ((0, 1, 0), "it fires for a thing alone; the bias must be low enough that one of the two is not sufficient."),
        ((0, 0, 1), "it fires for an action alone; the action should not matter: give it the weight 0."),
        ((1, 0, 1), "it fires for a being with an action; the action should not matter: give it the weight 0."),
        ((0, 1, 1), "it fires for a thing with an action; the action should not matter: give it the weight 0."),
    ):
        if fires[word]:
            raise WrongAnswer(reason)
    if not fires[1, 1, 0]:
        raise WrongAnswer("it does not fire for a being and a thing without an action, where it should.")
    if not fires[1, 1, 1]:
        raise WrongAnswer("an action keeps it from firing; the action should not matter: give it the weight 0.")


def check_gelu(answer):
    x = np.array(POINTS)
    erf = np.array([math.erf(point) for point in x])
    phi = np.array([0.5 * (1 + math.erf(point / 2**0.5)) for point in x])
    tanh = 0.5 * x * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3)))
    typical = [
        (_relu(x), "this is ReLU: it cuts at 0. GELU multiplies x by its share Phi(x)."),
        (phi, "this is Phi(x), the share that passes; multiply x by it."),
        (tanh, "this is the tanh approximation, up to 0.0005 away. Here the exact one is wanted, with math.erf."),
        (x / (1 + np.exp(-1.702 * x)), "this is the sigmoid approximation; the exact one is wanted, with math.erf."),
        (x / (1 + np.exp(-x)), "this is x times its sigmoid (SiLU); GELU has Phi there, made of math.erf."),
        (0.5 * x * (1 + erf), "inside of erf, x must be divided by the square root of 2."),
        (0.5 * x * (1 + np.array([math.erf(point / 2) for point in x])), "inside of erf, divide by the root of 2."),
        (0.5 * x * (1 + np.array([math.erf(point / 4) for point in x])), "2**1/2 is (2**1)/2; write 2**0.5."),
        (0.5 * x * (1 + erf / 2**0.5), "x is to be divided, before erf is taken, and not the erf."),
        (0.5 * x + np.array([math.erf(point / 2**0.5) for point in x]), "1 + erf(...) belongs in brackets."),
        (_relu(x * phi), "GELU is not cut at 0: it dips a little below."),
        (2 * x * phi, "the factor 1/2 is missing: Phi goes from 0 to 1."),
        (x * (phi - 0.5), "the 1 is missing: Phi(x) is half of 1 + erf(...)."),
        (x * (2 * phi - 1), "Phi is half of 1 + erf(...), and this is x times the erf alone."),
    ]
    compare([numbers(call(answer, point)) for point in POINTS], x * phi, typical)


def check_feedforward(answer):
    raw = X @ W1 + B1
    right = _relu(raw) @ W2 + B2
    typical = [
        (raw @ W2 + B2, "there is no bend between the two products: use np.maximum(..., 0) on the neurons."),
        (_relu(X @ W1) @ W2 + B2, "the first bias is missing."),
        (_relu(X @ W1) @ W2, "both biases are missing."),
        ((_relu(X @ W1) + B1) @ W2 + B2, "the first bias comes after the bend; add it before."),
        (_relu(raw) @ W2, "the second bias is missing."),
        (_relu(raw @ W2 + B2), "the bend is at the end; it belongs between the two products."),
        (_relu(raw @ W2) + B2, "the bend belongs between the two products, before @ w2."),
        (_relu(right), "it bends twice; what the neurons write may be negative, so bend the neurons only."),
        (_relu(raw), "these are the neurons; one step is left, the way back to five numbers: @ w2 + b2."),
        (X + right, "it adds x at the end; that sum belongs to the layer around it (chapter 5)."),
    ]
    compare(call(answer, *(array.copy() for array in (X, W1, B1, W2, B2))), right, typical)


def check_fold(answer):
    pair = call(answer, W1.copy(), B1.copy(), W2.copy(), B2.copy())
    if not isinstance(pair, tuple | list):
        numbers(pair)  # says what is wrong with None, dots, texts
        raise WrongAnswer("two things are wanted: return w, b.")
    if len(pair) != 2:
        raise WrongAnswer(f"two things are wanted, w and b; there are {len(pair)}.")
    w, b = pair
    if np.shape(w) == B2.shape and np.shape(b) == (5, 5):
        raise WrongAnswer("the two are swapped: first the table w, then the bias b.")
    turned = (W2 @ W1, "the order is turned round: x meets w1 first, so w1 stands at the left.")
    compare(w, W1 @ W2, [((W1 @ W2).T, "w is transposed: it should lead from 5 numbers to 5 as w1 @ w2 does."), turned])
    typical = [
        (B2, "w is right. b is not b2 alone: b1 comes out at the other end too, as b1 @ w2."),
        (B1 @ W2, "w is right; in b, b2 is missing."),
        (B1 @ W2 - B2, "w is right; add b2, do not take it away."),
    ]
    compare(b, B1 @ W2 + B2, typical)


def check_strongest(answer):
    neurons, k = X @ W1 + B1, 2

    def only(chosen):
        return np.where(chosen, neurons, 0) @ W2 + B2

    size = np.abs(neurons)
    right = only(size >= np.sort(size)[:, -k, None])
    typical = [
        (right - B2, "the bias is missing: it is written whichever neurons are kept."),
        (neurons @ W2 + B2, "nothing was left out: only the k strongest neurons of each token may write."),
        (
            only(neurons >= np.sort(neurons)[:, -k, None]),
            "strong means far from 0: a large negative number counts too.",
        ),
        (only(size >= np.sort(size, axis=None)[-k]), "it keeps k of the whole table; keep k of each token (row)."),
        (only(size >= np.sort(size, axis=0)[-k]), "it keeps k of each column; keep k of each token (row)."),
        (only(size <= np.sort(size)[:, k - 1, None]), "these are the weakest; keep the strongest."),
        (only(size > np.sort(size)[:, -k, None]), "it keeps one too few; the k-th strongest writes as well."),
        (
            np.where(size >= np.sort(size)[:, -k, None], size, 0) @ W2 + B2,
            "choose by size, but let each neuron write with its own sign.",
        ),
    ]
    compare(call(answer, neurons.copy(), W2.copy(), B2.copy(), k), right, typical)
    everyone = call(answer, neurons.copy(), W2.copy(), B2.copy(), neurons.shape[1])
    compare(everyone, neurons @ W2 + B2)


EXERCISES = {
    "parameters": Exercise(
        task="How many parameters has the feed-forward network of one layer of BERT-Base (D = 768, F = 3072)?",
        blank="parameters = ...",
        answer="parameters",
        check=check_parameters,
        correct="4,722,432 in each of 12 layers: 57 of BERT-Base's 110 million.",
        hints=(
            "There are two tables and two biases. Their shapes stand in the table of the equation.",
            "W1 leads from D to F numbers, W2 back. A table from D to F has D times F numbers, its bias F.",
        ),
        solution="parameters = 768 * 3072 + 3072 + 3072 * 768 + 768",
    ),
    "and_neuron": Exercise(
        task="Choose three weights and a bias, so that a neuron fires for a being AND a thing, whatever the action.",
        blank="neuron = ...  # [being, thing, action, bias]",
        answer="neuron",
        check=check_neuron,
        correct="it needs both, and does not mind the rest. A bend and a bias make an AND.",
        hints=(
            "What should not matter gets the weight 0. The other two weights can be 1.",
            "With weights of 1, one of the two makes 1 and both make 2. Where must the bias draw the line?",
        ),
        solution="neuron = [1, 1, 0, -1.5]  # [being, thing, action, bias]",
    ),
    "gelu_by_hand": Exercise(
        task="Write the exact GELU of one number, with math.erf.",
        blank="def gelu(x):\n    return ...",
        answer="gelu",
        check=check_gelu,
        correct="x times its share. This is the bend of MiniLM, 9,216 times for each token.",
        hints=(
            "GELU is x times Phi(x), and Phi goes from 0 on the far left to 1 on the far right.",
            "math.erf goes from -1 to 1. Add 1, halve it, and you have Phi; divide x by 2 ** 0.5 inside of it.",
        ),
        solution="import math\n\ndef gelu(x):\n    return x * 0.5 * (1 + math.erf(x / 2**0.5))",
    ),
    "feedforward_by_hand": Exercise(
        task="Write the whole network in NumPy, with ReLU as its bend.",
        blank="def feedforward(x, w1, b1, w2, b2):\n    return ...",
        answer="feedforward",
        check=check_feedforward,
        correct="out, bend, back. Two thirds of a layer's parameters in two lines.",
        hints=(
            "x @ w1 + b1 makes the neurons, [T, F]. They are bent, and a second product brings them back to [T, D].",
            "The bend is np.maximum(neurons, 0). It comes after the first bias and before the second product.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def feedforward(x, w1, b1, w2, b2):\n"
            "    neurons = np.maximum(x @ w1 + b1, 0)  # [T, F]\n"
            "    return neurons @ w2 + b2  # [T, D]"
        ),
    ),
    "fold": Exercise(
        task="Without the bend, make one table and one bias that do the same as the two.",
        blank="def fold(w1, b1, w2, b2):\n    return ...",
        answer="fold",
        check=check_fold,
        correct="one table does the work of two. Only the bend keeps a network from folding up.",
        hints=(
            "Write out (x @ w1 + b1) @ w2 + b2 and multiply the bracket out.",
            "x is multiplied by w1 @ w2. Everything without an x is the new bias: what becomes of b1, and b2.",
        ),
        solution="def fold(w1, b1, w2, b2):\n    return w1 @ w2, b1 @ w2 + b2",
    ),
    "strongest": Exercise(
        task="Let only the k strongest neurons of each token write: those that are furthest from 0.",
        blank="def strongest(neurons, w2, b2, k):\n    return ...",
        answer="strongest",
        check=check_strongest,
        correct="each token hears its own k neurons. The experiment of this chapter did the same.",
        hints=(
            "np.abs(neurons) says how strong; np.sort of it, row by row, has the k-th strongest at place -k.",
            "np.where(condition, neurons, 0) keeps the neurons that are at least that strong. Then @ w2 + b2, as ever.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def strongest(neurons, w2, b2, k):\n"
            "    size = np.abs(neurons)  # [T, F]\n"
            "    least = np.sort(size, axis=-1)[:, -k]  # [T]\n"
            "    return np.where(size >= least[:, None], neurons, 0) @ w2 + b2  # [T, D]"
        ),
    ),
}
