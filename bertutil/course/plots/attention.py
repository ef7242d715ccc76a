"""Chapter 10: attention, and how far vectors move when it is cut."""

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bertutil.course.plots.common import BLUE, GREEN, RED, STYLE, empty_axes, paired


@rc_context(STYLE)
def attention_table(
    rows: list[str], columns: list[str], weights: list[list[float]], *, title: str, xlabel: str, ylabel: str
) -> Figure:
    """Attention weights in percent, written into shaded squares: a row says how one token's attention is spread."""
    figure, (axes,) = empty_axes(height=1.5 + 0.3 * len(rows))
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
    figure, panels = empty_axes(height=0.9 + 1.9 * lines, rows=lines, columns=columns)
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
    figure, axes_list = empty_axes(height=1.1 + (0.45 + 0.2 * depth) * len(panels), rows=len(panels))
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
    figure, axes_list = empty_axes(height=1.1 + 0.25 * len(tokens), columns=len(panels))
    places = range(len(tokens))
    for (name, values), axes, color in paired(panels.items(), axes_list, (BLUE, GREEN, RED)):
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
    figure, (axes,) = empty_axes(height=4)
    for layer, x, y in points:
        axes.text(x, y, str(layer), ha="center", va="center", color=BLUE, fontweight="bold", in_layout=False)
    axes.scatter([x for _, x, _ in points], [y for _, _, y in points], s=0)  # the text alone would set no limits
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel, xlim=(0, 1))
    axes.set_ylim(0, 1.18 * max(y for _, _, y in points))
    axes.text(0.02, 0.93, "each number is a head: the index of its layer", transform=axes.transAxes, color=BLUE)
    axes.grid(color="#E5E5E5")
    axes.set_axisbelow(True)
    return figure
