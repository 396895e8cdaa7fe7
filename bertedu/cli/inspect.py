"""Say what a checkpoint is, and which name in it is which weight."""

import json
from argparse import ArgumentParser, Namespace

from .common import CHECKPOINT, package


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of `bertedu inspect`."""
    parser.add_argument("source", help=CHECKPOINT)
    parser.add_argument("--json", action="store_true", help="for programs, every tensor")


def run(options: Namespace) -> int:
    """Print the inspection; the exit status says whether the checkpoint can be loaded."""
    with package() as bertedu:
        inspection = bertedu.inspect(options.source)
        print(json.dumps(inspection.to_json(), indent=2) if options.json else inspection)
        return 1 if inspection.problem else 0
