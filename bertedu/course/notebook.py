"""Notebook files: read within bounds, checked field by field against format 4.5, and written as Jupyter writes them.

The format is nbformat's (https://nbformat.readthedocs.io); that package comes with Jupyter and is not in the core.
"""

import itertools
import json
import math
import re
from pathlib import Path
from typing import Any

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

NOTEBOOK = {"nbformat": VERSION, "nbformat_minor": COUNT, "metadata": OBJECT, "cells": LIST}
NOTEBOOK_METADATA = {
    "kernelspec": OBJECT,
    "language_info": OBJECT,
    "orig_nbformat": VERSION,
    "title": STRING,
    "authors": LIST,
    "widgets": OBJECT,
    "colab": OBJECT,  # not in the schema: `colab.make` writes into it
}
KERNEL = {"name": STRING, "display_name": STRING}
LANGUAGE = {"codemirror_mode": MODE, "file_extension": STRING, "mimetype": STRING, "pygments_lexer": STRING}
ANY_CELL = {"cell_type": STRING, "id": ID, "metadata": OBJECT, "source": TEXT}
CELLS = {
    "markdown": ANY_CELL | {"attachments": ATTACHMENTS},
    "raw": ANY_CELL | {"attachments": ATTACHMENTS},
    "code": ANY_CELL | {"outputs": LIST, "execution_count": COUNT},
}
ANY_METADATA = {"name": NAME, "tags": TAGS, "jupyter": OBJECT}
CELL_METADATA = {
    "markdown": ANY_METADATA,
    "raw": ANY_METADATA | {"format": STRING},
    "code": ANY_METADATA | {"execution": EXECUTION, "collapsed": FLAG, "scrolled": SCROLLED},
}
OUTPUTS = {
    "stream": {"output_type": STRING, "name": STRING, "text": TEXT},
    "display_data": {"output_type": STRING, "data": BUNDLE, "metadata": OBJECT},
    "execute_result": {"output_type": STRING, "data": BUNDLE, "metadata": OBJECT, "execution_count": COUNT},
    "error": {"output_type": STRING, "ename": STRING, "evalue": STRING, "traceback": STRINGS},
}
EMPTY = {"metadata": dict, "outputs": list, "execution_count": lambda: None}  # the value of a missing field
OPTIONAL = ("attachments", "id")


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
    where = f"{path}: notebook"
    _check_object(where, notebook, NOTEBOOK)
    if notebook["nbformat_minor"] not in range(6):
        raise ValueError(f"{where}.nbformat_minor: expected 0 to 5, got {_shortened(notebook['nbformat_minor'])}.")
    _check_metadata(f"{where}.metadata", notebook["metadata"])
    for number, cell in enumerate(notebook["cells"]):
        _check_cell(f"{where}.cells[{number}]", cell)
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


def _check_metadata(where, metadata):
    _check_known(where, metadata, NOTEBOOK_METADATA)
    if "kernelspec" in metadata:
        _check_known(f"{where}.kernelspec", metadata["kernelspec"], KERNEL, required=KERNEL)
    if "language_info" in metadata:
        _check_known(f"{where}.language_info", metadata["language_info"], LANGUAGE | {"name": STRING}, ("name",))
    if "widgets" in metadata:
        _complete_widgets(f"{where}.widgets", metadata["widgets"])


def _complete_widgets(where, widgets):
    """Give the state of widgets its "state" entry, without which nbconvert stops with a KeyError."""
    saved = widgets.setdefault(WIDGET_STATE, {})
    _check(f"{where}[{WIDGET_STATE!r}]", saved, OBJECT)
    if "state" not in saved:
        versions = {"version_major": saved.pop("version_major", 2), "version_minor": saved.pop("version_minor", 0)}
        widgets[WIDGET_STATE] = {**versions, "state": saved}
    _check(f"{where}[{WIDGET_STATE!r}].state", widgets[WIDGET_STATE]["state"], OBJECT)


def _check_cell(where, cell):
    kind = _check_type(where, cell, "cell_type", CELLS)
    _check_object(where, cell, CELLS[kind])
    _check_known(f"{where}.metadata", cell["metadata"], CELL_METADATA[kind])
    for number, output in enumerate(cell.get("outputs", ())):
        _check_output(f"{where}.outputs[{number}]", output)


def _check_output(where, output):
    kind = _check_type(where, output, "output_type", OUTPUTS)
    _check_object(where, output, OUTPUTS[kind])
    view = output.get("data", {}).get(WIDGET_VIEW)
    if view is not None:
        _check(f"{where}.data[{WIDGET_VIEW!r}]", view, OBJECT)
        _check_known(f"{where}.data[{WIDGET_VIEW!r}]", view, {"model_id": STRING}, ("model_id",))


def _check_type(where, thing, name, kinds):
    """Return the type that a cell or an output says it is; it must be one of `kinds`."""
    _check(where, thing, OBJECT)
    kind = thing.get(name)
    if not isinstance(kind, str) or kind not in kinds:
        raise ValueError(f"{where}.{name}: expected one of {', '.join(kinds)}, got {_shortened(kind)}.")
    return kind


def _check_object(where, thing, fields):
    """Check an object that has these fields and no others; what is missing and may be empty is added."""
    for name, make_empty in EMPTY.items():
        if name in fields and name not in thing:
            thing[name] = make_empty()
    unknown = sorted(thing.keys() - fields)
    if unknown:
        raise ValueError(f"{where}: expected the fields {', '.join(fields)}, got also {_shortened(unknown[0])}.")
    _check_known(where, thing, fields, [name for name in fields if name not in OPTIONAL])


def _check_known(where, thing, fields, required=()):
    """Check the fields of an object that may have others."""
    for name in required:
        if name not in thing:
            raise ValueError(f"{where}: expected a field {name!r}, got none.")
    for name in thing.keys() & fields.keys():
        _check(f"{where}.{name}", thing[name], fields[name])


def _check(where, value, kind):
    expected, fits = kind
    if not fits(value):
        raise ValueError(f"{where}: expected {expected}, got {_shortened(value)}.")


def _shortened(value):
    return f"{type(value).__name__} with {len(value)} entries" if isinstance(value, dict | list) else f"{value!r:.60}"


# ---- writing ---------------------------------------------------------------------------------------------------------


def to_text(notebook: dict[str, Any]) -> str:
    """Return a notebook as the text of its file, as Jupyter writes it; lone surrogates become JSON's own escapes."""
    text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
