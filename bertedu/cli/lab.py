"""Open the course in JupyterLab.

The chapters are opened as working copies without outputs, in my_notebooks/ in the checkout, which git ignores, or in
the folder --dir. Copies are never replaced: where a chapter has changed since, its new version is put beside your copy,
as in 03_attention_2.ipynb. To start a chapter over, move or delete your copy of it.

examples:
  bertedu lab                              the first chapter
  bertedu lab 03                           chapter 3
  bertedu lab labs/1                       lab 1
  bertedu lab --dir ~/bert                 working copies in a folder of your own
  bertedu lab notebooks/03_attention.ipynb the chapter itself, with its outputs; any notebook by its path"""

import os
import subprocess
import sys
import webbrowser
from argparse import ArgumentParser, Namespace
from pathlib import Path

from . import common, working_copies

JUPYTER_DEFAULTS = Path(__file__).resolve().parents[1] / "assets" / "jupyter"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of `bertedu lab`."""
    parser.add_argument("notebook", nargs="?", help="chapter by name or number, or a path (default: the first chapter)")
    parser.add_argument("--port", type=int, help="first port to try (default: 8888)")
    parser.add_argument("--no-browser", action="store_true", help="print the address, without opening a browser")
    parser.add_argument("--dir", help="folder of your working copies (default: my_notebooks in the checkout)")


def run(options: Namespace) -> int:
    """Run JupyterLab until it is stopped."""
    if not common.is_installed("jupyterlab"):
        raise common.UsageError('JupyterLab is not installed here. Run: pip install -e ".[course]"')
    if options.notebook and Path(options.notebook).is_file():
        notebook = Path(options.notebook).resolve()
    else:
        folder = Path(options.dir or common.CHECKOUT / "my_notebooks").resolve()
        notebook = working_copy(common.find_notebook(options.notebook), folder)
    # The root is the whole checkout, so that the package's source can be opened too.
    root = common.CHECKOUT if notebook.is_relative_to(common.CHECKOUT) else notebook.parent
    open_browser = not options.no_browser and can_open_browser()
    print(f"JupyterLab on {notebook.name}; Ctrl-C stops it.", flush=True)
    if not open_browser:
        print("Open the address with the token, below, in a browser on this machine.", flush=True)
    command = command_line(notebook, root, options.port, open_browser)
    if os.name != "posix":
        return subprocess.run(command, env=environment()).returncode
    # Replacing this process by JupyterLab lets Ctrl-C and signals reach it directly.
    return os.execve(command[0], command, environment())


def working_copy(chapter: Path, folder: Path) -> Path:
    """Return the path of the working copy of a chapter or lab; bring all copies up to date first."""
    try:
        offered = [
            path
            for sub in ("", common.LABS)
            for path in working_copies.update(sorted((common.NOTEBOOKS / sub).glob("*.ipynb")), folder / sub)
        ]
    except (OSError, ValueError) as error:
        raise common.UsageError(
            f"{folder}: the working copies cannot be written ({error}). Choose another: --dir"
        ) from None
    for path in offered:
        print(f"This chapter has changed since your copy of it. The new version is beside it: {path}")
    return folder / chapter.relative_to(common.NOTEBOOKS.resolve())


def can_open_browser() -> bool:
    """Return whether a graphical browser can be opened."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def command_line(notebook: Path, root: Path, port: int | None, open_browser: bool) -> list[str]:
    """Return the command that starts JupyterLab on a notebook below `root`."""
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--ServerApp.ip=127.0.0.1",  # this machine only, even if the user's configuration differs; the token stays on
        f"--ServerApp.root_dir={root}",
        f"--LabApp.default_url=/lab/tree/{notebook.relative_to(root).as_posix()}",
        "--ServerApp.log_level=WARN",  # prints only the address
        "--LabApp.log_level=WARN",
    ]
    if port is not None:
        command.append(f"--ServerApp.port={port}")  # if it is in use, JupyterLab tries the next
    if not open_browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # as in containers; it listens on this machine only and requires a token
    return command


def environment() -> dict[str, str]:
    """Return environment variables with which JupyterLab neither asks about news nor checks for updates.

    They name a file of defaults, because JupyterLab 4.6 ignores its option `news_url`. The user's settings take
    precedence over it.
    """
    paths = [str(JUPYTER_DEFAULTS), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    return {**os.environ, "JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, paths))}
