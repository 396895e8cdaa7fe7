"""Save the attention of one or two texts as an interactive page or as a figure.

examples:
  bertedu view "The cat sat on the mat." "It was warm."
  bertedu view "The cat sat on the mat." --kind head --layer 2 --output heads.html
  bertedu view "The cat sat on the mat." --output heads.svg
"""

from argparse import ArgumentParser, Namespace
from typing import Any

from .common import CHECKPOINT, package


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of `bertedu view`."""
    parser.add_argument("text", help="the text")
    parser.add_argument("pair", nargs="?", help="a second text")
    parser.add_argument(
        "--output", default="attention.html", help=".html (interactive), .png, .svg or .pdf (default: %(default)s)"
    )
    parser.add_argument(
        "--kind", default="model", help="model (all heads), head (lines between tokens) or neuron (default: model)"
    )
    parser.add_argument("--layer", type=int, default=0, help="layer that is shown first (default: 0)")
    parser.add_argument("--head", type=int, help="head that is shown first (default: 0; for --kind head, all)")
    parser.add_argument("--model", default="minilm", help=f"{CHECKPOINT} (default: %(default)s)")


def run(options: Namespace) -> int:
    """Read the texts, save the view, and print what it shows."""
    shown: dict[str, Any] = {"layer": options.layer}
    if options.head is not None:
        shown |= {"heads": [options.head]} if options.kind == "head" else {"head": options.head}
    with package() as bertedu:
        reading = bertedu.load(options.model).read(options.text, options.pair, return_qkv=options.kind == "neuron")
        path = reading.view(options.kind, **shown).save(options.output)
    print(f"{path}: {reading!r}")
    return 0
