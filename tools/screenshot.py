"""Take the screenshots of the README, in JupyterLab and of the page: `python tools/screenshot.py [NAME ...]`."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from lab_browser import CODE_CELL, browser_page, error_outputs, find_chromium, open_notebook, run_all, running_lab
from page_browser import READY, served

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
SHOTS = {  # name: notebook, code of the cell, selector in its output, height of the window
    "start_here": ("00_start_here", "reading.show()", ".be-model", 1190),
    "training": ("10_fine_tuning", "history = be.fine_tune(", "img", 900),
    "explorer": ("12_visualize_attention", "be.explorer(bert", ".be-explorer", 1190),
}
PAGE = "page"  # the screenshot of the page without a kernel
PAGE_TEXT = "A missing [MASK] raises an error, but only if you look for it."
PAGE_HEIGHT = 1010
SCROLLED = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-WindowedPanel-outer"


def take(page, address, code, selector, path):
    """Open a notebook, run it, and take a screenshot of the cell with this code."""
    open_notebook(page, address)
    run_all(page)
    errors = error_outputs(page)
    if errors:
        raise RuntimeError("the notebook shows errors:\n" + "\n".join(errors))
    cell = page.locator(CODE_CELL, has_text=code).first
    page.locator(SCROLLED).evaluate("notebook => notebook.scrollTo(0, 0)")
    for _ in range(200):  # JupyterLab renders only cells near the window
        if cell.count():
            break
        page.locator(SCROLLED).evaluate("notebook => notebook.scrollBy(0, 500)")
        page.wait_for_timeout(200)
    else:
        raise RuntimeError(f"the notebook has no cell with {code!r}")
    for _ in range(5):  # cells that come into view change the layout
        cell.evaluate("element => element.scrollIntoView({block: 'start'})")
        page.wait_for_timeout(500)
    cell.locator(selector).first.wait_for()
    page.screenshot(path=str(path))


def take_page(path):
    """Build the page, type a text, switch a head off, and take a screenshot."""
    from bertedu import page as static_page  # only for this screenshot, because TensorFlow takes seconds to import

    with (
        tempfile.TemporaryDirectory() as folder,
        served(static_page.build(Path(folder) / "page")) as address,
        browser_page(1280, PAGE_HEIGHT) as (page, errors),
    ):
        page.goto(address)
        page.wait_for_selector(READY)
        page.get_by_label("Text", exact=True).fill(PAGE_TEXT)
        page.locator(".be-prediction").first.wait_for()
        page.get_by_role("switch", name="Layer 2, head 4", exact=True).click()
        page.get_by_role("button", name="Layer 2, head 3:").click()
        page.locator(".be-prediction .be-was").first.wait_for()
        page.evaluate("scrollTo(0, 0)")
        page.mouse.move(0, 0)
        page.wait_for_timeout(500)
        page.screenshot(path=str(path))
    if errors:
        raise RuntimeError("the page shows errors:\n" + "\n".join(errors))


def main(arguments=None):
    """Take the screenshots; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    # argparse checks the empty list, which means all, too
    parser.add_argument(
        "names", nargs="*", choices=[*SHOTS, PAGE, []], metavar="NAME", help=f"of {', '.join([*SHOTS, PAGE])}"
    )
    chosen = parser.parse_args(arguments).names or [*SHOTS, PAGE]
    if find_chromium() is None:
        print("no chromium on PATH (Debian, Ubuntu: apt install chromium)", file=sys.stderr)
        return 1
    DOCS.mkdir(exist_ok=True)
    for name in chosen:
        target = DOCS / f"{name}.png"
        if name == PAGE:
            take_page(target)
            print(f"{target.relative_to(ROOT)}: {target.stat().st_size / 1000:.0f} KB")
            continue
        notebook, code, selector, height = SHOTS[name]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(shutil.copytree(ROOT / "notebooks", Path(folder) / "notebooks")) / f"{notebook}.ipynb"
            with running_lab(path, Path(folder) / "jupyter") as address, browser_page(1280, height) as (page, _):
                take(page, address, code, selector, target)
        print(f"{target.relative_to(ROOT)}: {target.stat().st_size / 1000:.0f} KB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
