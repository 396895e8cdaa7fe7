"""The static book: what it is made of, and (slow) every page in a browser that is cut off from the network."""

import html.parser
import json
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import build_book
import nbformat
import pytest
from lab_browser import find_chromium

ROOT = Path(__file__).parent.parent
KATEX = ROOT / "book" / "katex"
PHONE, WIDE = {"width": 390, "height": 844}, {"width": 1400, "height": 1000}
OUTSIDE = re.compile(r"""(?:src|href)=["'](?:https?:)?//""")


# -- the parts ---------------------------------------------------------------------------------------------------------


def test_katex_and_its_fonts_are_all_here():
    css = (KATEX / "katex.min.css").read_text(encoding="utf-8")
    urls = re.findall(r"url\(([^)]+)\)", css)
    assert len(urls) >= 20
    assert all((KATEX / url).is_file() for url in urls)
    assert "MIT" in (KATEX / "LICENSE").read_text(encoding="utf-8")


def picture(alt):
    data = {"image/png": "QUJD", "text/plain": alt}
    return nbformat.v4.new_output("display_data", data, metadata={"image/png": {"alt": alt}})


@pytest.fixture
def chapter(tmp_path):
    cells = [
        nbformat.v4.new_markdown_cell(
            "# 7 · Small\n\n**What\nis it?** See [that](../data/README.md), [00](00_a.ipynb), "
            "[names](../docs/names.md#a)."
        ),
        nbformat.v4.new_code_cell("reading.show()", outputs=[picture("every head"), picture("another")]),
    ]
    path = tmp_path / "07_small.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_a_page_has_pictures_with_words_and_links_within_the_book(chapter):
    page = build_book.page_of(chapter, [], {"00_a.ipynb", "../docs/names.md"})
    assert page.cells[1].metadata.mystnb == {"image": {"alt": "another"}}
    assert "See that, [00](00_a.ipynb), [names](../docs/names.md#a)." in page.cells[0].source
    assert 'href="../_static/notebooks/07_small.ipynb" download' in page.cells[0].source
    assert build_book.question_of(page) == ("7 · Small", "What is it?")


def test_a_view_replaces_its_figure(chapter):
    views = [[], [{"file": "07_small-0.html", "alt": 'heads of "minilm"'}]]
    page = build_book.page_of(chapter, views, set())
    other, frame = page.cells[1].outputs
    assert other.data["text/plain"] == "another"
    assert 'src="../_static/views/07_small-0.html"' in frame.data["text/html"]
    assert 'title="heads of &quot;minilm&quot;"' in frame.data["text/html"]


def test_the_front_page_asks_every_chapter_s_question():
    notebooks = {path: nbformat.read(path, as_version=4) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
    labs = {path: nbformat.read(path, as_version=4) for path in sorted((ROOT / "notebooks" / "labs").glob("*.ipynb"))}
    page = build_book.front_page(notebooks, labs, "view.html")
    for path in [*notebooks, *labs]:
        name = path.relative_to(ROOT).as_posix()
        row = re.search(rf"^\| \[.+\]\({name}\) \| (.+) \|$", page, re.MULTILINE)
        assert row and row.group(1).rstrip().endswith("?")
        assert f"\n{name.removesuffix('.ipynb')}\n" in page


def test_every_document_for_readers_is_in_the_book():
    about_the_repository = {"install", "modules", "checkpoints", "fine_tuning", "embedding"}
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} - about_the_repository == set(build_book.DOCS)


def test_another_folder_is_never_replaced(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("stays")
    with pytest.raises(SystemExit):
        build_book.main(["--output", str(tmp_path)])
    assert "which is not a book" in capsys.readouterr().err
    assert (tmp_path / "mine.txt").read_text() == "stays"


# -- the whole ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The book, built; its views come from build/book/views where nothing has changed."""
    pytest.importorskip("myst_nb", reason="needs the extra `book`")
    return build_book.build(tmp_path_factory.mktemp("book") / "html")


class Links(html.parser.HTMLParser):
    """What a page leads to, loads and can be led to."""

    def __init__(self, path):
        super().__init__()
        self.links, self.ids = [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.ids |= {values[key] for key in ("id", "name") if values.get(key)}
        key = "href" if tag in ("a", "link") else "src"
        if values.get(key):
            self.links.append(values[key])


def pages(book):
    return [path for path in sorted(book.rglob("*.html")) if "_static" not in path.parts]


@pytest.mark.slow
def test_no_page_has_a_broken_link_or_loads_from_elsewhere(book):
    read = {path.resolve(): Links(path) for path in pages(book)}
    assert len(read) >= len(list((ROOT / "notebooks").rglob("*.ipynb"))) + len(build_book.DOCS)
    broken = []
    for path, page in read.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or not (parts.path or parts.fragment):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = target not in read or not parts.fragment or unquote(parts.fragment) in read[target].ids
            if not target.exists() or not known:
                broken.append(f"{path.name}: {link}")
    assert broken == []
    for path in pages(book):
        for tag in re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", path.read_text(encoding="utf-8")):
            assert not OUTSIDE.search(tag), f"{path.name}: {tag}"


@pytest.mark.slow
def test_no_place_of_this_machine_is_in_it(book):
    for path in pages(book):
        text = path.read_text(encoding="utf-8")
        assert str(ROOT) not in text and str(Path.home()) + "/" not in text, path.name


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(find_chromium() is None, reason="no chromium on PATH")
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_every_page_is_whole_without_a_network(book, size):
    from playwright.sync_api import sync_playwright

    asked, problems = [], []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        page = browser.new_context(viewport=size).new_page()
        page.route(
            re.compile(r"^(?!file:|data:|blob:)"), lambda route: (asked.append(route.request.url), route.abort())
        )
        page.on("requestfailed", lambda request: problems.append(f"not there: {request.url}"))
        page.on("pageerror", lambda error: problems.append(str(error)))
        for path in pages(book):
            page.goto(path.as_uri())
            page.wait_for_load_state("load")
            formulas, set_ones = page.locator(".math").count(), page.locator(".math .katex").count()
            wrong = page.locator(".katex-error").count()
            too_wide = page.evaluate("document.documentElement.scrollWidth > innerWidth + 1")
            if formulas != set_ones or wrong or too_wide:
                problems.append(f"{path.name}: {set_ones} of {formulas} formulas, {wrong} wrong, too wide: {too_wide}")
        browser.close()
    assert asked == []
    assert problems == []


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(find_chromium() is None, reason="no chromium on PATH")
def test_views_are_alive_and_their_frames_fit(book):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport=WIDE)
        for number in build_book.WITH_VIEWS:
            (path,) = (book / "notebooks").glob(f"{number}_*.html")
            page.goto(path.as_uri())
            frames = page.locator("iframe.bertedu-view")
            assert frames.count() >= 2
            for i in range(frames.count()):
                frames.nth(i).scroll_into_view_if_needed()
                inside = frames.nth(i).content_frame
                inside.locator("#bertedu-view canvas, #bertedu-view svg").first.wait_for(
                    state="visible", timeout=20_000
                )
                page.wait_for_timeout(300)
                height = inside.locator("html").evaluate("element => element.offsetHeight")
                assert abs(frames.nth(i).evaluate("element => element.clientHeight") - height) <= 6
        browser.close()


@pytest.mark.slow
def test_the_search_knows_the_chapters(book):
    index = (book / "searchindex.js").read_text(encoding="utf-8")
    titles = json.loads(index.removeprefix("Search.setIndex(").rstrip(");\n"))["titles"]
    assert any("Attention" in title for title in titles)
