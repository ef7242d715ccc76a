"""Chapters 8 and 11: scores of a probe and of training, with how sure they are."""

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from bertutil.course.plots.common import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, STYLE, empty_axes, paired

Scored = tuple[float, float, float]  # a score and both ends of its interval
DARK = ("black", PURPLE, GREY)


@rc_context(STYLE)
def scores_by_layer(
    panels: dict[str, tuple[list[float], list[float], list[float]]],
    *,
    title: str,
    rivals: dict[str, dict[str, float | list[float]]] | None = None,
) -> Figure:
    """Scores over the layers with their intervals: a panel a job, named on its axis; the highest score has a ring.

    A panel is (scores, lower ends, upper ends). Each has a scale of its own. `rivals`: for each panel, by name, one
    score (a line across) or one for each layer (NaN where there is none); a legend names them.
    """
    figure, axes_list = empty_axes(height=4.3 if rivals else 3.6, columns=len(panels))
    styles = paired(panels.items(), axes_list, "os^", (BLUE, RED, GREEN))
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
        of_panel = (rivals or {}).get(name, {})
        for (rival, own), line, look, shade in paired(of_panel.items(), ("--", ":", "-."), "DvX", DARK):
            if isinstance(own, list):
                axes.plot(own, linestyle=line, marker=look, color=shade, mfc="white", ms=5, lw=1.2, label=rival)
            else:
                axes.axhline(own, linestyle=line, color=shade, lw=1.6, label=rival)
        if of_panel:
            axes.legend(loc="upper left", bbox_to_anchor=(-0.05, -0.2), frameon=False, fontsize=8, handlelength=2.6)
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
    here: str = "here",
) -> Figure:
    """The same inputs of a probe in two experiments: published scores (one each) and ours, a row an input.

    Ours has a small circle for each seed, a bar for their mean and a pale band for the interval of the mean. An
    input without a published score is said to have none. `here` names our checkpoint below the right panel.
    """
    figure, (left, right) = empty_axes(height=1.3 + 0.36 * len(ours), columns=2)
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
    for axes, name in ((left, "published, F1 x 100"), (right, f"{here}, F1 x 100")):
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
def scores_by_probe(rows: dict[str, dict[str, Scored]], *, xlabel: str, title: str) -> Figure:
    """The scores of some inputs (a row each), each with several probes: a marker and its interval a probe."""
    figure, (axes,) = empty_axes(height=1.4 + 0.62 * len(rows))
    probes = list(next(iter(rows.values())))
    for name, own in rows.items():
        if list(own) != probes:
            raise ValueError(f"{name!r} has the probes {list(own)}, the first row {probes}; all rows need the same")
    for k, (probe, marker, color) in enumerate(paired(probes, "os^", (ORANGE, BLUE, GREEN))):
        places = [y + 0.24 * (k - (len(probes) - 1) / 2) for y in range(len(rows))]
        found, low, high = zip(*(own[probe] for own in rows.values()), strict=True)
        axes.hlines(places, low, high, color=color, lw=4, alpha=0.3)
        axes.plot(found, places, linestyle="", marker=marker, color=color, mec="black", ms=7, label=probe)
        for score, place, end in zip(found, places, high, strict=True):
            axes.annotate(
                f"{score:.2f}", (end, place), xytext=(6, 0), textcoords="offset points", va="center", fontsize=8
            )
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set(xlabel=xlabel, ylim=(len(rows) - 0.5, -0.5))
    axes.margins(x=0.08)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#E5E5E5")
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=len(probes), frameon=False)
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
    figure, (losses, accuracies) = empty_axes(height=3.6, columns=2)
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
