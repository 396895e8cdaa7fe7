"""Start the `bertedu` command without importing the package `bertedu`.

`import bertedu` registers every layer with Keras and so imports Keras and TensorFlow: seconds, and it fails where they
are broken. `bertedu --help` should answer at once, and `bertedu doctor` must run exactly where that import fails.
Python runs a package's `__init__` before any module in it, so an entry point `bertedu.cli:main` could do neither. This
module stands beside the package and imports the folder `bertedu/cli` as a top-level package, `bertedu_cli`, which needs
only the standard library until a command asks for more.
"""

import importlib.util
import sys
from pathlib import Path


def main() -> int:
    """Run the command line and return its exit status."""
    folder = Path(__file__).parent / "bertedu" / "cli"
    start = folder / "__init__.py"
    spec = importlib.util.spec_from_file_location("bertedu_cli", start, submodule_search_locations=[str(folder)])
    assert spec is not None and spec.loader is not None
    sys.modules[spec.name] = cli = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cli)
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
