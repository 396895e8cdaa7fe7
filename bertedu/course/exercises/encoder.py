"""Exercises of notebooks/06_encoder.ipynb."""

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers


def _normal(seed, *size):
    return np.round(np.random.default_rng(seed).normal(size=size), 2)


def _layer(seed, D):
    matrix = _normal(seed, D, D)

    def layer(x):
        return np.tanh(np.array(x) @ matrix)

    return layer


# T = 3 tokens with D = 4; three layers that differ and do not commute.
X = _normal(1, 3, 4)
LAYERS = [_layer(seed, 4) for seed in (2, 3, 4)]
VECTORS = np.array([[3.0, 4.0, 0.0], [4.0, 3.0, 0.0], [0.0, 0.0, 2.0], [1.0, 2.0, 2.0], [0.5, 0.0, 0.5]])
SIGNED_VECTORS = np.array([[1.5, -2.0], [-3.0, 0.5], [0.5, 4.0]])  # cosines of both signs, with a negative mean
OUR_NAMES = ("input_word_ids", "input_mask", "input_type_ids")
DIALECTS = (
    ("input_ids", "attention_mask", "token_type_ids"),
    ("token_ids", "padding_mask", "segment_ids"),
    OUR_NAMES,
)


def pooler(vector):
    return np.sin(np.array(vector))


def dictionary(result):
    """Return `result` if it is a dict; raise `WrongAnswer` otherwise."""
    if result is None or result is ...:
        numbers(result)  # raises, with the reason for either
    if not isinstance(result, dict):
        raise WrongAnswer(f"return a dict, with a name for each part; it returns a {type(result).__name__}.")
    return result


def check_bytes(answer):
    typical = [
        (6 * 12 * 512 * 4, "every token attends to every token: each head has 512 times 512 weights, not 512."),
        (6 * 12 * 512**2, "this is the number of attention weights; each of them takes 4 bytes."),
        (12 * 512**2 * 4, "this is one layer, and there are 6."),
        (6 * 512**2 * 4, "this is one head of each layer, and each layer has 12."),
        (512**2 * 4, "this is one head of one layer: there are 12 heads in each of 6 layers."),
        (6 * 12 * 512**2 * 8, "this is twice too much. MiniLM has 6 layers, not 12, and a float32 has 4 bytes, not 8."),
        (6 * 12 * 512**2 * 4 / 1e6, "these are megabytes (million bytes); give the number of bytes."),
        (6 * 12 * 512**2 * 32, "a float32 has 32 *bits*, which are 4 bytes."),
        (6 * 12 * 14**2 * 4, "this is for 14 tokens; replace both 14 with 512."),
    ]
    compare(answer, 6 * 12 * 512**2 * 4, typical)


def check_native(answer):
    for names in DIALECTS:
        _check_dialect(answer, names)
    for names in DIALECTS:  # an answer must not rely on the order of a dict's keys
        inputs = {name: [[number, number + 1]] for number, name in zip((10, 20, 30), names, strict=True)}
        shuffled = dictionary(call(answer, dict(sorted(inputs.items(), key=lambda item: item[0][::-1]))))
        if not all(_same(shuffled.get(name), value) for name, value in zip(OUR_NAMES, inputs.values(), strict=True)):
            raise WrongAnswer("it relies on the order of the keys, but they may come in any order. Use their names.")


def _check_dialect(answer, names):
    inputs = {name: [[number, number + 1]] for number, name in zip((10, 20, 30), names, strict=True)}
    result = dictionary(call(answer, dict(inputs)))
    if names != OUR_NAMES and set(result) == set(names) and all(_same(result[name], inputs[name]) for name in names):
        raise WrongAnswer(f"for the keys {', '.join(names)} it returns the inputs unchanged; rename them.")
    if set(result) != set(OUR_NAMES):
        wrong = sorted(set(map(str, result)) - set(OUR_NAMES)) or sorted(set(OUR_NAMES) - set(result))
        problem = "is not one of our names" if set(result) - set(OUR_NAMES) else "is missing"
        raise WrongAnswer(f"for the keys {', '.join(names)} the key {wrong[0]!r} {problem}.")
    for name, value in zip(OUR_NAMES, inputs.values(), strict=True):
        if not _same(result[name], value):
            mixed_up = any(_same(result[name], other) for other in inputs.values())
            hint = " The values are mixed up." if mixed_up else ""
            raise WrongAnswer(f"{name!r} should be {value}, but is {result[name]!r:.60}.{hint}")


def _same(got, value):
    """Whether `got`, of any type, has the numbers of `value`."""
    try:
        compare(got, value)
    except WrongAnswer:
        return False
    return True


def _count(
    V, D, L, F, W, *, other_tables=1, table_norm=None, projection=1, projection_bias=1, always=0, pool=1, layers=None,
    narrow_only=0,
):  # fmt: skip
    embeddings = (V + other_tables * 514) * W + (2 * W if table_norm is None else table_norm * D)
    if (W < D if narrow_only else W != D) or always:
        embeddings += projection * W * D + projection_bias * D
    layer = 4 * (D * D + D) + 2 * D * F + F + D + 4 * D
    return embeddings + (L if layers is None else layers) * layer + pool * (D * D + D)


def check_narrow(answer):
    cases = [(30522, 384, 6, 1536, 64), (29, 6, 2, 10, 4), (29, 6, 2, 10, 6), (29, 4, 2, 10, 6)]
    got = [numbers(call(answer, *case)) for case in cases]
    slips = [
        (
            {"projection": 0, "projection_bias": 0},
            "the projection from W to D is missing: a matrix [W, D] and D biases.",
        ),
        ({"projection_bias": 0}, "the biases of the projection are missing: D of them."),
        ({"always": 1}, "where W is D there is no projection, so there is nothing to count for it."),
        ({"narrow_only": 1}, "where W is larger than D there is a projection, too."),
        (
            {"table_norm": 2},
            "the embeddings are normalized before the projection: scale and shift have W elements, not D.",
        ),
        ({"table_norm": 0}, "the layer normalization of the embeddings is missing: 2 W."),
        ({"other_tables": 0}, "the tables of the 512 positions and of the 2 segments are missing."),
        ({"pool": 0}, "the pooler is missing: D times D, and D biases."),
        ({"layers": 1}, "it counts one layer; there are L of them, each with weights of its own."),
        ({"layers": 0}, "this is everything except the layers; add the L layers."),
    ]
    without_w = [_count(V, D, L, F, D) for V, D, L, F, _ in cases]
    only_words = [_count(V, D, L, F, W) + 514 * (D - W) for V, D, L, F, W in cases]
    typical = [([_count(*case, **slip) for case in cases], reason) for slip, reason in slips]
    typical.append((without_w, "it does not use W: the rows of all three tables have W elements."))
    typical.append((only_words, "the rows of the position and segment tables have W elements too, like the words."))
    compare(got, [_count(*case) for case in cases], typical)


def _mean_cosine(vectors, pairs_with_self=False):
    unit_vectors = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    cosines, n = unit_vectors @ unit_vectors.T, len(vectors)
    return cosines.mean() if pairs_with_self else (cosines.sum() - n) / (n * (n - 1))


def check_crowding(answer):
    n = len(VECTORS)
    products = VECTORS @ VECTORS.T
    unit_vectors = VECTORS / np.linalg.norm(VECTORS, axis=-1, keepdims=True)
    cosines = unit_vectors @ unit_vectors.T
    typical = [
        (_mean_cosine(VECTORS, True), "it also compares each vector with itself, which is always 1; leave those out."),
        (
            (products.sum() - np.trace(products)) / n / (n - 1),
            "these are dot products; divide each vector by its length first.",
        ),
        ((cosines.sum() - n) / n / n, "a vector with itself is not in the sum; leave it out of the count too."),
        ((cosines.sum() - n) / 2, "this is the sum over the pairs; return their mean."),
        (cosines.sum() - n, "this is the sum over the pairs; return their mean."),
        (2 * (cosines.sum() - n) / n / (n - 1), "each pair is counted twice in the sum, but once in the count."),
        (np.triu(cosines, 1).mean(), "the mean includes the zeros of the other half; leave them out."),
        ((cosines.sum() - n) / 2 / n / (n - 1), "each pair is counted once in the sum, but twice in the count."),
        (cosines, "this is the whole matrix; return one number, the mean of its elements off the diagonal."),
        (
            _mean_cosine(VECTORS - VECTORS.mean(axis=0)),
            "it subtracts the mean first; here the vectors stay as they are.",
        ),
    ]
    compare(call(answer, VECTORS.copy()), _mean_cosine(VECTORS), typical)
    unit_vectors = SIGNED_VECTORS / np.linalg.norm(SIGNED_VECTORS, axis=-1, keepdims=True)
    cosines, mean = unit_vectors @ unit_vectors.T, _mean_cosine(SIGNED_VECTORS)
    sign = "the sign is lost: the cosine of opposite vectors is -1, and the mean can be negative. Don't use abs."
    typical = [
        ((np.abs(cosines).sum() - 3) / 6, sign),
        (abs(mean), sign),
        ((cosines.sum() - 5) / 20, "it works only for 5 vectors. Use their number, len(vectors)."),
    ]
    compare(call(answer, SIGNED_VECTORS.copy()), mean, typical)


def check_encode(answer):
    stages = [X]
    for layer in LAYERS:
        stages.append(layer(stages[-1]))
    result = dictionary(call(answer, X.copy(), list(LAYERS), pooler))
    missing = [name for name in ("encoder_outputs", "sequence_output", "pooled_output") if name not in result]
    if missing:
        raise WrongAnswer(f"the dict has no key {missing[0]!r}.")
    if all(result[name] is ... for name in result):
        numbers(...)
    outputs = numbers(result["encoder_outputs"])
    compare(outputs, stages[1:], [
        (stages, "encoder_outputs starts with the input of the first layer; it should have one entry per layer."),
        (stages[:-1], "encoder_outputs has the input of each layer; store the outputs instead."),
        ([layer(X) for layer in LAYERS], "every layer gets the first x; pass it the output of the layer before."),
        (stages[-1], "encoder_outputs is the output of the last layer only; keep those of all layers in a list."),
        (stages[:0:-1], "encoder_outputs is in reverse order."),
        ([stages[-1]] * 3, "encoder_outputs has the output of the last layer three times."),
    ])  # fmt: skip
    compare(result["sequence_output"], stages[-1], [
        (stages[1], "sequence_output is the output of the first layer; return that of the last."),
        (stages[-1][0], "sequence_output has the first token only; return every token."),
        (X, "sequence_output is the input x."),
        (stages[-2], "sequence_output stops one layer too early."),
    ])  # fmt: skip
    compare(result["pooled_output"], pooler(stages[-1][0]), [
        (pooler(stages[-1]), "the pooler gets all tokens; give it the vector of the first token only."),
        (pooler(stages[-1].mean(axis=0)), "the pooler gets the mean of the tokens; in BERT it gets the first, [CLS]."),
        (pooler(X[0]), "the pooler gets a vector from before the layers; it comes after the last one."),
        (stages[-1][0], "pooled_output is the first token's vector; the pooler has not been called."),
        (pooler(stages[-1][:, 0]), "x has no batch axis here: the first token is row 0, not column 0."),
        (pooler(stages[-1][-1]), "the pooler gets the last token's vector; [CLS] is the first."),
    ])  # fmt: skip


EXERCISES = {
    "score_bytes": Exercise(
        task="How many bytes do all attention weights of MiniLM take for one text of 512 tokens?",
        blank="score_bytes = ...",
        answer="score_bytes",
        check=check_bytes,
        correct="75 million bytes for one text, and four times as many for a text twice as long.",
        hints=(
            "Start from the shape: for 14 tokens it is (6, 12, 14, 14). How many elements does it have for 512?",
            "Layers times heads times queries times keys, and each weight is a float32 of 4 bytes.",
        ),
        solution="score_bytes = 6 * 12 * 512 * 512 * 4  # layers, heads, queries, keys, bytes",
    ),
    "native": Exercise(
        task="Rename the keys of the inputs, in any of the three dialects, to our names.",
        blank="def rename_inputs(inputs):\n    return ...",
        answer="rename_inputs",
        check=check_native,
        correct="one dictionary at the entrance, and only one dialect inside.",
        hints=(
            "Make a dict from the names of every dialect to ours, including our own (which map to themselves).",
            "Then build a new dict: for each key and value of inputs, our name for the key, and the value.",
        ),
        solution=(
            "def rename_inputs(inputs):\n"
            '    native = ("input_word_ids", "input_mask", "input_type_ids")\n'
            '    keras_hub = ("token_ids", "padding_mask", "segment_ids")\n'
            '    hugging_face = ("input_ids", "attention_mask", "token_type_ids")\n'
            "    dialects = (native, keras_hub, hugging_face)\n"
            "    native_names = {name: native_name for names in dialects for name, native_name in zip(names, native)}\n"
            "    return {native_names[name]: value for name, value in inputs.items()}"
        ),
        cases=(
            (dict(zip(DIALECTS[0], ([[7, 8, 9]], [[1, 1, 0]], [[0, 1, 0]]), strict=True)),),
            (dict(zip(DIALECTS[1], np.arange(24).reshape(3, 2, 4), strict=True)),),
            (dict(zip(DIALECTS[2], ([[101]], [[1]], [[0]]), strict=True)),),
            (dict(zip(DIALECTS[1][::-1], ([[0]], [[1]], [[101]]), strict=True)),),
        ),
    ),
    "count_narrow": Exercise(
        task="Count the parameters of a BERT with embedding width W and hidden size D.",
        blank="def factorized_parameters(V, D, L, F, W):\n    return ...",
        answer="factorized_parameters",
        check=check_narrow,
        correct="every parameter is counted, with and without a projection.",
        hints=(
            "Only the embeddings change: tables and LayerNorm with W instead of D. Add W D + D if W is not D.",
            "Layers and pooler do not depend on W. Take parameters(V, D, L, F) and replace its embeddings.",
        ),
        solution=(
            "def factorized_parameters(V, D, L, F, W):\n"
            "    tables = (V + 512 + 2) * W + 2 * W\n"
            "    projection = W * D + D if W != D else 0\n"
            "    layer = 4 * (D * D + D) + (D * F + F) + (F * D + D) + 2 * 2 * D\n"
            "    pooler = D * D + D\n"
            "    return tables + projection + L * layer + pooler"
        ),
        cases=(
            (1, 1, 1, 1, 1),
            (7, 5, 1, 3, 2),
            (11, 4, 3, 9, 5),
            (30522, 768, 12, 3072, 768),
            (30000, 4096, 12, 16384, 128),
        ),
    ),
    "crowding": Exercise(
        task="Write the mean cosine similarity of all pairs of different vectors in an array [n, D].",
        blank="def mean_cosine(vectors):\n    return ...",
        answer="mean_cosine",
        check=check_crowding,
        correct="about 0 if the vectors point everywhere, 1 if they all point in the same direction.",
        hints=(
            "Divide each row by its length, np.linalg.norm(..., axis=-1, keepdims=True). Then use dot products.",
            "With unit vectors u, u @ u.T is the matrix of all cosines, with n ones on its diagonal: subtract n from "
            "the sum, and divide by n * (n - 1).",
        ),
        solution=(
            "import numpy as np\n\n"
            "def mean_cosine(vectors):\n"
            "    unit_vectors = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)  # [n, D]\n"
            "    n = len(vectors)\n"
            "    return ((unit_vectors @ unit_vectors.T).sum() - n) / (n * (n - 1))"
        ),
        cases=(
            (np.array([[3.0], [-0.5]]),),  # opposite
            (np.array([[0.001, 0.002, 0.0], [1000.0, 2000.0, 0.0]]),),  # the same direction
            (_normal(7, 4, 3),),
            (_normal(8, 3, 7) - 0.5,),
            (np.array([[1.0, 0.0], [0.0, -2.0], [-3.0, 0.0], [0.0, 4.0], [5.0, 0.0], [1.0, 1.0]]),),
        ),
    ),
    "encode": Exercise(
        task="Write the encoder: run x through the layers, and return what BertEncoder returns.",
        blank=(
            "def encode(x, layers, pooler):\n"
            '    return {"encoder_outputs": ..., "sequence_output": ..., "pooled_output": ...}'
        ),
        answer="encode",
        check=check_encode,
        correct="this is BertEncoder.call without its options.",
        hints=(
            "In a loop over the layers, replace x with layer(x), and append it to a list.",
            "sequence_output is the last element of the list; pooled_output is the pooler applied to its row 0.",
        ),
        solution=(
            "def encode(x, layers, pooler):\n"
            "    outputs = []\n"
            "    for layer in layers:\n"
            "        x = layer(x)\n"
            "        outputs.append(x)\n"
            '    return {"encoder_outputs": outputs, "sequence_output": x, "pooled_output": pooler(x[0])}'
        ),
        cases=(
            (_normal(9, 1, 2), [_layer(10, 2)], pooler),
            (_normal(11, 5, 3), [_layer(12, 3), _layer(13, 3)], pooler),
            (_normal(14, 2, 6), [_layer(seed, 6) for seed in (15, 16, 17, 18)], pooler),
        ),
    ),
}
