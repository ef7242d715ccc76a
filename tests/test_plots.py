"""bertutil.course.plots: what each figure shows, read off the drawing. The data are small and made up."""

import base64
import inspect
from functools import cache
from importlib import import_module
from io import BytesIO
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from bertutil.course import plots

LABELS = {"title": "a title", "xlabel": "to the right", "ylabel": "upwards"}
TOKENS = ["[CLS]", "the", "bank", "##s", "[SEP]"]
POINTS, SENSES = [[0, 0], [2, 0], [8, 4], [8, 6], [8, 8]], ["shore", "shore", "money", "money", "money"]
SLOWER = {"embed": [3.0, 2.0, 2.5], "OpenVINO, sorted": [2.0, 1.5, 1.75], "embed, bfloat16": [1.5, 1.0, 1.25]}
FASTER = {"embed": [2.0, 2.0, 2.0], "OpenVINO, sorted": [3.0, 1.0, 2.0], "embed, bfloat16": [1.0, 0.5, 0.75]}
COMPARISONS = [
    {"model": "MiniLM, 6 layers", "texts": "mixed", "n_texts": 10, "rounds": 3, "speed": SLOWER},
    {"model": "MiniLM, 6 layers", "texts": "mixed", "n_texts": 100, "rounds": 3, "speed": FASTER},
    {"model": "MiniLM, 6 layers", "texts": "equal", "n_texts": 100, "rounds": 3, "speed": SLOWER},
]
GPU = {
    "machine": "a GPU",
    "comparisons": [
        {
            "model": "MiniLM",
            "texts_per_second": {
                "sentence-transformers, batches of 32, float32": 1000,
                "sentence-transformers, batches of 256, float32": 2000,
                "embed, float32": 3000,
                "sentence-transformers, batches of 256, bfloat16": 4000,
                "embed, bfloat16": 10000,
            },
        }
    ],
}

M = 1_000_000
MODELS = {
    "BERT": [("tables", 40 * M), ("layer 0", 30 * M), ("layer 1", 29 * M), ("pooler", M)],
    "tiny": [("tables", 20 * M), ("layer 0", 5 * M)],
}

# the data of each public figure function; drawn() adds the LABELS that it takes, and two tokens
EXAMPLES = {
    "parameter_map": {"models": MODELS},
    "token_boxes": {
        "rows": {"A": ["[CLS]", "bank", "[PAD]"], "B": ["[SEP]"]},
        "special": {"[CLS]", "[SEP]", "[PAD]"},
    },
    "cosine_by_token": {"series": {"one": [1, 0.9], "other": [0.6, -0.3]}, "parts": {"text A": 0, "text B": 1}},
    "nearness": {
        "texts": [["[CLS]", "bank"], ["a", "bank", "."]],
        "cosines": [[0, 1, 0.1, 0.9, 0], [0.3, 1, -0.2, 0.754, 0.4]],
        "chosen": (1, 3),
    },
    "input_grid": {
        "texts": {"A": ["x", "y"], "B": ["v", "w"]},
        "rows": {"ids": [[101, 1], [7, 8]], "mask": [[1, 0], [0, 1]]},
    },
    "who_sees_whom": {"panels": {"layer 1": [[True, True], [False, True]], "all": [[True] * 2] * 2}, "boundary": 1},
    "whole_way": {
        "text": "a bed.",
        "tokens": ["[CLS]", "be", "##d", "[SEP]"],
        "ids": [101, 7, 8, 102],
        "states": np.arange(4 * 3 * 50.0).reshape(4, 3, 50) % 7,
        "word_of": [-1, 0, 0, -1],
        "vectors": np.arange(50.0)[None] % 5,
        "sentence": np.arange(50.0) % 3,
    },
    "word_pieces": {
        "words": ["embed", "bank", "☃", "(U+200B)"],
        "pieces": [["em", "##bed"], ["bank"], ["[UNK]"], []],
    },
    "longest_match": {"word": "beds", "tries": [(0, 4, False), (0, 3, True), (3, 4, False)]},
    "vocabulary_map": {"kinds": ["free"] * 5000 + ["word", "part"] * 200, "order": ["word", "part", "free", "none"]},
    "side_by_side_bars": {"groups": {"words": {1: 10, 2: 2000}, "pieces": {2: 5, 4: 7}}},
    "stacked_shares": {"rows": {"first": [1, 2, 0, 1], "second": [0, 0, 5, 0, 15]}, "parts": [*"1234?"]},
    "compared_histograms": {"groups": {"words": [0, 0.1, 0.11, 1], "pieces": [-1, 0.5]}, "mark": ("a pair", 0.25)},
    "feature_histogram": {"values": [*np.linspace(-1, 1, 30), 5, -3]},
    "values_per_layer": {"values": [np.linspace(-1, 1, 201), np.linspace(-4, 4, 201)]},
    "token_feature_map": {"values": [[0, 1, -6, 2, 8], [0, 3, 0, 2, 4]], "marked": [2, 4]},
    "lines_per_layer": {"series": {"bank": [1, 0.8, 0.3], "the": [1, 0.5, 0.4], "river": [0.6, 0.7, 0]}},
    "state_boxes": {"layers": 3, "tokens": 4, "features": 8, "token": 1, "name": "bank"},
    "pooling_paths": {"tokens": TOKENS, "words": ["the", "banks"], "word_index": [-1, 0, 1, 1, -1], "n_states": 6},
    "layers_taken": {"takes": {"mean": [[0.5, 0.5]], "last": [[0, 1]], "both": [[0, 1], [1, 0]]}, "n_features": 768},
    "cosine_heat_map": {"labels": ["a", "b"], "cosines": [[1, -0.126], [0.25, 1]]},
    "lines_by_padding": {"series": {"mask": ([0, 5, 10], [1, 1, 1]), "none": ([0, 8], [1, -0.2])}},
    "windows_over_text": {
        "windows": [
            {"words": [0, 1, 1, 2, 3], "taken": [0, 1, 1, 2], "context": [9, 8, 7, 6, 5]},
            {"words": [2, 3, 4], "taken": [3, 4], "context": [1, 2, 3]},
        ]
    },
    "cosine_map": {"values": [[0.9996, 0.25], [0.9994, -0.5]]},
    "arrow_pairs": {"panels": {"near": [(1, 2), (2, 3)], "far": [(1, 0), (-2, 1)]}, "cosines": [0.992, -0.894]},
    "cosine_spread": {"unrelated": [[0, 0.5, 1], [-0.2, 0.1, 0.4]], "alike": [0.75, 0.5], "names": ("far", "near")},
    "two_kinds_of_pairs": {
        "panels": {"A": {"same": [0.2, 0.4, 0.6], "other": [0, 1]}, "B": {"same": [5], "other": [3, 4]}}
    },
    "found_within": {"ranks": {"BERT": [1, 1, 3, 20], "TF-IDF": [2, 2]}, "size": 20},
    "ways_by_kind": {
        "panels": {
            "code": {"vectors": (0.5, 0.25, 0.75), "words": (1, 1, 1)},
            "mean": {"vectors": (0.75, 0.5, 0.875), "words": (0.75, 0.5, 1)},
        }
    },
    "senses_by_layer": {"panels": {0: (POINTS, 0.5, 0.75), 3: (POINTS, 0.33, 1)}, "senses": SENSES},
    "rivals_by_layer": {
        "panels": {
            "tuned": {"word": [0.5, 1], "guessing": [0.25]},
            "sealed": {"word": [0.4, 0.754], "mask": [0.2, 0.6]},
        }
    },
    "cosines_by_layer": {"panels": {"mean": {"same": [1, 0.9], "other": [0.5, 0.2]}, "last": {"same": [0, 0.1]}}},
    "attention_table": {"rows": ["it"], "columns": ["[CLS]", "it"], "weights": [[0.876, 0.124]]},
    "attention_heads": {"heads": [[[0.25, 0.75], [1, 0]]] * 4 + [[[0, 1], [0.5, 0.5]]]},
    "moves_by_token": {"panels": {"all": [[0, 0.004], [0.5, 1]], "none": [[0, 0], [0, 0]]}, "marked": [1]},
    "bars_by_token": {"panels": {"weight": [0.25, 0.7504], "move": [0, 0]}},
    "heads_by_effect": {"points": [(0, 0.2, 0.01), (5, 0.9, 0.03)]},
    "lines_over_size": {
        "series": {"vectors": ([10, 100], [0.5, 1]), "words": ([10], [0.25])},
        "marks": {"sentence": 10},
    },
    "recall_time_size": {"ways": {"exact": [(1, 2, 400)], "graph": [(0.5, 0.1, 100), (0.9, 0.3, 100)]}},
    "padding_waste": {"batches": {"as given": [2, 4], "sorted": [3, 3]}, "budget": 4},
    "speed_curves": {"results": {"comparisons": COMPARISONS}},
    "scores_by_layer": {"panels": {"F1": ([0.1, 0.5], [0, 0.4], [0.2, 0.6]), "UAS": ([3, 2], [2, 1], [4, 3])}},
    "scores_by_probe": {
        "rows": {"GloVe": {"a": (0.3, 0.2, 0.5), "b": (1, 0.9, 1)}, "last": {"a": (0.5, 0.4, 0.6), "b": (0, 0, 0.1)}},
    },
    "inputs_compared": {
        "published": {"last": 94.9},
        "ours": {"last": [90, 92], "sum": [80, 84, 85]},
        "intervals": {"last": (89, 93), "sum": (79, 87)},
    },
    "learning_curve": {
        "trained": [(0.7, 0.5), (0.1, 0.98)],
        "held_out": [(0.6, 0.6), (0.4, 0.8)],
        "interval": [(0.3, 0.7), (0.7, 0.9)],
        "baseline": ("always yes", 0.55),
    },
    "score_maps": {"panels": {"before": [[0.5, 0.6], [0.1, 0.4]], "after": [[0.9, 0.1], [0.2, 0.8]]}},
    "gains_by_way": {
        "rows": {"titles": (0.1, 0.05, 0.15, [0.08, 0.12]), "shuffled": (-0.01, -0.05, 0.03, [-0.01])},
    },
    "gain_curve": {"points": {10: (0.01, -0.02, 0.04, [0, 0.02]), 40: (0.05, 0.01, 0.09, [0.04, 0.06])}},
    "ledger_tiles": {
        "verdicts": {f"A{i}": "holds" for i in range(14)} | {"B1": "fails", "B2": "limit"},
        "order": ["holds", "limit", "fails", "open"],
    },
}


def drawn(name, **changes):
    """The example figure of a function, with some of its arguments changed."""
    function = getattr(plots, name)
    common = {key: value for key, value in LABELS.items() if key in inspect.signature(function).parameters}
    if "tokens" in inspect.signature(function).parameters:
        common["tokens"] = ["a", "b"]
    return function(**common | EXAMPLES[name] | changes)


@cache
def panels(name):
    """The axes of an example figure, which is drawn once."""
    return drawn(name).axes


def rounded(numbers):
    return tuple(round(float(number), 3) for number in numbers)


def title(axes):
    return axes.get_title("left")


def boxes(axes):
    """(left end, height of the middle, width) of every bar or box."""
    return [rounded((p.get_x(), p.get_y() + p.get_height() / 2, p.get_width())) for p in axes.patches]


def hatched(axes):
    return [bool(patch.get_hatch()) for patch in axes.patches]


def faces(axes):
    return [patch.get_facecolor() for patch in axes.patches]


def around(axes, word):
    """The boxes that are drawn around a text."""
    (place,) = (text.get_position() for text in axes.texts if text.get_text() == word)
    return [patch for patch in axes.patches if patch.get_bbox().contains(*place)]


def written(axes):
    """{height: {place: text}}, from the texts of an axes; an annotation counts at the point that it belongs to."""
    rows = {}
    for text in filter(Text.get_text, axes.texts):
        x, y = rounded(getattr(text, "xy", text.get_position()))
        rows.setdefault(y, {})[x] = text.get_text()
    return rows


def ticks(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def points(line):
    return [rounded(point) for point in zip(*line.get_data(), strict=True)]


def histogram(polygon):
    """The edges of a drawn histogram's bins, and their heights."""
    edges = np.unique(polygon.get_xy()[:, 0])
    return edges, polygon.get_xy()[1 : 2 * len(edges) - 1 : 2, 1]


def band(collection):
    """The lower and the upper end of a band at each place."""
    vertices = collection.get_paths()[0].vertices
    heights = {x: vertices[vertices[:, 0] == x, 1] for x in np.unique(vertices[:, 0])}
    return {x: rounded((min(ends), max(ends))) for x, ends in heights.items()}


def test_every_public_figure_function_has_an_example():
    functions = inspect.getmembers(plots, inspect.isfunction)
    drawing = {name for name, f in functions if inspect.signature(f).return_annotation is Figure}
    assert drawing == set(EXAMPLES)


def test_every_public_function_of_every_module_can_be_called_by_plots():
    files = Path(plots.__file__).parent.glob("[!_]*.py")
    modules = [import_module(f"{plots.__name__}.{file.stem}") for file in files]
    own = {
        name
        for module in modules
        for name, f in inspect.getmembers(module, inspect.isfunction)
        if f.__module__ == module.__name__ and not name.startswith("_")
    }
    tools = {"empty_axes", "in_words", "paired"}  # what the modules draw and tell with
    assert own - tools == {name for name in plots.__all__ if not name.isupper()}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_figure_can_be_saved_without_a_warning(name):
    drawn(name).savefig(png := BytesIO(), format="png", dpi=50)
    assert Image.open(png).convert("L").getextrema()[0] < 128


@pytest.mark.parametrize("kind", LABELS)
def test_titles_and_axis_labels_stand_where_they_belong(kind):
    read = {"title": title}.get(kind, lambda axes: getattr(axes, f"get_{kind}")())
    wrong = []
    for name in EXAMPLES:
        if kind in inspect.signature(getattr(plots, name)).parameters:
            shown = [*map(read, panels(name)), getattr(panels(name)[0].figure, f"get_sup{kind}")()]
            wrong += [name] * (LABELS[kind] not in shown)
    assert wrong == []


def test_show_displays_the_picture_and_says_its_alternative_text(monkeypatch):
    monkeypatch.setattr(plots.common, "display", shown := mock.Mock())
    plots.show(figure := drawn("cosine_map"), "what it shows")
    ((data,), options), words = shown.call_args_list
    picture = Image.open(BytesIO(base64.b64decode(data.pop("image/png"))))
    figure.savefig(png := BytesIO(), format="png")
    assert picture.tobytes() == Image.open(png).tobytes()
    assert "Software" not in picture.info
    assert data == {"text/plain": "what it shows"}
    assert options == {"metadata": {"image/png": {"alt": "what it shows"}}, "raw": True}
    assert words == mock.call({"text/html": plots.common.in_words("what it shows")}, raw=True)


def test_a_live_view_stands_in_one_output_with_the_picture(monkeypatch):
    monkeypatch.setattr(plots.common, "display", shown := mock.Mock())
    view = ({"text/plain": "<Widget>", plots.common.WIDGET: {"model_id": "a"}}, {plots.common.WIDGET: {"colab": {}}})
    plots.show(drawn("cosine_map"), "what it shows", mock.Mock(_repr_mimebundle_=lambda: view))
    ((data,), options), _ = shown.call_args_list
    assert [*data] == ["image/png", "text/plain", plots.common.WIDGET]
    assert data["text/plain"] == "what it shows"
    assert options["metadata"] == {"image/png": {"alt": "what it shows"}, plots.common.WIDGET: {"colab": {}}}


def test_the_words_of_a_figure_are_an_image_of_one_pixel_with_that_text():
    alt = 'two "bars" <of> 0.94 & 0.52'
    image = ElementTree.fromstring(plots.common.in_words(alt).replace(">", "/>", -1))
    assert (image.tag, image.get("alt"), image.get("width"), image.get("height")) == ("img", alt, "1", "1")
    pixel = Image.open(BytesIO(base64.b64decode(image.get("src").removeprefix("data:image/gif;base64,"))))
    assert pixel.size == (1, 1)
    assert pixel.convert("RGBA").getpixel((0, 0))[3] == 0


@pytest.mark.parametrize("alt", ["", " \n"])
def test_show_refuses_a_figure_without_alternative_text(monkeypatch, alt):
    monkeypatch.setattr(plots.common, "display", shown := mock.Mock())
    with pytest.raises(ValueError, match="needs alternative text"):
        plots.show(drawn("cosine_map"), alt)
    shown.assert_not_called()


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("vocabulary_map", {"order": ["word", "part"]}, "'free' is not in list"),
        ("word_pieces", {"words": ["bank"]}, "argument 2"),
        ("arrow_pairs", {"cosines": [1]}, "argument 3"),
        ("ledger_tiles", {"order": ["holds", "fails", "none", "open"]}, "lacks the verdict limit"),
    ],
)
def test_data_that_do_not_belong_together_are_refused(name, changes, message):
    with pytest.raises(ValueError, match=message):
        drawn(name, **changes)


SIX = {name: [0.5, 1] for name in "abcdef"}


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("bars_by_token", {"panels": SIX}),
        ("cosine_by_token", {"series": SIX}),
        ("cosines_by_layer", {"panels": {"mean": {"a": [0, 1]}, "last": SIX}}),
        ("found_within", {"ranks": SIX}),
        ("lines_by_padding", {"series": dict.fromkeys("abcde", ([0, 5], [1, 0]))}),
        ("lines_over_size", {"series": dict.fromkeys("abcdef", ([1, 2], [0, 1]))}),
        ("lines_per_layer", {"series": SIX}),
        ("recall_time_size", {"ways": dict.fromkeys("abcdef", ((1, 2, 3),))}),
        ("rivals_by_layer", {"panels": {"tuned": dict.fromkeys("abcdefghi", (0, 1))}}),
        ("scores_by_layer", {"panels": dict.fromkeys("abcd", ([1], [0], [2]))}),
        ("scores_by_layer", {"rivals": {"F1": dict.fromkeys("abcd", 1.0)}}),
        ("scores_by_probe", {"rows": {"GloVe": dict.fromkeys("abcd", (1, 0, 2))}}),
        ("senses_by_layer", {"panels": dict.fromkeys(range(8), (POINTS, 0.5, 1))}),
        ("senses_by_layer", {"senses": [*"abcde"]}),
        ("stacked_shares", {"parts": [*"abcdef"]}),
        ("stacked_shares", {"rows": {"first": [1] * 6}}),
        ("vocabulary_map", {"order": ["word", "part", "free", *"abcd"]}),
    ],
)
def test_more_than_a_figure_has_room_for_is_refused_and_not_left_out(name, changes):
    with pytest.raises(ValueError, match=r"has room for \d, and \d were given; draw two figures"):
        drawn(name, **changes)


TEXTS = {
    ("parameter_map", 0): {
        -0.38: {0: "BERT: 100.0 million"},
        0: {20e6: "tables", 55e6: "0", 84.5e6: "1"},
        0.62: {0: "tiny: 25.0 million"},
        1: {10e6: "tables", 22.5e6: "0"},
    },
    ("token_boxes", 0): {
        -0.33: {0: "A"},
        0: {3.1: "[CLS]", 9.2: "bank", 15.3: "[PAD]"},
        0.67: {0: "B"},
        1: {3.1: "[SEP]"},
    },
    ("cosine_by_token", 0): {1.19: {-0.3: "text A", 0.7: "text B"}},
    ("input_grid", 0): {
        0: {0: "101", 1: "1", -0.7: "ids"},
        1: {0: "1", 1: "0", -0.7: "mask"},
        -0.65: {-0.2: "x", 0.8: "y"},
        -0.8: {-0.7: "A"},
    },
    ("input_grid", 1): {
        0: {0: "7", 1: "8", -0.7: "ids"},
        1: {0: "0", 1: "1", -0.7: "mask"},
        -0.65: {-0.2: "v", 0.8: "w"},
        -0.8: {-0.7: "B"},
    },
    ("word_pieces", 0): {
        0.17: {0: "embed", 10.6: "bank", 17.2: "☃", 24.8: "(U+200B)"},
        0.6: {0.5: "em", 3.5: "##bed", 11.1: "bank", 17.7: "[UNK]", 25.3: "nothing"},
    },
    ("longest_match", 0): {
        0.52: {0.5: "b", 1.5: "e", 2.5: "d", 3.5: "s", 4.3: "no entry beds"},
        1.52: {0.5: "b", 1.5: "e", 2.5: "d", 4.3: "✓ bed is in the vocabulary"},
        2.52: {3.5: "s", 4.3: "no entry ##s, and nothing shorter is left to try"},
    },
    ("stacked_shares", 0): {0: {12.5: "1", 50: "2", 87.5: "1"}, 1: {12.5: "5", 62.5: "15"}},
    ("compared_histograms", 0): {2.1: {0.25: "a pair"}},
    ("values_per_layer", 0): {0: {4.32: "100.0%"}, 1: {4.32: "50.2%"}, -0.75: {4.32: "within ±2"}},
    ("token_feature_map", 0): {-3: {2: "feature 2: mean -3.00"}, 6: {4: "feature 4: mean 6.00"}},
    ("lines_per_layer", 0): {0.3: {2.06: "bank  0.300"}, 0.4: {2.06: "the  0.400"}, 0: {2.06: "river  0.000"}},
    ("layers_taken", 0): {
        0: {0: "× 1/2", 2: "place 2"},
        1: {0: "× 1/2", 1: "× 1", 2: "place 1"},
        1.7: {-0.6: "features", 0: "768", 1: "768", 2: "1,536"},
    },
    ("cosine_heat_map", 0): {0: {0: "1.00", 1: "-0.13"}, 1: {0: "0.25", 1: "1.00"}},
    ("lines_over_size", 0): {1.03: {10: "sentence"}},
    ("lines_by_padding", 0): {1: {10.2: "mask"}, -0.2: {8.2: "none"}},
    ("windows_over_text", 0): {
        0: {1: "words 0 to 2", 15: "white: also seen here,\ntaken from the window next to it"},
        1: {3.5: "words 3 to 4"},
    },
    ("windows_over_text", 1): {8: {1: "window 0"}, 2: {3: "window 1"}},
    ("cosine_map", 0): {0: {0: "1", 1: ".250"}, 1: {0: ".999", 1: "-.500"}},
    ("arrow_pairs", 0): {2: {1: "a"}, 3: {2: "b"}},
    ("cosine_spread", 0): {0.5: {0: "0.50"}, 0.1: {1: "0.10"}},
    ("rivals_by_layer", 0): {1.025: {1: "100%"}},
    ("rivals_by_layer", 1): {0.779: {1: "75%"}},
    ("attention_table", 0): {0: {0: "88", 1: "12"}},
    ("moves_by_token", 0): {0: {1: "<1"}, 1: {0: "50", 1: "100"}},
    ("moves_by_token", 1): {},
    ("heads_by_effect", 0): {
        0.01: {0.2: "0"},
        0.03: {0.9: "5"},
        0.93: {0.02: "each number is a head: the index of its layer"},
    },
    ("scores_by_layer", 0): {0.6: {1: "0.50"}},
    ("scores_by_layer", 1): {4: {0: "3.00"}},
    ("scores_by_probe", 0): {-0.12: {0.5: "0.30"}, 0.12: {1: "1.00"}, 0.88: {0.6: "0.50"}, 1.12: {0.1: "0.00"}},
    ("inputs_compared", 0): {0: {94.9: "94.9"}, 1: {0.98: "not published"}},
    ("ledger_tiles", 0): {
        0.75: {0: "holds: 14"},
        1.64: {i + 0.46: f"A{i}" for i in range(13)},
        2.64: {0.46: "A13"},
        4.25: {0: "limit: 1"},
        5.14: {0.46: "B2"},
        6.75: {0: "fails: 1"},
        7.64: {0.46: "B1"},
        9.25: {0: "open: 0"},
    },
}


@pytest.mark.parametrize(("name", "panel"), TEXTS)
def test_names_and_numbers_are_written_at_their_places(name, panel):
    assert written(panels(name)[panel]) == TEXTS[name, panel]


@pytest.mark.parametrize(
    ("name", "panel", "expected", "hatches"),
    [
        (
            "parameter_map",
            0,
            [(0, 0, 40e6), (40e6, 0, 30e6), (70e6, 0, 29e6), (99e6, 0, 1e6), (0, 1, 20e6), (20e6, 1, 5e6)],
            "X--XX-",
        ),
        ("token_boxes", 0, [(0, 0, 6.2), (6.6, 0, 5.2), (12.2, 0, 6.2), (0, 1, 6.2)], "--X-"),
        ("input_grid", 0, [(-0.5, 0, 1), (0.5, 0, 1), (-0.5, 1, 1), (0.5, 1, 1)], "----"),
        ("longest_match", 0, [(0.03, 0.5, 3.94), (0.03, 1.5, 2.94), (3.03, 2.5, 0.94)], "--X"),
        ("stacked_shares", 0, [(0, 0, 25), (25, 0, 50), (75, 0, 25), (0, 1, 25), (25, 1, 75)], "----X"),
        ("windows_over_text", 0, [(0, 0, 4), (0, 0, 3), (2, 1, 3), (3, 1, 2)], "-X-X"),
        ("moves_by_token", 0, [(-0.5, 0, 1), (0.5, 0, 1), (-0.5, 1, 1), (0.5, 1, 1)], "----"),
        ("bars_by_token", 0, [(0, 0, 0.25), (0, 1, 0.75)], "--"),
        ("bars_by_token", 1, [(0, 0, 0), (0, 1, 0)], "--"),
        ("padding_waste", 0, [(0, 0, 2), (0, 1, 4), (2, 0, 2), (4, 1, 0)], "--XX"),
        ("padding_waste", 1, [(0, 0, 3), (0, 1, 3), (3, 0, 0), (3, 1, 0)], "--XX"),
        ("inputs_compared", 1, [(89, 0, 4), (79, 1, 8)], "--"),
    ],
)
def test_bars_are_as_long_as_their_numbers_and_the_right_ones_are_hatched(name, panel, expected, hatches):
    axes = panels(name)[panel]
    assert boxes(axes) == [rounded(box) for box in expected]
    assert "".join("-X"[hatch] for hatch in hatched(axes)) == hatches


LINES = {
    ("cosine_by_token", 0): [[(0, 1), (1, 0.9)], [(0, 0.6), (1, -0.3)], [(0, 1), (1, 1)], [(0.5, 0), (0.5, 1)]],
    ("who_sees_whom", 1): [[(1, 0), (1, 1)], [(0, 1), (1, 1)]],
    ("compared_histograms", 0): [[(0.25, 0), (0.25, 1)]],
    ("lines_per_layer", 0): [
        [(0, 1), (1, 0.8), (2, 0.3)],
        [(0, 1), (1, 0.5), (2, 0.4)],
        [(0, 0.6), (1, 0.7), (2, 0)],
    ],
    ("lines_over_size", 0): [[(10, 0.5), (100, 1)], [(10, 0.25)], [(10, 0), (10, 1)]],
    ("recall_time_size", 0): [[(2, 1)], [(0.1, 0.5), (0.3, 0.9)]],
    ("recall_time_size", 1): [[(400, 1)], [(100, 0.5), (100, 0.9)]],
    ("lines_by_padding", 0): [[(0, 1), (5, 1), (10, 1)], [(0, 1), (8, -0.2)]],
    ("cosine_spread", 0): [[(0, 0.5), (1, 0.1)], [(0, 0.75), (1, 0.5)]],
    ("two_kinds_of_pairs", 0): [[(0.4, 0), (0.4, 1)], [(0.5, 0), (0.5, 1)]],
    ("ways_by_kind", 0): [[(0.25, 0), (0.75, 0)], [(0.5, 0)], [(1, 1), (1, 1)], [(1, 1)]],
    ("ways_by_kind", 1): [[(0.5, 0), (0.875, 0)], [(0.75, 0)], [(0.5, 1), (1, 1)], [(0.75, 1)]],
    ("rivals_by_layer", 0): [[(0, 0.5), (1, 1)], [(0, 0.25), (1, 0.25)]],
    ("rivals_by_layer", 1): [[(0, 0.4), (1, 0.754)], [(0, 0.2), (1, 0.6)]],
    ("cosines_by_layer", 0): [[(0, 1), (1, 0.9)], [(0, 0.5), (1, 0.2)]],
    ("cosines_by_layer", 1): [[(0, 0), (1, 0.1)]],
    ("scores_by_layer", 0): [[(0, 0.1), (1, 0.5)], [(1, 0.5)]],
    ("scores_by_layer", 1): [[(0, 3), (1, 2)], [(0, 3)]],
    ("scores_by_probe", 0): [[(0.3, -0.12), (0.5, 0.88)], [(1, 0.12), (0, 1.12)]],
    ("inputs_compared", 0): [[(94.9, 0)]],
    ("inputs_compared", 1): [[(90, 0), (92, 0)], [(91, 0)], [(80, 1), (84, 1), (85, 1)], [(83, 1)]],
    ("learning_curve", 0): [[(1, 0.7), (2, 0.1)], [(1, 0.6), (2, 0.4)]],
    ("learning_curve", 1): [[(1, 0.5), (2, 0.98)], [(1, 0.6), (2, 0.8)], [(0, 0.55), (1, 0.55)]],
}


@pytest.mark.parametrize(("name", "panel"), LINES)
def test_lines_markers_and_marked_values_have_their_numbers(name, panel):
    assert [points(line) for line in panels(name)[panel].lines] == LINES[name, panel]


SERIES = ["cosine_by_token", "lines_per_layer", "lines_by_padding", "cosine_spread", "two_kinds_of_pairs"]
SERIES += ["found_within", "rivals_by_layer", "cosines_by_layer", "learning_curve", "scores_by_probe"]


@pytest.mark.parametrize("name", SERIES)
def test_series_differ_in_their_colour_and_in_their_marker_or_line(name):
    one, other = panels(name)[0].lines[:2]
    assert one.get_color() != other.get_color()
    assert (one.get_marker(), one.get_linestyle()) != (other.get_marker(), other.get_linestyle())


@pytest.mark.parametrize(
    ("name", "titles"),
    [
        ("parameter_map", ["Outside the encoder layers (hatched): 41% of the parameters of BERT"]),
        ("who_sees_whom", ["layer 1", "all"]),
        (
            "state_boxes",
            [
                "1  A tuple: 3 x [1, 4, 8]\n",
                "2  stack: [3, 1, 4, 8]\n",
                "3  squeeze: [3, 4, 8]\n",
                "4  permute: [4, 3, 8]\n",
            ],
        ),
        ("pooling_paths", ["A vector for each word", "A vector for the sentence"]),
        ("arrow_pairs", ["near\ncosine 0.99", "far\ncosine -0.89"]),
        ("two_kinds_of_pairs", ["A", "B"]),
        ("ways_by_kind", ["code", "mean"]),
        ("senses_by_layer", ["layer 0: 75%", "layer 3: 100%"] + [""] * 6),
        ("rivals_by_layer", ["tuned", "sealed"]),
        ("cosines_by_layer", ["mean", "last"]),
        ("attention_heads", [*(f"head {head}" for head in range(5)), "", "", ""]),
        ("moves_by_token", ["all", "none"]),
        ("bars_by_token", ["weight", "move"]),
        (
            "padding_waste",
            ["as given:\n25% padding", "sorted:\n0% padding", "the first batch, end to end:\n2 rows without padding"],
        ),
        ("speed_curves", ["MiniLM, float32", "MiniLM, bfloat16"]),
    ],
)
def test_each_panel_is_named(name, titles):
    assert [title(axes) for axes in panels(name)] == titles


@pytest.mark.parametrize(
    ("name", "kind", "labels"),
    [
        ("who_sees_whom", "ylabel", ["token whose vector moved", ""]),
        ("token_feature_map", "ylabel", ["mean value", "token", "value"]),
        ("padding_waste", "ylabel", ["texts of a batch", "", ""]),
        ("found_within", "xlabel", ["k: how many of the 20 texts are looked at, best first"]),
        ("senses_by_layer", "xlabel", ["50% of the variance", "33% of the variance"] + [""] * 6),
        ("rivals_by_layer", "ylabel", ["nearest neighbour has the same sense", ""]),
        ("scores_by_layer", "ylabel", ["F1", "UAS"]),
        ("inputs_compared", "xlabel", ["published, F1 x 100", "here, F1 x 100"]),
        ("learning_curve", "ylabel", ["loss (cross entropy)", "accuracy"]),
    ],
)
def test_axes_say_what_they_measure(name, kind, labels):
    assert [getattr(axes, f"get_{kind}")() for axes in panels(name)] == labels


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("cosine_by_token", ["one", "other"]),
        ("vocabulary_map", ["word: 200", "part: 200", "free: 5,000\n(a block: ids 0 to 4,999)", "none: 0"]),
        ("side_by_side_bars", ["words", "pieces"]),
        ("stacked_shares", [*"1234?"]),
        ("compared_histograms", ["words", "pieces"]),
        ("values_per_layer", ["half of the values", "99 % of them", "each value beyond ±2"]),
        ("cosine_spread", ["far: the mean", "near: the mean"]),
        ("two_kinds_of_pairs", ["same, mean 0.40", "other, mean 0.50", "same, mean 5.00", "other, mean 3.50"]),
        ("found_within", ["BERT", "TF-IDF", "at random"]),
        ("senses_by_layer", ["shore", "money"]),
        ("rivals_by_layer", ["word", "guessing", "mask"]),
        ("cosines_by_layer", ["same", "other"]),
        ("scores_by_probe", ["a", "b"]),
        ("learning_curve", ["training", "held out", "its 95 % interval", "always yes"]),
    ],
)
def test_the_legend_names_what_is_drawn(name, names):
    legends = [*panels(name)[0].figure.legends, *(axes.get_legend() for axes in panels(name))]
    assert [text.get_text() for legend in legends if legend for text in legend.get_texts()] == names


@pytest.mark.parametrize(
    ("name", "panel", "across", "up"),
    [
        ("cosine_by_token", 0, ["a", "b"], ["−0.2", "0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        ("who_sees_whom", 0, ["a", "b"], ["a", "b"]),
        ("who_sees_whom", 1, ["a", "b"], []),
        ("longest_match", 0, ["0", "1", "2", "3"], ["try 1", "try 3"]),
        ("vocabulary_map", 0, [], ["0", "5,120"]),
        ("side_by_side_bars", 0, ["1", "2", "4"], None),
        ("stacked_shares", 0, None, ["first", "second"]),
        ("values_per_layer", 0, None, ["0", "1"]),
        ("token_feature_map", 1, None, ["a", "b"]),
        ("lines_per_layer", 0, ["0", "1", "2"], None),
        ("pooling_paths", 0, TOKENS, [*(f"layer {y}" for y in range(6)), "token vectors", "word vectors"]),
        ("pooling_paths", 1, TOKENS, [*(f"layer {y}" for y in range(6)), "token vectors", "sentence vector"]),
        ("layers_taken", 0, ["mean", "last", "both"], ["layer 0", "layer 1"]),
        ("cosine_heat_map", 0, ["a", "b"], ["a", "b"]),
        ("windows_over_text", 0, None, ["window 0", "window 1"]),
        ("cosine_map", 0, ["a", "b"], ["0", "1"]),
        ("cosine_spread", 0, ["0", "1"], None),
        ("found_within", 0, ["1", "2", "5", "10", "20"], None),
        ("ways_by_kind", 0, ["0", "0.5", "1"], ["vectors", "words"]),
        ("rivals_by_layer", 0, ["0", "1"], None),
        ("attention_table", 0, ["[CLS]", "it"], ["it"]),
        ("attention_heads", 0, [], ["a", "b"]),
        ("attention_heads", 1, ["a", "b"], []),
        ("attention_heads", 4, ["a", "b"], ["a", "b"]),
        ("moves_by_token", 0, [], ["0", "1"]),
        ("moves_by_token", 1, ["a", "b"], ["0", "1"]),
        ("bars_by_token", 0, None, ["a", "b"]),
        ("bars_by_token", 1, None, ["", ""]),
        ("speed_curves", 0, ["10", "100"], None),
        ("scores_by_probe", 0, None, ["GloVe", "last"]),
        ("inputs_compared", 0, None, ["last", "sum"]),
        ("learning_curve", 0, ["1", "2"], None),
    ],
)
def test_ticks_name_the_tokens_layers_and_rows(name, panel, across, up):
    axes = panels(name)[panel]
    assert across is None or ticks(axes.xaxis) == across
    assert up is None or ticks(axes.yaxis) == up


@pytest.mark.parametrize(
    ("name", "axis", "number", "text"),
    [
        ("parameter_map", "xaxis", 40_000_000, "40"),
        ("side_by_side_bars", "yaxis", 2000, "2,000"),
        ("rivals_by_layer", "yaxis", 0.4, "40%"),
    ],
)
def test_numbers_on_an_axis_are_easy_to_read(name, axis, number, text):
    assert getattr(panels(name)[0], axis).get_major_formatter()(number, 0) == text


@pytest.mark.parametrize(
    ("name", "panel", "kinds"),
    [
        ("parameter_map", 0, "tllttl"),
        ("token_boxes", 0, "swws"),
        ("input_grid", 0, "0010"),
        ("input_grid", 1, "0001"),
        ("longest_match", 0, "-+-"),
        ("stacked_shares", 0, "12435"),
        ("layers_taken", 0, "++-+pp"),
        ("windows_over_text", 0, "-a-b"),
        ("moves_by_token", 0, "0123"),
        ("moves_by_token", 1, "0000"),
        ("padding_waste", 0, "ttpp"),
        ("padding_waste", 2, "abb"),
    ],
)
def test_bars_of_one_kind_have_one_colour_and_of_two_kinds_two(name, panel, kinds):
    colours = faces(panels(name)[panel])
    assert [colours.index(colour) for colour in colours] == [kinds.index(kind) for kind in kinds]


def test_rows_are_read_from_the_top_and_layers_from_the_bottom():
    downwards = """parameter_map token_boxes input_grid who_sees_whom whole_way word_pieces longest_match
        vocabulary_map
        stacked_shares values_per_layer cosine_heat_map windows_over_text ways_by_kind attention_table attention_heads
        bars_by_token padding_waste scores_by_probe inputs_compared score_maps gains_by_way ledger_tiles"""
    assert [name for name in EXAMPLES if panels(name)[0].yaxis_inverted()] == downwards.split()


def test_a_ring_marks_the_highest_cosine_of_each_row():
    before, after = panels("score_maps")[:2]
    assert points(before.lines[0]) == [(1, 0), (1, 1)]
    assert points(after.lines[0]) == [(0, 0), (1, 1)]


def test_a_gain_is_filled_where_its_interval_leaves_0_out_and_each_seed_has_a_stroke():
    (axes,) = panels("gains_by_way")
    bars, seeds, means = axes.lines[0:6:3], axes.lines[1:6:3], axes.lines[2:6:3]
    assert [points(line) for line in bars] == [[(0.05, 0), (0.15, 0)], [(-0.05, 1), (0.03, 1)]]
    assert [points(line) for line in seeds] == [[(0.08, 0), (0.12, 0)], [(-0.01, 1)]]
    assert [line.get_markerfacecolor() for line in means] == [plots.BLUE, "white"]


def test_a_gain_curve_has_its_interval_as_a_band():
    (axes,) = panels("gain_curve")
    assert points(axes.lines[0]) == [(10, 0.01), (40, 0.05)]
    assert band(axes.collections[0]) == {10: (-0.02, 0.04), 40: (0.01, 0.09)}


def test_special_and_marked_tokens_are_bold():
    (boxed,), (_, below) = panels("token_boxes"), panels("moves_by_token")
    bold = [t.get_text() for t in [*boxed.texts, *below.get_xticklabels()] if t.get_fontweight() == "bold"]
    assert bold == ["[CLS]", "[SEP]", "b"]


def test_every_second_of_many_layers_is_numbered_where_panels_stand_side_by_side():
    many = {"F1": [range(13)] * 3, "UAS": [range(13)] * 3}
    for figure in (drawn("scores_by_layer", panels=many), drawn("cosines_by_layer", panels={"a": {"b": range(13)}})):
        assert ticks(figure.axes[0].xaxis) == ["0", "2", "4", "6", "8", "10", "12"]


def test_nearness_has_bars_for_the_pieces_of_each_text_and_a_line_over_the_layers_for_each_piece():
    one, other, lines = panels("nearness")
    assert [[p.get_height() for p in axes.patches] for axes in (one, other)] == [[0.3, 1], [-0.2, 0.754, 0.4]]
    assert [ticks(axes.xaxis) for axes in (one, other)] == [["[CLS]", "bank"], ["a", "bank", "."]]
    assert {rounded(line.get_ydata()) for line in lines.lines} == {(0, 0.3), (0.1, -0.2), (0.9, 0.754), (0, 0.4)}
    assert [points(line) for line in lines.lines if line.get_linewidth() > 2] == [[(0, 0.9), (1, 0.754)]]


def test_nearness_marks_the_two_chosen_pieces_by_hatching_and_in_words():
    one, other, _ = panels("nearness")
    assert (hatched(one), hatched(other)) == ([False, True], [False, True, False])
    assert {text.get_text() for text in one.texts} == {"0.30", "1.00", "from here"}
    assert {text.get_text() for text in other.texts} == {"-0.20", "0.75", "0.40", "compared"}


def test_what_is_not_given_is_not_drawn():
    alone = drawn("cosine_by_token", series={"one": [0.5, 1]}, parts=None)
    assert (alone.legends, len(alone.axes[0].lines), written(alone.axes[0])) == ([], 2, {})
    (axes,) = drawn("compared_histograms", mark=None).axes
    assert (list(axes.lines), written(axes)) == ([], {})


def test_cosines_by_layer_have_one_scale():
    assert {rounded(axes.get_ylim()) for axes in panels("cosines_by_layer")} == {(-0.05, 1.05)}


@pytest.mark.parametrize(
    ("name", "data"), [("cosine_heat_map", "cosines"), ("cosine_map", "values"), ("attention_table", "weights")]
)
def test_maps_shade_each_value_and_write_on_dark_squares_in_another_colour(name, data):
    (axes,) = panels(name)
    assert axes.images[0].get_array().tolist() == EXAMPLES[name][data]
    assert len({text.get_color() for text in axes.texts}) == 2


def test_who_sees_whom_fills_a_square_where_a_row_depends_on_a_column():
    meshes = [axes.collections[0] for axes in panels("who_sees_whom")]
    assert [mesh.get_array().tolist() for mesh in meshes] == [[[1, 1], [0, 1]], [[1, 1], [1, 1]]]
    assert {tuple(mesh.to_rgba([0])[0]) != tuple(mesh.to_rgba([1])[0]) for mesh in meshes} == {True}


def test_word_pieces_tell_beginnings_continuations_unknown_words_and_lost_words_apart():
    (axes,) = panels("word_pieces")
    drawn_around = [around(axes, piece) for piece in ("em", "##bed", "[UNK]", "nothing")]
    assert [[box.get_hatch() for box in own] for own in drawn_around] == [[None], [None, "///"], [None, "xx"], [None]]
    assert [own[0].get_linestyle() for own in drawn_around] == ["-", "-", "-", "--"]
    assert len({own[0].get_facecolor() for own in drawn_around}) == 3


def test_word_pieces_are_wrapped_within_the_picture():
    (axes,) = drawn("word_pieces", words=["embeddings"] * 20, pieces=[["em", "##bed", "##ding", "##s"]] * 20).axes
    rows = written(axes)
    assert [list(rows[row + 0.17].values()) for row in range(5)] == [["embeddings"] * 4] * 5
    assert max(left + width for left, _, width in boxes(axes)) < axes.get_xlim()[1]
    assert axes.get_ylim()[0] == 5


def test_a_vocabulary_map_has_one_cell_an_entry_in_the_order_of_the_ids():
    picture = panels("vocabulary_map")[0].images[0].get_array()
    assert picture.shape == (22, 256)
    assert picture.ravel().tolist() == [2] * 5000 + [0, 1] * 200 + [-1] * 232


def test_legends_have_the_colours_of_the_cells_and_bars():
    (axes,) = panels("vocabulary_map")
    shades = [patch.get_facecolor() for patch in axes.get_legend().get_patches()]
    assert shades == [axes.images[0].cmap(axes.images[0].norm(kind)) for kind in range(4)]
    assert len(set(shades)) == 4
    (axes,) = panels("stacked_shares")
    shades = [patch.get_facecolor() for patch in axes.get_legend().get_patches()]
    assert faces(axes) == [shades[part] for part in (0, 1, 3, 2, 4)]
    assert len(set(shades)) == 5


def test_the_number_in_a_hatched_part_stands_on_a_plain_ground():
    (axes,) = panels("stacked_shares")
    assert [text.get_text() for text in axes.texts if text.get_bbox_patch()] == ["15"]


def test_bars_side_by_side_are_as_high_as_the_counts_and_stand_around_their_number():
    (axes,) = panels("side_by_side_bars")
    bars = [rounded((patch.get_x() + patch.get_width() / 2, patch.get_height())) for patch in axes.patches]
    assert bars == [(0.79, 10), (1.79, 2000), (2.21, 5), (4.21, 7)]
    assert hatched(axes) == [False, False, True, True]
    assert [bool(patch.get_hatch()) for patch in axes.get_legend().get_patches()] == [False, True]


def test_compared_histograms_count_in_the_same_bins_one_filled_and_one_in_outline():
    (axes,) = panels("compared_histograms")
    for polygon, values in zip(axes.patches, EXAMPLES["compared_histograms"]["groups"].values(), strict=True):
        edges, heights = histogram(polygon)
        assert edges == pytest.approx(np.linspace(-1, 1, 51))
        assert heights.tolist() == np.histogram(values, edges)[0].tolist()
    assert [polygon.get_fill() for polygon in axes.patches] == [True, False]


def test_a_feature_histogram_counts_the_values_and_has_a_tick_for_each():
    (axes,), values = panels("feature_histogram"), EXAMPLES["feature_histogram"]["values"]
    shade, *bars = axes.patches
    assert (shade.get_x(), shade.get_width()) == (-2, 4)
    assert [bar.get_height() for bar in bars] == np.histogram(values, 80)[0].tolist()
    assert (bars[0].get_x(), bars[-1].get_x() + bars[-1].get_width()) == pytest.approx((-3, 5))
    assert list(axes.lines[0].get_xdata()) == values


@pytest.mark.parametrize(
    ("values", "limit", "names"),
    [
        ([0.5, 5, -3], 2, {5: "feature 1", -3: "feature 2", 0: "from -2 to 2"}),
        ([0.5, 5, -3], 4, {5: "feature 1", 0: "from -4 to 4"}),
        (range(-8, 1), 0.5, {-n: f"feature {8 - n}" for n in range(1, 9)} | {0: "from -0.5 to 0.5"}),
        (range(-9, 1), 0.5, {0: "from -0.5 to 0.5"}),
    ],
)
def test_a_feature_histogram_names_up_to_eight_values_beyond_the_limit(values, limit, names):
    (axes,) = drawn("feature_histogram", values=values, limit=limit).axes
    assert {x: text for row in written(axes).values() for x, text in row.items()} == names


def test_values_per_layer_show_half_of_them_99_percent_and_each_one_beyond_the_limit():
    (axes,) = panels("values_per_layer")
    narrow, wide = EXAMPLES["values_per_layer"]["values"]
    no_dots, _, _, dots, most, half = axes.lines[:6]
    assert no_dots.get_xdata().size == 0
    assert dots.get_xdata().tolist() == wide[abs(wide) > 2].tolist()
    assert abs(dots.get_ydata() - 1).max() < 0.3
    assert [points(line) for line in (most, half)] == [[(-3.96, 1), (3.96, 1)], [(-2, 1), (2, 1)]]
    assert axes.lines[1].get_xdata() == pytest.approx(np.percentile(narrow, [0.5, 99.5]))
    assert half.get_linewidth() > most.get_linewidth()


def test_a_token_feature_map_shows_every_value_and_the_mean_of_each_feature():
    top, below, _ = panels("token_feature_map")
    (picture,) = below.images
    assert picture.get_array().tolist() == EXAMPLES["token_feature_map"]["values"]
    assert picture.norm.vmin == -picture.norm.vmax
    bars, *marked = [[line.tolist() for line in lines.get_segments()] for lines in top.collections]
    assert bars == [[[x, 0], [x, mean]] for x, mean in enumerate([0, 2, -3, 2, 6])]
    assert marked == [[bars[2]], [bars[4]]]
    assert [arrow.xy for arrow in below.texts] == [(2, -0.5), (4, -0.5)]


def test_a_marked_feature_at_the_right_end_is_named_on_its_left():
    top, *_ = drawn("token_feature_map", values=np.ones((2, 20)), marked=[3, 18]).axes
    assert [text.get_horizontalalignment() for text in top.texts] == ["left", "right"]


def test_names_at_the_ends_of_lines_have_their_colour_and_are_moved_up_where_they_would_touch():
    (axes,) = panels("lines_per_layer")
    assert [text.get_color() for text in axes.texts] == [line.get_color() for line in axes.lines]
    (axes,) = drawn("lines_per_layer", series={"a": [0, 0.5], "b": [1, 0.49], "c": [1, 0.5]}).axes
    ends = {0.49: {1.04: "b  0.490"}, 0.58: {1.04: "a  0.500"}, 0.67: {1.04: "c  0.500"}}
    assert written(axes) == ends


def test_state_boxes_name_the_sides_of_each_drawing_and_the_followed_token():
    texts = [[text.get_text() for text in axes.texts] for axes in panels("state_boxes")]
    sides = [["4 tokens"], ["4 tokens", "3 layers"], ["4 tokens", "3 layers"], ["3 layers", "4 tokens"]]
    assert [[t for t in own if t.endswith(("tokens", "layers"))] for own in texts] == sides
    assert all("8 features" in own for own in texts)
    assert "orange: token 1,\nbank" in texts[2]
    assert "token 1, bank: [3, 8]" in texts[3]


def test_state_boxes_follow_one_token_from_a_row_of_each_layer_to_a_sheet_of_its_own():
    colours = [[sheet.get_facecolors().tolist() for sheet in axes.collections] for axes in panels("state_boxes")]
    assert [[len(sheet) for sheet in sheets] for sheets in colours] == [[4] * 3, [4] * 3, [4] * 3, [3] * 5]
    assert colours[0] == colours[1] == colours[2]
    for first, followed, *others in colours[0]:
        assert others == [first, first]
        assert followed != first
    by_token = [list(rows) for rows in zip(*colours[0], strict=True)]
    assert colours[3] == [*by_token, by_token[1]]
    assert len(set(map(tuple, by_token[1]))) == 3


def test_pooling_paths_fill_the_layers_that_are_taken_and_the_vectors_that_come_of_them():
    for axes, layers, results in zip(panels("pooling_paths"), ((2, 3, 4, 5), (4,)), (2, 1), strict=True):
        filled = [box for box, full in zip(boxes(axes), hatched(axes), strict=True) if full]
        assert {(round(x + 0.42), y) for x, y, _ in filled if y < 6} == {(x, y) for x in range(5) for y in layers}
        assert sorted(y for _, y, _ in filled if y > 6) == [7.6] * 5 + [10.9] * results
        upwards = [points(line) for line in axes.lines if line.get_ydata()[0] < 6]
        assert upwards == [[(x, layers[-1] + 0.42), (x, 7.1)] for x in range(5)]


def test_pooling_paths_lead_pieces_to_their_word_and_only_content_to_the_sentence():
    ways = []
    for axes in panels("pooling_paths"):
        ends = [(line.get_linestyle(), *line.get_xdata()) for line in axes.lines if line.get_ydata()[1] > 10]
        ways.append([{(start, end) for style, start, end in ends if style == kind} for kind in ("-", "--")])
    assert ways[0] == [{(1, 1), (2, 2.5), (3, 2.5)}, set()]
    assert ways[1] == [{(1, 2), (2, 2), (3, 2)}, {(0, 2), (4, 2)}]
    words = [written(axes)[11.65] for axes in panels("pooling_paths")]
    assert words == [{1: "the", 2.5: "banks"}, {2: "one vector"}]


def test_below_the_windows_a_thick_line_shows_the_context_of_what_is_taken():
    lines, nan = panels("windows_over_text")[1].lines, np.nan
    seen = [list(map(tuple, line.get_xydata())) for line in lines]
    np.testing.assert_equal(seen[0], [(0, 9), (1, 8), (1, 7), (2, 6), (3, 5)])
    np.testing.assert_equal(seen[1], [(0, 9), (1, 8), (1, 7), (2, 6), (3, nan)])
    np.testing.assert_equal(seen[2:], [[(2, 1), (3, 2), (4, 3)], [(2, nan), (3, 2), (4, 3)]])
    assert lines[1].get_linewidth() > lines[0].get_linewidth()


def test_arrows_go_from_the_origin_to_their_vector_on_one_scale():
    for axes, ends in zip(panels("arrow_pairs"), EXAMPLES["arrow_pairs"]["panels"].values(), strict=True):
        arrows = [text for text in axes.texts if text.arrow_patch]
        assert [(arrow.xyann, arrow.xy) for arrow in arrows] == [((0, 0), end) for end in ends]
        assert [arrow.arrowprops["arrowstyle"] for arrow in arrows] == ["-|>", "-|>"]
        assert len({arrow.arrow_patch.get_edgecolor() for arrow in arrows}) == 2
        assert rounded(axes.get_xlim()) == rounded(axes.get_ylim()) == (-2.6, 3.8)


def test_cosine_spread_draws_a_violin_from_the_least_to_the_greatest():
    violins = [violin.get_paths()[0].get_extents() for violin in panels("cosine_spread")[0].collections]
    places = [rounded(((each.x0 + each.x1) / 2, each.y0, each.y1)) for each in violins]
    assert places == [(0, 0, 1), (1, -0.2, 0.4)]


@pytest.mark.parametrize(("same_bins", "edges"), [(False, [(0, 1, 26), (3, 5, 26)]), (True, [(0, 5, 41)] * 2)])
def test_two_kinds_of_pairs_are_shares_in_percent_in_the_same_bins(same_bins, edges):
    figure, data = drawn("two_kinds_of_pairs", same_bins=same_bins), EXAMPLES["two_kinds_of_pairs"]["panels"].values()
    for axes, kinds, expected in zip(figure.axes, data, edges, strict=True):
        assert [polygon.get_fill() for polygon in axes.patches] == [True, False]
        for polygon, values in zip(axes.patches, kinds.values(), strict=True):
            found, heights = histogram(polygon)
            assert found == pytest.approx(np.linspace(*expected))
            assert heights == pytest.approx(100 * np.histogram(values, found)[0] / len(values))


def test_spread_says_the_mean_and_the_middle_ninety_percent():
    assert plots.spread(range(101)) == "mean 50.00, nine in ten from 5.00 to 95.00"


def test_ways_by_kind_writes_every_score_and_the_highest_in_bold():
    scores = [[(text.get_text(), text.get_fontweight()) for text in axes.texts] for axes in panels("ways_by_kind")]
    assert scores == [[("0.50", "normal"), ("1.00", "bold")], [("0.75", "bold"), ("0.75", "bold")]]


def test_found_within_counts_the_answers_among_the_first_k_and_compares_with_chance():
    bert, tfidf, random = (dict(points(line)) for line in panels("found_within")[0].lines)
    assert [bert[k] for k in (1, 2, 3, 19, 20)] == [0.5, 0.5, 0.75, 0.75, 1]
    assert [tfidf[k] for k in (1, 2, 20)] == [0, 1, 1]
    assert random == {k: k / 20 for k in range(1, 21)}


def test_bands_reach_from_the_lower_to_the_upper_end():
    bert, tfidf = (band(collection) for collection in panels("found_within")[0].collections)
    assert (bert[1], bert[3], tfidf[1]) == ((0.01, 0.99), (round(0.75 - 1.96 * (0.75 / 16) ** 0.5, 3), 1), (0, 0))
    assert band(panels("learning_curve")[1].collections[0]) == {1: (0.3, 0.7), 2: (0.7, 0.9)}
    intervals = panels("scores_by_layer")[0].collections[0].get_segments()
    assert [interval.tolist() for interval in intervals] == [[[0, 0], [0, 0.2]], [[1, 0.4], [1, 0.6]]]
    across = [c.get_segments() for c in panels("scores_by_probe")[0].collections]
    assert [[segment[:, 0].tolist() for segment in own] for own in across] == [
        [[0.2, 0.5], [0.4, 0.6]],
        [[0.9, 1], [0, 0.1]],
    ]


def test_rivals_of_the_layers_are_lines_across_or_layer_by_layer_in_their_own_panel():
    rivals = {"F1": {"GloVe": 0.3, "a window": [float("nan"), 0.7]}}
    left, right = drawn("scores_by_layer", rivals=rivals).axes
    found = {line.get_label(): line for line in left.lines if line.get_label() in rivals["F1"]}
    assert set(found["GloVe"].get_ydata()) == {0.3}
    assert found["a window"].get_ydata().tolist()[1] == 0.7
    assert len({line.get_linestyle() for line in found.values()}) == 2
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["GloVe", "a window"]
    assert right.get_legend() is None
    assert len(right.lines) == 2


def test_all_rows_of_a_figure_of_probes_have_the_same_probes():
    with pytest.raises(ValueError, match=r"'last' has the probes \['b'\], the first row \['a'\]"):
        drawn("scores_by_probe", rows={"GloVe": {"a": (1, 0, 2)}, "last": {"b": (1, 0, 2)}})


def test_the_scores_of_our_inputs_carry_the_checkpoints_name():
    assert drawn("inputs_compared", here="minilm").axes[1].get_xlabel() == "minilm, F1 x 100"


def test_senses_are_markers_at_their_points_with_thin_lines_to_their_middle():
    axes = panels("senses_by_layer")[0]
    markers = {line.get_label(): points(line) for line in axes.lines if line.get_label() in SENSES}
    thin = [points(line) for line in axes.lines if line.get_label() not in SENSES]
    looks = [(line.get_marker(), line.get_color()) for line in axes.lines if line.get_label() in SENSES]
    assert [len(set(kind)) for kind in zip(*looks, strict=True)] == [2, 2]
    assert markers == {"shore": [(0, 0), (2, 0)], "money": [(8, 4), (8, 6), (8, 8)]}
    middle = {"shore": (1, 0), "money": (8, 6)}
    assert thin == [[middle[sense], tuple(point)] for sense, point in zip(SENSES, POINTS, strict=True)]
    assert rounded(axes.get_xlim()) == rounded(axes.get_ylim()) == (-0.6, 8.6)


def test_places_without_a_picture_of_senses_are_empty_and_the_first_explains_the_others():
    assert [axes.axison for axes in panels("senses_by_layer")] == [True] * 2 + [False] * 6
    assert written(panels("senses_by_layer")[2])[0.58][0].startswith("one marker: one sentence\nlines: to the middle")
    assert panels("senses_by_layer")[2].get_legend()


def test_strays_counts_the_points_that_lie_nearer_to_another_sense():
    assert plots.strays(POINTS, SENSES) == 0
    assert plots.strays([*POINTS, [8, 5], [1, 1]], [*SENSES, "shore", "money"]) == 2


@pytest.mark.parametrize("name", ["lines_per_layer", "lines_by_padding"])
def test_lines_have_room_behind_their_ends_for_their_names(name):
    (axes,) = panels(name)
    last = max(x for line in axes.lines for x in line.get_xdata())
    assert axes.get_xlim()[1] > 1.2 * last


def test_the_word_itself_is_thicker_than_its_rivals():
    for axes in panels("rivals_by_layer"):
        assert axes.lines[0].get_linewidth() > 1.5 * axes.lines[1].get_linewidth()


def test_the_panels_of_rivals_share_a_scale_that_holds_the_lowest():
    low, high = drawn("rivals_by_layer", panels={"a": {"word": [0.5, 1]}, "b": {"word": [0.1]}}).axes
    assert low.get_ylim() == high.get_ylim() == (pytest.approx(0.07), 1.05)


def test_eight_rivals_differ_in_their_marker_or_line():
    (axes,) = drawn("rivals_by_layer", panels={"a": dict.fromkeys("abcdefgh", (0, 1))}).axes
    assert len({(line.get_marker(), line.get_linestyle()) for line in axes.lines}) == 8


def test_attention_heads_draw_squares_whose_area_is_the_weight():
    for axes, weights in zip(panels("attention_heads"), EXAMPLES["attention_heads"]["heads"], strict=False):
        squares = [path.get_extents() for path in axes.collections[0].get_paths()]
        assert [square.width * square.height for square in squares] == pytest.approx(np.ravel(weights).tolist())
        middles = [rounded(((square.x0 + square.x1) / 2, (square.y0 + square.y1) / 2)) for square in squares]
        assert middles == [(looked_at, looking) for looking in range(2) for looked_at in range(2)]


def test_attention_heads_say_which_way_the_tokens_look_and_hide_places_without_a_head():
    axes = panels("attention_heads")
    assert [each.get_visible() for each in axes] == [True] * 5 + [False] * 3
    figure = axes[0].figure
    assert (figure.get_supxlabel(), figure.get_supylabel()) == ("token that is looked at", "token that looks")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("bars_by_token", [["0.250", "0.750"], ["0.000", "0.000"]]),
    ],
)
def test_bars_have_their_value_at_their_end_and_room_for_it(name, values):
    assert [[text.get_text() for text in axes.texts] for axes in panels(name)] == values
    for axes in panels(name):
        left, right = axes.get_xlim()
        assert left == 0 != right
        assert right > 1.15 * max(width for *_, width in boxes(axes))


@pytest.mark.parametrize(("budget", "rows"), [(5, "3 rows"), (6, "2 rows"), (9, "1 row")])
def test_padding_waste_counts_rows_of_whole_texts(budget, rows):
    *_, packed = drawn("padding_waste", batches={"as given": [3, 3, 3]}, budget=budget).axes
    assert title(packed) == f"the first batch, end to end:\n{rows} without padding"


def test_padding_waste_lays_the_first_batch_end_to_end():
    *_, packed = panels("padding_waste")
    assert boxes(packed) == [(0, 0, 2), (2, 0, 2), (0, 1, 2)]
    assert faces(packed)[0] != faces(packed)[1] == faces(packed)[2]


def test_cosines_by_layer_give_a_series_the_same_look_in_every_panel_and_all_a_place_in_the_legend():
    first, second = drawn("cosines_by_layer", panels={"A": {"x": [0, 1], "y": [1, 0]}, "B": {"y": [0, 1]}}).axes
    looks = [(line.get_color(), line.get_marker(), line.get_linestyle()) for line in (*first.lines, *second.lines)]
    assert looks[1] == looks[2] != looks[0]
    figure = drawn("cosines_by_layer", panels={"A": {"x": [0, 1]}, "B": {"y": [0, 1]}})
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["x", "y"]


def test_speed_curves_draw_the_median_and_the_range_of_the_rounds_over_the_number_of_texts():
    full, half = panels("speed_curves")
    curves = [[points(bars.lines[0]) for bars in axes.containers] for axes in (full, half)]
    assert curves == [[[(10, 2.5), (100, 2)], [(10, 1.75), (100, 2)]], [[(10, 1.25), (100, 0.75)]]]
    (ranges,) = half.containers[0].lines[2]
    assert [rounded(bar[:, 1]) for bar in ranges.get_segments()] == [(1, 1.5), (0.5, 1)]
    one, other = (bars.lines[0] for bars in full.containers)
    assert one.get_color() != other.get_color()
    assert (one.get_marker(), one.get_linestyle()) != (other.get_marker(), other.get_linestyle())


def test_speed_curves_count_in_the_title_where_embed_is_ahead():
    assert panels("speed_curves")[0].figure.get_suptitle() == "embed is ahead in 1 of 4 comparisons"


def test_speed_words_call_a_way_ahead_that_was_faster_in_every_round():
    assert plots.speed_words({"comparisons": COMPARISONS}) == [
        "- MiniLM, 6 layers, float32. 10 texts: embed is ahead (2.50, OpenVINO, sorted 1.75); "
        "100 texts: embed (2.00) and OpenVINO, sorted (2.00) are not told apart.",
        "- MiniLM, 6 layers, bfloat16. 10 texts: embed (1.25) and sentence-transformers (1.00) are not told apart; "
        "100 texts: sentence-transformers (1.00) and embed (0.75) are not told apart.",
    ]


def test_of_two_rounds_speed_words_call_no_way_ahead():
    run = {**COMPARISONS[0], "rounds": 2, "speed": {"embed": [3.0, 2.0], "OpenVINO, sorted": [2.0, 1.5]}}
    (line,) = plots.speed_words({"comparisons": [run]})
    assert line.endswith(
        "embed (2.50) and OpenVINO, sorted (1.75) and sentence-transformers (1.00) are not told apart."
    )


def test_gpu_words_take_the_best_setting_of_the_other_library():
    assert plots.gpu_words(GPU) == [
        "On a GPU (a GPU), texts a second, tokenizing included:",
        "",
        "- MiniLM, float32: embed 3,000; sentence-transformers at its best setting here (batches of 256) 2,000, "
        "so embed is 1.5 times as fast.",
        "- MiniLM, bfloat16: embed 10,000; sentence-transformers at its best setting here (batches of 256) 4,000, "
        "so embed is 2.5 times as fast.",
    ]


def test_ledger_tiles_have_the_look_of_their_verdict():
    (axes,) = panels("ledger_tiles")
    tiles = {name: around(axes, name) for name in EXAMPLES["ledger_tiles"]["verdicts"]}
    assert {len(own) for own in tiles.values()} == {1}
    looks = {name: (tile.get_facecolor(), tile.get_hatch()) for name, (tile,) in tiles.items()}
    assert len({looks[f"A{i}"] for i in range(14)}) == 1
    assert [len(set(kind)) for kind in zip(looks["A0"], looks["B1"], looks["B2"], strict=True)] == [3, 3]


def test_ledger_tiles_of_five_verdicts_look_different():
    (axes,) = plots.ledger_tiles({name: name for name in "ABCDE"}, "ABCDE", title="five").axes
    looks = {(tile.get_facecolor(), tile.get_hatch()) for tile in axes.patches}
    assert len(looks) == len(axes.patches) == 5
