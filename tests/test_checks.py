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


@pytest.mark.parametrize("values", [[[1, 2]], ((1, 2),), np.array([[1, 2]], "uint8"), [np.array([1, 2])]])
def test_numbers_become_a_float_array(values):
    array = checks.numbers("x", values, "AB")
    assert array.dtype == np.float64 and array.tolist() == [[1.0, 2.0]]


def test_an_array_of_the_type_is_not_copied():
    array = np.ones((2, 3), np.float32)
    assert checks.to_numpy("x", array, np.float32) is array


@pytest.mark.parametrize(
    ("values", "letters", "error", "words"),
    [
        ([[1, 2]], "AA", ValueError, r"x: expected shape \[A, A\], got \[1, 2\]"),
        ([1, 2, 3], "2", ValueError, r"x: expected shape \[2\], got \[3\]"),
        ([], "A", ValueError, "x: expected shape"),
        ([1], "AB", ValueError, "x: expected shape"),
        ([[1], [1, 2]], "AB", ValueError, "x: expected arrays of the same shape"),
        (["a"], "A", TypeError, "x: expected numbers"),
        (None, "A", TypeError, "x: expected numbers"),
        ([1, np.nan], "A", ValueError, r"x: .* finite .* \[1\]"),
        ([[1, 2], [3, np.inf]], "AB", ValueError, r"x: .* finite .* \[1, 1\]"),
    ],
)
def test_what_is_not_such_an_array_is_named(values, letters, error, words):
    with pytest.raises(error, match=words):
        checks.numbers("x", values, letters)


def test_sizes_can_be_prescribed():
    assert checks.numbers("x", [[1, 2]], "AB", B=2).shape == (1, 2)
    with pytest.raises(ValueError, match=r"x: expected shape \[A, B\] with B = 3, got \[1, 2\]"):
        checks.numbers("x", [[1, 2]], "AB", B=3)


def test_positions_are_in_range_sorted_and_each_once():
    assert checks.positions("heads", (np.int64(2), 0, 2), 3) == [0, 2]
    assert checks.positions("heads", None, 3) == [0, 1, 2]
    for values, words in (([], "at least one"), ([3], "from 0 to 2, got 3"), ([-1], "got -1"), ("0", "got '0'")):
        with pytest.raises(ValueError, match=f"heads: .*{words}"):
            checks.positions("heads", values, 3)


def test_a_new_file_has_a_known_ending_and_a_folder(tmp_path):
    assert checks.new_file(str(tmp_path / "a.PNG"), (".png", ".svg")) == tmp_path / "a.PNG"
    with pytest.raises(ValueError, match=r"path: .* \.png.*\.svg.* 'a\.gif'"):
        checks.new_file("a.gif", (".png", ".svg"))
    with pytest.raises(FileNotFoundError, match="existing folder"):
        checks.new_file(tmp_path / "nowhere" / "a.png", (".png",))


def test_instances_are_told_by_the_name_of_their_class():
    assert checks.instance("word", "a", str) == "a"
    with pytest.raises(TypeError, match=r"word: expected a str, as typed, got 5\."):
        checks.instance("word", 5, str, "as typed")
