"""The argument checkers: a value that fits is returned, another is refused by name."""

import numpy as np
import pytest

from bertedu import checks


@pytest.mark.parametrize("value", [1, np.int64(1), 7])
def test_whole_numbers_are_returned_as_ints(value):
    assert checks.whole_number("n", value, 1, 7) == value and type(checks.whole_number("n", value)) is int


@pytest.mark.parametrize("value", [0, 8, 1.0, True, "1", None])
def test_other_numbers_are_refused_by_name(value):
    with pytest.raises(ValueError, match=r"n: .* from 1 to 7, got .*\. So there\."):
        checks.whole_number("n", value, 1, 7, "So there.")


def test_a_choice_has_the_type_of_what_may_be_chosen():
    assert checks.choice("mode", "a", ("a", "b")) == "a"
    for value in ("c", 1, True, None, np.array(["a", "b"])):
        with pytest.raises(ValueError, match="mode: expected 'a' or 'b'"):
            checks.choice("mode", value, ("a", "b"))
    with pytest.raises(TypeError, match="on: .* got 1"):
        checks.flag("on", 1)


def test_strings_come_from_whatever_holds_several():
    for values in (["a", "b"], ("a", "b"), np.array(["a", "b"]), iter("ab")):
        assert checks.strings("words", values) == ["a", "b"]
    for values in ("ab", b"ab", {"a": 1}, 3, None, ["a", 3]):
        with pytest.raises(TypeError, match="words: "):
            checks.strings("words", values)
    with pytest.raises(ValueError, match="words: .* 3 .*, got 2"):
        checks.strings("words", ["a", "b"], 3, "row")
