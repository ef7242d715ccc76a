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

from tests.browser import launched
from tools import lab

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
            if "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
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
