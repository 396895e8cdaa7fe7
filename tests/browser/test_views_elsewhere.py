"""The views outside JupyterLab 4: in Notebook 7, in Colab's version of Notebook 6, and converted by nbconvert.

    bertedu test --all -k elsewhere

The two Notebooks have separate environments, created once from the package index in pytest's cache; without an index,
their tests are skipped. Notebook 7 is the front end only: its kernel is the Python that runs the tests. Notebook 6 has
Colab's versions, the kernel included, on Python 3.12 if that is installed; the package is there without its `__init__`,
so without Keras, which the views do not need. Both save the notebook, restart the kernel, and open the notebook again.
The screenshots are `tests/artifacts/views-notebook*.png`.
"""

import base64
import contextlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import lab_browser
import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from playwright.sync_api import expect
from test_views_in_browser import live_notebook, use_live

ROOT = Path(__file__).resolve().parents[2]
SECONDS_TO_INSTALL = 600
NOTEBOOK_7 = ["notebook>=7.4,<8", "ipywidgets>=8.1,<9", "anywidget>=0.9.18"]
NOTEBOOK_6 = [
    "notebook==6.5.7",
    "ipywidgets==7.7.1",
    "widgetsnbextension<3.7",
    "anywidget==0.9.21",
    "ipython==7.34.0",
    "setuptools<81",  # provides distutils, which Python 3.12 removed
    "numpy",
    "matplotlib",
]
HOST_ERRORS = {"Cannot read properties of undefined (reading 'schema')"}  # from Notebook 7.6's settings
pytestmark = [pytest.mark.browser, pytest.mark.slow]


# ---- environments ----------------------------------------------------------------------------------------------------


def environment(folder, python, packages):
    """Return the Python of an environment with these packages, created in `folder` if needed; skip if that fails."""
    stamp, contents = folder / "installed.txt", "\n".join([str(python), *packages])
    interpreter = folder / "bin" / "python"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == contents and interpreter.exists():
        return interpreter
    shutil.rmtree(folder, ignore_errors=True)
    install = [interpreter, "-m", "pip", "install", "--quiet", "--retries", "1", "--timeout", "20", *packages]
    for command in ([python, "-m", "venv", folder], install):
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_TO_INSTALL)
        if done.returncode:
            pytest.skip(f"no environment with {packages[0]}: {done.stderr[-300:]}")
    stamp.write_text(contents, encoding="utf-8")
    return interpreter


def python_of_colab():
    """Return a Python 3.12, or the Python that runs this."""
    for python in ("python3.12", *map(str, sorted(Path.home().glob(".pyenv/versions/3.12.*/bin/python3.12")))):
        with contextlib.suppress(OSError):  # the first may be a shim without a Python
            if subprocess.run([python, "-m", "venv", "--help"], capture_output=True).returncode == 0:
                return python
    return sys.executable


def kernel_of(home, python, package=None):
    """Write the specification of the kernel "views", which runs `python`, for the server in `home`."""
    folder = home / "jupyter_data_dir" / "kernels" / "views"
    folder.mkdir(parents=True)
    start = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    env = {"PYTHONPATH": str(package or ROOT)}
    spec = {"argv": start, "display_name": "Python 3", "language": "python", "env": env}
    (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")


def without_keras(folder):
    """Return a folder with a `bertedu` package that has all modules but an `__init__` without imports."""
    (folder / "bertedu").mkdir(parents=True)
    (folder / "bertedu" / "__init__.py").write_text(f"__path__ = [{str(ROOT / 'bertedu')!r}]\n", encoding="utf-8")
    return folder


def notebook_for(folder):
    """Write the notebook of three views, with the kernel "views"."""
    path = live_notebook(folder)
    notebook = nbformat.read(path, 4)
    notebook.metadata.kernelspec.name = "views"
    nbformat.write(notebook, path)
    return path


# ---- two front ends --------------------------------------------------------------------------------------------------

KERNEL_WAITS = """async () => {
    const answer = await fetch(new URL("../api/kernels", location.href));
    return (await answer.json()).some(kernel => kernel.connections > 0 && kernel.execution_state === "idle");
}"""


def wait_for_kernel(page):
    """Wait until the server reports an idle kernel; both front ends show "idle" too early."""
    page.wait_for_timeout(1500)  # a restarting kernel is still reported as idle
    page.wait_for_function(KERNEL_WAITS, timeout=60_000, polling=500)
    page.wait_for_timeout(500)


class Notebook7:
    """Notebook 7, based on JupyterLab's components."""

    cell = ".jp-Notebook .jp-CodeCell"
    figure = ".jp-OutputArea-output img"

    @staticmethod
    def command(python, folder):
        return [python, "-m", "notebook", "--no-browser", "--allow-root", f"--ServerApp.root_dir={folder}"]

    @staticmethod
    def address(server):
        return f"{server['url']}notebooks/views.ipynb?token={server['token']}"

    @staticmethod
    def choose(page, menu, command):
        page.locator(".lm-MenuBar-itemLabel", has_text=re.compile(f"^{menu}$")).click()
        page.locator(f'.lm-Menu-item[data-command="{command}"]').click()

    def run(self, page):
        self.choose(page, "Run", "runmenu:run-all")

    def save(self, page):
        page.keyboard.press("Control+s")

    def restart(self, page):
        self.choose(page, "Kernel", "kernelmenu:restart")
        page.locator(".jp-Dialog .jp-mod-accept").click()
        page.locator(".jp-Dialog").wait_for(state="detached")


class Notebook6:
    """The classic Notebook."""

    cell = "#notebook-container .code_cell"
    figure = ".output_area img"

    @staticmethod
    def command(python, folder):
        return [python, "-m", "notebook", "--no-browser", "--allow-root", f"--NotebookApp.notebook_dir={folder}"]

    @staticmethod
    def address(server):
        return f"{server['url']}notebooks/views.ipynb?token={server['token']}"

    @staticmethod
    def choose(page, menu, item):
        page.locator(menu).click()
        page.locator(f"{item} a").click()

    def run(self, page):
        self.choose(page, "#celllink", "#run_all_cells")

    def save(self, page):
        page.locator("#save-notbook button").click()  # its shortcuts are off while a widget has the focus

    def restart(self, page):
        self.choose(page, "#kernellink", "#restart_kernel")
        page.locator(".modal-dialog .btn-danger").click()
        page.locator(".modal-dialog").wait_for(state="detached")


@pytest.fixture(params=["notebook7", "notebook6"])
def front_end(request, chromium, tmp_path):
    """A front end with a kernel specification, the command that starts its server, and its name."""
    folder = request.config.cache.mkdir(f"views-{request.param}") / "environment"
    if request.param == "notebook7":
        front, python = Notebook7(), environment(folder, sys.executable, NOTEBOOK_7)
        kernel_of(tmp_path / "jupyter", sys.executable)
    else:
        front, python = Notebook6(), environment(folder, python_of_colab(), NOTEBOOK_6)
        kernel_of(tmp_path / "jupyter", python, without_keras(tmp_path / "package"))
    return front, front.command(str(python), tmp_path / "live"), request.param


def sizes(page, selector):
    """Return the height of each image on the page; 0 if it is hidden or broken."""
    return page.locator(selector).evaluate_all(
        "all => all.map(one => one.naturalWidth && one.checkVisibility() ? one.getBoundingClientRect().height : 0)"
    )


def test_live_views_in_another_front_end(front_end, artifacts, tmp_path):
    front, command, name = front_end
    path = notebook_for(tmp_path / "live")
    with (
        lab_browser.running_server(command, tmp_path / "jupyter") as server,
        lab_browser.browser_page(1280, 2600) as (page, page_errors),
    ):
        page.goto(front.address(server))
        page.wait_for_selector(front.cell)
        wait_for_kernel(page)
        front.run(page)
        expect(page.locator(".bertedu-view[data-drawn]")).to_have_count(3, timeout=120_000)
        expect(page.locator(".bertedu-figure-hidden")).to_have_count(3)
        assert sizes(page, front.figure) == [0, 0, 0]
        wait_for_kernel(page)
        page.screenshot(path=artifacts / f"views-{name}.png")
        use_live(page)
        assert page.evaluate("window.ran") is None
        assert page.locator(front.cell).count() == 3, "a key in a view reached the notebook"
        front.save(page)
        page.wait_for_timeout(1500)
        check_stored(nbformat.read(path, 4))

        page.reload()  # the kernel still has the views
        page.wait_for_selector(front.cell)
        expect(page.locator(".bertedu-view[data-drawn]")).to_have_count(3)
        expect(page.locator(".bertedu-figure-hidden")).to_have_count(3)

        front.restart(page)
        wait_for_kernel(page)
        page.reload()
        page.wait_for_selector(front.cell)
        wait_for_kernel(page)
        page.wait_for_timeout(1500)
        page.screenshot(path=artifacts / f"views-{name}-without-kernel.png")
        assert min(sizes(page, front.figure)) > 100
        assert [error for error in page_errors if error not in HOST_ERRORS] == []


def check_stored(notebook):
    """Check what GitHub shows: a figure with alt text for each view, and no widget state."""
    assert "widgets" not in notebook.metadata
    for cell in notebook.cells:
        figure, live = cell.outputs
        assert base64.b64decode(figure.data["image/png"]).startswith(b"\x89PNG")
        assert figure.metadata["image/png"]["alt"] == figure.data["text/plain"]
        assert "run this cell" in live.data["text/plain"]
        assert " ".join(figure.data["text/plain"].split()) in " ".join(live.data["text/plain"].split())
    assert len(json.dumps(notebook)) < 600_000


# ---- converted -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["without", "with"])
def executed(request, tmp_path_factory):
    """The notebook of three views, executed without a front end, with widget state like nbconvert's or without."""
    path = live_notebook(tmp_path_factory.mktemp("executed") / "live")
    notebook = nbformat.read(path, 4)
    resources = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(notebook, resources=resources, timeout=120, store_widget_state=request.param == "with")
    client.execute()
    assert ("widgets" in notebook.metadata) == (request.param == "with")
    return nbformat.reads(nbformat.writes(notebook), 4), request.param


@pytest.mark.parametrize("template", ["lab", "classic"])
def test_nbconvert_writes_the_figures(executed, template, chromium, artifacts, tmp_path):
    notebook, state = executed
    if state == "without":
        check_stored(notebook)
    html, _ = HTMLExporter(template_name=template).from_notebook_node(notebook)
    (tmp_path / "views.html").write_text(html, encoding="utf-8")
    with lab_browser.browser_page(1100, 2200) as (page, _):
        page.context.set_offline(True)
        page.goto((tmp_path / "views.html").as_uri())
        figures = page.locator("img[src^='data:image/png']")
        expect(figures).to_have_count(3)
        assert min(sizes(page, "img[src^='data:image/png']")) > 100
        alts = [cell.outputs[0].data["text/plain"] for cell in notebook.cells]
        text = page.locator("body").inner_text()
        if template == "classic":  # the other template drops the metadata of images
            assert figures.evaluate_all("all => all.map(one => one.alt)") == alts
        if state == "without":
            assert all(" ".join(alt.split()) in " ".join(text.split()) for alt in alts)
        assert not re.search("error|could not|not found|loading widget|model_id", text.replace("onerror", ""), re.I)
        page.screenshot(path=artifacts / f"views-nbconvert-{template}-{state}-state.png")
