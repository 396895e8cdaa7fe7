"""Exercises of notebooks/12_visualize_attention.ipynb."""

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers, one_number

# Three layers of four heads over five tokens: no two sizes are equal, so that swapped axes are noticed.
ATTENTION = np.random.default_rng(12).dirichlet(np.ones(5), size=(3, 4, 5)) * 0.5
ATTENTION[..., 0] += 0.5  # every query attends to the first token, as in MiniLM
for _t in range(1, 5):
    ATTENTION[2, 1, _t] = 0.04
    ATTENTION[2, 1, _t, _t - 1] = 0.84
    ATTENTION[1, 3, _t - 1] = 0.04
    ATTENTION[1, 3, _t - 1, _t] = 0.84
ATTENTION[0, 2] = np.eye(5)  # attends only to itself, the lowest entropy of all
MEAN_WEIGHTS = np.random.default_rng(6).dirichlet(np.ones(5), size=(3, 5))  # [L, T, T], of three layers
SCORES = np.random.default_rng(2).dirichlet(np.ones(5), size=(3, 4))  # [N, T, S]
VALUES, OUTPUT = (np.random.default_rng(seed).normal(size=size) for seed, size in ((3, (3, 5, 2)), (4, (3, 2, 7))))


def _weights(seed, *shape):
    """Return rows of attention weights, multiples of 0.05 that sum to 1."""
    return np.random.default_rng(seed).multinomial(20, np.ones(shape[-1]) / shape[-1], size=shape[:-1]) / 20


def _normal(seed, *shape):
    return np.round(np.random.default_rng(seed).normal(size=shape), 1)


def check_bits(answer):
    got = one_number(answer, "the number of bits.")
    reasons = {
        64: "that is the number of tokens. How often do you have to double 1 to get there?",
        1: "that is the entropy of two tokens with weight 1/2 each. Here there are 64.",
        32: "halving once leaves 32 tokens. How often do you have to halve until one is left?",
        8: "that is the bits of a byte, or the square root of 64. 8 bits would be 256 tokens.",
        0: "that is the entropy of a row with the weight 1 on one token.",
        1 / 64: "that is the weight of each token. The entropy is -log2 of it.",
        -6: "the sign is wrong: -log2 of a weight is positive.",
        np.log(64): "that is the natural logarithm, in nats. Bits use the logarithm to base 2.",
    }
    compare(got, 6, list(reasons.items()))


def check_previous_token_head(answer):
    after, itself, first = (1, 3), (0, 2), np.unravel_index(ATTENTION[..., 0].mean(axis=-1).argmax(), (3, 4))
    typical = [
        (after, "that head attends to the next token: row t, column t + 1. The previous token is column t - 1."),
        (itself, "that head attends to the token itself. The previous token is one column to the left."),
        ((1, 2), "these are head and layer. The layer comes first."),
        (9, "that is the index in the flattened array. With 4 heads per layer, the layer is 9 // 4."),
        (first, "that head attends to the first token. Find the one that attends to the previous token."),
    ]
    t = np.arange(1, 5)
    typical.append(
        (
            ATTENTION[:, :, t, t - 1].mean(axis=-1).max(),
            "that is the head's attention weight. Return its layer and number (argmax).",
        )
    )
    compare(call(answer, ATTENTION.copy()), (2, 1), typical)
    # Row 0 has no previous token: its column -1, which is the last one, must not count.
    wrapped = np.full((1, 2, 5, 5), 0.2)
    wrapped[0, 0, 0], wrapped[0, 1, 1, 0] = np.eye(5)[4], 0.4
    reason = "row 0 has no previous token, and attention[..., 0, -1] is the weight of the last token. Begin with row 1."
    compare(call(answer, wrapped), (0, 1), [((0, 0), reason)])
    once = np.full((1, 2, 5, 5), 0.2)
    once[0, 0, 2, 1], once[0, 1, t, t - 1] = 0.9, 0.5
    reason = "that head attends to the previous token in one row only. Take the mean over the rows first."
    compare(call(answer, once), (0, 1), [((0, 0), reason)])


def check_bytes(answer):
    row = np.array([0.1305, 0.505, 0.125, 0.2385])  # 3.69, 255, 0 and 76.16 steps
    low, step = row.min(), (row.max() - row.min()) / 255
    expected = (low, step, np.round((row - low) / step))
    got = _low_step_bytes(call(answer, row.tolist()), len(row))
    reasons = [
        (expected[:2], np.floor((row - low) / step), "the bytes are truncated. Round to the nearest integer."),
        (expected[:2], np.ceil((row - low) / step), "the bytes are rounded up. Round to the nearest integer."),
        (expected[:2], (row - low) / step, "a byte is an integer: round it."),
        (expected[:2], np.round(row * 255), "these bytes are for steps of 1/255. Use the row's own step."),
        ((0, 1 / 255), np.round(row * 255), "this is a fixed step of 1/255. Give each row its own scale."),
        (
            (0, row.max() / 255),
            np.round(row / row.max() * 255),
            "the scale begins at 0. It should begin at the smallest weight.",
        ),
        ((low, step * 255 / 256), None, "there are 255 steps from 0 to 255, not 256."),
        ((low, step * 255), None, "this step is the whole range. Divide it by 255."),
        ((step, low), None, "low and step are swapped."),
    ]
    for scale, levels, reason in reasons:
        same_scale = np.allclose(got[:2], scale, rtol=1e-6)
        if same_scale and (levels is None or np.allclose(got[2], levels)) and not _equal(got, expected):
            raise WrongAnswer(reason)
    for name, value, expected_value in zip(("low", "step", "bytes"), got, expected, strict=True):
        if not np.allclose(value, expected_value, rtol=1e-6):
            raise WrongAnswer(
                f"for {row.tolist()}, expected {name} = {np.round(expected_value, 6)}, got {np.round(value, 6)}."
            )
    for name, equal in (("512 equal weights", [1 / 512] * 512), ("one weight", [1.0])):
        but = f"it is right for a row with different weights. For {name},"
        try:
            low, step, levels = _low_step_bytes(call(answer, equal), len(equal))
        except WrongAnswer as reason:
            raise WrongAnswer(f"{but} {reason} The step is 0 there.") from None
        if not np.allclose(low + step * levels, equal, rtol=1e-6):
            raise WrongAnswer(f"{but} low + step * byte is wrong.")
        if not np.isin(levels, np.arange(256)).all():
            raise WrongAnswer(f"{but} the bytes are not integers from 0 to 255.")


def _low_step_bytes(answer, size):
    """Return `answer` as two scalars and an array of `size`."""
    if not isinstance(answer, list | tuple) or len(answer) != 3:
        numbers(answer)  # raises for None and the dots
        raise WrongAnswer("return three values: low, step and the list of bytes.")
    low, step, levels = (numbers(part) for part in answer)
    if low.shape or step.shape or levels.shape != (size,):
        raise WrongAnswer(f"low and step should be one number each, and the bytes a list of {size}.")
    if not all(np.isfinite(part).all() for part in (low, step, levels)):
        raise WrongAnswer("it returns NaN or infinity: something was divided by 0.")
    return low, step, levels


def _equal(got, expected):
    return all(np.allclose(a, b, rtol=1e-6) for a, b in zip(got, expected, strict=True))


def _rollout(layers, step):
    """Apply `step(layer, rollout)` for every layer, beginning with the identity."""
    rollout = np.eye(layers.shape[-1])
    for layer in layers:
        rollout = step(layer, rollout)
    return rollout


def check_rollout(answer):
    eye = np.eye(5)
    expected = _rollout(MEAN_WEIGHTS, lambda layer, rollout: (layer + eye) / 2 @ rollout)
    first_without_residual = np.concatenate([2 * MEAN_WEIGHTS[:1] - eye, MEAN_WEIGHTS[1:]])
    typical = [
        (
            _rollout(MEAN_WEIGHTS, lambda layer, rollout: rollout @ (layer + eye) / 2),
            "the order is reversed: the later layer combines the results of the earlier ones, so it goes on the left.",
        ),
        (
            _rollout(MEAN_WEIGHTS, lambda layer, rollout: layer @ rollout),
            "the residual connection is missing: A = (p + I) / 2.",
        ),
        (
            _rollout(MEAN_WEIGHTS, lambda layer, rollout: (layer + eye) @ rollout),
            "the rows sum to 8: divide by 2 in every layer.",
        ),
        (MEAN_WEIGHTS.mean(axis=0), "that is the mean of the layers. Multiply them instead."),
        (
            _rollout(MEAN_WEIGHTS, lambda layer, rollout: (layer + eye) / 2 * rollout),
            "`*` multiplies element by element. Use @.",
        ),
        (
            _rollout(MEAN_WEIGHTS, lambda layer, rollout: layer / 2 @ rollout + eye / 2),
            "the residual half is that of the current rollout, not of the input: A @ rollout with A = (p + I) / 2.",
        ),
        (
            _rollout(first_without_residual, lambda layer, rollout: (layer + eye) / 2 @ rollout),
            "the first layer has a residual connection, too: begin with np.eye(T) and go through all layers.",
        ),
        (((MEAN_WEIGHTS + eye) / 2)[-1], "that is the last layer only. Multiply it by the rollout so far."),
        (((MEAN_WEIGHTS + eye) / 2)[0], "that is the first layer only. Is `return` inside the loop?"),
    ]
    compare(call(answer, MEAN_WEIGHTS.copy()), expected, typical)


def check_head_output_norm(answer):
    contexts = SCORES @ VALUES  # [N, T, H]
    outputs = contexts @ OUTPUT  # [N, T, D]
    expected = np.linalg.norm(outputs, axis=-1).mean(axis=-1)
    value_norms = np.linalg.norm(VALUES, axis=-1)
    typical = [
        (
            np.linalg.norm(contexts, axis=-1).mean(axis=-1),
            "these are the norms of the context vectors. Apply the output kernel first.",
        ),
        (
            np.linalg.norm(outputs.mean(axis=1), axis=-1),
            "take the norm first, then the mean: otherwise vectors cancel out.",
        ),
        (
            np.linalg.norm(outputs, axis=(1, 2)),
            "that is one norm for all tokens of a head. Take each token's norm, axis=-1.",
        ),
        (np.linalg.norm(outputs, axis=1).mean(axis=-1), "take the norm of each token's vector, along the last axis."),
        (
            np.abs(outputs).sum(axis=-1).mean(axis=-1),
            "a norm is the square root of the sum of squares (np.linalg.norm).",
        ),
        (outputs.mean(axis=(1, 2)), "this is a mean of elements that cancel out. Take the norms first."),
        (expected.mean(), "this is the mean over the heads, too. Return one number for each head."),
        (np.linalg.norm(outputs, axis=-1), "these are the norms for each token. Take their mean for each head."),
        (np.linalg.norm(outputs, axis=-1).sum(axis=-1), "these are sums over the tokens. Take the mean."),
        (np.linalg.norm(outputs, axis=-1).mean(axis=0), "this is the mean over heads. Take the mean over tokens."),
        (
            (outputs**2).sum(axis=-1).mean(axis=-1),
            "the square root is missing: a norm is the root of the sum of squares.",
        ),
        (np.linalg.norm(outputs.sum(axis=0), axis=-1), "the heads are added up. Compute each head separately."),
        (
            (SCORES * value_norms[:, None]).sum(axis=-1).mean(axis=-1),
            "it sums weights times norms. Vectors can cancel out: sum the weighted vectors first, then take the norm.",
        ),
        (outputs, "these are the vectors themselves. Take their norms, and the mean over the tokens."),
    ]
    compare(call(answer, SCORES.copy(), VALUES.copy(), OUTPUT.copy()), expected, typical)


EXERCISES = {
    "bits": Exercise(
        task="What is the entropy, in bits, of a row with equal weights for 64 tokens?",
        blank="bits = ...",
        answer="bits",
        check=check_bits,
        correct="each doubling adds one bit, and 64 is 1 doubled six times.",
        hints=(
            "Two tokens with weight 1/2 each have 1 bit, and four with weight 1/4 each have 2.",
            "Every doubling of the number of tokens adds 1 bit: 8 tokens have 3 bits. Continue to 64.",
        ),
        solution="bits = 6  # 2**6 = 64",
    ),
    "previous_token_head": Exercise(
        task="Find the head that attends most to the previous token: return its layer and its number.",
        blank="def previous_token_head(attention):\n    return ...",
        answer="previous_token_head",
        check=check_previous_token_head,
        cases=(  # with these seeds, typical mistakes find another head
            (_weights(2, 4, 3, 2, 2),),
            (_weights(112, 2, 3, 4, 4),),
            (_weights(262, 3, 2, 5, 5),),
            (_weights(163, 2, 5, 7, 7),),
        ),
        correct="this is how a head atlas works: a weight, a mean, a maximum.",
        hints=(
            "Row t, column t - 1, for t from 1 on: with t = np.arange(1, T), one index selects all of them.",
            "attention[:, :, t, t - 1].mean(axis=-1) is [L, N]; np.unravel_index turns its argmax into layer and head.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def previous_token_head(attention):\n"
            "    t = np.arange(1, attention.shape[-1])\n"
            "    weights = attention[:, :, t, t - 1].mean(axis=-1)  # [L, N]\n"
            "    return np.unravel_index(weights.argmax(), weights.shape)"
        ),
    ),
    "row_to_bytes": Exercise(
        task="Quantize a row of attention weights to 8 bits with its own scale: return low, step and the bytes.",
        blank="def row_to_bytes(row):\n    return ...",
        answer="row_to_bytes",
        check=check_bytes,
        cases=(  # equal weights are in `check`, because every byte restores them
            ([0.7, 0.3],),
            ([0.0, 0.0, 1.0],),
            ([0.31, 0.08, 0.42, 0.19, 0.0],),
            ([0.05, 0.6, 0.001, 0.049, 0.1, 0.2],),
        ),
        correct="low + step * byte restores each weight to within half a step, and equal weights stay equal.",
        hints=(
            "low is the smallest weight. There are 255 steps from it to the largest.",
            "A byte is the rounded number of steps above low. If all weights are equal, step is 0: don't divide by it.",
        ),
        solution=(
            "def row_to_bytes(row):\n"
            "    low = min(row)\n"
            "    step = (max(row) - low) / 255\n"
            "    return low, step, [round((weight - low) / step) if step else 0 for weight in row]"
        ),
    ),
    "rollout": Exercise(
        task="Write attention rollout: weights [L, T, T], averaged over the heads, give [T, T].",
        blank="def attention_rollout(layers):\n    return ...",
        answer="attention_rollout",
        check=check_rollout,
        cases=(
            (np.ones((2, 1, 1)),),
            (_weights(5, 1, 3, 3),),
            (_weights(6, 4, 2, 2),),
            (_weights(7, 2, 6, 6),),
        ),
        correct="in every layer, half is the residual and half is attention.",
        hints=(
            "Begin with np.eye(T): before the first layer, every token consists only of itself.",
            "In each layer, multiply the rollout from the left by the mean of the layer's weights and np.eye(T).",
        ),
        solution=(
            "import numpy as np\n\n"
            "def attention_rollout(layers):\n"
            "    rollout = np.eye(layers.shape[-1])\n"
            "    for weights in layers:\n"
            "        rollout = (weights + np.eye(len(weights))) / 2 @ rollout\n"
            "    return rollout"
        ),
    ),
    "head_output_norm": Exercise(
        task="Compute the norm of each head's output, averaged over the tokens.",
        blank="def head_output_norm(attention_scores, values, output_kernel):\n    return ...",
        answer="head_output_norm",
        check=check_head_output_norm,
        cases=(
            (_weights(8, 1, 2, 3), _normal(9, 1, 3, 4), _normal(10, 1, 4, 5)),
            (_weights(11, 5, 3, 1), _normal(12, 5, 1, 2), _normal(13, 5, 2, 4)),
            (_weights(14, 2, 1, 4), 1000 * _normal(15, 2, 4, 3), _normal(16, 2, 3, 1)),
            (_weights(17, 4, 6, 2), _normal(18, 4, 2, 1), np.zeros((4, 1, 3))),
        ),
        correct="weights, values and the output kernel: a plot of the attention weights shows only the first.",
        hints=(
            "attention_scores @ values are the context vectors, [N, T, H]; times output_kernel they are [N, T, D].",
            "np.linalg.norm(..., axis=-1) is the norm of each vector, [N, T]. Then take the mean over the last axis.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def head_output_norm(attention_scores, values, output_kernel):\n"
            "    outputs = attention_scores @ values @ output_kernel  # [N, T, D]\n"
            "    return np.linalg.norm(outputs, axis=-1).mean(axis=-1)  # [N]"
        ),
    ),
}
