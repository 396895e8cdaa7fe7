"""Run notebooks and store their outputs in place: `python tools/run_notebooks.py [--strip-only] [NOTEBOOK ...]`.

The outputs are committed, for readers on GitHub, so two runs of the same code must produce the same file: without
timing, Python version and widget state (up to 100 KB, and invisible on GitHub), and with joined streams. `--strip-only`
cleans without running, for the pre-commit hook.
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
    """Return an output without its widget, with the figure or text that it also contains; None if there is neither."""
    data = output.get("data", {})
    if WIDGET_VIEW not in data:
        return output
    rest = {kind: value for kind, value in data.items() if kind not in (WIDGET_VIEW, "text/plain")}
    if not rest:
        return None  # its text is like `VBox(children=(Dropdown(...`
    return nbformat.from_dict({**output, "data": {**rest, "text/plain": data.get("text/plain", "")}})


def strip(notebook):
    """Remove everything that differs between two runs or machines from a notebook, in place."""
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    for cell in notebook.cells:
        for name in ("execution", "ExecuteTime"):  # times, by JupyterLab and by extensions
            cell.metadata.pop(name, None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in map(without_widget, cell.outputs) if output is not None]


def run(notebook, folder):
    """Execute a notebook in place, with the `python3` kernel and the working directory `folder`.

    Widget state is stored, and removed by `strip`, because nbclient 0.11 without it fails in `interact`.
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
    """Run and clean a notebook; return a line that reports the result, and whether it succeeded."""
    before = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(before, as_version=4)
    start = time.perf_counter()
    if not strip_only:
        try:
            run(notebook, path.parent)
        except CellExecutionError as problem:
            return f"{path.name}: a cell failed, and the file is unchanged\n{problem}", False
    strip(notebook)
    after = nbformat.writes(notebook) + "\n"
    if after == before:
        return f"{path.name}: unchanged, {time.perf_counter() - start:.0f} s", True
    path.write_text(after, encoding="utf-8", newline="\n")
    return f"{path.name}: written, {len(after) / 1000:.0f} KB, {time.perf_counter() - start:.0f} s", True


def main(arguments=None):
    """Run and clean notebooks; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of notebooks/")
    parser.add_argument("--strip-only", action="store_true", help="clean stored outputs without running")
    options = parser.parse_args(arguments)
    status = 0
    for path in options.notebooks or sorted((ROOT / "notebooks").rglob("*.ipynb")):
        line, succeeded = renew(path, options.strip_only)
        print(line, flush=True)
        status = status if succeeded else 1
    return status


if __name__ == "__main__":
    sys.exit(main())
