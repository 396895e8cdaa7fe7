"""Check the types of the browser modules: `python -m tools.check_js`.

TypeScript reads the JSDoc types of `bertedu/views/*.js`, with the settings of `tools/js/tsconfig.json`. It comes once
from npm, at the version in `tools/js/package-lock.json`; nothing of it is shipped. Without node, npm or a network
nothing is checked, which is said; where `CI=true` that is an error.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / "js"
COMPILER = FOLDER / "node_modules" / "typescript" / "bin" / "tsc"
SECONDS_TO_INSTALL = 300


def missing():
    """Return why nothing can be checked here, or None; installs TypeScript where it is not there yet."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return "no node and npm on PATH (Debian, Ubuntu: apt install nodejs npm)"
    lock, installed = FOLDER / "package-lock.json", FOLDER / "node_modules" / ".package-lock.json"
    if COMPILER.is_file() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return None
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=SECONDS_TO_INSTALL)
    return f"npm could not install TypeScript: {done.stderr.strip()[-300:]}" if done.returncode else None


def main():
    """Check, and return the exit status."""
    reason = missing()
    if reason:
        must = os.environ.get("CI") == "true"
        print(f"JavaScript {'cannot be' if must else 'is not'} checked: {reason}.")
        return int(must)
    done = subprocess.run([shutil.which("node"), COMPILER, "--project", FOLDER])
    print("JavaScript: types are right" if done.returncode == 0 else "JavaScript: see above")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
