"""Wrong answers to the exercises of the chapter, and a word that the reason given must hold."""

import numpy as np


def shares(logits):
    logits = np.array(logits)
    return np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)


def picked(logits, answers):
    return shares(logits)[np.arange(len(answers)), answers]


def norm(x, axis=-1):
    return (x - x.mean(axis, keepdims=True)) / x.std(axis, keepdims=True)


def hiding(at_most, other_below, in_place=False):
    def hide(tokens, chosen, fates, others, mask):
        shown = tokens if in_place else list(tokens)
        for place, fate, other in zip(chosen, fates, others, strict=True):
            if fate < at_most:
                shown[place] = mask
            elif fate < other_below:
                shown[place] = other
        return shown

    return hide


WRONG = {
    "masked_lm.shown": [
        (60, "80 %"),
        (320, "15 %"),
        (6, "10 %"),
        (12, "do not show"),
        (50, "expected 48"),
        (0.12, "400 tokens"),
        (54, "only the first"),
    ],
    "masked_lm.hide": [
        (lambda tokens, *rest: list(tokens), "nothing has changed"),
        (hiding(1, 1), "every chosen place"),
        (hiding(0.8, 1), "leaves the token"),
        (hiding(0.8, 0), "puts the other token"),
        (hiding(0.8, 0.9, in_place=True), "copy"),
        (hiding(0.801, 0.9), "no longer"),
        (lambda tokens, *rest: hiding(0, 0.9)(hiding(0.8, 0)(tokens, *rest), *rest), "elif"),
        (lambda tokens, chosen, *rest: hiding(0.8, 0.9)(tokens, range(len(chosen)), *rest), "first places"),
    ],
    "masked_lm.loss": [
        (lambda logits, answers, weights: -np.log(picked(logits, answers)).mean(), "padding"),
        (lambda logits, answers, weights: -(np.log(picked(logits, answers)) * weights).mean(), "all places"),
        (lambda logits, answers, weights: -(np.log(picked(logits, answers)) * weights).sum(), "sum of the weights"),
        (lambda logits, answers, weights: (np.log(picked(logits, answers)) * weights).sum() / 3, "turned round"),
        (lambda logits, answers, weights: (picked(logits, answers) * weights).sum() / 3, "minus their logarithm"),
        (lambda logits, answers, weights: -np.log((picked(logits, answers) * weights).sum() / 3), "mean share"),
        (lambda logits, answers, weights: -np.log(picked(logits, answers)) * weights, "losses of the places"),
        (lambda logits, answers, weights: -(np.log10(picked(logits, answers)) * weights).sum() / 3, "base 10"),
        (lambda logits, answers, weights: -(np.log2(picked(logits, answers)) * weights).sum() / 3, "base 2"),
        (
            lambda logits, answers, weights: -(np.log(picked(logits, answers)) * weights).sum() / np.sum(weights),
            "largest logit",
        ),
    ],
    "masked_lm.perplexity": [
        (lambda chances: -np.log(chances).mean(), "e to that"),
        (lambda chances: np.exp(-np.log(chances).sum()), "long texts"),
        (lambda chances: np.exp(np.log(chances).mean()), "turned round"),
        (lambda chances: 1 / np.mean(chances), "mean chance"),
        (lambda chances: np.mean(1 / np.array(chances)), "mean of 1/p"),
        (lambda chances: np.exp(np.mean(chances)), "logarithm is missing"),
        (lambda chances: np.exp(-np.log10(chances).mean()), "base 10"),
    ],
    "masked_lm.head": [
        (lambda x, places, W, b, table, c, gelu: norm(gelu(x @ W + b)) @ table.T + c, "every token"),
        (lambda x, places, W, b, table, c, gelu: norm(gelu(x[places] @ W + b)) @ table.T, "bias c"),
        (lambda x, places, W, b, table, c, gelu: gelu(x[places] @ W + b) @ table.T + c, "normalisation is missing"),
        (lambda x, places, W, b, table, c, gelu: norm(x[places] @ W + b) @ table.T + c, "GELU is missing"),
        (lambda x, places, W, b, table, c, gelu: gelu(norm(x[places] @ W + b)) @ table.T + c, "GELU first"),
        (lambda x, places, W, b, table, c, gelu: x[places] @ table.T + c, "at once"),
        (lambda x, places, W, b, table, c, gelu: norm(gelu(x[places] @ W + b), None) @ table.T + c, "one mean"),
        (lambda x, places, W, b, table, c, gelu: norm(gelu(x[places] @ W + b), 0) @ table.T + c, "over the places"),
        (lambda x, places, W, b, table, c, gelu: shares(norm(gelu(x[places] @ W + b)) @ table.T + c), "already"),
    ],
}
