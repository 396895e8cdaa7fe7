"""Show the format, settings and tensors of a checkpoint, and the weight that each tensor is loaded into."""

import json
from argparse import ArgumentParser, Namespace

from .common import CHECKPOINT, package


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of `bertedu inspect`."""
    parser.add_argument("source", help=CHECKPOINT)
    parser.add_argument("--json", action="store_true", help="print JSON with every tensor")


def run(options: Namespace) -> int:
    """Print the inspection; return 1 if the checkpoint cannot be loaded, else 0."""
    with package() as bertedu:
        inspection = bertedu.inspect(options.source)
        print(json.dumps(inspection.to_json(), indent=2) if options.json else inspection)
        return 1 if inspection.problem else 0
