"""Exercises of notebooks/08_masked_lm.ipynb."""

import math

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers

# Four places to guess, five words: logits, what stood there, and the last place is only padding.
LOGITS = np.round(np.random.default_rng(0).normal(size=(4, 5)) * 2, 1)
ANSWERS, WEIGHTS = np.array([2, 0, 4, 0]), np.array([1.0, 1.0, 1.0, 0.0])

# A small head: 6 tokens, D=4, 7 words; no two sizes are equal, so that a mix-up shows.
_draw = np.random.default_rng(1)
X, W, B = _draw.normal(size=(6, 4)), _draw.normal(size=(4, 4)), _draw.normal(size=4)
TABLE, BIAS = _draw.normal(size=(7, 4)), _draw.normal(size=7)
PLACES = np.array([1, 4])


def _log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def _gelu(x):
    return x * (1 + np.vectorize(math.erf)(x / 2**0.5)) / 2


def _norm(x):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)


def check_shown(answer):
    typical = [
        (60, "that is how many are chosen, 15 % of 400; only 80 % of the chosen show [MASK]."),
        (320, "that is 80 % of all tokens; it is 80 % of those that are chosen, and 15 % are."),
        (6, "that is how many become another token, or stay: 10 % of those chosen. [MASK] has 80 %."),
        (12, "that is how many are chosen and do not show [MASK]. The others do."),
        (0.12, "that is the share of the text; multiply it by the 400 tokens."),
        (54, "that is those with [MASK] and those with another token; only the first are asked for."),
        (380, "it adds the shares up; take 15 % of 400, and then 80 % of that."),
    ]
    compare(answer, 48, typical)


def check_hide(answer):
    tokens, chosen = [11, 12, 13, 14, 15, 16, 17, 18], [1, 3, 4, 6]
    fates, others, mask = [0.79, 0.85, 0.95, 0.1], [21, 22, 23, 24], 4
    expected = [11, 4, 13, 22, 15, 16, 4, 18]
    asked = list(tokens)
    got = call(answer, asked, list(chosen), list(fates), list(others), mask)
    if asked != tokens and got is not asked:
        raise WrongAnswer("it changes the list that it was given; make a copy first: list(tokens).")
    typical = [
        (tokens, "nothing has changed; put [MASK] or another token at the places that are chosen."),
        ([11, 4, 13, 4, 4, 16, 4, 18], "every chosen place shows [MASK]; of those, only fates below 0.8 should."),
        (
            [11, 4, 13, 14, 23, 16, 4, 18],
            "the last two are swapped: from 0.8 to 0.9 another token, from 0.9 on unchanged.",
        ),
        ([11, 4, 13, 22, 23, 16, 4, 18], "a fate of 0.9 or more leaves the token as it is, and yours is replaced."),
        ([11, 4, 13, 14, 15, 16, 4, 18], "a fate from 0.8 to 0.9 puts the other token there, and yours stays."),
        ([11, 4, 13, 13, 15, 16, 4, 18], "the other token comes from `others`, not from the text."),
        ([4, 22, 15, 4], "the whole text is wanted, with the tokens that were not chosen as they were."),
        (
            [11, 21, 13, 22, 15, 16, 24, 18],
            "[MASK] is overwritten: a fate below 0.8 is below 0.9 as well. Write `elif` for the second.",
        ),
        (
            [4, 22, 13, 4, 15, 16, 17, 18],
            "the first places are changed; `chosen` says which places are meant: 1, 3, 4 and 6 here.",
        ),
        ([11, 21, 13, 4, 4, 16, 24, 18], "it is turned round: below 0.8 comes [MASK]."),
    ]
    compare(got, expected, typical)
    if asked != tokens:
        raise WrongAnswer("right, but it changes the list that it was given; make a copy first: list(tokens).")
    compare(
        call(answer, [5, 6], [0, 1], [0.8, 0.9], [7, 8], mask), [7, 6], [([4, 6], "0.8 itself is no longer [MASK].")]
    )


def _slips_of_loss(logs, picked):
    """Losses that are wrong, each with what to say of it; `picked` [M] are those of the places."""
    raw = LOGITS[np.arange(4), ANSWERS]
    return [
        (picked.mean(), "the padding counts as well: multiply by the weights, and divide by their sum."),
        (
            (picked * WEIGHTS).mean(),
            "it divides by all places; divide by the sum of the weights, the places that count.",
        ),
        ((picked * WEIGHTS).sum(), "this is the sum; divide it by the sum of the weights."),
        (
            -(picked * WEIGHTS).sum() / 3,
            "the sign is turned round: the logarithm of a share is negative, the loss is not.",
        ),
        ((np.exp(-picked) * WEIGHTS).sum() / 3, "these are the shares of the right words; take minus their logarithm."),
        (-(raw * WEIGHTS).sum() / 3, "there is no softmax: the logits have to become shares first."),
        (
            (picked * WEIGHTS).sum() / 3 / math.log(2),
            "the logarithm is to base 2; take the natural one, math.log or np.log.",
        ),
        (
            (picked * WEIGHTS).sum() / 3 / math.log(10),
            "the logarithm is to base 10; take the natural one, math.log or np.log.",
        ),
        (
            -math.log((np.exp(-picked) * WEIGHTS).sum() / 3),
            "it is the logarithm of the mean share; take the logarithm of each share first, then the mean.",
        ),
        (-(logs.max(-1) * WEIGHTS).sum() / 3, "it marks the likeliest word; mark the word in `answers`."),
        (
            picked * WEIGHTS,
            "these are the losses of the places; one number is wanted, their sum by that of the weights.",
        ),
        (
            ((1 - np.exp(-picked)) * WEIGHTS).sum() / 3,
            "it is 1 minus the share; the loss is minus the logarithm of the share.",
        ),
        (
            -(logs.mean(-1) * WEIGHTS).sum() / 3,
            "it takes the mean over all words; only the word that stood there counts.",
        ),
    ]


def check_loss(answer):
    logs = _log_softmax(LOGITS)
    picked = -logs[np.arange(4), ANSWERS]  # [M]
    got = call(answer, LOGITS.tolist(), ANSWERS.tolist(), WEIGHTS.tolist())
    compare(got, (picked * WEIGHTS).sum() / 3, _slips_of_loss(logs, picked))
    try:
        large = numbers(call(answer, [[1000.0, 1000.0]], [0], [1.0]))
    except WrongAnswer as reason:
        raise WrongAnswer(f"right for small logits. For 1000 {reason} Subtract the largest logit first.") from None
    if not np.allclose(large, math.log(2)):
        raise WrongAnswer("right for small logits; for 1000 e^x overflows. Subtract the largest logit first.")


def check_perplexity(answer):
    chances = np.array([0.5, 0.1, 0.25, 0.9])
    logs = np.log(chances)
    typical = [
        (-logs.mean(), "this is the mean loss; the perplexity is e to that."),
        (np.exp(-logs.sum()), "it adds the logarithms up; take their mean, so that long texts do not look worse."),
        (
            np.exp(logs.mean()),
            "the sign is turned round: this is below 1, a mean chance. Perplexity is 1 divided by it.",
        ),
        ((1 / chances).mean(), "this is the mean of 1/p; the mean belongs in the logarithms: exp(mean(-log p))."),
        (
            1 / chances.mean(),
            "this is 1 divided by the mean chance; the mean belongs in the logarithms: exp(mean(-log p)).",
        ),
        (np.exp(chances.mean()), "the logarithm is missing: e to the mean of -log p, not of p."),
        (10 ** -logs.mean(), "the logarithm is to base e, and the power to base 10; take the same for both."),
        (
            np.exp(-np.log10(chances).mean()),
            "the logarithm is to base 10, and the power to base e; take the same for both.",
        ),
        (2 ** -logs.mean(), "the logarithm is to base e, and the power to base 2; take the same for both."),
        (np.exp(-logs).sum(), "this is the sum of 1/p; take the mean of the logarithms first, then e to it."),
    ]
    compare(call(answer, chances.tolist()), np.exp(-logs.mean()), typical)
    compare(call(answer, [0.05] * 7), 20.0)


def _dense(axis=-1, power=1):
    """The description h, normalised over any axis, by any power of the deviation."""
    hidden = _gelu(X[PLACES] @ W + B)  # [M, D]
    return (hidden - hidden.mean(axis, keepdims=True)) / hidden.std(axis, keepdims=True) ** power


def check_head(answer):
    hidden = _norm(_gelu(X[PLACES] @ W + B))  # [M, D]
    right = hidden @ TABLE.T + BIAS  # [M, V]
    typical = [
        (_norm(_gelu(X @ W + B)) @ TABLE.T + BIAS, "it answers for every token; pick the rows at `places` first."),
        (hidden @ TABLE.T, "the last bias c is missing: one number a word, which says how frequent it is."),
        (
            _gelu(X[PLACES] @ W + B) @ TABLE.T + BIAS,
            "the normalisation is missing: after GELU, mean 0 and deviation 1.",
        ),
        (
            _norm(X[PLACES] @ W + B) @ TABLE.T + BIAS,
            "the GELU is missing, between the dense layer and the normalisation.",
        ),
        (_gelu(_norm(X[PLACES] @ W + B)) @ TABLE.T + BIAS, "the order is GELU first, and then the normalisation."),
        (_norm(_gelu(X[PLACES] @ W)) @ TABLE.T + BIAS, "the bias b of the dense layer is missing."),
        (
            _dense(axis=None) @ TABLE.T + BIAS,
            "one mean and one deviation are taken of all; each row has its own: axis=-1.",
        ),
        (
            _dense(axis=0) @ TABLE.T + BIAS,
            "the normalisation goes over the places; it goes over the D numbers of one: axis=-1.",
        ),
        (_dense(power=2) @ TABLE.T + BIAS, "it divides by the variance; divide by its root, the standard deviation."),
        (X[PLACES] @ TABLE.T + BIAS, "it compares x with the table at once; dense, GELU and normalisation come first."),
        (hidden, "this is what is compared with the table; the product with it, plus c, is left."),
        (right.T, "rows and columns are swapped: a row for each place, a column for each word."),
        (np.exp(_log_softmax(right)), "these are shares already; the logits alone are wanted."),
    ]
    arguments = (X.copy(), PLACES.copy(), W.copy(), B.copy(), TABLE.copy(), BIAS.copy(), _gelu)
    compare(call(answer, *arguments), right, typical)


EXERCISES = {
    "shown": Exercise(
        task="A text has 400 tokens. How many of them show [MASK], on average, if BERT's recipe hides them?",
        blank="shown = ...",
        answer="shown",
        check=check_shown,
        correct="60 are chosen, 48 of them show [MASK], 6 another token, and 6 themselves.",
        hints=(
            "Two shares, one after the other: first those that are chosen, then those of them that show [MASK].",
            "15 % are chosen. Of these, 80 %.",
        ),
        solution="shown = 400 * 0.15 * 0.8",
    ),
    "hide": Exercise(
        task="Write 80/10/10 for one text, where all draws have been made.",
        blank="def hide(tokens, chosen, fates, others, mask):\n    return ...",
        answer="hide",
        check=check_hide,
        correct="80 % show [MASK], 10 % another token, 10 % themselves, and your argument is as it was.",
        hints=(
            "Copy the list. Then go through `chosen`, `fates` and `others` together, with zip.",
            "A fate below 0.8 puts `mask` there, else one below 0.9 puts the other token there, else nothing happens.",
        ),
        solution=(
            "def hide(tokens, chosen, fates, others, mask):\n"
            "    shown = list(tokens)\n"
            "    for place, fate, other in zip(chosen, fates, others):\n"
            "        if fate < 0.8:\n"
            "            shown[place] = mask\n"
            "        elif fate < 0.9:\n"
            "            shown[place] = other\n"
            "    return shown"
        ),
    ),
    "loss": Exercise(
        task="Write the loss: minus the logarithm of the right word's share, its mean over the places that count.",
        blank="def mlm_loss(logits, answers, weights):\n    return ...",
        answer="mlm_loss",
        check=check_loss,
        correct="minus log of the right word's share, averaged over the places that count; large logits do no harm.",
        hints=(
            "For each place: softmax of its row, pick the share of the answer, take minus the logarithm.",
            "Add up loss times weight, and divide by the sum of the weights. Subtract a row's largest logit first.",
        ),
        solution=(
            "import math\n\n"
            "def mlm_loss(logits, answers, weights):\n"
            "    total = 0.0\n"
            "    for row, answer, weight in zip(logits, answers, weights):\n"
            "        powers = [math.exp(x - max(row)) for x in row]\n"
            "        total += -math.log(powers[answer] / sum(powers)) * weight\n"
            "    return total / sum(weights)"
        ),
    ),
    "perplexity": Exercise(
        task="Write the perplexity from the shares that the right words got.",
        blank="def perplexity(chances):\n    return ...",
        answer="perplexity",
        check=check_perplexity,
        correct="e to the mean loss: as unsure as between that many words.",
        hints=(
            "First the loss of each: minus the logarithm of its share. Then their mean.",
            "math.exp of that mean. If every share is 1/20, the perplexity is 20.",
        ),
        solution=(
            "import math\n\n"
            "def perplexity(chances):\n"
            "    losses = [-math.log(chance) for chance in chances]\n"
            "    return math.exp(sum(losses) / len(losses))"
        ),
    ),
    "head": Exercise(
        task="Build the masked-LM head in NumPy: x [T, D] and places [M] give logits [M, V].",
        blank="def head(x, places, W, b, table, c, gelu):\n    return ...",
        answer="head",
        check=check_head,
        correct="this is the whole head. BERT's has nothing more, only 30,522 words.",
        hints=(
            "x[places] picks the rows. Then dense, gelu, normalisation, and the product with the table, turned: .T",
            "To normalise: take the mean of each row away, and divide by the row's standard deviation (keepdims=True).",
        ),
        solution=(
            "def head(x, places, W, b, table, c, gelu):\n"
            "    h = gelu(x[places] @ W + b)  # [M, D]\n"
            "    h = (h - h.mean(-1, keepdims=True)) / h.std(-1, keepdims=True)  # [M, D]\n"
            "    return h @ table.T + c  # [M, V]"
        ),
    ),
}
