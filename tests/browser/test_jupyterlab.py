"""The main use: JupyterLab opens the first notebook, and every cell runs and shows its output."""

import pytest
from lab_browser import (
    browser_page,
    choose_another,
    error_outputs,
    image_sizes,
    open_notebook,
    run_all,
    running_lab,
    whole_notebook,
)

pytestmark = pytest.mark.browser


def test_first_notebook_runs_and_is_drawn(chromium, notebooks, artifacts, tmp_path):
    first = notebooks / "00_start_here.ipynb"
    with (
        running_lab(first, tmp_path / "jupyter", tmp_path / "copies") as address,
        browser_page() as (page, page_errors),
    ):
        open_notebook(page, address)
        page.screenshot(path=artifacts / "opened.png")
        assert page.locator(".Toastify__toast").count() == 0, "a pop-up covers the page"
        assert page.locator(".jp-Dialog").count() == 0, "a dialog covers the page"
        assert page.locator(".jp-OutputArea-child").count() == 0, "a working copy has outputs"

        left_out = run_all(page)
        whole_notebook(page, artifacts / "ran.png")
        assert error_outputs(page) == []
        assert left_out == 0
        assert "Traceback" not in page.inner_text(".jp-NotebookPanel")
        sizes = image_sizes(page)
        assert len(sizes) >= 3
        assert all(width > 0 and height > 0 for width, height in sizes), sizes

        before, after = choose_another(page)
        page.screenshot(path=artifacts / "chosen.png")
        assert before[0].startswith("Layer 0, head 0") and after[0].startswith("Layer 0, head 1")
        assert after[1] != before[1], "another head was selected, but the heat map did not change"
        assert page_errors == []
