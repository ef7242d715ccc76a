"""Chapter 9: cosines, how they are spread, and what a search finds."""

from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from bertutil.course.plots.common import BLUE, GREEN, GREY, PURPLE, RED, SKY, STYLE, empty_axes, paired


@rc_context(STYLE)
def arrow_pairs(panels: dict[str, list[tuple[float, float]]], *, cosines: list[float]) -> Figure:
    """Two vectors of two features as arrows from the origin, a and b, in each panel, with their cosine."""
    figure, panel_axes = empty_axes(height=3.1, columns=len(panels))
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
    figure, (axes,) = empty_axes(height=3.8)
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
    figure, panel_axes = empty_axes(height=3.6, columns=len(panels))
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
    figure, (axes,) = empty_axes(height=4)
    places = np.unique(np.geomspace(1, size, 60).round().astype(int))
    at = [int(np.argmin(np.abs(places - k))) for k in (1, 2, 5, 10, 30, 100)]
    looks = (BLUE, RED, GREEN, PURPLE), "osD^", ("-", "--", "-.", ":")
    for (name, each), color, marker, style in paired(ranks.items(), *looks):
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


@rc_context(STYLE)
def ways_by_kind(panels: dict[str, dict[str, tuple[float, float, float]]], *, title: str, xlabel: str) -> Figure:
    """A panel for each kind of query, in it a row for each way of searching: its score, and a bar for its interval.

    A way has (score, lower end, upper end), in the same order in every panel. The highest scores of a panel are bold.
    """
    ways = list(next(iter(panels.values())))
    figure, panel_axes = empty_axes(height=1.3 + 0.42 * len(ways), columns=len(panels))
    for (kind, scores), axes in zip(panels.items(), panel_axes, strict=True):
        best = max(score for score, _, _ in scores.values())
        for y, way in enumerate(ways):
            score, low, high = scores[way]
            axes.plot([low, high], [y, y], color=SKY, linewidth=5, alpha=0.5, solid_capstyle="butt")
            axes.plot(score, y, "o", color=BLUE, markersize=6)
            weight = "bold" if score == best else "normal"
            axes.annotate(
                f"{score:.2f}", (score, y), (0, 6), textcoords="offset points", ha="center", fontsize=8, weight=weight
            )
        axes.set(xlim=(-0.08, 1.08), ylim=(len(ways) - 0.5, -0.6), xticks=(0, 0.5, 1), xlabel=xlabel)
        axes.set_xticklabels(("0", "0.5", "1"))
        axes.set_yticks(range(len(ways)), ways if axes is panel_axes[0] else [""] * len(ways))
        axes.set_title(kind, fontsize=10)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color="#E5E5E5")
        axes.set_axisbelow(True)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure
