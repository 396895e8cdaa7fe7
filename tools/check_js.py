"""Check the types of the browser modules: `python -m tools.check_js`.

TypeScript checks the JSDoc types of the modules in `bertedu/views` and `bertedu/page`, with the settings of
`tools/js/tsconfig.json`. It is installed once from npm, in the version of `tools/js/package-lock.json`, and is not part
of the package. Without node, npm or a network, the check is skipped with a message; with `CI=true` that is an error.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / "js"
PACKAGES = ("typescript", "wabt")
COMPILER = FOLDER / "node_modules" / "typescript" / "bin" / "tsc"
SECONDS_TO_INSTALL = 300


def missing():
    """Return the reason why nothing can be checked, or None; install the packages of tools/js if they are missing."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return "no node and npm on PATH (Debian, Ubuntu: apt install nodejs npm)"
    lock, installed = FOLDER / "package-lock.json", FOLDER / "node_modules" / ".package-lock.json"
    is_complete = all((FOLDER / "node_modules" / name / "package.json").is_file() for name in PACKAGES)
    if is_complete and installed.stat().st_mtime >= lock.stat().st_mtime:
        return None
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=SECONDS_TO_INSTALL)
    return f"npm could not install the packages of tools/js: {done.stderr.strip()[-300:]}" if done.returncode else None


def main():
    """Run the check and return the exit status."""
    reason = missing()
    if reason:
        required = os.environ.get("CI") == "true"
        print(f"JavaScript {'cannot be' if required else 'is not'} checked: {reason}.")
        return int(required)
    done = subprocess.run([shutil.which("node"), COMPILER, "--project", FOLDER])
    print("JavaScript: types are correct" if done.returncode == 0 else "JavaScript: see the errors above")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
