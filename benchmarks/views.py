"""The views of bertedu and of bertviz, with the same arrays and the same browser.

    python -m benchmarks.views [--repeats 1] [--skip-bertviz]

Each view is created and saved as a file, and a headless Chromium opens it; the time is that from the call to the first
line or thumbnail on the screen. The scripts that bertviz loads from a CDN come from the npm packages (d3, jquery,
requirejs), so it does not wait for a network. The weights are MiniLM's, of two texts of 128 tokens, stacked to 12
layers of 12 heads; and random weights, which do not compress. At 512 tokens bertviz would write 1.7 GB, so only bertedu
is measured: the processor time of a pointer that moves from token to token, and the time from a click on "next layer"
to the new lines, right after the start and after the neighboring layers are loaded; in a saved file, and live in
JupyterLab, where a layer comes from the kernel. There, 24 layers of 16 heads are measured, too.
"""

import argparse
import contextlib
import io
import platform
import subprocess
import sys
import tarfile
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np

from benchmarks import common

sys.path.insert(0, str(common.ROOT / "tools"))
import lab_browser

TOKENS = 128
PACKAGES = {  # file that bertviz loads from the CDN -> npm package, and the file in it
    "require.min.js": ("requirejs@2.3.6", "package/require.js"),
    "d3.min.js": ("d3@5.7.0", "package/dist/d3.min.js"),
    "jquery.min.js": ("jquery@2.2.4", "package/dist/jquery.min.js"),
}
HOVER = """async () => {
    const list = document.querySelector(".be-query");
    const box = list.getBoundingClientRect();
    for (let i = 0; i < 40; i += 1) {
        const position = { clientX: box.left + 5, clientY: box.top + 100 + i * 9, bubbles: true };
        list.dispatchEvent(new PointerEvent("pointermove", position));
        await new Promise(requestAnimationFrame);
        await new Promise(requestAnimationFrame);
    }
}"""
NEXT_LAYER = """async () => {
    const root = document.querySelector(".bertedu-view");
    const before = root.dataset.layer;
    const start = performance.now();
    root.querySelectorAll(".be-step")[1].click();
    while (root.dataset.layer === before) await new Promise(done => { const m = new MessageChannel();
        m.port1.onmessage = done; m.port2.postMessage(0); });
    await new Promise(requestAnimationFrame);
    return performance.now() - start;
}"""


def real_weights():
    """Return MiniLM's attention for two texts of the language reference, `[12, 12, T, T]`, and the first's tokens."""
    import bertedu as be

    bert = be.load("minilm")
    readings = []
    for name in ("assert", "with"):
        words, count = topics[name].split(), TOKENS
        while len(bert.preprocessor.encode(" ".join(words[:count])).ids) > TOKENS + 8:
            count -= 1
        readings.append(bert.read(" ".join(words[:count])))
    attention = np.concatenate([reading.attention[:, :, :TOKENS, :TOKENS] for reading in readings])
    return attention, readings[0].tokens[:TOKENS]


def random_weights(*shape):
    """Return the softmax of random numbers, the worst case for compression."""
    powers = np.exp(2 * np.random.default_rng(0).normal(size=shape)).astype("float32")
    return powers / powers.sum(axis=-1, keepdims=True)


def bertedu(kind, attention, tokens, path):
    """Create and save a view of bertedu."""
    from bertedu import views

    return getattr(views, f"{kind}_view")(attention, tokens).save(path)


def bertviz(kind, attention, tokens, path):
    """Create a view of bertviz and save its HTML as a page."""
    import bertviz as peer
    import torch

    layers = [torch.tensor(layer[None]) for layer in attention]
    shown = getattr(peer, f"{kind}_view")(layers, tokens, html_action="return")
    path.write_text(f"<!doctype html><html><body>{shown.data}</body></html>", encoding="utf-8")
    return path


def npm_files():
    """Return the contents of bertviz' scripts by name, fetched with `npm pack`."""
    scripts = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (package, member) in PACKAGES.items():
            run = subprocess.run(["npm", "pack", package, "--silent"], cwd=folder, capture_output=True, text=True)
            run.check_returncode()
            with tarfile.open(fileobj=io.BytesIO((Path(folder) / run.stdout.split()[-1]).read_bytes())) as archive:
                scripts[name] = archive.extractfile(member).read()
    return scripts


@contextlib.contextmanager
def browser_with(scripts):
    """Yield a page in a headless Chromium whose network requests are answered from `scripts`, or refused."""

    def answer(route):
        name = route.request.url.split("?")[0].rsplit("/", 1)[-1]
        if route.request.url.startswith("file:"):
            route.continue_()
        elif name in scripts:
            route.fulfill(body=scripts[name], content_type="text/javascript")
        else:
            route.abort()

    with lab_browser.browser_page() as (page, _):
        page.route("**/*", answer)
        page.set_default_timeout(240_000)
        yield page


DRAWN = {bertedu: ".bertedu-view[data-drawn]", bertviz: "svg line"}


def first_drawing(page, maker, kind, attention, tokens, folder):
    """Return the seconds from the call to the first drawing, and the bytes of the file."""
    start = time.perf_counter()
    path = maker(kind, attention, tokens, Path(folder) / f"{maker.__name__}-{kind}.html")
    page.goto(path.as_uri(), wait_until="commit")
    page.wait_for_selector(DRAWN[maker], state="attached")
    return time.perf_counter() - start, path.stat().st_size


def long_text(page, folder):
    """Return, for 512 tokens, bytes to the first drawing, processor seconds of a hover, seconds to the next layer."""
    from bertedu import views

    tokens = [f"token{i}" for i in range(512)]
    view = views.head_view(random_weights(12, 12, 512, 512), tokens)
    page.goto(view.save(Path(folder) / "long.html").as_uri())
    page.wait_for_selector(DRAWN[bertedu], timeout=60_000)
    at_once = page.evaluate(NEXT_LAYER) / 1e3
    page.wait_for_timeout(3000)  # until the neighboring layers are loaded
    fetched = page.evaluate(NEXT_LAYER) / 1e3
    page.wait_for_timeout(3000)
    return view.nbytes, hover_seconds(page), at_once, fetched


def hover_seconds(page):
    """Return the processor seconds of the page when the pointer moves by one token."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def busy():
        return {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}["TaskDuration"]

    before = busy()
    page.evaluate(HOVER)
    return (busy() - before) / 40


LIVE = ((12, 12), (24, 16))  # layers, heads
SETUP = """import numpy as np
from bertedu.views import head_view
powers = np.exp(2 * np.random.default_rng(0).standard_normal(({}, {}, 512, 512), "float32"))
powers /= powers.sum(axis=-1, keepdims=True)"""
CALL = 'head_view(powers, [f"token{i}" for i in range(512)])'


def live(shape, folder):
    """Return, in JupyterLab at 512 tokens, the seconds to the first lines, of a hover, and to the next layer."""
    import nbformat

    name = "x".join(map(str, shape))
    sources = SETUP.format(*shape), CALL
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = Path(folder) / f"lab-{name}" / "long.ipynb"
    path.parent.mkdir()
    nbformat.write(notebook, path)
    with (
        lab_browser.running_lab(path, Path(folder) / f"jupyter-{name}") as address,
        lab_browser.browser_page() as (page, _),
    ):
        lab_browser.open_notebook(page, address)
        page.set_default_timeout(120_000)
        cells = page.locator(lab_browser.CODE_CELL)
        cells.first.locator(".cm-content").click()
        page.keyboard.press("Shift+Enter")
        cells.first.locator(".jp-InputPrompt", has_text="[1]").wait_for()
        start = time.perf_counter()
        page.keyboard.press("Shift+Enter")
        page.wait_for_selector(DRAWN[bertedu])
        drawn = time.perf_counter() - start
        at_once = page.evaluate(NEXT_LAYER) / 1e3
        page.wait_for_timeout(3000)
        fetched = page.evaluate(NEXT_LAYER) / 1e3
        page.wait_for_timeout(3000)
        return drawn, hover_seconds(page), at_once, fetched


def compared(page, kind, sets, options, folder):
    """Return the rows of the table for one kind of view."""
    attention, tokens = sets["real"]
    times = {maker: [] for maker in (bertedu, *(() if options.skip_bertviz else (bertviz,)))}
    sizes = {}
    for _ in range(options.repeats):
        for maker, taken in times.items():
            seconds, sizes[maker] = first_drawing(page, maker, kind, attention, tokens, folder)
            taken.append(seconds)
            page.goto("about:blank")
    peer = times.get(bertviz)
    target = {"head": 10, "model": 50}[kind]
    rows = []
    if peer:
        ratios = np.array(peer) / np.array(times[bertedu])
        rows.append(common.row(f"{kind} view, call to first drawing (ratio)", f"{np.median(times[bertedu]):.2f} s",
                               f"{np.median(peer):.1f} s", ratios, f">= {target}", lambda x: x >= target))  # fmt: skip
    saved = megabytes(f"{kind} view, saved file, real weights", sizes[bertedu], 2.5)
    rows.append([*saved[:2], f"{sizes[bertviz] / 1e6:.1f} MB" if peer else "", *saved[3:]])
    random = bertedu(kind, *sets["random"], Path(folder) / "random.html").stat().st_size
    return [*rows, megabytes(f"{kind} view, saved file, random weights", random, 4)]


def megabytes(what, count, limit):
    """Return a row with a size."""
    return common.row(what, f"{count / 1e6:.2f} MB", "", [count / 1e6], f"<= {limit} MB", lambda x: x <= limit)


def milliseconds(what, seconds, limit):
    """Return a row with one or several measurements of a time."""
    taken = np.atleast_1d(seconds) * 1e3
    return common.row(what, f"{np.median(taken):.0f} ms", "", taken, f"< {limit} ms", lambda x: x < limit)


def live_rows(repeats):
    """Return the rows of live views, each measured in a new JupyterLab."""
    rows = []
    for shape in LIVE:
        measured = []
        for _ in range(repeats):
            with tempfile.TemporaryDirectory() as folder:
                measured.append(live(shape, folder))
        drawn, hover, at_once, fetched = zip(*measured, strict=True)
        name = f"live, {shape[0]}x{shape[1]}x512"
        rows.append(milliseconds(f"{name}: call to first drawing", drawn, 10_000))
        rows.append(milliseconds(f"{name}: a hover", hover, 16))
        rows.append(milliseconds(f"{name}: next layer, at once", at_once, 100))
        rows.append(milliseconds(f"{name}: next layer", fetched, 100))
    return rows


def main():
    """Run the benchmark and print its table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--repeats", type=int, default=1, help="repeats, alternating (default: %(default)s)")
    arguments.add_argument("--skip-bertviz", action="store_true", help="measure only bertedu")
    options = arguments.parse_args()
    from bertedu import views

    attention, tokens = real_weights()
    sets = {"real": (attention, tokens), "random": (random_weights(12, 12, TOKENS, TOKENS), tokens)}
    first = {kind: getattr(views, f"{kind}_view")(attention, tokens).nbytes for kind in ("head", "model")}
    scripts = {} if options.skip_bertviz else npm_files()
    with browser_with(scripts) as page, tempfile.TemporaryDirectory() as folder:
        rows = [megabytes(f"{kind} view, to the page before the first drawing", first[kind], 0.5) for kind in first]
        for kind in ("head", "model"):
            rows += compared(page, kind, sets, options, folder)
        nbytes, hover, at_once, fetched = long_text(page, folder)
        rows.append(megabytes("512 tokens: to the page before the first drawing", nbytes, 4))
        rows += [milliseconds(f"512 tokens: {what}", *measured) for what, *measured in (
            ("a hover", hover, 16), ("next layer, at once", at_once, 100), ("next layer", fetched, 100))]  # fmt: skip
        browser = page.context.browser.version
    rows += live_rows(options.repeats)  # in another browser
    names = ["numpy", "anywidget", "playwright", *([] if options.skip_bertviz else ["bertviz"])]
    print(f"12 layers, 12 heads, {TOKENS} tokens. {platform.machine()}, Python {platform.python_version()}, Chromium "
          f"{browser}, {', '.join(f'{name} {version(name)}' for name in names)}.\n")  # fmt: skip
    print(common.table(rows))


if __name__ == "__main__":
    main()
