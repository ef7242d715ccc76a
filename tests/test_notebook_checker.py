"""The notebook gate (tools/notebook_gate.py) and the writer (tools/notebooks.py) on deliberately bad notebooks."""

import base64
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from matplotlib.figure import Figure
from nbformat import v4
from PIL import Image

from bertutil.course.plots.common import WIDGET, in_words
from tools import notebook_gate as gate
from tools import notebooks

ROOT = Path(__file__).parent.parent

SHOW = """
import base64, io, uuid
from matplotlib.figure import Figure

def bars(heights, alt="four bars"):
    figure = Figure()
    figure.subplots().bar(["a", "b", "c", "d"], heights)
    figure.savefig(file := io.BytesIO())
    data = {"image/png": base64.b64encode(file.getvalue()).decode(), "text/plain": alt}
    data["application/vnd.jupyter.widget-view+json"] = {"model_id": uuid.uuid4().hex}  # another one in each run
    display(data, raw=True, metadata={"image/png": {"alt": alt}})
    display({"text/html": WORDS}, raw=True)
"""
SHOW += f"WORDS = {in_words('four bars')!r}\n"
NUMBERS = "print('cosine', 0.9406)"
TOKENS = "print(['em', '##bed', '##ding'])"
FIGURE = "bars([0.94, 0.89, 0.52, 0.31])"
ARRAY = "print('[ 0.3840600  -1.5       ]')"
CONNECT = "import socket\ntry:\n    socket.create_connection(('192.0.2.1', 80), 1)\nexcept OSError:\n    pass"


def write(path, sources, tags=()):
    cells = [v4.new_code_cell(source) for source in sources]
    cells[0].metadata.tags = ["parameters", *tags]
    nbformat.write(v4.new_notebook(cells=cells), path)
    return path


def run(*command, cwd=ROOT):
    """Run a command in `cwd`, which finds tools/; the exit status and what was printed."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("COV_", "PYTEST_"))}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH")]))
    environment["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # else older debuggers write to stderr
    result = subprocess.run(
        [sys.executable, *map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True
    )
    return result.returncode, result.stdout + result.stderr


def png(heights=(0.94, 0.89, 0.52, 0.31), label="cosine", **options):
    figure = Figure(figsize=(5, 3))
    axes = figure.subplots()
    axes.bar(["a", "b", "c", "d"], heights, color=options.pop("color", None))
    axes.set_ylabel(label)
    figure.savefig(file := io.BytesIO(), **options)
    return base64.b64encode(file.getvalue()).decode()


# one comparison at a time


@pytest.mark.parametrize(
    ("expected", "came"),
    [
        ("0.384060", "0.384064"),
        ("0.3840600201", "0.3840604176"),
        ("[ 0.198256    -1.5 ]", "[ 0.19825602 -1.5       ]"),
        ("[0.1, 0.2,\n       0.3]", "[0.1, 0.2, 0.3]"),
        ("[1. 2.]", "[0.9999999 2.       ]"),
        ("cosine 0.9406", "cosine 0.9407"),
        ("tensor(1.2346e-03)", "tensor(1.2345e-03)"),
        ("difference 4.77e-07", "difference 2.4e-07"),
        ("difference 4.77e-07", "difference 0.0"),
        ("-0.0000", "0.0000"),
        ("<td>0.384060</td>", "<td>0.384061</td>"),
        ("norm 22713.2,", "norm 22713.3,"),
        ("0.940612", "0.940619"),
        ("0.940612", "0.940621"),  # just under one unit of the fifth digit
        ("0.940", "0.941"),  # three decimals, and one unit in the last place
        ("1.0e-06", "0.0"),
    ],
)
def test_noise_passes(expected, came):
    assert gate.text_difference(expected, came) is None
    assert gate.text_difference(came, expected) is None


@pytest.mark.parametrize(
    ("expected", "came"),
    [
        ("0.96", "0.90"),
        ("0.96", "0.97"),
        ("0.9406", "0.9408"),
        ("0.9406", "-0.9406"),
        ("0.940612", "0.940712"),
        ("0.940612", "0.940632"),
        ("0.940612", "0.940622"),  # one unit of the fifth digit
        ("0.94", "0.95"),  # two decimals only
        ("0.940", "0.942"),
        ("0.9406", "0.94070"),  # printed with other decimals, which is no rounding
        ("2.0e-06", "0.0"),
        ("1.1e-06", "0.0"),
        ("4.77e-05", "4.77e-06"),
        ("2.0", "2"),
        ("30522", "30523"),
        ("109,482,240 parameters.", "109,482,241 parameters."),
        ("There are 109482240.", "There are 109482241."),
        ("torch 2.13.0", "torch 2.14.0"),
        ("MiniLM-L6-v2", "MiniLM-L12-v2"),
        ("em ##bed ##ding", "em ##bed ##dings"),
        ("play ##ing", "play## ing"),
        ("a b", "ab"),
        ("[1, 2, 3]", "[1, 2]"),
        ("nan", "0.0"),
        ("True", "False"),
        ("0.5 tokens", "0.5 token"),
        ("", "0.5"),
    ],
)
def test_falsified_text_fails(expected, came):
    assert gate.text_difference(expected, came)
    assert gate.text_difference(came, expected)


def test_the_message_shows_both_sides():
    message = gate.text_difference("the bank of the river: 0.9406 and 0.52", "the bank of the river: 0.8887 and 0.52")
    assert message.splitlines() == [
        "after 'the bank of the river:'",
        "    expected: '0.9406 and 0.52'",
        "    came:     '0.8887 and 0.52'",
    ]


def test_a_figure_with_noise_passes(monkeypatch):
    monkeypatch.setattr(gate, "other_matplotlib", lambda: None)
    noisy = png(heights=(0.940001, 0.890001, 0.519999, 0.31))
    assert gate.image_difference(png(), noisy) is None
    assert gate.image_difference(png(), png(metadata={"Title": "other bytes"})) is None


@pytest.mark.parametrize(
    "other",
    [
        {"heights": (0.94, 0.80, 0.52, 0.31)},
        {"heights": (0.94, 0.89, 0.53, 0.31)},
        {"heights": (0.94, 0.89, 0.31, 0.52)},
        {"color": "tab:orange"},
        {"label": "cosime"},
        {"dpi": 120},
    ],
)
def test_an_edited_figure_fails(monkeypatch, other):
    monkeypatch.setattr(gate, "other_matplotlib", lambda: None)
    assert gate.image_difference(png(), png(**other))


@pytest.fixture
def difference(monkeypatch):
    """The difference between two pictures that were made without matplotlib, as if `matplotlib` were installed."""

    def compare(expected, came, matplotlib=""):
        monkeypatch.setattr(gate, "other_matplotlib", lambda: matplotlib)
        return gate.image_difference(encoded(expected), encoded(came))

    return compare


def encoded(picture):
    picture.save(file := io.BytesIO(), "png")
    return base64.b64encode(file.getvalue()).decode()


def plain(width=60, height=40, grey=255, edge=0):
    """A picture of one grey, black on the left of `edge`."""
    picture = Image.new("RGB", (width, height), (grey,) * 3)
    picture.paste((0, 0, 0), (0, 0, edge, height))
    return picture


def test_twenty_pixels_may_differ_and_no_more(difference):
    assert difference(plain(10, 2), plain(10, 2, grey=0)) is None
    assert difference(plain(7, 3), plain(7, 3, grey=0)).startswith("21 pixels differ")


@pytest.mark.parametrize(("matplotlib", "level"), [("", 16), ("3.10.0", 45)])
def test_colours_may_differ_by_the_level_and_no_more(difference, matplotlib, level):
    assert difference(plain(), plain(grey=255 - level), matplotlib) is None
    assert difference(plain(), plain(grey=254 - level), matplotlib)


def test_a_difference_in_one_colour_alone_counts(difference):
    for colour in ("yellow", "magenta", "cyan"):  # white without blue, green, red
        assert difference(plain(), Image.new("RGB", (60, 40), colour))


def test_an_edge_may_move_by_one_pixel_and_no_more(difference):
    assert difference(plain(edge=20), plain(edge=21)) is None
    assert difference(plain(edge=20), plain(edge=22))


@pytest.mark.parametrize("line", [0, 255])
def test_a_thin_line_that_comes_or_goes_is_seen_with_the_tested_matplotlib_alone(difference, line):
    without, drawn = plain(grey=128), plain(grey=128)
    drawn.paste((line,) * 3, (30, 0, 31, 40))
    assert difference(without, drawn)
    assert difference(drawn, without)
    assert difference(without, drawn, "3.10.0") is None


@pytest.mark.parametrize(("side", "more"), [(100, 4), (500, 12)])  # two pixels, and one in fifty
def test_a_picture_may_be_larger_by_two_pixels_and_two_percent(difference, side, more):
    for width, height in ((more, 0), (0, more), (-more, -more)):
        assert difference(plain(side, side), plain(side + width, side + height)) is None
    for width, height in ((more + 1, 0), (0, more + 1), (-more - 1, 0), (0, -more - 1)):
        assert "pixels" in difference(plain(side, side), plain(side + width, side + height))


def test_what_draws_the_pictures_is_the_matplotlib_of_constraints_txt(monkeypatch):
    (pinned,) = re.findall(r"^matplotlib==(\S+)", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.M)
    monkeypatch.setattr(gate, "version", lambda package: pinned)
    assert gate.other_matplotlib() == ""
    monkeypatch.setattr(gate, "version", lambda package: f"{pinned}.1")
    assert gate.other_matplotlib() == f"{pinned}.1"


def test_the_gate_is_registered_with_pytest(request):
    assert request.config.pluginmanager.get_plugin("tools.notebook_gate") is gate


def test_figures_of_a_matplotlib_that_is_not_the_tested_one_are_compared_coarsely(monkeypatch):
    monkeypatch.setattr(gate, "version", lambda package: "3.10.0")
    assert gate.image_difference(png(), png(label="cosime")) is None
    difference = gate.image_difference(png(), png(heights=(0.94, 0.80, 0.52, 0.31)))
    assert difference.endswith("drawn by matplotlib 3.10.0, which is not the tested one")


def output(text="four bars", alt="four bars", **data):
    return v4.new_output(
        "display_data", {"image/png": png(), "text/plain": text} | data, metadata={"image/png": {"alt": alt}}
    )


def words(alt="four bars"):
    return v4.new_output("display_data", {"text/html": in_words(alt)})


def test_presence_is_checked_also_where_content_is_not():
    stream = v4.new_output("stream", text="1.5 s\n")
    other = v4.new_output("stream", text="1.7 s\n")
    assert gate.output_differences([stream], [other])
    assert gate.output_differences([stream], [other], compare_content=False) == []
    assert gate.output_differences([stream], [], compare_content=False)
    assert gate.output_differences([output()], [stream], compare_content=False)


def test_a_widgets_view_is_left_out_and_the_picture_beside_it_counts():
    live = output(**{gate.WIDGET: {"model_id": "a"}})
    assert gate.output_differences([output()], [live]) == []
    assert gate.output_differences([output(alt="0.9406")], [output(alt="0.8887", **{gate.WIDGET: {"model_id": "a"}})])
    assert gate.WIDGET == WIDGET


def test_alternative_text_is_there_and_the_same():
    assert gate.output_differences([output(alt="0.9406")], [output(alt="0.9407")]) == []
    assert gate.output_differences([output(alt="0.9406")], [output(alt="0.8887")])
    assert gate.output_differences([output(alt="")], [output(alt="")])


def test_the_words_of_a_figure_are_compared_as_text():
    assert gate.output_differences([words("0.9406")], [words("0.9407")]) == []
    assert gate.output_differences([words("0.9406")], [words("0.8887")])


def test_stderr_and_errors_fail_even_when_committed():
    for bad in (v4.new_output("stream", name="stderr", text="old"), v4.new_output("error", ename="E", evalue="old")):
        assert gate.output_differences([bad], [bad], compare_content=False)


# a whole run


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A notebook with true outputs."""
    body = [NUMBERS, TOKENS, FIGURE, FIGURE, ARRAY]
    sources = ["MODEL = 'minilm'", SHOW, *body, *body, "x = 1", "x", "x + 1", "import warnings", "x", "x"]
    path = write(tmp_path_factory.mktemp("written") / "chapter.ipynb", sources)
    assert run("tools/notebooks.py", "write", path)[0] == 0
    return path


def test_writing_again_changes_no_byte(written):
    before = written.read_bytes()
    assert run("tools/notebooks.py", "write", written) == (0, f"{written}: ok\n")
    assert written.read_bytes() == before


def test_the_gate_is_red_for_every_bad_cell_and_green_for_the_others(written, tmp_path):
    book = nbformat.read(written, as_version=4)
    cells = book.cells
    cells[6].outputs[0].text = "[0.38406041 -1.5]\n"  # noise in the 7th digit, other padding
    for place, old, new in ((7, "0.9406", "0.9506"), (8, "##ding", "##dong")):
        cells[place].outputs[0].text = cells[place].outputs[0].text.replace(old, new)
    cells[9].outputs = []  # the figure removed
    cells[10].outputs[0].data["image/png"] = png()  # another figure
    cells[11].outputs, cells[11].execution_count = [], None  # stripped
    cells[12].execution_count = None  # stripped, and there was no output
    cells[13].execution_count, cells[14].execution_count = 15, 14  # out of order
    cells[15].source = "import warnings; warnings.warn('old call')"
    cells[16].source = "1 / 0"
    cells[17].source = CONNECT + "\nx"
    nbformat.write(book, tmp_path / "chapter.ipynb")
    shutil.copy(ROOT / "conftest.py", tmp_path)

    code, report = run("-m", "pytest", "-rA", "--color=no", "--nbval", "--nbval-current-env", cwd=tmp_path)

    outcome = {int(cell): result for result, cell in re.findall(r"^(PASSED|FAILED) \S+::Cell (\d+)", report, re.M)}
    assert code == 1
    assert outcome == dict.fromkeys(range(7), "PASSED") | dict.fromkeys(range(7, 18), "FAILED"), report
    for message in (
        "chapter.ipynb, code cell 8",
        "    expected: '0.9506'\n    came:     '0.9406'",
        "python tools/notebooks.py write chapter.ipynb",
        "not executed in order from a fresh kernel: [15] for [14]",
        "UserWarning: old call",
        "ZeroDivisionError",
        "the network was asked for\n    came:     socket.getaddrinfo 192.0.2.1",
    ):
        assert message in report


def test_the_writer_refuses_errors_and_warnings(tmp_path):
    bad = [
        write(tmp_path / "error.ipynb", ["MODEL = 1", "1 / 0"]),
        write(tmp_path / "stderr.ipynb", ["MODEL = 1", "import warnings; warnings.warn('old call')"]),
    ]
    before = [path.read_bytes() for path in bad]
    code, report = run("tools/notebooks.py", "write", *bad)
    assert code == 1
    assert "ZeroDivisionError" in report
    assert "code cell 2 wrote to stderr" in report
    assert "old call" in report
    assert [path.read_bytes() for path in bad] == before


# the rules of a notebook


@pytest.fixture
def broken(tmp_path):
    """The problems of a notebook with its last cell changed."""

    def problems(cells, **change):
        code = [v4.new_code_cell(source, execution_count=n) for n, source in enumerate(cells, 1)]
        code[0].metadata.tags, code[0].id = ["parameters"], "first"
        code[-1].update(change)
        book = nbformat.from_dict({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": code})
        (tmp_path / "chapter.ipynb").write_text(json.dumps(book), encoding="utf-8")
        return notebooks.problems(tmp_path / "chapter.ipynb")

    return problems


def test_a_good_notebook_has_no_problem(written, broken):
    assert notebooks.problems(written) == []
    assert broken(["MODEL = 'minilm'", f"print('see https://example.org/{notebooks.FOLDERS.split('|')[0]}/x')"]) == []


@pytest.mark.filterwarnings("ignore:Non-unique cell id")
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"execution_count": 5}, "execution counts"),
        ({"execution_count": None}, "execution counts"),
        ({"source": "x = 1\n" * 21}, "has 21 lines"),
        ({"source": "# NBVAL_SKIP"}, "escapes the check"),
        ({"metadata": {"tags": ["nbval-skip"]}}, "escapes the check"),
        ({"metadata": {"tags": ["raises-exception"]}}, "escapes the check"),
        ({"metadata": {"tags": ["skip-execution"]}}, "escapes the check"),
        ({"metadata": {"tags": ["parameters"]}}, "tagged `parameters`"),
        ({"outputs": [output(**{WIDGET: {"model_id": "a"}}), words()]}, "a widget's view"),
        ({"outputs": [output(alt="")]}, "alternative text"),
        ({"outputs": [output()]}, "in words"),
        ({"outputs": [output(), words("five bars")]}, "in words"),
        ({"outputs": [words(), output()]}, "in words"),
        *(
            ({"outputs": [output(text=f"/{name}/me"), words()]}, f"/{name}/me")
            for name in notebooks.FOLDERS.split("|")
        ),
        ({"outputs": [v4.new_output("stream", text=r"C:\Users\me")]}, r"C:\Users\me"),
        ({"outputs": [v4.new_output("stream", text="<object at 0x7f75ccf5>")]}, "0x7f75ccf5"),
        ({"id": "first"}, "ids"),
    ],
)
def test_every_rule_is_checked(broken, change, problem):
    (found,) = broken(["MODEL = 'minilm'", "x"], **change)
    assert problem in found


def test_a_cell_of_twenty_lines_is_allowed(broken):
    assert broken(["MODEL = 'minilm'", "x = 1\n" * 20]) == []


@pytest.mark.parametrize("tag", ["nbval-ignore-output", "hide-input"])
def test_a_cell_with_another_tag_is_allowed(broken, tag):
    assert broken(["MODEL = 'minilm'", "x"], metadata={"tags": [tag]}) == []


def test_the_parameter_is_called_model(broken):
    (found,) = broken(["NAME = 'minilm'", "x"])
    assert "MODEL" in found
