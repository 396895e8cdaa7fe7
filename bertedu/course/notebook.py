"""Notebook files: read within bounds, checked against the schema of format 4.5, and written as Jupyter writes them.

The schema is nbformat's (https://nbformat.readthedocs.io), which comes with Jupyter and is not in the core.
"""

import copy
import itertools
import json
import math
from importlib import resources
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator, Draft7Validator, validators
from jsonschema.exceptions import best_match

from bertedu import files
from bertedu.fields import shown
from bertedu.terminal import escape

NOTEBOOK_LIMIT = 100_000_000
"""Bytes of a notebook; GitHub takes files of up to 100 MB."""

DEEPEST = 100
"""Levels of values inside values; Python itself stops at about 300 when it copies them."""

WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
MISSING: dict[str, Any] = {"metadata": {}, "outputs": [], "execution_count": None}  # required fields that are added


def _kinds(field, kinds, definition):
    """A schema of objects whose `field`, one of `kinds`, says which definition they follow.

    The schema's own `oneOf` would report every kind that an object is not.
    """
    cases = [
        {
            "if": {"type": "object", "properties": {field: {"const": kind}}, "required": [field]},
            "then": {"$ref": f"#/definitions/{definition.format(kind)}"},
        }
        for kind in kinds
    ]
    return {"type": "object", "required": [field], "properties": {field: {"enum": kinds}}, "allOf": cases}


def _schema():
    """nbformat's schema of format 4.5, for older minor formats too, with what nbconvert and Colab rely on."""
    schema = json.loads(resources.files("nbformat.v4").joinpath("nbformat.v4.5.schema.json").read_text("utf-8"))
    properties, definitions = schema["properties"], schema["definitions"]
    properties["nbformat_minor"] = {"type": "integer", "minimum": 0, "maximum": 5}
    state = {"type": "object", "properties": {"state": {"type": "object"}}}
    properties["metadata"]["properties"] |= {
        "colab": {"type": "object"},
        "widgets": {"type": "object", "properties": {WIDGET_STATE: state}},
    }
    definitions["cell"] = _kinds("cell_type", ["markdown", "raw", "code"], "{}_cell")
    definitions["output"] = _kinds("output_type", ["stream", "display_data", "execute_result", "error"], "{}")
    for kind in ("markdown", "raw", "code"):
        definitions[f"{kind}_cell"]["required"].remove("id")  # `complete_ids` adds it
    view = {"type": "object", "properties": {"model_id": {"type": "string"}}, "required": ["model_id"]}
    definitions["misc"]["mimebundle"]["properties"] = {WIDGET_VIEW: view}
    definitions["misc"]["multiline_string"] = {"type": ["string", "array"], "items": {"type": "string"}}
    return schema


def _required(validator, names, instance, schema):
    """The keyword `required`, which adds the fields of `MISSING`."""
    for name in MISSING.keys() & set(names):
        instance.setdefault(name, copy.deepcopy(MISSING[name]))
    yield from Draft7Validator.VALIDATORS["required"](validator, names, instance, schema)


# `if` is of draft 7; in draft 4, nbformat's own, 1.0 is no integer.
Validator = validators.extend(Draft7Validator, {"required": _required}, type_checker=Draft4Validator.TYPE_CHECKER)


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
    if notebook.get("nbformat") != 4 or not isinstance(notebook.get("cells"), list):
        version = shown(notebook.get("nbformat"))
        raise ValueError(f"{path}: expected a notebook of format 4 with a list of cells, got nbformat {version}.")
    error = best_match(Validator(_schema()).iter_errors(notebook))
    if error:
        place = error.json_path.removeprefix("$")
        message = error.message if len(error.message) < 200 else f"{error.message[:90]}...{error.message[-90:]}"
        raise ValueError(f"{path}: notebook{place}: {escape(message)}.")
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


def to_text(notebook: dict[str, Any]) -> str:
    """Return a notebook as the text of its file, as Jupyter writes it; lone surrogates become JSON's own escapes."""
    text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
