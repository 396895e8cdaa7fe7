"""A real JupyterLab on a copy of the notebooks, opened in a headless Chromium."""

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import lab_browser
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def chromium():
    """The browser; if it is missing, the test is skipped, except in CI."""
    path = lab_browser.find_chromium()
    if path is None and os.environ.get("CI") == "true":
        pytest.fail("CI=true, but no chromium is on PATH; .ci/run installs it")
    if path is None:
        pytest.skip("no chromium on PATH (Debian, Ubuntu: apt install chromium)")
    return path


@pytest.fixture
def notebooks(tmp_path):
    """A copy of the course, so that the browser does not change the repository."""
    return Path(shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks"))


@pytest.fixture
def artifacts():
    """The folder of screenshots."""
    folder = ROOT / "tests" / "artifacts"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def browser(chromium):
    """A headless Chromium."""
    with lab_browser.browser_page() as (page, _):
        yield page.context.browser


@pytest.fixture
def opened(browser, tmp_path):
    """Return a function that opens a saved view in an offline page; errors or requests in the page fail the test."""
    pages = []

    def open_view(view, scheme="light", width=1000):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.context.set_offline(True)
        page.requested, page.errors = [], []
        page.on("request", lambda request: page.requested.append(request.url))
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)
        page.goto(view.save(tmp_path / f"{view.kind}-{len(pages)}.html").as_uri())
        page.wait_for_selector(".bertedu-view[data-drawn]")
        page.wait_for_timeout(60)
        pages.append(page)
        return page

    yield open_view
    for page in pages:
        assert page.errors == []
        assert [url for url in page.requested if not url.startswith(("file:", "data:", "blob:"))] == []
        page.close()


@pytest.fixture(scope="session")
def axe(request):
    """The source of axe-core, fetched once from npm."""
    folder = request.config.cache.mkdir("axe-core")
    if not list(folder.glob("axe-core-*.tgz")):
        if shutil.which("npm") is None:
            pytest.skip("no npm on PATH to fetch axe-core with")
        done = subprocess.run(["npm", "pack", "axe-core@4"], cwd=folder, capture_output=True, text=True, timeout=60)
        if done.returncode:
            pytest.skip(f"npm did not fetch axe-core: {done.stderr[-200:]}")
    package = next(folder.glob("axe-core-*.tgz")).read_bytes()
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        return archive.extractfile("package/axe.min.js").read().decode("utf-8")
