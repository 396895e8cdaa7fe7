import keras
import numpy as np
import pytest
from keras import ops

from bertedu import MultiHeadAttention
from bertedu.attention import HeadProjection, masked_softmax

B, T, S, N, H, D = 2, 3, 5, 7, 11, 13


def arrays(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def built(**options):
    layer = MultiHeadAttention(N, H, **options)
    layer.build((B, T, D), (B, S, D))
    for i, weight in enumerate(layer.weights):
        weight.assign(arrays(*weight.shape, seed=i))  # biases too, so that a forgotten one shows
    return layer


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def test_by_hand_with_one_head_of_one_dimension():
    layer = MultiHeadAttention(num_heads=1, key_dim=1, use_bias=False)
    layer.build((1, 2, 1))
    for weight in layer.weights:
        weight.assign(np.ones(weight.shape))
    output, scores = layer(np.array([[[0.0], [1.0]]], "float32"), return_attention_scores=True)
    e = np.e  # logits: 0 0 / 0 1
    np.testing.assert_allclose(numpy(scores)[0, 0], [[0.5, 0.5], [1 / (1 + e), e / (1 + e)]], rtol=1e-6)
    np.testing.assert_allclose(numpy(output)[0, :, 0], [0.5, e / (1 + e)], rtol=1e-6)


@pytest.mark.parametrize("masked", [False, True])
def test_equals_keras_with_the_same_weights(masked):
    layer = built()
    keras_layer = keras.layers.MultiHeadAttention(N, H)
    keras_layer.build((B, T, D), (B, S, D))
    assert [w.shape for w in keras_layer.weights] == [w.shape for w in layer.weights]
    for weight, other in zip(keras_layer.weights, layer.weights, strict=True):
        weight.assign(other)
    query, value = arrays(B, T, D, seed=10), arrays(B, S, D, seed=11)
    mask = np.random.default_rng(12).random((B, T, S)) < 0.6 if masked else None
    if masked:
        mask[:, :, 0] = True  # Keras gives a row with nothing to see another meaning
    expected = keras_layer(query, value, attention_mask=mask, return_attention_scores=True)
    got = layer(query, value, attention_mask=mask, return_attention_scores=True)
    for name, output, expected_output in zip(("output", "scores"), got, expected, strict=True):
        np.testing.assert_allclose(numpy(output), numpy(expected_output), rtol=1e-5, atol=2e-5, err_msg=name)


def test_attention_weights_of_a_query_sum_to_one():
    _, scores = built()(arrays(B, T, D), arrays(B, S, D), return_attention_scores=True)
    assert scores.shape == (B, N, T, S)
    np.testing.assert_allclose(numpy(scores).sum(-1), 1, rtol=1e-5)
    assert numpy(scores).min() >= 0


def test_a_masked_key_gets_exactly_nothing_and_may_hold_anything():
    layer, query, value = built(), arrays(B, T, D), arrays(B, S, D, seed=1)
    mask = np.ones((B, S), "int32")
    mask[:, 3] = 0
    output, scores = layer(query, value, attention_mask=mask, return_attention_scores=True)
    assert (numpy(scores)[..., 3] == 0).all()
    value[:, 3] = 1e3
    np.testing.assert_array_equal(numpy(layer(query, value, attention_mask=mask)), numpy(output))


def test_a_row_with_nothing_to_see_attends_uniformly():
    logits = np.clip(8 * arrays(B, N, T, S), -31, 31)
    scores = numpy(masked_softmax(ops.convert_to_tensor(logits), ops.zeros((B, S))))
    np.testing.assert_allclose(scores, 1 / S, rtol=1e-6)


def test_however_large_the_logits_nothing_is_nan():
    logits = ops.convert_to_tensor(1e6 * arrays(B, N, T, S))
    for mask in (np.zeros((B, S)), np.ones((B, S))):
        np.testing.assert_allclose(numpy(masked_softmax(logits, mask)).sum(-1), 1, rtol=1e-6)


def test_any_non_zero_mask_value_lets_through():
    layer, query, value = built(), arrays(B, T, D), arrays(B, S, D, seed=1)
    mask = np.array([[1, 1, 0, 1, 1]] * B)
    expected = numpy(layer(query, value, attention_mask=mask))
    for other in (mask * 2, mask * 0.3, mask.astype(bool), -mask):
        np.testing.assert_array_equal(numpy(layer(query, value, attention_mask=other)), expected)


def test_masks_of_every_rank_mean_the_same():
    layer, query, value = built(), arrays(B, T, D), arrays(B, S, D, seed=1)
    mask = np.array([[1, 1, 0, 1, 1], [1, 0, 0, 0, 1]])
    expected = numpy(layer(query, value, attention_mask=mask))
    for shape in ((B, 1, S), (B, T, S), (B, 1, T, S), (B, N, T, S)):
        wide = np.broadcast_to(mask.reshape((B,) + (1,) * (len(shape) - 2) + (S,)), shape)
        np.testing.assert_array_equal(numpy(layer(query, value, attention_mask=wide)), expected)


def test_a_mask_may_differ_from_query_to_query():
    mask = np.tril(np.ones((1, T, T)))
    _, scores = built()(arrays(B, T, D), attention_mask=mask, return_attention_scores=True)
    assert (numpy(scores)[:, :, ~np.tril(np.ones((T, T), bool))] == 0).all()


@pytest.mark.parametrize("shape", [(S,), (B, S + 1), (B, T + 1, S), (B, N + 1, T, S), (B, 1, 1, T, S)])
def test_a_mask_that_does_not_fit_is_refused_by_name(shape):
    with pytest.raises(ValueError, match="attention_mask"):
        built()(arrays(B, T, D), arrays(B, S, D), attention_mask=np.ones(shape))


def test_permuting_the_keys_changes_nothing_and_permuting_the_queries_permutes():
    layer, query, value = built(), arrays(B, T, D), arrays(B, S, D, seed=1)
    expected = numpy(layer(query, value))
    np.testing.assert_allclose(numpy(layer(query, value[:, [4, 2, 0, 1, 3]])), expected, atol=1e-4)
    np.testing.assert_allclose(numpy(layer(query[:, [2, 0, 1]], value)), expected[:, [2, 0, 1]], atol=1e-4)


def test_head_mask_scales_what_a_head_contributes():
    layer, query, value = built(), arrays(B, T, D), arrays(B, S, D, seed=1)
    everything = numpy(layer(query, value))
    bias = numpy(layer.output_dense.bias)
    alone = [numpy(layer(query, value, head_mask=np.eye(N)[n])) - bias for n in range(N)]
    np.testing.assert_allclose(sum(alone) + bias, everything, atol=1e-4)  # heads add up, one by one
    np.testing.assert_allclose(numpy(layer(query, value, head_mask=np.zeros(N))), np.broadcast_to(bias, (B, T, D)))
    half, scores = layer(query, value, head_mask=np.full(N, 0.5), return_attention_scores=True)
    np.testing.assert_allclose(numpy(half) - bias, (everything - bias) / 2, atol=1e-4)
    np.testing.assert_allclose(numpy(scores).sum(-1), 1, rtol=1e-5)  # the weights stay the same


def test_queries_keys_and_values_are_the_ones_that_make_the_output():
    layer, query, value = built(), arrays(B, T, D), arrays(B, S, D, seed=1)
    output, scores, (q, k, v) = layer(query, value, return_attention_scores=True, return_qkv=True)
    assert q.shape == (B, N, T, H) and k.shape == v.shape == (B, N, S, H)
    logits = numpy(q) @ numpy(k).swapaxes(2, 3) / np.sqrt(H)
    exps = np.exp(logits - logits.max(-1, keepdims=True))
    np.testing.assert_allclose(exps / exps.sum(-1, keepdims=True), numpy(scores), atol=1e-5)
    context = numpy(scores) @ numpy(v)  # [B, N, T, H]
    made = np.einsum("bnth,nhd->btd", context, numpy(layer.output_dense.kernel)) + numpy(layer.output_dense.bias)
    np.testing.assert_allclose(made, numpy(output), atol=1e-4)
    assert len(layer(query, value, return_qkv=True)) == 2


def test_values_may_be_wider_than_keys():
    layer = MultiHeadAttention(N, H, value_dim=17)
    output, (_, _, v) = layer(arrays(B, T, D), return_qkv=True)
    assert output.shape == (B, T, D) and v.shape == (B, N, T, 17)


def test_dropout_acts_in_training_only_and_scores_are_given_before_it():
    layer = built(dropout=0.5)
    query = arrays(B, T, D)
    calm, scores = layer(query, return_attention_scores=True)
    wild, wild_scores = layer(query, return_attention_scores=True, training=True)
    np.testing.assert_array_equal(numpy(scores), numpy(wild_scores))
    assert np.abs(numpy(calm) - numpy(wild)).max() > 0.1


def test_kernels_of_one_layer_start_out_different():
    layer = MultiHeadAttention(N, H, kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02))
    layer.build((B, T, D))
    query, key, value = (numpy(dense.kernel) for dense in (layer.query_dense, layer.key_dense, layer.value_dense))
    assert not np.allclose(query, key) and not np.allclose(key, value)


@pytest.mark.parametrize("sizes", [(0, 4), (2, 0)])
def test_sizes_below_one_are_refused(sizes):
    with pytest.raises(ValueError, match="(num_heads|key_dim): .* got 0"):
        MultiHeadAttention(*sizes)


@pytest.mark.parametrize("use_bias", [True, False])
def test_a_projection_equals_einsum_dense_into_the_heads_and_out_of_them(use_bias):
    x = arrays(B, T, D)
    into = HeadProjection((N, H), use_bias=use_bias)
    out_of = HeadProjection((D,), (N, H), use_bias)
    between = into(x)
    out_of(between)
    for layer, equation, axes, output_shape, values in (
        (into, "btd,dnh->btnh", "nh", (None, N, H), x),
        (out_of, "btnh,nhd->btd", "d", (None, D), numpy(between).reshape(B, T, N, H)),
    ):
        einsum_dense = keras.layers.EinsumDense(equation, output_shape, bias_axes=axes if use_bias else None)
        einsum_dense(values)
        assert [tuple(w.shape) for w in layer.weights] == [tuple(w.shape) for w in einsum_dense.weights]
        for i, weight in enumerate(layer.weights):
            weight.assign(arrays(*weight.shape, seed=i))
        einsum_dense.set_weights(layer.get_weights())
        got = numpy(layer(values.reshape(B, T, -1)))
        np.testing.assert_allclose(got, numpy(einsum_dense(values)).reshape(got.shape), rtol=1e-5, atol=2e-5)
        np.testing.assert_array_equal(numpy(layer.matrix), numpy(layer.kernel).reshape(numpy(layer.matrix).shape))


def test_a_projection_starts_as_one_matrix_would():
    keras.utils.set_random_seed(0)
    projection = HeadProjection((7, 11), kernel_initializer=keras.initializers.Orthogonal(seed=1))
    projection.build((None, None, 13))
    matrix = numpy(projection.matrix)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(13), atol=1e-5)
    limit = np.sqrt(6 / (600 + 3 * 200))  # Glorot's, for 600 inputs and 600 outputs; not for those of one head
    wide = HeadProjection((3, 200))
    wide.build((None, None, 600))
    assert 0.99 * limit < np.abs(numpy(wide.kernel)).max() <= limit
