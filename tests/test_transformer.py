import keras
import numpy as np
import numpy_bert
import pytest
from keras import ops

from bertedu import Feedforward, GatedFeedforward, TransformerEncoder
from bertedu.attention import MultiHeadAttention

B, S, D, N, F = 2, 5, 14, 2, 23


def arrays(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def made(**options):
    layer = TransformerEncoder(F, N, **options)
    layer.build((B, S, D))
    for i, weight in enumerate(layer.weights):
        weight.assign(arrays(*weight.shape, seed=i) * 0.4 + weight.path.endswith("gamma"))
    return layer


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("output_range", [None, 0, 1, 3, -2, 9])
def test_equals_numpy(norm_first, output_range):
    layer, x = made(normalize_first=norm_first), arrays(B, S, D, seed=50)
    mask = np.array([[1, 1, 0, 1, 1], [1, 0, 0, 1, 0]])
    got, scores = layer(x, padding_mask=mask, output_range=output_range, return_attention_scores=True)
    w = {weight.path.split("/", 1)[1]: numpy(weight).astype("float64") for weight in layer.weights}
    expected, expected_scores = numpy_bert.transformer(
        w, x, mask[:, None], numpy_bert.relu, norm_first, output_range, epsilon=1e-5
    )
    np.testing.assert_allclose(numpy(got), expected, atol=1e-5)
    np.testing.assert_allclose(numpy(scores), expected_scores, atol=1e-5)


def test_both_masks_must_agree_to_see():
    layer, x = made(), arrays(B, S, D)
    padding = np.array([[1, 1, 1, 1, 0]] * B)
    causal = np.tril(np.ones((B, S, S), "int32"))
    _, scores = layer(x, padding_mask=padding, attention_mask=causal, return_attention_scores=True)
    seen = numpy(scores) > 0
    np.testing.assert_array_equal(seen, np.broadcast_to((padding[:, None] * causal)[:, None] > 0, seen.shape))


def test_an_attention_mask_is_cut_with_the_queries():
    layer, x = made(), arrays(B, S, D)
    causal = np.tril(np.ones((B, S, S), "int32"))
    whole = numpy(layer(x, attention_mask=causal))
    np.testing.assert_allclose(numpy(layer(x, attention_mask=causal, output_range=2)), whole[:, :2], atol=1e-6)


class TestImplicitMask:
    ids = np.array([[3, 4, 5, 0, 0], [6, 0, 0, 0, 0]])

    def embedded(self):
        table = keras.layers.Embedding(9, D, mask_zero=True)
        x = table(self.ids)
        table.embeddings.assign(arrays(9, D))
        return table(self.ids), ops.convert_to_tensor(numpy(x) * 0) + numpy(table.embeddings)[self.ids]

    def test_acts_on_the_keys_as_an_explicit_one(self):
        layer, (masked, bare) = made(), self.embedded()
        np.testing.assert_allclose(numpy(layer(masked)), numpy(layer(bare, padding_mask=self.ids > 0)), atol=1e-6)

    def test_is_found_beside_other_tensors(self):
        layer, (masked, bare) = made(), self.embedded()
        ones = np.ones((B, S, S))
        expected = layer(bare, padding_mask=self.ids > 0)
        np.testing.assert_allclose(numpy(layer(masked, attention_mask=ones)), numpy(expected), atol=1e-6)
        np.testing.assert_allclose(numpy(layer(masked, head_mask=np.ones(N))), numpy(expected), atol=1e-6)

    def test_gives_way_to_an_explicit_one(self):
        layer, (masked, bare) = made(), self.embedded()
        ones = np.ones((B, S))
        np.testing.assert_allclose(numpy(layer(masked, padding_mask=ones)), numpy(layer(bare)), atol=1e-6)

    def test_travels_through_a_functional_model(self):
        layer, (_, bare) = made(), self.embedded()
        table = keras.layers.Embedding(9, D, mask_zero=True)
        ids = keras.Input((S,), dtype="int32")
        model = keras.Model(ids, layer(layer(table(ids))))
        table.embeddings.assign(arrays(9, D))
        seen = self.ids > 0
        expected = layer(layer(bare, padding_mask=seen), padding_mask=seen)
        np.testing.assert_allclose(numpy(model(self.ids)), numpy(expected), atol=1e-5)


def test_scores_and_qkv_in_a_functional_model():
    layer = made()
    x = keras.Input((10, D))
    output, scores, (q, k, v) = layer(x, return_attention_scores=True, return_qkv=True)
    assert output.shape == (None, 10, D) and scores.shape == (None, N, 10, 10)
    assert q.shape == k.shape == v.shape == (None, N, 10, D // N)
    values = arrays(B, 10, D)
    got = keras.Model(x, [output, scores])(values)
    expected = layer(values, return_attention_scores=True)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(numpy(a), numpy(b), atol=1e-6)


def test_heads_that_do_not_divide_the_width_are_rounded_down():
    layer = TransformerEncoder(F, 4)
    layer.build((None, None, D))
    assert layer.attention.key_dim == D // 4


@pytest.mark.parametrize("heads", [0, D + 1])
def test_impossible_heads_are_refused(heads):
    with pytest.raises(ValueError, match=f"num_heads: .* from 1 to {D}, got {heads}"):
        TransformerEncoder(F, heads).build((None, None, D))


@pytest.mark.parametrize(
    "name, shape", [("padding_mask", (B, S, S)), ("attention_mask", (B, S)), ("padding_mask", (B, 3))]
)
def test_masks_of_another_shape_are_refused_by_name(name, shape):
    with pytest.raises(ValueError, match=name if shape != (B, 3) else "attention_mask: .* got 3"):
        made()(arrays(B, S, D), **{name: np.ones(shape)})


def test_dropout_after_attention_and_feedforward_in_training_only():
    x = arrays(B, S, D)
    layer = made(dropout=0.5, attention_dropout=0.0)
    assert layer.attention.dropout.rate == 0.0 and made(dropout=0.5).attention.dropout.rate == 0.5
    calm = numpy(layer(x))
    np.testing.assert_array_equal(numpy(layer(x)), calm)
    assert np.abs(numpy(layer(x, training=True)) - calm).max() > 0.1


@keras.saving.register_keras_serializable("tests")
class DoubledAttention(MultiHeadAttention):
    def scores(self, q, k, attention_mask=None):
        return 2 * super().scores(q, k, attention_mask)


@keras.saving.register_keras_serializable("tests")
class NegatedFeedforward(Feedforward):
    def call(self, inputs):
        return -super().call(inputs)


def test_the_two_parts_can_be_replaced_and_survive_a_config():
    layer = made(attention_cls=DoubledAttention, feedforward_cls=NegatedFeedforward)
    x = arrays(B, S, D)
    _, scores = layer(x, return_attention_scores=True)
    np.testing.assert_allclose(numpy(scores).sum(-1), 2, rtol=1e-5)
    again = TransformerEncoder.from_config(layer.get_config())
    again.build((None, None, D))
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(numpy(again(x)), numpy(layer(x)))


def test_a_part_that_keras_does_not_know_is_named():
    config = made().get_config() | {"attention_cls": "elsewhere>Other"}
    with pytest.raises(ValueError, match=r"attention_cls: .*registered.*elsewhere>Other"):
        TransformerEncoder.from_config(config)


def test_feedforward_by_hand():
    layer = Feedforward(2, inner_activation="relu")
    layer.build((None, None, 1))
    for weight, value in zip(layer.weights, ([[1.0, -1.0]], [0.0, 0.5], [[2.0], [3.0]], [0.25]), strict=True):
        weight.assign(value)
    got = numpy(layer(np.array([[[2.0], [-2.0]]], "float32")))[0, :, 0]
    np.testing.assert_allclose(got, [2 * 2 + 0.25, 2.5 * 3 + 0.25])  # relu(2) 2, relu(-1.5) 3; relu(-2) 2, relu(2.5) 3


def test_feedforward_refuses_no_neurons():
    with pytest.raises(ValueError, match="inner_dim: .* got 0"):
        Feedforward(0)


def test_a_gated_network_is_bare_and_has_the_peers_default_width():
    layer = GatedFeedforward()
    layer.build((None, None, 2))
    assert layer.inner_dim == 768 and layer.gate_dense.kernel.shape == (2, 768)
    silent = GatedFeedforward(3, "relu", "zeros")
    np.testing.assert_array_equal(numpy(silent(arrays(B, S, 2))), 0)  # neither a residual nor a normalization
