"""Functions shared by several commands: paths, finding a notebook, errors without a traceback."""

import contextlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
NOTEBOOKS = CHECKOUT / "notebooks"
LABS = "labs"  # folder of the labs, in `NOTEBOOKS`
FIRST_NOTEBOOK = "00_start_here.ipynb"
CHECKPOINT = "preset name, directory, file, or hf://organization/name"


class UsageError(Exception):
    """An error that the user can correct; its message is printed without a traceback."""


def is_installed(module: str) -> bool:
    """Return whether a top-level module is installed, without importing it."""
    return importlib.util.find_spec(module) is not None


def find_notebook(name: str | None = None) -> Path:
    """Return the path of a notebook.

    Args:
        name: path; or the file name with or without its suffix, or its start: `03` for a chapter, `labs/1` for a lab.
            Defaults to the first chapter.

    Raises:
        UsageError: no notebook matches, or several do.
    """
    if name and Path(name).is_file():
        return Path(name).resolve()
    if not NOTEBOOKS.is_dir():
        advice = "Clone the repository, or pass the path of a notebook of your own."
        raise UsageError(f"{NOTEBOOKS}: expected the course's notebooks, which the wheel does not contain. {advice}")
    present = [*sorted(NOTEBOOKS.glob("*.ipynb")), *sorted(NOTEBOOKS.glob(f"{LABS}/*.ipynb"))]
    names = {path: path.relative_to(NOTEBOOKS).with_suffix("").as_posix() for path in present}
    name = name or FIRST_NOTEBOOK
    parts = Path(name.removesuffix(".ipynb")).parts
    start = "/".join(parts[-2 if parts[-2:-1] == (LABS,) else -1 :])
    matches = [path for path in present if start in (names[path], path.stem)]
    matches = matches or [path for path in present if names[path].startswith(start)]
    if len(matches) != 1:
        problem = "several notebooks match" if matches else "no notebook matches"
        listed = "\n  ".join(names.values())
        raise UsageError(f"{name!r}: {problem}. The chapters and labs are:\n  {listed}")
    return matches[0].resolve()


@contextlib.contextmanager
def package() -> Iterator[Any]:
    """Import `bertedu` and yield it; turn the errors that it raises for wrong input into a `UsageError`."""
    try:
        import bertedu
    except ImportError as error:
        raise UsageError(f"the package cannot be imported ({error}). Run: bertedu doctor") from None
    try:
        yield bertedu
    except ModuleNotFoundError as error:
        raise UsageError(f'{error}. The course extra installs it. Run: pip install -e ".[course]"') from None
    except (ValueError, OSError, ImportError, FloatingPointError) as error:
        raise UsageError(str(error)) from None
