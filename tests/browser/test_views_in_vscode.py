"""The views in VS Code's real workbench and notebook page, live and without a kernel.

    bertedu test --all -k vscode

These are VS Code's own: the workbench and its notebook page with every element around an output (npm `code-server`,
started as VS Code's server), and the widget manager that its Jupyter extension adds to that page (npm
`@vscode/jupyter-ipywidgets8`). The Jupyter extension itself is on no package index. The files in `vscode_stand_in/`
replace it: they run cells in a kernel of a Jupyter server, pass its messages to the page, and create the elements
around a widget like that extension. The desktop window and ipywidgets 7 are not tested. For an unknown reason, headless
Chromium sometimes paints a figure that becomes visible again as an empty rectangle, although its bytes are complete. So
for these the tests check only position and size; for figures without a kernel, the pixels too.

The packages come from npm into pytest's cache once, in the versions below; if that fails, the tests are skipped. The
screenshots are `tests/artifacts/views-vscode*.png`.
"""

import contextlib
import functools
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import urllib.request
from pathlib import Path

import anywidget
import lab_browser
import nbformat
import pytest
from nbclient import NotebookClient
from playwright.sync_api import expect
from test_views_elsewhere import kernel_of, sizes, without_keras
from test_views_in_browser import live_notebook, use_live

STAND_IN = Path(__file__).parent / "vscode_stand_in"
VS_CODE = "code-server@4.117.0"  # VS Code 1.117; later versions require a newer node
MANAGER = "@vscode/jupyter-ipywidgets8@1.0.9"
TO_BUILD = ["@jupyterlab/services@7.4.9", "esbuild@0.28.2", "requirejs@2.3.8"]
BUILT_IN = ("ipynb", "notebook-renderers", "theme-defaults", "python", "json")  # all that a notebook needs
SECONDS_TO_INSTALL = 600
SETTINGS = {
    "security.workspace.trust.enabled": False,
    "workbench.startupEditor": "none",
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "telemetry.telemetryLevel": "off",
    "extensions.autoCheckUpdates": False,
    "extensions.ignoreRecommendations": True,
    "chat.disableAIFeatures": True,
}
RUNS_TWICE = """if "again" not in globals():
    again = True
    head_view(attention, tokens).show()
else:
    from PIL import Image
    display(Image.new("RGB", (90, 60), "green"))
    print("no view")"""
PAINTED = """images => images.map(image => {
    const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext("2d");
    canvas.drawImage(image, 0, 0);
    const { data } = canvas.getImageData(0, 0, image.naturalWidth, image.naturalHeight);
    return new Set(new Uint32Array(data.buffer)).size;
})"""
pytestmark = [pytest.mark.browser, pytest.mark.slow]


# ---- parts of VS Code ------------------------------------------------------------------------------------------------


def npm(folder, *words):
    """Run npm in a folder, without the packages' scripts; skip the test if it fails."""
    command = ["npm", *words, "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS_TO_INSTALL)
    if done.returncode:
        pytest.skip(f"npm could not do {' '.join(words)}: {done.stderr[-300:]}")
    return done.stdout


@pytest.fixture(scope="module")
def parts(request):
    """The folder of VS Code's server, and the folder with the sources of the stand-in."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("no node and npm on PATH to fetch VS Code's parts with")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=20).stdout
    if int(version.strip().lstrip("v").split(".")[0] or 0) < 20:
        pytest.skip(f"VS Code's server wants node 20 or newer, this is {version.strip()}")
    folder = request.config.cache.mkdir("vscode")
    code, build = folder / "code", folder / "build"
    server = code / "node_modules" / "code-server" / "lib" / "vscode"
    stamp, contents = folder / "installed.txt", "\n".join([VS_CODE, MANAGER, *TO_BUILD])
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == contents:
        return server, build
    for target in (code, build):
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        (target / "package.json").write_text('{"private": true}', encoding="utf-8")
    npm(code, "install", VS_CODE)
    npm(server, "install", "--omit=dev")
    npm(build, "install", *TO_BUILD)
    with tarfile.open(build / npm(build, "pack", MANAGER).split()[-1]) as archive:  # one file with its dependencies
        archive.extractall(build, filter="data")
    stamp.write_text(contents, encoding="utf-8")
    return server, build


def built_in(server, folder):
    """Copy the VS Code extensions that a notebook needs; others lack parts that npm did not build."""
    for name in BUILT_IN:
        shutil.copytree(server / "extensions" / name, folder / name)
    return folder


def stand_in(build, folder):
    """Build the stand-in for the Jupyter extension into `folder`."""
    style = json.dumps((STAND_IN / "style.css").read_text(encoding="utf-8"))
    esbuild = [str(build / "node_modules" / ".bin" / "esbuild"), "--bundle", "--log-level=error", f"--outdir={folder}"]
    env = {**os.environ, "NODE_PATH": str(build / "node_modules")}
    for_page = ["--format=esm", f"--define:STYLE={style}", "--define:process.env={}", "--define:global=globalThis"]
    for_node = ["--platform=node", "--external:vscode"]
    for name, options in (("renderer.js", for_page), ("extension.js", for_node)):
        subprocess.run([*esbuild, *options, str(STAND_IN / name)], check=True, env=env, timeout=120)
    shutil.copy(STAND_IN / "package.json", folder)
    shutil.copy(build / "package" / "dist" / "ipywidgets.js", folder)
    requirejs = (build / "node_modules" / "requirejs" / "require.js").read_text(encoding="utf-8")
    shared = "Object.assign(window, { requirejs, require, define });"  # a preload is a module with its own scope
    wrapped = f"(function () {{\n{requirejs}\n{shared}\n}}).call(window);\nexport function activate() {{}}\n"
    (folder / "require.js").write_text(wrapped, encoding="utf-8")
    modules = folder / "nbextensions" / "anywidget"
    modules.mkdir(parents=True)
    shutil.copy(Path(anywidget.__file__).parent / "nbextension" / "index.js", modules)


@contextlib.contextmanager
def workbench(server, extensions, home, theme, env=()):
    """Run VS Code's server; yield its address."""
    (home / "User").mkdir(parents=True)
    settings = {**SETTINGS, "workbench.colorTheme": theme}
    (home / "User" / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    address = f"http://127.0.0.1:{lab_browser.free_port()}/"
    command = ["node", "out/server-main.js", "--host", "127.0.0.1", "--port", address.rsplit(":", 1)[1].rstrip("/")]
    command += ["--without-connection-token", "--accept-server-license-terms", "--telemetry-level", "off"]
    folders = {"user-data": home, "server-data": home, "extensions": home / "none", "builtin-extensions": extensions}
    command += [f"--{name}-dir={folder}" for name, folder in folders.items()]
    # node 20 has the WebSocket that VS Code's extensions need only with this option
    env = {**os.environ, "HOME": str(home), "NODE_OPTIONS": "--experimental-websocket", **dict(env)}
    with open(home / "server.log", "wb") as log:
        process = subprocess.Popen(command, cwd=server, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_for(functools.partial(answers, address), 60, f"VS Code's server did not start: {home / 'server.log'}")
            yield address
        finally:
            process.terminate()
            process.wait(timeout=20)


def answers(address):
    with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5) as answer:
        return answer.status == 200
    return False


def wait_for(condition, seconds, message):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.3)
    raise AssertionError(message)


# ---- using it --------------------------------------------------------------------------------------------------------


def open_notebook(page, address, path):
    """Open the notebook; return a function that returns the frame of its outputs."""
    page.goto(f"{address}?folder={path.parent}", timeout=90_000)
    name = page.locator(".explorer-folders-view .monaco-list-row", has_text=path.name)
    name.wait_for(timeout=90_000)
    toolbar = page.locator(".notebook-toolbar-container")
    for _ in range(6):
        name.dblclick()
        with contextlib.suppress(Exception):
            toolbar.wait_for(timeout=8000)
            break
        page.locator(".tab .codicon-close").first.click()  # opened as text, because the extensions were not ready
    toolbar.wait_for(timeout=1000)
    return lambda: next((frame for frame in page.frames if frame.locator(".output_container").count()), None)


def run_all(page):
    page.locator(".notebook-toolbar-container .action-item", has_text="Run All").first.click()


def command(page, name):
    page.locator(".tabs-container .tab").first.click()
    page.keyboard.press("F1")
    page.locator(".quick-input-widget input").first.wait_for()
    page.keyboard.type(name)
    page.locator(".quick-input-list .monaco-list-row", has_text=name).first.click()


def hidden(frame, count, views):
    expect(frame.locator(".bertedu-view[data-drawn]")).to_have_count(views, timeout=60_000)
    expect(frame.locator(".bertedu-figure-hidden")).to_have_count(count, timeout=30_000)


def notebook_of_four(folder):
    """Write a notebook of three views and a cell that shows a view in its first run, and an image in the second."""
    path = live_notebook(folder)
    notebook = nbformat.read(path, 4)
    notebook.cells.append(nbformat.v4.new_code_cell(RUNS_TWICE))
    nbformat.write(notebook, path)
    return path


@pytest.mark.parametrize("theme", ["Default Dark Modern", "Default Light Modern"])
def test_live_views_in_vscode(theme, parts, chromium, artifacts, tmp_path):
    server, build = parts
    path, kind = notebook_of_four(tmp_path / "live"), theme.split()[1].lower()
    extensions = built_in(server, tmp_path / "extensions")
    stand_in(build, extensions / "stand-in")
    kernel_of(tmp_path / "jupyter", sys.executable, without_keras(tmp_path / "package"))
    jupyter = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root"]
    server_file = tmp_path / "jupyter-server.json"
    with (
        lab_browser.running_server([*jupyter, f"--ServerApp.root_dir={path.parent}"], tmp_path / "jupyter") as running,
        workbench(server, extensions, tmp_path / "code", theme, {"STAND_IN_SERVER": str(server_file)}) as address,
        lab_browser.browser_page(1300, 3000) as (page, page_errors),
    ):
        server_file.write_text(json.dumps(running), encoding="utf-8")
        find_frame = open_notebook(page, address, path)
        run_all(page)
        page.wait_for_function("window.frames.length > 0", timeout=60_000)
        frame = wait_for_frame(page, find_frame)
        hidden(frame, 4, 4)
        page.wait_for_timeout(1500)
        page.screenshot(path=artifacts / f"views-vscode-{kind}.png")
        assert frame.locator(".bertedu-view").evaluate_all("all => all.map(one => one.dataset.theme)") == [kind] * 4
        assert sizes(frame, ".output_container img") == [0, 0, 0, 0]
        frame.keyboard = page.keyboard
        use_live(frame)
        assert frame.evaluate("window.ran") is None

        run_all(page)  # VS Code reuses the elements of the earlier outputs
        expect(frame.get_by_text("no view")).to_be_visible(timeout=60_000)
        hidden(frame, 3, 3)
        assert sorted(size > 0 for size in sizes(frame, ".output_container img")) == [False, False, False, True]

        command(page, "Stand-in: Shut Down Kernel")
        expect(frame.locator(".bertedu-figure-hidden")).to_have_count(0)
        page.wait_for_timeout(1500)
        page.screenshot(path=artifacts / f"views-vscode-{kind}-after-the-kernel.png")
        assert min(sizes(frame, ".output_container img")) > 40
        assert page_errors == []


def wait_for_frame(page, find_frame):
    for _ in range(120):
        if frame := find_frame():
            return frame
        page.wait_for_timeout(500)
    raise AssertionError("no output came")


def test_vscode_shows_the_figures_without_a_kernel(parts, chromium, artifacts, tmp_path):
    server, _ = parts
    path = live_notebook(tmp_path / "live")
    notebook = nbformat.read(path, 4)
    NotebookClient(notebook, resources={"metadata": {"path": str(path.parent)}}, timeout=120).execute()
    nbformat.write(notebook, path)
    extensions = built_in(server, tmp_path / "extensions")
    with (
        workbench(server, extensions, tmp_path / "code", "Default Light Modern") as address,
        lab_browser.browser_page(1300, 3000) as (page, page_errors),
    ):
        frame = wait_for_frame(page, open_notebook(page, address, path))
        images = frame.locator(".output_container img")
        expect(images).to_have_count(3, timeout=30_000)
        page.wait_for_timeout(1500)
        page.screenshot(path=artifacts / "views-vscode-without-kernel.png")
        assert min(sizes(frame, ".output_container img")) > 100
        assert min(images.evaluate_all(PAINTED)) > 3
        alts = [cell.outputs[0].data["text/plain"] for cell in notebook.cells]
        assert sorted(images.evaluate_all("all => all.map(one => one.alt)")) == sorted(alts)
        text = " ".join(frame.locator("body").inner_text().split())
        assert text.count("needs a running kernel: run this cell") == 3
        assert all(" ".join(alt.split()) in text for alt in alts)
        assert page_errors == []
