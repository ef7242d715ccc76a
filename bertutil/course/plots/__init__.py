"""Every figure the chapters draw. Each function takes numbers and returns a Figure; show() puts it on the page.

More series, panels or kinds than a figure has colours, markers or places for are refused with a ValueError.
"""

import base64
import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from fractions import Fraction
from io import BytesIO
from itertools import cycle, groupby
from typing import Any

import numpy as np
from cycler import cycler
from IPython.display import display
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import ListedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from numpy.typing import ArrayLike

# Okabe and Ito's colours, told apart by colour-blind readers too; markers, hatches or labels say the same again
BLUE, ORANGE, GREEN, PURPLE, SKY, RED, GREY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#7A7A7A",
)

STYLE: Any = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREEN, PURPLE, SKY, RED]),
    "figure.constrained_layout.use": True,
    "figure.dpi": 110,
}


def show(figure: Figure, alt: str) -> None:
    """Display a figure as a picture with alternative text, for those who cannot see it.

    `alt` says what is drawn and what it shows, with the numbers computed. Raises ValueError where it is empty.
    """
    if not alt.strip():
        raise ValueError("every figure needs alternative text: what is drawn, and what it shows")
    png = BytesIO()
    figure.savefig(png, format="png", metadata={"Software": None})  # the same bytes with every matplotlib
    display(  # type: ignore[no-untyped-call]
        {"image/png": base64.b64encode(png.getvalue()).decode(), "text/plain": alt},
        metadata={"image/png": {"alt": alt}},
        raw=True,
    )


def _axes(width: float = 8, height: float = 3.5, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """An empty figure and its axes, row by row. Called inside functions decorated with @rc_context(STYLE)."""
    figure = Figure(figsize=(width, height))
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.flat)


def _each(items: Collection[Any], *looks: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """Pair each item with a look of its own. Raises ValueError where there are more: none may be left out."""
    if len(items) > (room := min(map(len, looks))):
        raise ValueError(f"this figure has room for {room}, and {len(items)} were given; draw two figures")
    return zip(items, *looks, strict=False)


@rc_context(STYLE)
def parameter_map(models: dict[str, list[tuple[str, int]]]) -> Figure:
    """Where the parameters sit: for each model one bar to scale, cut into its parts in the order of the data's way.

    `models` maps a model's name to its parts, (label, parameters). The embedding tables come first; a part whose
    label begins with "layer" is an encoder layer.
    """
    figure, (axes,) = _axes(height=1.0 + 1.1 * len(models))
    widest = max(sum(count for _, count in parts) for parts in models.values())
    for row, (name, parts) in enumerate(models.items()):
        left = 0
        for label, count in parts:
            layer = label.startswith("layer")
            bar = axes.barh(
                row, count, left=left, height=0.55, color=SKY if layer else ORANGE, edgecolor="white", linewidth=1.2
            )
            for patch in bar:
                patch.set_hatch("" if layer else "///")
            if count > 0.03 * widest:
                text = label.removeprefix("layer ") if layer else label
                box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5}
                axes.text(left + count / 2, row, text, ha="center", va="center", fontsize=9, bbox=box)
            left += count
        axes.text(0, row - 0.38, f"{name}: {left / 1e6:,.1f} million", va="bottom", fontweight="bold")
    axes.set(xlabel="parameters (millions)", yticks=[], ylim=(len(models) - 0.5, -0.85))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1e6:,.3g}")
    axes.spines["left"].set_visible(False)
    parts = next(iter(models.values()))
    share = sum(count for label, count in parts if not label.startswith("layer")) / sum(count for _, count in parts)
    axes.set_title(f"Outside the encoder layers (hatched): {share:.0%} of the parameters of {next(iter(models))}")
    return figure


@rc_context(STYLE)
def token_boxes(rows: dict[str, list[str]], *, special: Collection[str], title: str) -> Figure:
    """Lines of tokens as boxes, each under its label. Special tokens are dark and bold, [PAD] is hatched."""
    widths = {label: [len(token) + 1.6 for token in tokens] for label, tokens in rows.items()}
    longest = max(80.0, *(sum(each) for each in widths.values()))
    size = min(9.0, 7.7 * 72 / 0.62 / longest)
    figure, (axes,) = _axes(height=0.5 + 0.62 * len(rows))
    for y, (label, tokens) in enumerate(rows.items()):
        left = 0.0
        axes.text(0, y - 0.33, label, fontsize=9, color="#444444", va="bottom")
        for token, width in zip(tokens, widths[label], strict=True):
            dark = token in special and token != "[PAD]"
            axes.barh(
                y,
                width - 0.4,
                0.54,
                left,
                color=BLUE if dark else "#F3F3F3",
                edgecolor=BLUE if dark else GREY,
                hatch="////" if token == "[PAD]" else None,
                linewidth=0.8,
            )
            axes.text(
                left + width / 2 - 0.2,
                y,
                token,
                ha="center",
                va="center",
                color="white" if dark else "black",
                fontfamily="monospace",
                fontsize=size,
                fontweight="bold" if dark else "normal",
                bbox={"facecolor": "#F3F3F3", "linewidth": 0, "pad": 0.5} if token == "[PAD]" else None,
            )
            left += width
    axes.set(xlim=(-0.3, longest), ylim=(len(rows) - 0.6, -0.75), title=title)
    axes.axis("off")
    return figure


@rc_context(STYLE)
def cosine_by_token(
    tokens: list[str],
    series: dict[str, list[float]],
    *,
    title: str,
    ylabel: str,
    parts: dict[str, int] | None = None,
) -> Figure:
    """One marker for each token and series. `parts` names stretches of tokens, with the index each one begins at."""
    figure, (axes,) = _axes(height=4)
    lowest = min(0.0, *(min(values) for values in series.values()))
    for (label, values), marker in _each(series.items(), "os^Dv"):
        axes.plot(values, marker, label=label, markersize=8, fillstyle="none", markeredgewidth=1.8)
    axes.axhline(1, color=GREY, linewidth=0.8)
    axes.set(title=title, ylabel=ylabel)
    axes.set(xlim=(-0.7, len(tokens) - 0.3), ylim=(lowest - 0.05, 1.22 if parts else 1.06))
    axes.set_yticks([tick / 5 for tick in range(-5, 6) if tick / 5 >= lowest - 0.05])
    axes.set_xticks(range(len(tokens)), tokens, rotation=60, ha="right", rotation_mode="anchor", family="monospace")
    axes.grid(color="#E5E5E5")
    axes.set_axisbelow(True)
    for name, start in (parts or {}).items():
        if start:
            axes.axvline(start - 0.5, color="black", linewidth=1)
        axes.text(start - 0.3, 1.19, name, va="top", fontweight="bold")
    if len(series) > 1:
        figure.legend(loc="outside lower left", ncols=1 if sum(map(len, series)) > 80 else len(series), frameon=False)
    return figure


@rc_context(STYLE)
def input_grid(texts: dict[str, list[str]], rows: dict[str, list[list[int]]], *, title: str) -> Figure:
    """For each text its tokens, and under each token the model's inputs as numbers.

    `rows` names an input and gives one list a text. The 1s of a list of 0 and 1 are dark; every number is written
    out, so no meaning hangs on the shade.
    """
    figure, panels = _axes(height=0.4 + (0.75 + 0.27 * len(rows)) * len(texts), rows=len(texts))
    for k, (axes, (name, tokens)) in enumerate(zip(panels, texts.items(), strict=True)):
        for y, (label, lists) in enumerate(rows.items()):
            for x, value in enumerate(lists[k]):
                dark = value == 1 and max(lists[k]) <= 1
                axes.barh(y, 1, 1, x - 0.5, color=BLUE if dark else "white", edgecolor=GREY, linewidth=0.6)
                axes.text(x, y, str(value), ha="center", va="center", color="white" if dark else "black", fontsize=8)
            axes.text(-0.7, y, label, ha="right", va="center", fontsize=9)
        for x, token in enumerate(tokens):
            axes.text(x - 0.2, -0.65, token, rotation=45, fontsize=8, family="monospace", va="bottom")
        axes.text(-0.7, -0.8, name, ha="right", va="bottom", fontsize=9, fontweight="bold")
        axes.set(xlim=(-4.3, len(tokens) - 0.3), ylim=(len(rows) - 0.45, -2.6))
        axes.axis("off")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


@rc_context(STYLE)
def who_sees_whom(tokens: list[str], panels: dict[str, list[list[bool]]], *, boundary: int) -> Figure:
    """Matrices of tokens by tokens: a filled square in row i, column j says that i's vector depends on token j.

    `boundary` is the index of the first token of the second sentence.
    """
    figure, axes_list = _axes(height=3.5, columns=len(panels))
    places = range(len(tokens))
    for axes, (name, matrix) in zip(axes_list, panels.items(), strict=True):
        colours = ListedColormap(["#F3F3F3", BLUE])
        axes.pcolormesh(np.array(matrix, dtype=int), cmap=colours, vmin=0, vmax=1, edgecolors="white", linewidth=0.8)
        axes.set_xticks([i + 0.5 for i in places], tokens, rotation=90, family="monospace", fontsize=8)
        axes.set_yticks([i + 0.5 for i in places], tokens, family="monospace", fontsize=8)
        for draw in (axes.axvline, axes.axhline):
            draw(boundary, color="black", linewidth=1.2)
        axes.set(title=name, aspect="equal", xlabel="token that was changed")
        axes.tick_params(length=0, pad=2)
        axes.spines[:].set_visible(False)
        axes.invert_yaxis()
        if axes is axes_list[0]:
            axes.set_ylabel("token whose vector moved")
        else:
            axes.set_yticks([])
    return figure


@rc_context(STYLE)
def word_pieces(words: list[str], pieces: list[list[str]], *, title: str) -> Figure:
    """Words in bold, and under each of them its tokens in boxes.

    Full boxes are pieces that begin a word, striped ones are continuations ("##..."), crossed ones are [UNK]; a
    dashed box stands for a word that left no token. Lines are wrapped.
    """
    line_width, gap, pad = 92.0, 1.6, 0.5  # in widths of a character
    widths = [[len(piece) + 2 * pad for piece in found] or [len("nothing") + 2 * pad] for found in pieces]
    blocks = [max(len(word), sum(sizes)) for word, sizes in zip(words, widths, strict=True)]
    lines: list[list[int]] = [[]]
    for i, block in enumerate(blocks):
        if lines[-1] and sum(blocks[j] + gap for j in lines[-1]) + block > line_width:
            lines.append([])
        lines[-1].append(i)
    figure, (axes,) = _axes(height=0.4 + 0.72 * len(lines))
    style: Any = {"family": "monospace", "fontsize": 10, "va": "center"}
    for row, line in enumerate(lines):
        x = 0.0
        for i in line:
            axes.text(x, row + 0.17, words[i], weight="bold", **style)
            left = x
            for piece, width in zip(pieces[i] or ["nothing"], widths[i], strict=True):
                face, edge, hatch, dashes = "#CFE6F5", BLUE, None, "-"
                if not pieces[i]:
                    face, edge, dashes = "white", GREY, "--"
                elif piece == "[UNK]":
                    face, edge, hatch = "#FBE3D2", RED, "xx"
                elif piece.startswith("##"):
                    face, edge, hatch = "white", BLUE, "///"
                box = Rectangle(
                    (left + 0.06, row + 0.4), width - 0.12, 0.4, facecolor=face, edgecolor=edge, linestyle=dashes
                )
                axes.add_patch(box)
                if hatch:
                    axes.add_patch(
                        Rectangle(
                            box.get_xy(), box.get_width(), 0.4, fill=False, edgecolor=edge, hatch=hatch, alpha=0.25
                        )
                    )
                axes.text(left + pad, row + 0.6, piece, color=GREY if not pieces[i] else "black", **style)
                left += width
            x += blocks[i] + gap
    axes.set(xlim=(-0.3, line_width), ylim=(len(lines), -0.1), title=title)
    axes.set_axis_off()
    return figure


@rc_context(STYLE)
def longest_match(word: str, tries: list[tuple[int, int, bool]], *, title: str) -> Figure:
    """The search for a word's pieces, one try a line: the letters asked for, and whether the vocabulary has them.

    `tries` holds (start, end, found) in the order of the search. What is found stands in a full box with a tick; a
    last try that finds nothing is crossed out.
    """
    figure, (axes,) = _axes(height=0.8 + 0.23 * len(tries))
    for row, (start, end, found) in enumerate(tries):
        piece = ("##" if start else "") + word[start:end]
        failed = row == len(tries) - 1 and not found
        color = BLUE if found else RED if failed else GREY
        note = f"✓ {piece} is in the vocabulary" if found else f"no entry {piece}"
        box = Rectangle(
            (start + 0.03, row + 0.06),
            end - start - 0.06,
            0.88,
            facecolor="#CFE6F5" if found else "white",
            edgecolor=color if found or failed else "#C8C8C8",
            hatch="xx" if failed else None,
            linewidth=1.8 if found else 0.8,
        )
        axes.add_patch(box)
        text: Any = {"va": "center", "color": "black" if found or failed else GREY}
        text["weight"] = "bold" if found or failed else "normal"
        for i in range(start, end):
            axes.text(i + 0.5, row + 0.52, word[i], ha="center", **text)
        note += ", and nothing shorter is left to try" if failed else ""
        axes.text(len(word) + 0.3, row + 0.52, note, fontsize=9, **text)
    axes.set(xlim=(-0.1, max(len(word), 10) + 6.5), ylim=(len(tries), 0), title=title)
    axes.set_xticks([i + 0.5 for i in range(len(word))], [str(i) for i in range(len(word))])
    axes.set_yticks([i + 0.5 for i in (0, len(tries) - 1)], ["try 1", f"try {len(tries)}"])
    axes.set_xlabel("position of the character in the word", loc="left")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


@rc_context(STYLE)
def vocabulary_map(kinds: list[str], order: list[str], *, title: str) -> Figure:
    """A whole vocabulary as a carpet: one cell an entry, by id from left to right and top to bottom.

    `kinds` names the kind of every entry; `order` lists the kinds for the legend. The legend says where the
    longest block of a kind lies, so the shades need not be told apart to find it.
    """
    columns = 256
    shades = ["#D9D9D9", "#8C2D04", "#E69F00", "#D3E6F2", "#3B82B5", "#0B2742"]
    cells = [order.index(kind) for kind in kinds]
    cells += [-1] * (-len(cells) % columns)
    figure, (axes,) = _axes(height=4.2)
    axes.imshow(
        [cells[i : i + columns] for i in range(0, len(cells), columns)],
        cmap=ListedColormap(["white", *shades]),
        vmin=-1,
        vmax=len(shades) - 1,
        aspect="auto",
        interpolation="nearest",
    )
    runs = [list(run) for _, run in groupby(range(len(kinds)), kinds.__getitem__)]
    counts, handles = Counter(kinds), []
    for kind, shade in _each(order, shades):
        block = max((run for run in runs if kinds[run[0]] == kind), key=len, default=[])
        label = f"{kind}: {counts[kind]:,}"
        if len(block) > len(kinds) / 100:
            label += f"\n(a block: ids {block[0]:,} to {block[-1]:,})"
        handles.append(Patch(facecolor=shade, edgecolor=GREY, label=label))
    axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, labelspacing=1.2)
    lines = range(0, len(cells) // columns, 20)
    axes.set_yticks(list(lines), [f"{line * columns:,}" for line in lines])
    axes.set(title=title, xlabel=f"{columns} entries a line", ylabel="id of the line's first entry", xticks=[])
    return figure


@rc_context(STYLE)
def side_by_side_bars(groups: dict[str, dict[int, int]], *, title: str, xlabel: str, ylabel: str) -> Figure:
    """Counts of whole numbers, the groups' bars side by side: {group: {number: count}}. Hatches tell them apart."""
    figure, (axes,) = _axes(height=3.2)
    width = 0.84 / len(groups)
    for i, (group, counts) in enumerate(groups.items()):
        places = [number + (i - (len(groups) - 1) / 2) * width for number in counts]
        axes.bar(
            places,
            list(counts.values()),
            width,
            label=group,
            color=[BLUE, "white", ORANGE][i % 3],
            edgecolor=BLUE,
            hatch=[None, "////", ".."][i % 3],
        )
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel, xticks=sorted({n for c in groups.values() for n in c}))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.legend(frameon=False)
    return figure


@rc_context(STYLE)
def stacked_shares(rows: dict[str, list[int]], parts: list[str], *, title: str, xlabel: str) -> Figure:
    """One bar of 100 % a row, cut into up to five parts with their counts; the fifth part is hatched."""
    figure, (axes,) = _axes(height=1.1 + 0.42 * len(rows))
    shades = ["#CFE6F5", "#7FB8DD", "#2E78AD", "#0B2742", "#FBE3D2"]
    hatches = [None, None, None, None, "xxx"]
    looks = list(_each(parts, shades, hatches))
    for y, counts in enumerate(rows.values()):
        left = 0.0
        for count, (_, shade, hatch) in _each(counts, looks):
            if not count:
                continue
            share = 100 * count / sum(counts)
            axes.barh(y, share, 0.72, left, color=shade, edgecolor=RED if hatch else "white", hatch=hatch)
            middle, color = left + share / 2, "white" if shade in shades[2:4] else "black"
            axes.text(middle, y, str(count), ha="center", va="center", color=color)
            left += share
    axes.legend(
        handles=[
            Patch(facecolor=shade, edgecolor=RED if hatch else "white", hatch=hatch, label=part)
            for part, shade, hatch in looks
        ],
        ncols=len(parts),
        loc="lower left",
        bbox_to_anchor=(0, 1),
        frameon=False,
        borderaxespad=0.2,
        handlelength=1.2,
    )
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    axes.set(xlim=(0, 100), xlabel=xlabel)
    axes.set_title(title, pad=26)
    return figure


@rc_context(STYLE)
def compared_histograms(
    groups: dict[str, list[float]], *, title: str, xlabel: str, ylabel: str, mark: tuple[str, float] | None = None
) -> Figure:
    """Two sets of numbers as histograms with the same bins, one filled and one in outline, and one marked value."""
    figure, (axes,) = _axes(height=3.2)
    low, high = min(map(min, groups.values())), max(map(max, groups.values()))
    bins = [low + (high - low) * i / 50 for i in range(51)]
    for i, (group, values) in enumerate(groups.items()):
        axes.hist(
            values,
            bins,
            label=group,
            histtype="step" if i else "stepfilled",
            linewidth=1.8,
            color=ORANGE if i else SKY,
            edgecolor=RED if i else BLUE,
            alpha=1 if i else 0.75,
        )
    if mark:
        axes.axvline(mark[1], color="black", linestyle="--", linewidth=1.2)
        axes.annotate(
            mark[0], (mark[1], axes.get_ylim()[1]), (4, -2), textcoords="offset points", va="top", fontsize=9
        )
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axes.legend(frameon=False)
    return figure


@rc_context(STYLE)
def feature_histogram(values: ArrayLike, *, title: str, limit: float = 2) -> Figure:
    """How often each value occurs in one vector, with every value as a tick below; -limit to limit is shaded.

    Values beyond the limit are named by their feature's index, where there are no more than eight.
    """
    numbers = np.asarray(values)
    figure, (axes,) = _axes(height=3.4)
    axes.axvspan(-limit, limit, color=SKY, alpha=0.18, lw=0)
    axes.hist(numbers, bins=80, color=BLUE)
    top = axes.get_ylim()[1]
    axes.plot(numbers, np.full(len(numbers), -0.06 * top), "|", color="black", ms=9, mew=0.8, alpha=0.6)
    axes.axhline(0, color="black", lw=0.8)
    axes.text(0, 1.02 * top, f"from {-limit:g} to {limit:g}", color=BLUE, ha="center", va="bottom")
    beyond = np.flatnonzero(np.abs(numbers) > limit)
    for feature in beyond if len(beyond) <= 8 else []:
        axes.text(numbers[feature], 0.06 * top, f"feature {feature}", color=RED, rotation=90, ha="center")
    axes.set(title=title, xlabel="value", ylabel="features", ylim=(-0.13 * top, 1.15 * top))
    return figure


@rc_context(STYLE)
def values_per_layer(values: ArrayLike, *, title: str, limit: float = 2) -> Figure:
    """The values of each layer, [layers, values]: half of them, 99 % of them, and each one beyond the limit as a dot.

    The share within -limit to limit stands at the right.
    """
    numbers = np.asarray(values)
    figure, (axes,) = _axes(height=1.4 + 0.36 * len(numbers))
    axes.axvspan(-limit, limit, color=SKY, alpha=0.18, lw=0)
    right = max(numbers.max(), limit) + 0.04 * np.ptp(numbers)
    for layer, row in enumerate(numbers):
        few, first, third, most = np.percentile(row, [0.5, 25, 75, 99.5])
        beyond = row[np.abs(row) > limit]
        height = layer + 0.22 * np.sin(7.1 * np.arange(len(beyond)))  # apart from each other, and the same each time
        axes.plot(beyond, height, ".", color=RED, ms=3.5, alpha=0.7, mew=0)
        axes.plot([few, most], [layer, layer], color=BLUE, lw=2.5, solid_capstyle="butt")
        axes.plot([first, third], [layer, layer], color=BLUE, lw=10, solid_capstyle="butt")
        share = np.mean(np.abs(row) <= limit)
        axes.text(right, layer, f"{share:.1%}", va="center")
    handles = [
        axes.plot([], [], color=BLUE, lw=10, label="half of the values")[0],
        axes.plot([], [], color=BLUE, lw=2.5, label="99 % of them")[0],
        axes.plot([], [], ".", color=RED, ms=6, label=f"each value beyond ±{limit:g}")[0],
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    axes.text(right, -0.75, f"within ±{limit:g}", va="center")
    axes.set(title=title, xlabel="value", ylabel="layer", yticks=range(len(numbers)), ylim=(len(numbers) - 0.4, -1.1))
    axes.set_xlim(right=right + 0.1 * np.ptp(numbers))
    axes.spines["right"].set_visible(False)
    return figure


@rc_context(STYLE)
def token_feature_map(values: ArrayLike, tokens: list[str], marked: list[int], *, title: str) -> Figure:
    """One layer, [tokens, features]: each feature's mean over the tokens, and below it every value as a colour.

    The features in `marked` are named at their bars and pointed at above the map.
    """
    numbers = np.asarray(values)
    mean, n = numbers.mean(axis=0), numbers.shape[1]
    figure = Figure(figsize=(8, 2.6 + 0.19 * len(tokens)))
    top, below = figure.subplots(2, 1, sharex=True, height_ratios=[1.5, 0.19 * len(tokens)])
    top.vlines(np.arange(n), 0, mean, color=GREY, lw=0.9)
    top.axhline(0, color="black", lw=0.6)
    for feature in marked:
        top.vlines(feature, 0, mean[feature], color=RED, lw=2)
        side = "left" if feature < 0.85 * n else "right"
        gap = 5 if side == "left" else -5
        top.annotate(
            f"feature {feature}: mean {mean[feature]:.2f}",
            (feature, mean[feature]),
            (gap, 0),
            textcoords="offset points",
            ha=side,
            va="bottom" if mean[feature] < 0 else "top",
            color=RED,
        )
        below.annotate(
            "", (feature, -0.5), (0, 9), textcoords="offset points", arrowprops={"arrowstyle": "-|>", "color": RED}
        )
    top.set(title=title, ylabel="mean value")
    limit = float(np.percentile(np.abs(numbers), 99.9))  # the few values beyond get the strongest colour
    picture = below.imshow(numbers, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="none")
    below.set_yticks(range(len(tokens)), tokens, fontsize=8)
    below.set(xlabel="feature", ylabel="token")
    figure.colorbar(picture, ax=[top, below], label="value", extend="both", shrink=0.6, aspect=30, pad=0.01)
    return figure


@rc_context(STYLE)
def lines_per_layer(series: dict[str, list[float]], *, title: str, ylabel: str) -> Figure:
    """One line a series over the layers, from 0 to the last, each with its own marker and its name at its end."""
    figure, (axes,) = _axes(height=3.4)
    n = max(map(len, series.values()))
    everything = [value for values in series.values() for value in values]
    gap = 0.09 * (max(everything) - min(everything))
    heights: dict[str, float] = {}
    for name in sorted(series, key=lambda name: series[name][-1]):  # a name that would touch another is moved up
        heights[name] = max([series[name][-1], *(height + gap for height in heights.values())])
    for (name, values), marker, style in _each(series.items(), "osD^v", ("-", "--", "-.", ":", "-")):
        (line,) = axes.plot(values, marker=marker, linestyle=style, lw=1.8, ms=6)
        axes.text(n - 1 + 0.02 * n, heights[name], f"{name}  {values[-1]:.3f}", color=line.get_color(), va="center")
    axes.set(title=title, xlabel="layer (0: the embedding output)", ylabel=ylabel, xticks=range(n))
    axes.set_xlim(-0.02 * n, n - 1 + 0.3 * n)
    axes.xaxis.set_label_coords((n - 1) / 2, -0.11, transform=axes.get_xaxis_transform())
    axes.spines["bottom"].set_bounds(0, n - 1)
    axes.hlines(axes.get_yticks()[1:-1], 0, n - 1, color="#DDDDDD", lw=0.6, zorder=0)
    return figure


@rc_context(STYLE)
def state_boxes(layers: int, tokens: int, features: int, token: int, name: str) -> Figure:
    """What stack, squeeze and permute do to the hidden states of one text: four drawings of the same numbers.

    A sheet is a table of numbers; the higher the layer, the darker. `token` is followed in orange, and called `name`.
    """
    figure, axes = _axes(height=6.8, rows=2, columns=2)
    wide, unit = 1.8, 2.4 / (tokens + layers)  # one unit for the rows of a sheet and for the steps between sheets
    blue = colormaps["Blues"](np.linspace(0.1, 0.6, layers))
    orange = colormaps["Oranges"](np.linspace(0.3, 0.75, layers))

    def box(ax: Axes, x: float, y: float, width: float, height: float, **look: Any) -> None:
        ax.add_patch(Rectangle((x, y), width, height, **look))

    def sheet(ax: Axes, x: float, y: float, rows: list[Any], back: int = 0) -> None:
        """One table, lower left corner at (x, y): a colour for each row, from the top; `back`: how far behind."""
        bars = [Rectangle((x, y + i * unit), wide, unit) for i in reversed(range(len(rows)))]
        ax.add_collection(PatchCollection(bars, facecolor=rows, edgecolor="#00000030", lw=0.3, zorder=-back))
        box(ax, x, y, wide, len(rows) * unit, facecolor="none", edgecolor="black", lw=0.6, zorder=-back)

    def sides(ax: Axes, sheets: int, rows: int, deep: str, down: str) -> None:
        ax.text(wide / 2, -0.1, f"{features} features", ha="center", va="top")
        ax.text(-0.1, rows * unit / 2, down, ha="right", va="center", rotation=90)
        middle = (sheets - 1) * unit / 2
        ax.text(middle - 0.05, rows * unit + middle + 0.05, deep, ha="center", rotation=45, rotation_mode="anchor")

    dashed: Any = {"facecolor": "none", "edgecolor": GREY, "lw": 0.8, "linestyle": "--"}
    by_layer = [[orange[k] if i == token else blue[k] for i in range(tokens)] for k in range(layers)]
    by_token = [list(orange if i == token else blue) for i in range(tokens)]
    for k, rows in enumerate(by_layer):
        apart = k * min(0.32, 2.2 / layers)
        sheet(axes[0], apart, apart / 3, rows, k)
        box(axes[0], apart - 0.06, apart / 3 - 0.06, wide + 0.12, tokens * unit + 0.12, zorder=-k, **dashed)
        sheet(axes[1], k * unit, k * unit, rows, k)
        sheet(axes[2], k * unit, k * unit, rows, k)
    for k, rows in enumerate(by_token):
        sheet(axes[3], k * unit, k * unit, rows, k)
    sides(axes[0], 0, tokens, "", f"{tokens} tokens")
    sides(axes[1], layers, tokens, f"{layers} layers", f"{tokens} tokens")
    sides(axes[2], layers, tokens, f"{layers} layers", f"{tokens} tokens")
    sides(axes[3], tokens, layers, f"{tokens} tokens", f"{layers} layers")

    axes[0].text(3.0, -0.5, "dashed line:\na batch of 1 text", color=GREY, va="bottom")
    box(axes[1], -0.45, -0.4, wide + layers * unit + 0.6, (tokens + layers) * unit + 0.6, **dashed)
    axes[1].text(wide + layers * unit + 0.25, -0.4, "a batch\nof 1 text", color=GREY, va="bottom")
    axes[2].text(wide + layers * unit + 0.2, 0, f"orange: token {token},\n{name}", va="bottom")
    axes[2].text(wide + layers * unit + 0.2, 0.7, "the darker, the\nhigher the layer", va="bottom")
    x, y = wide + max(0.35, layers * unit - 0.3), -0.4  # the token's own sheet, pulled out of the box
    sheet(axes[3], x, y, by_token[token])
    axes[3].annotate(
        "",
        (x + wide / 2, y + layers * unit + 0.03),
        (wide + token * unit, (token + layers / 2) * unit),
        arrowprops={"arrowstyle": "-|>", "color": "black", "connectionstyle": "arc3,rad=-0.3"},
    )
    axes[3].text(x + wide / 2, y - 0.08, f"token {token}, {name}: [{layers}, {features}]", ha="center", va="top")

    titles = (
        (f"A tuple: {layers} x [1, {tokens}, {features}]", "one sheet a layer, each in a batch"),
        (f"stack: [{layers}, 1, {tokens}, {features}]", "one tensor; the layers are a new first axis"),
        (f"squeeze: [{layers}, {tokens}, {features}]", "the batch axis, of size 1, is dropped"),
        (f"permute: [{tokens}, {layers}, {features}]", "the box is turned: one sheet a token"),
    )
    for number, (ax, (step, what)) in enumerate(zip(axes, titles, strict=True), 1):
        ax.set(xlim=(-0.5, 4.4), ylim=(-0.65, 2.75), aspect="equal")
        ax.axis("off")
        ax.set_title(f"{number}  {step}\n")
        ax.text(0, 1.02, f"    {what}", transform=ax.transAxes, va="bottom")
    return figure


@rc_context(STYLE)
def pooling_paths(tokens: list[str], words: list[str], word_index: list[int], n_states: int) -> Figure:
    """The way from hidden states (bottom) to word vectors (left) and to a sentence vector (right).

    `word_index` gives the word of each token, -1 for special tokens; `n_states` counts the layers with layer 0.
    """
    figure, panels = _axes(height=3.1 + 0.2 * n_states, columns=2)
    low, high, center = n_states + 1.6, n_states + 4.9, (len(tokens) - 1) / 2
    pieces = [(word, [x for x, other in enumerate(word_index) if other == i]) for i, word in enumerate(words)]
    content = [x for x, word in enumerate(word_index) if word >= 0]
    ways: Any = (
        ("A vector for each word", pieces, range(n_states - 4, n_states), BLUE, "////"),
        ("A vector for the sentence", [("one vector", content)], [n_states - 2], ORANGE, "\\\\\\\\"),
    )
    steps: Any = (
        ("add up the last four layers", "mean over the pieces of a word"),
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
def layers_taken(takes: dict[str, list[list[float]]], n_features: int) -> Figure:
    """One column for each way to combine layers, one row for each layer; a number where the layer goes in.

    `takes` gives a way's factors: one list [layers] for a sum, several for a concatenation, in their order.
    """
    n_states = len(next(iter(takes.values()))[0])
    figure, (axes,) = _axes(height=1.7 + 0.27 * n_states)
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
    title = "Which layers each strategy takes, and how many features come out"
    axes.set(xlim=(-0.55, len(takes) - 0.45), ylim=(-0.55, n_states + 0.5), title=title)
    return figure


@rc_context(STYLE)
def cosine_heat_map(labels: list[str], cosines: list[list[float]], *, title: str) -> Figure:
    """The cosine of every vector with every other one, as a shaded square with the number in it."""
    figure, (axes,) = _axes(width=1.6 + 0.75 * len(labels), height=1.2 + 0.5 * len(labels))
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
    figure, (axes,) = _axes(height=3.8)
    widest = max(max(counts) for counts, _ in series.values())
    for (name, (counts, values)), marker, style in _each(series.items(), "osD^", ("-", "--", "-.", ":")):
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
    figure, (bars, curves) = _axes(height=4 + 0.25 * len(windows), rows=2)
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


@rc_context(STYLE)
def cosine_map(tokens: list[str], values: list[list[float]], *, title: str) -> Figure:
    """A cosine for each layer (from the bottom, 0, up) and token, written into its square."""
    lowest = min(min(row) for row in values)
    figure, (axes,) = _axes(height=1.2 + 0.28 * len(values))
    axes.imshow(values, cmap="Blues_r", vmin=lowest - 0.02, vmax=1.02, aspect="auto", origin="lower")
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            dark = value < (lowest + 1) / 2 - 0.01
            text = "1" if value >= 0.9995 else f"{value:.3f}".replace("0.", ".")
            axes.text(x, y, text, ha="center", va="center", fontsize=6.5, color="white" if dark else "black")
    axes.set(title=title, ylabel="layer", yticks=range(len(values)))
    axes.set_xticks(range(len(tokens)), tokens, rotation=60, ha="right", rotation_mode="anchor", family="monospace")
    axes.tick_params(length=0)
    return figure


@rc_context(STYLE)
def arrow_pairs(panels: dict[str, list[tuple[float, float]]], *, cosines: list[float]) -> Figure:
    """Two vectors of two features as arrows from the origin, a and b, in each panel, with their cosine."""
    figure, panel_axes = _axes(height=3.1, columns=len(panels))
    everything = [value for ends in panels.values() for end in ends for value in end]
    low, high = min(0.0, *everything) - 0.6, max(everything) + 0.8
    for axes, (name, ends), cosine in zip(panel_axes, panels.items(), cosines, strict=True):
        for (x, y), letter, color, style in zip(ends, "ab", (BLUE, RED), ("-", "--"), strict=True):
            arrow: Any = {"arrowstyle": "-|>", "color": color, "linewidth": 2, "linestyle": style, "shrinkA": 0}
            axes.annotate("", (x, y), (0, 0), arrowprops={**arrow, "shrinkB": 0, "mutation_scale": 14})
            axes.annotate(letter, (x, y), (4, 4), textcoords="offset points", color=color, fontweight="bold")
        axes.axhline(0, color=GREY, linewidth=0.6, zorder=0)
        axes.axvline(0, color=GREY, linewidth=0.6, zorder=0)
        axes.set(xlim=(low, high), ylim=(low, high), aspect="equal", xlabel="feature 0", ylabel="feature 1")
        axes.set_title(f"{name}\ncosine {cosine:.2f}", fontsize=10)
    return figure


@rc_context(STYLE)
def cosine_spread(unrelated: list[ArrayLike], alike: list[float], *, names: tuple[str, str], title: str) -> Figure:
    """How cosines are spread in each layer: a violin for the first of the two names, one marker for the second."""
    figure, (axes,) = _axes(height=3.8)
    places = range(len(unrelated))
    values = [np.asarray(each, dtype=float) for each in unrelated]
    shapes = [np.quantile(each, np.linspace(0, 1, 400)) for each in values]  # the same outline, and much faster
    violins: Any = axes.violinplot(shapes, places, widths=0.8, showextrema=False)
    for body in violins["bodies"]:
        body.set(facecolor=SKY, edgecolor=BLUE, alpha=0.8)
    means = [float(each.mean()) for each in values]
    axes.plot(places, means, "_", color="black", markersize=16, markeredgewidth=2, label=f"{names[0]}: the mean")
    axes.plot(places, alike, "D", color=RED, markersize=7, label=f"{names[1]}: the mean")
    for place, mean in zip(places, means, strict=True):
        axes.annotate(
            f"{mean:.2f}", (place, mean), (0, -5), textcoords="offset points", ha="center", va="top", fontsize=8
        )
    axes.set(title=title, xlabel="layer (0: the embedding output)", ylabel="cosine", xticks=places)
    axes.set_ylim(min(-0.05, *(float(each.min()) for each in values)), 1.05)
    axes.grid(axis="y", color="#E5E5E5")
    axes.set_axisbelow(True)
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2)
    return figure


@rc_context(STYLE)
def two_kinds_of_pairs(panels: dict[str, dict[str, list[float]]], *, xlabel: str, same_bins: bool = False) -> Figure:
    """In each panel the shares of two sets of numbers in the same bins: one filled, one in outline, means marked.

    `same_bins`: all panels have the same bins, so that they can be compared.
    """
    figure, panel_axes = _axes(height=3.6, columns=len(panels))
    every = [values for kinds in panels.values() for values in kinds.values()]
    for axes, (name, kinds) in zip(panel_axes, panels.items(), strict=True):
        shown = every if same_bins else list(kinds.values())
        bins = np.linspace(min(map(min, shown)), max(map(max, shown)), 41 if same_bins else 26)
        looks = zip(kinds.items(), (SKY, RED), ("stepfilled", "step"), (":", "-"), strict=True)
        for (kind, values), color, histtype, style in looks:
            weights = np.full(len(values), 100 / len(values))
            label = f"{kind}, mean {np.mean(values):.2f}"
            axes.hist(values, bins, weights=weights, color=color, histtype=histtype, linewidth=2, label=label)  # type: ignore[arg-type]
            axes.axvline(float(np.mean(values)), color=BLUE if color == SKY else RED, linestyle=style, linewidth=1.5)
        axes.set(xlabel=xlabel, ylabel="share of the pairs, in %")
        axes.set_title(name, fontsize=10)
        axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.2), fontsize=9)
    return figure


def spread(values: ArrayLike) -> str:
    """Say where the numbers of a histogram lie, for its `alt`: their mean, and the range of the middle 90 %."""
    numbers = np.asarray(values, dtype=float)
    low, high = np.quantile(numbers, [0.05, 0.95])
    return f"mean {numbers.mean():.2f}, nine in ten from {low:.2f} to {high:.2f}"


@rc_context(STYLE)
def found_within(ranks: dict[str, list[float]], size: int, *, title: str) -> Figure:
    """For each way of searching, the share of the queries whose answer is among the first k of `size` texts.

    The band is the share plus and minus 1.96 standard errors; the dotted line is a ranking drawn at random.
    """
    figure, (axes,) = _axes(height=4)
    places = np.unique(np.geomspace(1, size, 60).round().astype(int))
    at = [int(np.argmin(np.abs(places - k))) for k in (1, 2, 5, 10, 30, 100)]
    looks = (BLUE, RED, GREEN, PURPLE), "osD^", ("-", "--", "-.", ":")
    for (name, each), color, marker, style in _each(ranks.items(), *looks):
        share = (np.asarray(each)[:, None] <= places).mean(axis=0)
        error = 1.96 * np.sqrt(share * (1 - share) / len(each))
        low, high = (share - error).clip(0), (share + error).clip(None, 1)
        axes.fill_between(places, low, high, color=color, alpha=0.15, linewidth=0)
        axes.plot(places, share, color=color, marker=marker, linestyle=style, markevery=at, label=name, linewidth=1.8)
    axes.plot(places, places / size, color="black", linestyle=":", linewidth=1.2, label="at random")
    axes.set(xscale="log", xlim=(0.93, size), ylim=(-0.02, 1.02), title=title)
    ticks = [k for k in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if k <= size]
    axes.set_xticks(ticks, [str(k) for k in ticks])
    axes.set_xticks([], minor=True)
    axes.set(xlabel=f"k: how many of the {size} texts are looked at, best first", ylabel="share of answers found")
    axes.grid(color="#E5E5E5")
    axes.set_axisbelow(True)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _senses(axes: Axes, points: ArrayLike, senses: list[str], size: float) -> None:
    """One vector a marker, joined by a thin line to the middle of its sense; each sense has a colour and a marker."""
    places, labels = np.asarray(points), np.array(senses)
    markers = _each(dict.fromkeys(senses), (BLUE, RED, GREEN), "o^s", ("-", "--", ":"))
    for sense, color, marker, style in markers:
        own = places[labels == sense]
        for x, y in own:
            line = [own.mean(axis=0), (x, y)]
            axes.plot(*zip(*line, strict=True), color=color, linestyle=style, lw=0.7, alpha=0.4, zorder=1)
        face = color if marker == "o" else "white"
        axes.plot(*own.T, marker, color=color, ms=size, mfc=face, mew=1.2, alpha=0.85, label=sense)
    span = 1.15 * max(np.ptp(places, axis=0).max() / 2, 1e-9)
    middle = (places.max(axis=0) + places.min(axis=0)) / 2
    axes.set(xlim=(middle[0] - span, middle[0] + span), ylim=(middle[1] - span, middle[1] + span))
    axes.set(xticks=[], yticks=[], aspect="equal")
    axes.spines[:].set(visible=True, color="#CCCCCC")


def strays(points: ArrayLike, senses: list[str]) -> int:
    """How many points lie nearer to the middle of another sense: what a picture of senses shows, for its `alt`."""
    places, names = np.asarray(points), list(dict.fromkeys(senses))
    middles = np.stack([places[np.array(senses) == name].mean(axis=0) for name in names])
    nearest = np.linalg.norm(places[:, None] - middles, axis=2).argmin(axis=1)
    return sum(names[i] != sense for i, sense in zip(nearest, senses, strict=True))


@rc_context(STYLE)
def senses_by_layer(panels: dict[int, tuple[ArrayLike, float, float]], senses: list[str], *, title: str) -> Figure:
    """Small pictures, one a layer: a word's vectors in two dimensions, marked by sense.

    A panel is (points [n, 2], share of the variance that the two directions hold, accuracy of the nearest
    neighbour). Up to seven layers; the scale is each panel's own, the same for both its axes.
    """
    figure, axes_list = _axes(height=5.1, rows=2, columns=4)
    for (layer, (points, share, accuracy)), axes in _each(panels.items(), axes_list[:-1]):
        _senses(axes, points, senses, size=6)
        axes.set_title(f"layer {layer}: {accuracy:.0%}", fontsize=10.5)
        axes.set_xlabel(f"{share:.0%} of the variance", fontsize=8.5, color="#555555", labelpad=4)
    for axes in axes_list[len(panels) :]:
        axes.axis("off")
    note = "one marker: one sentence\n"
    note += "lines: to the middle of a sense\n% in the titles: the nearest\nneighbour has the same sense"
    legend = axes_list[len(panels)]
    legend.text(0, 0.58, note, va="top", fontsize=8.5, transform=legend.transAxes)
    handles, labels = axes_list[0].get_legend_handles_labels()
    legend.legend(handles, labels, loc="upper left", bbox_to_anchor=(-0.08, 1), frameon=False, fontsize=11)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


@rc_context(STYLE)
def senses_by_word(words: dict[str, tuple[ArrayLike, list[str], float]], *, title: str) -> Figure:
    """Small pictures, one a word: its vectors in two dimensions at one layer, marked by sense, which are named below.

    A word has (points [n, 2], sense of each, accuracy of the nearest neighbour).
    """
    rows = -(-len(words) // 5)
    figure, axes_list = _axes(height=0.4 + 2.0 * rows, rows=rows, columns=5)
    for (word, (points, senses, accuracy)), axes in _each(words.items(), axes_list):
        _senses(axes, points, senses, size=4)
        axes.set_title(f"{word}: {accuracy:.0%}", fontsize=10)
        names = _each(dict.fromkeys(senses), "●△□")
        axes.set_xlabel("  ".join(f"{mark} {name}" for name, mark in names), fontsize=7.5)
    for axes in axes_list[len(words) :]:
        axes.axis("off")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


@rc_context(STYLE)
def accuracy_by_layer(
    accuracies: dict[str, list[float]],
    band: tuple[list[float], list[float]],
    *,
    chance: float,
    marked: Collection[str],
    title: str,
) -> Figure:
    """The accuracy of every word (thin; some `marked` and named), their mean (thick) with a band, and chance."""
    figure, (axes,) = _axes(height=4.2)
    lists = list(accuracies.values())
    mean = [float(np.mean(column)) for column in zip(*lists, strict=True)]
    n = len(mean)
    axes.plot(range(n), np.array(lists).T, color=GREY, lw=0.7, alpha=0.45, zorder=1)
    axes.fill_between(range(n), *band, color=BLUE, alpha=0.22, lw=0)
    named = {"mean": mean, **{word: accuracies[word] for word in marked}}
    ends: dict[str, float] = {}
    for name in sorted(named, key=lambda name: named[name][-1]):  # a name that would touch another is moved up
        ends[name] = max([named[name][-1], *(end + 0.055 for end in ends.values())])
    lift = max(0.0, max(ends.values()) - 1.0)
    markers = _each(named.items(), (BLUE, RED, GREEN, PURPLE), "os^D", ("-", "--", "-.", ":"))
    for (name, values), color, marker, style in markers:
        thick = name == "mean"
        label = f"mean of {len(lists)} words" if thick else f"“{name}”"
        axes.plot(range(n), values, style, marker=marker, color=color, lw=3 if thick else 1.3, ms=7 if thick else 5)
        height = ends[name] - lift
        axes.text(n - 1 + 0.025 * n, height, f"{label}  {values[-1]:.0%}", color=color, va="center", fontsize=9.5)
    axes.hlines(chance, 0, n - 1, color="black", linestyle=(0, (2, 2)), lw=1.2)
    axes.text(n - 1 + 0.025 * n, chance, f"guessing  {chance:.0%}", va="center", fontsize=9.5)
    axes.set(title=title, ylabel="nearest neighbour has the same sense", xticks=range(n), ylim=(0, 1.04))
    axes.set_xlabel("layer (0: the embedding output)", loc="left")
    axes.set_xlim(-0.02 * n, n - 1 + 0.3 * n)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.spines["bottom"].set_bounds(0, n - 1)
    axes.hlines(axes.get_yticks()[1:], 0, n - 1, color="#DDDDDD", lw=0.6, zorder=0)
    return figure


@rc_context(STYLE)
def cosines_by_layer(panels: dict[str, dict[str, list[float]]], *, title: str, ylabel: str = "mean cosine") -> Figure:
    """Panels side by side with one line a series over the layers, on one scale; the marker tells the series apart."""
    figure, axes_list = _axes(height=3.9, columns=len(panels))
    everything = [value for series in panels.values() for values in series.values() for value in values]
    margin = 0.05 * (max(everything) - min(everything))
    names = dict.fromkeys(name for series in panels.values() for name in series)
    colors, lines = (BLUE, ORANGE, GREEN, PURPLE, SKY), {}
    looks = {name: look for name, *look in _each(names, colors, "o^sDv", ("-", "--", ":", "-.", "-"))}
    for axes, (name, series) in zip(axes_list, panels.items(), strict=True):
        for label, values in series.items():
            color, marker, style = looks[label]
            (lines[label],) = axes.plot(values, style, marker=marker, color=color, lw=1.8, ms=6, mfc="white", mew=1.5)
        first = next(iter(series.values()))
        axes.set(title=name, xlabel="layer", ylim=(min(everything) - margin, max(everything) + margin))
        axes.set_xticks(range(0, len(first), 1 if len(first) < 10 else 2))
        axes.grid(axis="y", color="#E5E5E5")
        axes.set_axisbelow(True)
    axes_list[0].set_ylabel(ylabel)
    figure.legend(list(lines.values()), list(lines), loc="outside lower left", ncols=len(lines), frameon=False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


@rc_context(STYLE)
def attention_table(
    rows: list[str], columns: list[str], weights: list[list[float]], *, title: str, xlabel: str, ylabel: str
) -> Figure:
    """Attention weights in percent, written into shaded squares: a row says how one token's attention is spread."""
    figure, (axes,) = _axes(height=1.5 + 0.3 * len(rows))
    highest = max(map(max, weights))
    axes.imshow(weights, cmap="Blues", vmin=0, vmax=highest, aspect="auto")
    for y, row in enumerate(weights):
        for x, weight in enumerate(row):
            dark = weight > 0.6 * highest
            color = "white" if dark else "black"
            axes.text(x, y, f"{100 * weight:.0f}", ha="center", va="center", color=color, in_layout=False)
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor", family="monospace")
    axes.set_yticks(range(len(rows)), rows, family="monospace")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    return figure


@rc_context(STYLE)
def attention_heads(tokens: list[str], heads: list[list[list[float]]], *, title: str) -> Figure:
    """A map for each head of a layer. The area of a square is the weight: a full cell is 1, the whole attention."""
    columns = 4
    lines = -(-len(heads) // columns)
    figure, panels = _axes(height=0.9 + 1.9 * lines, rows=lines, columns=columns)
    places, size = range(len(tokens)), min(8.0, 92 / len(tokens))
    for head, axes in enumerate(panels):
        axes.set_visible(head < len(heads))
        if head >= len(heads):
            continue
        sides = np.sqrt(np.asarray(heads[head]))
        squares = [
            Rectangle((x - sides[y, x] / 2, y - sides[y, x] / 2), sides[y, x], sides[y, x])
            for y in places
            for x in places
        ]
        axes.add_collection(PatchCollection(squares, facecolor=BLUE, edgecolor="none"))
        axes.set(xlim=(-0.5, len(tokens) - 0.5), ylim=(len(tokens) - 0.5, -0.5), aspect="equal")
        axes.set_title(f"head {head}", fontsize=9, pad=3)
        at_bottom, at_left = head + columns >= len(heads), head % columns == 0
        axes.set_xticks(places if at_bottom else [], tokens if at_bottom else [], rotation=90)
        axes.set_yticks(places if at_left else [], tokens if at_left else [])
        axes.tick_params(length=0, labelsize=size, labelfontfamily="monospace", pad=2)
        axes.spines[:].set(visible=True, color="#BBBBBB", linewidth=0.6)
        edges = [place - 0.5 for place in places]
        axes.vlines(edges, -0.5, len(tokens) - 0.5, color="#EEEEEE", linewidth=0.5, zorder=0)
        axes.hlines(edges, -0.5, len(tokens) - 0.5, color="#EEEEEE", linewidth=0.5, zorder=0)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    figure.supxlabel("token that is looked at", fontsize=9)
    figure.supylabel("token that looks", fontsize=9)
    return figure


@rc_context(STYLE)
def moves_by_token(
    tokens: list[str], panels: dict[str, list[list[float]]], *, marked: list[int], title: str
) -> Figure:
    """How far each token's vector moved, layer by layer from the bottom up; one panel for each thing that was tried.

    Exactly 0 is an empty square, any move is shaded and written out in percent. `marked` tokens have bold names.
    """
    depth = len(next(iter(panels.values())))
    figure, axes_list = _axes(height=1.1 + (0.45 + 0.2 * depth) * len(panels), rows=len(panels))
    highest = max(value for rows in panels.values() for row in rows for value in row) or 1.0
    for axes, (name, rows) in zip(axes_list, panels.items(), strict=True):
        for y, row in enumerate(rows):
            for x, value in enumerate(row):
                shade = colormaps["Blues"](0.12 + 0.75 * value / highest) if value else "white"
                square = Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=shade, edgecolor="#CCCCCC", linewidth=0.6)
                square.set_in_layout(False)
                axes.add_patch(square)
                if value:
                    text = f"{100 * value:.0f}" if value >= 0.01 else "<1"
                    color = "white" if value > 0.6 * highest else "black"
                    axes.text(x, y, text, ha="center", va="center", fontsize=8, color=color, in_layout=False)
        axes.set(xlim=(-0.5, len(tokens) - 0.5), ylim=(-0.5, depth - 0.5), ylabel="layer", yticks=range(depth))
        axes.set_title(name, fontsize=10, fontweight="normal", pad=4)
        axes.tick_params(length=0, labelsize=8)
        axes.spines[:].set_visible(False)
        axes.set_xticks([])
    axes_list[-1].set_xticks(range(len(tokens)), tokens, family="monospace", fontsize=9)
    for place in marked:
        axes_list[-1].get_xticklabels()[place].set_fontweight("bold")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


@rc_context(STYLE)
def bars_by_token(tokens: list[str], panels: dict[str, list[float]], *, title: str, xlabel: str) -> Figure:
    """Measures of the same tokens side by side: a panel a measure, a bar a token, with its value at its end."""
    figure, axes_list = _axes(height=1.1 + 0.25 * len(tokens), columns=len(panels))
    places = range(len(tokens))
    for (name, values), axes, color in _each(panels.items(), axes_list, (BLUE, GREEN, RED)):
        bars = axes.barh(places, values, color=color)
        axes.bar_label(bars, fmt="{:.3f}", padding=3, fontsize=8)
        axes.set_yticks(places, tokens if axes is axes_list[0] else [""] * len(tokens), family="monospace")
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(0, 1.28 * max(values) or 1)
        axes.locator_params(axis="x", nbins=3)
        axes.invert_yaxis()
        axes.set_title(name, fontsize=10, fontweight="normal")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    figure.supxlabel(xlabel, fontsize=10)
    return figure


@rc_context(STYLE)
def heads_by_effect(points: list[tuple[int, float, float]], *, title: str, xlabel: str, ylabel: str) -> Figure:
    """A head is a number, the index of its layer, at two of its measures: `points` holds (layer, x, y)."""
    figure, (axes,) = _axes(height=4)
    for layer, x, y in points:
        axes.text(x, y, str(layer), ha="center", va="center", color=BLUE, fontweight="bold", in_layout=False)
    axes.scatter([x for _, x, _ in points], [y for _, _, y in points], s=0)  # the text alone would set no limits
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel, xlim=(0, 1))
    axes.set_ylim(0, 1.18 * max(y for _, _, y in points))
    axes.text(0.02, 0.93, "each number is a head: the index of its layer", transform=axes.transAxes, color=BLUE)
    axes.grid(color="#E5E5E5")
    axes.set_axisbelow(True)
    return figure


@rc_context(STYLE)
def padding_waste(batches: dict[str, list[int]], *, budget: int) -> Figure:
    """Batches as they lie in memory: a line for each text, its tokens dark and its padding hatched.

    `batches` maps a label to the texts' lengths in tokens. A last panel lays the texts of the first batch end to end,
    in rows of at most `budget` tokens, each drawn as lines as wide as the other panels.
    """
    figure, axes = _axes(height=3.6, columns=len(batches) + 1)
    width = max(max(lengths) for lengths in batches.values())
    for (label, lengths), ax in _each(batches.items(), axes):
        longest = max(lengths)
        ax.barh(range(len(lengths)), lengths, height=0.8, color=BLUE)
        rest = [longest - n for n in lengths]
        ax.barh(range(len(lengths)), rest, height=0.8, left=lengths, color="#F0D9A8", hatch="////", edgecolor=ORANGE)
        share = sum(rest) / (longest * len(lengths))
        ax.set_title(f"{label}:\n{share:.0%} padding")
        ax.set(xlabel="tokens", xlim=(0, width), ylim=(len(lengths) - 0.4, -0.6), yticks=[])
    axes[0].set_ylabel("texts of a batch")
    lengths, packed = next(iter(batches.values())), axes[-1]
    position = 0
    for i, length in enumerate(lengths):
        left = length
        while left:  # a text that reaches the edge goes on in the next line of the drawing
            line, start = divmod(position, width)
            part = min(left, width - start)
            packed.barh(line, part, height=0.8, left=start, color=BLUE if i % 2 else SKY)
            position, left = position + part, left - part
    rows, room = 1, budget
    for length in sorted(lengths, reverse=True):
        if length > room:
            rows, room = rows + 1, budget
        room -= length
    packed.set_title(f"the first batch, end to end:\n{rows} row{'s' * (rows > 1)} without padding")
    packed.set(xlabel="tokens", xlim=(0, width), ylim=(len(lengths) - 0.4, -0.6), yticks=[])
    return figure


def speed_runs(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Of datasets.benchmark(), the comparisons on texts of mixed length, with the most threads."""
    mixed = [run for run in results["comparisons"] if run["texts"] == "mixed"]
    threads = max(run["threads"] for run in mixed)
    return [run for run in mixed if run["threads"] == threads]


@rc_context(STYLE)
def speed_bars(results: dict[str, Any]) -> Figure:
    """How many times as fast as sentence-transformers each way is: speed_runs(), a panel each."""
    runs = speed_runs(results)
    rows = math.ceil(len(runs) / 2)
    figure, axes = _axes(height=3.3 * rows + 0.3, rows=rows, columns=2)
    gains = sorted(run["speed"]["embed, last layer"] for run in runs)
    title = f"embed, same vectors: {gains[0]:.1f} to {gains[-1]:.1f} times as fast"
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    for ax in axes[len(runs) :]:
        ax.set_visible(False)
    for i, (ax, run) in enumerate(zip(axes, runs, strict=False)):
        names, values = list(run["speed"]), list(run["speed"].values())
        bars = ax.barh(names, values, color=[BLUE if name.startswith("embed") else "#BBBBBB" for name in names])
        for bar, name in zip(bars, names, strict=True):
            bar.set_hatch("///" if name.startswith("embed") else "")
            bar.set_edgecolor("white")
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        ax.bar_label(bars, [f"{value:.2f}" for value in values], padding=4, fontsize=9, bbox=box)
        ax.axvline(1, color=GREY, linewidth=0.8, zorder=0)
        ax.set(xlim=(0, 1.18 * max(max(each["speed"].values()) for each in runs)))
        ax.invert_yaxis()
        ax.set_title(f"{run['model'].replace(', ', chr(10))}, {run['n_texts']:,} texts", fontsize=10)
        if i % 2:
            ax.set_yticklabels([])
    threads = f"{runs[0]['threads']} thread{'s' * (runs[0]['threads'] > 1)}"
    label = f"times as fast as sentence-transformers, texts of mixed length, {threads}"
    figure.supxlabel(label, fontsize=10)
    return figure


@rc_context(STYLE)
def scores_by_layer(panels: dict[str, tuple[list[float], list[float], list[float]]], *, title: str) -> Figure:
    """Scores over the layers with their intervals: a panel a job, named on its axis; the highest score has a ring.

    A panel is (scores, lower ends, upper ends). Each has a scale of its own.
    """
    figure, axes_list = _axes(height=3.6, columns=len(panels))
    styles = _each(panels.items(), axes_list, "os^", (BLUE, RED, GREEN))
    for (name, (scores, low, high)), axes, marker, color in styles:
        places = range(len(scores))
        best = max(places, key=scores.__getitem__)
        axes.vlines(places, low, high, color=color, lw=5, alpha=0.3)
        axes.plot(scores, marker=marker, color=color, lw=1.8, ms=6)
        axes.plot(best, scores[best], "o", ms=15, mfc="none", mec="black", mew=1.4)
        axes.annotate(
            f"{scores[best]:.2f}",
            (best, high[best]),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            fontweight="bold",
        )
        axes.set(xlabel="layer", ylabel=name)
        axes.set_xticks(places if len(scores) < 10 or len(panels) == 1 else places[::2])
        axes.margins(x=0.09, y=0.12)
        axes.grid(axis="y", color="#E5E5E5")
        axes.set_axisbelow(True)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


@rc_context(STYLE)
def inputs_compared(
    published: dict[str, float],
    ours: dict[str, list[float]],
    intervals: dict[str, tuple[float, float]],
    *,
    title: str,
) -> Figure:
    """The same inputs of a probe in two experiments: published scores (one each) and ours, a row an input.

    Ours has a small circle for each seed, a bar for their mean and a pale band for the interval of the mean. An
    input without a published score is said to have none.
    """
    figure, (left, right) = _axes(height=1.3 + 0.36 * len(ours), columns=2)
    rows = {name: y for y, name in enumerate(ours)}
    for name, y in rows.items():
        if name in published:
            left.plot(published[name], y, "D", color=ORANGE, mec="black", ms=7)
            left.annotate(
                f"{published[name]:.1f}",
                (published[name], y),
                xytext=(-8, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=9,
            )
        else:
            left.text(
                0.98, y, "not published", ha="right", va="center", fontsize=9, transform=left.get_yaxis_transform()
            )
        right.barh(y, intervals[name][1] - intervals[name][0], 0.5, intervals[name][0], color=BLUE, alpha=0.2)
        right.plot(ours[name], [y] * len(ours[name]), "o", color=BLUE, mfc="white", ms=5)
        right.plot(float(np.mean(ours[name])), y, "|", color="black", ms=17, mew=2)
    left.set_yticks(list(rows.values()), list(rows))
    right.set_yticks(list(rows.values()), [])
    for axes, name in ((left, "published, F1 x 100"), (right, "here, F1 x 100")):
        axes.set(ylim=(len(rows) - 0.5, -0.5), xlabel=name)
        axes.tick_params(axis="y", length=0)
        axes.grid(color="#E5E5E5")
        axes.set_axisbelow(True)
    left.margins(x=0.2)
    right.use_sticky_edges = False  # bars would end at the frame
    right.margins(x=0.06)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


@rc_context(STYLE)
def learning_curve(
    trained: list[tuple[float, float]],
    held_out: list[tuple[float, float]],
    interval: list[tuple[float, float]],
    *,
    baseline: tuple[str, float],
    title: str,
) -> Figure:
    """Loss and accuracy after each epoch: (loss, accuracy) of the training rows and of the held-out ones.

    The band is the `interval` (low, high) of the held-out accuracy; the dotted line is the `baseline` accuracy.
    """
    figure, (losses, accuracies) = _axes(height=3.6, columns=2)
    epochs = range(1, len(trained) + 1)
    for k, axes in enumerate((losses, accuracies)):
        axes.plot(epochs, [row[k] for row in trained], "o--", color=BLUE, label="training", lw=1.8)
        axes.plot(epochs, [row[k] for row in held_out], "s-", color=RED, label="held out", lw=1.8)
        axes.set(xlabel="epoch", xticks=epochs)
        axes.grid(axis="y", color="#E5E5E5")
        axes.set_axisbelow(True)
    low, high = zip(*interval, strict=True)
    accuracies.fill_between(epochs, low, high, color=RED, alpha=0.15, linewidth=0, label="its 95 % interval")
    accuracies.axhline(baseline[1], color="black", linestyle=":", linewidth=1.4, label=baseline[0])
    losses.set(ylabel="loss (cross entropy)", ylim=(0, None))
    accuracies.set(ylabel="accuracy", ylim=(min(0.4, *low), 1.02))
    handles, labels = accuracies.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


@rc_context(STYLE)
def ledger_tiles(verdicts: dict[str, str], order: Sequence[str], *, title: str) -> Figure:
    """One tile a claim, with its id, in rows by verdict; `order` is that of the verdicts, from top to bottom.

    Raises ValueError for a verdict that is not in `order`.
    """
    if lacking := set(verdicts.values()) - set(order):
        raise ValueError(f"order lacks the verdict {', '.join(sorted(lacking))}: its claims would be left out")
    width = 13
    rows = [(verdict, [name for name, own in verdicts.items() if own == verdict]) for verdict in order]
    height = sum(1.5 + max(1, math.ceil(len(names) / width)) for _, names in rows)
    figure, (axes,) = _axes(height=0.36 * height)
    y = 0.0
    for (verdict, names), colour, hatch in zip(rows, (BLUE, SKY, RED, "#FFFFFF"), ("", "..", "//", ""), strict=True):
        axes.text(0, y + 0.75, f"{verdict}: {len(names)}", fontsize=10, fontweight="bold", va="center")
        for i, name in enumerate(names):
            left, top = i % width, y + 1.2 + i // width
            axes.add_patch(
                Rectangle((left, top), 0.92, 0.88, facecolor=colour, edgecolor="#444444", hatch=hatch, lw=0.6)
            )
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
            axes.text(left + 0.46, top + 0.44, name, ha="center", va="center", fontsize=10, bbox=box)
        y += 1.5 + max(1, math.ceil(len(names) / width))
    axes.set(xlim=(-0.1, width), ylim=(y, 0), title=title)
    axes.axis("off")
    return figure
