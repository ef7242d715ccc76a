"""Chapter 14: vectors at work: curves over a size, and what an index finds, takes and saves."""

from collections.abc import Mapping, Sequence

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from bertutil.course.plots.common import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, STYLE, empty_axes, paired

LOOKS = (BLUE, ORANGE, GREEN, RED, PURPLE), "osD^v", ("-", "--", "-.", ":", (0, (5, 1)))


@rc_context(STYLE)
def lines_over_size(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    marks: Mapping[str, float] | None = None,
) -> Figure:
    """A line for each series (sizes, values) over a size on a logarithmic axis; values are shares, from 0 to 1.

    `marks`: words to stand above a dotted line at a size.
    """
    figure, (axes,) = empty_axes(height=4)
    for (name, (sizes, values)), color, marker, style in paired(series.items(), *LOOKS):
        axes.plot(sizes, values, color=color, marker=marker, linestyle=style, label=name, linewidth=1.8)
    for name, size in (marks or {}).items():
        axes.axvline(size, color=GREY, linestyle=":", linewidth=1)
        axes.annotate(name, (size, 1.03), ha="center", va="bottom", fontsize=9, annotation_clip=False)
    axes.set_title(title, pad=22 if marks else 6)
    ticks: list[float] = []
    for size in sorted({size for sizes, _ in series.values() for size in sizes}):
        if not ticks or size > 1.25 * ticks[-1]:  # nearer numbers would be written over each other
            ticks.append(size)
    axes.set(xscale="log", ylim=(-0.02, 1.02), xlabel=xlabel, ylabel=ylabel)
    axes.set_xticks(ticks, [f"{size:,.0f}" for size in ticks])
    axes.set_xticks([], minor=True)
    axes.grid(color="#E5E5E5")
    axes.set_axisbelow(True)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


@rc_context(STYLE)
def recall_time_size(ways: Mapping[str, Sequence[tuple[float, float, float]]], *, title: str) -> Figure:
    """Each way of searching as a line of its settings (recall, milliseconds a query, bytes a vector).

    On the left recall against time, on the right against size; a way with one setting is a single mark.
    """
    figure, panels = empty_axes(height=4.2, columns=2)
    for (name, points), color, marker, style in paired(ways.items(), *LOOKS):
        recalls, times, sizes = zip(*points, strict=True)
        for axes, values in zip(panels, (times, sizes), strict=True):
            axes.plot(values, recalls, color=color, marker=marker, linestyle=style, label=name, linewidth=1.6)
    for axes, xlabel in zip(panels, ("milliseconds a query, one thread", "bytes a vector, on disk"), strict=True):
        axes.set(ylim=(-0.03, 1.05), xlabel=xlabel, ylabel="recall at 10")
        axes.grid(color="#E5E5E5")
        axes.set_axisbelow(True)
    panels[0].set_xscale("log")
    panels[0].xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    panels[0].xaxis.set_minor_formatter(NullFormatter())
    panels[1].set_xlim(0, 1.08 * max(size for points in ways.values() for _, _, size in points))
    figure.legend(*panels[0].get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=len(ways))
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure
