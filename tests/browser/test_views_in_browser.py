"""Views in a real JupyterLab, and as saved files without network access."""

import functools
import json
from pathlib import Path

import lab_browser
import nbformat
import numpy as np
import pytest
from playwright.sync_api import expect

from bertedu.views import head_view, model_view, neuron_view

pytestmark = pytest.mark.browser

TOKENS = ["[CLS]", "the", "cat", "sat", "[SEP]", "it", "was", "warm", "[SEP]"]
HOSTILE = [
    "<img src=x onerror=window.ran=1>",
    "</script><script>window.ran=1</script>",
    "\"'`&<!--",
    "\u202eevil\u2066",
    "x" * 10_000,
    "nul\x00\ud800",
    "[SEP]",
    "{{}}",
    "${1}",
]
PIXELS = """canvas => {
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let hash = 0;
    const seen = new Set();
    for (let i = 0; i < data.length; i += 4) {
        const pixel = (data[i] << 24) | (data[i + 1] << 16) | (data[i + 2] << 8) | data[i + 3];
        hash = (Math.imul(hash, 31) + pixel) | 0;
        if (seen.size < 50) seen.add(pixel);
    }
    return [hash, seen.size];
}"""
SMALL_TEXT = """root => [...root.querySelectorAll("*")].filter(element => {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    return own && element.checkVisibility() && parseFloat(getComputedStyle(element).fontSize) < 11;
}).map(element => element.outerHTML.slice(0, 80))"""


def arrays(seed=0):
    """Return random attention `[2, 3, 9, 9]`, queries and keys `[2, 3, 9, 8]`."""
    random = np.random.default_rng(seed)
    powers = np.exp(2 * random.normal(size=(2, 3, 9, 9))).astype("float32")
    queries, keys = random.normal(size=(2, 2, 3, 9, 8)).astype("float32")
    return powers / powers.sum(axis=-1, keepdims=True), queries, keys


@functools.cache  # their figures take longest
def views(hostile=False):
    tokens = HOSTILE if hostile else TOKENS
    attention, queries, keys = arrays()
    entropy = -(attention * np.log(attention)).sum(-1).mean(-1)
    return {
        "head": head_view(attention, tokens, title="Head view"),
        "model": model_view(attention, tokens, values=entropy, name="entropy", title="Model view"),
        "neuron": neuron_view(queries, keys, tokens, attention=attention, title="Neuron view"),
    }


CANVAS = {"head": "canvas.be-lines", "model": "canvas.be-map", "neuron": "canvas.be-lines"}
FOCUS = {"head": ".be-key", "model": ".be-map-room", "neuron": ".be-keys"}


def pixels(page, selector):
    """Return a hash of a canvas after the next frame; fail if it is blank."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    drawn, colors = page.locator(selector).first.evaluate(PIXELS)
    assert colors > 3, f"{selector} is blank"
    return drawn


def table_values(page):
    """Return the unrounded numbers of the table, a list per row."""
    rows = page.locator(".be-table").first.locator("tbody tr")
    return rows.evaluate_all(
        "rows => rows.map(row => [...row.querySelectorAll('[data-value]')].map(c => +c.dataset.value))"
    )


def open_table(page):
    page.get_by_role("button", name="Show as table").click()


# ---- saved files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["head", "model", "neuron"])
def test_a_saved_view_draws(kind, scheme, opened, artifacts):
    page = opened(views()[kind], scheme)
    pixels(page, CANVAS[kind])
    assert page.get_attribute(".bertedu-view", "data-theme") == scheme
    expect(page.locator("#bertedu-figure")).to_be_hidden()
    page.screenshot(path=artifacts / f"view-{kind}-{scheme}.png")
    if kind == "model":
        color = {"light": "darkest", "dark": "brightest"}[scheme]
        expect(page.locator(".be-status")).to_contain_text(f"the {color} color of each thumbnail is its largest weight")
    assert page.locator("body").evaluate(SMALL_TEXT) == []
    page.set_viewport_size({"width": 600, "height": 1200})
    pixels(page, CANVAS[kind])
    assert page.evaluate("document.documentElement.scrollWidth") <= 600
    page.screenshot(path=artifacts / f"view-{kind}-{scheme}-narrow.png")


class SavedByVersion01:
    """A view that version 0.1 saved."""

    kind = "head"

    def save(self, path):
        return Path(__file__).parents[1] / "golden" / "v0_1" / "head_view.html"


def test_a_view_that_version_0_1_saved_still_draws(opened, artifacts):
    page = opened(SavedByVersion01())
    pixels(page, CANVAS["head"])
    expect(page.locator("body")).to_contain_text("mat")
    page.screenshot(path=artifacts / "view-head-0.1.png")


def test_head_view_changes_with_every_control(opened):
    page = opened(views()["head"])
    seen = [pixels(page, CANVAS["head"])]

    def changed(action):
        action()
        seen.append(pixels(page, CANVAS["head"]))
        assert seen[-1] != seen[-2], f"step {len(seen) - 1} changed nothing"

    changed(lambda: page.get_by_role("button", name="Head 1", exact=True).click())
    changed(lambda: page.get_by_label("Average").check())
    changed(lambda: page.get_by_role("button", name="Next layer").click())
    changed(lambda: page.get_by_label("A→B").check())
    changed(lambda: page.get_by_label("B→B").check())
    changed(lambda: page.locator("input[value=all]").check())
    changed(lambda: page.get_by_label("Minimum weight shown").fill("40"))
    changed(lambda: page.get_by_label("Hide special tokens").check())
    page.get_by_label("Minimum weight shown").fill("0")
    page.wait_for_timeout(50)
    assert page.locator(".be-query .be-token").all_inner_texts() == [t for t in TOKENS if t[0] != "["]
    changed(lambda: page.hover(".be-query [data-index='2']"))
    changed(lambda: page.hover(".be-key [data-index='6']"))


def test_head_view_works_with_the_keyboard(opened):
    page = opened(views()["head"])
    before = pixels(page, CANVAS["head"])
    page.get_by_role("button", name="Head 0", exact=True).focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("button", name="Head 1", exact=True)).to_be_focused()
    page.keyboard.press("Space")
    assert pixels(page, CANVAS["head"]) != before
    page.locator(".be-query").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".be-query [aria-selected=true]")).to_have_text("cat")
    expect(page.locator("[aria-live]")).to_contain_text("“cat” attends to")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".be-key")).to_be_focused()
    expect(page.locator(".be-key [aria-selected=true]")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("[aria-selected=true]")).to_have_count(0)


def test_head_view_shows_rounded_weights_and_says_so(opened):
    attention, *_ = arrays()
    page = opened(views()["head"])
    page.locator(".be-query").focus()
    page.keyboard.press("ArrowDown")
    open_table(page)
    page.hover(".be-query [data-index='1']")
    expect(page.locator(".be-readout")).to_contain_text("rounded to 8 bits")
    np.testing.assert_allclose(np.transpose(table_values(page)), attention[0, :, 1], atol=1 / 510)
    number = float(page.locator(".be-number[data-index='3']").get_attribute("data-value"))
    np.testing.assert_allclose(number, attention[0, :, 1, 3].mean(), atol=1 / 510)


def test_head_view_rescales_the_visible_part_of_a_row(opened):
    attention, *_ = arrays()
    page = opened(views()["head"])
    page.get_by_label("Hide special tokens").check()
    open_table(page)
    visible = [i for i, token in enumerate(TOKENS) if token[0] != "["]
    for rescale in (False, True):
        if rescale:
            page.get_by_label("Rescale rows to 1").check()
        page.hover(".be-query [data-index='2']")
        expected = attention[0][:, 2, visible]
        expected = expected / expected.sum(axis=-1, keepdims=True) if rescale else expected
        np.testing.assert_allclose(np.transpose(table_values(page)), expected, atol=0.01)


def test_a_filter_shows_only_its_lines(opened):
    page = opened(views()["head"])
    open_table(page)
    page.get_by_label("A→B").check()
    pairs = page.locator(".be-table tbody tr").evaluate_all(
        "rows => rows.map(r => [...r.children].map(c => c.textContent))"
    )
    assert len(pairs) == 3 * 3 * 3  # heads, tokens of A, tokens of B
    assert {pair[0] for pair in pairs} == {"the", "cat", "sat"}
    assert {pair[1] for pair in pairs} == {"it", "was", "warm"}


def test_talking_heads_are_drawn_around_zero(opened):
    attention, *_ = arrays()
    page = opened(head_view(attention - 0.2, TOKENS, heads=[0]))
    expect(page.locator(".be-note")).to_contain_text("can be negative")
    pixels(page, CANVAS["head"])
    page.locator(".be-query").focus()
    expect(page.locator(".be-readout")).to_contain_text("signed")
    expect(page.locator(".be-number").first).to_be_visible()
    assert "−" in "".join(page.locator(".be-number").all_inner_texts())


def test_model_view_enlarges_and_sorts(opened):
    attention, *_ = arrays()
    view = views()["model"]
    page = opened(view)
    before = pixels(page, CANVAS["model"])
    page.get_by_role("button", name="Layer 1, head 2").click()
    expect(page.locator(".be-subtitle")).to_contain_text("Layer 1, head 2 · entropy")
    assert pixels(page, CANVAS["model"]) != before
    open_table(page)
    np.testing.assert_allclose(np.ravel(table_values(page)), attention[1, 2].max(axis=-1), atol=1 / 510)
    page.locator(".be-map-room").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):  # the first key selects a cell, the others move it
        page.keyboard.press(key)
    expect(page.locator(".be-readout")).to_contain_text(f"“the” attends to “the”: {attention[1, 2, 1, 1]:.3f}"[:-1])
    page.get_by_label("By entropy").check()
    order = page.locator(".be-cell .be-caption").all_inner_texts()
    entropy = np.array(view.values)
    assert order == [f"{i // 3}·{i % 3}" for i in np.argsort(-entropy.ravel(), kind="stable")]
    page.locator(".be-cell").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator(".be-cell[aria-pressed=true] .be-caption")).to_have_text(order[1])


def test_neuron_view_computes_the_equation(opened):
    attention, queries, keys = arrays()
    page = opened(views()["neuron"])
    before = pixels(page, CANVAS["neuron"])
    page.get_by_role("button", name="Next head").click()
    page.get_by_label("Token", exact=True).select_option("2")
    assert pixels(page, CANVAS["neuron"]) != before
    open_table(page)
    logits, weights, model_weights = np.transpose(table_values(page))
    expected = keys[0, 1] @ queries[0, 1, 2] / 8**0.5
    np.testing.assert_allclose(logits, expected, atol=0.05)
    np.testing.assert_allclose(weights, np.exp(expected) / np.exp(expected).sum(), atol=0.02)
    np.testing.assert_allclose(model_weights, attention[0, 1, 2], atol=1 / 510)
    before = pixels(page, CANVAS["neuron"])
    page.locator(".be-keys").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".be-readout")).to_contain_text("Dimension 1: q ")
    assert pixels(page, CANVAS["neuron"]) != before


@pytest.mark.parametrize("kind", ["head", "model", "neuron"])
def test_hostile_tokens_are_shown_and_run_nothing(kind, opened, artifacts):
    page = opened(views(hostile=True)[kind])
    open_table(page)
    pixels(page, CANVAS[kind])
    assert page.evaluate("window.ran") is None
    assert page.locator("main img").count() == 1  # the figure, and no token
    text = page.locator("body").evaluate("body => body.textContent")
    for token in (*HOSTILE[:3], "U+202Eevil", "nulU+0000U+D800", "(10,000 characters)"):
        assert token in text
    page.screenshot(path=artifacts / f"view-{kind}-hostile.png")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1000


def test_without_javascript_the_figure_is_shown(browser, tmp_path):
    page = browser.new_page(java_script_enabled=False)
    page.goto(views()["head"].save(tmp_path / "view.html").as_uri())
    figure = page.locator("#bertedu-figure")
    expect(figure).to_be_visible()
    assert figure.bounding_box()["height"] > 100
    page.close()


# ---- axe -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["head", "model", "neuron"])
def test_axe_finds_nothing(kind, scheme, opened, axe):
    page = opened(views()[kind], scheme)
    open_table(page)
    for focused in (False, True):
        if focused:
            page.locator(FOCUS[kind]).focus()
            page.keyboard.press("ArrowDown")
            page.wait_for_timeout(300)
        page.evaluate(axe)
        violations = page.evaluate("axe.run().then(result => result.violations)")
        assert [(v["id"], [node["html"][:120] for node in v["nodes"][:3]]) for v in violations] == []


# ---- a minimal host --------------------------------------------------------------------------------------------------

HOST = """<!doctype html><title>Host</title><style>%s</style><main><div id="cell"></div></main><script type="module">
%s
const listeners = new Set();
const model = {
  on: (event, run) => event === "msg:custom" && listeners.add(run),
  off: (event, run) => listeners.delete(run),
  send: (question) => window.kernel(question).then(([header, bytes]) =>
    listeners.forEach((run) => run({ number: question.number, ...header }, [Uint8Array.from(bytes)]))),
};
const cell = document.getElementById("cell");
window.build = () => liveModule(showView).render({ model, el: cell });
window.rebuild = (leave) => { leave(); cell.replaceChildren(); return window.build(); };
window.leave = window.build();
</script>"""


@pytest.mark.parametrize("kind", ["head", "model", "neuron"])
def test_a_view_that_its_host_renders_again_keeps_its_state(kind, browser):
    page, view = browser.new_page(), views()[kind]

    def kernel(question):
        header, content = view.answer(question)
        return [header, list(content)]

    page.expose_function("kernel", kernel)
    code, css = view.program()
    page.set_content(HOST % (css, code))
    page.wait_for_selector(".bertedu-view[data-drawn]")
    first = pixels(page, CANVAS[kind])
    if kind == "model":
        page.get_by_role("button", name="Layer 1, head 2").click()
    else:
        page.get_by_role("button", name="Next layer").click()
    wait_for_change(page, kind, first)
    chosen = pixels(page, CANVAS[kind])
    page.evaluate("() => { window.leave = window.rebuild(window.leave); }")
    page.wait_for_selector(".bertedu-view[data-drawn]")
    page.wait_for_timeout(300)
    assert pixels(page, CANVAS[kind]) == chosen
    page.close()


def wait_for_change(page, kind, before):
    for _ in range(100):
        page.wait_for_timeout(20)
        if pixels(page, CANVAS[kind]) != before:
            return page.wait_for_timeout(300)  # exact values replace the rounded ones later
    raise AssertionError(f"nothing changed in the {kind} view")


# ---- JupyterLab ------------------------------------------------------------------------------------------------------

CELLS = [
    """import numpy as np
from bertedu.views import head_view, model_view, neuron_view
saved = np.load("arrays.npz")
attention, queries, keys, tokens = (saved[name] for name in ("attention", "queries", "keys", "tokens"))
tokens = [*tokens[:-1], "<img src=x onerror=window.ran=1>\\ud800"]
head_view(attention, tokens, title="Live")""",
    "model_view(attention, tokens)",
    "neuron_view(queries, keys, tokens, attention=attention)",
]


def live_notebook(folder):
    attention, queries, keys = arrays()
    folder.mkdir()
    np.savez(folder / "arrays.npz", attention=attention, queries=queries, keys=keys, tokens=np.array(TOKENS))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, folder / "views.ipynb")
    return folder / "views.ipynb"


def use_live(page):
    """Check that every view answers with the exact values of its arrays."""
    attention, queries, keys = arrays()
    head, model, neuron = (page.locator(".bertedu-view").nth(i) for i in range(3))
    before = pixels(page, "canvas.be-lines")
    head.get_by_role("button", name="Next layer").click()
    page.wait_for_timeout(300)
    assert pixels(page, "canvas.be-lines") != before
    head.get_by_role("button", name="Show as table").click()
    head.locator(".be-query").focus()
    page.keyboard.press("a")  # JupyterLab's shortcut to add a cell
    page.keyboard.press("ArrowDown")
    expect(head).to_have_attribute("data-exact", "true")
    assert np.array_equal(np.float32(np.transpose(table_values(head))), attention[1, :, 1])
    shown = head.locator(".be-table td").first.inner_text()
    assert np.float32(shown) == attention[1, 0, 1, 0]

    model.locator(".be-map-room").focus()
    page.keyboard.press("ArrowDown")
    expect(model.locator(".be-readout")).to_contain_text("exact")
    assert f": {attention[0, 0, 0, 0]!s} (exact)" in model.locator(".be-readout").inner_text()

    neuron.get_by_role("button", name="Show as table").click()
    expect(neuron).to_have_attribute("data-exact", "true")
    logits, weights, model_weights = np.transpose(table_values(neuron))
    expected = keys[0, 0].astype("f8") @ queries[0, 0, 0].astype("f8") / 8**0.5
    np.testing.assert_allclose(logits, expected, rtol=1e-12)
    np.testing.assert_allclose(weights, np.exp(expected) / np.exp(expected).sum(), rtol=1e-12)
    assert np.array_equal(np.float32(model_weights), attention[0, 0, 0])


def test_live_views_in_jupyterlab(browser, artifacts, tmp_path):
    notebook = live_notebook(tmp_path / "live")
    page, page_errors = browser.new_page(viewport={"width": 1280, "height": 2600}), []
    page.on("pageerror", lambda error: page_errors.append(str(error)))
    with lab_browser.running_lab(notebook, tmp_path / "jupyter") as address:
        lab_browser.open_notebook(page, address)
        assert lab_browser.run_all(page) == 0
        expect(page.locator(".bertedu-view[data-drawn]")).to_have_count(3)
        expect(page.locator(".bertedu-figure-hidden")).to_have_count(3)
        page.screenshot(path=artifacts / "views-live.png")
        use_live(page)
        assert page.evaluate("window.ran") is None
        assert page.locator(lab_browser.CODE_CELL).count() == 3
        page.keyboard.press("Control+s")
        page.wait_for_timeout(1000)
        saved = nbformat.read(notebook, 4)
        assert [len(cell.outputs) for cell in saved.cells] == [2, 2, 2]
        assert all("image/png" in cell.outputs[0].data for cell in saved.cells)
        assert "widgets" not in saved.metadata
        assert "alt" in saved.cells[0].outputs[0].metadata["image/png"]
        assert len(json.dumps(saved)) < 600_000

        lab_browser.restart_kernel(page)
        page.locator(".be-query").first.hover()
        expect(page.locator(".bertedu-figure-hidden")).to_have_count(2)  # one has noticed the restart
        page.reload()
        page.wait_for_selector(lab_browser.CODE_CELL)
        page.wait_for_timeout(1500)
        page.screenshot(path=artifacts / "views-without-kernel.png")
        assert len([size for size in lab_browser.image_sizes(page) if min(size) > 100]) == 3
        assert page_errors == []
        page.close()
