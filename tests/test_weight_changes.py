"""A weight that changes by any route is seen by the next `read`, `embed` and `fill_mask`, in every precision.

The oracle is the encoder itself, called as a layer: it reads its variables at every call.
"""

import keras
import numpy as np
import pytest
from keras import ops
from small_world import SENTENCE, VOCABULARY

import bertedu as be
from bertedu.classifier import copy_encoder

RNG = np.random.default_rng(5)
MASKED = "the [MASK] sat on the mat"
SIZES = {"hidden_size": 14, "num_layers": 2, "num_attention_heads": 2, "inner_dim": 11, "type_vocab_size": 2}


def encoder_of(seed):
    keras.utils.set_random_seed(seed)
    initializer = keras.initializers.RandomNormal(stddev=0.5, seed=seed)
    return be.BertEncoder(len(VOCABULARY), max_sequence_length=17, initializer=initializer, **SIZES)


@pytest.fixture(scope="module")
def bert():
    encoder = encoder_of(1)
    return be.Bert(be.BertTokenizer(VOCABULARY), encoder, masked_lm=be.BertPretrainer(encoder))


def inputs(bert, text):
    batch = bert.preprocessor.encode(text)
    ids = np.array([batch.ids], "int32")
    return {"input_word_ids": ids, "input_mask": np.ones_like(ids), "input_type_ids": ids * 0}


def compiled(bert):
    """What the methods return: arrays by name."""
    results = {"fill_mask": np.array([p for _, p in sorted(bert.fill_mask(MASKED, top_k=len(VOCABULARY))[0])])}
    for precision in (None, "bfloat16"):
        results[f"read {precision}"] = bert.read(SENTENCE, precision=precision).sequence_output.astype("float32")
        results[f"embed {precision}"] = bert.embed(SENTENCE, "mean", precision=precision)
    return results


def direct(bert):
    """The same, computed by calling the layers."""
    sequence = bert.encoder(inputs(bert, MASKED), training=False)["sequence_output"]
    logits = bert.masked_lm.masked_lm(sequence, np.array([[2]]))  # [MASK] is at position 2
    probabilities = ops.convert_to_numpy(ops.softmax(logits))[0, 0]
    results = {"fill_mask": probabilities[[VOCABULARY.index(word) for word in sorted(VOCABULARY)]]}
    for precision in (None, "bfloat16"):
        encoder = copy_encoder(bert.encoder, precision) if precision else bert.encoder
        sequence = ops.cast(encoder(inputs(bert, SENTENCE), training=False)["sequence_output"], "float32")
        results[f"read {precision}"] = ops.convert_to_numpy(sequence)[0]
        results[f"embed {precision}"] = ops.convert_to_numpy(sequence)[0].mean(axis=0)
    return results


def new(weights):
    return [RNG.normal(0, 0.7, weight.shape).astype("float32") for weight in weights]


def classifier_of(bert):
    classifier = be.BertClassifier(bert.encoder, 2, dropout_rate=0.0)
    classifier.compile(keras.optimizers.SGD(0.5), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return classifier


def load_weights(bert, folder):
    other = be.BertClassifier(encoder_of(2), 2)
    other.save_weights(folder / "other.weights.h5")
    be.BertClassifier(bert.encoder, 2).load_weights(folder / "other.weights.h5")


def apply_gradients(bert, folder):
    weights = bert.encoder.trainable_variables
    keras.optimizers.SGD(0.5).apply([ops.convert_to_tensor(array) for array in new(weights)], weights)


ROUTES = {
    "assign": lambda bert, folder: bert.encoder.weights[0].assign(new(bert.encoder.weights[:1])[0]),
    "assign_add": lambda bert, folder: bert.encoder.weights[0].assign_add(new(bert.encoder.weights[:1])[0]),
    "set_weights of a layer": lambda bert, folder: bert.encoder.transformer_layers[1].set_weights(
        new(bert.encoder.transformer_layers[1].weights)
    ),
    "set_weights": lambda bert, folder: bert.encoder.set_weights(new(bert.encoder.weights)),
    "load_weights": load_weights,
    "an optimizer": apply_gradients,
    "fit": lambda bert, folder: classifier_of(bert).fit(inputs(bert, SENTENCE), np.array([1]), epochs=3, verbose=0),
    "train_on_batch": lambda bert, folder: classifier_of(bert).train_on_batch(inputs(bert, SENTENCE), np.array([0])),
    "fine_tune": lambda bert, folder: be.fine_tune(
        be.BertClassifier(bert.encoder, 2), bert.preprocessor, ([SENTENCE] * 2, [0, 1]), learning_rate=0.5,
        max_length=9, progress=False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("route", ROUTES)
def test_a_changed_weight_is_seen(bert, route, tmp_path):
    before = compiled(bert)
    ROUTES[route](bert, tmp_path)
    after = compiled(bert)
    for name, expected in direct(bert).items():
        change = np.abs(expected - before[name]).max()
        assert change > 1e-3, name
        assert np.abs(after[name] - expected).max() < change / 10, name
