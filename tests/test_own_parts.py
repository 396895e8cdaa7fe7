"""Parts of one's own: the example of CONTRIBUTING.md, run as it stands there, and what every part has to do."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
from small_world import SENTENCE, VOCABULARY

import bertedu as be
from bertedu.pooling import EmbedSettings

TEXT = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
SECTION = TEXT.partition("## Your own attention, feed-forward or pooling")[2].partition("\n## ")[0]
EXAMPLE: dict = {}
exec("\n".join(re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)), EXAMPLE)

ATTENTIONS = [be.MultiHeadAttention, be.TalkingHeadsAttention, EXAMPLE["SharpAttention"]]
FEEDFORWARDS = [be.Feedforward, be.GatedFeedforward, EXAMPLE["ScaledFeedforward"]]
POOLINGS = ["cls", "mean", "max", "mine>first_and_last", EXAMPLE["first_and_last"]]
PARTS = [
    *({"attention_cls": cls} for cls in ATTENTIONS),
    *({"feedforward_cls": cls} for cls in FEEDFORWARDS),
]
TOKENIZER = be.BertTokenizer(VOCABULARY)
PREPROCESSOR = be.BertPreprocessor(TOKENIZER, seq_length=12)
TEXTS = [SENTENCE, "it was warm", "the unwanted cat"]
each_part = pytest.mark.parametrize("part", PARTS, ids=lambda part: next(iter(part.values())).__name__)
each_pooling = pytest.mark.parametrize("pooling", POOLINGS, ids=lambda pooling: getattr(pooling, "__name__", pooling))


def encoder(**options):
    return be.BertEncoder(20, 22, 2, 2, 16, inner_dim=23, initializer="glorot_uniform", **options)


def pooled(outputs):
    return keras.ops.convert_to_numpy(keras.ops.cast(outputs["pooled_output"], "float32"))


def test_the_example_makes_an_encoder_of_its_parts():
    layer = EXAMPLE["encoder"].transformer_layers[0]
    assert (
        type(layer.attention).__name__ == "SharpAttention" and type(layer.feedforward).__name__ == "ScaledFeedforward"
    )
    assert pooled(EXAMPLE["encoder"](PREPROCESSOR(TEXTS))).shape == (3, 22)


@each_part
def test_a_part_survives_a_configuration_with_equal_outputs(part):
    model = encoder(**part)
    again = be.BertEncoder.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(pooled(again(PREPROCESSOR(TEXTS))), pooled(model(PREPROCESSOR(TEXTS))))


@pytest.mark.parametrize("format, name", [("bertedu", "model"), ("keras", "model.keras")])
@each_part
def test_a_part_survives_a_file_with_equal_outputs(part, format, name, tmp_path):
    bert = be.Bert(TOKENIZER, encoder(**part))
    be.save_checkpoint(bert, tmp_path / name, format)
    np.testing.assert_allclose(be.load(tmp_path / name).embed(TEXTS), bert.embed(TEXTS), atol=1e-6)


def test_a_class_that_is_not_registered_is_refused_by_name(tmp_path, monkeypatch):
    be.save_checkpoint(be.Bert(TOKENIZER, encoder(attention_cls=EXAMPLE["SharpAttention"])), tmp_path / "model")
    monkeypatch.delitem(be.registry.REGISTERED, "mine>SharpAttention")
    with pytest.raises(ValueError, match="attention_cls: .*registered.*mine>SharpAttention"):
        be.load(tmp_path / "model")


@each_part
def test_padding_is_invisible_to_a_part(part):
    model = encoder(**part)
    short = be.BertPreprocessor(TOKENIZER, seq_length=5)("it was warm")
    np.testing.assert_allclose(pooled(model(PREPROCESSOR("it was warm"))), pooled(model(short)), atol=1e-5)


@each_part
def test_a_part_takes_a_dtype_policy(part):
    exact, half = encoder(**part), encoder(**part, dtype="mixed_bfloat16")
    half.set_weights(exact.get_weights())
    np.testing.assert_allclose(pooled(half(PREPROCESSOR(TEXTS))), pooled(exact(PREPROCESSOR(TEXTS))), atol=0.1)


@each_part
def test_a_part_learns(part):
    keras.utils.set_random_seed(0)
    model = be.BertClassifier(encoder(**part, output_dropout=0.0, attention_dropout=0.0), 2, dropout_rate=0.0)
    before = [np.array(w) for layer in model.network.transformer_layers for w in layer.trainable_weights]
    model.compile(keras.optimizers.Adam(1e-2), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(PREPROCESSOR(TEXTS), np.array([0, 1, 1]), epochs=15, verbose=0).history["loss"]
    after = [np.array(w) for layer in model.network.transformer_layers for w in layer.trainable_weights]
    assert min(history) < 0.7 * history[0]
    assert sum(np.any(a != b) for a, b in zip(before, after, strict=True)) > 0.8 * len(before)


@each_pooling
def test_a_pooling_ignores_padding_and_a_name_means_its_function(pooling):
    bert = be.Bert(TOKENIZER, encoder())
    together = bert.embed(TEXTS, pooling)  # padded to the longest
    for text, vector in zip(TEXTS, together, strict=True):
        np.testing.assert_allclose(bert.embed(text, pooling), vector, atol=1e-5)
    if callable(pooling):
        np.testing.assert_array_equal(bert.embed(TEXTS, "mine>first_and_last"), together)


@pytest.mark.parametrize("format, name", [("bertedu", "model"), ("keras", "model.keras")])
@each_pooling
def test_a_pooling_survives_a_file(pooling, format, name, tmp_path):
    bert = be.Bert(TOKENIZER, encoder(), embed_settings=EmbedSettings(pooling))
    be.save_checkpoint(bert, tmp_path / name, format)
    again = be.load(tmp_path / name)
    assert isinstance(again.embed_settings.pooling, str)
    np.testing.assert_allclose(again.embed(TEXTS), bert.embed(TEXTS), atol=1e-6)


def test_a_pooling_that_is_not_registered_works_and_cannot_be_saved(tmp_path):
    bert = be.Bert(TOKENIZER, encoder(), embed_settings=EmbedSettings(lambda sequence, mask: sequence[:, 1]))
    sequence = keras.ops.convert_to_numpy(
        bert.encoder(be.BertPreprocessor(TOKENIZER, None)(SENTENCE))["sequence_output"]
    )
    np.testing.assert_allclose(bert.embed(SENTENCE), sequence[0, 1], atol=1e-5)
    with pytest.raises(ValueError, match="expected a registered pooling"):
        be.save_checkpoint(bert, tmp_path / "model")
    with pytest.raises(ValueError, match="pooling: expected one of"):
        bert.embed(SENTENCE, pooling=EXAMPLE["SharpAttention"])  # a class is no pooling
    with pytest.raises(ValueError, match="pooling: expected one of"):
        bert.embed(SENTENCE, pooling="mine>SharpAttention")


def test_a_file_that_names_an_unknown_pooling_is_refused(tmp_path, monkeypatch):
    bert = be.Bert(TOKENIZER, encoder(), embed_settings=EmbedSettings("mine>first_and_last"))
    be.save_checkpoint(bert, tmp_path / "model")
    monkeypatch.delitem(be.registry.REGISTERED, "mine>first_and_last")
    with pytest.raises(ValueError, match="pooling.*mine>first_and_last"):
        be.load(tmp_path / "model")
