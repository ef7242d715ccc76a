"""Chapter 7: the senses of a word, layer by layer."""

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from bertutil.course.plots.common import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY, STYLE, empty_axes, paired


def _senses(axes: Axes, points: ArrayLike, senses: list[str], size: float) -> None:
    """One vector a marker, joined by a thin line to the middle of its sense; each sense has a colour and a marker."""
    places, labels = np.asarray(points), np.array(senses)
    markers = paired(dict.fromkeys(senses), (BLUE, RED, GREEN), "o^s", ("-", "--", ":"))
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
    figure, axes_list = empty_axes(height=5.1, rows=2, columns=4)
    for (layer, (points, share, accuracy)), axes in paired(panels.items(), axes_list[:-1]):
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
def rivals_by_layer(panels: dict[str, dict[str, list[float]]], *, title: str) -> Figure:
    """Panels side by side, one a data set: the accuracy of the word itself (the first series, thick) and its rivals.

    A series of one number, which knows no layers, is a level line. The name, the marker and the kind of line tell the
    series apart; the last value of the first series is written at its end.
    """
    figure, axes_list = empty_axes(height=5.2, columns=len(panels))
    names = dict.fromkeys(name for series in panels.values() for name in series)
    colors, markers = (BLUE, ORANGE, GREEN, PURPLE, SKY, GREY, RED, "black"), ["o", "^", "s", "D", "v", "x", "", ""]
    looks = {
        name: look for name, *look in paired(names, colors, markers, ["-", "--", "-", "--", "-", ":", "-.", ":"])
    }
    lowest = min(value for series in panels.values() for values in series.values() for value in values)
    lines = {}
    for axes, (panel, series) in zip(axes_list, panels.items(), strict=True):
        n = max(map(len, series.values()))
        for name, values in series.items():
            color, marker, style = looks[name]
            places = [0, n - 1] if len(values) == 1 else range(n)
            width, size = (3.2, 7) if name == next(iter(names)) else (1.5, 4.5)
            drawn = values * 2 if len(values) == 1 else values
            (lines[name],) = axes.plot(places, drawn, style, marker=marker, color=color, lw=width, ms=size)
        own = next(iter(series.values()))[-1]
        axes.text(n - 1, own + 0.025, f"{own:.0%}", ha="center", color=BLUE)
        axes.set(
            title=panel, xlabel="layer", ylim=(min(0.3, lowest - 0.03), 1.05), xticks=range(0, n, 1 if n < 10 else 3)
        )
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.grid(axis="y", color="#E5E5E5")
        axes.set_axisbelow(True)
    axes_list[0].set_ylabel("nearest neighbour has the same sense")
    figure.legend(list(lines.values()), list(lines), loc="outside lower left", ncols=3, frameon=False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


@rc_context(STYLE)
def cosines_by_layer(panels: dict[str, dict[str, list[float]]], *, title: str, ylabel: str = "mean cosine") -> Figure:
    """Panels side by side with one line a series over the layers, on one scale; the marker tells the series apart."""
    figure, axes_list = empty_axes(height=3.9, columns=len(panels))
    everything = [value for series in panels.values() for values in series.values() for value in values]
    margin = 0.05 * (max(everything) - min(everything))
    names = dict.fromkeys(name for series in panels.values() for name in series)
    colors, lines = (BLUE, ORANGE, GREEN, PURPLE, SKY), {}
    looks = {name: look for name, *look in paired(names, colors, "o^sDv", ("-", "--", ":", "-.", "-"))}
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
