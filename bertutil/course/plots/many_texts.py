"""Chapter 13: batches in memory, and speed."""

import math
import statistics
from typing import Any, NamedTuple

from matplotlib import rc_context
from matplotlib.figure import Figure

from bertutil.course.plots.common import BLUE, GREEN, GREY, ORANGE, SKY, STYLE, empty_axes, paired


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


# Ways to the same vectors, as benchmarks/run.py calls them, each with a look of its own
LOOKS = {
    "embed": (BLUE, "o", "-"),
    "OpenVINO, sorted": (ORANGE, "s", "--"),
    "ONNX Runtime, sorted": (GREEN, "^", ":"),
}
UNIT, HALF = "sentence-transformers", ", bfloat16"


class Speed(NamedTuple):
    """One run of the benchmark in one precision: ways to the same vectors, and how fast each was in each round."""

    model: str
    precision: str
    n_texts: int
    ways: dict[str, list[float]]

    def leader(self) -> str:
        """The way that is fastest in the median, with the next behind it, or with those it is not told apart from.

        Told apart: faster in every round, of at least three. Of two rounds luck wins both in one case of four.
        """
        median = {way: statistics.median(rounds) for way, rounds in self.ways.items()}
        first, *others = sorted(median, key=lambda way: -median[way])
        level = [
            way
            for way in others
            if len(self.ways[way]) < 3
            or not all(a > b for a, b in zip(self.ways[first], self.ways[way], strict=True))
        ]
        if level:
            ways = " and ".join(f"{way} ({median[way]:.2f})" for way in [first, *level])
            return f"{ways} are not told apart"
        return f"{first} is ahead ({median[first]:.2f}, {others[0]} {median[others[0]]:.2f})"


def _speeds(results: dict[str, Any]) -> list[Speed]:
    """The runs of datasets.benchmark() on texts of mixed length, each in both precisions."""
    found = []
    for run in results["comparisons"]:
        if run["texts"] == "mixed":
            one = [1.0] * run["rounds"]
            for precision, end in (("float32", ""), ("bfloat16", HALF)):
                ways = {way: run["speed"][way + end] for way in LOOKS if way + end in run["speed"]}
                if ways:
                    found.append(Speed(run["model"], precision, run["n_texts"], {UNIT: one} | ways))
    return found


def speed_words(results: dict[str, Any]) -> list[str]:
    """Which way is ahead with how many texts, a line in Markdown for each model and precision.

    The numbers are times as fast as sentence-transformers in the same precision.
    """
    lines: dict[tuple[str, str], list[str]] = {}
    for run in _speeds(results):
        lines.setdefault((run.model, run.precision), []).append(f"{run.n_texts:,} texts: {run.leader()}")
    return [f"- {model}, {precision}. {'; '.join(said)}." for (model, precision), said in lines.items()]


@rc_context(STYLE)
def speed_curves(results: dict[str, Any]) -> Figure:
    """How many times as fast as sentence-transformers in the same precision each way is, over the number of texts.

    A panel for each model and precision; the bars are the lowest and the highest of the rounds.
    """
    panels: dict[tuple[str, str], list[Speed]] = {}
    for run in _speeds(results):
        panels.setdefault((run.model, run.precision), []).append(run)
    columns = min(2, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure, axes = empty_axes(height=2.9 * rows + 0.5, rows=rows, columns=columns)
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    for ((model, precision), runs), ax in zip(panels.items(), axes, strict=False):
        numbers = [run.n_texts for run in runs]
        for (way, (colour, marker, line)), thickness in zip(LOOKS.items(), (4, 2, 1), strict=True):
            if all(way in run.ways for run in runs):  # thinner bars over thicker ones: both are seen
                medians = [statistics.median(run.ways[way]) for run in runs]
                low = [m - min(run.ways[way]) for m, run in zip(medians, runs, strict=True)]
                high = [max(run.ways[way]) - m for m, run in zip(medians, runs, strict=True)]
                ax.errorbar(
                    numbers,
                    medians,
                    [low, high],
                    color=colour,
                    marker=marker,
                    linestyle=line,
                    label=way,
                    capsize=3,
                    elinewidth=thickness,
                )
        ax.axhline(1, color=GREY, linewidth=1)
        ax.annotate(UNIT, (numbers[0], 1), (0, -11), textcoords="offset points", fontsize=8, color="#555555")
        ax.set(xscale="log", ylim=(0.8, None), title=f"{model.partition(',')[0]}, {precision}")
        ax.set_xticks(numbers, [f"{n:,}" for n in numbers])
        ax.minorticks_off()
        ax.margins(x=0.12)
    axes[0].legend(frameon=False, fontsize=9)
    ahead = sum(run.leader().startswith("embed is ahead") for run in _speeds(results))
    figure.suptitle(
        f"embed is ahead in {ahead} of {len(_speeds(results))} comparisons",
        x=0.01,
        ha="left",
        fontsize=11,
        fontweight="bold",
    )
    figure.supxlabel("number of texts", fontsize=10)
    figure.supylabel("times as fast, same precision", fontsize=10)
    return figure


def gpu_words(results: dict[str, Any]) -> list[str]:
    """What was measured on a GPU, in Markdown."""
    lines = [f"On a GPU ({results['machine']}), texts a second, tokenizing included:", ""]
    for run in results["comparisons"]:
        rates = run["texts_per_second"]
        for precision in ("float32", "bfloat16"):
            theirs = {way: rate for way, rate in rates.items() if way.startswith(UNIT) and way.endswith(precision)}
            best = max(theirs, key=lambda way: theirs[way])
            ours = rates[f"embed, {precision}"]
            lines.append(
                f"- {run['model']}, {precision}: embed {ours:,.0f}; {UNIT} at its best setting here "
                f"({best.removeprefix(UNIT).removesuffix(precision).strip(', ')}) {theirs[best]:,.0f}, so embed is "
                f"{ours / theirs[best]:.1f} times as fast."
            )
    return lines
