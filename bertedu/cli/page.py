"""Write a static page that runs the model in the visitor's browser.

Any web server can serve the folder; nothing has to be installed, and the page loads nothing from other sites. An
earlier page in the folder is replaced.

examples:
  bertedu page site
  bertedu page site --weights float32
  python3 -m http.server -d site                    then open http://localhost:8000
"""

from argparse import ArgumentParser, Namespace

from .common import CHECKPOINT, package


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of `bertedu page`."""
    parser.add_argument("path", metavar="DIR", help="folder to write")
    parser.add_argument(
        "--weights", default="float16", help="float16 (loads in half the time) or float32 (default: %(default)s)"
    )
    parser.add_argument("--model", default="minilm", help=f"{CHECKPOINT} (default: %(default)s)")


def run(options: Namespace) -> int:
    """Write the page, and print the size of each part and how to serve the folder."""
    with package():
        from bertedu import page

        path = page.build(options.path, options.model, options.weights)
        sizes = page.sizes(path)
    width = max(map(len, sizes))
    for name, nbytes in {**sizes, "total": sum(sizes.values())}.items():
        print(f"{name:<{width}} {nbytes / 2**20:8.2f} MiB")
    print(f"{path / 'index.html'}: serve the folder, for example by: python3 -m http.server -d {path}")
    return 0
