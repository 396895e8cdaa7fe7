"""Start the `bertedu` command without importing the package `bertedu`.

`import bertedu` registers every layer with Keras and so imports Keras and TensorFlow: seconds, and it fails where they
are broken. `bertedu --help` should answer at once, and `bertedu doctor` must run exactly where the import fails. Python
always runs a package's `__init__` before any module in it, so an entry point `bertedu.cli:main` could do neither. This
file stands beside the package, finds `bertedu/cli/__init__.py` and runs it as a module of its own; it in turn imports
nothing but the standard library until a command needs more.
"""

import importlib.util
import sys
from pathlib import Path


def main():
    """Run `bertedu/cli/__init__.py` and return its exit status."""
    package = importlib.util.find_spec("bertedu")  # finds the package's place; does not import it
    if package is None or package.origin is None:
        print("bertedu: the package is not installed here; run: pip install -e .", file=sys.stderr)
        return 1
    spec = importlib.util.spec_from_file_location("bertedu_cli", Path(package.origin).parent / "cli" / "__init__.py")
    cli = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = cli
    spec.loader.exec_module(cli)
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
