"""Student copies: notebooks without solutions, for the command `bertedu student-copy`.

Removed are the section "Solutions", calls of `solution`, outputs, and code that was filled into an exercise. The rest
is unchanged.
"""

import contextlib
import copy
import os
import re
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from bertedu import files
from bertedu.course import notebook
from bertedu.course.exercises import EXERCISES, PROJECTS

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
HEADING = re.compile(r"##? ")
CALLS = re.compile(r"^\s*solution\(.*\)\s*(#.*)?$")
CHECKED = re.compile(r"^check\(\"([\w.]+)\"", re.MULTILINE)
SENTENCES = re.compile(r"(?<=[.!?:])(\s+)")
LINKS = re.compile(  # to files; possessive and bounded by brackets, so that matching takes linear time
    r"(?<!!)\[([^\[\]]++)\]\((?![a-zA-Z][a-zA-Z0-9+.-]*+:|#|//)([^()\[\]\s#]++)(?:#[^()\[\]\s]*+)?\)"
)


def write(paths: Iterable[str | Path], folder: str | Path, force: bool = False) -> list[Path]:
    """Write a student copy of each notebook, and the diagrams in them, into a folder: all of them, or none.

    Args:
        paths: paths of the notebooks, in one or several folders, with unique file names.
        folder: folder for the copies, created if it does not exist. Other files in it stay.
        force: bool, replace files with the same names.

    Returns:
        list of the paths of the copies.

    Raises:
        ValueError: no notebook, one that is invalid or in `folder`, or two with the same name.
        FileExistsError: copies exist and `force` is False; nothing was written.
        NotADirectoryError: `folder` is a file.
    """
    sources, folder = [Path(path) for path in paths], Path(folder)
    names = {path.name for path in sources}
    if not sources or len(names) < len(sources):
        raise ValueError(f"paths: expected notebooks with unique file names, got {sorted(map(str, sources))}.")
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder}: expected a folder, got a file. Choose another.")
    if any(os.path.dirname(os.path.realpath(path)) == os.path.realpath(folder) for path in sources):
        raise ValueError(f"{folder} contains the notebooks themselves. Choose another folder for the copies.")
    present = sorted(name for name in names if (folder / name).exists())
    if present and not force:
        raise FileExistsError(f"{folder} contains {', '.join(present)} already. To replace existing files: --force")
    copies = {folder / path.name: notebook.to_text(without_solutions(notebook.read(path), names)) for path in sources}
    contents = {path: text.encode() for path, text in copies.items()}
    for path in sources:
        for _, drawing in notebook.DIAGRAM.findall(copies[folder / path.name]):
            if (path.parent / drawing).is_file():
                contents[folder / drawing] = (path.parent / drawing).read_bytes()
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:  # all are complete before the first replaces a file
        for path, content in contents.items():
            stack.enter_context(files.replacing(path, overwrite=True)).write_bytes(content)
    return list(copies)


def without_solutions(original: dict[str, Any], names: Collection[str] = ()) -> dict[str, Any]:
    """Return a copy of a notebook without solutions, as a new dict.

    Args:
        original: dict, as `notebook.read` returns it.
        names: names of files in the same folder as the copy; links to other files become plain text.
    """
    made = copy.deepcopy(original)
    made["metadata"] = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    cells, inside = [], False
    for cell in made["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            text, inside = _without_section(text, inside)
            text = without_links(_without_mention(text), names)
        elif inside:
            continue
        elif cell["cell_type"] == "code":
            text = _blank(_without_calls(text))
            cell.update(outputs=[], execution_count=None)
            for key in ("execution", "ExecuteTime", "collapsed", "scrolled"):  # traces of a run
                cell["metadata"].pop(key, None)
        if text.strip():
            cells.append({**cell, "source": text.splitlines(keepends=True)})
    made["cells"] = cells
    return made


def without_links(text: str, names: Collection[str] = (), address: Callable[[str], str] | None = None) -> str:
    """Return Markdown whose links to files are unchanged, replaced by web addresses, or plain text.

    Args:
        text: str, Markdown.
        names: names of files whose links are unchanged.
        address: function that returns the web address of a link's target. Defaults to plain text.
    """

    def replacement(match: re.Match[str]) -> str:
        label, target = match.groups()
        if unquote(target) in names:
            return match.group()
        return f"[{label}]({address(target)})" if address else label

    return LINKS.sub(replacement, text)


def _without_section(text, inside):
    """Markdown without the section "Solutions", and whether that section continues in the next cell."""
    lines, fenced = [], False
    for line in text.splitlines(keepends=True):
        fenced ^= line.lstrip().startswith("```")
        if HEADING.match(line) and not fenced:  # not a comment in code
            inside = line.split() == ["##", "Solutions"]
        lines += [] if inside else [line]
    return "".join(lines).rstrip("\n"), inside


def _without_mention(text):
    """Prose without sentences, or their parts after a semicolon, that mention `solution`."""
    if "`solution`" not in text:
        return text
    pieces = []
    for piece in SENTENCES.split(text):
        before, _, _ = piece.partition("`solution`")
        if before != piece:
            start = before.rpartition(";")[0]
            piece = f"{start}." if start else ""
        pieces.append(piece)
    return "".join(pieces).rstrip()


def _without_calls(source):
    """Code without its calls of `solution`, and without the import of it."""
    # Not `splitlines`, which splits at U+2028 too.
    lines = [line for line in source.split("\n") if not CALLS.match(line)]
    imported = re.compile(r"^(from bertedu\.(?:course|exercise) import .*?)(?:, solution\b|\bsolution, )")
    return "\n".join(imported.sub(r"\1", line) for line in lines)


def _blank(source):
    """The blank of an exercise or project, for a cell that checks one; any other cell unchanged."""
    checked = CHECKED.search(source)
    task = {**EXERCISES, **PROJECTS}.get(checked.group(1)) if checked else None
    if task is None:
        return source
    gap = "\n\n\n" if task.blank.startswith(("def ", "class ")) else "\n\n"
    blank = f'{task.blank}{gap}check("{checked.group(1)}", {task.answer})'
    return source if source.split() == blank.split() else blank
