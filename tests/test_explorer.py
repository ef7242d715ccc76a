"""The explorer: its numbers are those of torch, its pieces those of the tokenizer, and anyone can use its page."""

import contextlib
import csv
import io
import json
import random
import re
import shutil
import subprocess
import sys
import time
import tomllib
import unicodedata
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

import bertutil
from bertutil.course import datasets, rivals
from bertutil.static import glove
from tests.browser import launched, served

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "book" / "explorer"
SHARED = ROOT / "bertutil" / "course" / "explorer"
explorer = import_module("tools.explorer")
if why := explorer.missing():
    pytest.skip(why, allow_module_level=True)
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(not NODE, reason="needs Node")

STATES = """async ([model, ids, segments, mask]) => {
    const ort = await import("./ort.wasm.min.mjs");
    ort.env.wasm.numThreads = 1;
    const session = await ort.InferenceSession.create(model, {executionProviders: ["wasm"]});
    const n = ids.length;
    const { states } = await session.run({
        ids: new ort.Tensor("int32", Int32Array.from(ids), [n]),
        segments: new ort.Tensor("int32", Int32Array.from(segments), [n]),
        mask: new ort.Tensor("float32", Float32Array.from(mask), [n, n]),
    });
    const data = [...await states.getData()];
    await session.release();
    return data;
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The page with what it needs, made from the default checkpoint, and with one set of sentences."""
    folder = tmp_path_factory.mktemp("site") / "explorer"
    explorer.build(folder, sets=["senses"])
    return folder


@pytest.fixture(scope="module")
def tiny_site(tiny_folder, tmp_path_factory):
    """The same from a tiny random checkpoint, with all sets."""
    folder = tmp_path_factory.mktemp("tiny") / "explorer"
    explorer.build(folder, str(tiny_folder))
    return folder


@pytest.fixture(scope="module")
def address(site):
    with served(site.parent) as address:
        yield f"{address}explorer/index.html"


@pytest.fixture(scope="module")
def browser():
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def context(browser):
    """A browser's memory: what one page has put into the cache, the next one finds there."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="light")
    yield context
    context.close()


@pytest.fixture(scope="module")
def noted(address, context):
    """What went wrong on any page of `context`, and all that was asked for."""
    noted = {"errors": [], "foreign": [], "asked": []}
    host = address.removesuffix("explorer/index.html")

    def listen(page):
        page.on("pageerror", lambda error: noted["errors"].append(str(error)))
        page.on("console", lambda m: m.type in ("error", "warning") and noted["errors"].append(m.text))

    def ask(request):
        noted["asked"].append(request.url)
        if not request.url.startswith((host, "data:", "blob:")):
            noted["foreign"].append(request.url)

    context.on("page", listen)
    context.on("request", ask)
    return noted


def opened(context, address, at=""):
    page = context.new_page()
    page.goto(f"{address}{at}")
    page.wait_for_selector("html[data-ready]")
    page.wait_for_selector("#columns-0 button")
    return page


@pytest.fixture(scope="module")
def examples(context, address, noted):
    """What the page says of the five examples before the model is there."""
    page = opened(context, address)
    said = [choose_example(page, example["name"]) for example in explorer.EXAMPLES]
    page.close()
    return said


@pytest.fixture(scope="module")
def page(context, address, noted, examples):
    """The page with the model loaded."""
    page = opened(context, address)
    page.click("#load")
    page.wait_for_selector("#states[data-by=model]", timeout=120_000)
    return page


def choose_example(page, name):
    """Choose an example, and return what the page says of it."""
    return computed(page, lambda: page.click(f"[data-name={name}]"))


def said(page):
    return {part: page.text_content(f"#{part}") for part in ("curve-title", "change-said", "between-title")}


def numbers(text):
    return [float(number) for number in re.findall(r"\d\.\d+", text)]


def computed(page, action):
    """Do something that changes step three, wait until it has, and return what the page then says."""
    page.evaluate("delete document.getElementById('states').dataset.by")
    action()
    page.wait_for_selector("#states:is([data-by=model], [data-by=example])", timeout=60_000)
    return said(page)


def show(page, **state):
    """Bring the page into a state through its address."""
    hash = page.evaluate("state => new URLSearchParams(state).toString()", {k: str(v) for k, v in state.items()})
    return computed(page, lambda: page.evaluate("hash => { location.hash = hash }", hash))


# --- The model ------------------------------------------------------------------------------------------------------


def in_browser(page, site, encoding, mask=None):
    """The states [layers, tokens, features] that the file of the model gives in the browser."""
    ids, n = encoding.input_ids[0].tolist(), encoding.input_ids.shape[1]
    mask = torch.zeros(n, n) if mask is None else mask
    model = next(site.glob("model-*.onnx")).name
    data = page.evaluate(STATES, [model, ids, encoding.token_type_ids[0].tolist(), mask.flatten().tolist()])
    return torch.tensor(data).reshape(-1, n, 384)


def test_states_in_the_browser_are_those_of_torch(page, site, bert, bank_sentence):
    encoding = bertutil.encode(bert, bank_sentence)
    ours = in_browser(page, site, encoding)
    theirs = bertutil.hidden_states(bert, encoding)[0].transpose(0, 1)
    assert ours.shape == theirs.shape
    assert torch.cosine_similarity(ours, theirs, dim=-1).min() >= 0.998


def test_the_two_bank_cosines_are_those_of_torch(page, bert, bank_sentence):
    states = bertutil.hidden_states(bert, bertutil.encode(bert, bank_sentence))[0]
    for other in (10, 19):
        (shown,) = numbers(show(page, **{"from": 6, "to": other})["curve-title"])
        expected = torch.cosine_similarity(states[6, -1], states[other, -1], dim=0).item()
        assert shown == pytest.approx(expected, abs=0.002)


def test_an_example_says_before_the_model_is_there_what_the_model_says(page, examples):
    for example, before in zip(explorer.EXAMPLES, examples, strict=True):
        after = choose_example(page, example["name"])
        for part, text in before.items():
            assert numbers(after[part]) == pytest.approx(numbers(text), abs=0.01), (example["name"], part)
        assert bool(before["change-said"]) == ("change" in example)


def chapter_10(bert, cut):
    """How far bank moves at the last layer where river becomes street, computed as in chapter 10."""
    states = []
    for text in (explorer.RIVER, explorer.RIVER.replace("river", "street")):
        encoding = bertutil.encode(bert, text)
        n = encoding.input_ids.shape[1]
        mask = torch.zeros(1, 1, n, n)
        for looks, at in cut:
            mask[0, 0, looks, at] = float("-inf")
        with torch.no_grad():
            states.append(bert.model(encoding.input_ids, token_type_ids=encoding.token_type_ids, attention_mask=mask))
    one, other = (state.last_hidden_state[0, 8] for state in states)
    return ((other - one).norm() / one.norm()).item()


@pytest.mark.parametrize(
    ("change", "cut"), [("one", [(8, 5)]), ("all", [(looks, 5) for looks in range(11) if looks != 5])]
)
def test_the_cut_moves_the_bank_as_in_chapter_10(page, bert, change, cut):
    state = {"a": explorer.RIVER, "b": explorer.RIVER.replace("river", "street"), "from": 8, "to": 5}
    now, plain = numbers(show(page, change=change, **state)["between-title"])
    assert plain == pytest.approx(chapter_10(bert, []), abs=0.003)
    assert now == pytest.approx(chapter_10(bert, cut), abs=0.003)


def test_only_the_cut_word_itself_moves_between_the_texts_where_nobody_looks_at_it(page):
    state = {"a": explorer.RIVER, "b": explorer.RIVER.replace("river", "street"), "from": 5, "to": 8}
    show(page, change="all", **state)  # nobody looks at bank: all but bank may move by river
    cells = page.locator("#moves .ex-cell").evaluate_all(
        "cells => cells.map(cell => cell.style.getPropertyValue('--side'))"
    )
    moved = np.array([side != "0" for side in cells]).reshape(7, 22)
    assert not moved[6].any()  # layer 0, below: a cut changes nothing before the first attention
    assert not moved[5, [8, 19]].any()  # what is cut off still sees all others
    assert moved[5, [i for i in range(22) if i not in (8, 19)]].all()


def test_the_lines_in_python_give_what_the_page_shows(page):
    title = show(page, a="A bank.", b="The river bank.", **{"from": 2, "to": 8}, change="none")["curve-title"]
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(page.text_content("#python"), {})
    last = numbers(output.getvalue())[-1]
    assert output.getvalue().startswith("bank bank")
    assert numbers(title) == [pytest.approx(last, abs=0.004)]


def test_the_lines_in_python_make_the_cut(page):
    said = show(page, a=explorer.RIVER, b="", **{"from": 8, "to": 5}, change="one")["change-said"]
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(page.text_content("#python"), {})
    assert numbers(said) == [pytest.approx(numbers(output.getvalue())[-1], abs=0.01)]


# --- Pieces ---------------------------------------------------------------------------------------------------------


def data_set_texts():
    """All texts of all data sets."""
    folder = ROOT / "bertutil" / "course" / "datasets"
    texts = [line for file in folder.glob("*.txt") for line in file.read_text(encoding="utf-8").splitlines()]
    for file in folder.glob("*.csv"):
        texts += [cell for row in csv.reader(file.open(encoding="utf-8", newline="")) for cell in row]
    for file in folder.glob("*.jsonl"):
        texts += [str(value) for line in file.open(encoding="utf-8") for value in json.loads(line).values()]
    texts += [" ".join(tagged.words) for part in ("train", "test") for tagged in datasets.entities(part)]
    return list(dict.fromkeys(texts))


def random_texts(n, seed=0):
    """Texts of characters that Unicode has assigned, from all planes, and of those in daily use."""
    draw = random.Random(seed)
    assigned = [c for c in map(chr, range(sys.maxunicode)) if unicodedata.category(c) not in ("Cn", "Cs", "Co")]
    daily = [c for c in assigned if ord(c) < 0x3000]
    pools = [assigned, daily, daily[:128], [c for c in daily if unicodedata.category(c)[0] in "CMPZ"]]
    return ["".join(draw.choices(draw.choice(pools), k=draw.randrange(40))) for _ in range(n)]


def tokenized_by_javascript(bert, texts):
    given = {"vocabulary": "\n".join(explorer.vocabulary(bert)), "settings": explorer.settings(bert), "texts": texts}
    script = FOLDER / "tests" / "tokenize.js"
    done = subprocess.run([NODE, script], input=json.dumps(given), capture_output=True, encoding="utf-8", check=True)
    return json.loads(done.stdout)


def tokenized_by_bertutil(bert, texts):
    pieces = [[] for _ in texts]
    for start in range(0, len(texts), 500):
        encoding = bertutil.encode(bert, texts[start : start + 500], too_long="window", stride=0)
        for row, text in zip(encoding.tokens, encoding.text_index.tolist(), strict=True):
            pieces[start + text] += row[1:-1]
    return pieces


@needs_node
def test_pieces_of_all_data_sets_are_those_of_the_tokenizer(bert):
    texts = data_set_texts()
    assert len(texts) > 3000
    assert tokenized_by_javascript(bert, texts) == tokenized_by_bertutil(bert, texts)


@needs_node
def test_pieces_of_random_texts_are_those_of_the_tokenizer_but_for_characters_that_are_newer(bert):
    texts = random_texts(3000)
    characters = sorted(set("".join(texts)))
    alone = [f"a{character}b" for character in characters]
    found = zip(characters, tokenized_by_javascript(bert, alone), tokenized_by_bertutil(bert, alone), strict=True)
    newer = {character for character, one, other in found if one != other}
    # the tokenizer's own tables end before Unicode 9 or so; see the words of the page
    assert len(newer) < len(characters) / 50
    assert not [c for c in newer if ord(c) < 0x530 or unicodedata.name(c, "").startswith("CJK UNIFIED")]
    kept = ["".join(character for character in text if character not in newer) for text in texts]
    assert tokenized_by_javascript(bert, kept) == tokenized_by_bertutil(bert, kept)


def test_a_pair_has_the_ids_and_segments_of_the_tokenizer(page, bert):
    show(page, a="Ein Straßenbahnfahrer 🙂", b="schläft.", pair=1)
    encoding = bertutil.encode(bert, ["Ein Straßenbahnfahrer 🙂"], ["schläft."])
    column = "items => items.slice(1).map(item => Number(item.textContent))"  # the first is the name of the row
    assert page.locator("#rows .id").evaluate_all(column) == encoding.input_ids[0].tolist()
    assert page.locator("#rows .segment").evaluate_all(column) == encoding.token_type_ids[0].tolist()


def test_a_word_that_cannot_be_spelled_is_named(page):
    computed(page, lambda: page.fill("#a", "A 🙂 here"))
    assert "[UNK]" in page.text_content("#rows")
    assert "“🙂”" in page.text_content("#unknown")


# --- Senses ---------------------------------------------------------------------------------------------------------


def test_accuracies_are_those_of_the_course(site, bert):
    rows = datasets.senses()
    own = rivals.accuracies(rivals.word_states(bert, rows), rows)
    data = json.loads((site / "senses.json").read_text(encoding="utf-8"))
    assert np.array([word["own"] for word in data["words"]]) == pytest.approx(own, abs=0.001)
    assert [mean for mean, _, _ in data["own"]] == pytest.approx(own.mean(axis=0).tolist(), abs=0.001)


def test_places_turn_and_do_not_stretch_from_layer_to_layer():
    torch.manual_seed(0)
    flat = torch.nn.functional.normalize(torch.randn(24, 3), dim=-1)
    turned = flat @ torch.linalg.qr(torch.randn(3, 3))[0]  # the same vectors, seen from elsewhere
    places, spread = explorer.in_two_dimensions(torch.stack([flat, turned], dim=1))
    assert torch.allclose(places[0], places[1], atol=1e-5)
    assert spread[0] == pytest.approx(spread[1])
    assert places.norm(dim=-1).max() == pytest.approx(1)


def test_nearest_is_counted_in_all_features():
    vectors = torch.tensor([[1.0, 0.0, 5.0], [1.0, 0.1, -5.0], [0.0, 1.0, 5.0]])
    assert explorer.nearest(vectors)[0] == 2


def test_step_two_shows_the_accuracy_of_the_chosen_word_and_layer(page, site):
    data = json.loads((site / "senses.json").read_text(encoding="utf-8"))
    page.select_option("#word", "seal")
    page.locator("#depth").fill("3")
    word = next(word for word in data["words"] if word["word"] == "seal")
    page.wait_for_function("document.getElementById('accuracy-word').textContent.includes('“seal” at layer 3')")
    assert f"{word['own'][3]:.0%}".replace("%", " %") in page.text_content("#accuracy-word")
    assert page.locator("#senses .ex-point").count() == len(word["sentences"])


def test_a_point_in_focus_shows_its_sentence_and_the_nearest_one(page, site):
    data = json.loads((site / "senses.json").read_text(encoding="utf-8"))
    word = data["words"][0]
    page.select_option("#word", word["word"])
    page.locator("#depth").fill("6")
    page.locator("#senses .ex-point").nth(4).focus()
    assert word["sentences"][4] in page.text_content("#sense-chosen")
    assert word["sentences"][word["nearest"][6][4]] in page.text_content("#sense-nearest")


def test_each_file_of_senses_has_at_most_200_kilobytes(tiny_site):
    files = list(tiny_site.glob("senses*.json"))
    assert len(files) == 3
    assert max(file.stat().st_size for file in files) <= 200_000


def test_neighbours_in_the_table_are_those_of_glove(page):
    show(page, a="A bank by the river.", b="", **{"from": 2, "to": 5})
    page.click("#glove-load")
    page.wait_for_selector("#glove-words p:nth-child(2)")
    shown = re.findall(r"([\w-]+) 0\.\d\d", page.text_content("#glove-words p:first-child"))
    words = glove().words[: explorer.GLOVE_WORDS]
    expected = [word for word, _ in glove().nearest("bank", k=40) if word in set(words)][:8]
    assert len(set(shown) & set(expected)) >= 7  # the eighth may change places with the ninth: 8 bits


# --- The page -------------------------------------------------------------------------------------------------------


def test_any_checkpoint_will_do(browser, tiny_site):
    with served(tiny_site.parent) as address:
        page = browser.new_page()
        page.goto(f"{address}explorer/index.html#set=senses_new_words&word=rock&layer=9")
        page.wait_for_selector("#columns-0 button")
        page.wait_for_function("document.getElementById('accuracy-word').textContent.includes('“rock”')")
        assert page.get_attribute("#layer", "max") == "3"
        page.click("#load")
        page.wait_for_selector("#states[data-by=model]", timeout=60_000)
        assert "at layer 3" in page.text_content("#curve-title")
        page.close()


def test_every_control_can_be_used_with_the_keyboard_alone(page):
    show(page, a=explorer.RIVER, b="", **{"from": 8, "to": 5}, change="all", head=3)
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("(e => e.id || e.parentElement?.id || e.closest('[id]')?.id)(document.activeElement)")
        )
    controls = [
        "a",
        "b",
        "examples",
        "languages",
        "word",
        "set",
        "depth",
        "play",
        "layer",
        "swap",
        "columns-0",
        "head",
    ]
    controls += ["attention", "heads", "change", "moves", "copy-link", "theme"]
    assert [control for control in controls if control not in reached] == []
    page.locator("#columns-0 button").nth(8).focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    assert page.text_content("#columns-0 [data-mark='from here'] .ex-piece") == "the"
    page.locator("#layer").focus()
    page.keyboard.press("ArrowLeft")
    assert page.text_content("#layer-now") == "layer 5"
    page.locator("#heads .ex-cell").nth(0).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    assert page.text_content("#layer-now") == "layer 2"


def test_what_was_chosen_stands_in_the_address_and_is_found_again(context, page, noted):
    show(page, a="50 % & #1 “ü” 🙂 bank", b="A bank?", **{"from": 2, "to": 5}, head=4, change="ones", word="bat")
    other = context.new_page()
    other.goto(page.url)
    other.wait_for_selector("html[data-ready]")
    for field in ("a", "b", "change", "word", "layer"):
        other.wait_for_function("id => document.getElementById(id).value", arg=field)
        assert other.input_value(f"#{field}") == page.input_value(f"#{field}"), field
    other.wait_for_selector("#needs-model:not([hidden])")  # and where the model is not there, the page says so
    other.close()


def test_the_model_is_asked_for_once_and_then_comes_from_the_cache(context, address, page, noted):
    model = [url for url in noted["asked"] if url.endswith(".onnx")]
    again = opened(context, address)
    again.click("#load")
    again.wait_for_selector("#states[data-by=model]", timeout=60_000)
    again.close()
    assert [url for url in noted["asked"] if url.endswith(".onnx")] == model != []


def test_the_worker_is_ended_on_leaving(context, address, page):
    leaving = opened(context, address)
    leaving.click("#load")
    leaving.wait_for_selector("#states[data-by=model]", timeout=60_000)
    (worker,) = leaving.workers
    with worker.expect_event("close", timeout=10_000):
        leaving.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
    assert leaving.is_visible("#load")
    leaving.close()


# In the place of the program that runs the model: one that finds no memory, at once or when it runs
FAKE = """export const env = {wasm: {}};
export class Tensor {};
const fail = async () => { throw new RangeError("Array buffer allocation failed") };
"""
LOADING = FAKE + "export const InferenceSession = { create: fail };"
RUNNING = FAKE + "export const InferenceSession = { create: async () => ({ run: fail }) };"


@pytest.mark.parametrize(
    ("file", "answer", "words"),
    [
        ("*.onnx", {"status": 404}, "could not be fetched"),
        ("ort.wasm.min.mjs", {"content_type": "text/javascript", "body": LOADING}, "not enough memory"),
        ("ort.wasm.min.mjs", {"content_type": "text/javascript", "body": RUNNING}, "not enough memory"),
        ("ort.wasm.min.mjs", {"content_type": "text/javascript", "body": "no module"}, "cannot run the model"),
    ],
    ids=["network", "memory-loading", "memory-running", "old-browser"],
)
def test_a_failure_is_said_in_words_and_can_be_tried_again(browser, address, file, answer, words):
    page = browser.new_page()
    page.route(f"**/{file}", lambda route: route.fulfill(**answer))
    page.goto(address)
    page.wait_for_selector("#columns-0 button")
    page.click("#load")
    page.wait_for_function("words => document.getElementById('status').textContent.includes(words)", arg=words)
    assert page.is_visible("#load")
    assert page.is_visible("#curve svg")
    page.close()


def test_axe_finds_nothing_in_light_or_dark(page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    show(page, a=explorer.RIVER, b=explorer.RIVER.replace("river", "🙂"), **{"from": 8, "to": 5}, change="all")
    page.evaluate("for (const folded of document.querySelectorAll('details')) folded.open = true")
    page.add_style_tag(content="* { animation: none !important; transition: none !important; }")
    for theme in ("light", "dark"):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        violations = axe.run(page, options={"preload": False, "resultTypes": ["violations"]}).response["violations"]
        found = [(violation["id"], violation["nodes"][0]["target"]) for violation in violations]
        assert found == [], theme


def test_the_page_is_no_wider_than_a_phone(page):
    assert page.evaluate("document.scrollingElement.scrollWidth - innerWidth") <= 0


def test_without_javascript_the_page_says_what_it_is(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert "switched off" in page.text_content("noscript")
    assert page.text_content("h1") == "Type, and watch the vectors move"
    context.close()


def test_the_first_step_needs_at_most_400_kilobytes(site):
    first = ["index.html", "style.css", "drawing.css", "vocabulary.txt", *site.glob("*.js")]
    first = [site / file for file in first if Path(file).name != "model-worker.js"]
    assert sum(file.stat().st_size for file in first) <= 400_000


@pytest.mark.weekly
def test_the_first_step_can_be_used_within_a_second(browser, address):
    page = browser.new_page()
    start = time.perf_counter()
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    assert time.perf_counter() - start < 1
    page.close()


def test_nothing_went_wrong_on_the_way_and_no_other_host_was_asked(page, noted):
    """The last test with `page`: what all of them did."""
    assert noted["errors"] == []
    assert noted["foreign"] == []
    assert len(noted["asked"]) > 20


# --- The modules ----------------------------------------------------------------------------------------------------


def used_words():
    files = [file for folder in (FOLDER, SHARED) for file in folder.glob("*.js") if file.name != "words.js"]
    return "".join(file.read_text(encoding="utf-8") for file in [*files, FOLDER / "index.html"])


def test_every_word_is_in_the_one_file_and_is_used():
    words = explorer.page_words()
    used = used_words()
    asked = set(re.findall(r"{{(\w+)}}", used)) | set(re.findall(r'say\("(\w+)"', used))
    assert asked <= words.keys()
    stems = ("unknown_", "change_", "did_", "cannot_", "failed_")  # put together with what comes behind
    assert {word for word in words.keys() - asked if not word.startswith(stems) and f'"{word}"' not in used} == set()


def test_every_file_of_the_page_is_passed_on():
    assert {file.name for file in FOLDER.glob("*.js")} == {f for f in explorer.PAGE_FILES if f.endswith(".js")}
    here = {file.name for kind in ("js", "css") for file in SHARED.glob(f"*.{kind}")}
    assert here - {*explorer.SHARED_FILES} == {"widget.js", "widget.css"}  # of a notebook alone


def test_the_drawing_is_in_one_place_and_in_the_package():
    assert [name for name in explorer.SHARED_FILES if (FOLDER / name).exists()] == []
    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
    assert data["bertutil.course.explorer"] == ["*.css", "*.js"]


def test_the_drawings_import_nothing():
    assert not re.search(r"^import|import\(", (SHARED / "drawing.js").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_lock_file_names_no_registry():
    lock = json.loads((FOLDER / "package-lock.json").read_text(encoding="utf-8"))
    assert lock["packages"]["node_modules/onnxruntime-web"]["version"] == "1.30.0"
    assert "http" not in json.dumps([package.get("resolved", "") for package in lock["packages"].values()])


@needs_node
def test_the_modules_pass_their_own_tests():
    done = subprocess.run([NODE, "--test"], cwd=FOLDER, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout
    assert re.search("# pass [1-9]", done.stdout)


@needs_node
def test_the_types_hold():
    compiler = FOLDER / "node_modules" / "typescript" / "bin" / "tsc"
    done = subprocess.run([NODE, compiler, "-p", FOLDER], capture_output=True, encoding="utf-8")
    assert done.stdout == ""


def test_without_node_the_book_says_that_it_is_without_the_explorer(monkeypatch, tmp_path):
    book = import_module("tools.book")
    monkeypatch.setattr(explorer, "RUNTIME", tmp_path)
    assert "npm ci" in explorer.missing()
    text = book.link_to_explorer(explorer.missing())
    assert "without the explorer" in text
    assert "](" not in text
