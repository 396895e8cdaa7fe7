"""Notebook files: read with limits, validated against the schema of format 4.5, and written as Jupyter does.

The schema is nbformat's (https://nbformat.readthedocs.io), which is installed with Jupyter, not with the core.
"""

import copy
import itertools
import json
import math
import re
from importlib import resources
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator, Draft7Validator, validators
from jsonschema.exceptions import best_match

from bertedu import files
from bertedu.fields import shown
from bertedu.terminal import escape

NOTEBOOK_LIMIT = 100_000_000
"""Bytes of a notebook, GitHub's limit."""

DEEPEST = 100
"""Levels of nesting; Python's own `deepcopy` fails at about 300."""

DIAGRAM = re.compile(r"!\[([^\[\]]*+)\]\((diagrams/[\w-]++\.svg)\)")
"""A drawing in Markdown: its alt text, and its path relative to the notebook."""

WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
MISSING: dict[str, Any] = {"metadata": {}, "outputs": [], "execution_count": None}  # required fields that are added


def _kinds(field, kinds, definition):
    """A schema of objects whose `field`, one of `kinds`, selects their definition.

    The `oneOf` of the original schema reports an error for every kind.
    """

    def objects(rule):
        return {"type": "object", "required": [field], "properties": {field: rule}}

    definitions = {kind: {"$ref": f"#/definitions/{definition.format(kind)}"} for kind in kinds}
    cases = [{"if": objects({"const": kind}), "then": schema} for kind, schema in definitions.items()]
    return objects({"enum": kinds}) | {"allOf": cases}


def _schema():
    """nbformat's schema of format 4.5, extended to older minor formats, and to fields that nbconvert and Colab need."""
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
    """The keyword `required` of the schema, which first adds the fields of `MISSING`."""
    for name in MISSING.keys() & set(names):
        instance.setdefault(name, copy.deepcopy(MISSING[name]))
    yield from Draft7Validator.VALIDATORS["required"](validator, names, instance, schema)


# `if` needs draft 7. The types are those of draft 4, as in nbformat, where 1.0 is not an integer.
Validator = validators.extend(Draft7Validator, {"required": _required}, type_checker=Draft4Validator.TYPE_CHECKER)


def read(path: str | Path) -> dict[str, Any]:
    """Return a notebook as a dict of format 4.5.

    Formats 4.0 to 4.4 are converted. Missing metadata, outputs, execution counts, cell ids and the "state" entry of
    widgets are added, and ids that occur twice are replaced.

    Args:
        path: str or Path.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a notebook, or a field violates the schema; the message names file and field.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a notebook, got no file.")
    notebook = files.read_json(path, limit=NOTEBOOK_LIMIT)
    _check_values(path, notebook)
    if notebook.get("nbformat") != 4 or not isinstance(notebook.get("cells"), list):
        version = shown(notebook.get("nbformat"))
        raise ValueError(f"{path}: expected a notebook of format 4 with a list of cells, got nbformat {version}.")
    error = best_match(Validator(_schema()).iter_errors(notebook))
    if error:
        field = error.json_path.removeprefix("$")
        message = error.message if len(error.message) < 200 else f"{error.message[:90]}...{error.message[-90:]}"
        raise ValueError(f"{path}: notebook{field}: {escape(message)}.")
    if "widgets" in notebook["metadata"]:
        _complete_widgets(notebook["metadata"]["widgets"])
    notebook["nbformat_minor"] = 5
    complete_ids(notebook["cells"])
    return notebook


def complete_ids(cells: list[dict[str, Any]]) -> None:
    """Assign a new id to each cell that has none, or that of an earlier cell."""
    taken = {cell["id"] for cell in cells if "id" in cell}
    unused = (name for name in map("cell-{}".format, itertools.count()) if name not in taken)
    seen: set[str] = set()
    for cell in cells:
        if cell.get("id") in seen | {None}:
            cell["id"] = next(unused)
        seen.add(cell["id"])


def _check_values(path, notebook):
    """Raise a ValueError for values that cannot be written again: nested too deeply, NaN or infinity."""
    level = [notebook]
    for _ in range(DEEPEST):
        if any(isinstance(value, float) and not math.isfinite(value) for value in level):
            raise ValueError(f"{path}: expected finite numbers, got NaN or infinity, which JSON does not have.")
        inner = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list)]
        level = list(itertools.chain.from_iterable(inner))
    if level:
        raise ValueError(f"{path}: expected at most {DEEPEST} levels of nesting, got more.")


def _complete_widgets(widgets):
    """Add the "state" entry of widgets, without which nbconvert raises a KeyError."""
    saved = widgets.setdefault(WIDGET_STATE, {})
    if "state" not in saved:
        versions = {"version_major": saved.pop("version_major", 2), "version_minor": saved.pop("version_minor", 0)}
        widgets[WIDGET_STATE] = {**versions, "state": saved}


def to_text(notebook: dict[str, Any]) -> str:
    """Return the text of a notebook's file, as Jupyter writes it; lone surrogates become escapes of JSON."""
    text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
