"""`show_source`: show the source code of an object. Used in all chapters."""

import ast
import html
import inspect
from pathlib import Path
from typing import Any

from bertedu.terminal import in_notebook

BOX = (
    "background:#f8f8f8; color:#1a1a1a; margin:0; padding:0.6em; overflow-x:auto; white-space:pre; font-size:13px; "
    "line-height:1.35"
)


def show_source(obj: Any, docstring: bool = False) -> None:
    """Show the source code of a class, function, method or module, under the name of its file.

    Line numbers are left out, so that a stored listing stays right when code elsewhere in the file changes.

    Args:
        obj: class, function, method or module; for any other object, its class is shown.
        docstring: bool, include docstrings. Defaults to False.

    Raises:
        TypeError: it has no Python source, as objects written in C.

    Example:
        >>> from bertedu.course import names
        >>> show_source(names)
        bertedu/course/checking.py: names
        def names() -> list[str]:
            return list(_tasks)
    """
    if not (inspect.isclass(obj) or inspect.isroutine(obj) or inspect.ismodule(obj)):
        obj = getattr(obj, "func", type(obj))  # functools.partial, or any instance
    try:
        lines, _ = inspect.getsourcelines(obj)
        path = Path(inspect.getsourcefile(inspect.unwrap(obj)) or "")
    except (TypeError, OSError):
        raise TypeError(f"obj: expected an object with Python source, got {obj!r}.") from None
    hidden = set() if docstring else docstring_lines("".join(lines))
    margin = lines[0][: -len(lines[0].lstrip())]  # of a method
    code = "".join(line.removeprefix(margin) for number, line in enumerate(lines, 1) if number not in hidden)
    name = "" if inspect.ismodule(obj) else f": {obj.__qualname__}"
    show_code(f"{_short(path)}{name}", code.rstrip())


def docstring_lines(source: str) -> set[int]:
    """Return the line numbers, from 1, of all docstrings in `source` and of a blank line after each."""
    lines = source.splitlines()
    indented = bool(lines) and lines[0][:1].isspace()
    tree = ast.parse("if True:\n" + source if indented else source)  # a method; `dedent` would change strings
    hidden: set[int] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if len(node.body) > 1 and ast.get_docstring(node, clean=False) is not None:
            start, end = node.body[0].lineno - indented, (node.body[0].end_lineno or 0) - indented
            end += end < len(lines) and not lines[end].strip()
            hidden.update(range(start, end + 1))
    return hidden


def _short(path: Path) -> str:
    """The path relative to the folder of its package."""
    if "ipykernel" in str(path) or path.name.startswith("<"):
        return "this notebook"
    parents = [parent for parent in path.parents if not (parent / "__init__.py").is_file()]
    return path.relative_to(parents[0]).as_posix() if parents else path.name


def show_code(headline: str, code: str) -> None:
    """Show code below a headline: highlighted in a notebook, otherwise as plain text."""
    plain = f"{headline}\n{code}"
    if not in_notebook():
        print(plain)
        return
    from IPython.display import display

    display({"text/html": _colored(headline, code), "text/plain": plain}, raw=True)


def _colored(headline: str, code: str) -> str:
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    # Inline styles, because JupyterLab and GitHub remove style sheets; with a background, for dark themes.
    highlighted = highlight(code, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True, noclasses=True)).rstrip()
    title = f'<span style="color:#555555; user-select:none">{html.escape(headline)}</span>'
    return f'<pre style="{BOX}">{title}\n{highlighted}</pre>'
