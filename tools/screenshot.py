"""Make `docs/start_here.png`, the picture in the README, from the real JupyterLab: `python tools/screenshot.py`."""

import shutil
import sys
import tempfile
from pathlib import Path

from lab_browser import CODE_CELL, browser_page, error_outputs, find_chromium, open_notebook, run_all, running_lab

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "start_here.png"


def take(page, address, path):
    """Open the first notebook, run it, and photograph the cell with the live view of all heads."""
    open_notebook(page, address)
    run_all(page)
    errors = error_outputs(page)
    if errors:
        raise RuntimeError("the notebook shows errors:\n" + "\n".join(errors))
    view = page.locator(f"{CODE_CELL} .be-model").first
    cell = view.locator("xpath=ancestor::*[contains(@class, 'jp-CodeCell')][1]")
    for _ in range(5):  # cells are laid out, and move what stands below, when they come into view
        cell.evaluate("element => element.scrollIntoView({block: 'start'})")
        page.wait_for_timeout(500)
    page.screenshot(path=str(path))


def main():
    """Make the picture; return the exit status."""
    if find_chromium() is None:
        print("no chromium on PATH (Debian, Ubuntu: apt install chromium)", file=sys.stderr)
        return 1
    TARGET.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        notebooks = Path(shutil.copytree(ROOT / "notebooks", Path(place) / "notebooks"))
        first = notebooks / "00_start_here.ipynb"
        with running_lab(first, Path(place) / "jupyter") as address, browser_page(1280, 1190) as (page, _):
            take(page, address, TARGET)
    print(f"{TARGET.relative_to(ROOT)}: {TARGET.stat().st_size / 1000:.0f} KB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
