"""The diagrams of the chapters: the files are what the code draws, their texts fit and are legible."""

import itertools
import json
import re
from xml.etree import ElementTree

import pytest

from tools import draw_diagrams
from tools.diagrams import ALT, DIAGRAMS, style
from tools.diagrams.canvas import WIDTH, Box, Drawing

SVG = "{http://www.w3.org/2000/svg}"
LARGEST_FILE = 30_000
PHONE = 360
"""Width of a phone in CSS pixels."""


@pytest.fixture(scope="module")
def svgs():
    return {name: ElementTree.fromstring(function().svg()) for name, function in DIAGRAMS.items()}


def test_the_files_are_what_the_code_draws():
    assert draw_diagrams.problems() == []


def test_check_finds_a_file_that_differs(tmp_path, monkeypatch):
    monkeypatch.setattr(draw_diagrams, "FOLDER", tmp_path)
    assert len(draw_diagrams.problems()) == len(DIAGRAMS) + 1
    monkeypatch.setattr("sys.argv", ["draw_diagrams"])
    assert draw_diagrams.main() == 0
    (tmp_path / "bert.svg").write_text("<svg/>", encoding="utf-8")
    (tmp_path / "old.svg").write_text("<svg/>", encoding="utf-8")
    assert [problem.split(":")[0] for problem in draw_diagrams.problems()] == ["bert.svg", "old.svg"]


@pytest.mark.parametrize("name", DIAGRAMS)
def test_a_diagram_is_an_image_with_an_alt_text(name, svgs):
    svg = svgs[name]
    title, description = svg.find(f"{SVG}title"), svg.find(f"{SVG}desc")
    assert svg.get("role") == "img"
    assert svg.get("aria-labelledby").split() == [title.get("id"), description.get("id")]
    assert title.text
    assert description.text == ALT[name]
    assert 1 <= len(re.findall(r"[.!?](?=\s+[A-Z]|$)", ALT[name])) <= 3
    assert not set("[]") & set(ALT[name])  # it stands in brackets in Markdown
    stored = json.loads((draw_diagrams.FOLDER / "alt.json").read_text(encoding="utf-8"))
    assert stored[name] == ALT[name]


@pytest.mark.parametrize("name", DIAGRAMS)
def test_a_diagram_needs_nothing_but_itself(name):
    text = DIAGRAMS[name]().svg()
    assert len(text.encode()) < LARGEST_FILE
    assert not re.search(r"<script|<image|href|@import|url\(|https?://(?!www\.w3\.org/2000/svg\")", text)


@pytest.mark.parametrize("name", DIAGRAMS)
def test_a_diagram_is_legible_on_a_phone(name, svgs):
    assert float(svgs[name].get("width")) == WIDTH
    assert style.SMALL * PHONE / WIDTH >= 7.5


def test_every_color_of_a_diagram_has_a_rule(svgs):
    for svg in svgs.values():
        css = svg.find(f"{SVG}style").text
        names = {name for element in svg.iter() for name in element.get("class", "").split()} - {"bertedu-diagram"}
        assert {name for name in names if not re.search(rf"\.{name}\b", css)} == set()


@pytest.mark.parametrize("scheme", style.SCHEMES)
def test_text_is_legible_on_every_fill(scheme):
    colors = style.SCHEMES[scheme]
    for role, ink in itertools.product(("panel", *style.ROLES), ("ink", "muted")):
        assert style.contrast(colors[ink], colors[role][0]) >= 4.5, (role, ink)


@pytest.mark.parametrize("scheme", style.SCHEMES)
def test_lines_stand_out_from_the_page(scheme):
    colors = style.SCHEMES[scheme]
    for color in (colors["line"], *(colors[role][1] for role in style.ROLES)):
        assert style.contrast(color, colors["panel"][0]) >= 3


def test_contrast_is_that_of_wcag():
    assert style.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert style.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_problems_are_texts_that_are_too_wide_or_overlap():
    drawing = Drawing("test", 100, "A test", "A test.")
    drawing.box(10, 10, 60, 30, "short")
    assert drawing.problems() == []
    drawing.box(100, 10, 60, 30, "much longer")
    drawing.text(40, 30, "above")
    drawing.text(WIDTH - 10, 80, "outside")
    assert drawing.problems() == [
        "test: 'much longer' leaves its box",
        "test: 'outside' leaves its box",
        "test: 'short' overlaps 'above'",
    ]


def test_subscripts_and_superscripts():
    assert style.runs("h E^{T} + c_{0}") == [("h E", ""), ("T", "^"), (" + c", ""), ("0", "_")]
    assert style.text_width("W_{q}") < style.text_width("Wq") < style.text_width("Wq", "bold")
    drawing = Drawing("test", 100, "A test", "A test.")
    drawing.text(100, 50, "a < b_{0}")
    (text,) = ElementTree.fromstring(drawing.svg()).iter(f"{SVG}text")
    assert "".join(text.itertext()) == "a < b0"


def test_a_box_has_sides_and_middles():
    box = Box(10, 20, 30, 40)
    assert (box.north, box.south, box.west, box.east) == ((25, 20), (25, 60), (10, 40), (40, 40))
