"""Attribution, head importance, faithfulness and layer lens: by hand, by differences in float64, and against captum."""

import functools

import keras
import numpy as np
import numpy_bert
import pytest
import tiny_bert
from keras import ops
from small_world import SENTENCE, VOCABULARY

import bertedu as be
from bertedu import analysis
from bertedu.backend.gradients import value_and_gradient

L, N, D = 3, 2, 14
PAIR = "it was warm"
TOKENS = ["[CLS]", *SENTENCE.split(), "[SEP]", *PAIR.split(), "[SEP]"]
MASKED = "the [MASK] sat on the [MASK]"
STEP = 1e-5  # of the differences in float64


@pytest.fixture(scope="module")
def bert():
    keras.utils.set_random_seed(0)
    encoder = be.BertEncoder(len(VOCABULARY), D, L, N, 19, 2, 11, name="e")
    classifier = be.BertClassifier(encoder, 3, name="c")
    masked_lm = be.BertPretrainer(encoder, mlm_activation="relu", name="m")
    rng = np.random.default_rng(1)
    for weight in {id(w): w for w in (*classifier.weights, *masked_lm.weights)}.values():
        weight.assign(rng.normal(size=weight.shape, scale=0.4) + weight.path.endswith("gamma"))
    return be.Bert(be.BertTokenizer(VOCABULARY), encoder, masked_lm=masked_lm, classifier=classifier)


def first(outputs):
    """A metric that depends on all that the model computes."""
    return outputs["pooled_output"][:, 0] + outputs["sequence_output"][:, 1, 2]


@functools.cache
def weights_of(bert):
    return {w.path.split("/", 1)[1]: ops.convert_to_numpy(w).astype("float64") for w in bert.encoder.weights}


def inputs_of(bert, *texts):
    encoded = bert.preprocessor.encode(*texts)
    ids = np.array([encoded.ids], "int32")
    return {"input_word_ids": ids, "input_mask": np.ones_like(ids), "input_type_ids": np.array([encoded.type_ids])}


def by_hand(bert, text, pair=None, edit=numpy_bert.unedited):
    """The outputs for one text, float64, from NumPy: embedding output `[T, D]` and the metric `first`."""
    w, (ids, mask, types) = weights_of(bert), inputs_of(bert, text, pair).values()
    words = w["embeddings/word_embeddings/embeddings"][ids]
    embedded, layers, _, pooled = numpy_bert.encoder(w, words, types, mask, L, numpy_bert.gelu_tanh, edit=edit)
    return embedded[0], pooled[0, 0] + layers[-1][0, 1, 2]


def difference(function, size=STEP):
    """The derivative at 0 of a function of a number."""
    return (function(size) - function(-size)) / (2 * size)


# -- functions of a tensor ---------------------------------------------------------------------------------------------


def cubic(x):
    return x[:, 0] ** 2 * x[:, 1] + 3 * x[:, 2]


def test_gradients_by_hand():
    values, gradient = value_and_gradient(cubic, np.array([[2, 5, 7], [1, 0, 0]], "float32"))
    assert (values.tolist(), gradient.tolist()) == ([41, 3 * 0], [[20, 4, 3], [0, 1, 3]])
    result = analysis.gradient_times_input(cubic, [2, 5, 7])
    assert (result.attributions.tolist(), result.metric) == ([40, 20, 21], 41)
    assert result.baseline_metric is result.completeness_error is result.tokens is None


@pytest.mark.parametrize("steps", [2, 50])  # two points are enough for a gradient of degree 2 along the path
def test_integrated_gradients_by_hand(steps):
    result = analysis.integrated_gradients(cubic, [2, 5, 7], steps=steps)
    np.testing.assert_allclose(result.attributions, [20 * 2 / 3, 20 / 3, 21], rtol=1e-6)
    assert (result.metric, result.baseline_metric) == (41, 0)
    squares = analysis.integrated_gradients(lambda x: ops.sum(x**2, axis=(1, 2)), [[2, 3]], [[1, 5]], steps)
    np.testing.assert_allclose(squares.attributions, [[2**2 - 1, 3**2 - 5**2]], rtol=1e-6)
    np.testing.assert_allclose(squares.completeness_error, 0, atol=1e-5)


def test_too_few_steps_show_in_the_completeness_error():
    result = analysis.integrated_gradients(cubic, [2, 5, 7], steps=1)  # the gradient in the middle: [5, 1, 3]
    np.testing.assert_allclose(result.attributions, [10, 5, 21], rtol=1e-6)
    assert result.completeness_error == pytest.approx(36 - 41)


def test_a_gradient_that_is_infinite_at_an_end_does_not_count():
    result = analysis.integrated_gradients(lambda x: ops.sum(ops.sqrt(x), axis=1), [4.0], steps=200)
    np.testing.assert_allclose(result.attributions, [2.0], atol=0.02)


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_batches_make_no_difference(batch_size):
    def metric(x):
        return ops.tanh(x[:, 0] * x[:, 1])

    whole = analysis.integrated_gradients(metric, [1.5, -0.5], [0.5, 2])
    result = analysis.integrated_gradients(metric, [1.5, -0.5], [0.5, 2], batch_size=batch_size)
    np.testing.assert_allclose(result.attributions, whole.attributions, rtol=1e-5)
    points = (np.arange(10_000) + 0.5)[:, None] / 10_000 * [1, -2.5] + [0.5, 2]  # a sum, from the derivative of tanh
    slope = 1 / np.cosh(points[:, :1] * points[:, 1:]) ** 2 * points[:, ::-1]
    np.testing.assert_allclose(result.attributions, slope.mean(axis=0) * [1, -2.5], rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("sum", [1.0]), TypeError, "metric: expected a function .*'sum'"),
        ((cubic, [1.0, np.nan, 0.0]), ValueError, r"inputs: .* NaN .*\[1\]"),
        ((cubic, ["a"]), TypeError, "inputs: expected numbers"),
        ((cubic, [1.0, 2.0, 3.0], [0.0, 0.0]), ValueError, r"baseline: .*\[3\], got \[2\]"),
        ((cubic, [1.0, 2.0, 3.0], 0, 0), ValueError, "steps: .* got 0"),
        ((cubic, [1.0, 2.0, 3.0], 0, 5, 0), ValueError, "batch_size: .* got 0"),
        ((lambda x: x, [1.0, 2.0]), ValueError, r"metric: .* shape \(7,\), got \(7, 2\)"),
        ((lambda x: 3.0, [1.0, 2.0]), ValueError, r"metric: .* shape \(7,\), got float"),
        ((lambda x: ops.ones(7), [1.0, 2.0]), ValueError, "metric: .* constant"),
    ],
)
def test_bad_arguments_of_integrated_gradients(arguments, error, message):
    with pytest.raises(error, match=message):
        analysis.integrated_gradients(*arguments, **({} if len(arguments) > 3 else {"steps": 5}))


# -- of a model --------------------------------------------------------------------------------------------------------


def moved(x, direction):
    """An edit that moves the embedding output to `x` plus a multiple of a direction; a function of that multiple."""
    return lambda size: lambda name, y: (x + size * direction)[None] if name == "embedding_output" else y


def slopes(bert, x, directions):
    """The derivative of the metric at the embedding output `x`, in the direction of each token's row."""
    length = len(x)
    for t in range(length):
        edit = moved(x, directions * (np.arange(length) == t)[:, None])
        yield difference(lambda size, edit=edit: by_hand(bert, SENTENCE, PAIR, edit(size))[1])


def test_gradient_times_input_equals_differences_in_numpy(bert):
    x, metric = by_hand(bert, SENTENCE, PAIR)
    result = analysis.attribute(bert, SENTENCE, first, PAIR, method="gradient_times_input")
    assert result.tokens == TOKENS
    np.testing.assert_allclose(result.metric, metric, atol=1e-5)
    np.testing.assert_allclose(result.attributions, list(slopes(bert, x, x)), atol=2e-5)


def baseline_of(bert, token):
    """The embedding output with one token in place of all but [CLS] and [SEP], from NumPy."""
    words = [" ".join([token] * len(text.split())) for text in (SENTENCE, PAIR)]
    return by_hand(bert, *words)[0]


@pytest.mark.parametrize("baseline", [None, "[MASK]", "array"])
def test_integrated_gradients_equal_differences_in_numpy(bert, baseline):
    x = by_hand(bert, SENTENCE, PAIR)[0]
    other = x / 2 + 0.1 if baseline == "array" else baseline_of(bert, baseline or "[PAD]")
    passed = other if baseline == "array" else baseline
    result = analysis.attribute(bert, SENTENCE, first, PAIR, baseline=passed, steps=5)
    nodes, weights = np.polynomial.legendre.leggauss(5)
    rows = [list(slopes(bert, other + (node + 1) / 2 * (x - other), x - other)) for node in nodes]
    np.testing.assert_allclose(result.attributions, weights / 2 @ rows, atol=2e-5)
    difference = by_hand(bert, SENTENCE, PAIR)[1] - by_hand(bert, SENTENCE, PAIR, moved(other, 0)(0))[1]
    np.testing.assert_allclose(result.metric - result.baseline_metric, difference, atol=2e-5)


@pytest.mark.parametrize("pair", [None, PAIR])
def test_integrated_gradients_sum_to_the_difference(bert, pair):
    result = analysis.attribute(bert, SENTENCE, first, pair, steps=200)
    assert abs(result.metric - result.baseline_metric) > 0.1
    np.testing.assert_allclose(result.attributions.sum(), result.metric - result.baseline_metric, atol=1e-4)
    assert abs(result.completeness_error) < 1e-4
    special = [token in ("[CLS]", "[SEP]") for token in result.tokens]
    assert not result.attributions[special].any()  # they are the same in the baseline
    assert result.attributions[~np.array(special)].all()


def test_a_text_that_is_the_baseline_has_no_attributions(bert):
    result = analysis.attribute(bert, "[MASK] [MASK]", first, baseline="[MASK]")
    assert (result.attributions.tolist(), result.completeness_error) == ([0] * 4, 0)


def test_gradients_of_attention_weights_equal_differences_in_numpy(bert):
    gradients = analysis.attention_gradients(bert, SENTENCE, first, PAIR)
    length = len(TOKENS)
    assert gradients.shape == (L, N, length, length)
    rng = np.random.default_rng(0)
    for layer in range(L):
        for _ in range(9):
            index = tuple(rng.integers((N, length, length)))
            index = (index[0], 1, index[2]) if layer == L - 1 else index  # the metric sees two tokens of the last layer

            def edit(size, layer=layer, index=index):
                change = np.zeros((1, N, length, length))
                change[(0, *index)] = size
                return lambda name, y: y + change if name == f"layer_{layer}/attention_scores" else y

            expected = difference(lambda size, edit=edit: by_hand(bert, SENTENCE, PAIR, edit(size))[1])
            np.testing.assert_allclose(gradients[(layer, *index)], expected, atol=2e-5, err_msg=f"{layer} {index}")
    assert np.abs(gradients[:-1]).min() > 0
    assert not gradients[-1, :, 2:].any()  # what no output of the metric depends on


def scaled(layer, head, factor):
    """An edit that multiplies the output of one head."""
    factors = np.where(np.arange(N) == head, factor, 1)[:, None, None]
    return lambda name, y: y * factors if name == f"layer_{layer}/head_outputs" else y


def importance_by_hand(bert, text, pair=None):
    def slope(layer, head):
        return abs(difference(lambda size: by_hand(bert, text, pair, scaled(layer, head, 1 + size))[1]))

    return np.array([[slope(layer, head) for head in range(N)] for layer in range(L)])


def test_the_metrics_of_the_module_s_docstring(bert):
    def class_logit(outputs):
        return bert.classifier.classifier(outputs["pooled_output"])[:, 1]

    def token_logit(outputs):
        positions = keras.ops.full((len(outputs["sequence_output"]), 1), 4)
        return bert.masked_lm.masked_lm(outputs["sequence_output"], positions)[:, 0, 6]

    source = analysis.gradients.__doc__.replace("2769", "6")
    for line in ('outputs["pooled_output"])[:, 1]', "positions)[:, 0, 6]", '["sequence_output"]), 1), 4)'):
        assert line in source
    expected = ops.convert_to_numpy(bert.classifier(inputs_of(bert, SENTENCE), training=False))[0, 1]
    assert analysis.attribute(bert, SENTENCE, class_logit, steps=4).metric == pytest.approx(expected, abs=1e-5)
    metric = analysis.attribute(bert, SENTENCE, token_logit, steps=4).metric
    sequence = bert.read(SENTENCE).sequence_output[None]
    expected = ops.convert_to_numpy(bert.masked_lm.masked_lm(sequence, np.array([[4]])))[0, 0, 6]
    assert metric == pytest.approx(expected, abs=1e-5)


TEXTS = [SENTENCE, "the dog ran", "the cat sat", "it was unwanted , it was warm"]


def test_head_importance_equals_differences_in_numpy(bert):
    expected = [importance_by_hand(bert, text) for text in TEXTS]
    np.testing.assert_allclose(analysis.head_importance(bert, TEXTS, first), np.mean(expected, axis=0), atol=2e-5)
    pairs = [PAIR, "the mat", "warm", "."]
    expected = [importance_by_hand(bert, *texts) for texts in zip(TEXTS, pairs, strict=True)]
    result = analysis.head_importance(bert, TEXTS, first, pairs)
    np.testing.assert_allclose(result, np.mean(expected, axis=0), atol=2e-5)


def test_head_importance_is_the_gradient_of_head_mask(bert):
    def metric(mask):
        return first(bert.encoder(inputs_of(bert, SENTENCE), head_mask=mask[0], training=False))

    expected = np.abs(value_and_gradient(metric, np.ones((1, L, N), "float32"))[1][0])
    np.testing.assert_allclose(analysis.head_importance(bert, [SENTENCE], first), expected, atol=1e-6)


def test_head_importance_in_half_precision_is_close(bert):
    half = be.Bert(bert.tokenizer, be.classifier.copy_encoder(bert.encoder, "mixed_bfloat16"))
    expected = analysis.head_importance(bert, [SENTENCE], first)
    np.testing.assert_allclose(analysis.head_importance(half, [SENTENCE], first), expected, atol=0.1 * expected.max())
    assert analysis.attention_gradients(half, SENTENCE, first).any()


def test_a_head_without_effect_is_not_important(bert):
    kernel = bert.encoder.transformer_layers[1].attention.output_dense.kernel  # [N, H, D]
    before = ops.convert_to_numpy(kernel)
    try:
        kernel.assign(np.where(np.arange(N)[:, None, None] == 0, 0, before))
        result = analysis.head_importance(bert, TEXTS[:2], first)
        assert result[1, 0] == 0
        assert np.delete(result, 2).all()
    finally:
        kernel.assign(before)


def test_pruned_heads_have_neither_importance_nor_gradients(bert):
    smaller = be.prune(bert, heads={0: [1], 2: [0]})
    importance = analysis.head_importance(smaller, [SENTENCE], first)
    for result in (importance, analysis.attention_gradients(smaller, SENTENCE, first)):
        assert [bool(result[index].any()) for index in np.ndindex(L, N)] == [True, False, True, True, False, True]

    def metric(mask):
        return first(bert.encoder(inputs_of(bert, SENTENCE), head_mask=mask[0], training=False))

    point = np.array([[[1, 0], [1, 1], [0, 1]]], "float32")
    expected = np.abs(value_and_gradient(metric, point)[1][0]) * point[0]
    np.testing.assert_allclose(importance, expected, atol=1e-5)


def test_labels_come_with_their_texts_in_any_order_of_batches(bert):
    labels = np.array([2, 0, 1, 0])
    head, seen = bert.classifier.classifier, []

    def loss(outputs, labels):
        seen.append(len(labels))
        logits = head(outputs["pooled_output"])
        return keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)

    alone = [analysis.head_importance(bert, [text], loss, labels=[i]) for text, i in zip(TEXTS, labels, strict=True)]
    seen.clear()
    result = analysis.head_importance(bert, TEXTS, loss, labels=labels, progress=False)
    assert sorted(seen) == [1, 1, 2]  # two texts have the same length
    np.testing.assert_allclose(result, np.mean(alone, axis=0), rtol=1e-4)
    swapped = analysis.head_importance(bert, TEXTS, loss, labels=labels[::-1])
    assert np.abs(swapped - result).max() > 1e-3


def test_texts_are_batched_by_tokens_and_chunks(bert, monkeypatch):
    whole, sizes = analysis.head_importance(bert, TEXTS * 3, first), []
    monkeypatch.setattr("bertedu.analysis.gradients.BATCH_TOKENS", 13)
    monkeypatch.setattr("bertedu.analysis.gradients.CHUNK", 5)

    def metric(outputs):
        sizes.append(outputs["sequence_output"].shape[:2])
        return first(outputs)

    np.testing.assert_allclose(analysis.head_importance(bert, TEXTS * 3, metric), whole, atol=1e-5)
    assert sum(count for count, _ in sizes) == len(TEXTS) * 3
    assert max(count * length for count, length in sizes if count > 1) <= 13
    assert any(count > 1 for count, _ in sizes)


@pytest.mark.parametrize(
    ("function", "arguments", "options", "error", "message"),
    [
        ("attribute", ("the cat", first), {"method": "lime"}, ValueError, "method: .*'lime'"),
        ("attribute", ("the cat", first), {"baseline": "hamster"}, ValueError, "baseline: .*'hamster'"),
        ("attribute", ("the cat", first), {"baseline": np.zeros(5)}, ValueError, r"baseline: .*\[4, 14\], got \[5\]"),
        ("attribute", ("the cat", "pooled_output"), {}, TypeError, "metric: .*'pooled_output'"),
        ("attribute", (["the cat"], first), {}, TypeError, "text: expected one string"),
        ("attribute", ("the " * 30, first), {}, ValueError, "text: expected at most 19 tokens, got 32"),
        ("attribute", ("cat", lambda o: o["pooled_output"]), {}, ValueError, r"metric: .*\(52,\), got \(52, 14\)"),
        ("attention_gradients", ("the cat", None), {}, TypeError, "metric: .* None"),
        ("attention_gradients", ("cat", lambda o: ops.ones(1)), {}, ValueError, "metric: .* constant"),
        ("head_importance", ([], first), {}, ValueError, "texts: expected at least one"),
        ("head_importance", (["the cat"], first, ["a", "b"]), {}, ValueError, "pairs: expected 1.* got 2"),
        ("head_importance", (["the cat"], first), {"labels": 3}, ValueError, "labels: expected 1.* got a single value"),
        ("head_importance", (["the cat", 5], first), {}, TypeError, "texts: .* 5"),
    ],
)
def test_bad_arguments(bert, function, arguments, options, error, message):
    with pytest.raises(error, match=message):
        getattr(analysis, function)(bert, *arguments, **options)


@pytest.mark.parametrize("function", [analysis.attribute, analysis.attention_gradients, analysis.head_importance])
def test_a_model_is_needed(function):
    with pytest.raises(TypeError, match="bert: expected a Bert, such as"):
        function("minilm", "the cat", first)


@pytest.mark.parametrize("source", ["tiny", "minilm"])
@pytest.mark.peers
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the same test on one backend is enough")
def test_integrated_gradients_equal_those_of_captum(source, tmp_path):
    """captum, on transformers' model of the same weights, with torch's gradients."""
    torch = pytest.importorskip("torch")
    captum = pytest.importorskip("captum.attr")
    transformers = pytest.importorskip("transformers")
    path = tiny_bert.write(tmp_path / "tiny") if source == "tiny" else be.presets.offline_model_directory()
    bert, model = be.load(path), transformers.BertModel.from_pretrained(path, attn_implementation="eager").eval()
    text = "the dog ran on the mat , and it was warm ."
    ids = torch.tensor([bert.read(text).ids])
    baseline = ids.clone()
    baseline[:, 1:-1] = bert.tokenizer.pad_id

    def metric(embeddings):
        return model.pooler(model.encoder(embeddings).last_hidden_state)[:, 3]

    with torch.no_grad():
        x, other = model.embeddings(ids), model.embeddings(baseline)
    method = captum.IntegratedGradients(metric)
    expected, error = method.attribute(x, other, n_steps=20, return_convergence_delta=True)
    result = analysis.attribute(bert, text, lambda outputs: outputs["pooled_output"][:, 3], steps=20)
    scale = np.abs(result.attributions).max()
    np.testing.assert_allclose(result.attributions, expected[0].sum(-1).numpy(), atol=1e-5 * max(scale, 1))
    np.testing.assert_allclose(result.completeness_error, error.item(), atol=1e-5 * max(scale, 1))
    product = captum.InputXGradient(metric).attribute(x.requires_grad_())[0].sum(-1).detach()
    result = analysis.attribute(
        bert, text, lambda outputs: outputs["pooled_output"][:, 3], method="gradient_times_input"
    )
    np.testing.assert_allclose(result.attributions, product.numpy(), atol=1e-5 * max(scale, 1))


# -- comprehensiveness and sufficiency ---------------------------------------------------------------------------------


def test_comprehensiveness_and_sufficiency_by_hand():
    assert analysis.comprehensiveness(0.9, [0.8, 0.1]) == pytest.approx((0.1 + 0.8) / 2)
    assert analysis.sufficiency(0.9, [0.9, 0.95]) == pytest.approx((0 - 0.05) / 2)
    many = analysis.comprehensiveness([0.9, 0.5], [[0.8, 0.1, 0.0], [0.5, 0.5, 0.5]])
    np.testing.assert_allclose(many, [(0.1 + 0.8 + 0.9) / 3, 0], atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.9, 0.8), r"without: expected shape \['K'\], an axis more than probability, got \[\]"),
        (([0.9, 0.8], [0.1, 0.2]), r"without: .* got \[2\]"),
        ((0.9, []), r"without: .* got \[0\]"),
        ((1.2, [0.5]), "probability: .* got 1.2 to 1.2"),
        ((0.5, [0.5, -0.1]), "without: .* got -0.1 to 0.5"),
        ((0.5, [np.nan]), "without: expected finite"),
    ],
)
def test_they_take_probabilities(arguments, message):
    with pytest.raises(ValueError, match=message):
        analysis.comprehensiveness(*arguments)


def test_faithfulness_equals_predictions_for_the_shorter_texts(bert):
    values = [9, 3, 5, 1, 2, 4, 3.5, 9]  # [CLS] the cat sat on the mat [SEP]: cat, the (2), mat, the (1), on, sat
    result = analysis.faithfulness(bert, SENTENCE, values)
    without = ["the sat on the mat"] * 3 + ["the sat on mat", "the sat on"]  # of six tokens one, one, one, two, three
    only = ["cat"] * 3 + ["cat the", "cat the mat"]
    predicted = be.fine_tuning.predict(bert.classifier, bert.preprocessor, [SENTENCE, *without, *only])
    assert result.label == predicted[0].argmax()
    expected = predicted[:, result.label]
    np.testing.assert_allclose(result.probability, expected[0], atol=1e-5)
    np.testing.assert_allclose(result.without, expected[1:6], atol=1e-5)
    np.testing.assert_allclose(result.only, expected[6:], atol=1e-5)
    np.testing.assert_allclose(result.comprehensiveness, np.mean(expected[0] - expected[1:6]), atol=1e-5)
    np.testing.assert_allclose(result.sufficiency, np.mean(expected[0] - expected[6:]), atol=1e-5)
    other = analysis.faithfulness(bert, SENTENCE, values, label=1, fractions=[0.34, 0.0])
    predicted = be.fine_tuning.predict(bert.classifier, bert.preprocessor, ["the sat on", "cat the mat"])
    np.testing.assert_allclose([other.without[0], other.only[0]], predicted[:, 1], atol=1e-5)
    assert other.without[1] == pytest.approx(result.without[0]) if result.label == 1 else other.label == 1


def test_faithfulness_of_a_pair_keeps_the_segments(bert):
    values = np.arange(12.0)[::-1]  # the first tokens are the top ones
    result = analysis.faithfulness(bert, SENTENCE, values, PAIR, label=0, fractions=[2 / 3, 1])
    predicted = be.fine_tuning.predict(bert.classifier, bert.preprocessor, ["", SENTENCE, ""], [PAIR, "", ""])
    np.testing.assert_allclose(result.without, predicted[[0, 2], 0], atol=1e-5)
    np.testing.assert_allclose(result.only, [predicted[1, 0], result.probability], atol=1e-5)


def test_faithfulness_takes_what_attribute_returns(bert):
    head = bert.classifier.classifier
    label = analysis.faithfulness(bert, SENTENCE, np.zeros(8)).label
    found = analysis.attribute(bert, SENTENCE, lambda outputs: head(outputs["pooled_output"])[:, label])
    result = analysis.faithfulness(bert, SENTENCE, found)
    same = analysis.faithfulness(bert, SENTENCE, found.attributions)
    np.testing.assert_array_equal(result.without, same.without)
    opposite = analysis.faithfulness(bert, SENTENCE, -found.attributions)  # its top half is the other half
    np.testing.assert_allclose([opposite.without[-1], opposite.only[-1]], [result.only[-1], result.without[-1]], 1e-5)
    assert result.without[-1] != pytest.approx(result.only[-1])


def test_bad_arguments_of_faithfulness(bert):
    for options, message in (
        ({"attributions": np.ones(3)}, r"attributions: .* T = 8, got \[3\]"),
        ({"fractions": []}, "fractions: expected at least one"),
        ({"fractions": [1.5]}, "fractions: .* got 1.5"),
        ({"label": 3}, "label: .* 0 to 2, got 3"),
    ):
        with pytest.raises(ValueError, match=message):
            analysis.faithfulness(bert, SENTENCE, **{"attributions": np.ones(8)} | options)
    plain = be.Bert(bert.tokenizer, bert.encoder, name="plain")
    with pytest.raises(ValueError, match="bert: expected a model with a classifier, got 'plain'"):
        analysis.faithfulness(plain, SENTENCE, np.ones(8))
    number = be.Bert(bert.tokenizer, bert.encoder, classifier=be.BertClassifier(bert.encoder, 1))
    with pytest.raises(ValueError, match="bert: .* regression"):
        analysis.faithfulness(number, SENTENCE, np.ones(8))


def test_classes_that_do_not_exclude_each_other_have_their_own_probabilities(bert):
    several = be.BertClassifier(bert.encoder, 3, multi_label=True)
    model = be.Bert(bert.tokenizer, bert.encoder, classifier=several)
    probabilities = be.fine_tuning.predict(several, bert.preprocessor, [SENTENCE])[0]
    for label in range(3):
        result = analysis.faithfulness(model, SENTENCE, np.ones(8), label=label)
        assert result.probability == pytest.approx(probabilities[label], abs=1e-5)


# -- the layer lens ----------------------------------------------------------------------------------------------------


def test_ranks_by_hand():
    logits = [[0.5, 2.0, 1.0, 2.0], [3.0, 0.0, 0.0, 1.0]]
    assert analysis.ranks(logits, [2, 0]).tolist() == [3, 1]
    assert analysis.ranks(logits, 3).tolist() == [1, 2]  # equal logits have the same rank
    assert analysis.ranks([-np.inf, 0.0], 0) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1.0, 2.0]], 2), "ids: .* from 0 to 1, got 2 to 2"),
        (([[1.0, 2.0]], [0, 1]), r"ids: .*\[1\], got \[2\]"),
        (([], 0), "logits: .* got"),
        (([np.nan, 1.0], 0), "logits: .* NaN"),
    ],
)
def test_ranks_check_their_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        analysis.ranks(*arguments)


def probabilities_by_hand(bert, vectors):
    """The masked-LM head in NumPy: `[..., D]` -> `[..., V]`."""
    w = {w.path.split("/")[-2] + "/" + w.path.split("/")[-1]: w for w in bert.masked_lm.masked_lm.weights}
    w = {name: ops.convert_to_numpy(weight).astype("float64") for name, weight in w.items()}
    table = ops.convert_to_numpy(bert.encoder.get_embedding_table()).astype("float64")
    hidden = np.maximum(vectors @ w["transform/kernel"] + w["transform/bias"], 0)
    hidden = numpy_bert.layer_norm(hidden, w["layer_norm/gamma"], w["layer_norm/beta"])
    logits = hidden @ table.T + next(value for name, value in w.items() if name.endswith("output_bias"))
    exps = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exps / exps.sum(axis=-1, keepdims=True)


def test_the_lens_equals_the_head_in_numpy(bert):
    lens = analysis.layer_lens(bert, MASKED, targets=["cat", "mat"], top_k=4)
    vectors = analysis.layer_vectors(bert.read(MASKED))[:, [2, 6]].astype("float64")  # [L + 1, M, D]
    expected = probabilities_by_hand(bert, vectors)  # [L + 1, M, V]
    assert lens.positions == [2, 6]
    order = np.argsort(-expected, axis=-1)
    assert lens.top_tokens.tolist() == np.array(VOCABULARY)[order[..., :4]].tolist()
    np.testing.assert_allclose(lens.top_probabilities, np.sort(expected)[..., :-5:-1], atol=1e-5)
    ids = [VOCABULARY.index("cat"), VOCABULARY.index("mat")]
    np.testing.assert_allclose(lens.probabilities, expected[:, [0, 1], ids], atol=1e-5)
    assert lens.ranks.tolist() == [[list(row[m]).index(ids[m]) + 1 for m in (0, 1)] for row in order]


def test_the_last_layer_of_the_lens_is_fill_mask(bert):
    lens, predictions = analysis.layer_lens(bert, MASKED, PAIR), bert.fill_mask(MASKED, PAIR)
    assert lens.top_tokens[-1].tolist() == [[token for token, _ in row] for row in predictions]
    expected = [[probability for _, probability in row] for row in predictions]
    np.testing.assert_allclose(lens.top_probabilities[-1], expected, atol=1e-6)
    assert lens.targets == [row[0][0] for row in predictions]
    assert (lens.ranks[-1] == 1).all()
    np.testing.assert_allclose(lens.probabilities[-1], lens.top_probabilities[-1, :, 0])


def test_positions_and_targets_of_the_lens(bert):
    whole = analysis.layer_lens(bert, SENTENCE, targets="cat", top_k=1)  # without [MASK]: all tokens
    assert whole.positions == list(range(8))
    assert whole.targets == ["cat"] * 8
    some = analysis.layer_lens(bert, SENTENCE, positions=[5, 1], targets=["cat", "dog"], top_k=1)
    assert some.positions == [5, 1]
    np.testing.assert_array_equal(some.ranks[:, 0], whole.ranks[:, 5])
    assert "position 5, rank of 'cat'" in repr(some)
    assert f"layer {L - 1}" in repr(some)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": "hamster"}, "targets: .*'hamster'"),
        ({"targets": ["cat"]}, "targets: expected 2 strings, one for each position, got 1"),
        ({"positions": [8]}, "positions: .* got 8"),
        ({"positions": []}, "positions: expected at least one"),
        ({"top_k": 21}, "top_k: .* 20, got 21"),
        ({"pair": "the " * 30}, "text: expected at most 19 tokens"),
    ],
)
def test_bad_arguments_of_the_lens(bert, options, message):
    with pytest.raises(ValueError, match=message):
        analysis.layer_lens(bert, MASKED, **options)
    with pytest.raises(ValueError, match="bert: expected a model with a masked-LM head, got 'plain'"):
        analysis.layer_lens(be.Bert(bert.tokenizer, bert.encoder, name="plain"), MASKED)
