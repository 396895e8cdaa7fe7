"""Exercises of notebooks/06_encoder.ipynb."""

import numpy as np

from bertedu.course.exercise import Exercise, WrongAnswer, call, compare, numbers

# Tables of T=3 tokens and D=4 numbers; three layers that are no two alike and do not commute.
X = np.round(np.random.default_rng(1).normal(size=(3, 4)), 2)
TABLES = [np.round(np.random.default_rng(seed).normal(size=(4, 4)), 2) for seed in (2, 3, 4)]
LAYERS = [lambda x, table=table: np.tanh(np.array(x) @ table) for table in TABLES]
ARROWS = np.array([[3.0, 4.0, 0.0], [4.0, 3.0, 0.0], [0.0, 0.0, 2.0], [1.0, 2.0, 2.0], [0.5, 0.0, 0.5]])
NATIVE = ("input_word_ids", "input_mask", "input_type_ids")
SPELLINGS = (
    ("input_ids", "attention_mask", "token_type_ids"),
    ("token_ids", "padding_mask", "segment_ids"),
    NATIVE,
)


def pooler(vector):
    return np.sin(np.array(vector))


def dictionary(result):
    """`result`, if it is a dict; WrongAnswer else."""
    if result is None or result is ...:
        numbers(result)  # says which of the two
    if not isinstance(result, dict):
        raise WrongAnswer(f"a dict is wanted, with a name for each part; this is a {type(result).__name__}.")
    return result


def check_bytes(answer):
    typical = [
        (6 * 12 * 512 * 4, "every token looks at every token: 512 times 512 shares in each head, not 512."),
        (6 * 12 * 512**2, "these are the numbers; each of them takes 4 bytes."),
        (12 * 512**2 * 4, "this is one layer, and there are 6."),
        (6 * 512**2 * 4, "this is one head of each layer, and each has 12."),
        (512**2 * 4, "this is one head of one layer: there are 12 heads in each of 6 layers."),
        (6 * 12 * 512**2 * 8, "this is twice too much. MiniLM has 6 layers, not 12, and a float32 has 4 bytes, not 8."),
        (6 * 12 * 512**2 * 4 / 1e6, "these are megabytes (million bytes); give the bytes."),
        (6 * 12 * 512**2 * 32, "32 is how many *bits* a float32 has; in bytes that is 4."),
        (6 * 12 * 14**2 * 4, "this is for 14 tokens; put 512 in place of 14, twice."),
    ]
    compare(answer, 6 * 12 * 512**2 * 4, typical)


def check_native(answer):
    for spelling in SPELLINGS:
        _judge_spelling(answer, spelling)
    for spelling in SPELLINGS:  # a dict's keys have no order that one may rely on
        given = {key: [[number, number + 1]] for number, key in zip((10, 20, 30), spelling, strict=True)}
        shuffled = dictionary(call(answer, dict(sorted(given.items(), key=lambda item: item[0][::-1]))))
        if list(map(shuffled.get, NATIVE)) != list(given.values()):
            raise WrongAnswer("it goes by the order of the keys; a dict may have them in any order. Go by their names.")


def _judge_spelling(answer, spelling):
    given = {key: [[number, number + 1]] for number, key in zip((10, 20, 30), spelling, strict=True)}
    result = dictionary(call(answer, dict(given)))
    if spelling != NATIVE and result == given:
        raise WrongAnswer(f"for the keys {', '.join(spelling)} it gives back what came in; rename them.")
    if set(result) != set(NATIVE):
        wrong = sorted(set(map(str, result)) - set(NATIVE)) or sorted(set(NATIVE) - set(result))
        kind = "is not one of ours" if set(result) - set(NATIVE) else "is missing"
        raise WrongAnswer(f"for the keys {', '.join(spelling)} the name {wrong[0]!r} {kind}.")
    reverse = dict(zip(NATIVE, given.values(), strict=True))
    for name, value in reverse.items():
        if result[name] is not value and result[name] != value:
            hint = " Mask and types stand in the wrong places." if result[name] in given.values() else ""
            raise WrongAnswer(f"{name!r} should hold {value}, and holds {result[name]!r:.60}.{hint}")


def _count(V, D, L, F, W, *, places=1, table_norm=None, projection=1, projection_bias=1, always=0, pool=1, layers=None):
    embeddings = (V + places * 514) * W + (2 * W if table_norm is None else table_norm * D)
    if W != D or always:
        embeddings += projection * W * D + projection_bias * D
    layer = 4 * (D * D + D) + 2 * D * F + F + D + 4 * D
    return embeddings + (L if layers is None else layers) * layer + pool * (D * D + D)


def check_narrow(answer):
    cases = [(30522, 384, 6, 1536, 64), (29, 6, 2, 10, 4), (29, 6, 2, 10, 6)]
    got = [numbers(call(answer, *case)) for case in cases]
    slips = [
        (
            {"projection": 0, "projection_bias": 0},
            "the projection from W to D is missing: a table W by D, and D biases.",
        ),
        ({"projection_bias": 0}, "the projection's biases are missing: D of them."),
        ({"always": 1}, "where W is D there is no projection, so nothing to count for it."),
        (
            {"table_norm": 2},
            "the tables are normalised before they are widened: a scale and a shift of W numbers, not D.",
        ),
        ({"table_norm": 0}, "the normalisation of the tables is missing: 2 W."),
        ({"places": 0}, "the tables of the 512 places and of the 2 segments are missing."),
        ({"pool": 0}, "the pooler is missing: D times D, and D biases."),
        ({"layers": 1}, "it counts one layer; there are L of them, each with weights of its own."),
        ({"layers": 0}, "this is what is around the layers; the L layers themselves are missing."),
    ]
    wide = [_count(V, D, L, F, D) for V, D, L, F, _ in cases]
    only_words = [_count(V, D, L, F, W) + 514 * (D - W) for V, D, L, F, W in cases]
    typical = [([_count(*case, **slip) for case in cases], reason) for slip, reason in slips]
    typical.append((wide, "W plays no part in it: all three tables are W wide."))
    typical.append((only_words, "places and segments stand in tables that are W wide too, as the words."))
    compare(got, [_count(*case) for case in cases], typical)


def _mean_cosine(vectors, pairs_with_self=False):
    arrows = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    table, n = arrows @ arrows.T, len(vectors)
    return table.mean() if pairs_with_self else (table.sum() - n) / (n * (n - 1))


def check_crowding(answer):
    n = len(ARROWS)
    products = ARROWS @ ARROWS.T
    arrows = ARROWS / np.linalg.norm(ARROWS, axis=-1, keepdims=True)
    alike = arrows @ arrows.T
    typical = [
        (_mean_cosine(ARROWS, True), "each vector is compared with itself too, which is always 1; leave those out."),
        (
            (products.sum() - np.trace(products)) / n / (n - 1),
            "these are plain products; divide each vector by its length first.",
        ),
        ((alike.sum() - n) / n / n, "the pairs with itself are left out of the sum; leave them out of the count too."),
        ((alike.sum() - n) / 2, "this is the sum over the pairs; the mean is wanted."),
        (alike.sum() - n, "this is the sum over the pairs; the mean is wanted."),
        (2 * (alike.sum() - n) / n / (n - 1), "a pair is counted twice in the sum, but once in the count."),
        (np.triu(alike, 1).mean(), "the zeros of the half that is cut off are counted in the mean; leave them out."),
        ((alike.sum() - n) / 2 / n / (n - 1), "a pair is counted once in the sum, but twice in the count."),
        (alike, "this is the whole table; one number is wanted, the mean of what is off its diagonal."),
        (
            _mean_cosine(ARROWS - ARROWS.mean(axis=0)),
            "the mean is taken away first; here the vectors stay as they are.",
        ),
    ]
    compare(call(answer, ARROWS.copy()), _mean_cosine(ARROWS), typical)


def check_encode(answer):
    stages = [X]
    for layer in LAYERS:
        stages.append(layer(stages[-1]))
    result = dictionary(call(answer, X.copy(), list(LAYERS), pooler))
    missing = [name for name in ("encoder_outputs", "sequence_output", "pooled_output") if name not in result]
    if missing:
        raise WrongAnswer(f"the dict has no {missing[0]!r}.")
    if all(result[name] is ... for name in result):
        numbers(...)
    outputs = numbers(result["encoder_outputs"])
    compare(outputs, stages[1:], [
        (stages, "encoder_outputs begins with what goes into the first layer; it is one entry for each layer."),
        (stages[:-1], "encoder_outputs holds what goes into each layer; what comes out is wanted."),
        ([layer(X) for layer in LAYERS], "every layer gets the first x; give each what the one before it made."),
        (stages[-1], "encoder_outputs is only the last layer's; keep those of all layers in a list."),
        (stages[:0:-1], "encoder_outputs stands in reverse order."),
        ([stages[-1]] * 3, "encoder_outputs holds the last layer's output three times."),
    ])  # fmt: skip
    compare(result["sequence_output"], stages[-1], [
        (stages[1], "sequence_output is the first layer's; the last layer's is wanted."),
        (stages[-1][0], "sequence_output is the first token's only; every token's is wanted."),
        (X, "sequence_output is what went in."),
        (stages[-2], "sequence_output stops one layer too early."),
    ])  # fmt: skip
    compare(result["pooled_output"], pooler(stages[-1][0]), [
        (pooler(stages[-1]), "pooled_output is computed of all tokens; the pooler gets the first token's vector only."),
        (pooler(stages[-1].mean(axis=0)), "the pooler gets the mean of the tokens; BERT gives it the first, [CLS]."),
        (pooler(X[0]), "the pooler gets the vector from before the layers; it comes after the last one."),
        (stages[-1][0], "pooled_output is the first token's vector as it is; the pooler has not been called."),
        (pooler(stages[-1][:, 0]), "there is one text and no B here: the first token is row 0, not column 0."),
        (pooler(stages[-1][-1]), "the pooler gets the last token's vector; [CLS] is the first."),
    ])  # fmt: skip


EXERCISES = {
    "score_bytes": Exercise(
        task="How many bytes are all attention scores of MiniLM for one text of 512 tokens?",
        blank="score_bytes = ...",
        answer="score_bytes",
        check=check_bytes,
        correct="75 million bytes for one text, and four times that if texts were twice as long.",
        hints=(
            "Start from the shape: for 14 tokens it is (6, 12, 14, 14). How many numbers are in it for 512?",
            "Layers times heads times tokens times tokens, and each number is a float32 of 4 bytes.",
        ),
        solution="score_bytes = 6 * 12 * 512 * 512 * 4  # layers, heads, tokens that look, tokens looked at, bytes",
    ),
    "native": Exercise(
        task="Rename the keys of inputs in any of the three spellings to ours.",
        blank="def native(inputs):\n    return ...",
        answer="native",
        check=check_native,
        correct="one table at the door, and inside there is one language.",
        hints=(
            "Make a dict from every spelling to ours, our own names included (they become themselves).",
            "Then one new dict: for each key and value that came in, the table's name for the key, and the value.",
        ),
        solution=(
            "def native(inputs):\n"
            '    ours = ("input_word_ids", "input_mask", "input_type_ids")\n'
            '    keras_hub = ("token_ids", "padding_mask", "segment_ids")\n'
            '    hugging_face = ("input_ids", "attention_mask", "token_type_ids")\n'
            "    table = {theirs: our for row in (ours, keras_hub, hugging_face) for theirs, our in zip(row, ours)}\n"
            "    return {table[key]: value for key, value in inputs.items()}"
        ),
    ),
    "count_narrow": Exercise(
        task="Count the parameters of a BERT whose embedding tables are W wide, and its layers D.",
        blank="def narrow_parameters(V, D, L, F, W):\n    return ...",
        answer="narrow_parameters",
        check=check_narrow,
        correct="to the last parameter, with a narrow table and with a wide one.",
        hints=(
            "Only the embeddings change: three tables and their normalisation, now W wide. Then W D + D if W is not D.",
            "Layers and pooler never see W. Start from parameters(V, D, L, F), take its embeddings away, add the new.",
        ),
        solution=(
            "def narrow_parameters(V, D, L, F, W):\n"
            "    tables = (V + 512 + 2) * W + 2 * W\n"
            "    projection = W * D + D if W != D else 0\n"
            "    layer = 4 * (D * D + D) + (D * F + F) + (F * D + D) + 2 * 2 * D\n"
            "    pooler = D * D + D\n"
            "    return tables + projection + L * layer + pooler"
        ),
    ),
    "crowding": Exercise(
        task="The mean cosine similarity of all pairs of different vectors in an array [n, D].",
        blank="def crowding(vectors):\n    return ...",
        answer="crowding",
        check=check_crowding,
        correct="0 where vectors point everywhere, 1 where they all point the same way.",
        hints=(
            "Divide each row by its length: np.linalg.norm(..., axis=-1, keepdims=True). Then one product does it.",
            "arrows @ arrows.T is the table. Its diagonal is n ones: take n from the sum, and divide by n times n - 1.",
        ),
        solution=(
            "import numpy as np\n\n"
            "def crowding(vectors):\n"
            "    arrows = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)  # [n, D]\n"
            "    n = len(arrows)\n"
            "    return ((arrows @ arrows.T).sum() - n) / (n * (n - 1))"
        ),
    ),
    "encode": Exercise(
        task="Write the encoder: run x through the layers, and give back what BertEncoder gives back.",
        blank=(
            "def encode(x, layers, pooler):\n"
            '    return {"encoder_outputs": ..., "sequence_output": ..., "pooled_output": ...}'
        ),
        answer="encode",
        check=check_encode,
        correct="this is BertEncoder.call, without its options.",
        hints=(
            "Keep a list. In a loop over the layers, let x become layer(x), and append it.",
            "sequence_output is the last of the list; pooled_output is pooler of its row 0.",
        ),
        solution=(
            "def encode(x, layers, pooler):\n"
            "    outputs = []\n"
            "    for layer in layers:\n"
            "        x = layer(x)\n"
            "        outputs.append(x)\n"
            '    return {"encoder_outputs": outputs, "sequence_output": x, "pooled_output": pooler(x[0])}'
        ),
    ),
}
