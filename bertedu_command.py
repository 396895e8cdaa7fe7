"""Entry point of the `bertedu` command, which does not import the package `bertedu`.

`import bertedu` imports Keras and its backend, which takes seconds and fails where one of them is broken. But `bertedu
--help` should answer at once, and `bertedu doctor` must run in exactly such an environment. An entry point
`bertedu.cli:main` could do neither, because Python runs a package's `__init__` before its modules. So this module,
beside the package, imports the folder `bertedu/cli` as a top-level package `bertedu_cli`, which needs only the standard
library.
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
