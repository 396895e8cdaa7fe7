"""Strict filling: what a model needs is known before it is made, and every tensor is accounted for."""

import math
import warnings

import keras
import numpy as np
import pytest

import bertedu as be
from bertedu.backend.variables import aligned_copy
from bertedu.checkpoints import assembly, configuration, strict
from bertedu.checkpoints.common import TensorInfo, weights

SIZES = {"vocab_size": 20, "hidden_size": 6, "num_layers": 2, "num_attention_heads": 2, "inner_dim": 7}
SIZES |= {"max_sequence_length": 13, "type_vocab_size": 2}
KINDS = {
    "plain": {},
    "talking heads": {"attention_cls": be.TalkingHeadsAttention},
    "gated": {"feedforward_cls": be.GatedFeedforward},
    "narrow tables": {"embedding_width": 5},
    "a table of its own": {"embedding_layer": keras.layers.Embedding(23, 6, name="words")},
}


def shapes_of(variables):
    return {path: tuple(variable.shape) for path, variable in variables.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_the_shapes_of_a_model_are_known_without_making_it(kind):
    arguments = SIZES | KINDS[kind]
    encoder = be.BertEncoder(**arguments)
    masked_lm = be.BertPretrainer(encoder)
    classifier = be.BertClassifier(encoder, 3)
    shapes, others = strict.model_shapes(arguments, True, strict.dense("logits", 6, 3))
    assert shapes == shapes_of(weights(encoder, masked_lm, classifier))
    assert others == []


def test_parts_of_other_classes_are_checked_once_they_are_made():
    class Other(be.Feedforward):
        pass

    shapes, others = strict.model_shapes(SIZES | {"feedforward_cls": Other})
    assert others == ["layer_0/feedforward/", "layer_1/feedforward/"]
    assert not any("/feedforward/" in path for path in shapes)


def model():
    encoder = be.BertEncoder(**SIZES)
    variables = weights(encoder)
    rng = np.random.default_rng(0)
    arrays = {path: rng.normal(size=shape).astype("float32") for path, shape in shapes_of(variables).items()}
    return variables, arrays


def infos(arrays, **changes):
    return [TensorInfo(path, array.shape, str(array.dtype), path, True) for path, array in arrays.items()]


def fill(variables, arrays, tensors=None):
    tensors = infos(arrays) if tensors is None else tensors
    stored = strict.Stored(tensors, lambda tensor: arrays[tensor.name], "the file", "its description")
    return strict.fill(stored, variables)


def test_every_weight_is_filled():
    variables, arrays = model()
    assert fill(variables, arrays)
    for path, variable in variables.items():
        np.testing.assert_array_equal(variable, arrays[path], err_msg=path)


def test_a_pooler_may_be_absent_but_not_half():
    variables, arrays = model()
    without = {path: array for path, array in arrays.items() if not path.startswith("pooler_transform/")}
    assert not fill(variables, without)
    del arrays["pooler_transform/bias"]
    with pytest.raises(ValueError, match="missing: pooler_transform/bias"):
        fill(variables, arrays)


@pytest.mark.parametrize("path", ["layer_1/feedforward/output/bias", "embeddings/layer_norm/gamma"])
def test_a_missing_tensor_is_named(path):
    variables, arrays = model()
    del arrays[path]
    with pytest.raises(ValueError, match=f"the file.*missing: {path}"):
        fill(variables, arrays)


def test_tensors_that_are_unknown_or_there_twice_are_named():
    variables, arrays = model()
    tensors = infos(arrays)
    for extra in (TensorInfo("new", (1,), "float32", None, False), tensors[3]._replace(name="again")):
        with pytest.raises(ValueError, match=f"unexpected: {extra.name}"):
            fill(variables, arrays, [*tensors, extra])
    known = TensorInfo("step", (), "int64", None, True)
    assert fill(variables, arrays, [*tensors, known])


@pytest.mark.parametrize("change", [{"shape": (6, 2, 4)}, {"dtype": "int8"}, {"dtype": "F8_E4M3"}])
def test_another_shape_or_type_is_refused_before_anything_is_read(change):
    variables, arrays = model()
    tensors = infos(arrays)
    at = [tensor.name for tensor in tensors].index("layer_0/self_attention/key/kernel")
    tensors[at] = tensors[at]._replace(**change)
    before = np.array(variables["embeddings/layer_norm/beta"])
    with pytest.raises(ValueError, match="layer_0/self_attention/key/kernel"):
        fill(variables, arrays, tensors)
    np.testing.assert_array_equal(variables["embeddings/layer_norm/beta"], before)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_warn_with_the_tensor_s_name(value):
    variables, arrays = model()
    arrays["layer_1/output_layer_norm/gamma"][2] = value
    with pytest.warns(UserWarning, match="layer_1/output_layer_norm/gamma"):
        fill(variables, arrays)
    np.testing.assert_array_equal(variables["layer_1/output_layer_norm/gamma"][2], value)  # loaded as it is


def test_large_but_finite_weights_do_not_warn():
    variables, arrays = model()
    arrays["layer_1/output_layer_norm/gamma"][:] = 3e38  # their sum is infinite
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fill(variables, arrays)
    with np.errstate(over="ignore"):
        assert math.isinf(np.sum(arrays["layer_1/output_layer_norm/gamma"], dtype="float32"))


def test_weights_are_copied_from_views_of_any_order_and_alignment():
    variables, arrays = model()
    arrays = {path: aligned_copy(array) for path, array in arrays.items()}  # what TensorFlow would not copy itself
    memory = np.zeros(1 + 4 * 42, "uint8")
    unaligned = memory[1:].view("float32").reshape(6, 7)
    unaligned[:] = np.arange(42).reshape(6, 7)
    arrays["layer_0/feedforward/output/kernel"] = unaligned.T
    arrays["layer_0/feedforward/intermediate/kernel"] = unaligned
    fill(variables, arrays)
    expected = np.arange(42).reshape(6, 7)
    memory[:] = 0  # a variable has its own memory
    for array in arrays.values():
        array[:] = 0
    np.testing.assert_array_equal(variables["layer_0/feedforward/output/kernel"], expected.T)
    np.testing.assert_array_equal(variables["layer_0/feedforward/intermediate/kernel"], expected)
    assert np.all(np.asarray(variables["layer_0/feedforward/intermediate/bias"]) != 0)
    variables["layer_0/feedforward/output/kernel"].assign_add(expected.T)
    np.testing.assert_array_equal(variables["layer_0/feedforward/output/kernel"], 2 * expected.T)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_a_tensor_of_another_dtype_is_converted(dtype):
    variables, arrays = model()
    stored = {path: array.astype(dtype) for path, array in arrays.items()}
    fill(variables, stored)
    for path, variable in variables.items():
        np.testing.assert_array_equal(variable, stored[path].astype("float32"), err_msg=path)


def test_no_initial_values_are_computed_for_weights_that_are_read(monkeypatch):
    def fail(*arguments, **options):
        raise AssertionError("an initial value was computed")

    arguments = SIZES | configuration.published_arguments({}, "gelu", "float32")
    monkeypatch.setattr(keras.initializers.TruncatedNormal, "__call__", fail)
    with pytest.raises(AssertionError, match="initial value"):
        be.BertEncoder(**SIZES)
    encoder = assembly.build(arguments, assembly.Heads(), "the file")["encoder"]
    assert isinstance(encoder.initializer, keras.initializers.TruncatedNormal)
    assert shapes_of(weights(encoder)) == strict.model_shapes(SIZES)[0]
