"""Control JupyterLab in a headless Chromium, for the browser tests and `tools/screenshot.py`.

JupyterLab is started with `bertedu lab`, but with settings, runtime files and workspaces in a separate folder, so that
the user's configuration and open tabs have no effect.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",  # containers run as root, where Chromium's sandbox refuses to start
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SECONDS_TO_START = 120
SECONDS_TO_RUN = 300
CODE_CELL = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook .jp-CodeCell"
# Code cells that ran have a number; cells after an error and empty cells have none.
WITHOUT_NUMBER = """cells => cells.filter(cell => {
    const empty = !cell.querySelector(".cm-content")?.textContent.trim();
    return !empty && !/^\\[\\d+\\]:$/.test(cell.querySelector(".jp-InputPrompt").textContent.trim());
}).length"""


def find_chromium():
    """Return the path of a Chromium or Chrome on PATH, or None."""
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


def free_port():
    """Return an unused port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def own_environment(home):
    """Return environment variables with which Jupyter reads and writes its own files in `home` only."""
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    names += ("JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")
    return {**os.environ, **{name: str(home / name.lower()) for name in names}}


def wait_for_server(process, home):
    """Wait until the server has written its runtime file, and return its content."""
    runtime = home / "jupyter_runtime_dir"
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        for path in runtime.glob("*server-*.json"):  # jpserver-; nbserver- from Notebook 6
            with contextlib.suppress(ValueError):  # incomplete
                return json.loads(path.read_text(encoding="utf-8"))
        time.sleep(0.2)
    log = (home / "lab.log").read_text(encoding="utf-8", errors="replace")
    raise RuntimeError(f"JupyterLab did not start (exit status {process.poll()}):\n{log}")


@contextlib.contextmanager
def running_server(command, home):
    """Run a Jupyter server on a free port, and yield the content of its runtime file."""
    home.mkdir(parents=True, exist_ok=True)
    with open(home / "lab.log", "wb") as log:
        process = subprocess.Popen(
            [*command, "--port", str(free_port())],
            env=own_environment(home),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield wait_for_server(process, home)
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def running_lab(notebook, home, copies=None):
    """Run `bertedu lab` on a notebook, or on the working copy in a folder of a chapter; yield its address."""
    command = [sys.executable, "-m", "bertedu_command", "lab", "--no-browser"]
    command += [notebook.name, "--dir", str(copies)] if copies else [str(notebook)]
    with running_server(command, home) as server:
        path = copies / notebook.name if copies else notebook
        below = Path(path).resolve().relative_to(server["root_dir"]).as_posix()
        yield f"{server['url']}lab/tree/{below}?token={server['token']}"


@contextlib.contextmanager
def browser_page(width=1280, height=1000):
    """Open a page in a headless Chromium; yield the page and a list that collects its errors."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_ARGUMENTS)
        page = browser.new_page(viewport={"width": width, "height": height})
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        try:
            yield page, errors
        finally:
            browser.close()


def open_notebook(page, address):
    """Open the address, and wait until the notebook is rendered and its kernel is ready."""
    page.goto(address, timeout=SECONDS_TO_START * 1000)
    page.wait_for_selector(CODE_CELL, timeout=SECONDS_TO_START * 1000)
    wait_until_idle(page, SECONDS_TO_START)


def wait_until_idle(page, seconds):
    """Wait until the kernel is idle."""
    page.locator(".jp-StatusBar-TextItem", has_text="| Idle").first.wait_for(timeout=seconds * 1000)


def run_all(page):
    """Choose Run > Run All Cells, wait until no cell runs, and return the number of cells that did not run.

    A notebook with stored outputs has numbers before it runs, so wait for a running cell first. All cells show `[*]`
    until they have run, or until an error has stopped them.
    """
    page.locator(".lm-MenuBar-itemLabel", has_text="Run").first.click()
    page.locator('.lm-Menu-item[data-command="runmenu:run-all"]').click()
    running = page.locator(f"{CODE_CELL} .jp-InputPrompt", has_text="[*]")
    running.first.wait_for(timeout=SECONDS_TO_START * 1000)
    expect(running).to_have_count(0, timeout=SECONDS_TO_RUN * 1000)
    wait_until_idle(page, SECONDS_TO_RUN)
    return page.locator(CODE_CELL).evaluate_all(WITHOUT_NUMBER)


def restart_kernel(page):
    """Choose Kernel > Restart Kernel and confirm; wait until the new kernel is ready."""
    page.locator(".lm-MenuBar-itemLabel", has_text="Kernel").first.click()
    page.locator('.lm-Menu-item[data-command="kernelmenu:restart"]').click()
    page.locator(".jp-Dialog .jp-mod-accept").click()
    page.locator(".jp-Dialog").wait_for(state="detached")
    page.wait_for_timeout(1000)  # the status may still be the "Idle" of the old kernel
    wait_until_idle(page, SECONDS_TO_START)


def choose_another(page):
    """Select another head in the first model view; return heading and pixels of the large map before and after."""
    view = page.locator(f"{CODE_CELL} .be-model").first
    view.scroll_into_view_if_needed()
    view.locator('.be-cell[aria-pressed="true"]').wait_for()
    before = selected_head(view)
    deadline = time.monotonic() + 30
    while (after := selected_head(view)) == before and time.monotonic() < deadline:
        view.locator(".be-cell").nth(1).click()  # again, in case the layout has changed under the pointer
        page.wait_for_timeout(500)
    return before, after


def selected_head(view):
    """Return the heading and the pixels of the selected head of a model view."""
    return view.locator(".be-subtitle").text_content(), view.locator("canvas.be-map").evaluate("map => map.toDataURL()")


def image_sizes(page):
    """Return `(width, height)` of all images in the outputs, as decoded by the browser; 0 if it could not."""
    sizes = page.evaluate(
        """() => [...document.querySelectorAll(".jp-OutputArea-output img, .jp-OutputArea-output svg")].map(image => {
            const box = image.getBoundingClientRect();
            return image.tagName === "IMG" ? [image.naturalWidth, image.naturalHeight] : [box.width, box.height];
        })"""
    )
    return [tuple(size) for size in sizes]


def error_outputs(page):
    """Return the texts of all errors and of the error stream in the outputs."""
    kinds = ("application/vnd.jupyter.error", "application/vnd.jupyter.stderr")
    selector = ", ".join(f'.jp-OutputArea-output[data-mime-type="{kind}"]' for kind in kinds)
    return page.locator(selector).all_inner_texts()


def whole_notebook(page, path):
    """Save a screenshot of the whole notebook, with a window as tall as the notebook."""
    size = page.viewport_size
    scroller = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-WindowedPanel-outer"
    tall = page.evaluate("selector => document.querySelector(selector).scrollHeight", scroller)
    page.set_viewport_size({"width": size["width"], "height": min(tall + 200, 16000)})
    page.evaluate("selector => document.querySelector(selector).scrollTo(0, 0)", scroller)
    page.wait_for_timeout(2000)  # cells are rendered only when they are in the window
    page.screenshot(path=str(path))
    page.set_viewport_size(size)
