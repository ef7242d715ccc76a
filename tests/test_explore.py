"""bertutil.course.explore: its numbers, its first choice, its still picture, and what it refuses.

In a browser it is tried by tests/test_lab_browser.py; the types of its JavaScript by tests/test_explorer.py.
"""

import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
import torch

import bertutil
from bertutil.course import explore, explorer, plots

MONEY, RIVER = "The man was accused of robbing a bank.", "The man went fishing by the bank of the river."


@pytest.fixture
def shown(monkeypatch):
    """What explore() displays: for each output its data and its metadata."""
    monkeypatch.setattr(plots.common, "display", display := mock.Mock())
    return lambda *arguments: (
        explore(*arguments),
        [(call.args[0], call.kwargs.get("metadata", {})) for call in display.call_args_list],
    )[1]


@pytest.fixture
def sent(monkeypatch):
    """What explore() sends with a widget."""
    widget = pytest.importorskip("bertutil.course.explorer.widget")
    monkeypatch.setattr(plots, "show", lambda figure, alt, live: made.append(live))
    made = []

    def send(*arguments):
        explore(*arguments)
        (view,) = made
        assert isinstance(view, widget.Explorer)
        return view

    return send


def states(bert, *texts):
    """The states of all pieces [pieces, layers, features], one text after the other."""
    return torch.cat([bertutil.hidden_states(bert, bertutil.encode(bert, text))[0] for text in texts])


def test_the_widgets_cosines_are_those_of_bertutil(bert, sent):
    view = sent(bert, MONEY, RIVER)
    expected = states(bert, MONEY, RIVER)
    n, layers = expected.shape[:2]
    cosines = np.frombuffer(view.cosines, "<f4").reshape(layers, n, n)
    for layer in range(layers):
        theirs = bertutil.cosine_similarity(expected[:, layer])
        assert np.abs(cosines[layer] - theirs.numpy()).max() < 1e-6


def test_the_pieces_of_each_text_are_those_of_the_tokenizer(bert, sent):
    assert sent(bert, MONEY, RIVER).texts == [bertutil.encode(bert, text).tokens[0] for text in (MONEY, RIVER)]


def test_no_piece_of_one_text_sees_the_other(tiny):
    alone = explorer.compare(tiny, MONEY, None)[1]
    n = alone.shape[1]
    both = explorer.compare(tiny, MONEY, RIVER)[1][:, :n, :n]
    assert torch.allclose(both, alone, atol=1e-6)


def test_layer_0_is_the_embedding_output_and_all_layers_are_there(tiny):
    cosines = explorer.compare(tiny, "a bank", None)[1]
    assert len(cosines) == tiny.n_layers + 1
    encoding = bertutil.encode(tiny, "a bank")
    first = tiny.model.embeddings(input_ids=encoding.input_ids, token_type_ids=encoding.token_type_ids)[0].detach()
    assert torch.allclose(cosines[0], torch.cosine_similarity(first[:, None], first[None], dim=-1), atol=1e-6)


@pytest.mark.parametrize(
    ("texts", "chosen"),
    [
        ((MONEY, RIVER), ("bank", "bank")),
        (("A bank, a river bank.",), ("bank", "bank")),
        (("One river flows.",), ("one", "flows")),
        (("bank",), ("bank", "[SEP]")),
        (("",), ("[CLS]", "[SEP]")),
        ((".", "?"), ("[CLS]", ".")),
        (("Apple pie.", "Red car."), ("apple", "car")),
    ],
)
def test_first_choice_is_the_last_word_that_stands_twice_else_the_first_and_the_last(tiny, texts, chosen):
    rows, _, content = explorer.compare(tiny, *texts, *[None] * (2 - len(texts)))
    one, two = explorer.first_choice(rows, content)
    pieces = explorer.joined(rows)
    assert (pieces[one], pieces[two]) == chosen
    assert one < two


def test_special_tokens_that_stand_twice_are_not_the_first_choice(tiny):
    rows, _, content = explorer.compare(tiny, "one", "two")
    assert [explorer.joined(rows)[i] for i in explorer.first_choice(rows, content)] == ["one", "two"]


def test_one_output_has_the_picture_with_its_alternative_text_and_the_live_view(tiny, shown):
    pytest.importorskip("anywidget")
    (data, metadata), (words, _) = shown(tiny, MONEY)
    assert [*data] == ["image/png", "text/plain", plots.common.WIDGET]
    assert metadata["image/png"]["alt"] == data["text/plain"]
    assert words == {"text/html": plots.common.in_words(data["text/plain"])}


def test_the_alternative_text_says_every_number_of_the_picture(tiny, shown):
    (data, _), _ = shown(tiny, "a bank")
    of_a = explorer.compare(tiny, "a bank", None)[1][:, 1]  # [layers, pieces]
    cls, a, bank, sep = of_a[-1].tolist()
    assert data["text/plain"] == (
        f"“a” and “bank”: cosine {bank:.3f} at layer 3. Bars, the cosine of “a” with every piece at layer 3: "
        f"“[CLS]” {cls:.2f}, “a” {a:.2f}, “bank” {bank:.2f}, “[SEP]” {sep:.2f}. "
        f"Below, from layer 0 on, with “bank”: {', '.join(f'{x:.3f}' for x in of_a[:, 2].tolist())}; "
        "faint, with all others."
    )


def test_without_anywidget_there_is_the_picture_and_a_line_that_names_the_package(tiny, shown, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    monkeypatch.delitem(sys.modules, "bertutil.course.explorer.widget", raising=False)
    (data, _), _ = shown(tiny, MONEY)
    assert [*data] == ["image/png", "text/plain"]
    assert capsys.readouterr().out == explorer.WITHOUT + "\n"
    assert "pip install anywidget" in explorer.WITHOUT


def test_with_anywidget_nothing_is_printed(tiny, shown, capsys):
    pytest.importorskip("anywidget")
    shown(tiny, MONEY)
    assert capsys.readouterr() == ("", "")


@pytest.mark.filterwarnings("error")
def test_a_script_that_the_pictures_font_lacks_gives_no_warning(tiny, shown):
    (data, _), _ = shown(tiny, "银行在河边")
    assert "“行”" in data["text/plain"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("minilm", "a bank"), "bert is of type str; give what bertutil.load"),
        ((None, ["a", "bank"]), "text is of type list; give one text, a str"),
        ((None, None), "text is of type NoneType; give one text, a str"),
        ((None, "a", 3), "other is of type int; give one text, a str"),
    ],
)
def test_what_is_no_checkpoint_or_no_text_is_refused(tiny, arguments, message):
    with pytest.raises(TypeError, match=message):
        explore(arguments[0] or tiny, *arguments[1:])


def test_texts_that_are_too_long_for_the_drawing_are_refused_with_both_numbers(tiny):
    with pytest.raises(ValueError, match="have 122 pieces, and the drawing has room for 120; give a sentence or two"):
        explore(tiny, "bank " * 59, "bank " * 59)


def test_the_course_is_imported_without_torch_and_matplotlib_until_explore_is_asked_for():
    code = "import sys, bertutil.course; assert not {'matplotlib', 'torch'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True)
