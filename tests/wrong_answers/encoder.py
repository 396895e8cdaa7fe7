"""Wrong answers to the exercises of the chapter, and a word that the reason given must hold."""

import numpy as np

OURS = ("input_word_ids", "input_mask", "input_type_ids")


def by_order(names):
    return lambda inputs: dict(zip(names, inputs.values(), strict=True))


def hugging_face_only(inputs):
    table = dict(zip(("input_ids", "attention_mask", "token_type_ids"), OURS, strict=True))
    return {table.get(key, key): value for key, value in inputs.items()}


def narrow(V, D, L, F, W, projection=None, norm=None, places=514, pooler=True):
    projection = (W * D + D if W != D else 0) if projection is None else projection
    layer = 4 * D * D + 2 * D * F + 5 * D + F + 4 * D
    return (V + places) * W + (norm or 2 * W) + projection + L * layer + pooler * (D * D + D)


def cosines(vectors):
    arrows = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return arrows @ arrows.T


def stack(x, layers):
    stages = [x]
    for layer in layers:
        stages.append(layer(stages[-1]))
    return stages


def outputs(stages, last, pooled):
    return {"encoder_outputs": stages, "sequence_output": last, "pooled_output": pooled}


def good(x, layers, pooler, **other):
    stages = stack(x, layers)
    return outputs(stages[1:], stages[-1], pooler(stages[-1][0])) | other


WRONG = {
    "encoder.score_bytes": [
        (6 * 12 * 512 * 4, "every token looks"),
        (6 * 12 * 512 * 512, "4 bytes"),
        (12 * 512 * 512 * 4, "one layer"),
        (6 * 512 * 512 * 4, "one head of each layer"),
        (75.497472, "megabytes"),
        (6 * 12 * 14 * 14 * 4, "14 tokens"),
        (12 * 12 * 512 * 512 * 4, "6 layers, not 12"),
    ],
    "encoder.native": [
        (lambda inputs: inputs, "rename"),
        (lambda inputs: list(inputs.values()), "a dict is wanted"),
        (hugging_face_only, "gives back what came in"),
        (by_order(("input_word_ids", "input_type_ids", "input_mask")), "wrong places"),
        (by_order(("input_word_ids", "input_mask", "segment_ids")), "not one of ours"),
        (by_order(OURS), "order of the keys"),
        (lambda inputs: {"input_word_ids": next(iter(inputs.values()))}, "missing"),
    ],
    "encoder.count_narrow": [
        (lambda *a: narrow(*a, projection=0), "projection from W to D"),
        (lambda V, D, L, F, W: narrow(V, D, L, F, W, projection=W * D + D), "where W is D"),
        (lambda V, D, L, F, W: narrow(V, D, L, F, W, norm=2 * D), "before they are widened"),
        (lambda *a: narrow(*a, places=0), "512 places"),
        (lambda *a: narrow(*a, pooler=False), "pooler"),
        (lambda V, D, L, F, W: narrow(V, D, 1, F, W), "there are L"),
        (lambda V, D, L, F, W: narrow(V, D, L, F, D), "no part"),
        (lambda *a: narrow(*a) + (a[0] > 1000), "expected 12,806,016 at [0], got 12,806,017"),
    ],
    "encoder.crowding": [
        (lambda x: cosines(x).mean(), "itself too"),
        (lambda x: ((x @ x.T).sum() - (x * x).sum()) / 20, "length first"),
        (cosines, "one number"),
        (lambda x: (cosines(x).sum() - 5) / 25, "out of the count"),
        (lambda x: (cosines(x).sum() - 5) / 2, "mean is wanted"),
        (lambda x: (cosines(x).sum() - 5) / 10, "twice in the sum"),
        (lambda x: np.triu(cosines(x), 1).mean(), "cut off"),
    ],
    "encoder.encode": [
        (lambda x, layers, pooler: stack(x, layers)[-1], "a dict is wanted"),
        (lambda x, layers, pooler: {"sequence_output": x}, "no 'encoder_outputs'"),
        (lambda x, layers, pooler: good(x, layers, pooler, encoder_outputs=stack(x, layers)), "one entry for each"),
        (lambda x, layers, pooler: good(x, layers, pooler, encoder_outputs=[f(x) for f in layers]), "the one before"),
        (lambda x, layers, pooler: good(x, layers, pooler, pooled_output=pooler(stack(x, layers)[-1])), "all tokens"),
        (lambda x, layers, pooler: good(x, layers, pooler, pooled_output=pooler(x[0])), "before the layers"),
        (lambda x, layers, pooler: good(x, layers, pooler, pooled_output=pooler(stack(x, layers)[-1][:, 0])), "row 0"),
        (lambda x, layers, pooler: good(x, layers, pooler, pooled_output=stack(x, layers)[-1][0]), "not been called"),
    ],
}
