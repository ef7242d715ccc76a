"""Each chapter in JupyterLab, in a real browser: all cells run, no error, nothing broken on the page.

All chapters take six to eight minutes of a core. By default one is run, with text, tables and figures;
BERTUTIL_LAB=all takes all of them, as the weekly check does. What every chapter prints and draws is compared in each
run by the notebooks' own tests. Screenshots go to the folder BERTUTIL_SCREENSHOTS, else to pytest's temporary one.
"""

import os
import shutil
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
import torch

import bertutil
from bertutil.course.plots.common import WIDGET
from tests.browser import launched
from tools import lab
from tools.notebooks import METADATA

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
DEFAULT = "02_special_tokens.ipynb"
CHOSEN = [path for path in NOTEBOOKS if os.environ.get("BERTUTIL_LAB") == "all" or path.name == DEFAULT]
VIEW = {"width": 1280, "height": 900}
PAGE = """() => {
    const found = [];
    const page = document.querySelector('.jp-WindowedPanel-outer');
    const edge = page.getBoundingClientRect().left + page.clientWidth + 1;
    const name = part => part.className.split(' ')[0] + ' ' + part.innerText.trim().slice(0, 60);
    for (const image of page.querySelectorAll('img'))
        if (!image.complete || image.naturalWidth === 0) found.push('broken image: ' + image.alt);
    for (const part of page.querySelectorAll('.jp-OutputArea-output, .jp-RenderedMarkdown, .cm-scroller'))
        if (part.clientWidth && (part.scrollWidth > part.clientWidth + 1
                                 || part.getBoundingClientRect().right > edge))  // 0: folded away
            found.push('wider than the page: ' + name(part));
    return found;
}"""
# An image that assistive technology is told of, is called something and cannot be seen
WORDS = """images => images.filter(i => i.complete && i.offsetWidth === 1 && i.offsetHeight === 1).map(i => i.alt)"""
VERDICTS = "boxes => boxes.map(box => [box.textContent, getComputedStyle(box).borderLeftColor])"


@pytest.fixture(scope="module")
def browser():
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(NOTEBOOKS[0].parent, folder / "notebooks")
    with lab.serve(folder) as server:
        yield server


@contextmanager
def opened(browser, server):
    """An empty page; what runs in the server is ended with it, so that one chapter cannot spoil the next."""
    page = browser.new_page(viewport=VIEW)
    yield page
    page.close()
    for session in server.call("GET", "sessions"):
        server.call("DELETE", f"sessions/{session['id']}")


@pytest.fixture
def page(browser, server):
    with opened(browser, server) as page:
        yield page


@pytest.fixture
def screenshots(tmp_path):
    folder = Path(os.environ.get("BERTUTIL_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def wait_for(done, seconds):
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"not done within {seconds} seconds"
        time.sleep(0.5)


def open_notebook(page, server, path):
    page.goto(f"{server.url}/lab/tree/{path}?reset&token={server.token}")
    page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=120_000)
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=120_000)


def windows(page):
    """Scroll from the top to the end: the number of each window. Lab keeps only the cells near it in the page."""
    panel = page.locator(".jp-WindowedPanel-outer")
    panel.evaluate("panel => panel.scrollTo(0, 0)")
    for number in range(200):
        page.wait_for_timeout(300)
        yield number
        move = "panel => { const old = panel.scrollTop; panel.scrollBy(0, 0.9 * panel.clientHeight); return old; }"
        before = panel.evaluate(move)
        if panel.evaluate("panel => panel.scrollTop") <= before:
            break
    assert number > 1  # it did scroll


def figures_in_words(page):
    """What a screen reader says of the figures in this window."""
    return page.locator("img.figure-in-words").and_(page.get_by_role("img")).evaluate_all(WORDS)


def alternative_texts(notebook):
    """What a notebook's figures are called."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return {output.metadata["image/png"]["alt"] for output in outputs if "image/png" in output.get("data", {})}


def run_all(page, server, path):
    """Open a notebook, Run All, wait for the kernel to be idle and the file to be saved; the notebook as saved."""
    open_notebook(page, server, path)

    def idle():
        return [s["kernel"]["execution_state"] for s in server.call("GET", "sessions")] == ["idle"]

    wait_for(idle, 120)
    page.click("text=Run >> nth=0")
    page.click(".lm-Menu-item[data-command='runmenu:run-all']")
    quiet = 0

    def finished():
        nonlocal quiet
        quiet = quiet + 1 if idle() and page.locator("text='[*]:'").count() == 0 else 0
        return quiet == 4

    wait_for(finished, 600)
    page.keyboard.press("Control+s")
    page.wait_for_selector(".jp-mod-dirty", state="detached", timeout=30_000)
    return nbformat.from_dict(server.call("GET", f"contents/{path}")["content"])


@pytest.mark.skipif(sys.platform == "win32", reason="the server is stopped with signals")
@pytest.mark.parametrize("notebook", CHOSEN, ids=lambda path: path.name)
def test_a_chapter_runs_in_jupyterlab(notebook, page, server, screenshots):
    messages = []
    page.on("pageerror", lambda error: messages.append(f"page: {error}"))
    found = []
    saved = run_all(page, server, f"notebooks/{notebook.name}")
    for cell in (cell for cell in saved.cells if cell.cell_type == "code"):
        if cell.source.strip() and cell.execution_count is None:
            found.append(f"{cell.id}: was not run")
        for output in cell.outputs:
            if output.output_type == "error" or output.get("name") == "stderr":
                found.append(f"{cell.id}: {output.get('evalue') or output.get('text')}")
            if WIDGET in (data := output.get("data", {})) and "image/png" not in data:
                found.append(f"{cell.id}: a widget, which the page may not be able to show")
    said = set()
    for number in windows(page):
        page.screenshot(path=screenshots / f"{notebook.stem}-{number:02}.png")
        found += page.evaluate(PAGE)
        said |= {*figures_in_words(page)}
    assert list(dict.fromkeys([*found, *messages])) == []
    assert said == alternative_texts(saved)


@pytest.fixture(scope="module")
def not_trusted(browser, server):
    """What a page shows of a notebook that was not run here: figures in words, verdicts and their colours."""
    if sys.platform == "win32":
        pytest.skip("the server is stopped with signals")
    words, verdicts = set(), set()
    with opened(browser, server) as page:
        open_notebook(page, server, f"notebooks/{DEFAULT}")
        for _ in windows(page):
            words |= {*figures_in_words(page)}
            verdicts |= {*map(tuple, page.locator(".verdict").evaluate_all(VERDICTS))}
    return words, verdicts


def test_a_screen_reader_hears_of_each_figure_in_a_notebook_that_is_not_trusted(not_trusted):
    words, _ = not_trusted
    assert words == alternative_texts(nbformat.read(NOTEBOOKS[0].with_name(DEFAULT), as_version=4)) != set()


def test_a_verdict_keeps_its_sign_and_colour_in_a_notebook_that_is_not_trusted(not_trusted):
    _, verdicts = not_trusted
    assert verdicts == {("✓ Right.", "rgb(0, 158, 115)"), ("… Not tried yet.", "rgb(122, 122, 122)")}


# explore(): the drawing that moves


MONEY, FISHING = "The man was accused of robbing a bank.", "The man went fishing by the bank of the river."
EXPLORE = f"import bertutil\nfrom bertutil.course import explore\nexplore(bertutil.load(), {MONEY!r}, {FISHING!r})"


@pytest.fixture(scope="module")
def explored(browser, server):
    """A page with the widget, the notebook as saved, and the errors that the page's console has seen by then."""
    pytest.importorskip("anywidget")
    cells = [nbformat.v4.new_code_cell(EXPLORE), nbformat.v4.new_markdown_cell("below")]
    content = nbformat.v4.new_notebook(cells=cells, metadata=METADATA)
    server.call("PUT", "contents/explore.ipynb", {"type": "notebook", "content": content})
    with opened(browser, server) as page:
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: message.type == "error" and errors.append(message.text))
        saved = run_all(page, server, "explore.ipynb")
        page.wait_for_selector(".ex-widget .ex-title:not(:empty)")
        page.set_default_timeout(10_000)
        yield page, saved, errors


@pytest.fixture(scope="module")
def cosine(bert):
    """The cosine of two pieces, counted over both texts, at a layer."""
    rows = [bertutil.hidden_states(bert, bertutil.encode(bert, text))[0] for text in (MONEY, FISHING)]
    layers = [bertutil.cosine_similarity(layer) for layer in torch.cat(rows).unbind(dim=1)]
    return lambda one, other, layer: layers[layer][one, other].item()


def title_of(page):
    return page.text_content(".ex-widget .ex-title")


def choose_by_click(page, *places):
    """Click pieces, counted over both texts."""
    for place in places:
        page.locator(".ex-widget .ex-column").nth(place).click()


def test_the_widget_stands_in_the_place_of_the_picture_with_the_same_first_choice(explored, cosine, screenshots):
    page, saved, _ = explored
    page.screenshot(path=screenshots / "explore.png")
    assert page.locator(".ex-widget").count() == 1
    assert page.locator(".jp-OutputArea-output img:not(.figure-in-words)").count() == 0
    assert title_of(page) == f"“bank” (9) and “bank” (19): cosine {cosine(9, 19, 6):.3f} at layer 6"
    assert {alt.split(". ")[0] for alt in alternative_texts(saved)} == {title_of(page)}


def test_a_click_on_a_piece_shows_its_cosines(explored, cosine):
    page, _, _ = explored
    choose_by_click(page, 9, 22)
    assert title_of(page) == f"“river” and “bank” (9): cosine {cosine(22, 9, 6):.3f} at layer 6"
    numbers = page.locator(".ex-widget .ex-number").all_text_contents()
    assert numbers == [f"{cosine(22, other, 6):.2f}" for other in range(len(numbers))]
    assert page.locator("[data-mark='from here'] .ex-piece").text_content() == "river"


def test_all_can_be_done_with_the_keyboard_and_the_notebook_takes_no_key(explored, cosine):
    page, _, _ = explored
    choose_by_click(page, 9, 22)
    page.locator(".ex-widget .ex-column").nth(22).focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    assert title_of(page) == f"“of” (20) and “river”: cosine {cosine(20, 22, 6):.3f} at layer 6"
    page.locator(".ex-widget input").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    assert title_of(page) == f"“of” (20) and “river”: cosine {cosine(20, 22, 4):.3f} at layer 4"
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # swap
    assert title_of(page) == f"“river” and “of” (20): cosine {cosine(22, 20, 4):.3f} at layer 4"
    assert page.locator(".jp-Notebook.jp-mod-editMode").count() == 0
    assert page.locator(".jp-Cell.jp-mod-active .ex-widget").count() == 1
    page.locator(".ex-widget input").fill("6")


def test_axe_finds_nothing_in_the_widget_in_light_or_dark(explored, screenshots):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page, _, _ = explored
    for light in ("true", "false"):
        page.evaluate("light => { document.body.dataset.jpThemeLight = light; }", light)
        page.wait_for_timeout(500)  # the bars move
        page.locator(".ex-widget").screenshot(path=screenshots / f"explore-{light}.png")
        options = {"preload": False, "resultTypes": ["violations"]}
        violations = axe.run(page, context=".ex-widget", options=options).response["violations"]
        assert [(violation["id"], violation["nodes"][0]["target"]) for violation in violations] == []


def test_no_error_was_on_the_console(explored):
    assert explored[2] == []


def test_the_widget_goes_on_when_the_kernel_has_stopped(explored, server, cosine):
    """The last test with `explored`."""
    page, _, _ = explored
    for session in server.call("GET", "sessions"):
        server.call("DELETE", f"kernels/{session['kernel']['id']}")
    choose_by_click(page, 9, 1)
    assert title_of(page) == f"“the” (1) and “bank” (9): cosine {cosine(1, 9, 6):.3f} at layer 6"
