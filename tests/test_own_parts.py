"""Parts of one's own: the example of CONTRIBUTING.md, run as it stands there, and the property tests for every part."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops
from small_world import SENTENCE, VOCABULARY

import bertedu as be
from bertedu import testing
from bertedu.pooling import EmbedSettings

TEXT = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
SECTION = TEXT.partition("## Your own attention, feed-forward or pooling")[2].partition("\n## ")[0]
EXAMPLE: dict = {}
exec("\n".join(re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)), EXAMPLE)

ATTENTIONS = [be.MultiHeadAttention, be.TalkingHeadsAttention, EXAMPLE["SharpAttention"]]
FEEDFORWARDS = [be.Feedforward, be.GatedFeedforward, EXAMPLE["ScaledFeedforward"]]
POOLINGS = ["cls", "mean", "max", "mine>first_and_last", EXAMPLE["first_and_last"]]
TOKENIZER = be.BertTokenizer(VOCABULARY)
PREPROCESSOR = be.BertPreprocessor(TOKENIZER, seq_length=12)
TEXTS = [SENTENCE, "it was warm", "the unwanted cat"]
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


@pytest.mark.parametrize("cls", ATTENTIONS)
def test_an_attention_has_all_properties(cls):
    assert set(testing.check_attention(cls)) == set(testing.ATTENTION_PROPERTIES | testing.PROPERTIES)


def test_options_are_those_of_a_single_layer():
    assert "a configuration holds everything" in testing.check_attention(EXAMPLE["SharpAttention"], temperature=0.3)
    with pytest.raises(AssertionError, match="^SharpAttention: shapes of the outputs: .*'sharpness'"):
        testing.check_attention(EXAMPLE["SharpAttention"], sharpness=2)


@pytest.mark.parametrize("cls", FEEDFORWARDS)
def test_a_feedforward_has_all_properties(cls):
    assert set(testing.check_feedforward(cls)) == set(testing.FEEDFORWARD_PROPERTIES | testing.PROPERTIES)


def test_a_class_that_is_not_registered_is_refused_by_name(tmp_path, monkeypatch):
    be.save_checkpoint(be.Bert(TOKENIZER, encoder(attention_cls=EXAMPLE["SharpAttention"])), tmp_path / "model")
    monkeypatch.delitem(be.registry.REGISTERED, "mine>SharpAttention")
    with pytest.raises(ValueError, match="attention_cls: .*registered.*mine>SharpAttention"):
        be.load(tmp_path / "model")


ATTENTION, FEEDFORWARD = be.MultiHeadAttention, be.Feedforward


class Changed(ATTENTION):
    """Attention with changed arguments or outputs of `call`, whose arguments Keras has to see one by one."""

    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        head_mask=None,
        return_attention_scores=False,
        return_qkv=False,
        training=None,
    ):
        options = {
            "attention_mask": attention_mask,
            "head_mask": head_mask,
            "training": training,
            "return_qkv": return_qkv,
        }
        options |= {"return_attention_scores": return_attention_scores}
        return self.outputs(super().call(query, value, key, **self.arguments(options)))

    def arguments(self, options):
        return options

    def outputs(self, outputs):
        return outputs


class HeadsInARow(Changed):
    def outputs(self, outputs):
        if isinstance(outputs, tuple) and isinstance(outputs[-1], tuple):  # queries, keys, values
            return (*outputs[:-1], tuple(map(self.concatenate_heads, outputs[-1])))
        return outputs


class AlwaysDropout(Changed):
    def arguments(self, options):
        return options | {"training": True}


class MaskOfTheFirstQuery(ATTENTION):
    def scores(self, q, k, attention_mask=None):
        first = attention_mask if attention_mask is None or attention_mask.ndim == 2 else attention_mask[:, :1]
        return super().scores(q, k, first)


class EveryHead(Changed):
    def arguments(self, options):
        return options | {"head_mask": None}


class Undeclared(ATTENTION):
    def logits(self, q, k):
        return super().logits(q, k) + ops.cast(ops.arange(ops.shape(k)[2]), q.dtype) / 10


class DeclaredInVain(ATTENTION):
    uses_positions = True


class Forgetful(ATTENTION):
    def __init__(self, *args, temperature=2.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.factor = 1 / temperature


class ChangedByItsConfiguration(ATTENTION):
    def __init__(self, *args, temperature=2.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.temperature = 1 / temperature

    def logits(self, q, k):
        return super().logits(q, k) * self.temperature


class AlwaysFloat32(Changed):
    def outputs(self, outputs):
        return keras.tree.map_structure(lambda x: ops.cast(x, "float32"), outputs)


class ByLength(ATTENTION):
    def logits(self, q, k):
        return super().logits(q, k) * ops.cast(ops.shape(k)[2], q.dtype) / 5


class Unregistered(ATTENTION):
    pass


class ConstantQueries(ATTENTION):
    def logits(self, q, k):
        return super().logits(ops.stop_gradient(q), k)


class PreviousToken(FEEDFORWARD):
    def call(self, inputs):
        previous = ops.concatenate([ops.zeros_like(inputs[:, :1]), inputs[:, :-1]], axis=1)
        return super().call(inputs) + previous


class WithoutTheBatchMean(FEEDFORWARD):
    def call(self, inputs):
        return super().call(inputs - ops.mean(inputs, axis=0, keepdims=True))


class WithoutAGradient(FEEDFORWARD):
    def call(self, inputs):
        return super().call(inputs) + 0 * self.extra

    def build(self, input_shape):
        super().build(input_shape)
        self.extra = self.add_weight(shape=input_shape[-1:], name="extra")


BROKEN = [
    (HeadsInARow, "shapes of the outputs", r"\[2, 4, 6\]"),
    (AlwaysDropout, "extra outputs change nothing", "difference of"),
    (MaskOfTheFirstQuery, "masked keys have weight 0", r"mask \[B, T, S\], got 0\."),
    (EveryHead, "a head mask removes heads", "difference of"),
    (Undeclared, "positions matter only if declared", "Declare uses_positions = True"),
    (DeclaredInVain, "positions matter only if declared", "Remove uses_positions"),
    (Forgetful, "a configuration holds everything", "temperature"),
    (ChangedByItsConfiguration, "a configuration holds everything", "difference of"),
    (AlwaysFloat32, "precision follows the dtype policy", "got float32"),
    (ByLength, "padding is invisible", "difference of"),
    (Unregistered, "a saved file gives equal outputs", "registered"),
    (ConstantQueries, "training reaches all weights", "query/kernel"),
    (PreviousToken, "each position on its own", "difference of"),
    (WithoutTheBatchMean, "padding is invisible", "difference of"),
    (WithoutAGradient, "training reaches all weights", "feedforward/extra"),
]
SLOW = ("a saved file gives equal outputs", "training reaches all weights")  # seconds each; tested only where they fail
for _cls, _, _ in BROKEN:
    if _cls is not Unregistered:
        be.register("broken")(_cls)


@pytest.mark.parametrize(("cls", "name", "reason"), BROKEN)
def test_a_broken_part_fails_in_its_property_alone(cls, name, reason):
    role, own = testing.ATTENTION, testing.ATTENTION_PROPERTIES
    if issubclass(cls, FEEDFORWARD):
        role, own = testing.FEEDFORWARD, testing.FEEDFORWARD_PROPERTIES
    failures = []
    for key, test in (own | testing.PROPERTIES).items():
        if key in SLOW and key != name:
            continue
        try:
            testing._check(testing._Part(cls, role, {}), {key: test})
        except AssertionError as error:
            failures.append(str(error))
    (message,) = failures
    assert message.startswith(f"{cls.__name__}: {name}: expected ")
    assert re.search(reason, message)


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
