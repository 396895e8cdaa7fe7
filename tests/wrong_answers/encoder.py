"""Wrong answers to the exercises of the chapter, each with a word of the reason that `check` gives."""

import numpy as np
from keras import ops

OUR_NAMES = ("input_word_ids", "input_mask", "input_type_ids")
DIALECTS = (("token_ids", "padding_mask", "segment_ids"), ("input_ids", "attention_mask", "token_type_ids"))


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


def mean_cosine(vectors):
    n = len(vectors)
    return (cosines(vectors).sum() - n) / (n * (n - 1))


def rename(inputs):
    endings = {"input_ids": 0, "token_ids": 0, "word_ids": 0, "mask": 1, "type_ids": 2, "segment_ids": 2}
    return {
        OUR_NAMES[number]: value
        for name, value in inputs.items()
        for ending, number in endings.items()
        if name.endswith(ending)
    }


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
        (lambda inputs: {name: np.zeros((1, 2)) for name in OUR_NAMES}, "'input_word_ids' should be [[10, 11]]"),
        (lambda inputs: rename(inputs) if np.size(list(inputs.values())) < 10 else dict(inputs), "with the keys"),
    ],
    "encoder.count_narrow": [
        (lambda *a: parameters(*a, projection=0), "projection from W to D"),
        (lambda V, D, L, F, W: parameters(V, D, L, F, W, projection=W * D + D), "where W is D"),
        (lambda V, D, L, F, W: parameters(V, D, L, F, W, projection=(W < D) * (W * D + D)), "W is larger than D"),
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
        (lambda x: (np.abs(cosines(x)).sum() - len(x)) / (len(x) * (len(x) - 1)), "sign is lost"),
        (lambda x: abs(mean_cosine(x)), "sign is lost"),
        (lambda x: (cosines(x).sum() - 5) / 20, "only for 5 vectors"),
        (lambda x: max(mean_cosine(x), -0.9), "mean_cosine([[3.0], [-0.5]]): expected -1, got -0.9"),
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
        (lambda x, layers, pooler: good(x, (layers * 3)[:3], pooler), "expected shape [1, 1, 2], got shape [3, 1, 2]"),
    ],
}


def rename_in_a_loop(inputs):
    renamed = {}
    for ours, *others in zip(OUR_NAMES, *DIALECTS, strict=True):
        for name in (ours, *others):
            if name in inputs:
                renamed[ours] = inputs[name]
    return renamed


def parameters_in_a_loop(V, D, L, F, W):
    total = 0
    for rows in (V, 512, 2, 1, 1):
        total += rows * W
    if W != D:
        total += W * D + D
    for _ in range(L):
        for inputs, outputs in ((D, D), (D, D), (D, D), (D, D), (D, F), (F, D)):
            total += inputs * outputs + outputs
        total += 4 * D
    return total + D * D + D


def parameters_of_shapes(V, D, L, F, W):
    matrices = [(V, W), (512, W), (2, W), (2, W)] + [(W + 1, D)] * (W != D) + [(D + 1, D)]
    layer = [(D + 1, D)] * 4 + [(D + 1, F), (F + 1, D), (4, D)]
    return np.prod(matrices + layer * L, axis=1).sum()


def mean_cosine_in_a_loop(vectors):
    found = []
    for i, a in enumerate(vectors):
        for b in vectors[:i]:
            lengths = sum(x * x for x in a) ** 0.5 * sum(x * x for x in b) ** 0.5
            found.append(sum(x * y for x, y in zip(a, b, strict=True)) / lengths)
    return sum(found) / len(found)


def mean_cosine_of_tensors(vectors):
    unit_vectors = ops.normalize(ops.array(vectors, dtype="float32"), axis=-1)
    products = ops.matmul(unit_vectors, ops.transpose(unit_vectors))
    n = len(vectors)
    return (ops.sum(products) - n) / (n * n - n)


def encode_with_tensors(x, layers, pooler):
    stages = [ops.convert_to_tensor(stage) for stage in stack(x, layers)[1:]]
    return outputs(ops.stack(stages), stages[-1], ops.convert_to_tensor(pooler(stages[-1][0])))


RIGHT = {
    "encoder.native": [
        rename,
        rename_in_a_loop,
        lambda inputs: {name: np.array(value) for name, value in rename(inputs).items()},
        lambda inputs: {name: ops.array(value) for name, value in rename(inputs).items()},
    ],
    "encoder.count_narrow": [parameters, parameters_in_a_loop, parameters_of_shapes],
    "encoder.crowding": [
        mean_cosine,
        mean_cosine_in_a_loop,
        mean_cosine_of_tensors,
        lambda x: cosines(x)[~np.eye(len(x), dtype=bool)].mean(),
        lambda x: cosines(x)[np.triu_indices(len(x), 1)].mean(),
    ],
    "encoder.encode": [
        good,
        encode_with_tensors,
        lambda x, layers, pooler: good(x, layers, pooler, encoder_outputs=np.array(stack(x, layers)[1:])),
        lambda x, layers, pooler: good(x, layers, pooler, encoder_outputs=(h for h in stack(x, layers)[1:])),
    ],
}
