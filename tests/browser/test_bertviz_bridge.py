"""bertviz through the bridge; the scripts that its pages load from a CDN come from npm packages."""

import io
import re
import shutil
import subprocess
import tarfile

import lab_browser
import nbformat
import numpy as np
import pytest
from playwright.sync_api import expect

from bertedu import bertviz, load

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# The CDN has jQuery 2.0.0; npm's first of that line is 2.1.0.
SCRIPTS = {  # name in the URL -> npm package, and the file in it
    "require.js": ("requirejs@2.3.6", "package/require.js"),
    "d3": ("d3@5.7.0", "package/dist/d3.min.js"),
    "jquery": ("jquery@2.1.4", "package/dist/jquery.min.js"),
}
CDN = re.compile(r"https://cdnjs\.cloudflare\.com/ajax/libs/([^/]+)/.*\.js")


@pytest.fixture(scope="module")
def scripts(request):
    """The scripts' sources, fetched once from npm."""
    folder, sources = request.config.cache.mkdir("bertviz-scripts"), {}
    if shutil.which("npm") is None:
        pytest.skip("no npm on PATH to fetch bertviz' scripts with")
    for name, (package, file) in SCRIPTS.items():
        archive = folder / f"{package.replace('@', '-')}.tgz"
        if not archive.is_file():
            done = subprocess.run(["npm", "pack", package], cwd=folder, capture_output=True, text=True, timeout=60)
            if done.returncode:
                pytest.skip(f"npm did not fetch {package}: {done.stderr[-200:]}")
        with tarfile.open(fileobj=io.BytesIO(archive.read_bytes())) as opened:
            sources[name] = opened.extractfile(file).read().decode("utf-8")
    return sources


@pytest.fixture(scope="module")
def reading():
    pytest.importorskip("torch")
    pytest.importorskip("bertviz")
    return load("minilm").read("The cat sat on the mat.", "It was warm.")


def answer_for_the_cdn(page, scripts, after=0):
    """Answer the page's requests to the CDN after some milliseconds; return the list of requested names."""
    requested = []

    def answer(route):
        name = CDN.fullmatch(route.request.url).group(1)
        requested.append(name)
        page.wait_for_timeout(after)
        route.fulfill(content_type="application/javascript", body=scripts[name])

    page.route(CDN, answer)
    return requested


def lines(page, head):
    """Return the opacity of every line of a head, `[queries, keys]`."""
    rows = page.locator(f"#attention .headAttention[head-index='{head}'] line").evaluate_all(
        "lines => lines.map(line => [line.getAttribute('left-token-index'), line.getAttribute('right-token-index'),"
        " line.getAttribute('stroke-opacity')])"
    )
    drawn = np.zeros((1 + max(int(query) for query, _, _ in rows), 1 + max(int(key) for _, key, _ in rows)))
    for query, key, opacity in rows:
        drawn[int(query), int(key)] = float(opacity)
    return drawn


def opened(page, html, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(f"<!doctype html><meta charset='utf-8'><body>{html.data}</body>", encoding="utf-8")
    page.goto(path.as_uri())


def test_the_head_view_draws_the_reading(chromium, scripts, reading, artifacts, tmp_path):
    with lab_browser.browser_page(600, 500) as (page, page_errors):
        requested = answer_for_the_cdn(page, scripts)
        opened(page, bertviz.head_view(reading, layer=0, heads=[2], html_action="return"), tmp_path)
        expect(page.locator("#attention line").first).to_be_attached()
        assert sorted(requested) == sorted(SCRIPTS)
        assert page.locator("#left text").all_text_contents() == reading.tokens
        np.testing.assert_allclose(lines(page, 2), reading.attention[0, 2], atol=1e-6)
        page.screenshot(path=artifacts / "bertviz-head.png")

        page.locator("#layer").select_option("5")
        np.testing.assert_allclose(lines(page, 2), reading.attention[5, 2], atol=1e-6)
        page.locator("#filter").select_option(label="Sentence A -> Sentence B")
        expect(page.locator("#right text")).to_have_text(reading.tokens[9:])
        np.testing.assert_allclose(lines(page, 2), reading.attention[5, 2, :9, 9:], atol=1e-6)
        assert page_errors == []


def test_the_model_view_draws_the_selected_heads(chromium, scripts, reading, artifacts, tmp_path):
    with lab_browser.browser_page(900, 700) as (page, page_errors):
        answer_for_the_cdn(page, scripts)
        html = bertviz.model_view(reading, include_layers=[0, 5], include_heads=[2, 11], html_action="return")
        opened(page, html, tmp_path)
        expect(page.locator("svg text")).to_have_text(["Heads", "2", "11", "Layers", "0", "5"])
        expect(page.locator("svg line")).to_have_count(4 * len(reading.tokens) ** 2)
        page.screenshot(path=artifacts / "bertviz-model.png")
        assert page_errors == []


def test_without_the_cdn_the_view_is_blank(chromium, reading, tmp_path):
    with lab_browser.browser_page(600, 500) as (page, page_errors):
        page.route(CDN, lambda route: route.abort())
        opened(page, bertviz.head_view(reading, html_action="return"), tmp_path)
        page.wait_for_timeout(500)
        assert page.locator("svg").count() == 0
        assert any("require is not defined" in error for error in page_errors)


def test_in_jupyterlab(chromium, scripts, reading, artifacts, tmp_path):
    cells = [
        "import bertedu as be\nreading = be.load('minilm').read('The cat sat on the mat.', 'It was warm.')",
        "be.bertviz.head_view(reading, layer=0, heads=[2])",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = tmp_path / "lab" / "bertviz.ipynb"
    path.parent.mkdir()
    nbformat.write(notebook, path)
    with (
        lab_browser.running_lab(path, tmp_path / "jupyter") as address,
        lab_browser.browser_page() as (page, page_errors),
    ):
        answer_for_the_cdn(page, scripts, after=1000)  # a slow connection, with which bertviz' own output fails
        lab_browser.open_notebook(page, address)
        assert lab_browser.run_all(page) == 0
        frame = page.frame_locator("iframe[title=bertviz]")
        expect(frame.locator("#attention line").first).to_be_attached(timeout=20_000)
        expect(frame.locator("#left text")).to_have_text(reading.tokens)
        np.testing.assert_allclose(lines(frame, 2), reading.attention[0, 2], atol=1e-6)
        box = page.locator("iframe[title=bertviz]").bounding_box()
        assert box["height"] == frame.locator("body").evaluate("body => body.scrollHeight") + 30
        page.screenshot(path=artifacts / "bertviz-lab.png")
        assert lab_browser.error_outputs(page) == []
        assert page_errors == []
