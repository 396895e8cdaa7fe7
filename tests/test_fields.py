"""Fields of configurations: followed, refused or ignored by a table, and errors name file and field."""

import math

import pytest

from bertedu.fields import FLAG, IGNORED, number, one_of, only, optional, read_fields, text, whole

TABLE = {
    "size": whole(1, 10),
    "rate": number(0, 1),
    "flag": FLAG,
    "name": optional(text(5)),
    "kind": one_of(("a", "b")),
    "positions": only("absolute", None),
    "author": IGNORED,
}
RIGHT = {"size": 3, "rate": 0.5, "flag": True, "name": None, "kind": "a", "positions": "absolute", "author": [1]}


def test_followed_fields_are_returned():
    assert read_fields(RIGHT, TABLE, "file") == {"size": 3, "rate": 0.5, "flag": True, "name": None, "kind": "a"}
    assert read_fields({"rate": 1}, TABLE, "file") == {"rate": 1}


WRONG = [
    *[("size", value) for value in (0, 11, 10**30, 3.0, True, "3", None, [3], math.nan)],
    *[("rate", value) for value in (-0.1, 1.1, math.nan, math.inf, True, "0.5", None)],
    *[("flag", value) for value in (0, 1, "true", None)],
    *[("name", value) for value in ("123456", 3)],
    *[("kind", value) for value in ("c", None, ["a"], {"a": 1})],
    *[("positions", value) for value in ("relative", 0, False)],
]


@pytest.mark.parametrize("field, value", WRONG, ids=str)
def test_another_value_is_refused_with_file_and_field(field, value):
    with pytest.raises(ValueError, match=rf"file\.json: {field}: expected "):
        read_fields(RIGHT | {field: value}, TABLE, "file.json")


def test_a_value_is_shown_shortened_and_without_control_characters():
    with pytest.raises(ValueError) as error:
        read_fields({"kind": "\x1b[31m\u202e" + "x" * 10**6}, TABLE, "file")
    assert len(str(error.value)) < 300 and "\x1b" not in str(error.value) and "\u202e" not in str(error.value)


def test_unknown_fields():
    more = RIGHT | {"new": 1, "newer": 2}
    with pytest.raises(ValueError, match="file.*'new'"):
        read_fields(more, TABLE, "file")
    with pytest.warns(UserWarning, match="file.*'new', 'newer'"):
        assert "new" not in read_fields(more, TABLE, "file", unknown="warn")


@pytest.mark.parametrize("content", [None, [], "text", 3])
def test_only_an_object_is_accepted(content):
    with pytest.raises(ValueError, match="file"):
        read_fields(content, TABLE, "file")


def test_a_required_field_is_named():
    with pytest.raises(ValueError, match="file.*'size'"):
        read_fields({"rate": 1}, TABLE, "file", required=("size",))
