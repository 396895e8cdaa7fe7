"""The documents beside the course: complete, in order, and with links that lead somewhere."""

import inspect
import json
import re
from pathlib import Path

import pytest

import bertedu

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
NAMES = sorted(path.name for path in DOCS.glob("*.md"))
ARXIV = re.compile(r"arxiv\.org/(?:abs|pdf)/(\d{4}\.\d{4,5})|arXiv:(\d{4}\.\d{4,5})", re.IGNORECASE)


def read(name):
    return (DOCS / name).read_text(encoding="utf-8")


def papers(text):
    return {first or second for first, second in ARXIV.findall(text)}


def terms():
    return re.findall(r"^\*\*([^*]+)\*\*", read("glossary.md"), re.MULTILINE)


@pytest.mark.parametrize(
    "name", [n for n in bertedu.__all__ if n[0].isupper() and inspect.isclass(getattr(bertedu, n))]
)
def test_every_public_class_is_explained_and_translated(name):
    assert any(f"`{name}`" in term for term in terms())
    assert re.search(rf"^\| `{name}` \|", read("names.md"), re.MULTILINE)


SOURCES = sorted([*(ROOT / "bertedu").rglob("*.py"), *(ROOT / "notebooks").rglob("*.ipynb")])


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_paper_that_is_cited_is_in_the_references(path):
    cited = papers(path.read_text(encoding="utf-8"))
    assert cited <= papers(read("references.md")), "add it to docs/references.md"


def test_a_reference_s_words_and_link_agree():
    text = read("references.md")
    entries = re.findall(r"\[arXiv:([\d.]+)\]\(https://arxiv\.org/abs/([\d.]+)\)", text)
    assert len(entries) == text.count("[arXiv:") == len(set(entries))
    assert all(words == link for words, link in entries)


def test_the_glossary_is_in_order_and_every_term_has_words():
    plain = [re.sub(r"[`\[\]]", "", term).lower() for term in terms()]
    assert plain and len(set(terms())) == len(plain)
    initials = [term[0] for term in plain]
    assert initials == sorted(initials)
    entries = re.findall(r"^\*\*[^*]+\*\*(?: \([\d, ]+\))?\. (.+(?:\n.+)*)", read("glossary.md"), re.MULTILINE)
    assert len(entries) == len(plain)


def test_every_term_is_in_the_chapters_that_its_entry_names():
    chapters = {}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        chapters[int(path.name[:2])] = " ".join("".join(cell["source"]) for cell in cells).lower()
    entries = re.findall(r"^\*\*([^*]+)\*\*(?: \(([\d, ]+)\))?\.", read("glossary.md"), re.MULTILINE)
    for names, numbers in entries:
        assert numbers, f"{names}: names no chapter"
        parts = [re.findall(r"[^\s_-]+", name.strip("`").lower()) for name in names.split(", ")]
        spellings = [r"[\s_-]*".join(map(re.escape, words)) for words in parts]
        for number in map(int, numbers.split(", ")):
            found = [spelling for spelling in spellings if re.search(spelling, chapters[number])]
            assert found, f"{names}: not in chapter {number}"


def test_terms_are_under_their_letters():
    for letter, part in re.findall(r"^## ([A-Z])\n(.*?)(?=^## |\Z)", read("glossary.md"), re.MULTILINE | re.DOTALL):
        initials = re.findall(r"^\*\*\W*(\w)", part, re.MULTILINE)
        assert initials and {first.upper() for first in initials} == {letter}


def test_the_notation_is_the_package_s_legend():
    for line in bertedu.__doc__.split("\n\n")[-1].splitlines():
        for letter, words in re.findall(r"\b([A-Z]) ([a-z][a-z ]+?)(?:\s{2,}|$| \()", line):
            assert f"| **{letter}** |" in read("notation.md"), words


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name):
    for link in re.findall(r"\]\(([^)\s]+)\)", read(name)):
        assert link.startswith("https://") or (DOCS / link.split("#")[0]).exists(), link


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_leads_to_each(name):
    assert f"](docs/{name})" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_tables_are_whole(name):
    for table in re.findall(r"(?:^\|.*\n)+", read(name), re.MULTILINE):
        columns = {line.replace(r"\|", "").count("|") for line in table.splitlines()}
        assert len(columns) == 1, table.splitlines()[0]
