"""Configurations that are derived from the signature of a constructor."""

import keras
import pytest

from bertedu import Feedforward, register
from bertedu.aliases import also_spelled
from bertedu.serialization import ConfigFromSignature, constructor_arguments


@register("tests")
class Scaled(Feedforward):
    def __init__(self, *args, factor=2.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.factor = factor


class Renamed(ConfigFromSignature, keras.layers.Layer):
    STORED_AS = {"rate": "dropout"}

    def __init__(self, rate, inner=None, kinds=(), **kwargs):
        super().__init__(**kwargs)
        self.dropout = keras.layers.Dropout(rate)
        self.inner = inner
        self.kinds = list(kinds)


def test_a_subclass_adds_its_arguments_to_those_of_its_base():
    assert constructor_arguments(Scaled)[-1] == "factor" and "inner_dim" in constructor_arguments(Scaled)
    again = Scaled.from_config(Scaled(3, "relu", factor=5.0).get_config())
    assert (again.inner_dim, again.inner_activation, again.factor) == (3, keras.activations.relu, 5.0)


def test_nested_layers_lists_and_other_attributes():
    again = Renamed.from_config(Renamed(0.25, Scaled(3, factor=7.0), [keras.layers.Dense(2)]).get_config())
    assert again.dropout.rate == 0.25 and again.inner.factor == 7.0 and again.kinds[0].units == 2


def test_what_was_changed_after_construction_is_in_the_configuration():
    layer = Renamed(0.25)
    layer.dropout.rate = 0.5
    assert layer.get_config()["rate"] == 0.5


def test_spellings_by_position_by_name_and_twice():
    class Box:
        @also_spelled({"breadth": "width"}, ignored=("color",))
        def __init__(self, width=1, height=2):
            self.size = (width, height)

    assert Box(breadth=5).size == (5, 2) and Box(5, color="red").size == (5, 2)
    for arguments, options in (((1,), {"breadth": 1}), ((), {"width": 1, "breadth": 1})):
        with pytest.raises(ValueError, match="width: .* breadth"):
            Box(*arguments, **options)
    with pytest.raises(TypeError):
        Box(depth=1)
