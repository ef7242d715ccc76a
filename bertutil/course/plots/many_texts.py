"""Chapter 13: batches in memory, and speed."""

import math
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from bertutil.course.plots.common import BLUE, GREY, ORANGE, SKY, STYLE, empty_axes, paired


@rc_context(STYLE)
def padding_waste(batches: dict[str, list[int]], *, budget: int) -> Figure:
    """Batches as they lie in memory: a line for each text, its tokens dark and its padding hatched.

    `batches` maps a label to the texts' lengths in tokens. A last panel lays the texts of the first batch end to end,
    in rows of at most `budget` tokens, each drawn as lines as wide as the other panels.
    """
    figure, axes = empty_axes(height=3.6, columns=len(batches) + 1)
    width = max(max(lengths) for lengths in batches.values())
    for (label, lengths), ax in paired(batches.items(), axes):
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
    figure, axes = empty_axes(height=3.3 * rows + 0.3, rows=rows, columns=2)
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
