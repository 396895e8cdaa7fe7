"""Layers of the same structure are traced once for a graph of TensorFlow, and no result shows it."""

import contextlib
import types

import keras
import numpy as np
import pytest

import bertedu as be
from bertedu.backend import compiled, repeated
from bertedu.inputs import INPUTS

SIZES = {"vocab_size": 20, "hidden_size": 6, "num_layers": 3, "num_attention_heads": 2, "inner_dim": 7}


def forward(encoder, inputs):
    return encoder(inputs, return_attention_scores=True, return_embedding_output=True, return_qkv=True, training=False)


def encoder_with_own_weights(**options):
    encoder, rng = be.BertEncoder(**SIZES | options), np.random.default_rng(0)
    for weight in encoder.weights:
        weight.assign(rng.normal(size=weight.shape))
    return encoder


def outputs(encoder):
    run, rng = compiled.compiled(forward, encoder, {}), np.random.default_rng(1)
    results = []
    for shape in ((1, 1), (3, 12)):
        ids = rng.integers(1, 20, shape).astype("int32")
        ids[-1, 9:] = 0
        results.append(run(dict(zip(INPUTS, (ids, (ids > 0).astype("int32"), ids % 2), strict=True))))
    return keras.tree.flatten(results)


def outputs_of_separate_layers(encoder, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(compiled, "sharing", contextlib.nullcontext)
        return outputs(encoder)


def number_of_structures(encoder):
    return len({repeated.structure(layer) or id(layer) for layer in encoder.transformer_layers})


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"attention_cls": be.TalkingHeadsAttention, "feedforward_cls": be.GatedFeedforward},
        {"norm_first": True, "output_range": 1},
        {"dtype": "mixed_bfloat16"},
    ],
)
def test_outputs_are_those_of_separate_layers_bit_for_bit(options, monkeypatch):
    encoder = encoder_with_own_weights(**options)
    assert number_of_structures(encoder) == (3 if "dtype" in options else 1)
    expected = outputs_of_separate_layers(encoder, monkeypatch)
    for got, array in zip(outputs(encoder), expected, strict=True):
        np.testing.assert_array_equal(got, array)


def replaced_activation(layer):
    layer.feedforward.inner_activation = lambda x: keras.activations.gelu(x) / 2


def other_epsilon(layer):
    layer.output_norm.epsilon = 0.5


def own_method(layer):
    layer.attention.logits = types.MethodType(
        lambda self, q, k: be.MultiHeadAttention.logits(self, q, k) * 3, layer.attention
    )


def own_class(layer):
    class Doubled(be.Feedforward):
        def call(self, inputs):
            return 2 * super().call(inputs)

    layer.feedforward.__class__ = Doubled


def low_rank(layer):
    layer.feedforward.output_dense.enable_lora(2)
    layer.feedforward.output_dense.lora_kernel_b.assign(np.arange(12).reshape(2, 6))


@pytest.mark.parametrize("change", [replaced_activation, other_epsilon, own_method, own_class, low_rank])
def test_a_layer_that_differs_is_traced_by_itself(change, monkeypatch):
    encoder = encoder_with_own_weights()
    before = outputs(encoder)
    change(encoder.transformer_layers[1])
    assert number_of_structures(encoder) == 2
    after = outputs(encoder)
    assert not np.allclose(before[-1], after[-1])
    for got, expected in zip(after, outputs_of_separate_layers(encoder, monkeypatch), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_layers_of_the_same_structure_keep_their_own_weights_which_may_change():
    encoder = encoder_with_own_weights()
    run = compiled.compiled(forward, encoder, {})
    ids = np.array([[2, 5, 6, 3]], "int32")
    inputs = dict(zip(INPUTS, (ids, ids * 0 + 1, ids * 0), strict=True))
    for layer in encoder.transformer_layers:
        before = run(inputs)["encoder_outputs"]
        layer.attention_norm.gamma.assign(layer.attention_norm.gamma * 1.5)
        after = run(inputs)["encoder_outputs"]
        number = encoder.transformer_layers.index(layer)
        same = [np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
        assert same == [i < number for i in range(3)]
        np.testing.assert_allclose(after[-1], encoder(inputs)["sequence_output"], atol=1e-5)
