import numpy as np
import pytest
from keras import ops

from bertedu import pooling

SEQUENCE = np.array([[[1.0, -5.0], [3.0, -7.0], [99.0, 99.0]], [[2.0, 8.0], [99.0, 99.0], [99.0, 99.0]]], "float32")
MASK = np.array([[1, 1, 0], [1, 0, 0]])


@pytest.mark.parametrize(
    "name, expected", [("cls", [[1, -5], [2, 8]]), ("mean", [[2, -6], [2, 8]]), ("max", [[3, -5], [2, 8]])]
)
@pytest.mark.parametrize("dtype", ["int32", "bool", "float32"])
def test_by_hand_and_blind_to_padding(name, expected, dtype):
    got = pooling.pool({"sequence_output": SEQUENCE}, MASK.astype(dtype), name)
    np.testing.assert_array_equal(ops.convert_to_numpy(got), expected)


def test_pooled_is_the_encoder_s_own():
    assert pooling.pool({"pooled_output": "theirs"}, MASK, "pooled") == "theirs"


@pytest.mark.parametrize("name", ["mean", "max"])
def test_nothing_to_pool_gives_zeros(name):
    got = ops.convert_to_numpy(pooling.pool({"sequence_output": SEQUENCE}, MASK * 0, name))
    np.testing.assert_array_equal(got, np.zeros((2, 2)))


def test_an_unknown_pooling_lists_the_known():
    with pytest.raises(ValueError, match=r"\['pooled', 'cls', 'mean', 'max'\].* got 'sum'"):
        pooling.pool({"sequence_output": SEQUENCE}, MASK, "sum")


def test_only_a_registered_function_has_a_name():
    assert pooling.pooling_name("mean") == pooling.pooling_name(pooling.mean_pooling) == "mean"
    with pytest.raises(ValueError, match="embed_settings: .*registered"):
        pooling.pooling_name(lambda sequence_output, input_mask: sequence_output[:, 0])


@pytest.mark.parametrize("unknown", ["sum", 3, None, dict])
def test_what_cannot_pool_is_none(unknown):
    assert pooling.get(unknown) is None and not pooling.is_pooling(unknown)


def test_the_default_settings_of_embed():
    assert pooling.EmbedSettings() == pooling.EmbedSettings("mean", normalize=False, max_length=None, prompt="")


def test_pool_takes_the_mean_unless_told_otherwise():
    outputs = {"sequence_output": SEQUENCE, "pooled_output": None}
    np.testing.assert_array_equal(pooling.pool(outputs, MASK), pooling.pool(outputs, MASK, "mean"))
