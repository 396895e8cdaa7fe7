"""What others rely on of every layer: its registered name, its defaults, its masking, and the names of its weights.

Model files hold the registered names and the names of weights; the defaults are those of the class each one follows.
"""

import inspect

import keras
import numpy as np
import pytest

import bertedu as be
from bertedu.attention import HeadProjection

GLOROT = {"kernel_initializer": "glorot_uniform", "bias_initializer": "zeros"}
DEFAULTS = {  # class or function -> defaults of the arguments that have one
    "BertPreprocessor": {"seq_length": 128, "truncation": "round_robin"},
    "BertTokenizer": {"lowercase": True, "strip_accents": None, "tokenize_chinese_chars": True, "added_tokens": ()},
    "BertEmbeddings": {
        "hidden_size": 768,
        "max_sequence_length": 512,
        "type_vocab_size": 16,
        "embedding_width": None,
        "embedding_layer": None,
        "dropout": 0.1,
        "layer_norm_epsilon": 1e-12,
        "initializer": None,
    },
    "MultiHeadAttention": {"value_dim": None, "dropout": 0.0, "use_bias": True, **GLOROT},
    "TalkingHeadsAttention": {"value_dim": None, "dropout": 0.0, "use_bias": True, **GLOROT},
    "Feedforward": {"inner_activation": be.defaults.gelu_tanh, **GLOROT},
    "GatedFeedforward": {"inner_dim": 768},
    "TransformerEncoder": {
        "dropout": 0,
        "activation": "relu",
        "layer_norm_epsilon": 1e-5,
        **GLOROT,
        "normalize_first": False,
        "attention_dropout": None,
        "attention_cls": be.MultiHeadAttention,
        "feedforward_cls": be.Feedforward,
        "key_dim": None,
    },
    "BertEncoder": {
        "hidden_size": 768,
        "num_layers": 12,
        "num_attention_heads": 12,
        "max_sequence_length": 512,
        "type_vocab_size": 16,
        "inner_dim": 3072,
        "inner_activation": be.defaults.gelu_tanh,
        "output_dropout": 0.1,
        "attention_dropout": 0.1,
        "initializer": None,
        "output_range": None,
        "embedding_width": None,
        "embedding_layer": None,
        "norm_first": False,
        "with_dense_inputs": False,
        "return_attention_scores": False,
        "layer_norm_epsilon": 1e-12,
        "attention_cls": be.MultiHeadAttention,
        "feedforward_cls": be.Feedforward,
        "pruned_heads": None,
    },
    "MaskedLM": {
        "activation": None,
        "initializer": "glorot_uniform",
        "output": "logits",
        "layer_norm_epsilon": 1e-12,
    },
    "BertPretrainer": {
        "mlm_activation": None,
        "mlm_initializer": "glorot_uniform",
        "classification_heads": None,
        "customized_masked_lm": None,
        "name": "bert",
    },
    "ClassificationHead": {
        "cls_token_idx": 0,
        "activation": "tanh",
        "dropout_rate": 0.0,
        "initializer": "glorot_uniform",
    },
    "BertClassifier": {
        "initializer": "glorot_uniform",
        "dropout_rate": 0.1,
        "use_encoder_pooler": True,
        "head_name": "sentence_prediction",
        "cls_head": None,
        "class_names": None,
        "multi_label": False,
        "thresholds": None,
    },
    "BertTokenClassifier": {
        "initializer": "glorot_uniform",
        "output": "logits",
        "dropout_rate": 0.1,
        "output_encoder_outputs": False,
        "class_names": None,
    },
    "mask_tokens": {"rate": 0.15, "max_predictions": None, "whole_words": False, "seed": None},
}
CLASSES = [name for name in DEFAULTS if name != "mask_tokens"]
DENSE = ("query", "key", "value", "attention_output")
ATTENTION = [f"{part}/{weight}" for part in DENSE for weight in ("kernel", "bias")]


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_defaults_are_those_of_the_class_that_it_follows(name):
    parameters = inspect.signature(getattr(be, name)).parameters.values()
    assert {p.name: p.default for p in parameters if p.default is not p.empty} == DEFAULTS[name]


@pytest.mark.parametrize("name", [name for name in CLASSES if name != "BertTokenizer"])
def test_files_call_it_by_its_registered_name(name):
    cls = getattr(be, name)
    assert keras.saving.get_registered_name(cls) == f"bertedu>{name}"
    assert keras.saving.get_registered_object(f"bertedu>{name}") is cls


def test_files_call_the_projections_by_their_registered_names():
    assert keras.saving.get_registered_name(HeadProjection) == "bertedu>HeadProjection"


def names_of_weights(layer):
    return [variable.path.split("/", 1)[1] for variable in layer.weights]


def test_the_weights_of_attention_have_their_names():
    layer = be.MultiHeadAttention(2, 3)
    layer(np.zeros((1, 4, 5), "float32"))
    assert names_of_weights(layer) == ATTENTION


def test_the_weights_of_talking_heads_have_their_names():
    layer = be.TalkingHeadsAttention(2, 3)
    layer(np.zeros((1, 4, 5), "float32"))
    assert sorted(names_of_weights(layer)) == sorted([*ATTENTION, "pre_softmax_weight", "post_softmax_weight"])
    assert layer.pre_softmax_weight.path.endswith("/pre_softmax_weight")


@pytest.mark.parametrize(
    "layer",
    [
        be.MultiHeadAttention(2, 3),
        be.TalkingHeadsAttention(2, 3),
        be.Feedforward(7),
        be.GatedFeedforward(7),
        be.TransformerEncoder(7, 2),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_mask_of_keras_passes_through(layer):
    assert layer.supports_masking is True


# -- talking heads -----------------------------------------------------------------------------------------------------


def talking(num_heads=5, head_size=3, queries=4, keys=7, size=11):
    """A built layer, and queries and keys for it."""
    rng = np.random.default_rng(0)
    query, value = (rng.normal(size=(2, length, size)).astype("float32") for length in (queries, keys))
    layer = be.TalkingHeadsAttention(num_heads, head_size)
    layer(query, value)
    return layer, query, value


def test_talking_heads_mix_the_heads_before_and_after_the_softmax():
    layer, query, value = talking()
    before, after = (np.random.default_rng(seed).normal(size=(5, 5)).astype("float32") for seed in (1, 2))
    layer.pre_softmax_weight.assign(before)
    layer.post_softmax_weight.assign(after)
    _, scores, (q, k, _) = layer(query, value, return_attention_scores=True, return_qkv=True)
    q, k = keras.ops.convert_to_numpy(q), keras.ops.convert_to_numpy(k)
    logits = np.zeros((2, 5, 4, 7))
    for m in range(5):  # the head in the column gets what the heads in the rows have
        for n in range(5):
            logits[:, m] += before[n, m] * q[:, n] @ k[:, n].transpose(0, 2, 1) / np.sqrt(3)
    weights = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = sum(after[n][None, :, None, None] * weights[:, n : n + 1] for n in range(5))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(scores), expected, atol=1e-5)


def test_talking_heads_that_mix_nothing_are_multi_head_attention():
    layer, query, value = talking()
    for weight in (layer.pre_softmax_weight, layer.post_softmax_weight):
        weight.assign(np.eye(5))
    plain = be.MultiHeadAttention(5, 3)
    plain(query, value)
    plain.set_weights([weight for weight in layer.get_weights() if weight.shape != (5, 5)])
    mask = np.arange(7) < np.array([[7], [4]])
    got, expected = (each(query, value, attention_mask=mask) for each in (layer, plain))
    np.testing.assert_allclose(*map(keras.ops.convert_to_numpy, (got, expected)), atol=1e-6)


@pytest.mark.parametrize("keys", [1, 2])
def test_few_keys(keys):
    layer = be.MultiHeadAttention(2, 3)
    x = np.random.default_rng(0).normal(size=(1, keys, 5)).astype("float32")
    _, scores = layer(x, return_attention_scores=True)
    scores = keras.ops.convert_to_numpy(scores)
    np.testing.assert_allclose(scores.sum(-1), 1, atol=1e-6)
    assert (scores == 1).all() == (keys == 1)


def test_one_query_of_several_keys():
    layer = be.MultiHeadAttention(2, 3)
    x = np.random.default_rng(0).normal(size=(1, 4, 5)).astype("float32")
    every, one = (layer(query, x, return_attention_scores=True)[1] for query in (x, x[:, :1]))
    np.testing.assert_allclose(one, keras.ops.convert_to_numpy(every)[:, :, :1], atol=1e-6)


def test_the_weights_of_a_pretrainer_have_their_names():
    encoder = be.BertEncoder(20, hidden_size=6, num_layers=1, num_attention_heads=2, inner_dim=7)
    paths = {variable.path.split("/", 1)[1] for variable in be.BertPretrainer(encoder).weights}
    assert {"cls_predictions/transform/kernel", "cls_predictions/output_bias"} <= {
        path[path.index("cls_predictions") :] for path in paths if "cls_predictions" in path
    }
