"""Pruning: the pruned model equals the masked one, and stays itself in every format, view and training.

The oracles are `head_mask`, and copies of the model whose output kernels are 0 in the rows of what is removed.
"""

import itertools
import json

import keras
import numpy as np
import pytest
from keras import ops
from small_world import SENTENCE, VOCABULARY

import bertedu as be
from bertedu.backend import devices
from bertedu.fine_tuning import run as running
from bertedu.inputs import INPUTS
from bertedu.masked_lm import MaskedLM

L, N, D, F = 3, 5, 15, 11
HEADS, NEURONS = {0: [3, 1], 2: [0, 2, 3, 4]}, {0: [10], 1: [0, 2, 4, 6, 8]}
TEXTS = [SENTENCE, "it was warm", "the unwanted cat"]
MASKED = "the [MASK] sat on the mat"
tensorflow_only = pytest.mark.skipif(devices.backend() != "tensorflow", reason="written by TensorFlow")


def randomized(layer, seed=0):
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        weight.assign(rng.normal(1.0 if "gamma" in weight.path else 0.0, 0.3, weight.shape))
    return layer


def encoder_of(**options):
    sizes = {"num_layers": L, "num_attention_heads": N, "max_sequence_length": 17, "type_vocab_size": 2, "inner_dim": F}
    return randomized(be.BertEncoder(len(VOCABULARY), D, **sizes | options))


def bert_of(*heads, **options):
    encoder, tokenizer = encoder_of(**options), be.BertTokenizer(VOCABULARY)
    parts = {
        "masked_lm": lambda: be.BertPretrainer(encoder, mlm_activation="relu"),
        "classifier": lambda: be.BertClassifier(encoder, 3, class_names=["no", "maybe", "yes"]),
    }
    built = {head: randomized(parts[head]()) for head in heads}
    settings = be.pooling.EmbedSettings("max", max_length=9)
    return be.Bert(
        tokenizer, encoder, be.BertPreprocessor(tokenizer, 12), embed_settings=settings, name="small", **built
    )


def head_mask(heads=HEADS):
    mask = np.ones((L, N), "float32")
    for layer, indices in heads.items():
        mask[layer, indices] = 0
    return mask


def zeroed(model, heads=HEADS, neurons=NEURONS):
    """A copy of a model whose output kernels are 0 in the rows of these heads and neurons."""
    copy = be.prune(model)
    layers = getattr(copy, "encoder", copy).transformer_layers
    for parts, part in ((heads, "attention"), (neurons, "feedforward")):
        for layer, rows in parts.items():
            kernel = getattr(layers[layer], part).output_dense.kernel
            values = np.array(ops.convert_to_numpy(kernel))
            values[rows] = 0
            kernel.assign(values)
    return copy


def outputs(encoder, **options):
    ids = np.random.default_rng(1).integers(1, len(VOCABULARY), (2, 7)).astype("int32")
    ids[1, 5:] = 0
    inputs = dict(zip(INPUTS, (ids, (ids > 0).astype("int32"), ids % 2), strict=True))
    results = encoder(inputs, return_attention_scores=True, return_qkv=True, training=False, **options)
    return keras.tree.map_structure(lambda tensor: ops.convert_to_numpy(ops.cast(tensor, "float32")), results)


def answers(bert):
    """All that a `Bert` answers: arrays by name."""
    readings = [bert.read(text) for text in TEXTS]
    arrays = {f"encoder_outputs {i}": reading.encoder_outputs for i, reading in enumerate(readings)}
    arrays |= {f"pooled_output {i}": reading.pooled_output for i, reading in enumerate(readings)}
    if bert.masked_lm is not None:
        arrays["fill_mask"] = np.array([p for _, p in sorted(bert.fill_mask(MASKED, top_k=len(VOCABULARY))[0])])
    if bert.classifier is not None:
        arrays["logits"] = ops.convert_to_numpy(bert.classifier(bert.preprocessor(TEXTS), training=False))
    return arrays


def assert_close(actual, expected, error=1e-6):
    """Compare arrays, with an error relative to the largest element, or to 1."""
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max() <= error * max(1.0, np.abs(expected).max())


def assert_same(actual, expected, error=1e-6):
    assert actual.keys() == expected.keys()
    for name, array in expected.items():
        assert_close(actual[name], array, error)


# -- equal to the masked model -----------------------------------------------------------------------------------------


def test_without_heads_it_equals_the_model_with_a_head_mask():
    encoder = encoder_of()
    pruned = be.prune(encoder, HEADS)
    expected, actual = outputs(encoder, head_mask=head_mask()), outputs(pruned)
    for name in ("sequence_output", "pooled_output"):
        assert_close(actual[name], expected[name])
    for name in ("attention_scores", "queries", "keys", "values"):
        for heads, layer, every in zip(pruned.remaining_heads, actual[name], expected[name], strict=True):
            assert layer.shape[1] == len(heads) < N or heads == list(range(N))
            assert_close(layer, every[:, heads])


@pytest.mark.parametrize("feedforward", [be.Feedforward, be.GatedFeedforward])
@pytest.mark.parametrize("norm_first", [False, True])
def test_without_heads_and_neurons_it_equals_the_model_in_which_they_are_0(feedforward, norm_first):
    encoder = encoder_of(feedforward_cls=feedforward, norm_first=norm_first)
    expected, actual = outputs(zeroed(encoder)), outputs(be.prune(encoder, HEADS, NEURONS))
    assert_close(actual["sequence_output"], expected["sequence_output"])
    assert np.abs(outputs(encoder)["sequence_output"] - expected["sequence_output"]).max() > 0.1


def test_a_whole_bert_with_its_heads_is_pruned_and_the_original_stays_as_it_is():
    bert = bert_of("masked_lm", "classifier")
    before = answers(bert)
    pruned = be.prune(bert, HEADS, NEURONS)
    assert_same(answers(pruned), answers(zeroed(bert)), 5e-6)
    assert_same(answers(bert), before, 0)
    assert pruned.masked_lm.encoder_network is pruned.classifier.network is pruned.encoder is not bert.encoder
    kept = ("tokenizer", "preprocessor", "name", "has_pooler", "embed_settings", "max_length")
    assert all(getattr(pruned, name) == getattr(bert, name) for name in kept)
    assert pruned.classifier.class_names == ("no", "maybe", "yes")
    assert "5 heads (6 pruned)" in repr(pruned) and "pruned" not in repr(bert)


def test_its_matrices_are_smaller():
    pruned = be.prune(encoder_of(), HEADS, NEURONS)
    shapes = {weight.path.split("/", 1)[1]: tuple(weight.shape) for weight in pruned.weights}
    assert shapes["layer_2/self_attention/query/kernel"] == (D, 1, D // N)
    assert shapes["layer_2/self_attention/attention_output/kernel"] == (1, D // N, D)
    assert shapes["layer_1/feedforward/intermediate/kernel"] == (D, F - 5)
    assert shapes["layer_1/feedforward/output/kernel"] == (F - 5, D)
    assert pruned.inner_dim == (F - 1, F - 5, F) and pruned.pruned_heads == {0: [1, 3], 2: [0, 2, 3, 4]}


def test_minilm_equals_the_masked_one():
    bert, rng = be.load("minilm"), np.random.default_rng(0)
    heads = {layer: rng.choice(12, 5, replace=False) for layer in range(6)}
    mask = np.ones((6, 12))
    for layer, indices in heads.items():
        mask[layer, indices] = 0
    text = "The cat sat on the mat."
    expected, actual = bert.read(text, head_mask=mask), be.prune(bert, heads).read(text)
    assert_close(actual.encoder_outputs, expected.encoder_outputs)
    assert np.abs(bert.read(text).sequence_output - expected.sequence_output).max() > 0.1


# -- once more ---------------------------------------------------------------------------------------------------------


def test_pruned_once_more_heads_have_their_first_numbers_and_neurons_new_ones():
    encoder = encoder_of()
    at_once = be.prune(encoder, {0: [1, 3], 1: [2]}, {0: [0, 1, 5]})
    in_steps = be.prune(be.prune(encoder, {0: [3]}, {0: [1]}), {0: [1, 3], 1: [2]}, {0: [0, 4]})
    assert at_once.get_config() == in_steps.get_config() | {"name": at_once.name}
    for one, two in zip(at_once.get_weights(), in_steps.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_second_model_of_fill_mask_is_pruned_too():
    second = bert_of("masked_lm")
    bert = bert_of()
    assert be.prune(bert, HEADS).load_masked_lm is None
    bert.load_masked_lm = lambda: second
    pruned = be.prune(be.prune(bert, HEADS), None, NEURONS)
    assert pruned.masked_lm_bert.encoder.get_config()["inner_dim"] == [F - 1, F - 5, F]
    assert pruned.fill_mask(MASKED)[0][0][1] == pytest.approx(zeroed(second).fill_mask(MASKED)[0][0][1], abs=1e-6)


def test_the_same_number_of_neurons_in_all_layers_is_one_number():
    assert be.prune(encoder_of(), neurons={layer: [layer] for layer in range(L)}).inner_dim == F - 1


def test_frozen_layers_dropout_and_dtype_are_kept():
    encoder = encoder_of(dtype="bfloat16")
    encoder.transformer_layers[1].trainable = False
    encoder.transformer_layers[0].dropout.rate = 0.25
    pruned = be.prune(encoder, HEADS, NEURONS)
    assert pruned.dtype_policy.name == "bfloat16" and pruned.transformer_layers[0].dropout.rate == 0.25
    assert [layer.trainable for layer in pruned.transformer_layers] == [True, False, True]


def test_a_masked_lm_head_and_a_classifier_of_ones_own_are_copied():
    encoder, tokenizer = encoder_of(), be.BertTokenizer(VOCABULARY)
    head = MaskedLM(encoder.get_embedding_layer(), "tanh", name="own")
    masked_lm = be.BertPretrainer(
        encoder, customized_masked_lm=head, classification_heads=[be.ClassificationHead(4, 2)]
    )
    classifier = be.BertClassifier(encoder, 3, cls_head=keras.layers.Dense(3))
    heads = {"masked_lm": randomized(masked_lm, 3), "classifier": randomized(classifier, 3)}
    bert = be.Bert(tokenizer, encoder, be.BertPreprocessor(tokenizer, 12), **heads)
    pruned = be.prune(bert, HEADS, NEURONS)
    assert_same(answers(pruned), answers(zeroed(bert)), 5e-6)
    assert pruned.masked_lm.masked_lm.table is pruned.encoder.get_embedding_table()
    for one, two in zip(*(b.masked_lm.classification_heads[0].weights for b in (bert, pruned)), strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(one), ops.convert_to_numpy(two))


# -- readings keep the numbers of heads --------------------------------------------------------------------------------


def test_a_reading_has_zeros_for_pruned_heads():
    bert = bert_of()
    expected = bert.read(SENTENCE, return_qkv=True, head_mask=head_mask())
    reading = be.prune(bert, HEADS).read(SENTENCE, return_qkv=True)
    for name in ("attention", "queries", "keys", "values"):
        array, every = getattr(reading, name), getattr(expected, name)
        assert array.shape == every.shape and array.dtype == np.float32
        assert_close(array, every * head_mask()[..., None, None])


def test_edits_of_a_reading_and_its_sites_have_all_heads():
    bert = bert_of()
    pruned, site = be.prune(bert, HEADS), "layer_0/head_outputs"
    four = (np.arange(N) != 4)[:, None, None]  # the second that is left in layer 0
    reading = pruned.read(SENTENCE, edit={site: lambda heads: heads * four}, return_sites=[site])
    expected = bert.read(SENTENCE, head_mask=head_mask(HEADS | {0: [1, 3, 4]}))
    assert_close(reading.encoder_outputs, expected.encoder_outputs)
    assert reading.sites[site].shape[0] == N and not reading.sites[site][[1, 3, 4]].any()
    assert reading.sites[site][[0, 2]].any(axis=(1, 2)).all()
    off = be.interventions.switched_off(pruned.encoder, heads=[(0, 4)])
    assert_close(pruned.read(SENTENCE, edit=off).encoder_outputs, expected.encoder_outputs)
    ids = np.array([bert.preprocessor.encode(SENTENCE).ids], "int32")
    inputs = dict(zip(INPUTS, (ids, np.ones_like(ids), np.zeros_like(ids)), strict=True))
    assert_close(pruned.encoder(inputs, edit=off)["sequence_output"][0], expected.encoder_outputs[-1])


def test_the_neuron_view_of_a_pruned_head_says_so():
    view = be.prune(bert_of(), HEADS).read(SENTENCE, return_qkv=True).view("neuron", layer=0, head=1)
    assert view.notes == ["6 of 15 heads are pruned: all their weights are 0."]
    assert view.setup()["pruned"][0] == [False, True, False, True, False]
    (image,) = view.axes().images
    assert not np.asarray(image.get_array()).any()


def test_distances_of_pruned_heads_are_left_out():
    distances = be.analysis.head_distances(be.prune(bert_of(), HEADS).read(SENTENCE))
    pruned = np.isnan(distances).all(axis=-1)
    assert pruned.sum() == 6
    points, clusters = be.analysis.multidimensional_scaling(distances), be.analysis.head_clusters(distances, 3)
    assert (np.isnan(points).all(axis=-1) == pruned).all() and ((clusters == -1) == pruned).all()
    rest = distances[np.ix_(~pruned, ~pruned)]
    np.testing.assert_allclose(points[~pruned], be.analysis.multidimensional_scaling(rest))
    np.testing.assert_array_equal(clusters[~pruned], be.analysis.head_clusters(rest, 3))


def test_the_head_mask_of_a_pruned_model_has_all_heads():
    bert = bert_of()
    pruned = be.prune(bert, HEADS)
    mask = head_mask({0: [4, 1], 1: [0]})
    expected = bert.read(SENTENCE, head_mask=mask * head_mask())
    reading = pruned.read(SENTENCE, head_mask=mask)
    assert_close(reading.encoder_outputs, expected.encoder_outputs)
    assert np.abs(reading.encoder_outputs - pruned.read(SENTENCE).encoder_outputs).max() > 0.1
    for values in (mask, mask.tolist(), ops.convert_to_tensor(mask)):
        actual = outputs(pruned.encoder, head_mask=values)["sequence_output"]
        assert_close(actual, outputs(bert.encoder, head_mask=mask * head_mask())["sequence_output"])


def test_analysis_views_and_plots_show_that_heads_are_pruned(tmp_path):
    bert = be.prune(bert_of(), HEADS)
    reading = bert.read(SENTENCE, return_qkv=True)
    statistics = be.analysis.head_statistics(reading.attention, reading.tokens)
    assert (statistics.labels == "pruned").tolist() == (head_mask() == 0).tolist()
    assert "pruned            6   0.1 (0.00)" in statistics.summary()
    remaining = np.stack([layer[layer.any(axis=(1, 2))].mean(axis=0) for layer in reading.attention])
    np.testing.assert_allclose(be.analysis.rollout(reading), be.analysis.rollout(remaining), atol=1e-6)
    for kind in ("model", "head", "neuron"):
        assert reading.view(kind).save(tmp_path / f"{kind}.html").stat().st_size
    assert reading.view("head").notes == ["6 of 15 heads are pruned: all their weights are 0."]
    for head in itertools.chain([()], [(0,), (0, 1)]):
        assert reading.save(tmp_path / "figure.png", *head).stat().st_size
    assert be.explorer(bert, SENTENCE).save(tmp_path / "page.html").stat().st_size


def test_an_attention_of_only_zeros_is_still_wrong():
    with pytest.raises(ValueError, match="rows that sum to 1"):
        be.analysis.head_statistics(np.zeros((2, 3, 4, 4)), list("abcd"))


# -- formats -----------------------------------------------------------------------------------------------------------

FORMATS = [
    ("bertedu", "model", ("masked_lm", "classifier")),
    ("keras", "model.keras", ("masked_lm",)),
    ("keras", "model.keras", ()),
]


@pytest.mark.parametrize(("form", "name", "heads"), FORMATS)
def test_saved_and_loaded_it_is_the_same(form, name, heads, tmp_path):
    pruned = be.prune(bert_of(*heads), HEADS, NEURONS)
    be.save_checkpoint(pruned, tmp_path / name, form)
    loaded = be.load(tmp_path / name, name="small")
    assert_same(answers(loaded), answers(pruned), 0)
    assert loaded.encoder.pruned_heads == pruned.encoder.pruned_heads
    assert loaded.encoder.inner_dim == pruned.encoder.inner_dim
    again = be.prune(loaded, {0: [0]})
    assert again.encoder.pruned_heads[0] == [0, 1, 3]
    assert "pruned_heads" in str(be.inspect(tmp_path / name))


@tensorflow_only
def test_keras_opens_the_file(tmp_path):
    pruned = be.prune(bert_of("classifier"), HEADS, NEURONS)
    be.save_checkpoint(pruned, tmp_path / "model.keras", "keras")
    model = keras.models.load_model(tmp_path / "model.keras")
    batch = pruned.preprocessor(TEXTS)
    np.testing.assert_array_equal(model(batch), pruned.classifier(batch))
    encoder = pruned.encoder  # as export_saved_model advises:
    keras.Model(encoder.inputs, encoder(encoder.inputs)["pooled_output"]).export(tmp_path / "exported", verbose=False)


def huggingface(bert, path):
    be.save_checkpoint(bert, path, "huggingface")


REFUSED = [(huggingface, "huggingface"), pytest.param(be.export_saved_model, "TensorFlow Hub", marks=tensorflow_only)]


@pytest.mark.parametrize(("write", "name"), REFUSED)
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"heads": HEADS}, "pruned_heads .its number of heads is the same in all layers"),
        ({"neurons": NEURONS}, "an inner_dim for each layer .its inner_dim is the same in all layers"),
    ],
)
def test_other_formats_refuse_it_with_the_reason(write, name, arguments, reason, tmp_path):
    with pytest.raises(ValueError, match=reason) as error:
        write(be.prune(bert_of(), **arguments), tmp_path / "model")
    assert name in str(error.value) and not list(tmp_path.iterdir())


@pytest.mark.parametrize(("write", "name"), REFUSED)
def test_other_formats_hold_the_same_number_of_neurons_in_all_layers(write, name, tmp_path):
    pruned = be.prune(bert_of(inner_activation="gelu"), neurons={layer: [layer, 5] for layer in range(L)})
    write(pruned, tmp_path / "model")
    reading, loaded = pruned.read(SENTENCE), be.load(tmp_path / "model").read(SENTENCE)
    np.testing.assert_allclose(loaded.sequence_output, reading.sequence_output, atol=1e-6)


WRONG_FIELDS = [
    ("pruned_heads", [[0]]),
    ("pruned_heads", {"3": [0]}),
    ("pruned_heads", {"0": [5]}),
    ("pruned_heads", {"0": [-1]}),
    ("pruned_heads", {"0": "12"}),
    ("pruned_heads", {"0": [0, 0]}),
    ("pruned_heads", {"0": [0], "00": [1]}),
    ("pruned_heads", {"x": [0]}),
    ("pruned_heads", {"9" * 5000: [0]}),
    ("pruned_heads", {"0": [0, 1, 2, 3, 4]}),
    ("inner_dim", [F, F]),
    ("inner_dim", [F, F, 0]),
    ("inner_dim", []),
    ("inner_dim", [F, F, [F]]),
]


@pytest.mark.parametrize(("field", "value"), WRONG_FIELDS)
def test_a_wrong_field_in_a_file_is_named(field, value, tmp_path):
    be.save_checkpoint(be.prune(bert_of(), HEADS, NEURONS), tmp_path / "model")
    config = json.loads((tmp_path / "model" / "bertedu.json").read_text())
    config["encoder"][field] = value
    (tmp_path / "model" / "bertedu.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=rf"bertedu.json, encoder: {field}"):
        be.load(tmp_path / "model")


@pytest.mark.parametrize(("field", "value"), [("pruned_heads", {"1": [0]}), ("inner_dim", F), ("pruned_heads", None)])
def test_tensors_must_fit_what_the_file_says_is_pruned(field, value, tmp_path):
    be.save_checkpoint(be.prune(bert_of(), HEADS, NEURONS), tmp_path / "model")
    config = json.loads((tmp_path / "model" / "bertedu.json").read_text())
    config["encoder"][field] = value
    (tmp_path / "model" / "bertedu.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="model.safetensors: the tensor 'layer_.*expected shape"):
        be.load(tmp_path / "model")


def test_a_file_without_the_field_has_all_heads(tmp_path):
    be.save_checkpoint(bert_of(), tmp_path / "model")
    config = json.loads((tmp_path / "model" / "bertedu.json").read_text())
    del config["encoder"]["pruned_heads"]
    (tmp_path / "model" / "bertedu.json").write_text(json.dumps(config))
    assert be.load(tmp_path / "model").encoder.pruned_heads is None


# -- training ----------------------------------------------------------------------------------------------------------


def test_a_pruned_model_is_trained_and_resumed(tmp_path, monkeypatch):
    texts, labels = TEXTS * 4, [0, 1, 0] * 4

    def tune(folder):
        keras.utils.set_random_seed(0)
        bert = be.prune(bert_of(), HEADS, NEURONS)
        classifier = bert.classifier_for(2)
        options = {"epochs": 2, "batch_size": 6, "learning_rate": 1e-3, "progress": False, "output_dir": folder}
        history = be.fine_tune(classifier, bert.preprocessor, (texts, labels), **options)
        return classifier, history

    whole, _ = tune(tmp_path / "whole")

    class Stop(Exception):
        pass

    keep, saved = running.Run._save, []

    def once(self):
        keep(self)
        saved.append(self)
        if len(saved) == 2:
            raise Stop

    monkeypatch.setattr(running.Run, "_save", once)
    with pytest.raises(Stop):
        tune(tmp_path / "stopped")
    monkeypatch.setattr(running.Run, "_save", keep)
    resumed, history = tune(tmp_path / "stopped")
    assert history.finished and resumed.network.pruned_heads == {0: [1, 3], 2: [0, 2, 3, 4]}
    for one, two in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    loaded = be.load(tmp_path / "stopped" / "model")
    assert loaded.encoder.inner_dim == (F - 1, F - 5, F)


# -- errors ------------------------------------------------------------------------------------------------------------

WRONG = [
    ({"heads": {3: [0]}}, "heads: expected a whole number from 0 to 2, got 3"),
    ({"heads": {0: [5]}}, r"heads\[0\]: expected a whole number from 0 to 4, got 5"),
    ({"heads": {0: [1, 1]}}, "heads: expected each layer and each index once, got one of layer 0 twice"),
    ({"heads": {0: range(5)}}, r"heads\[0\]: expected at least one of 5 to remain, got all of them. Remove fewer."),
    ({"heads": {0: 1}}, r"heads\[0\]: expected a list of indices, got 1"),
    ({"heads": [[0]]}, "heads: expected a dict, layer -> list of indices, got"),
    ({"heads": {0: [True]}}, r"heads\[0\]: expected a whole number"),
    ({"neurons": {0: [11]}}, r"neurons\[0\]: expected a whole number from 0 to 10, got 11"),
    ({"neurons": {1: range(11)}}, r"neurons\[1\]: expected at least one of 11 to remain"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_a_wrong_argument_is_named(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        be.prune(encoder_of(), **arguments)


def test_the_last_head_of_a_layer_stays():
    pruned = be.prune(encoder_of(), {0: [0, 1, 2]})
    with pytest.raises(ValueError, match=r"^heads\[0\]: expected at least one of the remaining 2 to remain"):
        be.prune(pruned, {0: [3, 4]})


def test_only_a_bert_or_its_encoder_is_pruned():
    with pytest.raises(TypeError, match="^model: expected a BertEncoder, or a Bert, got"):
        be.prune("minilm")


@pytest.mark.parametrize("head", ["masked_lm", "classifier"])
def test_a_head_on_another_encoder_is_refused(head):
    bert = bert_of()
    setattr(bert, head, getattr(bert_of(head), head))
    with pytest.raises(ValueError, match=f"^{head}: expected a head on bert.encoder"):
        be.prune(bert, HEADS)


@pytest.mark.parametrize("options", [{"inner_dim": [F, F]}, {"pruned_heads": {0: [7]}}])
def test_arguments_that_do_not_fit_the_layers_are_refused(options):
    with pytest.raises(ValueError, match=f"^{next(iter(options))}"):
        encoder_of(**options)


# -- classes of one's own ----------------------------------------------------------------------------------------------


@be.register("pruning")
class Sharp(be.MultiHeadAttention):
    def logits(self, q, k):
        return 2 * super().logits(q, k)


@be.register("pruning")
class Numbered(be.MultiHeadAttention):
    """As ALiBi: where a head attends depends on its number."""

    def logits(self, q, k):
        slopes = ops.reshape(ops.arange(q.shape[1], dtype=q.dtype), (-1, 1, 1))
        return super().logits(q, k) - slopes * ops.arange(k.shape[2], dtype=q.dtype)


@be.register("pruning")
class Scaled(be.Feedforward):
    def build(self, input_shape):
        super().build(input_shape)
        self.scale = self.add_weight(shape=input_shape[-1:], initializer="ones", name="scale")

    def call(self, inputs):
        return super().call(inputs) * self.scale


def test_a_class_whose_heads_are_independent_is_pruned():
    encoder = encoder_of(attention_cls=Sharp, feedforward_cls=Scaled)
    expected, actual = outputs(zeroed(encoder)), outputs(be.prune(encoder, HEADS, NEURONS))
    assert_close(actual["sequence_output"], expected["sequence_output"])


@pytest.mark.parametrize(
    ("options", "arguments", "got"),
    [
        (
            {"attention_cls": be.TalkingHeadsAttention},
            {"heads": HEADS},
            "TalkingHeadsAttention with pre_softmax_weight",
        ),
        ({"attention_cls": Numbered}, {"heads": HEADS}, "Numbered in which the others change. Use head_mask"),
        ({"inner_activation": "softmax"}, {"neurons": NEURONS}, "Feedforward in which the others change."),
    ],
)
def test_a_class_whose_heads_or_neurons_affect_each_other_is_refused(options, arguments, got):
    encoder = encoder_of(**options)
    with pytest.raises(ValueError, match=f"that do not affect each other, got {got}"):
        be.prune(encoder, **arguments)
    be.prune(encoder, **{"neurons": NEURONS} if "heads" in arguments else {"heads": HEADS})  # the rest is independent
