"""The explorer's switches in a browser: live with a kernel's answers, and in a saved file without network access."""

import numpy as np
import pytest
from playwright.sync_api import expect
from test_explorer_page import Conversation, lines, small_bert, values

from bertedu.bert_reader import explorer
from bertedu.interventions import switched_off

pytestmark = pytest.mark.browser

TEXT, PAIR = "the cat sat on the mat", "it was warm"
LAYERS, HEADS = 3, 2


@pytest.fixture
def talk(browser):
    page = browser.new_page(viewport={"width": 1200, "height": 1400})
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    conversation = Conversation(page, explorer(small_bert(), TEXT, PAIR))
    conversation.serve(200)
    yield conversation
    assert page.errors == []
    page.close()


def switch(page, name):
    return page.get_by_role("switch", name=name, exact=True)


def flip(talk, name):
    """Click a switch and answer the page's requests; return the edits that it asks for."""
    switch(talk.page, name).click()
    question = talk.question("read")
    talk.answer(question)
    talk.serve(400)
    return question["edits"]


def edited():
    """Return the explorer of a text with a head, an attention and a layer off."""
    view = explorer(small_bert(), TEXT, PAIR)
    edits = {"heads": [[0, 1]], "attention": [1], "layers": [2]}
    view.answer({"ask": "read", "text": TEXT, "pair": PAIR, "edits": edits, "layer": 1, "hidden_state": LAYERS})
    return view


def test_without_edits_the_page_is_as_before(talk):
    page = talk.page
    assert page.locator("[role=switch]").count() == LAYERS * (HEADS + 2)
    assert page.locator("[role=switch][aria-checked=true]").count() == LAYERS * (HEADS + 2)
    assert page.locator(".be-was, .be-ghost-dot, .be-probability-ghost, .be-off, .be-off-list button").count() == 0
    page.get_by_label("Text", exact=True).fill("the dog")
    assert talk.question("read")["edits"] == {"heads": [], "attention": [], "layers": []}


def test_a_head_is_switched_off_and_on_again(talk):
    page = talk.page
    page.click(".be-chip[data-index='2']")
    page.get_by_role("button", name="Layer 1, head 0: entropy").click()
    talk.serve(300)
    before = lines(page)
    assert flip(talk, "Layer 0, head 1") == {"heads": [[0, 1]], "attention": [], "layers": []}
    expect(switch(page, "Layer 0, head 1")).to_have_attribute("aria-checked", "false")
    assert lines(page) != before
    expect(page.locator(".be-explorer > [aria-live]")).to_contain_text("Layer 0, head 1 is off. 12 tokens, read in")
    expect(page.locator(".be-predicted-word")).not_to_have_count(0)
    expect(page.locator(".be-chip.be-predicted")).to_have_attribute("data-index", "2")  # as before the switch
    edits = switched_off(small_bert().encoder, heads=[(0, 1)])
    masked = "the [MASK] sat on the mat"
    original = dict(small_bert().fill_mask(masked, PAIR, top_k=20)[0])
    after = dict(small_bert().fill_mask(masked, PAIR, top_k=20, edit=edits)[0])
    words = page.locator(".be-predicted-word").all_inner_texts()
    for selector, expected in ((".be-probability", after), (".be-prediction .be-was", original)):
        shown = page.locator(selector).evaluate_all("all => all.map(one => +one.dataset.value)")
        np.testing.assert_allclose(shown, [expected[word] for word in words])
    assert page.locator(".be-probability-ghost").count() == len(words)
    assert page.locator(".be-ghost-dot").count() > 5
    expect(page.locator(".be-similarity .be-was")).to_be_visible()
    assert flip(talk, "Layer 0, head 1") == {"heads": [], "attention": [], "layers": []}
    assert lines(page) == before
    assert page.locator(".be-was, .be-ghost-dot, .be-probability-ghost, .be-off, .be-off-list button").count() == 0


def test_the_numbers_are_those_of_both_runs(talk):
    page = talk.page
    flip(talk, "Layer 0, attention")
    page.get_by_role("button", name="Layer 2, head 1: entropy").click()
    talk.serve(300)
    page.get_by_role("button", name="Show as table").first.click()
    page.locator(".be-query .be-token").nth(2).hover()
    talk.serve(400)
    expect(page.locator(".be-lines-room")).to_have_attribute("data-exact", "true")
    table = page.locator(".be-lines-room .be-table")
    assert table.locator("thead th").all_inner_texts() == ["Key", "Head 1", "Head 1, original"]
    edit = switched_off(small_bert().encoder, attention=[0])
    after = small_bert().read(TEXT, PAIR, edit=edit).attention[2, 1, 2]
    before = small_bert().read(TEXT, PAIR).attention[2, 1, 2]
    assert np.array_equal(np.float32(values(table)), np.stack([after, before], axis=1))
    was = page.locator(".be-number .be-was").evaluate_all("all => all.map(one => +one.dataset.value)")
    assert set(np.float32(was)) <= set(before) and was
    expect(page.locator(".be-lines-room .be-readout")).to_contain_text("(was ")
    page.mouse.move(0, 0)
    assert table.locator("thead th").all_inner_texts() == ["Query", "Key", "Head", "Weight", "Original weight"]
    page.get_by_role("button", name="Show as table").last.click()
    headings = page.locator(".be-table-room").last.locator("thead").first.locator("th").all_inner_texts()
    assert headings[-2:] == ["Component 1, original", "Component 2, original"]


def test_a_head_that_is_off_is_marked_and_gray(talk):
    page = talk.page
    page.get_by_role("button", name="Layer 0, head 1: entropy").click()
    talk.serve(300)
    colored = lines(page)
    flip(talk, "Layer 0, head 1")
    assert lines(page) != colored
    expect(page.get_by_role("button", name="Head 1, switched off", exact=True)).to_be_visible()
    expect(page.locator(".be-lines-room .be-status").first).to_contain_text("head 1 is switched off and gray")
    expect(page.get_by_role("button", name="Layer 0, head 1: entropy")).to_have_accessible_name(
        page.locator(".be-heat-cell.be-off").get_attribute("aria-label")
    )
    page.get_by_role("button", name="Layer 1, head 1: entropy").click()
    talk.serve(300)
    expect(page.get_by_role("button", name="Head 1", exact=True)).to_be_visible()


def test_a_layer_switches_off_what_is_in_it(talk):
    page = talk.page
    assert flip(talk, "Layer 1") == {"heads": [], "attention": [], "layers": [1]}
    for name in ("Layer 1, attention", "Layer 1, head 0", "Layer 1, head 1"):
        expect(switch(page, name)).to_have_attribute("aria-checked", "false")
        expect(switch(page, name)).to_have_attribute("aria-disabled", "true")
    switch(page, "Layer 1, head 0").click(force=True)
    expect(page.get_by_text("Layer 1, head 0 is off, because layer 1 is off.")).to_be_visible()
    page.wait_for_timeout(250)
    assert not [question for question in page.evaluate("window.questions") if question["ask"] == "read"]


def test_the_list_of_what_is_off_works_with_the_keyboard(talk):
    page = talk.page
    switch(page, "Layer 0").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    expect(switch(page, "Layer 1, head 0")).to_be_focused()
    page.keyboard.press("Space")
    question = talk.question("read")
    assert question["edits"]["heads"] == [[1, 0]]
    talk.answer(question)
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    talk.serve(600)
    listed = page.get_by_role("list", name="Switched off").get_by_role("button")
    expect(listed).to_have_count(3)
    expect(listed.nth(1)).to_have_accessible_name("Switch on layer 1, head 0")
    page.keyboard.press("Tab")
    expect(listed.first).to_be_focused()
    page.keyboard.press("Enter")
    expect(listed).to_have_count(2)
    expect(listed.first).to_be_focused()
    expect(switch(page, "Layer 0")).to_have_attribute("aria-checked", "true")
    page.get_by_role("button", name="Switch all on").press("Enter")
    talk.serve(600)
    expect(listed).to_have_count(0)
    expect(page.get_by_role("button", name="Switch all on")).to_be_hidden()
    expect(page.locator("[role=switch]:focus")).to_have_count(1)
    expect(page.locator(".be-explorer > [aria-live]")).to_contain_text("Everything is on. 12 tokens")
    assert page.locator("[role=switch][aria-checked=false]").count() == 0


def test_another_text_keeps_the_switches(talk):
    flip(talk, "Layer 0")
    talk.page.get_by_label("Text", exact=True).fill("the dog ran")
    question = talk.question("read")
    assert (question["text"], question["edits"]["layers"]) == ("the dog ran", [0])
    talk.answer(question)
    talk.serve(300)
    assert talk.page.locator(".be-ghost-dot").count() > 2


def test_a_switch_does_not_move_away_under_the_pointer(talk):
    page = talk.page
    page.set_viewport_size({"width": 400, "height": 900})
    page.click(".be-chip[data-index='3']")  # its focus ends when the switch is pressed, and the readouts are shorter
    talk.serve(400)
    assert flip(talk, "Layer 0, head 0")["heads"] == [[0, 0]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_saved_page_shows_what_is_off(scheme, opened, artifacts, axe):
    page = opened(edited(), scheme)
    assert page.locator("[role=switch]").count() == LAYERS * (HEADS + 2)
    assert page.locator("[role=switch][aria-disabled=true][title*='no model']").count() == LAYERS * (HEADS + 2)
    expect(switch(page, "Layer 2")).to_have_attribute("aria-checked", "false")
    expect(page.get_by_role("list", name="Switched off")).to_contain_text("Layer 0, head 1")
    assert page.locator(".be-off-room button").count() == 0
    switch(page, "Layer 0").click(force=True)
    expect(switch(page, "Layer 0")).to_have_attribute("aria-checked", "true")
    page.click(".be-chip[data-index='2']")
    expect(page.locator(".be-probability-ghost").first).to_be_attached()
    assert page.locator(".be-ghost-dot").count() > 5
    expect(page.locator(".be-similarity .be-was")).to_be_visible()
    page.locator(".be-query .be-token").nth(2).hover()
    assert page.locator(".be-number .be-was").count() > 0
    page.evaluate(axe)
    violations = page.evaluate("axe.run().then(result => result.violations)")
    assert [(v["id"], [node["html"][:120] for node in v["nodes"][:3]]) for v in violations] == []
    page.screenshot(path=artifacts / f"explorer-switches-{scheme}.png", full_page=True)
    page.set_viewport_size({"width": 400, "height": 1800})
    page.wait_for_timeout(100)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_a_saved_page_without_edits_has_no_switches(opened):
    page = opened(explorer(small_bert(), TEXT, PAIR))
    expect(page.get_by_text("Switch off")).to_be_hidden()
