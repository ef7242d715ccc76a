"""Chapter 6: the ways from hidden states to vectors, padding, and windows."""

from fractions import Fraction
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bertutil.course.plots.common import BLUE, GREEN, GREY, ORANGE, STYLE, empty_axes, paired


@rc_context(STYLE)
def pooling_paths(tokens: list[str], words: list[str], word_index: list[int], n_states: int) -> Figure:
    """The way from hidden states (bottom) to word vectors (left) and to a sentence vector (right).

    `word_index` gives the word of each token, -1 for special tokens; `n_states` counts the layers with layer 0.
    """
    figure, panels = empty_axes(height=3.1 + 0.2 * n_states, columns=2)
    low, high, center = n_states + 1.6, n_states + 4.9, (len(tokens) - 1) / 2
    pieces = [(word, [x for x, other in enumerate(word_index) if other == i]) for i, word in enumerate(words)]
    content = [x for x, word in enumerate(word_index) if word >= 0]
    four = min(4, n_states - 1)
    ways: Any = (
        ("A vector for each word", pieces, range(n_states - four, n_states), BLUE, "////"),
        ("A vector for the sentence", [("one vector", content)], [n_states - 2], ORANGE, "\\\\\\\\"),
    )
    steps: Any = (
        (
            "add up the last four layers" if four == 4 else f"add up all {four} layers",
            "mean over the pieces of a word",
        ),
        ("take the second-to-last layer", "mean over the tokens of a mask"),
    )
    for axes, (title, groups, taken, color, hatch), labels in zip(panels, ways, steps, strict=True):
        filled = {"facecolor": to_rgba(color, 0.3), "edgecolor": color, "hatch": hatch, "linewidth": 0.8}
        empty = {"facecolor": "white", "edgecolor": "#C8C8C8", "linewidth": 0.8}
        line: Any = {"color": "#555555", "linewidth": 1}
        for x, word in enumerate(word_index):
            for y in range(n_states):
                axes.add_patch(Rectangle((x - 0.42, y - 0.42), 0.84, 0.84, **(filled if y in taken else empty)))
            axes.add_patch(Rectangle((x - 0.42, low - 0.5), 0.84, 1, **filled))
            axes.plot([x, x], [max(taken) + 0.42, low - 0.5], **line)
            if word < 0 and len(groups) == 1:
                axes.plot([x, center], [low + 0.5, high - 0.5], linestyle="--", **line)
        for label, xs in groups:
            middle = (xs[0] + xs[-1]) / 2
            axes.add_patch(Rectangle((middle - 0.42, high - 0.5), 0.84, 1, **filled))
            axes.text(middle, high + 0.75, label, ha="center", fontsize=8.5, family="monospace")
            for x in xs:
                axes.plot([x, middle], [low + 0.5, high - 0.5], **line)
        white: Any = {"facecolor": "white", "linewidth": 0, "pad": 1.5}
        for height, text in zip((n_states + 0.3, (low + high) / 2), labels, strict=True):
            axes.text(center, height, text, ha="center", va="center", fontsize=8.5, bbox=white)
        last = "word vectors" if len(groups) > 1 else "sentence vector"
        ticks = {y: f"layer {y}" for y in range(n_states)} | {low: "token vectors", high: last}
        axes.set_yticks(list(ticks), list(ticks.values()))
        slanted: Any = {"rotation": 60, "ha": "right", "rotation_mode": "anchor", "family": "monospace"}
        axes.set_xticks(range(len(tokens)), tokens, **slanted)
        axes.tick_params(length=0, labelsize=8.5)
        axes.spines[:].set_visible(False)
        axes.set(xlim=(-0.6, len(tokens) - 0.4), ylim=(-0.6, high + 1.5), title=title)
    return figure


@rc_context(STYLE)
def layers_taken(takes: dict[str, list[list[float]]], n_features: int, *, title: str) -> Figure:
    """One column for each way to combine layers, one row for each layer; a number where the layer goes in.

    `takes` gives a way's factors: one list [layers] for a sum, several for a concatenation, in their order.
    """
    n_states = len(next(iter(takes.values()))[0])
    figure, (axes,) = empty_axes(height=1.7 + 0.27 * n_states)
    for x, blocks in enumerate(takes.values()):
        joined = len(blocks) > 1
        for y in range(n_states):
            factors = {place: block[y] for place, block in enumerate(blocks, start=1) if block[y]}
            color = ("#C8C8C8", BLUE, ORANGE)[len(factors) and 1 + joined]
            fill = to_rgba(color, 0.3 if factors else 0)
            axes.add_patch(Rectangle((x - 0.44, y - 0.42), 0.88, 0.84, facecolor=fill, edgecolor=color))
            for place, factor in factors.items():
                text = f"place {place}" if joined else f"× {Fraction(factor).limit_denominator(99)}"
                axes.text(x, y, text, ha="center", va="center", fontsize=8.5)
        axes.text(x, n_states - 0.3, f"{len(blocks) * n_features:,}", ha="center", va="bottom", fontsize=9)
    axes.text(-0.6, n_states - 0.3, "features", ha="right", va="bottom", fontsize=9)
    axes.set_yticks(range(n_states), [f"layer {y}" for y in range(n_states)])
    axes.set_xticks(range(len(takes)), takes, rotation=30, ha="right", rotation_mode="anchor", family="monospace")
    axes.tick_params(length=0, labelsize=9)
    axes.spines[:].set_visible(False)
    axes.set(xlim=(-0.55, len(takes) - 0.45), ylim=(-0.55, n_states + 0.5), title=title)
    return figure


@rc_context(STYLE)
def cosine_heat_map(labels: list[str], cosines: list[list[float]], *, title: str) -> Figure:
    """The cosine of every vector with every other one, as a shaded square with the number in it."""
    figure, (axes,) = empty_axes(width=1.6 + 0.75 * len(labels), height=1.2 + 0.5 * len(labels))
    lowest = min(0.0, *(min(row) for row in cosines))
    axes.imshow(cosines, cmap="Blues", vmin=lowest, vmax=1, aspect="auto")
    for y, row in enumerate(cosines):
        for x, value in enumerate(row):
            dark = (value - lowest) / (1 - lowest) > 0.6
            axes.text(x, y, f"{value:.2f}", ha="center", va="center", color="white" if dark else "black")
    axes.set_xticks(range(len(labels)), labels)
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title)
    return figure


@rc_context(STYLE)
def lines_by_padding(series: dict[str, tuple[list[int], list[float]]], *, title: str, ylabel: str) -> Figure:
    """Lines over the number of padding tokens, each with its name at its end: a series has counts and values."""
    figure, (axes,) = empty_axes(height=3.8)
    widest = max(max(counts) for counts, _ in series.values())
    for (name, (counts, values)), marker, style in paired(series.items(), "osD^", ("-", "--", "-.", ":")):
        (line,) = axes.plot(counts, values, marker=marker, linestyle=style, linewidth=1.8, markersize=6)
        axes.text(counts[-1] + 0.02 * widest, values[-1], name, color=line.get_color(), va="center")
    axes.set(title=title, xlabel="number of padding tokens behind the text", ylabel=ylabel)
    lowest = min(0.0, *(min(values) for _, values in series.values()))
    axes.set(xlim=(-0.03 * widest, 1.3 * widest), ylim=(lowest, 1.06))
    axes.grid(axis="y", color="#E5E5E5")
    axes.set_axisbelow(True)
    return figure


@rc_context(STYLE)
def windows_over_text(windows: list[dict[str, list[int]]], *, title: str) -> Figure:
    """Windows as bars over a text's words, and below how far each window sees around each word.

    A window has three lists: "words", the word of each of its tokens; "taken", the same for the tokens that are taken
    from it; "context", for each of its tokens the number of tokens up to the nearer cut.
    """
    figure, (bars, curves) = empty_axes(height=4 + 0.25 * len(windows), rows=2)
    for y, (window, color) in enumerate(zip(windows, cycle([BLUE, ORANGE, GREEN]), strict=False)):
        words, start, end = window["words"], window["taken"][0], window["taken"][-1]
        style: Any = {"left": words[0], "height": 0.66, "color": "white", "edgecolor": GREY}
        bars.barh(y, words[-1] - words[0] + 1, **style)
        style = {"left": start, "height": 0.66, "color": to_rgba(color, 0.35), "edgecolor": color, "hatch": "////"}
        bars.barh(y, end - start + 1, **style)
        white: Any = {"facecolor": "white", "linewidth": 0, "pad": 2}
        bars.text((start + end) / 2, y, f"words {start} to {end}", ha="center", va="center", fontsize=9, bbox=white)
        curves.plot(words, window["context"], color=color, linestyle=":")
        taken = [np.nan if not start <= x <= end else c for x, c in zip(words, window["context"], strict=True)]
        curves.plot(words, taken, color=color, linewidth=3)
        middle = (words.index(start) + len(words) - 1 - words[::-1].index(end)) // 2
        curves.text(words[middle], window["context"][middle], f"window {y}", ha="center", fontsize=9, bbox=white)
    note = "white: also seen here,\ntaken from the window next to it"
    bars.text(windows[0]["words"][-1] + 12, 0, note, va="center", fontsize=9)
    bars.invert_yaxis()
    bars.set_yticks(range(len(windows)), [f"window {y}" for y in range(len(windows))])
    bars.set(title=title)
    curves.set(xlabel="number of the word in the text", ylabel="tokens up to the\nnearest cut", ylim=(0, None))
    for axes in (bars, curves):
        axes.set_xlim(-5, windows[-1]["words"][-1] + 6)
        axes.grid(axis="x", color="#E5E5E5")
        axes.set_axisbelow(True)
    return figure
