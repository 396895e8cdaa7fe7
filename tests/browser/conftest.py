"""A real JupyterLab on a copy of the notebooks, and a headless Chromium looking at it."""

import os
import shutil
from pathlib import Path

import lab_browser
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def chromium():
    """The browser; on a learner's machine its absence skips the test, in CI it must be there."""
    path = lab_browser.find_chromium()
    if path is None and os.environ.get("CI") == "true":
        pytest.fail("CI=true, but no chromium is on PATH; .ci/run installs it")
    if path is None:
        pytest.skip("no chromium on PATH (Debian, Ubuntu: apt install chromium)")
    return path


@pytest.fixture
def notebooks(tmp_path):
    """A copy of the course, so that what the browser saves does not change the repository."""
    return Path(shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks"))


@pytest.fixture
def artifacts():
    """Where screenshots are left for a person to look at."""
    folder = ROOT / "tests" / "artifacts"
    folder.mkdir(exist_ok=True)
    return folder
