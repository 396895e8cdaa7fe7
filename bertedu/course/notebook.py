"""Notebook files: read within bounds, checked field by field against format 4.5, and written as Jupyter writes them.

The format is nbformat's (https://nbformat.readthedocs.io); that package comes with Jupyter and is not in the core.
"""

import itertools
import json
import math
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

from bertedu import files

NOTEBOOK_LIMIT = 100_000_000
"""Bytes of a notebook; GitHub takes files of up to 100 MB."""

DEEPEST = 100
"""Levels of values inside values; Python itself stops at about 300 when it copies them."""

WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
JSON_TYPE = re.compile(r"^application/(.*\+)?json$")
CELL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


# ---- what a field may hold: its description for the message, and the test -------------------------------------------


def _is_text(value):
    return isinstance(value, str) or _is_strings(value)


def _is_strings(value):
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_bundle(value):
    return isinstance(value, dict) and all(JSON_TYPE.search(name) or _is_text(data) for name, data in value.items())


def _is_count(value):
    return value is None or (type(value) is int and value >= 0)


def _is_tags(value):
    return _is_strings(value) and len(set(value)) == len(value) and all(tag and "," not in tag for tag in value)


OBJECT = ("an object", lambda value: isinstance(value, dict))
LIST = ("a list", lambda value: isinstance(value, list))
STRING = ("a string", lambda value: isinstance(value, str))
STRINGS = ("a list of strings", _is_strings)
TEXT = ("a string or a list of strings", _is_text)
BUNDLE = ("an object from media types to strings or lists of strings", _is_bundle)
COUNT = ("a whole number or null", _is_count)
MINOR = ("0 to 5", lambda value: type(value) is int and 0 <= value <= 5)
FLAG = ("true or false", lambda value: isinstance(value, bool))
ID = ("1 to 64 letters, digits, - or _", lambda value: isinstance(value, str) and CELL_ID.fullmatch(value))
NAME = ("a string of one line", lambda value: isinstance(value, str) and value and "\n" not in value)
TAGS = ("a list of different strings without commas", _is_tags)
ATTACHMENTS = (
    "an object of attachments",
    lambda value: isinstance(value, dict) and all(map(_is_bundle, value.values())),
)
SCROLLED = ('true, false or "auto"', lambda value: isinstance(value, bool) or value == "auto")
EXECUTION = ("an object of strings", lambda value: isinstance(value, dict) and _is_strings(list(value.values())))
MODE = ("a string or an object", lambda value: isinstance(value, str | dict))
VERSION = ("a whole number from 1", lambda value: type(value) is int and value >= 1)


# ---- what an object may hold -----------------------------------------------------------------------------------------


class Fields(NamedTuple):
    """The fields of an object: a specification each, which is one of the above, `Fields`, `ListOf` or `OneOf`.

    Args:
        known: dict, name -> specification.
        required: names that may not be missing.
        closed: whether there may be no other fields.
        itself: what the object as a whole has to be.
    """

    known: dict[str, Any]
    required: Collection[str] = ()
    closed: bool = False
    itself: tuple[str, Any] = OBJECT


class ListOf(NamedTuple):
    """A list whose items follow one specification."""

    item: Any


class OneOf(NamedTuple):
    """An object whose field `name` says which of `kinds`, a dict of `Fields`, it follows."""

    name: str
    kinds: dict[str, Fields]


def _all_of(known, optional=()):
    return Fields(known, required=known.keys() - set(optional), closed=True)


MISSING = {"metadata": dict, "outputs": list, "execution_count": lambda: None}  # the value of a missing field
DATA = Fields({WIDGET_VIEW: Fields({"model_id": STRING}, required=["model_id"])}, itself=BUNDLE)
OUTPUTS: dict[str, dict[str, Any]] = {
    "stream": {"name": STRING, "text": TEXT},
    "display_data": {"data": DATA, "metadata": OBJECT},
    "execute_result": {"data": DATA, "metadata": OBJECT, "execution_count": COUNT},
    "error": {"ename": STRING, "evalue": STRING, "traceback": STRINGS},
}
OUTPUT = OneOf("output_type", {kind: _all_of({"output_type": STRING} | known) for kind, known in OUTPUTS.items()})
ANY_METADATA = {"name": NAME, "tags": TAGS, "jupyter": OBJECT}
CODE_METADATA = Fields(ANY_METADATA | {"execution": EXECUTION, "collapsed": FLAG, "scrolled": SCROLLED})
CELLS: dict[str, dict[str, Any]] = {
    "markdown": {"metadata": Fields(ANY_METADATA), "attachments": ATTACHMENTS},
    "raw": {"metadata": Fields(ANY_METADATA | {"format": STRING}), "attachments": ATTACHMENTS},
    "code": {"metadata": CODE_METADATA, "outputs": ListOf(OUTPUT), "execution_count": COUNT},
}
ANY_CELL = {"cell_type": STRING, "id": ID, "source": TEXT}
CELL = OneOf("cell_type", {kind: _all_of(ANY_CELL | known, ("attachments", "id")) for kind, known in CELLS.items()})
LANGUAGE = {"name": STRING, "codemirror_mode": MODE, "file_extension": STRING, "mimetype": STRING}
METADATA = {
    "kernelspec": Fields({"name": STRING, "display_name": STRING}, required=["name", "display_name"]),
    "language_info": Fields(LANGUAGE | {"pygments_lexer": STRING}, required=["name"]),
    "orig_nbformat": VERSION,
    "title": STRING,
    "authors": LIST,
    "widgets": Fields({WIDGET_STATE: Fields({"state": OBJECT})}),
    "colab": OBJECT,  # not in the schema: `colab.make` writes into it
}
NOTEBOOK = _all_of({"nbformat": VERSION, "nbformat_minor": MINOR, "metadata": Fields(METADATA), "cells": ListOf(CELL)})


# ---- reading ---------------------------------------------------------------------------------------------------------


def read(path: str | Path) -> dict[str, Any]:
    """Return the notebook at `path`, a dict that follows format 4.5.

    Notebooks of the formats 4.0 to 4.4 become 4.5, which adds cell ids. Metadata, outputs and execution counts that
    are missing are added empty, ids that are missing or occur twice are new, and a state of widgets that lacks its
    "state" entry gets it.

    Args:
        path: str or Path.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a notebook, or one of its fields is not as the format says; the message names both.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no notebook {path}.")
    notebook = files.read_json(path, limit=NOTEBOOK_LIMIT)
    _check_values(path, notebook)
    if str(notebook.get("nbformat")) != "4" or not isinstance(notebook.get("cells"), list):
        raise ValueError(
            f"{path}: expected a notebook of format 4, with a list of cells, got nbformat "
            f"{_shortened(notebook.get('nbformat'))}. Save it with a current Jupyter."
        )
    _check(f"{path}: notebook", notebook, NOTEBOOK)
    if "widgets" in notebook["metadata"]:
        _complete_widgets(notebook["metadata"]["widgets"])
    notebook["nbformat_minor"] = 5
    complete_ids(notebook["cells"])
    return notebook


def complete_ids(cells: list[dict[str, Any]]) -> None:
    """Give a new id to each cell without one, or with that of an earlier cell."""
    taken = {cell["id"] for cell in cells if "id" in cell}
    unused = (name for name in map("cell-{}".format, itertools.count()) if name not in taken)
    seen: set[str] = set()
    for cell in cells:
        if cell.get("id") in seen | {None}:
            cell["id"] = next(unused)
        seen.add(cell["id"])


def _check_values(path, notebook):
    """Refuse what could not be written again: values nested too deeply, and numbers that JSON does not have."""
    level = [notebook]
    for _ in range(DEEPEST):
        if any(isinstance(value, float) and not math.isfinite(value) for value in level):
            raise ValueError(f"{path}: expected finite numbers, got NaN or infinity, which JSON does not have.")
        level = [
            item
            for value in level
            if isinstance(value, dict | list)
            for item in (value.values() if isinstance(value, dict) else value)
        ]
    if level:
        raise ValueError(f"{path}: expected at most {DEEPEST} levels of values inside values, got more.")


def _complete_widgets(widgets):
    """Give the state of widgets its "state" entry, without which nbconvert stops with a KeyError."""
    saved = widgets.setdefault(WIDGET_STATE, {})
    if "state" not in saved:
        versions = {"version_major": saved.pop("version_major", 2), "version_minor": saved.pop("version_minor", 0)}
        widgets[WIDGET_STATE] = {**versions, "state": saved}


def _check(where, value, specification):
    """Check a value against its specification; missing fields that may be empty are added."""
    if isinstance(specification, ListOf):
        _check(where, value, LIST)
        for number, item in enumerate(value):
            _check(f"{where}[{number}]", item, specification.item)
    elif isinstance(specification, OneOf):
        _check(where, value, OBJECT)
        kind, kinds = value.get(specification.name), specification.kinds
        if not isinstance(kind, str) or kind not in kinds:
            raise ValueError(
                f"{where}.{specification.name}: expected one of {', '.join(kinds)}, got {_shortened(kind)}."
            )
        _check(where, value, kinds[kind])
    elif isinstance(specification, Fields):
        _check(where, value, specification.itself)
        _check_fields(where, value, specification)
    elif not specification[1](value):
        raise ValueError(f"{where}: expected {specification[0]}, got {_shortened(value)}.")


def _check_fields(where, value, fields):
    for name in sorted(set(fields.required) - value.keys()):
        if name not in MISSING:
            raise ValueError(f"{where}: expected a field {name!r}, got none.")
        value[name] = MISSING[name]()
    unknown = sorted(value.keys() - fields.known) if fields.closed else ()
    if unknown:
        raise ValueError(f"{where}: expected the fields {', '.join(fields.known)}, got also {_shortened(unknown[0])}.")
    for name in [name for name in fields.known if name in value]:
        place = f".{name}" if name.isidentifier() else f"[{name!r}]"
        _check(f"{where}{place}", value[name], fields.known[name])


def _shortened(value):
    return f"{type(value).__name__} with {len(value)} entries" if isinstance(value, dict | list) else f"{value!r:.60}"


# ---- writing ---------------------------------------------------------------------------------------------------------


def to_text(notebook: dict[str, Any]) -> str:
    """Return a notebook as the text of its file, as Jupyter writes it; lone surrogates become JSON's own escapes."""
    text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
