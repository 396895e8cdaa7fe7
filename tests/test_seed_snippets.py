"""The usage code of the published systems' own documents, as it stands there but for imports and handles.

001: KerasHub's TransformerEncoder. 002: the Hub's bert_en_cased_L-12_H-768_A-12. 004: talkheads_ggelu_bert_en_large.
The handles open small models that tf-models' exporter wrote. String inputs in graphs are TensorFlow's.
"""
# ruff: noqa: C408, NPY002  (the documents write it so)

from pathlib import Path

import keras
import numpy as np
import pytest
from small_world import VOCABULARY

import bertedu as be

WRITTEN = Path(__file__).parent / "golden" / "checkpoints"
HIDDEN_SIZE, LAYERS = 21, 2  # where the documents say 768 or 1024, and 12 or 24

needs_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="string inputs in graphs are TensorFlow's"
)


@pytest.fixture(scope="module")
def bert():
    return be.load(WRITTEN / "hub_mlm")


def test_001_transformer_encoder():
    # Create a single transformer encoder layer.
    encoder = be.TransformerEncoder(intermediate_dim=64, num_heads=8)

    # Create a simple model containing the encoder.
    input = keras.Input(shape=(10, 64))
    output = encoder(input)
    model = keras.Model(inputs=input, outputs=output)

    # Call encoder on the inputs.
    input_data = np.random.uniform(size=(2, 10, 64))
    output = model(input_data)
    assert output.shape == (2, 10, 64)


@needs_tensorflow
def test_002_basic_usage(bert):
    import tensorflow as tf

    preprocessor, encoder = bert.preprocessor, bert.encoder
    preprocessor = be.BertPreprocessor(preprocessor.tokenizer, seq_length=11)  # this small model has 11 positions
    text_input = keras.layers.Input(shape=(), dtype="string")
    encoder_inputs = preprocessor(text_input)
    outputs = encoder(encoder_inputs)
    pooled_output = outputs["pooled_output"]  # [batch_size, 768].
    sequence_output = outputs["sequence_output"]  # [batch_size, seq_length, 768].
    assert pooled_output.shape == (None, HIDDEN_SIZE) and sequence_output.shape == (None, 11, HIDDEN_SIZE)

    embedding_model = keras.Model(text_input, pooled_output)
    sentences = tf.constant(["(your text here)"])
    answer = embedding_model(sentences)
    assert answer.shape == (1, HIDDEN_SIZE)
    np.testing.assert_allclose(answer, encoder(preprocessor("(your text here)"))["pooled_output"], atol=1e-6)


def test_002_the_layers_outputs(bert):
    inputs = {name: keras.Input((11,), dtype="int32") for name in ("input_word_ids", "input_mask", "input_type_ids")}
    outputs = bert.encoder(inputs)
    assert len(outputs["encoder_outputs"]) == LAYERS
    for i in range(LAYERS):
        assert outputs["encoder_outputs"][i].shape == (None, 11, HIDDEN_SIZE)
    values = bert.encoder(be.BertPreprocessor(bert.tokenizer, seq_length=11)(["the cat", "sat"]))
    np.testing.assert_array_equal(values["encoder_outputs"][-1], values["sequence_output"])


@needs_tensorflow
def test_002_the_preprocessor_in_a_dataset_the_encoder_in_a_model_that_is_trained(bert):
    import tensorflow as tf

    seq_length = 11
    preprocessor = be.BertPreprocessor(bert.tokenizer, seq_length=seq_length)
    encoder_inputs = dict(
        input_word_ids=keras.layers.Input(shape=(seq_length,), dtype="int32", name="input_word_ids"),
        input_mask=keras.layers.Input(shape=(seq_length,), dtype="int32", name="input_mask"),
        input_type_ids=keras.layers.Input(shape=(seq_length,), dtype="int32", name="input_type_ids"),
    )
    logits = keras.layers.Dense(2)(bert.classifier_for(2).network(encoder_inputs)["pooled_output"])
    model = keras.Model(encoder_inputs, logits)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    texts = tf.data.Dataset.from_tensor_slices((["the cat sat", "the dog ran"] * 4, [0, 1] * 4))
    history = model.fit(
        texts.batch(4).map(lambda text, label: (preprocessor(text), label)), epochs=2, shuffle=False, verbose=0
    )
    assert np.isfinite(history.history["loss"]).all()


def test_002_masked_language_model(bert):
    seq_length, num_predict = 11, 3
    mlm_inputs = dict(
        input_word_ids=keras.layers.Input(shape=(seq_length,), dtype="int32"),
        input_mask=keras.layers.Input(shape=(seq_length,), dtype="int32"),
        input_type_ids=keras.layers.Input(shape=(seq_length,), dtype="int32"),
        masked_lm_positions=keras.layers.Input(shape=(num_predict,), dtype="int32"),
    )
    mlm = bert.masked_lm
    mlm_outputs = mlm(mlm_inputs)
    mlm_logits = mlm_outputs["mlm_logits"]  # [batch_size, num_predict, vocab_size]
    assert mlm_logits.shape == (None, num_predict, bert.tokenizer.vocab_size)
    # ...plus pooled_output, sequence_output and encoder_outputs as above.
    assert mlm_outputs["pooled_output"].shape == (None, HIDDEN_SIZE)
    assert mlm_outputs["sequence_output"].shape == (None, seq_length, HIDDEN_SIZE)
    assert len(mlm_outputs["encoder_outputs"]) == LAYERS


def test_004_talking_heads_and_gated_gelu():
    seq_length = 11  # Your choice here.
    inputs = dict(
        input_word_ids=keras.layers.Input(shape=(seq_length,), dtype="int32"),
        input_mask=keras.layers.Input(shape=(seq_length,), dtype="int32"),
        input_type_ids=keras.layers.Input(shape=(seq_length,), dtype="int32"),
    )
    encoder = be.load(WRITTEN / "hub_talking_heads").encoder
    outputs = encoder(inputs)
    pooled_output = outputs["pooled_output"]  # [batch_size, 1024].
    sequence_output = outputs["sequence_output"]  # [batch_size, seq_length, 1024].
    assert pooled_output.shape == (None, HIDDEN_SIZE) and sequence_output.shape == (None, seq_length, HIDDEN_SIZE)
    assert len(outputs["encoder_outputs"]) == LAYERS
    assert encoder.attention_cls is be.TalkingHeadsAttention and encoder.feedforward_cls is be.GatedFeedforward


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="TensorFlow can do it")
def test_strings_in_a_graph_are_refused_elsewhere():
    with pytest.raises(ValueError, match="string inputs in graphs are TensorFlow's"):
        be.BertPreprocessor(be.BertTokenizer(VOCABULARY))(keras.Input(shape=(), dtype="string"))
