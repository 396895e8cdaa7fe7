"""Exercises of notebooks/12_visualize_attention.ipynb."""

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers, one_number

# Three layers of four heads over five tokens: no two sizes are equal, so that a mix-up shows.
SHARES = np.random.default_rng(12).dirichlet(np.ones(5), size=(3, 4, 5)) * 0.5
SHARES[..., 0] += 0.5  # everybody looks at the first token, as in MiniLM
for _t in range(1, 5):
    SHARES[2, 1, _t] = 0.04
    SHARES[2, 1, _t, _t - 1] = 0.84
    SHARES[1, 3, _t - 1] = 0.04
    SHARES[1, 3, _t - 1, _t] = 0.84
SHARES[0, 2] = np.eye(5)  # looks at itself alone, the sharpest of all
MEANS = np.random.default_rng(6).dirichlet(np.ones(5), size=(3, 5))  # [L, T, T], of three layers
SCORES = np.random.default_rng(2).dirichlet(np.ones(5), size=(3, 4))  # [N, T, S]
VALUES, OUTPUT = (np.random.default_rng(seed).normal(size=size) for seed, size in ((3, (3, 5, 2)), (4, (3, 2, 7))))


def check_bits(answer):
    got = one_number(answer, "how many bits.")
    reasons = {
        64: "that is how many tokens there are. How often must one double 1 to get there?",
        1: "that is the entropy of two tokens with a half each; here are 64.",
        32: "halving once leaves 32 tokens; count how often one must halve until one is left.",
        8: "that is the bits of a byte, or the root of 64; 8 bits would be 256 tokens.",
        0: "that is the entropy of a row that gives everything to one token.",
        1 / 64: "that is the share of each; the entropy is -log2 of it.",
        -6: "the sign: -log2 of a share is positive.",
        np.log(64): "that is the natural logarithm (nats); bits take the logarithm to base 2.",
    }
    compare(got, 6, list(reasons.items()))


def check_looks_back(answer):
    after, itself, first = (1, 3), (0, 2), np.unravel_index(SHARES[..., 0].mean(axis=-1).argmax(), (3, 4))
    typical = [
        (after, "that head looks ahead by one: row t, column t + 1. Looking back is column t - 1."),
        (itself, "that head looks at itself; one place to the left of it is meant."),
        ((1, 2), "these are head and layer; the layer comes first."),
        (9, "that is the place of the largest in one long list; divide by the 4 heads of a layer: layer 9 // 4."),
        (first, "that head looks most at the first token; the token before each is asked for."),
    ]
    t = np.arange(1, 5)
    typical.append((SHARES[:, :, t, t - 1].mean(axis=-1).max(), "that is its share; ask which head it is (argmax)."))
    compare(call(answer, SHARES.copy()), (2, 1), typical)
    # Row 0 has no token before it: its last column, which Python calls -1, must not count.
    wrapped = np.full((1, 2, 5, 5), 0.2)
    wrapped[0, 0, 0], wrapped[0, 1, 1, 0] = np.eye(5)[4], 0.4
    reason = "row 0 has no token before it, and attention[..., 0, -1] is the last token's. Begin with row 1."
    compare(call(answer, wrapped), (0, 1), [((0, 0), reason)])
    once = np.full((1, 2, 5, 5), 0.2)
    once[0, 0, 2, 1], once[0, 1, t, t - 1] = 0.9, 0.5
    reason = "that head looks back once, and hard; the other one always does. Take the mean over the rows first."
    compare(call(answer, once), (0, 1), [((0, 0), reason)])


def check_bytes(answer):
    row = np.array([0.125, 0.1305, 0.2395, 0.505])
    low, step = row.min(), (row.max() - row.min()) / 255
    right = (low, step, np.round((row - low) / step))
    got = _three(call(answer, row.tolist()), len(row))
    reasons = [
        (right[:2], np.floor((row - low) / step), "the bytes are cut down to whole numbers; round to the nearest."),
        (right[:2], (row - low) / step, "a byte is a whole number: round."),
        (right[:2], np.round(row * 255), "the bytes are those of plain steps of 1/255; count the row's own steps."),
        ((0, 1 / 255), np.round(row * 255), "these are plain steps of 1/255, one scale for every row: take the row's."),
        ((0, row.max() / 255), np.round(row / row.max() * 255), "the scale begins at 0; begin at the smallest share."),
        ((low, step * 255 / 256), None, "from 0 to 255 there are 255 steps, not 256."),
        ((low, step * 255), None, "step is the whole range; a step is a 255th of it."),
        ((step, low), None, "low and step are the wrong way round."),
    ]
    for scale, levels, reason in reasons:
        same = np.allclose(got[:2], scale, rtol=1e-6)
        if same and (levels is None or np.allclose(got[2], levels)) and not _same(got, right):
            raise WrongAnswer(reason)
    for name, mine, wanted in zip(("low", "step", "the bytes"), got, right, strict=True):
        if not np.allclose(mine, wanted, rtol=1e-6):
            raise WrongAnswer(
                f"for {row.tolist()} {name} should be {np.round(wanted, 6)}, and it gives {np.round(mine, 6)}."
            )
    even = [1 / 512] * 512
    try:
        got = _three(call(answer, even), 512)
    except WrongAnswer as reason:
        raise WrongAnswer(
            f"right where the shares differ. For 512 equal shares {reason} The step is 0 there."
        ) from None
    if not np.allclose(got[0] + got[1] * got[2], even, rtol=1e-6):
        raise WrongAnswer("right where the shares differ; 512 equal shares do not come back from low + step * byte.")


def _three(answer, size):
    """`answer` as two numbers and an array of `size`."""
    if not isinstance(answer, list | tuple) or len(answer) != 3:
        numbers(answer)  # where it is nothing at all, that is said first
        raise WrongAnswer("three things are wanted: low, step and the list of bytes.")
    low, step, levels = (numbers(part) for part in answer)
    if low.shape or step.shape or levels.shape != (size,):
        raise WrongAnswer(f"low and step are one number each, and the bytes are a list of {size}.")
    if not all(np.isfinite(part).all() for part in (low, step, levels)):
        raise WrongAnswer("it gives NaN or infinity: something was divided by 0.")
    return low, step, levels


def _same(got, right):
    return all(np.allclose(a, b, rtol=1e-6) for a, b in zip(got, right, strict=True))


def _rolled(layers, mixed):
    reached = np.eye(layers.shape[-1])
    for layer in layers:
        reached = mixed(layer, reached)
    return reached


def check_rollout(answer):
    one = np.eye(5)
    right = _rolled(MEANS, lambda layer, reached: (layer + one) / 2 @ reached)
    typical = [
        (
            _rolled(MEANS, lambda layer, reached: reached @ (layer + one) / 2),
            "the order is turned round: the later layer mixes what the earlier ones made, so it stands on the left.",
        ),
        (_rolled(MEANS, lambda layer, reached: layer @ reached), "the half that stays is missing: A = (p + I) / 2."),
        (_rolled(MEANS, lambda layer, reached: (layer + one) @ reached), "rows sum to 8: divide by 2 in every layer."),
        (MEANS.mean(axis=0), "that is the mean of the layers; each layer mixes what the one before it made."),
        (_rolled(MEANS, lambda layer, reached: (layer + one) / 2 * reached), "`*` multiplies number by number; use @."),
        (
            _rolled(MEANS, lambda layer, reached: layer / 2 @ reached + one / 2),
            "what stays is half of `reached`, not of the beginning: A @ reached with A = (p + I) / 2.",
        ),
        (
            _rolled(
                np.concatenate([2 * MEANS[:1] - one, MEANS[1:]]), lambda layer, reached: (layer + one) / 2 @ reached
            ),
            "the first layer keeps a half, too: begin with np.eye(T) and go through all layers.",
        ),
        (((MEANS + one) / 2)[-1], "that is the last layer alone; multiply it with what came before."),
        (((MEANS + one) / 2)[0], "that is the first layer alone. Is `return` inside of the loop?"),
    ]
    compare(call(answer, MEANS.copy()), right, typical)


def check_brought_home(answer):
    mixes = SCORES @ VALUES  # [N, T, H]
    outputs = mixes @ OUTPUT  # [N, T, D]
    right = np.linalg.norm(outputs, axis=-1).mean(axis=-1)
    lengths = np.linalg.norm(VALUES, axis=-1)
    typical = [
        (
            np.linalg.norm(mixes, axis=-1).mean(axis=-1),
            "these are lengths of mixes; the output matrix is left.",
        ),
        (np.linalg.norm(outputs.mean(axis=1), axis=-1), "length first, then mean: mean vectors cancel each other out."),
        (
            np.linalg.norm(outputs, axis=(1, 2)),
            "that is one length for all tokens of a head; take each token's, axis=-1.",
        ),
        (np.linalg.norm(outputs, axis=1).mean(axis=-1), "the length is that of a token's vector: along the last axis."),
        (np.abs(outputs).sum(axis=-1).mean(axis=-1), "a length is the root of the sum of squares (np.linalg.norm)."),
        (outputs.mean(axis=(1, 2)), "that is a mean of numbers that cancel each other out; take lengths first."),
        (right.mean(), "that is the mean over the heads as well; one number for each head is asked for."),
        (np.linalg.norm(outputs, axis=-1), "these are the lengths for each token; take each head's mean over them."),
        (np.linalg.norm(outputs, axis=-1).sum(axis=-1), "these are sums over the tokens; take the mean."),
        (np.linalg.norm(outputs, axis=-1).mean(axis=0), "that is a mean over heads; take it over tokens."),
        (
            (outputs**2).sum(axis=-1).mean(axis=-1),
            "the square root is missing: a length is the root of the sum.",
        ),
        (np.linalg.norm(outputs.sum(axis=0), axis=-1), "the heads are added up; each head alone is asked for."),
        (
            (SCORES * lengths[:, None]).sum(axis=-1).mean(axis=-1),
            "it adds up shares times lengths. Vectors can cancel: mix them first, then take the length.",
        ),
        (outputs, "these are the vectors themselves; take their lengths, and the mean over the tokens."),
    ]
    compare(call(answer, SCORES.copy(), VALUES.copy(), OUTPUT.copy()), right, typical)


EXERCISES = {
    "bits": Exercise(
        task="How many bits of entropy has a row that spreads evenly over 64 tokens?",
        blank="bits = ...",
        answer="bits",
        check=check_bits,
        correct="one bit for every doubling, and 64 is 2 doubled five times.",
        hints=(
            "Two tokens with a half each are 1 bit, and four with a quarter each are 2.",
            "Every doubling of the tokens adds 1 bit: 8 tokens are 3 bits. Go on to 64.",
        ),
        solution="bits = 6  # 2**6 = 64",
    ),
    "looks_back": Exercise(
        task="Write a function that finds the head that looks most at the token before: its layer and its number.",
        blank="def looks_back(attention):\n    return ...",
        answer="looks_back",
        check=check_looks_back,
        correct="that is how an atlas of heads is made: a share, a mean, a maximum.",
        hints=(
            "Row t, column t - 1, for t from 1 on: with t = np.arange(1, T) one index takes all of them.",
            "attention[:, :, t, t - 1].mean(axis=-1) is [L, N]; np.unravel_index turns its argmax into layer and head.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def looks_back(attention):\n"
            "    t = np.arange(1, attention.shape[-1])\n"
            "    shares = attention[:, :, t, t - 1].mean(axis=-1)  # [L, N]\n"
            "    return np.unravel_index(shares.argmax(), shares.shape)"
        ),
    ),
    "row_to_bytes": Exercise(
        task="Write a row of shares as 8-bit numbers with a scale of its own: low, step and the bytes.",
        blank="def row_to_bytes(row):\n    return ...",
        answer="row_to_bytes",
        check=check_bytes,
        correct="a share is low + step * byte again, to half a step; and an even row stays even.",
        hints=(
            "low is the smallest share. From it to the largest there are 255 steps.",
            "A byte is how many steps a share is above low, rounded. Where all are equal, step is 0: do not divide.",
        ),
        solution=(
            "def row_to_bytes(row):\n"
            "    low = min(row)\n"
            "    step = (max(row) - low) / 255\n"
            "    return low, step, [round((share - low) / step) if step else 0 for share in row]"
        ),
    ),
    "rollout": Exercise(
        task="Write attention rollout: shares [L, T, T], heads averaged already, give [T, T].",
        blank="def roll_out(layers):\n    return ...",
        answer="roll_out",
        check=check_rollout,
        correct="half stays, half is mixed, layer after layer.",
        hints=(
            "Begin with np.eye(T): before the first layer every token is all of itself.",
            "In each layer multiply what there is, from the left, by the mean of the layer's shares and np.eye(T).",
        ),
        solution=(
            "import numpy as np\n\n"
            "def roll_out(layers):\n"
            "    reached = np.eye(layers.shape[-1])\n"
            "    for shares in layers:\n"
            "        reached = (shares + np.eye(len(shares))) / 2 @ reached\n"
            "    return reached"
        ),
    ),
    "brought_home": Exercise(
        task="Write how much each head brings home: the length of what it adds to a token, averaged over the tokens.",
        blank="def brought_home(scores, values, output):\n    return ...",
        answer="brought_home",
        check=check_brought_home,
        correct="shares, values and the output matrix: this is what a picture of shares leaves out.",
        hints=(
            "scores @ values is the mix of each head and token, [N, T, H]; and @ output makes [N, T, D] of it.",
            "np.linalg.norm(..., axis=-1) is the length of each vector, [N, T]. Then the mean over the last axis.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def brought_home(scores, values, output):\n"
            "    added = scores @ values @ output  # [N, T, D]\n"
            "    return np.linalg.norm(added, axis=-1).mean(axis=-1)  # [N]"
        ),
    ),
}
