"""The book: it builds offline from the committed notebooks, and a real browser finds nothing wrong with its pages."""

import doctest
import inspect
import json
import os
import re
import subprocess
import sys
import time
import tomllib
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from matplotlib.figure import Figure

import bertutil
from bertutil.course import plots
from bertutil.course.ledger.rules import VERDICTS
from tests.browser import launched

for needed in ("sphinx_book_theme", "myst_nb", "sphinx-mathjax-offline", "sphinx_copybutton", "sphinxext"):
    if not find_spec(needed):
        pytest.skip(f"needs {needed}: pip install -e .[docs]", allow_module_level=True)
bs4 = pytest.importorskip("bs4", reason="needs bs4: pip install -e .[docs]")
book = import_module("tools.book")
ledger_page = import_module("ledger_page")  # beside the book's pages; tools.book knows the way
uses = import_module("uses")

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ADDRESS, REF = SETTINGS["project"]["urls"]["Repository"], SETTINGS["tool"]["launch"]["ref"]
EXAMPLES = uses.examples((ROOT / "book" / "examples.txt").read_text(encoding="utf-8"))

DARK = ("notebooks/00_", "notebooks/11_", "notebooks/15_")

# The colour of a kind of code is looked at once a page instead of a thousand times; what is folded is looked at, too.
PREPARE = """() => {
    const seen = new Set();
    for (const span of document.querySelectorAll(".highlight pre span[class], .sig span[class]"))
        if (seen.has(span.className)) span.replaceWith(...span.childNodes); else seen.add(span.className);
    const still = document.createElement("style");  // a colour is not to be measured while the cell fades in
    still.textContent = "* { animation: none !important; transition: none !important; }";
    document.head.append(still);
    for (const folded of document.querySelectorAll("details")) folded.open = true;
}"""

# What is wider than the box in which it can be scrolled: a line of code, an output, a table
WIDE = """() => [...document.querySelectorAll("article *")]
    .filter(each => each.scrollWidth > each.clientWidth && /auto|scroll/.test(getComputedStyle(each).overflowX))
    .map(each => [each.scrollWidth, each.clientWidth, each.textContent.trim().slice(0, 60)])"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder without a word."""

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture(scope="module")
def seconds_and_folder(tiny_folder, tmp_path_factory):
    """How long building the book takes, and where it is; it builds without a warning.

    The explorer is made from a tiny checkpoint, which is quicker; tests/test_explorer.py has the real one.
    """
    folder = tmp_path_factory.mktemp("book") / "html"
    start = time.perf_counter()
    command = [sys.executable, ROOT / "tools" / "book.py", folder]
    env = os.environ | {"BERTUTIL_MODEL": str(tiny_folder)}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return time.perf_counter() - start, folder


@pytest.fixture(scope="module")
def folder(seconds_and_folder):
    return seconds_and_folder[1]


@pytest.fixture(scope="module")
def pages(folder):
    """Every page by its path in the book, as parsed HTML."""
    files = [file for file in sorted(folder.rglob("*.html")) if "_static" not in file.parts]
    return {
        f.relative_to(folder).as_posix(): bs4.BeautifulSoup(f.read_text(encoding="utf-8"), "html.parser")
        for f in files
    }


@pytest.fixture(scope="module")
def address(folder):
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def visits(browser, address, pages):
    """What a phone finds on every page: errors, requests to other hosts, too wide, violations in light and dark.

    Colours in the dark, which take as long as all the rest: of the chapters, which share one style, three, and the
    others in the weekly check.
    """
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    options = {"preload": False, "resultTypes": ["violations"]}
    contrast = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="light")
    noted = []
    page.on("console", lambda message: message.type in ("error", "warning") and noted.append(("error", message.text)))
    page.on("pageerror", lambda error: noted.append(("error", str(error))))
    page.on("response", lambda answer: answer.status >= 400 and noted.append(("error", answer.url)))
    page.on("request", lambda request: foreign(request.url, address) and noted.append(("foreign", request.url)))
    found = []
    for path in pages:
        noted.clear()
        page.goto(address + path)
        if width := page.evaluate("Math.max(0, document.scrollingElement.scrollWidth - innerWidth)"):
            noted.append(("wide", f"{width} pixels too wide"))
        page.evaluate(PREPARE)
        is_dark = not path.startswith("notebooks/") or path.startswith(DARK) or os.environ.get("BERTUTIL_WEEKLY")
        for theme, rules in [("light", options), *([("dark", options | contrast)] if is_dark else [])]:
            page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
            for violation in axe.run(page, options=rules).response["violations"]:
                if violation["impact"] in ("serious", "critical"):
                    noted.append(("axe", f"{theme}: {violation['id']} at {violation['nodes'][0]['target']}"))
        found += [(kind, path, what) for kind, what in noted]
    page.close()
    return found


def foreign(url, address):
    return not url.startswith((address, "data:", "blob:"))


@pytest.mark.weekly
def test_builds_in_a_minute(seconds_and_folder):
    assert seconds_and_folder[0] < 60


def test_has_a_page_for_every_chapter_and_they_are_on_the_landing_page(pages):
    names = [f"notebooks/{file.stem}.html" for file in NOTEBOOKS]
    cards = [link["href"] for link in pages["index.html"].select(".chapters a")]
    assert cards == names
    assert {"notebooks/glossary.html", "changes-since-2019.html", "api.html", "search.html", *names} <= pages.keys()


def test_a_chapter_is_called_as_in_its_title_on_the_landing_page_and_in_the_sidebar(pages):
    titles = [uses.title_of(json.loads(file.read_text(encoding="utf-8"))) for file in NOTEBOOKS]
    assert [link.text for link in pages["index.html"].select(".chapters a")] == titles
    for page in written(pages).values():
        assert [link.text.strip() for link in page.select(".bd-links li.toctree-l1 > a")][: len(titles)] == titles


def test_the_explorer_is_the_first_link_on_the_landing_page_and_has_its_own(pages):
    if why := book.explorer.missing():
        pytest.skip(why)
    first = pages["index.html"].select_one("article a[href]:not(.headerlink)")
    assert first["href"] == "explorer/index.html"
    assert pages["explorer.html"].select_one(".explorer a")["href"] == first["href"]
    assert pages["explorer/index.html"].select_one("#columns-0")


def test_no_page_has_an_error_or_a_resource_that_is_missing(visits):
    assert [visit for visit in visits if visit[0] == "error"] == []


def test_no_page_asks_another_host(visits):
    assert [visit for visit in visits if visit[0] == "foreign"] == []


def test_no_page_is_wider_than_a_phone(visits):
    assert [visit for visit in visits if visit[0] == "wide"] == []


def test_axe_finds_no_serious_violation_in_light_or_dark(visits):
    assert [visit for visit in visits if visit[0] == "axe"] == []


@pytest.mark.weekly
def test_axe_finds_no_serious_violation_in_the_dark_on_any_page(visits):
    assert [visit for visit in visits if visit[0] == "axe"] == []


def test_every_internal_link_and_anchor_resolves(pages, folder):
    ids = {path: {element["id"] for element in page.select("[id]")} for path, page in pages.items()}
    broken, checked = [], 0
    for path, page in pages.items():
        for element in page.select("[href], [src]"):
            link = element.get("href") or element.get("src") or ""
            if urlsplit(link).scheme or link.startswith("//"):
                continue
            file, anchor = urldefrag(link)
            target = (folder / path).parent / unquote(urlsplit(file).path) if file else folder / path
            name = target.resolve().relative_to(folder.resolve()).as_posix()
            checked += 1
            if not target.is_file() or (anchor and unquote(anchor) not in ids.get(name, ())):
                broken.append((path, link))
    assert broken == []
    assert checked > 20 * len(pages)


def test_every_figure_is_there_with_its_own_alternative_text(pages):
    for file in NOTEBOOKS:
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        outputs = [
            output for cell in cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
        ]
        images = pages[f"notebooks/{file.stem}.html"].select("article .cell_output img")
        assert [image["alt"] for image in images] == [output["metadata"]["image/png"]["alt"] for output in outputs]


def test_what_a_figure_shows_is_said_once(pages):
    assert [path for path, page in pages.items() if page.select("[class~=figure-in-words]")] == []


def test_every_verdict_on_an_exercise_has_its_sign_and_its_words(pages):
    for file in NOTEBOOKS:
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        data = [output["data"] for cell in cells for output in cell.get("outputs", []) if "data" in output]
        words = [
            "".join(each["text/plain"]) for each in data if 'class="verdict"' in "".join(each.get("text/html", ""))
        ]
        assert bool(words) is (file.stem != "00_tour")
        shown = [verdict.text for verdict in pages[f"notebooks/{file.stem}.html"].select(".cell_output .verdict")]
        assert shown == [f"{'✓' if text == 'Right.' else '…'} {text}" for text in words]


def test_every_image_has_alternative_text(pages):
    for path, page in pages.items():
        assert all(image["alt"].strip() for image in page.select("article img")), path
        assert all(image.has_attr("alt") for image in page.select("img")), path


def test_solutions_and_answers_are_folded_and_stubs_are_not(pages):
    for file in NOTEBOOKS:
        article = pages[f"notebooks/{file.stem}.html"].select_one("article")
        folded = article.select("details")
        assert folded
        assert not any(details.has_attr("open") for details in folded)
        solutions = [code for code in article.select(".highlight") if "# @title Solution" in code.text]
        assert all(code.find_parent("details") for code in solutions)
        stubs = [code for code in article.select(".highlight") if "return ...\n" in code.text]
        assert not any(code.find_parent("details") for code in stubs)


def test_launch_buttons_are_made_from_the_one_address(pages):
    place = ADDRESS.removeprefix("https://github.com/")
    for file in NOTEBOOKS:
        links = {
            link["href"]
            for link in pages[f"notebooks/{file.stem}.html"].select("header a, .article-header-buttons a")
        }
        assert f"https://mybinder.org/v2/gh/{place}/{REF}?urlpath=lab/tree/notebooks/{file.name}" in links
        assert f"https://colab.research.google.com/github/{place}/blob/{REF}/notebooks/{file.name}" in links
        assert ADDRESS in links
    on_landing_page = {link["href"] for link in pages["index.html"].select(".buttons a")}
    first = pages["notebooks/00_tour.html"].select(".dropdown-launch-buttons a")
    assert {link["href"] for link in first} < on_landing_page


def written(pages):
    """The pages that have a source file: not the search, and not the explorer."""
    return {path: page for path, page in pages.items() if path != "search.html" and not path.startswith("explorer/")}


def meta(page, name):
    """What a page says of itself under a name, or None."""
    found = page.find("meta", attrs={"property": name}) or page.find("meta", attrs={"name": name})
    return found and found["content"]


def test_every_page_says_what_it_is_about_in_its_own_words_and_where_it_stands(pages):
    described = {path: meta(page, "description") for path, page in written(pages).items()}
    assert [
        path for path, text in described.items() if not text or text.startswith("Open in") or len(text) < 40
    ] == []
    assert len(set(described.values())) == len(described)
    owner, name = ADDRESS.removeprefix("https://github.com/").split("/")
    for path, page in written(pages).items():
        own = f"https://{owner}.github.io/{name}/{path}"
        assert page.select_one("link[rel=canonical]")["href"] == meta(page, "og:url") == own


def test_every_page_has_a_picture_for_those_who_send_its_link(pages, folder):
    for path, page in written(pages).items():
        picture = urlsplit(meta(page, "og:image")).path.split("/", 2)[2]
        assert (folder / picture).is_file(), path
        assert len(meta(page, "og:image:alt")) > 40, path
        assert meta(page, "twitter:card") == "summary_large_image"
    assert len({meta(page, "og:image") for page in written(pages).values()}) > len(NOTEBOOKS) / 2


def test_the_edit_button_opens_the_file_that_the_page_is_made_of(pages):
    for path, page in written(pages).items():
        (link,) = {each["href"] for each in page.select("a.btn-source-edit-button")}
        place = link.removeprefix(f"{ADDRESS}/edit/{REF}/")
        assert (ROOT / place).is_file(), path
        assert Path(place).stem == Path(path).stem


def test_code_has_a_button_to_copy_it_and_outputs_have_none(browser, address):
    page = browser.new_page()
    page.goto(address + "notebooks/07_context.html")
    page.wait_for_selector(".cell_input button.copybtn", state="attached")
    cells = page.locator(".cell_input pre").count()
    assert page.locator(".cell_input button.copybtn").count() == cells > 10
    assert page.locator(".cell_output button.copybtn").count() == 0
    page.close()


def test_reference_has_every_public_name_with_its_shapes(pages):
    page = pages["api.html"]
    callables = [name for name in bertutil.__all__ if not name.isupper()]
    assert [name for name in callables if not page.find(id=f"bertutil.{name}")] == []
    signature = page.find(id="bertutil.hidden_states").text
    assert "Float[Tensor, 'rows tokens layers features']" in signature
    assert [strategy for strategy in bertutil.STRATEGIES if f'"{strategy}"' not in page.text] == []


def entry(pages, page, name):
    """What a page of the reference has of a function: signature, docstring, and what stands below."""
    return pages[page].find(id=name).find_parent("dl")


def test_every_function_that_a_user_calls_has_an_example_or_the_cell_that_calls_it_first(pages):
    functions = [f"bertutil.{name}" for name in bertutil.__all__ if inspect.isfunction(getattr(bertutil, name))]
    assert len(functions) > 15
    without = [name for name in functions if not entry(pages, "api.html", name).select("dd .highlight")]
    assert without == []


def test_every_example_is_shown_with_its_function_and_every_cell_is_the_chapter_s(pages):
    for name, example in EXAMPLES.items():
        assert entry(pages, "api.html", name).select_one(".highlight-pycon").text.strip() == example
    shown = [dl for dl in pages["api.html"].select("dl.py") if dl.select("dd > .where-used, dd > .highlight-python")]
    assert len(shown) > 10
    for dl in shown:
        cell, name = cell_of(pages, dl), dl.dt["id"].split(".")[-1]
        assert f"{name}(" in cell.select_one(".cell_input").text
        if code := dl.select_one(".highlight-python"):
            assert code.text.strip() == cell.select_one(".cell_input").text.strip()


def cell_of(pages, entry):
    """The cell of a chapter to which the link below a function leads."""
    chapter, anchor = urldefrag(entry.select_one(".where-used a")["href"])
    return pages[chapter].find(id=anchor)


@pytest.fixture(scope="module")
def start():
    """The names that the examples go on from, made by the lines at the head of the reference."""
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "book" / "api.md").read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("BERTUTIL_MODEL", raising=False)
        exec(code, names)
    names["folder"].rmdir()
    return names


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_gives_what_the_reference_says(name, start, tmp_path, monkeypatch):
    monkeypatch.delenv("BERTUTIL_MODEL", raising=False)
    example = doctest.DocTestParser().get_doctest(EXAMPLES[name], start | {"folder": tmp_path}, name, None, 0)
    assert any(f"{name.split('.')[-1]}(" in each.source for each in example.examples)
    said = []
    doctest.DocTestRunner(verbose=False).run(example, out=said.append)
    assert said == []


def test_a_figure_s_function_has_the_first_picture_of_the_chapters_with_its_words_and_the_cell_that_made_it(pages):
    found = 0
    for name in plots.__all__:
        if inspect.isfunction(function := getattr(plots, name)):
            dl = entry(pages, "plots.html", f"bertutil.course.plots.{name}")
            pictures = dl.select("img")
            if inspect.signature(function).return_annotation is not Figure:
                assert pictures == [], name
                continue
            (picture,), cell = pictures, cell_of(pages, dl)
            drawn = cell.select_one(".cell_output img")
            assert (picture["src"], picture["alt"]) == (drawn["src"].removeprefix("../"), drawn["alt"])
            code = dl.select_one(".highlight-python").text
            assert code.strip() == cell.select_one(".cell_input").text.strip()
            through = [call for call, drawn in uses.INSIDE.items() if drawn == f"bertutil.course.plots.{name}"]
            assert any(f"{call}(" in code for call in [f"plots.{name}", *(call.split(".")[-1] for call in through)])
            found += 1
    assert found > 35


def chapter_of(*sources):
    """A chapter with a title and these code cells, and an exercise that has the last of them."""
    kinds = ["markdown", *["code"] * len(sources), "code"]
    ids = ["title", *map(str, range(len(sources))), "exercise-1-solution"]
    texts = ["# 1. A title", *sources, sources[-1]]
    return {
        "cells": [
            {"cell_type": kind, "id": id, "source": [text], "outputs": []}
            for kind, id, text in zip(kinds, ids, texts, strict=True)
        ]
    }


def test_a_use_is_a_call_by_a_name_that_was_imported_outside_of_exercises():
    found = uses.uses(
        {"one": chapter_of("from bertutil import probes as p\nimport bertutil", "p.f1(bertutil.load())")}
    )
    assert {name: [use.cell["id"] for use in cells] for name, cells in found.items()} == {
        "bertutil.probes.f1": ["1"],
        "bertutil.load": ["1"],
    }


def test_a_chapter_s_own_function_is_not_taken_for_that_of_the_package():
    assert uses.uses({"one": chapter_of("import bertutil", "def search(): ...\nsearch()\nanother.search()")}) == {}


def test_a_function_without_a_figure_in_the_chapters_is_listed_plainly():
    assert uses.figure_below("bertutil.course.plots.new", "Figure", {}) == ""


def test_figures_page_has_every_function_of_plots(pages):
    functions = [name for name in plots.__all__ if not name.isupper()]
    assert [name for name in functions if not pages["plots.html"].find(id=f"bertutil.course.plots.{name}")] == []


def test_every_module_of_the_core_and_of_the_figures_has_its_place_in_the_book():
    core = {file.stem for file in Path(bertutil.__file__).parent.glob("*.py")}
    assert sorted(book.MODULES) == sorted(core - {"__init__", "__main__", "cli", "folder"})  # for users of Python
    assert sorted(book.FIGURES) == sorted(file.stem for file in Path(plots.__file__).parent.glob("[!_]*.py"))


def test_the_ledger_has_the_columns_that_the_style_sheet_names_on_a_phone(pages):
    (ledger,) = pages["notebooks/15_claims.html"].select(".cell_output .pst-scrollable-table-container")
    columns = [head.text for head in ledger.select("th")]
    expected = ["id", "claim", "verdict", "measured: minilm", "random weights", "published", "source", "chapter"]
    assert columns == expected


@pytest.fixture(scope="module")
def claims():
    """Chapter 15, parsed."""
    (file,) = (ROOT / "notebooks").glob("*_claims.ipynb")
    return json.loads(file.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def verdicts(claims):
    """The verdict on each claim, as chapter 15 printed it."""
    (cell,) = (cell for cell in claims["cells"] if cell["id"] == "ledger-table")
    lines = "".join(cell["outputs"][0]["data"]["text/plain"]).splitlines()
    return {line[:3]: line[4:].split(":")[0] for line in lines}


@pytest.fixture
def ledger(browser, address):
    """The ledger's page at the width of a desk, and what it complained of."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address + "ledger.html")
    yield page
    assert complaints == []
    page.close()


def shown_claims(page):
    return [row.get_attribute("id") for row in page.locator("table.ledger tbody tr:visible").all()]


def choice(page, name):
    return page.locator(f"label:has-text('{name}') select[name={name}]")


def test_the_ledger_has_every_claim_at_its_own_address_with_the_sign_and_word_of_its_verdict(pages, verdicts):
    rows = pages["ledger.html"].select("table.ledger tbody tr")
    assert [row["id"] for row in rows] == [row.th.a["href"][1:] for row in rows] == list(verdicts)
    first = {row["id"]: row.select_one(".ledger-verdict").text for row in rows}
    assert first == {id: f"{ledger_page.SIGNS[verdict]} {verdict}" for id, verdict in verdicts.items()}
    assert len(set(ledger_page.SIGNS.values())) == len(ledger_page.SIGNS)


def test_the_ledger_shows_what_chapter_15_printed_and_leads_there(pages, claims):
    for cell in claims["cells"]:
        if re.fullmatch(r"c\d\d", cell["id"]):
            row = pages["ledger.html"].find(id=cell["id"].upper())
            assert row.pre.text.strip() == "".join(cell["outputs"][0]["text"]).strip()
            assert row.select_one(f"details a[href^='notebooks/15_claims.html#{cell['id']}-']")


def test_without_javascript_the_ledger_is_the_whole_table(browser, address, verdicts):
    page = browser.new_page(java_script_enabled=False)
    page.goto(address + "ledger.html")
    assert shown_claims(page) == list(verdicts)
    assert page.locator("table.ledger .ledger-verdict:visible").count() >= len(verdicts)
    assert not page.locator(".ledger-controls").is_visible()
    page.close()


def test_the_ledger_is_filtered_by_verdict_chapter_and_source_and_the_address_keeps_it(ledger, verdicts):
    choice(ledger, "verdict").select_option("does not hold")
    failing = [id for id, verdict in verdicts.items() if verdict == "does not hold"]
    assert shown_claims(ledger) == failing
    choice(ledger, "chapter").select_option(label="9. Similarity and search")
    choice(ledger, "source").select_option("article")
    found = shown_claims(ledger)
    assert found
    assert set(found) < set(failing)
    assert ledger.locator(".ledger-count").inner_text() == f"{len(found)} of {len(verdicts)} claims"
    ledger.reload()
    assert shown_claims(ledger) == found
    ledger.get_by_role("button", name="Start again").click()
    assert shown_claims(ledger) == list(verdicts)


def test_a_claim_of_two_sources_is_found_by_both(ledger):
    for source in ("first answer", "second answer"):
        choice(ledger, "source").select_option(source)
        assert "C31" in shown_claims(ledger)


def test_a_link_to_a_claim_shows_it_whatever_is_filtered(ledger, address):
    ledger.goto(address + "ledger.html?verdict=holds#C17")
    assert "C17" in shown_claims(ledger)
    box = ledger.locator("#C17").bounding_box()
    assert 0 <= box["y"] < 900


def test_betting_first_hides_all_that_tells_a_verdict(ledger, verdicts):
    ledger.get_by_label("bet first").check()
    for row in ledger.locator("tr[data-bet]").all():
        text = row.inner_text()
        assert "hidden until you bet" in text
        assert "=>" not in text
        assert row.locator(".ledger-verdict:visible").count() == 0
    assert choice(ledger, "verdict").is_disabled()
    published = [id for id, verdict in verdicts.items() if verdict in ledger_page.NO_BET]
    assert [id for id in published if ledger.locator(f"#{id} .ledger-verdict:visible").count() == 0] == []


def test_a_bet_by_keyboard_shows_the_verdict_and_counts_it_beside_who_always_says_the_same(ledger, verdicts):
    ledger.get_by_label("bet first").focus()
    ledger.keyboard.press("Space")
    for id, bet in [("C01", "holds"), ("C05", "holds"), ("C09", "does not hold")]:
        ledger.locator(f"#{id} .ledger-bets button", has_text=re.compile(rf"^\W {bet}$")).focus()
        ledger.keyboard.press("Enter")
        assert ledger.evaluate("document.activeElement.className") == "ledger-result"
        right = "Right." if verdicts[id] == bet else f"Measured: {verdicts[id]}."
        assert ledger.evaluate("document.activeElement.textContent") == f"You bet: {bet}. {right}"
        assert verdicts[id] in ledger.locator(f"#{id} td[data-label] .ledger-verdict").first.inner_text()
    score = ledger.locator(".ledger-score").inner_text()
    assert score == "You: 2 of 3 right. Who says “holds” each time: 1 of 3."
    ledger.get_by_role("button", name="Start again").click()
    assert ledger.locator(".ledger-score").inner_text() == ""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_in_the_ledger_while_betting(ledger, theme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    ledger.set_viewport_size({"width": width, "height": 900})
    ledger.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    ledger.get_by_label("bet first").check()
    ledger.locator("#C05 .ledger-bets button").first.click()
    violations = axe.run(ledger, context="article").response["violations"]
    assert [(each["id"], each["nodes"][0]["target"]) for each in violations] == []


def test_on_a_phone_the_ledger_is_a_list_of_cards_that_is_still_a_table_to_a_screen_reader(ledger, verdicts):
    ledger.set_viewport_size({"width": 390, "height": 844})
    assert ledger.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    widths = {round(ledger.locator(f"#C17 {part}").first.bounding_box()["width"]) for part in ("th", "td")}
    assert len(widths) == 1  # below each other, each as wide as the card
    assert ledger.get_by_role("row").count() == len(verdicts) + 1


def test_the_ledger_has_a_column_for_each_checkpoint_whose_verdicts_are_stored(claims):
    other = {"bert-base-uncased, 2026-12-01": {"C01": "does not hold"}}
    first, second, *_ = ledger_page.entries(claims, other)
    assert list(first.verdicts) == ["minilm", "random weights", *other]
    assert (first.verdicts[next(iter(other))], second.verdicts[next(iter(other))]) == ("does not hold", "")


def test_a_verdict_without_a_sign_is_refused(claims):
    with pytest.raises(ValueError, match=r"C02: the verdict 'maybe' has no sign in book/ledger_page\.py"):
        ledger_page.entries(claims, {"another": {"C02": "maybe"}})


def test_the_ledger_s_page_knows_every_verdict():
    assert set(ledger_page.SIGNS) == set(VERDICTS)


def test_search_finds_a_word_offline(browser, address):
    page = browser.new_page()
    page.goto(address + "search.html?q=segment")
    page.wait_for_selector("#search-results li a[href*='04_segment_ids.html']")
    page.close()


def test_the_main_part_of_a_page_is_its_text(pages):
    for path, page in written(pages).items():
        assert [part.name for part in page.select("main, [role=main]")] == ["article"], path
    assert len(pages["search.html"].select("main, [role=main]")) == 1


@pytest.mark.parametrize("query", ["pooling", "segment", "light"])
def test_what_the_search_shows_of_a_page_is_its_text(query, browser, address):
    page = browser.new_page()
    page.goto(f"{address}search.html?q={query}")
    page.wait_for_function("""() => {
        const found = [...document.querySelectorAll("#search-results ul.search > li")];
        const told = found.filter(each => each.querySelector("p.context, span"));  // an object has its kind instead
        return /found/.test(document.querySelector(".search-summary")?.innerText) && told.length === found.length;
    }""")
    excerpts = page.locator("p.context").all_text_contents()
    page.close()
    assert len(excerpts) > 3
    around = [
        "System Settings",
        "Open issue",
        "Ctrl",
        "Repository",
        "Suggest edit",
        "Contents",
        "Copyright",
        ".ipynb",
    ]
    assert [(word, text) for word in around for text in excerpts if word in text] == []


def test_on_a_laptop_nothing_scrolls_sideways(browser, address, pages):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    wide = []
    for path in written(pages):
        page.goto(address + path)
        page.evaluate(PREPARE)
        wide += [(path, *each) for each in page.evaluate(WIDE)]
    page.close()
    assert wide == []


def test_no_table_that_is_printed_is_so_wide_that_its_lines_are_broken():
    for file in NOTEBOOKS:
        for cell in json.loads(file.read_text(encoding="utf-8"))["cells"]:
            printed = [output["text"] for output in cell.get("outputs", []) if output["output_type"] == "stream"]
            widths = [len(line.rstrip("\n")) for lines in printed for line in lines]
            alike = [
                n for n, second, third in zip(widths, widths[1:], widths[2:], strict=False) if n == second == third
            ]
            assert max(alike, default=0) <= 89, (file.name, cell["id"])


def test_is_dark_where_the_reader_s_system_is_dark(browser, address):
    page = browser.new_page(color_scheme="dark")
    page.goto(address)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_verdict_stands_on_the_page_s_own_background(theme, browser, address):
    page = browser.new_page(color_scheme=theme)
    page.goto(address + "notebooks/01_loading.html")
    box = page.locator(".text_html:has(.verdict)").first
    assert box.evaluate("box => getComputedStyle(box).backgroundColor") == "rgba(0, 0, 0, 0)"
    text, around = (f"x => getComputedStyle(x{part}).color" for part in ("", ".closest('article')"))
    assert box.evaluate(text) == box.evaluate(around)
    page.close()


def test_formulas_are_drawn_offline(browser, tmp_path):
    source, site = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    (source / "index.md").write_text("# A formula\n\n$\\cos(a, b)$\n", encoding="utf-8")
    subprocess.run([sys.executable, "-m", "sphinx", "-W", "-q", "-c", ROOT / "book", source, site], check=True)
    page = browser.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((site / "index.html").as_uri())
    page.wait_for_selector("mjx-container svg")
    page.close()
    assert all(foreign(url, "file:") is False for url in asked)
