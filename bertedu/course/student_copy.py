"""Student copies: the course's notebooks without solutions, to hand out to a class. `bertedu student-copy`.

What is removed: the section "Solutions", calls of `solution`, outputs, and whatever was filled into an exercise.
Everything else stays, word for word.
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
from bertedu.course.exercises import EXERCISES

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
HEADING = re.compile(r"##? ")
CALLS = re.compile(r"^\s*solution\(.*\)\s*(#.*)?$")
CHECKED = re.compile(r"^check\(\"([\w.]+)\"", re.MULTILINE)
SENTENCES = re.compile(r"(?<=[.!?:])(\s+)")
LINKS = re.compile(  # to files; possessive, and no part goes past the next bracket, so that no character is read twice
    r"(?<!!)\[([^\[\]]++)\]\((?![a-zA-Z][a-zA-Z0-9+.-]*+:|#|//)([^()\[\]\s#]++)(?:#[^()\[\]\s]*+)?\)"
)


def write(paths: Iterable[str | Path], folder: str | Path, force: bool = False) -> list[Path]:
    """Write a student copy of each notebook into a folder: all of them, or none.

    Args:
        paths: the notebooks, in one or several folders, no two of the same name.
        folder: where the copies go; it is made if need be. Other files in it stay as they are.
        force: bool, replace files of the same names.

    Returns:
        The list of the paths written.

    Raises:
        ValueError: no notebooks, a file that is not one, one copied onto itself, or two of the same name.
        FileExistsError: copies are there already and `force` is False; nothing was written.
        NotADirectoryError: `folder` is a file.
    """
    sources, folder = [Path(path) for path in paths], Path(folder)
    names = {path.name for path in sources}
    if not sources or len(names) < len(sources):
        raise ValueError("there must be at least one notebook, and no two of the same name.")
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file, and should be a folder (or not there yet).")
    if any(os.path.dirname(os.path.realpath(path)) == os.path.realpath(folder) for path in sources):
        raise ValueError(f"{folder} holds the notebooks themselves; copies must go to another folder.")
    present = sorted(name for name in names if (folder / name).exists())
    if present and not force:
        raise FileExistsError(f"{folder} holds {', '.join(present)} already. To replace what is there: --force")
    copies = {folder / path.name: notebook.to_text(without_solutions(notebook.read(path), names)) for path in sources}
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:  # each copy is complete before the first takes its place, and no part stays
        for path, text in copies.items():
            stack.enter_context(files.replacing(path, overwrite=True)).write_bytes(text.encode())
    return list(copies)


def without_solutions(original: dict[str, Any], names: Collection[str] = ()) -> dict[str, Any]:
    """Return a student's copy of a notebook, a new dict.

    Args:
        original: dict, as `notebook.read` returns it.
        names: file names that will lie beside the copy; links to other files become plain text.
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
    """Return Markdown with its links to files resolved: kept, made a link into the web, or left as plain text.

    Args:
        text: str, Markdown.
        names: file names whose links stay as they are.
        address: function of a link's target that returns its address in the web. Defaults to plain text.
    """

    def replaced(match: re.Match[str]) -> str:
        label, target = match.groups()
        if unquote(target) in names:
            return match.group()
        return f"[{label}]({address(target)})" if address else label

    return LINKS.sub(replaced, text)


def _without_section(text, inside):
    """Markdown without its part of the section "Solutions", and whether that section goes on in the next cell."""
    lines, fenced = [], False
    for line in text.splitlines(keepends=True):
        fenced ^= line.lstrip().startswith("```")
        if HEADING.match(line) and not fenced:  # in code, such a line is a comment
            inside = line.split() == ["##", "Solutions"]
        lines += [] if inside else [line]
    return "".join(lines).rstrip("\n"), inside


def _without_mention(text):
    """Prose that does not promise `solution`: the sentence goes, or its part behind a semicolon."""
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
    """Code without its lines `solution(...)`, and without the import of what is no longer called."""
    lines = [line for line in source.split("\n") if not CALLS.match(line)]  # `splitlines` would cut strings at U+2028
    imported = re.compile(r"^(from bertedu\.(?:course|exercise) import .*?)(?:, solution\b|\bsolution, )")
    return "\n".join(imported.sub(r"\1", line) for line in lines)


def _blank(source):
    """A cell that checks an exercise as it is handed out; any other cell as it is."""
    checked = CHECKED.search(source)
    task = EXERCISES.get(checked.group(1)) if checked else None
    if task is None:
        return source
    gap = "\n\n\n" if task.blank.startswith(("def ", "class ")) else "\n\n"
    blank = f'{task.blank}{gap}check("{checked.group(1)}", {task.answer})'
    return source if source.split() == blank.split() else blank
