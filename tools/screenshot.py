"""Make `docs/start_here.png`, the picture in the README, from the real JupyterLab: `python tools/screenshot.py`."""

import shutil
import sys
import tempfile
from pathlib import Path

from lab_browser import CODE_CELL, browser_page, error_outputs, find_chromium, open_notebook, run_all, running_lab
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "start_here.png"
COLOURS = 256  # a palette makes the file a third as large, and nobody sees the difference


def take(page, address, path):
    """Open the first notebook, run it, and photograph the window with the chooser and its picture in the middle."""
    open_notebook(page, address)
    run_all(page)
    errors = error_outputs(page)
    if errors:
        raise RuntimeError("the notebook shows errors:\n" + "\n".join(errors))
    chooser = page.locator(f"{CODE_CELL} .jupyter-widgets").first
    cell = chooser.locator("xpath=ancestor::*[contains(@class, 'jp-CodeCell')][1]")
    cell.evaluate("element => element.scrollIntoView({block: 'start'})")
    page.wait_for_timeout(1500)  # cells that come into view are laid out now
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
        raw = Path(place) / "raw.png"
        with running_lab(first, Path(place) / "jupyter") as address, browser_page(1280, 900) as (page, _):
            take(page, address, raw)
        with Image.open(raw) as picture:
            picture.convert("RGB").quantize(COLOURS).save(TARGET, optimize=True)
    print(f"{TARGET.relative_to(ROOT)}: {TARGET.stat().st_size / 1000:.0f} KB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
