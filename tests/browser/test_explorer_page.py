"""The explorer in a real JupyterLab, and as a saved file without network access."""

import functools
import json

import keras
import lab_browser
import nbformat
import numpy as np
import pytest
from playwright.sync_api import expect
from small_world import VOCABULARY

import bertedu as be
from bertedu.bert_reader import explorer

pytestmark = pytest.mark.browser

TEXT, PAIR = "the unwanted cat sat on the [MASK] .", "it was warm"
HOSTILE = "<img src=x onerror=window.ran=1></script><script>window.ran=1</script>\u202eevil\x00\ud800"
PIXELS = """canvas => {
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let hash = 0;
    for (let i = 0; i < data.length; i += 1) hash = (Math.imul(hash, 31) + data[i]) | 0;
    return hash;
}"""
SMALL_TEXT = """root => [...root.querySelectorAll("*")].filter(element => {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    return own && element.checkVisibility() && parseFloat(getComputedStyle(element).fontSize) < 11;
}).map(element => element.outerHTML.slice(0, 80))"""
MODEL = """
keras.utils.set_random_seed(1)
encoder = be.BertEncoder(20, hidden_size=12, num_layers=3, num_attention_heads=2, inner_dim=13, max_sequence_length=40)
random = np.random.default_rng(5)
for weight in encoder.weights:
    weight.assign(random.normal(0, 0.5, weight.shape) + ("gamma" in weight.path))
bert = be.Bert(be.BertTokenizer(VOCABULARY), encoder, masked_lm=be.BertPretrainer(encoder), name="small")
"""


@functools.cache
def small_bert():
    names = {"keras": keras, "be": be, "np": np, "VOCABULARY": VOCABULARY}
    exec(MODEL, names)
    return names["bert"]


@functools.cache
def saved_explorer():
    return explorer(small_bert(), TEXT, PAIR)


def lines(page):
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return page.locator("canvas.be-lines").first.evaluate(PIXELS)


def values(table):
    """Return the unrounded numbers of a table, a list per row."""
    rows = "rows => rows.map(row => [...row.querySelectorAll('[data-value]')].map(cell => +cell.dataset.value))"
    return table.locator("tbody tr").evaluate_all(rows)


# ---- a saved file ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_saved_explorer_draws(scheme, opened, artifacts):
    page = opened(saved_explorer(), scheme)
    assert page.get_attribute(".bertedu-view", "data-theme") == scheme
    assert page.locator(".be-chips .be-chip-token").all_inner_texts() == saved_explorer().reading.tokens
    expect(page.get_by_label("Text", exact=True)).to_have_js_property("readOnly", True)
    expect(page.locator("body")).to_contain_text("This is a saved page")
    page.screenshot(path=artifacts / f"explorer-{scheme}.png", full_page=True)
    assert page.locator("body").evaluate(SMALL_TEXT) == []
    page.set_viewport_size({"width": 600, "height": 1800})
    page.wait_for_timeout(100)
    assert page.evaluate("document.documentElement.scrollWidth") <= 600
    page.screenshot(path=artifacts / f"explorer-{scheme}-narrow.png", full_page=True)


def test_every_panel_of_a_saved_explorer_works(opened):
    page = opened(saved_explorer())
    reading = saved_explorer().reading
    before = lines(page)
    page.get_by_role("button", name="Layer 2, head 1: entropy").click()
    assert lines(page) != before
    expect(page.locator(".be-lines-room select")).to_have_value("2")
    expect(page.get_by_role("button", name="Head 0", exact=True)).to_have_attribute("aria-pressed", "false")
    page.hover(".be-chip[data-index='3']")
    expect(page.locator(".be-mirror mark").first).to_have_text("want")
    expect(page.locator(".be-query [aria-selected=true]")).to_have_text("##want")
    expect(page.locator(".be-dot.be-focus")).to_have_attribute("data-index", "3")
    page.click(".be-chip[data-index='3']")
    expect(page.locator(".be-prompt")).to_contain_text("“the [MASK] cat sat on the [MASK] .”")
    shown = page.locator(".be-probability").evaluate_all("all => all.map(one => +one.dataset.value)")
    expected = small_bert().fill_mask("the [MASK] cat sat on the [MASK] .", PAIR)[0]
    np.testing.assert_allclose(shown, [probability for _, probability in expected])
    assert page.locator(".be-predicted-word").all_inner_texts() == [word for word, _ in expected]
    dots = page.locator("circle").first.get_attribute("cx")
    page.locator(".be-side .be-stepper select").select_option("0")
    expect(page.locator("circle").first).not_to_have_attribute("cx", dots)
    expect(page.locator(".be-similarity strong")).to_be_visible()
    page.get_by_role("button", name="Show as table").last.click()
    assert page.locator(".be-table caption").all_inner_texts()[0].startswith("Tokens")
    assert page.locator(".be-table").first.locator("tbody tr").count() == len(reading.tokens)


def test_the_tokens_work_with_the_keyboard(opened):
    page = opened(saved_explorer())
    page.locator(".be-chips").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    expect(page.locator(".be-chip[aria-selected=true]")).to_have_attribute("data-index", "3")
    expect(page.locator(".be-explorer > [aria-live]")).to_contain_text("“##want”: id 16, type 0, characters 6 to 10")
    page.keyboard.press("Enter")
    expect(page.locator(".be-prompt")).to_contain_text("“unwanted”")
    page.keyboard.press("End")
    expect(page.locator(".be-chip[aria-selected=true]")).to_have_text("[SEP], id 3, type 1")
    page.keyboard.press("Escape")
    expect(page.locator("[aria-selected=true]")).to_have_count(0)


def test_hostile_text_runs_nothing(opened):
    page = opened(explorer(small_bert(), HOSTILE, HOSTILE))
    page.hover(".be-chip[data-index='2']")
    page.get_by_role("button", name="Show as table").last.click()
    assert page.evaluate("window.ran") is None
    assert page.locator("main img").count() == 1
    assert page.get_by_label("Text", exact=True).input_value() == HOSTILE.replace("\ud800", "\ufffd")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(scheme, opened, axe):
    page = opened(saved_explorer(), scheme)
    for name in ("first", "last"):
        getattr(page.get_by_role("button", name="Show as table"), name).click()
    for focused in (False, True):
        if focused:
            page.locator(".be-chips").focus()
            page.keyboard.press("ArrowRight")
            page.wait_for_timeout(300)
        page.evaluate(axe)
        violations = page.evaluate("axe.run().then(result => result.violations)")
        assert [(v["id"], [node["html"][:120] for node in v["nodes"][:3]]) for v in violations] == []


# ---- questions and answers, one by one -------------------------------------------------------------------------------

HOST = """<!doctype html><title>Host</title><style>%s</style><main><div id="cell"></div></main><script type="module">
%s
const listeners = new Set();
window.questions = [];
const model = {
  on: (event, run) => event === "msg:custom" && listeners.add(run),
  off: (event, run) => listeners.delete(run),
  send: (question) => window.questions.push(question),
};
window.answer = (content, bytes) => listeners.forEach((run) => run(content, bytes ? [Uint8Array.from(bytes)] : []));
liveModule(showView).render({ model, el: document.getElementById("cell") });
</script>"""


class Conversation:
    """A live page whose requests wait until the test answers them."""

    def __init__(self, page, view):
        code, css = view.program()
        self.page, self.view = page, view
        page.set_content(HOST % (css, code))
        self.answer(self.question("setup"))
        page.wait_for_selector(".be-explorer[data-drawn]")

    def question(self, kind, ending=""):
        """Return the first request of this kind for a part whose name ends so; answer the others."""
        for _ in range(200):
            waiting = self.page.evaluate("window.questions.splice(0)")
            for question in waiting:
                if question["ask"] == kind and question.get("name", "").endswith(ending):
                    return question
                if question["ask"] != "read":
                    self.answer(question)
            self.page.wait_for_timeout(10)
        raise AssertionError(f"the page did not ask for {kind!r}")

    def answer(self, question, error=None):
        if error:
            return self.page.evaluate(
                "content => window.answer(content)", {"number": question["number"], "error": error}
            )
        header, content = self.view.answer(question)
        arguments = [{"number": question["number"], **header}, list(content)]
        return self.page.evaluate("([content, bytes]) => window.answer(content, bytes)", arguments)

    def serve(self, milliseconds=500):
        """Answer all requests for some time."""
        for _ in range(milliseconds // 10):
            for question in self.page.evaluate("window.questions.splice(0)"):
                self.answer(question)
            self.page.wait_for_timeout(10)

    def tokens(self):
        return self.page.locator(".be-chips .be-chip-token").all_inner_texts()[1:-1]


@pytest.fixture
def talk(browser):
    page = browser.new_page()
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    yield Conversation(page, explorer(small_bert(), "the cat"))
    assert page.errors == []
    page.close()


def test_an_answer_to_an_older_edit_is_ignored(talk):
    box = talk.page.get_by_label("Text", exact=True)
    box.fill("the dog")
    first = talk.question("read")
    box.fill("the cat ran")
    talk.page.wait_for_timeout(250)
    assert not [question for question in talk.page.evaluate("window.questions") if question["ask"] == "read"]
    talk.answer(first)
    second = talk.question("read")
    assert talk.tokens() == ["the", "cat"]  # not the older edit
    assert second["text"] == "the cat ran"
    talk.answer(second)
    expect(talk.page.locator(".be-chips .be-chip")).to_have_count(5)
    assert talk.tokens() == ["the", "cat", "ran"]


def test_an_error_is_shown_and_the_page_continues(talk):
    box = talk.page.get_by_label("Text", exact=True)
    box.fill("the dog")
    talk.answer(talk.question("read"), error="ValueError: <b>no</b>")
    expect(talk.page.locator("[role=alert]")).to_have_text(
        "The text could not be read (ValueError: <b>no</b>). The page still shows the previous text."
    )
    assert talk.tokens() == ["the", "cat"]
    box.press("Enter")
    talk.answer(talk.question("read"))
    expect(talk.page.locator("[role=alert]")).to_have_text("")
    assert talk.tokens() == ["the", "dog"]


def test_a_reading_that_the_kernel_evicted_is_read_again(talk):
    talk.page.get_by_role("button", name="Layer 2, head 0: entropy").click()
    talk.answer(talk.question("part", "/layer/2"), error="KeyError: no longer cached")
    talk.answer(talk.question("read"))
    talk.serve()  # the layer, in case it was selected after the request
    expect(talk.page.locator(".bertedu-view .be-explorer, .be-explorer")).to_have_attribute("data-reading", "1")
    expect(talk.page.locator(".be-lines-room select")).to_have_value("2")


# ---- JupyterLab ------------------------------------------------------------------------------------------------------

TYPED = "the dog ran , it was [MASK]"
CELLS = [
    "import json, keras, numpy as np, bertedu as be\nfrom bertedu.bert_reader import explorer\n"
    f"VOCABULARY = {VOCABULARY}\n{MODEL}"
    f'reading = bert.read("{TYPED}")\n'
    'np.save("attention.npy", reading.attention)\n'
    f'open("prediction.json", "w").write(json.dumps(bert.fill_mask("{TYPED}")[0]));',
    'page = explorer(bert, "the cat sat")\npage',
]


def live_notebook(folder):
    folder.mkdir()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, folder / "explorer.ipynb")
    return folder / "explorer.ipynb"


def type_and_see(page, view, folder):
    """Type a sentence; check that the page's numbers equal the model's."""
    before = lines(page)
    box = view.get_by_label("Text", exact=True)
    box.fill("")
    box.press_sequentially(TYPED, delay=5)
    expect(view.locator(".be-chips .be-chip-token")).to_have_text(["[CLS]", *TYPED.split(), "[SEP]"])
    expect(view.locator(".be-status").first).to_contain_text("9 tokens, read in ")
    expect(view.locator(".be-status").first).to_contain_text("ms, shown after")
    assert lines(page) != before
    attention = np.load(folder / "attention.npy")
    view.get_by_role("button", name="Layer 1, head 1: entropy").click()
    expect(view.locator(".be-lines-room select")).to_have_value("1")
    view.get_by_role("button", name="Show as table").first.click()
    view.locator(".be-chip[data-index='2']").hover()
    expect(view.locator(".be-lines-room")).to_have_attribute("data-exact", "true")
    table = view.locator(".be-lines-room .be-table")
    assert np.array_equal(np.float32(np.ravel(values(table))), attention[1, 1, 2])
    assert np.float32(table.locator("td").first.inner_text()) == attention[1, 1, 2, 0]
    expected = json.loads((folder / "prediction.json").read_text())
    expect(view.locator(".be-predicted-word")).to_have_text([word for word, _ in expected])
    shown = view.locator(".be-probability").evaluate_all("all => all.map(one => +one.dataset.value)")
    np.testing.assert_array_equal(shown, [probability for _, probability in expected])


def type_difficult_texts(page, view):
    """Type hostile, empty and long texts; the page continues to work."""
    box = view.get_by_label("Text", exact=True)
    box.fill("<img src=x onerror=window.ran=1>")
    expect(view.locator(".be-chips .be-chip-token").nth(1)).to_have_text("[UNK]")
    box.fill("")
    expect(view.locator(".be-chips .be-chip")).to_have_count(2)
    box.fill("the cat " * 40)
    expect(view.locator(".be-notes")).to_contain_text("42 of them were cut off")
    view.get_by_label("Second text, if any").fill("it was warm")
    expect(view.locator(".be-similarity strong")).to_be_visible()
    view.get_by_label("Second text, if any").fill("")
    box.fill("the mat")
    box.press("Enter")
    expect(view.locator(".be-chips .be-chip")).to_have_count(4)
    expect(view.locator(".be-notes")).to_have_text("")
    assert page.evaluate("window.ran") is None


def test_typed_into_in_jupyterlab(browser, artifacts, tmp_path):
    notebook = live_notebook(tmp_path / "live")
    page, page_errors = browser.new_page(viewport={"width": 1280, "height": 1700}), []
    page.on("pageerror", lambda error: page_errors.append(str(error)))
    with lab_browser.running_lab(notebook, tmp_path / "jupyter") as address:
        lab_browser.open_notebook(page, address)
        assert lab_browser.run_all(page) == 0
        view = page.locator(".be-explorer[data-drawn]")
        expect(view).to_have_count(1)
        expect(page.locator(".bertedu-figure-hidden")).to_have_count(1)
        type_and_see(page, view, notebook.parent)
        page.screenshot(path=artifacts / "explorer-live.png")
        type_difficult_texts(page, view)
        page.keyboard.press("Control+s")
        page.wait_for_timeout(1000)
        saved = nbformat.read(notebook, 4)
        figure, _ = saved.cells[1].outputs
        assert "alt" in figure.metadata["image/png"]
        assert "widgets" not in saved.metadata
        assert len(json.dumps(saved)) < 300_000
        lab_browser.restart_kernel(page)
        if view.count():  # some views notice the restart at once, others at their next request
            view.get_by_label("Text", exact=True).fill("the cat")
        expect(page.get_by_text("The kernel has stopped. Run the cell again")).to_have_count(1)
        expect(page.locator(".bertedu-figure-hidden")).to_have_count(0)  # the figure is visible again
        assert min(lab_browser.image_sizes(page)[0]) > 100
        page.screenshot(path=artifacts / "explorer-after-restart.png")
        assert page_errors == []
        page.close()
