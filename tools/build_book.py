"""Build the course as a static book: `python tools/build_book.py [--output DIR]`.

The pages are the committed notebooks, with their figures, and docs/*.md. They load nothing from the network: formulas
are rendered by the KaTeX in book/katex, and the interactive views of the chapters `WITH_VIEWS` are saved files in
frames. To save them, these notebooks are run once; the views stay in build/book/views until the notebook or the package
changes. Needs the extra `book`, but no network.
"""

import argparse
import copy
import hashlib
import html
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "book"
LABS = "labs"  # folder of the labs, in notebooks/
WITH_VIEWS = ("00", "12")  # chapters with interactive views in the book
DOCS = {
    "page": "BERT in the browser",
    "interventions": "Interventions",
    "labs": "Verdicts of the labs",
    "glossary": "Glossary",
    "notation": "Notation",
    "names": "Names elsewhere",
    "references": "References",
}
SECONDS_A_CELL = 600

# Runs before the first cell of a notebook: views then save themselves, and mark their positions in the outputs.
HOOK = """
import pathlib as _pathlib
from IPython.display import display as _display
from bertedu.views import View as _View
_numbers = iter(range(1000))
def _show(view):
    path = _pathlib.Path(_folder) / f"{_stem}-{next(_numbers)}.html"
    view.save(path)
    _display({"application/x-bertedu-view+json": {"file": path.name, "alt": view.alt}, "text/plain": ""}, raw=True)
_View.show = _View._ipython_display_ = _show
"""
# At the end of a saved view: reports its height to the page.
FRAMED = """<script>
new ResizeObserver(() => parent.postMessage({bertedu_height: document.documentElement.offsetHeight + 2}, "*"))
  .observe(document.documentElement);
</script>
</body>"""


# ---- views -----------------------------------------------------------------------------------------------------------


def fingerprint(path):
    """Return a hash of everything that the views of a notebook depend on: its code, and the package."""
    digest = hashlib.sha256((HOOK + FRAMED).encode())
    for cell in nbformat.read(path, as_version=4).cells:
        digest.update(cell.source.encode() if cell.cell_type == "code" else b"")
    for file in sorted((ROOT / "bertedu").rglob("*")):
        if file.suffix in (".py", ".js", ".css"):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def save_views(path, folder):
    """Run a notebook, save its views in a folder, and return a list of `{"file", "alt"}` for each cell."""
    record, digest = folder / f"{path.stem}.json", fingerprint(path)
    if record.is_file():
        known = json.loads(record.read_text(encoding="utf-8"))
        if known["fingerprint"] == digest and all((folder / v["file"]).is_file() for v in sum(known["views"], [])):
            return known["views"]
    print(f"running {path.name} for its views", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    notebook = nbformat.read(path, as_version=4)
    hook = f"_folder, _stem = {str(folder)!r}, {path.stem!r}\n{HOOK}"
    notebook.cells.insert(0, nbformat.v4.new_code_cell(hook))
    NotebookClient(
        notebook, timeout=SECONDS_A_CELL, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    ).execute()
    views = [
        [o.data["application/x-bertedu-view+json"] for o in c.get("outputs", []) if is_view(o)]
        for c in notebook.cells[1:]
    ]
    for view in sum(views, []):
        page = (folder / view["file"]).read_text(encoding="utf-8")
        (folder / view["file"]).write_text(page.replace("</body>", FRAMED, 1), encoding="utf-8")
    record.write_text(json.dumps({"fingerprint": digest, "views": views}), encoding="utf-8")
    return views


def is_view(output):
    """Return whether an output marks the position of a view."""
    return "application/x-bertedu-view+json" in output.get("data", {})


def frame(view):
    """Return the output that shows a saved view."""
    title = html.escape(view["alt"], quote=True)
    source = f"../_static/views/{view['file']}"
    text = f'<iframe class="bertedu-view" src="{source}" title="{title}" loading="lazy"></iframe>'
    return nbformat.v4.new_output("display_data", {"text/html": text, "text/plain": ""})


# ---- pages -----------------------------------------------------------------------------------------------------------


def page_of(path, views, names):
    """Return a notebook for the book: figures with alt text, and interactive views instead of their figures."""
    notebook = copy.deepcopy(nbformat.read(path, as_version=4))
    for number, cell in enumerate(notebook.cells):
        cell.metadata.pop("tags", None)
        if cell.cell_type == "markdown":
            cell.source = links(cell.source, names)
            continue
        cell_views = views[number] if views else []
        if cell_views:
            figures = [output for output in cell.outputs if "image/png" in output.get("data", {})]
            others = [output for output in cell.outputs if output not in figures[: len(cell_views)]]
            cell.outputs = others + [frame(view) for view in cell_views]
        for output in cell.outputs:
            move_alt_text(cell, output)
    folder, kind = (f"{LABS}/", "lab") if path.parent.name == LABS else ("", "chapter")
    up = "../../" if folder else "../"
    link = f'<a href="{up}_static/notebooks/{folder}{path.name}" download>This {kind} as a notebook</a>'
    note = f"{link}, to run and to change: `bertedu lab {folder}{path.stem.split('_')[0]}`."
    notebook.cells[0].source += f"\n\n{note}"
    return notebook


def move_alt_text(cell, output):
    """Copy the alt text of a figure to the metadata of the cell, where MyST-NB reads it."""
    alt = output.get("metadata", {}).get("image/png", {}).get("alt")
    if alt:
        cell.metadata["mystnb"] = {"image": {"alt": alt.replace("\n", " ")}}


def links(text, names):
    """Return Markdown whose links to files outside of the book are plain text."""

    def replacement(match):
        label, target = match.groups()
        return match.group() if target.split("#")[0] in names else label

    return re.sub(r"(?<!!)\[([^\]]+)\]\((?!https?:|#)([^)\s]+)\)", replacement, text)


def question_of(notebook):
    """Return the title and the question of a chapter, from its first cell."""
    first = notebook.cells[0].source
    title = first.splitlines()[0].removeprefix("# ")
    question = re.search(r"\*\*(.+?)\*\*", first, re.DOTALL)
    return title, " ".join(question.group(1).split()) if question else ""


def front_page(notebooks, labs, view):
    """Return the front page: an introduction, chapters and labs with their questions, and an interactive view."""

    def table(pages, folder):
        rows = ((f"{folder}/{path.name}", *question_of(notebook)) for path, notebook in pages.items())
        return "\n".join(f"| [{title}]({file}) | {question} |" for file, title, question in rows)

    def tree(pages, folder):
        return "\n".join(f"{folder}/{path.stem}" for path in pages)

    beside = "\n".join(f"{title} <docs/{name}>" for name, title in DOCS.items())
    template = (ROOT / "book" / "index.md").read_text(encoding="utf-8")
    first = next(iter(notebooks)).name
    return template.format(
        rows=table(notebooks, "notebooks"),
        chapters=tree(notebooks, "notebooks"),
        lab_rows=table(labs, f"notebooks/{LABS}"),
        labs=tree(labs, f"notebooks/{LABS}"),
        beside=beside,
        first=first,
        view=view,
    )


def write_sources(source, views_folder):
    """Write the sources for Sphinx into an empty folder."""
    paths = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    lab_paths = sorted((ROOT / "notebooks" / LABS).glob("*.ipynb"))
    docs = {f"../docs/{name}.md" for name in DOCS}
    names = {path.name for path in paths} | {f"{LABS}/{path.name}" for path in lab_paths} | docs
    lab_names = {f"../{name}" for name in names} | {path.name for path in lab_paths}
    static = source / "_static"
    shutil.copytree(ROOT / "book" / "static", static)
    shutil.copytree(ROOT / "book" / "katex", static / "katex", ignore=shutil.ignore_patterns("README.md"))
    for folder in (source / "notebooks" / LABS, source / "docs", static / "views", static / "notebooks" / LABS):
        folder.mkdir(parents=True)
    notebooks, saved = {}, []
    for path in paths:
        views = save_views(path, views_folder) if path.name[:2] in WITH_VIEWS else []
        notebooks[path] = page_of(path, views, names)
        nbformat.write(notebooks[path], source / "notebooks" / path.name)
        shutil.copy(path, static / "notebooks")
        saved += [view["file"] for view in sum(views, [])]
    labs = {path: page_of(path, [], lab_names) for path in lab_paths}
    for path, page in labs.items():
        nbformat.write(page, source / "notebooks" / LABS / path.name)
        shutil.copy(path, static / "notebooks" / LABS)
    for folder in (source / "notebooks", static / "notebooks"):
        shutil.copytree(ROOT / "notebooks" / "diagrams", folder / "diagrams")
    for name in saved:
        shutil.copy(views_folder / name, static / "views")
    for name in DOCS:
        shutil.copy(ROOT / "docs" / f"{name}.md", source / "docs")
    shutil.copy(ROOT / "book" / "conf.py", source)
    (source / "index.md").write_text(front_page(notebooks, labs, saved[0]), encoding="utf-8")


def build(output):
    """Build the book in the folder `output`, which is replaced. Raises RuntimeError if Sphinx reports a problem."""
    from bertedu import page  # TensorFlow takes seconds to import, which --help does not need

    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "source", Path(folder) / "html"
        source.mkdir()
        write_sources(source, BUILD / "views")
        command = [sys.executable, "-m", "sphinx", "-b", "html", "-q", "-W", "--keep-going", str(source), str(made)]
        done = subprocess.run(command, env={**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1"})
        if done.returncode:
            raise RuntimeError("Sphinx reported problems; see its messages above.")
        for leftover in (".doctrees", "_sources"):
            shutil.rmtree(made / leftover, ignore_errors=True)
        page.build(made / "page")
        shutil.rmtree(output, ignore_errors=True)
        output.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(made, output)
    return output


def main(arguments=None):
    """Build the book; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=__doc__.split("\n\n", 1)[1])
    parser.add_argument(
        "--output", type=Path, default=BUILD / "html", help="folder for the pages (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    output = options.output.resolve()
    if output.exists() and any(output.iterdir()) and not (output / "searchindex.js").is_file():
        parser.error(f"--output: expected a new folder or a book to replace, got {output}, which is not a book")
    try:
        build(output)
    except RuntimeError as problem:
        print(problem, file=sys.stderr)
        return 1
    pages, size = len(list(output.rglob("*.html"))), sum(file.stat().st_size for file in output.rglob("*.*"))
    print(f"{output / 'index.html'}: {pages} pages, {size / 1e6:.0f} MB; open it in a browser")
    return 0


if __name__ == "__main__":
    sys.exit(main())
