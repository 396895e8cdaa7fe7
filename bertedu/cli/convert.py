"""Write a checkpoint in another format."""

from argparse import ArgumentParser, Namespace

from .common import CHECKPOINT, package


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of `bertedu convert`."""
    parser.add_argument("source", help=CHECKPOINT)
    parser.add_argument("target", help="directory to write; for --format keras, a file that ends in .keras")
    formats = "bertedu, huggingface, keras, saved_model, or preprocessor (a SavedModel of the tokenization only)"
    parser.add_argument("--format", default="bertedu", help=f"{formats} (default: %(default)s)")
    parser.add_argument("--dtype", help="float32, float16, bfloat16 or float64 (default: the checkpoint's own)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing checkpoint")


def run(options: Namespace) -> int:
    """Convert, and print the tensors and settings that the new format cannot store."""
    with package() as bertedu:
        settings = {"dtype": options.dtype, "overwrite": options.overwrite}
        left_behind = bertedu.convert(options.source, options.target, options.format, **settings)
        report = bertedu.checkpoints.conversion.report(left_behind)
    print(f"{options.target}: {options.format}", report, sep="\n" if left_behind else "")
    return 0
