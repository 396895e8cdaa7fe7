"""Exercises of notebooks/08_masked_lm.ipynb."""

import math

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers
from bertedu.course.exercises import masked_lm_bias

# Four masked positions and a vocabulary of five tokens; the last position is padding.
LOGITS = np.round(np.random.default_rng(0).normal(size=(4, 5)) * 2, 1)
LABELS, WEIGHTS = np.array([2, 0, 4, 0]), np.array([1.0, 1.0, 1.0, 0.0])
LARGE = [[1000.0, 998.0, 10.0]]

# A small head: 6 tokens, D=4, V=7; no two sizes are equal, so that swapped axes are noticed.
_rng = np.random.default_rng(1)
X, W, B = _rng.normal(size=(6, 4)), _rng.normal(size=(4, 4)), _rng.normal(size=4)
TABLE, BIAS = _rng.normal(size=(7, 4)), _rng.normal(size=7)
POSITIONS = np.array([1, 4])


def _log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def _gelu(x):
    return x * (1 + np.vectorize(math.erf)(x / 2**0.5)) / 2


def _norm(x, epsilon=1e-12):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + epsilon)


def _head_case(T, positions, D, V):
    rng = np.random.default_rng(T)
    x, W, b, table, c = (np.round(rng.normal(size=size), 1) for size in ((T, D), (D, D), D, (V, D), V))
    return x, np.array(positions), W, b, table, c, _gelu


def check_shown(answer):
    typical = [
        (60, "that is how many are chosen, 15 % of 400. Only 80 % of the chosen tokens show [MASK]."),
        (320, "that is 80 % of all tokens. It should be 80 % of the chosen ones, which are 15 % of all."),
        (6, "that is 10 % of the chosen tokens: those that are replaced, or unchanged. [MASK] gets 80 %."),
        (12, "that is how many of the chosen tokens do not show [MASK]. Count the others."),
        (0.12, "that is the fraction of the text. Multiply it by the 400 tokens."),
        (54, "that counts the tokens that show [MASK] and the random ones. Count only the first."),
        (380, "it adds the two fractions. Take 15 % of 400, and then 80 % of that."),
    ]
    compare(answer, 48, typical)


MODIFIED = "it modifies the list that you passed in. Make a copy first: list(tokens)."


def check_hide(answer):
    tokens, positions = [11, 12, 13, 14, 15, 16, 17, 18], [1, 3, 4, 6]
    samples, random_tokens, mask_id = [0.79, 0.85, 0.95, 0.1], [21, 22, 23, 24], 4
    expected = [11, 4, 13, 22, 15, 16, 4, 18]
    argument = list(tokens)
    got = call(answer, argument, list(positions), list(samples), list(random_tokens), mask_id)
    if argument != tokens and got is not argument:
        raise WrongAnswer(MODIFIED)
    typical = [
        (tokens, "nothing has changed. Put [MASK] or a random token at the chosen positions."),
        (
            [11, 4, 13, 4, 4, 16, 4, 18],
            "every chosen position shows [MASK]. Only samples below 0.8 should give [MASK].",
        ),
        (
            [11, 4, 13, 14, 23, 16, 4, 18],
            "the last two cases are swapped: from 0.8 to 0.9 take the random token, from 0.9 on keep the token.",
        ),
        ([11, 4, 13, 22, 23, 16, 4, 18], "a sample of 0.9 or more leaves the token unchanged, but yours is replaced."),
        ([11, 4, 13, 14, 15, 16, 4, 18], "a sample from 0.8 to 0.9 gives the random token, but yours is unchanged."),
        ([11, 4, 13, 13, 15, 16, 4, 18], "the random token comes from `random_tokens`, not from the text."),
        ([4, 22, 15, 4], "return the whole text, including the tokens that were not chosen."),
        (
            [11, 21, 13, 22, 15, 16, 24, 18],
            "[MASK] is overwritten: a sample below 0.8 is also below 0.9. Use `elif` for the second case.",
        ),
        (
            [4, 22, 13, 4, 15, 16, 17, 18],
            "the first positions have changed. `positions` says which ones should: here 1, 3, 4 and 6.",
        ),
        ([11, 21, 13, 4, 4, 16, 24, 18], "the condition is inverted: a sample below 0.8 gives [MASK]."),
    ]
    compare(got, expected, typical)
    if argument != tokens:
        raise WrongAnswer(f"the result is right, but {MODIFIED}")
    result = call(answer, [5, 6], [0, 1], [0.8, 0.9], [7, 8], mask_id)
    compare(result, [7, 6], [([4, 6], "a sample of exactly 0.8 no longer gives [MASK].")])


def _wrong_losses(log_probabilities, losses):
    """Pairs of a wrong loss and the feedback; `losses` [M] are the losses of the positions."""
    label_logits = LOGITS[np.arange(4), LABELS]
    log_of_base = "the logarithm has base {}. Use the natural logarithm, math.log or np.log."
    return [
        (losses.mean(), "padding is included. Multiply by the weights and divide by their sum."),
        ((losses * WEIGHTS).mean(), "it divides by the number of all positions. Divide by the sum of the weights."),
        ((losses * WEIGHTS).sum(), "this is the sum. Divide it by the sum of the weights."),
        (
            -(losses * WEIGHTS).sum() / 3,
            "the sign is wrong: the logarithm of a probability is negative, the loss is positive.",
        ),
        ((np.exp(-losses) * WEIGHTS).sum() / 3, "this averages the labels' probabilities. Take minus their logarithm."),
        (-(label_logits * WEIGHTS).sum() / 3, "the softmax is missing: turn the logits into probabilities first."),
        ((losses * WEIGHTS).sum() / 3 / math.log(2), log_of_base.format(2)),
        ((losses * WEIGHTS).sum() / 3 / math.log(10), log_of_base.format(10)),
        (
            -math.log((np.exp(-losses) * WEIGHTS).sum() / 3),
            "this is the logarithm of the mean probability. Take the logarithm of each one first, then the mean.",
        ),
        (
            -(log_probabilities.max(-1) * WEIGHTS).sum() / 3,
            "it uses the most probable token. Use the token in `labels`.",
        ),
        (
            losses * WEIGHTS,
            "these are the losses of the positions. Return one number: their sum divided by the sum of the weights.",
        ),
        (
            ((1 - np.exp(-losses)) * WEIGHTS).sum() / 3,
            "it is 1 minus the probability. The loss is minus the logarithm of the probability.",
        ),
        (
            -(log_probabilities.mean(-1) * WEIGHTS).sum() / 3,
            "it takes the mean over the vocabulary. Only the token in `labels` counts.",
        ),
    ]


UNDERFLOW = (
    "The probability is too small for a float, so don't take its logarithm. "
    "The loss is the logarithm of the sum of the powers, minus the label's logit."
)


def check_loss(answer):
    log_probabilities = _log_softmax(LOGITS)
    losses = -log_probabilities[np.arange(4), LABELS]  # [M]
    got = call(answer, LOGITS.tolist(), LABELS.tolist(), WEIGHTS.tolist())
    compare(got, (losses * WEIGHTS).sum() / 3, _wrong_losses(log_probabilities, losses))
    try:
        large = numbers(call(answer, LARGE, [1], [1.0]))
        if np.isfinite(large).all():
            typical = [(math.log(2), "1000 and 998 count the same: they were cut off.")]
            compare(large, 2 + math.log(1 + math.exp(-2)), typical)
    except WrongAnswer as reason:
        raise WrongAnswer(
            f"it is right for small logits. For logits of 1000, {reason} Subtract the largest logit first."
        ) from None
    if not np.isfinite(large).all():
        raise WrongAnswer("it is right for small logits, but e^1000 overflows. Subtract the largest logit first.")
    try:
        compare(call(answer, [[1000.0, 0.0]], [1], [1.0]), 1000)
    except WrongAnswer as reason:
        raise WrongAnswer(f"it is right for small logits. For logits of 1000 and 0, {reason} {UNDERFLOW}") from None


TINY_PRODUCT = "their product is too small for a float."


def check_perplexity(answer):
    probabilities = np.array([0.5, 0.1, 0.25, 0.9])
    logs = np.log(probabilities)
    mixed_bases = "the logarithm has base {} and the power has base {}. Use the same base for both."
    typical = [
        (-logs.mean(), "this is the mean loss. The perplexity is e to that power."),
        (np.exp(-logs.sum()), "it adds the losses. Take their mean, so that long texts don't look worse."),
        (np.exp(logs.mean()), "the sign is wrong: this is a mean probability, below 1. The perplexity is its inverse."),
        ((1 / probabilities).mean(), "this is the mean of 1/p. Take the mean of the logarithms: exp(mean(-log p))."),
        (
            1 / probabilities.mean(),
            "this is 1 divided by the mean probability. Take the mean of the logarithms: exp(mean(-log p)).",
        ),
        (np.exp(probabilities.mean()), "the logarithm is missing: it is e to the mean of -log p, not of p."),
        (10 ** -logs.mean(), mixed_bases.format("e", 10)),
        (np.exp(-np.log10(probabilities).mean()), mixed_bases.format(10, "e")),
        (2 ** -logs.mean(), mixed_bases.format("e", 2)),
        (np.exp(-logs).sum(), "this is the sum of 1/p. Take the mean of -log p first, then e to that power."),
    ]
    compare(call(answer, probabilities.tolist()), np.exp(-logs.mean()), typical)
    compare(call(answer, [0.05] * 7), 20.0)
    try:
        compare(call(answer, [0.01] * 400), 100.0, [(wrong, TINY_PRODUCT) for wrong in (np.inf, 0)])
    except WrongAnswer as reason:
        raise WrongAnswer(
            f"it is right for short texts. For 400 probabilities of 0.01, {reason} Add logarithms."
        ) from None


def _normalized(axis=-1, power=1):
    """The head's hidden vectors, normalized over any axis, by any power of the standard deviation."""
    hidden = _gelu(X[POSITIONS] @ W + B)  # [M, D]
    return (hidden - hidden.mean(axis, keepdims=True)) / hidden.std(axis, keepdims=True) ** power


def check_head(answer):
    hidden = _norm(_gelu(X[POSITIONS] @ W + B))  # [M, D]
    expected = hidden @ TABLE.T + BIAS  # [M, V]
    typical = [
        (_norm(_gelu(X @ W + B)) @ TABLE.T + BIAS, "these are logits for every token. Select x[positions] first."),
        (hidden @ TABLE.T, "the output bias c is missing. It has one element per token of the vocabulary."),
        (
            _gelu(X[POSITIONS] @ W + B) @ TABLE.T + BIAS,
            "the normalization is missing: after GELU, scale to mean 0 and standard deviation 1.",
        ),
        (
            _norm(X[POSITIONS] @ W + B) @ TABLE.T + BIAS,
            "the GELU is missing, between the dense layer and the normalization.",
        ),
        (_gelu(_norm(X[POSITIONS] @ W + B)) @ TABLE.T + BIAS, "the order is GELU first, then the normalization."),
        (_norm(_gelu(X[POSITIONS] @ W)) @ TABLE.T + BIAS, "the bias b of the dense layer is missing."),
        (
            _normalized(axis=None) @ TABLE.T + BIAS,
            "it uses one mean and one standard deviation for everything. Each row has its own: axis=-1.",
        ),
        (
            _normalized(axis=0) @ TABLE.T + BIAS,
            "it normalizes over the positions. Normalize over the D elements of each position: axis=-1.",
        ),
        (
            _normalized(power=2) @ TABLE.T + BIAS,
            "it divides by the variance. Divide by its square root, the standard deviation.",
        ),
        (X[POSITIONS] @ TABLE.T + BIAS, "it multiplies x by the table directly. Dense, GELU and norm come first."),
        (hidden, "these are the hidden vectors. Multiply them by the table and add c."),
        (expected.T, "rows and columns are swapped: one row per position, one column per token of the vocabulary."),
        (np.exp(_log_softmax(expected)), "these are already probabilities. Return the logits."),
    ]
    for epsilon in (1e-3, 1e-5):
        logits = _norm(_gelu(X[POSITIONS] @ W + B), epsilon) @ TABLE.T + BIAS
        typical.append((logits, f"{epsilon:g} added to the variance is too much."))
    arguments = (X.copy(), POSITIONS.copy(), W.copy(), B.copy(), TABLE.copy(), BIAS.copy(), _gelu)
    compare(call(answer, *arguments), expected, typical)


EXERCISES = {
    "shown": Exercise(
        task="A text has 400 tokens. How many of them show [MASK], on average, after BERT's masking?",
        blank="num_masked = ...",
        answer="num_masked",
        check=check_shown,
        correct="60 are chosen. Of these, 48 show [MASK], 6 a random token, and 6 are unchanged.",
        hints=(
            "Apply two fractions in turn: first the tokens that are chosen, then those of them that show [MASK].",
            "15 % are chosen, and 80 % of these show [MASK].",
        ),
        solution="num_masked = 400 * 0.15 * 0.8",
    ),
    "hide": Exercise(
        task="Write the 80/10/10 rule for one text. The random numbers are given.",
        blank="def apply_masking(tokens, positions, samples, random_tokens, mask_id):\n    return ...",
        answer="apply_masking",
        check=check_hide,
        correct="80 % show [MASK], 10 % a random token, 10 % are unchanged, and so is the list that you passed in.",
        hints=(
            "Copy the list. Then iterate over `positions`, `samples` and `random_tokens` together, with zip.",
            "A sample below 0.8 gives `mask_id`, otherwise one below 0.9 gives the random token, otherwise no change.",
        ),
        solution=(
            "def apply_masking(tokens, positions, samples, random_tokens, mask_id):\n"
            "    masked = list(tokens)\n"
            "    for position, sample, random_token in zip(positions, samples, random_tokens):\n"
            "        if sample < 0.8:\n"
            "            masked[position] = mask_id\n"
            "        elif sample < 0.9:\n"
            "            masked[position] = random_token\n"
            "    return masked"
        ),
        cases=(
            ([7], [0], [0.0], [9], 103),
            ([5, 5, 6, 5], [1, 2], [0.85, 0.99], [8, 9], 103),  # a token occurs several times
            ([101, 5, 0, 8, 102], [3, 1], [0.799, 0.899], [30, 20], 103),  # positions in any order
            ([11, 12, 13, 14], [0, 1, 2, 3], [0.8, 0.9, 0.999, 0.5], [21, 22, 23, 24], 4),
        ),
    ),
    "loss": Exercise(
        task="Write the loss: minus the logarithm of the label's probability, as a weighted mean over the positions.",
        blank="def mlm_loss(logits, labels, weights):\n    return ...",
        answer="mlm_loss",
        check=check_loss,
        correct="minus the log probability of the label, averaged over the positions that count, without overflow.",
        hints=(
            "For each position: softmax of its row, the probability of the label, minus its logarithm.",
            "Subtract each row's largest logit x. Then the loss is the log of the sum of e^x, minus the label's x.",
        ),
        solution=(
            "import math\n\n"
            "def mlm_loss(logits, labels, weights):\n"
            "    total = 0.0\n"
            "    for row, label, weight in zip(logits, labels, weights):\n"
            "        largest = max(row)\n"
            "        log_sum = largest + math.log(sum(math.exp(x - largest) for x in row))\n"
            "        total += (log_sum - row[label]) * weight\n"
            "    return total / sum(weights)"
        ),
        cases=(
            ([[2.5]], [0], [1.0]),
            ([[0.0, 0.0, 0.0, 0.0]], [3], [1.0]),
            ([[1000.0, 990.0], [0.5, -1.5], [-1000.0, -1001.0]], [1, 0, 0], [1.0, 0.0, 1.0]),
            ([[30.0, 0.0, -5.0], [1.0, 2.0, 3.0]], [2, 0], [1.0, 1.0]),  # confident, and wrong
            ([[9.0, -9.0, 1.5], [0.0, 0.2, 0.4]], [1, 2], [0.0, 1.0]),
            ([[1000.0, 0.0, -500.0], [0.0, 2.0, 1.0]], [2, 1], [1.0, 1.0]),  # a probability too small for a float
        ),
    ),
    "perplexity": Exercise(
        task="Write the perplexity, given the probabilities of the correct tokens.",
        blank="def perplexity(probabilities):\n    return ...",
        answer="perplexity",
        check=check_perplexity,
        correct="e to the mean loss: the model is as uncertain as between that many equally likely tokens.",
        hints=(
            "First compute the loss of each: minus the logarithm of its probability. Then take their mean.",
            "Apply math.exp to that mean. If every probability is 1/20, the perplexity is 20.",
        ),
        solution=(
            "import math\n\n"
            "def perplexity(probabilities):\n"
            "    losses = [-math.log(p) for p in probabilities]\n"
            "    return math.exp(sum(losses) / len(losses))"
        ),
        cases=(([0.3],), ([1.0, 1.0],), ([0.7, 0.05],), ([0.00001, 0.9, 0.5, 0.02, 0.6],)),
    ),
    **masked_lm_bias.EXERCISES,
    "head": Exercise(
        task="Build the masked-LM head in NumPy: x [T, D] and positions [M] give logits [M, V].",
        blank="def head(x, positions, W, b, table, c, gelu):\n    return ...",
        answer="head",
        check=check_head,
        correct="this is the whole head. BERT's does the same with a vocabulary of 30,522.",
        hints=(
            "x[positions] selects the rows. Then dense, gelu, normalization, and the product with table.T.",
            "To normalize, subtract each row's mean and divide by its standard deviation (keepdims=True).",
        ),
        solution=(
            "def head(x, positions, W, b, table, c, gelu):\n"
            "    h = gelu(x[positions] @ W + b)  # [M, D]\n"
            "    h = (h - h.mean(-1, keepdims=True)) / h.std(-1, keepdims=True)  # [M, D]\n"
            "    return h @ table.T + c  # [M, V]"
        ),
        cases=(_head_case(3, [2], 5, 4), _head_case(5, [4, 0, 3], 2, 6), _head_case(4, [3, 1, 2, 0], 7, 3)),
    ),
}
