import keras
import numpy as np
import pytest
from keras import ops

from bertedu import BertClassifier, BertEncoder, ClassificationHead

IDS = np.array([[2, 5, 6, 7, 3, 0], [2, 9, 3, 6, 3, 0]], "int32")
INPUTS = {"input_word_ids": IDS, "input_mask": (IDS > 0).astype("int32"), "input_type_ids": IDS * 0}


def encoder(**options):
    return BertEncoder(19, 14, num_layers=2, num_attention_heads=2, inner_dim=9, max_sequence_length=7, **options)


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("num_classes", [1, 3])
def test_with_the_encoder_s_pooler(num_classes):
    model = BertClassifier(encoder(), num_classes)
    kernel, bias = (numpy(w) for w in model.classifier.weights)
    pooled = numpy(model.network(INPUTS)["pooled_output"])
    np.testing.assert_allclose(numpy(model(INPUTS)), pooled @ kernel + bias, atol=1e-6)
    assert set(model.checkpoint_items) == {"encoder"}


def test_with_a_pooler_of_its_own():
    model = BertClassifier(encoder(), 3, use_encoder_pooler=False)
    inner, inner_bias, kernel, bias = (numpy(w) for w in model.classifier.weights)
    first = numpy(model.network(INPUTS)["sequence_output"])[:, 0]
    np.testing.assert_allclose(numpy(model(INPUTS)), np.tanh(first @ inner + inner_bias) @ kernel + bias, atol=1e-6)
    assert set(model.checkpoint_items) == {"encoder", "sentence_prediction.pooler_dense"}


@pytest.mark.parametrize("pooler", [True, False])
def test_a_given_head_gets_what_the_flag_selects(pooler):
    head = keras.layers.Dense(2, name="mine")
    model = BertClassifier(encoder(), 5, use_encoder_pooler=pooler, cls_head=head)
    assert model(INPUTS).shape == ((2, 2) if pooler else (2, 6, 2))
    assert model.classifier is head


def test_dropout_is_applied_once():
    model = BertClassifier(encoder(output_dropout=0.0, attention_dropout=0.0), 1, dropout_rate=0.5)
    model.classifier.logits_dense.kernel.assign(np.eye(14)[:, :1])
    pooled = numpy(model.network(INPUTS)["pooled_output"])[0, 0]
    seen = {round(float(numpy(model(INPUTS, training=True))[0, 0] / pooled), 3) for _ in range(40)}
    assert seen == {0.0, 2.0}  # twice would give 4


def test_it_learns():
    keras.utils.set_random_seed(0)
    model = BertClassifier(encoder(), 2)
    model.compile(keras.optimizers.Adam(1e-2), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(INPUTS, np.array([0, 1]), epochs=30, verbose=0)
    assert history.history["loss"][-1] < 0.1 * history.history["loss"][0]


def test_a_keras_file_brings_everything_back(tmp_path):
    model = BertClassifier(encoder(), 3, dropout_rate=0.3, use_encoder_pooler=False)
    model(INPUTS)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.dropout_rate == 0.3  # tf-models forgets it
    np.testing.assert_array_equal(again(INPUTS), model(INPUTS))


@pytest.mark.parametrize("num_classes", [0, -1])
def test_classes_are_needed(num_classes):
    with pytest.raises(ValueError, match=f"num_classes: .* got {num_classes}"):
        BertClassifier(encoder(), num_classes)


def test_the_head_looks_at_the_token_it_is_told():
    head = ClassificationHead(4, 2, cls_token_idx=2)
    features = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    before = numpy(head(features))
    features[:, [0, 1, 3, 4]] = 0
    np.testing.assert_array_equal(numpy(head(features)), before)


def test_a_classifier_computes_as_its_encoder_does():
    classifier = BertClassifier(encoder(dtype="mixed_float16"), num_classes=2)
    assert {part.dtype_policy.name for part in (classifier, classifier.classifier)} == {"mixed_float16"}
    classifier.compile("adam")
    assert isinstance(classifier.optimizer, keras.optimizers.LossScaleOptimizer)
