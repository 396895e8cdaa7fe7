"""What several commands use: where the checkout is, the notebook that was typed, errors without a traceback."""

import contextlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
NOTEBOOKS = CHECKOUT / "notebooks"
FIRST_NOTEBOOK = "00_start_here.ipynb"
CHECKPOINT = "a preset's name, a directory or file, or hf://organisation/name"


class UsageError(Exception):
    """A mistake or a missing piece whose message says what to do; shown without a traceback."""


def is_installed(module: str) -> bool:
    """Return whether a top-level module could be imported, without importing it."""
    return importlib.util.find_spec(module) is not None


def find_notebook(name: str | None = None, folder: Path | None = None) -> Path:
    """Return the path of the notebook that was typed: a path, a name with or without ending, or just `03`.

    Args:
        name: what was typed. Defaults to the first chapter.
        folder: where to look. Defaults to the course's notebooks.

    Raises:
        UsageError: no notebook fits, or several do.
    """
    if name and Path(name).is_file():
        return Path(name).resolve()
    folder = folder or NOTEBOOKS
    if not folder.is_dir():
        advice = "Clone the repository, or name a notebook of your own: bertedu lab path/to/it.ipynb"
        raise UsageError(f"the course's notebooks are not at {folder}; the wheel has none. {advice}")
    present = sorted(folder.glob("*.ipynb"))
    name = name or FIRST_NOTEBOOK
    matches = [path for path in present if name in (path.name, path.stem)]
    matches = matches or [path for path in present if path.name.startswith(Path(name).name)]
    if len(matches) != 1:
        problem = "is ambiguous" if matches else "is not there"
        raise UsageError(f"{name!r} {problem}. In {folder} are:\n  " + "\n  ".join(path.stem for path in present))
    return matches[0].resolve()


@contextlib.contextmanager
def package() -> Iterator[Any]:
    """Import `bertedu` and yield it; the errors that it raises for a user's mistake become a `UsageError`."""
    try:
        import bertedu
    except ImportError as error:
        raise UsageError(f"the package does not import ({error}); `bertedu doctor` says more") from None
    try:
        yield bertedu
    except ModuleNotFoundError as error:
        raise UsageError(f'{error}: it comes with the course. Run: pip install -e ".[course]"') from None
    except (ValueError, OSError, ImportError, FloatingPointError) as error:
        raise UsageError(str(error)) from None
