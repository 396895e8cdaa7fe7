"""Run notebooks again and store their outputs in place: `python tools/run_notebooks.py [--strip-only] [NOTEBOOK ...]`.

The outputs are committed, because people read the course on GitHub, so two runs of the same code must give the same
file: no timing, no version of this machine's Python, no widget state (it can be 100 KB and shows nothing on GitHub),
streams in one piece. `--strip-only` cleans without running; the pre-commit hook does that.
"""

import argparse
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parent.parent
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
SECONDS_A_CELL = 300


def without_widget(output):
    """Return an output as it should be stored: None for a bare widget, else the picture or text that came with it."""
    data = output.get("data", {})
    if WIDGET_VIEW not in data:
        return output
    rest = {kind: value for kind, value in data.items() if kind not in (WIDGET_VIEW, "text/plain")}
    if not rest:
        return None  # what is left would be a line like `VBox(children=(Dropdown(...`
    return nbformat.from_dict({**output, "data": {**rest, "text/plain": data.get("text/plain", "")}})


def strip(notebook):
    """Remove from a notebook, in place, whatever differs between two runs or two machines."""
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    for cell in notebook.cells:
        for name in ("execution", "ExecuteTime"):  # when and how long, by JupyterLab and by classic extensions
            cell.metadata.pop(name, None)
        if cell.cell_type == "code":
            cell.outputs = [kept for kept in map(without_widget, cell.outputs) if kept is not None]


def run(notebook, folder):
    """Execute every cell, in place, with this environment's `python3` kernel, as JupyterLab would from `folder`.

    Widget state is left to be stored, and `strip` removes it: nbclient 0.11 told not to store it fails in `interact`.
    """
    client = NotebookClient(
        notebook,
        timeout=SECONDS_A_CELL,
        kernel_name=KERNEL["name"],
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        coalesce_streams=True,
    )
    client.execute()


def renew(path, strip_only):
    """Bring one notebook up to date; return a line that says what came of it, and whether it went well."""
    before = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(before, as_version=4)
    start = time.perf_counter()
    if not strip_only:
        try:
            run(notebook, path.parent)
        except CellExecutionError as problem:
            return f"{path.name}: a cell failed, the file is left as it was\n{problem}", False
    strip(notebook)
    after = nbformat.writes(notebook) + "\n"
    if after == before:
        return f"{path.name}: unchanged, {time.perf_counter() - start:.0f} s", True
    path.write_text(after, encoding="utf-8", newline="\n")
    return f"{path.name}: written, {len(after) / 1000:.0f} KB, {time.perf_counter() - start:.0f} s", True


def main(arguments=None):
    """Renew the notebooks named, or all of them; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="which ones (default: all of notebooks/)")
    parser.add_argument("--strip-only", action="store_true", help="clean stored outputs without running anything")
    chosen = parser.parse_args(arguments)
    good = True
    for path in chosen.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb")):
        line, went_well = renew(path, chosen.strip_only)
        print(line, flush=True)
        good = good and went_well
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
