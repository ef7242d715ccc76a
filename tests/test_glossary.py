"""The glossary: in order, every link leads somewhere, and the chapters use it."""

import re
from functools import cache
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
CHAPTERS = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
GLOSSARY = (NOTEBOOKS / "glossary.md").read_text(encoding="utf-8")
ENTRIES = dict(re.findall(r"^## (.+)\n\n(.+)\n", GLOSSARY, re.M))
every_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.name)


def anchor(heading):
    """The anchor of a heading, as GitHub and the book make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@cache
def prose(path):
    """All markdown of a chapter."""
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def links(text):
    return re.findall(r"\]\(glossary\.md#([^)\s]+)\)", text)


ANCHORS = {anchor(term) for term in ENTRIES}


def test_the_terms_are_unique_and_in_alphabetical_order():
    headings = re.findall(r"^## (.+)$", GLOSSARY, re.M)
    assert headings == sorted(headings, key=str.casefold)
    assert len({anchor(term) for term in headings}) == len(headings) == len(ENTRIES)


@pytest.mark.parametrize("term", ENTRIES)
def test_an_entry_is_short_and_says_which_chapter_explains_it(term):
    text, _, see = ENTRIES[term].rpartition(" See ")
    assert 1 <= len(re.findall(r"[.?:](?= [A-Z\[]|$)", text)) <= 4
    assert re.fullmatch(r"\[chapter \d+\]\(\S+\)((,| and) \[[a-z0-9 ]+\]\(\S+\))*\.", see)


@every_chapter
def test_every_link_to_the_glossary_leads_to_an_entry(path):
    assert set(links(prose(path))) - ANCHORS == set()


def test_every_section_that_an_entry_names_is_there():
    there = {path.name: {anchor(h) for h in re.findall(r"^#+ (.+)$", prose(path), re.M)} for path in CHAPTERS}
    named = re.findall(r"\]\((\d\d_\w+\.ipynb)#([^)\s]+)\)", GLOSSARY)
    assert [(name, section) for name, section in named if section not in there.get(name, {section})] == []


@pytest.mark.parametrize("term", ENTRIES)
def test_a_chapter_links_to_every_term(term):
    """Or uses its words; a term that only chapters still missing explain has to wait for them."""
    chapters = {NOTEBOOKS / name for name in re.findall(r"\d\d_\w+\.ipynb", ENTRIES[term])}
    if not any(path.exists() for path in chapters):
        pytest.skip("its chapter is not written yet")
    texts = [prose(path) for path in CHAPTERS]
    missing = [path for path in chapters if not path.exists()]
    assert missing or any(anchor(term) in links(text) or re.search(rf"\b{term}", text, re.I) for text in texts)


@every_chapter
def test_a_term_that_a_chapter_defines_in_bold_is_linked(path):
    bold = {text.lower() for text in re.findall(r"\*\*([^*\[\]\n]+)\*\*", prose(path))}
    assert {text for text in bold if {anchor(text), anchor(text).removesuffix("s")} & ANCHORS} == set()


@every_chapter
def test_a_chapter_links_a_term_where_it_uses_it_first_and_not_again_and_again(path):
    found = links(prose(path))
    assert [term for term in sorted(set(found)) if found.count(term) > 2] == []
    assert len(set(found)) >= 10
