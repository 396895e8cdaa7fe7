"""The page without a kernel in Chromium, from a local server; every request to another address fails the test."""

import json
import os
import re
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from page_browser import ATTENTION, READY, served
from playwright.sync_api import expect
from test_explorer_page import SMALL_TEXT
from test_page import PAIR, TEXT, reader, small_bert

import bertedu as be
from bertedu import page as static_page

pytestmark = pytest.mark.browser

VALUES = "cells => cells.map(cell => +cell.dataset.value)"
WORDS_24 = "The old cat sat on the mat by the door and the young dog slept near the fire all day."
TEXTS = [
    "The cat sat on the mat.",
    WORDS_24,
    "Time flies like an arrow; fruit flies like a banana.",
    "Unbelievably, the tokenizer tokenizes everything: Größe, naïve café, 日本語, 3.14!",
    "word " * 150,
]


@pytest.fixture(scope="session")
def minilm(tmp_path_factory):
    """The page of MiniLM."""
    folder = static_page.build(tmp_path_factory.mktemp("minilm") / "page")
    with served(folder) as address:
        yield address


@pytest.fixture(scope="session")
def small_folder(tmp_path_factory):
    """A folder with the page of a small model, in float32."""
    checkpoint = tmp_path_factory.mktemp("model") / "small"
    be.save_checkpoint(small_bert(), checkpoint)
    return static_page.build(tmp_path_factory.mktemp("small") / "page", str(checkpoint), "float32")


@pytest.fixture(scope="session")
def small(small_folder):
    with served(small_folder) as address:
        yield address


@pytest.fixture
def visit(browser):
    """Return a function that opens an address as a new visitor; errors and requests elsewhere fail the test."""
    pages = []

    def open_page(address, wait=READY, before="", errors=(), width=1200, height=900, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(20_000)
        page = context.new_page()
        page.requested, page.errors, page.expected = [], [], tuple(errors)
        context.on("request", lambda request: page.requested.append(request.url))
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)
        if before:
            page.add_init_script(before)
        page.goto(address)
        if wait:
            page.wait_for_selector(wait)
        page.address = address
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        unexpected = [error for error in page.errors if not any(part in error for part in page.expected)]
        assert unexpected == []
        assert [url for url in page.requested if not url.startswith((page.address, "data:"))] == []
        page.context.close()


def type_text(page, text, which=0):
    """Type a text into the first or second box of the first explorer, and wait until it is shown."""
    explorer = page.locator(".be-explorer").first
    before = explorer.get_attribute("data-reading")
    explorer.locator("textarea").nth(which).fill(text)
    expect(explorer).not_to_have_attribute("data-reading", before or "", timeout=60_000)


# ---- the real model --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_shows_every_head(scheme, minilm, visit, artifacts):
    page = visit(minilm, color_scheme=scheme)
    assert page.locator(".be-heat-cell").count() == 72
    tokens = page.locator(".be-chips .be-chip-token").all_inner_texts()
    assert tokens == ["[CLS]", "the", "cat", "sat", "on", "the", "mat", ".", "[SEP]"]
    assert page.get_attribute(".be-explorer", "data-theme") == scheme
    assert page.locator("body").evaluate(SMALL_TEXT) == []
    page.screenshot(path=artifacts / f"page-{scheme}.png", full_page=True)
    type_text(page, WORDS_24)
    assert page.locator(".be-chip[role=option]").count() == 23
    assert "read in" in page.locator(".be-controls .be-status").first.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_on_a_phone(scheme, minilm, visit, artifacts):
    page = visit(minilm, width=375, height=760, color_scheme=scheme, has_touch=True, is_mobile=True)
    for name in ("page", "page-compared"):
        if name == "page-compared":
            page.get_by_role("button", name="Compare").click()
            page.locator(".be-explorer").nth(1).locator(".be-chip[role=option]").first.wait_for()
            page.wait_for_timeout(100)
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
        page.screenshot(path=artifacts / f"{name}-phone-{scheme}.png", full_page=True)


def test_attention_weights_are_those_of_bert_read(minilm, visit):
    page = visit(minilm)
    bert = be.load("minilm")
    rows = equal = 0
    for text, reading in zip(TEXTS, page.evaluate(ATTENTION, TEXTS), strict=True):
        expected = bert.read(text)
        assert reading["tokens"] == expected.tokens
        attention = np.array(reading["layers"]).reshape(expected.attention.shape)
        np.testing.assert_allclose(attention, expected.attention, atol=3e-3)
        equal += (attention.argmax(-1) == expected.attention.argmax(-1)).sum()
        rows += expected.attention[..., 0].size
    assert equal >= 0.999 * rows


def test_the_next_visit_loads_no_weights_again(minilm, visit):
    page = visit(minilm)
    assert any("weights.safetensors" in url for url in page.requested)
    page.requested.clear()
    page.reload()
    page.wait_for_selector(READY)
    assert not any("weights.safetensors" in url for url in page.requested)
    assert any("model.json" in url for url in page.requested)


def renderer_nbytes(browser):
    """Return the resident memory of the browser's largest renderer, in bytes."""
    session = browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    numbers = [process["id"] for process in processes if process["type"] == "renderer"]
    pages = [int(Path(f"/proc/{number}/statm").read_text().split()[1]) for number in numbers]
    return 4096 * max(pages)


@pytest.mark.slow
def test_memory_is_flat_after_200_edits(minilm, visit, browser):
    page = visit(minilm)
    session = page.context.new_cdp_session(page)
    sizes = []
    for index in range(251):
        type_text(page, f"{WORDS_24} {index}")
        if index >= 50 and index % 50 == 0:
            session.send("HeapProfiler.collectGarbage")
            session.send("Memory.simulatePressureNotification", {"level": "critical"})  # of the worker, too
            page.wait_for_timeout(800)
            sizes.append(renderer_nbytes(browser) / 1e6)
    assert max(sizes) < min(sizes) + 30, sizes  # a text takes 0.6 MB in the worker


# ---- what the explorer shows is what bert_reader.py says -------------------------------------------------------------


def test_what_is_shown_is_what_the_reader_in_python_says(small, visit):
    page = visit(small)
    type_text(page, TEXT)
    type_text(page, PAIR, 1)
    page.get_by_role("switch", name="Layer 0, head 1", exact=True).click()
    page.get_by_role("switch", name="Layer 2", exact=True).click()
    page.locator(".be-ghost-dot").first.wait_for(state="attached")
    edits = {"heads": [[0, 1]], "attention": [], "layers": [2]}
    read = reader().read(TEXT, PAIR, edits)
    expected = np.ravel(read.message["statistics"]["values"]["entropy"])
    np.testing.assert_allclose(page.locator(".be-heat-cell").evaluate_all(VALUES), expected, atol=1e-5)
    expect(page.locator(".be-similarity .be-was")).to_be_visible()
    shown = page.locator(".be-similarity [data-value]").evaluate_all(VALUES)
    np.testing.assert_allclose(shown, [read.similarity()["cosine"], read.similarity()["original_cosine"]], atol=1e-5)
    page.click(".be-chip[data-index='3']")
    page.locator(".be-prediction .be-was").first.wait_for()
    prediction = reader().fill_mask(read, 3)
    assert page.locator(".be-predicted-word").all_inner_texts() == [word for word, _ in prediction["top_predictions"]]
    shown = page.locator(".be-probability").evaluate_all(VALUES)
    np.testing.assert_allclose(shown, [value for _, value in prediction["top_predictions"]], atol=1e-5)
    page.get_by_role("button", name="Show as table").last.click()
    table = page.locator(".be-table").filter(has_text="Component 1")
    shown = np.array(table.locator("td[data-value]").evaluate_all(VALUES)).reshape(len(read.message["tokens"]), 4)
    projection = read.projection(3)
    np.testing.assert_allclose(shown, np.hstack([projection["points"], projection["original_points"]]), atol=5e-5)


def test_a_token_in_focus_has_exact_weights(small, visit):
    page = visit(small)
    type_text(page, TEXT)
    page.locator(".be-heat-cell").nth(1).click()  # layer 0, head 1
    page.hover(".be-chip[data-index='3']")
    page.locator(".be-lines-room[data-exact=true]").wait_for()
    shown = page.locator(".be-lines-room .be-number").evaluate_all(VALUES)
    np.testing.assert_allclose(shown, reader().read(TEXT).attention[0, 1, 3], atol=1e-6)


# ---- two sentences ---------------------------------------------------------------------------------------------------


def test_a_second_sentence_stands_beside_the_first(minilm, visit, artifacts):
    page = visit(minilm, width=1500)
    page.get_by_role("button", name="Compare with a second sentence").click()
    second = page.locator(".be-explorer").nth(1)
    expect(second.locator(".be-chip-token").nth(2)).to_have_text("dog")
    boxes = [page.locator(".be-explorer").nth(i).bounding_box() for i in (0, 1)]
    assert boxes[0]["y"] == pytest.approx(boxes[1]["y"], abs=2) and boxes[1]["x"] > boxes[0]["x"] + 400
    page.screenshot(path=artifacts / "page-compared.png", full_page=True)
    first = page.locator(".be-explorer").first
    first.get_by_role("button", name="Layer 4, head 7", exact=False).click()
    expect(second.locator(".be-lines-room select").first).to_have_value("4")
    expect(second.get_by_role("button", name="Layer 4, head 7", exact=False)).to_have_attribute("aria-pressed", "true")
    second.get_by_role("button", name="Layer 1, head 2:", exact=False).click()
    expect(first.locator(".be-lines-room select").first).to_have_value("1")
    page.get_by_label("Show the same layer and heads in both").uncheck()
    second.get_by_role("button", name="Layer 3, head 0:", exact=False).click()
    page.wait_for_timeout(600)
    expect(first.locator(".be-lines-room select").first).to_have_value("1")
    second.get_by_role("switch", name="Layer 3, head 0", exact=True).click()
    expect(second.locator(".be-off-list")).to_contain_text("Layer 3, head 0")
    expect(first.locator(".be-off-list")).not_to_contain_text("Layer 3, head 0")
    page.get_by_role("button", name="Close the second sentence").click()
    expect(page.locator(".be-explorer")).to_have_count(1)
    type_text(page, "It still reads.")


# ---- keyboard, screen readers ----------------------------------------------------------------------------------------


def test_the_page_works_with_the_keyboard(small, visit):
    page = visit(small)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Each color is a head of the selected layer")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Compare with a second sentence")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".be-explorer")).to_have_count(2)
    expect(page.locator(".be-explorer").nth(1).locator("textarea").first).to_be_focused()
    page.keyboard.type(" the dog ran")
    expect(page.locator(".be-explorer").nth(1).locator(".be-chips")).to_contain_text("ran")
    page.locator(".be-chips").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator(".be-prompt").first).to_contain_text("Predictions for")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(scheme, small, visit, axe):
    page = visit(small, color_scheme=scheme)
    for compared in (False, True):
        if compared:
            page.get_by_role("button", name="Compare").click()
            page.locator(".be-explorer").nth(1).locator(".be-chip[role=option]").first.wait_for()
            page.get_by_role("switch", name="Layer 0, head 1", exact=True).first.click()
            page.wait_for_timeout(400)
        page.evaluate(axe)
        violations = page.evaluate("axe.run().then(result => result.violations)")
        assert [(v["id"], [node["html"][:120] for node in v["nodes"][:3]]) for v in violations] == []


# ---- what can go wrong -----------------------------------------------------------------------------------------------

FAILED = "body[data-state=failed]"
DAMAGES = {
    "weights.safetensors, one byte": (
        "weights.safetensors",
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        "checksum is wrong",
    ),
    "weights.safetensors, cut": ("weights.safetensors", lambda content: content[:-9], "weights.safetensors is damaged"),
    "weights.safetensors, longer": (
        "weights.safetensors",
        lambda content: content + b"..",
        "weights.safetensors is damaged",
    ),
    "weights.safetensors, missing": ("weights.safetensors", None, "weights.safetensors is missing"),
    "vocabulary.txt": ("vocabulary.txt", lambda content: content[::-1], "vocabulary.txt is damaged"),
    "kernels.wasm": ("kernels.wasm", lambda content: content[::-1], "kernels.wasm is damaged"),
    "model.json": ("model.json", lambda content: content[:-9], "model.json is damaged"),
    "model.json, missing": ("model.json", None, "model.json is missing"),
    "worker.js, missing": ("worker.js", None, "worker.js could not be loaded"),
    "index.html, older": (
        "index.html",
        lambda content: re.sub(rb'build="\w+"', b'build="0"', content),
        "different builds",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named(damage, small_folder, visit, tmp_path, artifacts):
    name, change, message = DAMAGES[damage]
    folder = shutil.copytree(small_folder, tmp_path / "page")
    content = (folder / name).read_bytes()
    if change:
        (folder / name).write_bytes(change(content))
    else:
        (folder / name).unlink()
    with served(folder) as address:
        page = visit(address, FAILED, errors=["404"])
        expect(page.get_by_role("alert")).to_contain_text(message)
        page.screenshot(path=artifacts / "page-failed.png")
        (folder / name).write_bytes(content)
        os.utime(folder / name, (time.time() + 60,) * 2)  # the server compares whole seconds
        page.get_by_role("button", name="Reload").click()
        page.wait_for_selector(READY)


def test_a_page_opened_as_a_file_says_how_to_serve_it(small_folder, visit):
    page = visit(
        (small_folder / "index.html").as_uri(), wait=None, errors=["origin", "Content Security Policy", "CORS"]
    )
    page.address = "file:"
    expect(page.locator("#page-status")).to_contain_text("python3 -m http.server")
    page.wait_for_timeout(300)
    expect(page.locator("#page-status")).to_contain_text("http://localhost:8000")
    page.screenshot(path=Path(__file__).parents[1] / "artifacts" / "page-file.png")


MISSING = {
    "without SIMD": ("WebAssembly.validate = () => false;", "lacks WebAssembly with SIMD"),
    "without WebAssembly": ("delete globalThis.WebAssembly;", "lacks WebAssembly with SIMD"),
    "without memory": (
        "globalThis.Uint8Array = new Proxy(Uint8Array, { construct(type, args) {"
        " if (args[0] > 1e4) throw new RangeError('Array buffer allocation failed'); return new type(...args); } });",
        "not enough memory",
    ),
}


@pytest.mark.parametrize("case", MISSING)
def test_what_a_browser_lacks_is_said(case, small, visit):
    script, message = MISSING[case]
    page = visit(small, FAILED, before=script)
    expect(page.get_by_role("alert")).to_contain_text(message)


def test_without_javascript_the_page_says_so(small, visit):
    page = visit(small, wait=None, java_script_enabled=False)
    expect(page.get_by_text("the page needs JavaScript and a web server")).to_be_visible()


def test_the_page_works_without_the_cache_api(small, visit):
    page = visit(
        small, before="delete globalThis.caches; Object.defineProperty(globalThis, 'caches', {value: undefined});"
    )
    type_text(page, "the dog ran")
    assert page.evaluate("globalThis.caches === undefined")
    expect(page.locator(".be-chip-token").nth(2)).to_have_text("dog")


def test_a_new_build_is_not_served_from_the_old_one_s_cache(small_folder, visit, tmp_path, monkeypatch):
    folder = shutil.copytree(small_folder, tmp_path / "page")
    with served(folder) as address:
        page = visit(address)
        type_text(page, TEXT)
        before = page.locator(".be-heat-cell").evaluate_all(VALUES)
        monkeypatch.setattr("bertedu.checkpoints.loading.load", lambda name: small_bert(num_layers=2))
        static_page.build(folder, "other", "float32")
        page.reload()
        page.wait_for_selector(READY)
        type_text(page, TEXT)
        assert len(page.locator(".be-heat-cell").evaluate_all(VALUES)) == 4 != len(before)
        stored = page.evaluate(
            "caches.open('bertedu-page').then(cache => cache.keys()).then(keys => keys.map(key => key.url))"
        )
        build = json.loads((folder / "model.json").read_text())["build"]
        assert len(stored) == 3 and all(url.endswith(build) for url in stored)


def test_hostile_text_runs_nothing(small, visit):
    page = visit(small)
    type_text(page, "<img src=x onerror=window.ran=1></script><script>window.ran=1</script>\u202eevil\x00")
    page.hover(".be-chip[data-index='2']")
    page.get_by_role("button", name="Show as table").last.click()
    assert page.evaluate("window.ran") is None
