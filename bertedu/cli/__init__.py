"""The `bertedu` command: one module per subcommand, with `add_arguments(parser)` and `run(options)`.

A module's docstring is the subcommand's help. Frameworks and the package's own `__init__` are imported only by the
commands that need them, so that `bertedu --help` answers at once; see `bertedu_command.py`, beside the package.
"""

import argparse
import contextlib
import runpy
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from . import colab, convert, doctor, embed, finetune, inspect, lab, page, predict, student_copy, test, view
from .common import UsageError

COMMANDS = (lab, test, doctor, inspect, view, page, embed, convert, finetune, predict, student_copy, colab)


class ShowVersion(argparse.Action):
    """Print the version. It is looked up only on request, because `importlib.metadata` is slow to import."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        print(version("bertedu"))
        parser.exit()


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(prog="bertedu", description="Load, inspect, fine-tune and study BERT models.")
    parser.add_argument("--version", action=ShowVersion, nargs=0, help="print the version and exit")
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
    """A text stream that escapes control characters: texts, names and tokens come from files that may be hostile."""

    def __init__(self, stream: TextIO, escape: Callable[[str], str]):
        self._stream, self._escape = stream, escape

    def write(self, text: str) -> int:
        """Write `text`, escaped."""
        return self._stream.write(self._escape(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def escaped_output() -> Iterator[Any]:
    """Escape everything that is printed, warnings included, and yield an error stream that escapes too.

    `sys.stderr` itself is unchanged, because progress bars send control characters to it. Characters that the
    terminal's encoding lacks are written as Python escapes.
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
    """Run a command line and return its exit status. `arguments` defaults to those of this process."""
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
