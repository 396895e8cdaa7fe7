"""The last exercise of notebooks/03_attention.ipynb: multi-head attention."""

import copy

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers


def _random(seed, *shape):
    return np.round(np.random.default_rng(seed).normal(size=shape), 2)


def _softmax(x, axis=-1):
    exponentials = np.exp(x - x.max(axis=axis, keepdims=True))
    return exponentials / exponentials.sum(axis=axis, keepdims=True)


NAMES = ("query", "key", "value", "output")


def _arguments(seed, tokens, width, num_heads, size, mask, scale=1.0):
    """Return the arguments of `multi_head_attention` for random hidden states and weights."""
    shapes = [(width, num_heads * size)] * 3 + [(num_heads * size, width)]
    kernels = {name: _random(seed + i, *shape) for i, (name, shape) in enumerate(zip(NAMES, shapes, strict=True))}
    biases = {name: _random(seed + 10 + i, shape[1]) for i, (name, shape) in enumerate(zip(NAMES, shapes, strict=True))}
    return scale * _random(seed + 20, tokens, width), kernels, biases, num_heads, np.array(mask)


def _split(y, num_heads, slip):
    if slip == "cut":
        return y.reshape(num_heads, len(y), -1)
    if slip == "interleaved":
        return y.reshape(len(y), -1, num_heads).transpose(2, 0, 1)
    return y.reshape(len(y), num_heads, -1).transpose(1, 0, 2)


def _attention(x, kernels, biases, num_heads, mask, slip=""):
    """Return the attention output, or what the mistake `slip` makes of it."""
    kernels = {name: kernel.T if slip == "transposed" else kernel for name, kernel in kernels.items()}
    unbiased = {"no bias": NAMES, "no output bias": NAMES[3:], "no input bias": NAMES[:3]}.get(slip, ())
    biases = {name: 0 * bias if name in unbiased else bias for name, bias in biases.items()}
    q, k, v = (_split(x @ kernels[name] + biases[name], num_heads, slip) for name in NAMES[:3])
    q, k = (k, q) if slip == "swapped" else (q, k)
    sizes = {"D": x.shape[1], "N": num_heads, "NH": num_heads * q.shape[2], "H": q.shape[2] ** 2, "1": 1, "T": len(x)}
    hidden = {"no mask": 0, "inverted": -1e9 * mask, "after": 0, "zero": 0}.get(slip, -1e9 * (1 - mask))
    logits = q @ k.transpose(0, 2, 1) / sizes.get(slip, q.shape[2]) ** 0.5 * (mask if slip == "zero" else 1)
    weights = _softmax(logits + hidden, axis={"over queries": 1, "over heads": 0}.get(slip, -1))
    context = (weights * (mask if slip == "after" else 1)) @ v
    if slip in ("sum", "mean"):
        return context.sum(axis=0) / (num_heads if slip == "mean" else 1)
    joined = (context if slip == "uncut" else context.transpose(1, 0, 2)).reshape(len(x), -1)
    if slip == "unprojected":
        return joined
    output = joined @ kernels["output"] + biases["output"]
    return output * mask[:, None] if slip == "queries" else output


SLIPS = {
    "cut": "reshape(N, T, H) mixes the tokens: reshape to [T, N, H] first, then swap the first two axes.",
    "interleaved": "each head should get H neighboring dimensions: reshape to [T, N, H], not [T, H, N].",
    "uncut": "the heads are joined in the wrong order: swap [N, T, H] back to [T, N, H], then reshape to [T, N * H].",
    "D": "it divides by sqrt(D), the size of a token; H is the size of one head.",
    "NH": "it divides by the root of the size of all heads together; H is the size of one head.",
    "N": "it divides by the root of the number of heads; H is the size of one head.",
    "T": "it divides by the root of the number of tokens; H is the size of one head.",
    "H": "it divides by H; divide by its square root.",
    "1": "the factor 1/sqrt(H) is missing, where H is the size of one head.",
    "sum": "the heads are added up; put them side by side, [T, N * H], and project them.",
    "mean": "it takes the mean of the heads; put them side by side, [T, N * H], and project them.",
    "unprojected": "the output projection is missing: the joined heads, times its kernel, plus its bias.",
    "no bias": "all four biases are missing; add each after its matrix product.",
    "no input bias": "the biases of query, key and value are missing; add each after its matrix product.",
    "no output bias": "the bias of the output projection is missing.",
    "transposed": "the kernels are transposed: x @ kernel, with the kernel as it comes.",
    "swapped": "queries and keys are swapped: a row of logits belongs to a query.",
    "no mask": "the mask has no effect. It hides keys, the last axis of [N, T, S]; a number added to a whole row (to a "
    "query) changes nothing.",
    "inverted": "the mask is inverted: 1 means visible, 0 means masked.",
    "after": "the mask comes after the softmax, so the rows no longer sum to 1. Mask the logits.",
    "zero": "the masked logits are set to 0, and e^0 is 1. Make them very negative.",
    "queries": "the mask zeroes whole rows of the output, which belong to queries; it should hide keys only.",
    "over queries": "the softmax runs over the queries; each row must sum to 1 over the keys. Use axis=-1.",
    "over heads": "the softmax runs over the heads; each row must sum to 1 over the keys. Use axis=-1.",
}
CASES = (  # sizes that differ, so that a mix-up shows; and square kernels, so that a transposed one fits
    _arguments(30, 3, 5, 3, 2, [1, 1, 1]),
    _arguments(40, 4, 4, 2, 2, [1, 0, 1, 0]),
    _arguments(50, 6, 5, 2, 3, [0, 1, 1, 0, 1, 0]),
)


def check_multi_head(answer):
    for layer in CASES:
        square = layer[1]["query"].shape == layer[1]["output"].shape
        slips = {slip: reason for slip, reason in SLIPS.items() if square or slip != "transposed"}
        typical = [(_attention(*layer, slip=slip), reason) for slip, reason in slips.items()]
        try:
            compare(call(answer, *copy.deepcopy(layer)), _attention(*layer), typical)
        except WrongAnswer as reason:
            first = layer is CASES[0]
            shown = "" if first else f"with {layer[3]} heads and the mask {layer[4].tolist()}, "
            advice = " The heads go side by side, [T, N * H], not added up, into the output projection."
            raise WrongAnswer(f"{shown}{reason}{advice if 'matmul' in str(reason) else ''}") from None
    far = _arguments(60, 3, 4, 2, 2, [1, 0, 1], scale=100.0)
    if not np.isfinite(numbers(call(answer, *copy.deepcopy(far)))).all():
        raise WrongAnswer(
            "logits in the thousands give NaN. Before np.exp, subtract the largest visible logit of each row."
        )


MULTI_HEAD = Exercise(
    task="Write multi-head attention in NumPy, as in be.MultiHeadAttention: project, split, mask, attend, join.",
    blank="def multi_head_attention(x, kernels, biases, num_heads, mask):\n    return ...",
    answer="multi_head_attention",
    check=check_multi_head,
    correct=(
        "project, split, mask, attend, join, project. With its weights, you get what be.MultiHeadAttention returns; "
        "the solution shows it for layer 0 of MiniLM."
    ),
    hints=(
        "Project first: x @ kernels[name] + biases[name]. Split into heads by reshaping [T, N * H] to [T, N, H] and "
        "swapping the first two axes. Then it's Exercise 5 for all heads at once: @ works on the last two axes, and "
        "k.swapaxes(1, 2) takes the place of k.T, which would reverse all three.",
        "Add (1 - mask) * -1e9 to the logits [N, T, S]. At the end swap [N, T, H] back to [T, N, H], reshape it to "
        "[T, N * H], and project once more.",
    ),
    solution=(
        "import numpy as np\n\n"
        "def multi_head_attention(x, kernels, biases, num_heads, mask):\n"
        "    def split(name):\n"
        "        projected = x @ kernels[name] + biases[name]  # [T, N * H]\n"
        "        return projected.reshape(len(x), num_heads, -1).swapaxes(0, 1)  # [N, T, H]\n\n"
        '    q, k, v = split("query"), split("key"), split("value")\n'
        "    logits = q @ k.swapaxes(1, 2) / np.sqrt(q.shape[-1]) + (1 - mask) * -1e9  # [N, T, S]\n"
        "    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))  # [N, T, S]\n"
        "    context = exponentials / exponentials.sum(axis=-1, keepdims=True) @ v  # [N, T, H]\n"
        "    joined = context.swapaxes(0, 1).reshape(len(x), -1)  # [T, N * H]\n"
        '    return joined @ kernels["output"] + biases["output"]  # [T, D]'
    ),
    cases=(
        _arguments(70, 1, 3, 1, 2, [1]),  # one token
        _arguments(80, 5, 4, 1, 4, [1, 1, 1, 1, 1]),  # one head
        _arguments(90, 4, 6, 6, 1, [1, 1, 0, 1]),  # as many heads as dimensions
        _arguments(100, 7, 8, 4, 2, [0, 1, 0, 0, 1, 1, 0]),  # gaps
        _arguments(110, 3, 4, 2, 2, [0, 1, 1], scale=100.0),  # large logits
        _arguments(120, 2, 9, 3, 5, [1, 0]),
        _arguments(130, 3, 6, 2, 3, [0, 0, 1]),
    ),
)
