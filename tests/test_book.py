"""The book: it builds offline from the committed notebooks, and a real browser finds nothing wrong with its pages."""

import json
import os
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

import bertutil
from bertutil.course import plots
from tests.browser import launched

for needed in ("sphinx_book_theme", "myst_nb", "sphinx-mathjax-offline"):
    if not find_spec(needed):
        pytest.skip(f"needs {needed}: pip install -e .[docs]", allow_module_level=True)
bs4 = pytest.importorskip("bs4", reason="needs bs4: pip install -e .[docs]")
book = import_module("tools.book")

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ADDRESS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]

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
    """What a phone finds on every page: errors, requests to other hosts, too wide, violations in light and dark."""
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
        for theme, rules in [("light", options), ("dark", options | contrast)]:
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
        assert f"https://mybinder.org/v2/gh/{place}/main?urlpath=lab/tree/notebooks/{file.name}" in links
        assert f"https://colab.research.google.com/github/{place}/blob/main/notebooks/{file.name}" in links
        assert ADDRESS in links
    on_landing_page = {link["href"] for link in pages["index.html"].select(".buttons a")}
    first = pages["notebooks/00_tour.html"].select(".dropdown-launch-buttons a")
    assert {link["href"] for link in first} < on_landing_page


def test_reference_has_every_public_name_with_its_shapes(pages):
    page = pages["api.html"]
    callables = [name for name in bertutil.__all__ if not name.isupper()]
    assert [name for name in callables if not page.find(id=f"bertutil.{name}")] == []
    signature = page.find(id="bertutil.hidden_states").text
    assert "Float[Tensor, 'rows tokens layers features']" in signature
    assert [strategy for strategy in bertutil.STRATEGIES if f'"{strategy}"' not in page.text] == []


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


def test_search_finds_a_word_offline(browser, address):
    page = browser.new_page()
    page.goto(address + "search.html?q=segment")
    page.wait_for_selector("#search-results li a[href*='04_segment_ids.html']")
    page.close()


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
