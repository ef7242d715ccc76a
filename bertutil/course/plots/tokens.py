"""Chapters 1, 2 and 4: what goes into a model, where its parameters sit, and which token moves which."""

from collections.abc import Collection

import numpy as np
from matplotlib import rc_context
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from bertutil.course.plots.common import BLUE, GREY, ORANGE, SKY, STYLE, empty_axes, paired


@rc_context(STYLE)
def parameter_map(models: dict[str, list[tuple[str, int]]]) -> Figure:
    """Where the parameters sit: for each model one bar to scale, cut into its parts in the order of the data's way.

    `models` maps a model's name to its parts, (label, parameters). The embedding tables come first; a part whose
    label begins with "layer" is an encoder layer.
    """
    figure, (axes,) = empty_axes(height=1.0 + 1.1 * len(models))
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
    figure, (axes,) = empty_axes(height=0.5 + 0.62 * len(rows))
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
    figure, (axes,) = empty_axes(height=4)
    lowest = min(0.0, *(min(values) for values in series.values()))
    for (label, values), marker in paired(series.items(), "os^Dv"):
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
def nearness(
    texts: list[list[str]],
    cosines: list[list[float]],
    chosen: tuple[int, int],
    *,
    title: str,
    marks: tuple[str, str] = ("from here", "compared"),
) -> Figure:
    """The cosine of one piece with all others: bars at the last layer, and below a line over the layers for each.

    `texts` has the pieces of each text. `cosines` [layers, pieces], counted over all texts. The two `chosen` pieces
    are named by `marks`, and their line is thick; the others are faint, as all that a curve of its own would hide.
    """
    figure, axes_list = empty_axes(height=2.6 + 1.9 * len(texts), rows=len(texts) + 1)
    widest = max(map(len, texts))
    lowest = min(0.0, *(min(row) for row in cosines))
    heights = (1.17, 1.31 if abs(chosen[0] - chosen[1]) < 4 else 1.17)  # side by side they would touch
    start = 0
    for axes, pieces in zip(axes_list, texts, strict=False):
        values = cosines[-1][start : start + len(pieces)]
        bars = axes.bar(range(len(pieces)), values, color=BLUE, width=0.7)
        if widest <= 40:  # more numbers would cover one another
            axes.bar_label(bars, fmt="{:.2f}", padding=1, fontsize=7.5)
        axes.set_xticks(
            range(len(pieces)), pieces, rotation=60, ha="right", rotation_mode="anchor", family="monospace"
        )
        for place, mark, height in zip(chosen, marks, heights, strict=True):
            if 0 <= (x := place - start) < len(pieces):
                bars[x].set(hatch="///", edgecolor="white")
                axes.get_xticklabels()[x].set_fontweight("bold")
                axes.text(x, height, mark, ha="center", va="bottom", fontsize=8.5, fontweight="bold")
        floor = min(0.0, *cosines[-1])
        axes.set(
            xlim=(-0.7, widest - 0.3), ylim=(floor - 0.2 * (floor < 0), 1.45), ylabel="cosine", yticks=[0, 0.5, 1]
        )
        start += len(pieces)
    lines = axes_list[-1]
    for place, over in enumerate(zip(*cosines, strict=True)):
        if place not in chosen:
            lines.plot(over, color=GREY, linewidth=0.8, alpha=0.3)
    main = [row[chosen[1]] for row in cosines]
    lines.plot(main, "o-", color=BLUE, linewidth=2.5)
    lines.annotate(f"{main[-1]:.3f}", (len(main) - 1, main[-1]), (6, 0), textcoords="offset points", va="center")
    lines.set(xlabel="layer", ylabel="cosine", xlim=(-0.2, len(main) - 0.6), ylim=(lowest - 0.02, 1.05))
    lines.set_xticks(range(len(main)))
    axes_list[0].set_title(title)
    return figure


@rc_context(STYLE)
def input_grid(texts: dict[str, list[str]], rows: dict[str, list[list[int]]], *, title: str) -> Figure:
    """For each text its tokens, and under each token the model's inputs as numbers.

    `rows` names an input and gives one list a text. The 1s of a list of 0 and 1 are dark; every number is written
    out, so no meaning hangs on the shade.
    """
    figure, panels = empty_axes(height=0.4 + (0.75 + 0.27 * len(rows)) * len(texts), rows=len(texts))
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
    figure, axes_list = empty_axes(height=3.5, columns=len(panels))
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
def cosine_map(tokens: list[str], values: list[list[float]], *, title: str) -> Figure:
    """A cosine for each layer (from the bottom, 0, up) and token, written into its square."""
    lowest = min(min(row) for row in values)
    figure, (axes,) = empty_axes(height=1.2 + 0.28 * len(values))
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
