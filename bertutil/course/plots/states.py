"""Chapter 5: the numbers in the hidden states, and what becomes of them over the layers."""

from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from bertutil.course.plots.common import BLUE, GREY, RED, SKY, STYLE, empty_axes, paired


@rc_context(STYLE)
def feature_histogram(values: ArrayLike, *, title: str, limit: float = 2) -> Figure:
    """How often each value occurs in one vector, with every value as a tick below; -limit to limit is shaded.

    Values beyond the limit are named by their feature's index, where there are no more than eight.
    """
    numbers = np.asarray(values)
    figure, (axes,) = empty_axes(height=3.4)
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
    figure, (axes,) = empty_axes(height=1.4 + 0.36 * len(numbers))
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
    figure, (axes,) = empty_axes(height=3.4)
    n = max(map(len, series.values()))
    everything = [value for values in series.values() for value in values]
    gap = 0.09 * (max(everything) - min(everything))
    heights: dict[str, float] = {}
    for name in sorted(series, key=lambda name: series[name][-1]):  # a name that would touch another is moved up
        heights[name] = max([series[name][-1], *(height + gap for height in heights.values())])
    for (name, values), marker, style in paired(series.items(), "osD^v", ("-", "--", "-.", ":", "-")):
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
    figure, axes = empty_axes(height=6.8, rows=2, columns=2)
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
