"""Verdicts on published findings, and results of long computations, kept on the disk. Used in notebooks/labs."""

import contextlib
import hashlib
import html
import inspect
import json
import math
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import platformdirs

from bertedu import files
from bertedu.checks import choice
from bertedu.course.findings import FINDINGS, Finding

MIME = "application/vnd.bertedu.verdicts+json"
DAMAGED = (EOFError, OSError, ValueError, zipfile.BadZipFile)  # errors of a stored result, which is computed again
HEADER = ("finding", "published", "yours", "band", "holds?")


class Verdicts:
    """A table of findings with what was published, what you measured, the band, and whether the finding holds.

    A notebook shows it as a table; `tools/lab_table.py` reads the same rows from the notebook for docs/labs.md.

    Args:
        lab: str, name of a lab in `findings.FINDINGS`.
        values: dict, name of a finding -> measured number; NaN, or None, for one that the model does not allow to be
            measured. All findings of the lab are required.
        model: str, name of the model that was measured.

    Raises:
        ValueError: the lab is unknown, or a value is missing, unknown or not a number.

    Example:
        >>> values = dict(raw=0.31, rollout=0.64, flow=0.66, difference=0.33)
        >>> Verdicts("rollout_and_flow", values, "minilm").rows()[1][1:]
        ('0.71', '0.64', '0.46 to 0.96', 'yes')
    """

    def __init__(self, lab: str, values: Mapping[str, float | None], model: str) -> None:
        self.lab, self.model = lab, model
        self.findings = FINDINGS[choice("lab", lab, FINDINGS)]
        if values.keys() != self.findings.keys():
            raise ValueError(f"values: expected {', '.join(self.findings)}, got {', '.join(values)}.")
        self.values = {name: math.nan if value is None else float(value) for name, value in values.items()}

    def holds(self, name: str) -> bool:
        """Return whether a value is in its band."""
        finding = self.findings[name]
        return finding.low <= self.values[name] <= finding.high

    def rows(self) -> list[tuple[str, ...]]:
        """Return a row of `HEADER` for every finding."""
        return [
            (finding.claim, finding.published, _number(self.values[name]), _band(finding), self._verdict(name))
            for name, finding in self.findings.items()
        ]

    def _verdict(self, name):
        return "not measured" if math.isnan(self.values[name]) else "yes" if self.holds(name) else "no"

    def __repr__(self) -> str:
        table = [HEADER, *self.rows()]
        widths = [max(len(row[i]) for row in table) for i in range(len(HEADER))]
        lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
        return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        cells = [[html.escape(cell) for cell in row] for row in self.rows()]
        head = "".join(f'<th scope="col" style="text-align: left">{name}</th>' for name in HEADER)
        body = "".join(
            "<tr>" + "".join(f'<td style="text-align: left">{cell}</td>' for cell in row) + "</tr>" for row in cells
        )
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        values = {name: None if math.isnan(value) else value for name, value in self.values.items()}  # no NaN in JSON
        stored = {"lab": self.lab, "model": self.model, "values": values}
        return {"text/plain": repr(self), "text/html": table, MIME: stored}


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def _band(finding: Finding) -> str:
    return f"{finding.low:g} to {finding.high:g}"


def cached(
    name: str, compute: Callable[[], Mapping[str, Any]], *, refresh: bool = False, **settings: Any
) -> dict[str, np.ndarray]:
    """Return the arrays that a function computes, from the disk if it has computed them before.

    The stored result is used again as long as the code of the function and the settings are the same. Files are in the
    user's cache folder, a folder "bertedu/labs" there, and can be deleted at any time.

    Args:
        name: str, the beginning of the file's name.
        compute: function without arguments that returns a dict of arrays or numbers.
        refresh: bool, compute in any case.
        settings: whatever the result depends on besides the code of `compute`: strings, numbers, lists of them. The
            model's name, sizes and seeds belong here.

    Returns:
        dict, name -> NumPy array.

    Raises:
        ValueError: the source of `compute` is unknown, as for a function that was typed into plain Python.

    Example:
        statistics = cached("atlas", compute_atlas, model=MODEL, sentences=1000)
    """
    try:
        source = inspect.getsource(compute)
    except OSError:
        expected = "a function defined in a file or a notebook cell"
        raise ValueError(f"compute: expected {expected}, got one without source. Define it there.") from None
    key = json.dumps([source, settings], sort_keys=True)
    file = f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"
    path = platformdirs.user_cache_path("bertedu") / "labs" / file
    if path.is_file() and not refresh:
        with contextlib.suppress(*DAMAGED), open(path, "rb") as opened, np.load(opened, allow_pickle=False) as stored:
            return dict(stored)
    arrays: dict[str, Any] = {name: np.asarray(value) for name, value in compute().items()}
    with files.replacing(path, overwrite=True) as temporary:
        np.savez(temporary, **arrays)
    return arrays
