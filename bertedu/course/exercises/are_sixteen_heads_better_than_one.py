"""Exercises of notebooks/labs/2_are_sixteen_heads_better_than_one.ipynb."""

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, one_number

D, H = 384, 32  # of MiniLM
HEAD = 4 * D * H + 3 * H
B, N, T, S = 3, 2, 4, 5  # texts, heads, tokens, size of a head
CURVE, TOLERANCE = [0.75, 0.875, 0.625, 0.5, 0.75, 0.25], 0.125
_rng = np.random.default_rng(19)
OUTPUTS, GRADIENTS = (np.round(_rng.normal(size=(B, N, T, S)), 1) for _ in range(2))


def _normal(seed, *shape):
    return np.round(np.random.default_rng(seed).normal(size=shape), 1)


def check_head_weights(answer):
    got = float(one_number(answer, "the number of weights of one head."))
    reasons = {
        4 * D * H: "the biases of query, key and value are missing.",
        3 * D * H: "the output projection and the biases are missing.",
        3 * D * H + 3 * H: "the output projection is missing: a head has its own rows of it.",
        D * H: "that is one of the four matrices.",
        4 * D * H
        + 4 * H: "query, key and value have a bias of 32 each. The output's bias has 384, and no head owns it.",
        HEAD + D: "the bias of the output belongs to all heads, so removing one head does not remove it.",
        12 * HEAD: "that is a whole layer. How many has one of its 12 heads?",
        4 * D * D: "that is a whole layer, without biases. How many has one of its 12 heads?",
        72 * HEAD: "these are the weights of all 72 heads.",
    }
    if got in reasons:
        raise WrongAnswer(reasons[got])
    if got != HEAD:
        raise WrongAnswer("a head has 384 x 32 weights of query, key, value and output each, and three biases of 32.")


def check_removable(answer):
    typical = [
        (4, "accuracy fell below the limit before that and recovered. Stop at the first fall."),
        (3, "after so many, it has fallen already. Return the number before."),
        (1, "only a fall of more than the tolerance counts."),
        (0, "compare with the accuracy of the whole model, the first of the list."),
        (5, "that is all of them. Stop where accuracy falls."),
    ]
    compare(call(answer, list(CURVE), TOLERANCE), 2, typical)


def check_importance(answer):
    products = OUTPUTS * GRADIENTS
    sums = products.sum(axis=(2, 3))  # [B, N]
    typical = [
        (sums.mean(axis=0), "the sign is left: a gain and a loss would cancel. Take the absolute value of each text."),
        (
            np.abs(sums.mean(axis=0)),
            "take the absolute value of each text before the mean, so that texts do not cancel.",
        ),
        (np.abs(products).sum(axis=(2, 3)).mean(axis=0), "add up the products first; then take the absolute value."),
        (
            np.abs(products).mean(axis=(0, 2, 3)),
            "add up the products over tokens and elements; only texts are averaged.",
        ),
        (np.abs(sums).sum(axis=0), "take the mean over the texts, not the sum."),
        (np.abs(sums), "that is the importance for each text. Average over the texts, the first axis."),
        (np.abs(products.mean(axis=(2, 3))).mean(axis=0), "add up over tokens and elements; only texts are averaged."),
        (np.abs(sums).mean(axis=1), "these are means over the heads. Average over the texts, the first axis."),
        (np.abs(GRADIENTS.sum(axis=(2, 3))).mean(axis=0), "multiply the gradients by the outputs."),
    ]
    compare(call(answer, OUTPUTS.copy(), GRADIENTS.copy()), np.abs(sums).mean(axis=0), typical)


EXERCISES = {
    "head_weights": Exercise(
        task="How many weights does one head of MiniLM have, with biases?",
        blank="head_weights = ...",
        answer="head_weights",
        check=check_head_weights,
        correct="72 heads have a third of the layers' weights; the feed-forward networks have the rest.",
        hints=(
            "The query, key and value projections lead from 384 dimensions to 32 and have biases; the output "
            "projection leads back.",
            "Four matrices of 384 x 32, and three biases of 32. The output's bias belongs to no head.",
        ),
        solution="head_weights = 4 * 384 * 32 + 3 * 32  # query, key, value, output; three biases",
    ),
    "removable": Exercise(
        task="Return how many heads can be removed before accuracy falls by more than a tolerance.",
        blank="def removable(accuracies, tolerance):\n    return ...",
        answer="removable",
        check=check_removable,
        cases=(
            ([0.5], 0.0),
            ([0.5, 0.25], 0.125),
            ([0.5, 0.75, 1.0], 0.0),
            ([0.5, 0.625, 0.375, 0.25, 0.5], 0.125),
            ([1.0, 0.5, 1.0, 1.0], 0.25),
            ([0.75, 0.75, 0.5, 0.25, 0.125, 0.75], 0.5),
        ),
        correct="the first fall decides, even if accuracy recovers by luck.",
        hints=(
            "Go through the accuracies in order. The limit is the first of them minus the tolerance.",
            "At the first accuracy below the limit, return the number of heads before it. Without one, all can go.",
        ),
        solution=(
            "def removable(accuracies, tolerance):\n"
            "    for removed, accuracy in enumerate(accuracies):\n"
            "        if accuracy < accuracies[0] - tolerance:\n"
            "            return removed - 1\n"
            "    return len(accuracies) - 1"
        ),
    ),
    "importance": Exercise(
        task="Compute the importance of each head from its outputs and the gradients by them.",
        blank="def importance_of_heads(head_outputs, gradients):\n    return ...",
        answer="importance_of_heads",
        check=check_importance,
        cases=(
            (np.array([[[[-2.0]]]]), np.array([[[[0.5]]]])),
            (_normal(1, 1, 3, 2, 2), _normal(2, 1, 3, 2, 2)),
            (_normal(3, 5, 2, 1, 3), _normal(4, 5, 2, 1, 3)),
            (_normal(5, 2, 4, 3, 1), _normal(6, 2, 4, 3, 1)),
        ),
        correct="the chain rule: the derivative by a factor of the head is the sum of output times gradient.",
        hints=(
            "The head's output is multiplied by a factor of 1. The derivative by that factor is the sum of output "
            "times gradient over tokens and elements.",
            "Take the absolute value of that sum for each text, and then the mean over the texts.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def importance_of_heads(head_outputs, gradients):\n"
            "    derivatives = (head_outputs * gradients).sum(axis=(2, 3))  # [B, N]\n"
            "    return np.abs(derivatives).mean(axis=0)  # [N]"
        ),
    ),
}
