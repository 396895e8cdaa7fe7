"""Translate the page's WebAssembly: `python -m tools.compile_kernels [--check]`.

bertedu/page/kernels.wasm is the binary form of kernels.wat. Both are in the repository, so that the package needs no
compiler. The translator is wabt's wat2wasm, from npm in the version of `tools/js/package-lock.json`. With --check
nothing is written, and the exit status is 1 if kernels.wasm is out of date.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools import check_js

SOURCE = Path(__file__).parent.parent / "bertedu" / "page" / "kernels.wat"
TARGET = SOURCE.with_suffix(".wasm")
TRANSLATOR = check_js.FOLDER / "node_modules" / "wabt" / "bin" / "wat2wasm"


def translated():
    """Return the bytes of the binary form."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / TARGET.name
        command = [shutil.which("node"), TRANSLATOR, SOURCE, "--output", target]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode:
            sys.exit(done.stderr.strip())
        return target.read_bytes()


def main():
    """Write kernels.wasm, or with --check return 1 if it is out of date."""
    parser = argparse.ArgumentParser(prog="python -m tools.compile_kernels", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    if reason := check_js.missing():
        sys.exit(f"kernels.wat cannot be translated: {reason}.")
    content = translated()
    if options.check:
        return int(content != TARGET.read_bytes())
    TARGET.write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
