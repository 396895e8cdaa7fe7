"""The `bertedu` command: one module per subcommand, with `add_arguments(parser)` and `run(options)`.

A module's docstring is the subcommand's help. Nothing here imports a framework or the package's own `__init__` before a
command needs it, so `bertedu --help` answers at once; `bertedu_command.py` beside the package says how that works.
"""

import argparse
import contextlib
import runpy
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from . import colab, convert, doctor, finetune, inspect, lab, predict, student_copy, test
from .common import UsageError

COMMANDS = (lab, test, doctor, inspect, convert, finetune, predict, student_copy, colab)


class ShowVersion(argparse.Action):
    """Print the version; looked up only when asked for, because `importlib.metadata` is slow to import."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        print(version("bertedu"))
        parser.exit()


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(prog="bertedu", description="BERT to read, look into and take apart.")
    parser.add_argument("--version", action=ShowVersion, nargs=0, help="print the version and stop")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in COMMANDS:
        description, _, examples = (module.__doc__ or "").partition("examples:\n")
        first_line = description.splitlines()[0].rstrip(".")
        command = commands.add_parser(
            module.__name__.rpartition(".")[2].replace("_", "-"),
            help=first_line[0].lower() + first_line[1:],
            description=description,
            epilog=f"examples:\n{examples}" if examples else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


class EscapedStream:
    """A text stream that escapes what could steer a terminal: texts, names and tokens come from foreign files."""

    def __init__(self, stream: TextIO, escape: Callable[[str], str]):
        self._stream, self._escape = stream, escape

    def write(self, text: str) -> int:
        """Write `text`, escaped."""
        return self._stream.write(self._escape(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def escaped_output() -> Iterator[Any]:
    """Escape everything that is printed, and warnings; yield the error stream with the same done to it.

    `sys.stderr` itself stays, because progress bars steer the terminal through it. Characters that the terminal's
    encoding lacks are written as Python escapes.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    escape = runpy.run_path(str(Path(__file__).parents[1] / "terminal.py"))["escape"]  # without `import bertedu`
    format_warning = warnings.formatwarning
    warnings.formatwarning = lambda message, *_, **__: f"bertedu: warning: {escape(message)}\n"
    try:
        with contextlib.redirect_stdout(EscapedStream(sys.stdout, escape)):
            yield EscapedStream(sys.stderr, escape)
    finally:
        warnings.formatwarning = format_warning


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line, by default this process's own, and return its exit status."""
    with escaped_output() as errors:
        try:
            with contextlib.redirect_stderr(errors):
                options = make_parser().parse_args(arguments)
            return options.run(options)
        except UsageError as error:
            print(f"bertedu: {error}", file=errors)
            return 1
        except KeyboardInterrupt:
            return 130
