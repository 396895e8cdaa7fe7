"""Wrong answers to the exercises of the chapter, each with a word of the reason that `check` gives."""

import numpy as np

OUR_NAMES = ("input_word_ids", "input_mask", "input_type_ids")


def by_order(names):
    return lambda inputs: dict(zip(names, inputs.values(), strict=True))


def hugging_face_only(inputs):
    table = dict(zip(("input_ids", "attention_mask", "token_type_ids"), OUR_NAMES, strict=True))
    return {table.get(key, key): value for key, value in inputs.items()}


def parameters(V, D, L, F, W, projection=None, norm=None, other_rows=514, pooler=True):
    projection = (W * D + D if W != D else 0) if projection is None else projection
    layer = 4 * D * D + 2 * D * F + 5 * D + F + 4 * D
    return (V + other_rows) * W + (norm or 2 * W) + projection + L * layer + pooler * (D * D + D)


def cosines(vectors):
    unit_vectors = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return unit_vectors @ unit_vectors.T


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
        (6 * 12 * 512 * 4, "every token attends"),
        (6 * 12 * 512 * 512, "4 bytes"),
        (12 * 512 * 512 * 4, "one layer"),
        (6 * 512 * 512 * 4, "one head of each layer"),
        (75.497472, "megabytes"),
        (6 * 12 * 14 * 14 * 4, "14 tokens"),
        (12 * 12 * 512 * 512 * 4, "6 layers, not 12"),
    ],
    "encoder.native": [
        (lambda inputs: inputs, "rename"),
        (lambda inputs: list(inputs.values()), "return a dict"),
        (hugging_face_only, "returns the inputs unchanged"),
        (by_order(("input_word_ids", "input_type_ids", "input_mask")), "mixed up"),
        (by_order(("input_word_ids", "input_mask", "segment_ids")), "not one of our names"),
        (by_order(OUR_NAMES), "order of the keys"),
        (lambda inputs: {"input_word_ids": next(iter(inputs.values()))}, "missing"),
    ],
    "encoder.count_narrow": [
        (lambda *a: parameters(*a, projection=0), "projection from W to D"),
        (lambda V, D, L, F, W: parameters(V, D, L, F, W, projection=W * D + D), "where W is D"),
        (lambda V, D, L, F, W: parameters(V, D, L, F, W, norm=2 * D), "before the projection"),
        (lambda *a: parameters(*a, other_rows=0), "512 positions"),
        (lambda *a: parameters(*a, pooler=False), "pooler"),
        (lambda V, D, L, F, W: parameters(V, D, 1, F, W), "there are L"),
        (lambda V, D, L, F, W: parameters(V, D, L, F, D), "does not use W"),
        (lambda *a: parameters(*a) + (a[0] > 1000), "expected 12,806,016 at [0], got 12,806,017"),
    ],
    "encoder.crowding": [
        (lambda x: cosines(x).mean(), "with itself"),
        (lambda x: ((x @ x.T).sum() - (x * x).sum()) / 20, "length first"),
        (cosines, "one number"),
        (lambda x: (cosines(x).sum() - 5) / 25, "out of the count"),
        (lambda x: (cosines(x).sum() - 5) / 2, "return their mean"),
        (lambda x: (cosines(x).sum() - 5) / 10, "twice in the sum"),
        (lambda x: np.triu(cosines(x), 1).mean(), "other half"),
    ],
    "encoder.encode": [
        (lambda x, layers, pooler: stack(x, layers)[-1], "return a dict"),
        (lambda x, layers, pooler: {"sequence_output": x}, "no key 'encoder_outputs'"),
        (lambda x, layers, pooler: good(x, layers, pooler, encoder_outputs=stack(x, layers)), "one entry per layer"),
        (lambda x, layers, pooler: good(x, layers, pooler, encoder_outputs=[f(x) for f in layers]), "layer before"),
        (lambda x, layers, pooler: good(x, layers, pooler, pooled_output=pooler(stack(x, layers)[-1])), "all tokens"),
        (lambda x, layers, pooler: good(x, layers, pooler, pooled_output=pooler(x[0])), "before the layers"),
        (lambda x, layers, pooler: good(x, layers, pooler, pooled_output=pooler(stack(x, layers)[-1][:, 0])), "row 0"),
        (lambda x, layers, pooler: good(x, layers, pooler, pooled_output=stack(x, layers)[-1][0]), "not been called"),
    ],
}
