"""Figures of chapter 12: the scores of a batch, and what tuning gained."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from bertutil.course.plots.common import BLUE, GREY, ORANGE, SKY, STYLE, empty_axes

Gain = tuple[float, float, float, Sequence[float]]


@rc_context(STYLE)
def score_maps(panels: Mapping[str, Sequence[Sequence[float]]], *, title: str, xlabel: str, ylabel: str) -> Figure:
    """A square map for each panel: a query's cosine with each text of the batch, its own on the diagonal.

    A ring marks the highest cosine of each row; where it is not on the diagonal, another text came first.
    """
    size = max(len(values) for values in panels.values())
    figure, panel_axes = empty_axes(height=4.2, columns=len(panels))
    for (name, values), axes in zip(panels.items(), panel_axes, strict=True):
        grid = np.asarray(values, dtype=float)
        image = axes.imshow(grid, cmap="Blues", vmin=0, vmax=1)
        best = grid.argmax(axis=1)
        axes.plot(best, range(len(grid)), "o", mfc="none", mec=ORANGE, mew=1.8, markersize=min(9, 150 / size))
        axes.set(xlabel=xlabel, ylabel=ylabel if axes is panel_axes[0] else "", xticks=[], yticks=[])
        axes.set_title(name, fontsize=10)
    figure.colorbar(image, ax=panel_axes, label="cosine", shrink=0.8)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


@rc_context(STYLE)
def gains_by_way(rows: Mapping[str, Gain], *, title: str, xlabel: str) -> Figure:
    """A row for each way of tuning: its gain, a bar for the interval, and a small tick for each seed.

    A way has (gain, lower end, upper end, the gain of each seed). Filled: the interval leaves 0 out.
    """
    figure, (axes,) = empty_axes(height=1.2 + 0.48 * len(rows))
    for y, (gain, low, high, seeds) in enumerate(rows.values()):
        axes.plot([low, high], [y, y], color=SKY, linewidth=6, alpha=0.5, solid_capstyle="butt")
        axes.plot(seeds, [y] * len(seeds), "|", color=GREY, markersize=13)
        told = low > 0 or high < 0
        axes.plot(gain, y, "o", color=BLUE, markersize=7, mfc=BLUE if told else "white")
        axes.annotate(f"{gain:+.3f}", (gain, y), (0, 8), textcoords="offset points", ha="center", fontsize=8)
    axes.axvline(0, color="black", linewidth=1, linestyle=":")
    axes.set(ylim=(len(rows) - 0.5, -0.7), xlabel=xlabel)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color="#E5E5E5")
    axes.set_axisbelow(True)
    axes.set_title(title)
    return figure


@rc_context(STYLE)
def gain_curve(points: Mapping[int, Gain], *, title: str, xlabel: str, ylabel: str) -> Figure:
    """The gain over the number of pairs: a line, a band for the interval, and a small tick for each seed."""
    figure, (axes,) = empty_axes(height=3.6)
    sizes, gains = list(points), [gain for gain, *_ in points.values()]
    axes.fill_between(
        sizes,
        [low for _, low, _, _ in points.values()],
        [high for _, _, high, _ in points.values()],
        color=SKY,
        alpha=0.35,
        linewidth=0,
    )
    axes.plot(sizes, gains, "o-", color=BLUE)
    for size, (gain, _, _, seeds) in points.items():
        axes.plot([size] * len(seeds), seeds, "_", color=GREY, markersize=12)
        axes.annotate(f"{gain:+.3f}", (size, gain), (0, 8), textcoords="offset points", ha="center", fontsize=8)
    axes.axhline(0, color="black", linewidth=1, linestyle=":")
    axes.set(xlabel=xlabel, ylabel=ylabel, xticks=sizes)
    axes.grid(axis="y", color="#E5E5E5")
    axes.set_axisbelow(True)
    axes.set_title(title)
    return figure
