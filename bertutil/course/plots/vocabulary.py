"""Chapter 3: words, their pieces, and a whole vocabulary."""

from collections import Counter
from itertools import groupby
from typing import Any

from matplotlib import rc_context
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from bertutil.course.plots.common import BLUE, GREY, ORANGE, RED, SKY, STYLE, empty_axes, paired


@rc_context(STYLE)
def word_pieces(words: list[str], pieces: list[list[str]], *, title: str) -> Figure:
    """Words in bold, and under each of them its tokens in boxes.

    Full boxes are pieces that begin a word, striped ones are continuations ("##..."), crossed ones are [UNK]; a
    dashed box stands for a word that left no token. Lines are wrapped.
    """
    line_width, gap, pad = 92.0, 1.6, 0.5  # in widths of a character
    widths = [[len(piece) + 2 * pad for piece in found] or [len("nothing") + 2 * pad] for found in pieces]
    blocks = [max(len(word), sum(sizes)) for word, sizes in zip(words, widths, strict=True)]
    lines: list[list[int]] = [[]]
    for i, block in enumerate(blocks):
        if lines[-1] and sum(blocks[j] + gap for j in lines[-1]) + block > line_width:
            lines.append([])
        lines[-1].append(i)
    figure, (axes,) = empty_axes(height=0.4 + 0.72 * len(lines))
    style: Any = {"family": "monospace", "fontsize": 10, "va": "center"}
    for row, line in enumerate(lines):
        x = 0.0
        for i in line:
            axes.text(x, row + 0.17, words[i], weight="bold", **style)
            left = x
            for piece, width in zip(pieces[i] or ["nothing"], widths[i], strict=True):
                face, edge, hatch, dashes = "#CFE6F5", BLUE, None, "-"
                if not pieces[i]:
                    face, edge, dashes = "white", GREY, "--"
                elif piece == "[UNK]":
                    face, edge, hatch = "#FBE3D2", RED, "xx"
                elif piece.startswith("##"):
                    face, edge, hatch = "white", BLUE, "///"
                box = Rectangle(
                    (left + 0.06, row + 0.4), width - 0.12, 0.4, facecolor=face, edgecolor=edge, linestyle=dashes
                )
                axes.add_patch(box)
                if hatch:
                    axes.add_patch(
                        Rectangle(
                            box.get_xy(), box.get_width(), 0.4, fill=False, edgecolor=edge, hatch=hatch, alpha=0.25
                        )
                    )
                axes.text(left + pad, row + 0.6, piece, color=GREY if not pieces[i] else "black", **style)
                left += width
            x += blocks[i] + gap
    axes.set(xlim=(-0.3, line_width), ylim=(len(lines), -0.1), title=title)
    axes.set_axis_off()
    return figure


@rc_context(STYLE)
def longest_match(word: str, tries: list[tuple[int, int, bool]], *, title: str) -> Figure:
    """The search for a word's pieces, one try a line: the letters asked for, and whether the vocabulary has them.

    `tries` holds (start, end, found) in the order of the search. What is found stands in a full box with a tick; a
    last try that finds nothing is crossed out.
    """
    figure, (axes,) = empty_axes(height=0.8 + 0.23 * len(tries))
    for row, (start, end, found) in enumerate(tries):
        piece = ("##" if start else "") + word[start:end]
        failed = row == len(tries) - 1 and not found
        color = BLUE if found else RED if failed else GREY
        note = f"✓ {piece} is in the vocabulary" if found else f"no entry {piece}"
        box = Rectangle(
            (start + 0.03, row + 0.06),
            end - start - 0.06,
            0.88,
            facecolor="#CFE6F5" if found else "white",
            edgecolor=color if found or failed else "#C8C8C8",
            hatch="xx" if failed else None,
            linewidth=1.8 if found else 0.8,
        )
        axes.add_patch(box)
        text: Any = {"va": "center", "color": "black" if found or failed else GREY}
        text["weight"] = "bold" if found or failed else "normal"
        for i in range(start, end):
            axes.text(i + 0.5, row + 0.52, word[i], ha="center", **text)
        note += ", and nothing shorter is left to try" if failed else ""
        axes.text(len(word) + 0.3, row + 0.52, note, fontsize=9, **text)
    axes.set(xlim=(-0.1, max(len(word), 10) + 6.5), ylim=(len(tries), 0), title=title)
    axes.set_xticks([i + 0.5 for i in range(len(word))], [str(i) for i in range(len(word))])
    axes.set_yticks([i + 0.5 for i in (0, len(tries) - 1)], ["try 1", f"try {len(tries)}"])
    axes.set_xlabel("position of the character in the word", loc="left")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


@rc_context(STYLE)
def vocabulary_map(kinds: list[str], order: list[str], *, title: str) -> Figure:
    """A whole vocabulary as a carpet: one cell an entry, by id from left to right and top to bottom.

    `kinds` names the kind of every entry; `order` lists the kinds for the legend. The legend says where the
    longest block of a kind lies, so the shades need not be told apart to find it.
    """
    columns = 256
    shades = ["#D9D9D9", "#8C2D04", "#E69F00", "#D3E6F2", "#3B82B5", "#0B2742"]
    cells = [order.index(kind) for kind in kinds]
    cells += [-1] * (-len(cells) % columns)
    figure, (axes,) = empty_axes(height=4.2)
    axes.imshow(
        [cells[i : i + columns] for i in range(0, len(cells), columns)],
        cmap=ListedColormap(["white", *shades]),
        vmin=-1,
        vmax=len(shades) - 1,
        aspect="auto",
        interpolation="nearest",
    )
    runs = [list(run) for _, run in groupby(range(len(kinds)), kinds.__getitem__)]
    counts, handles = Counter(kinds), []
    for kind, shade in paired(order, shades):
        block = max((run for run in runs if kinds[run[0]] == kind), key=len, default=[])
        label = f"{kind}: {counts[kind]:,}"
        if len(block) > len(kinds) / 100:
            label += f"\n(a block: ids {block[0]:,} to {block[-1]:,})"
        handles.append(Patch(facecolor=shade, edgecolor=GREY, label=label))
    axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, labelspacing=1.2)
    lines = range(0, len(cells) // columns, 20)
    axes.set_yticks(list(lines), [f"{line * columns:,}" for line in lines])
    axes.set(title=title, xlabel=f"{columns} entries a line", ylabel="id of the line's first entry", xticks=[])
    return figure


@rc_context(STYLE)
def side_by_side_bars(groups: dict[str, dict[int, int]], *, title: str, xlabel: str, ylabel: str) -> Figure:
    """Counts of whole numbers, the groups' bars side by side: {group: {number: count}}. Hatches tell them apart."""
    figure, (axes,) = empty_axes(height=3.2)
    width = 0.84 / len(groups)
    for i, (group, counts) in enumerate(groups.items()):
        places = [number + (i - (len(groups) - 1) / 2) * width for number in counts]
        axes.bar(
            places,
            list(counts.values()),
            width,
            label=group,
            color=[BLUE, "white", ORANGE][i % 3],
            edgecolor=BLUE,
            hatch=[None, "////", ".."][i % 3],
        )
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel, xticks=sorted({n for c in groups.values() for n in c}))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.legend(frameon=False)
    return figure


@rc_context(STYLE)
def stacked_shares(rows: dict[str, list[int]], parts: list[str], *, title: str, xlabel: str) -> Figure:
    """One bar of 100 % a row, cut into up to five parts with their counts; the fifth part is hatched."""
    figure, (axes,) = empty_axes(height=1.1 + 0.42 * len(rows))
    shades = ["#CFE6F5", "#7FB8DD", "#2E78AD", "#0B2742", "#FBE3D2"]
    hatches = [None, None, None, None, "xxx"]
    looks = list(paired(parts, shades, hatches))
    for y, counts in enumerate(rows.values()):
        left = 0.0
        for count, (_, shade, hatch) in paired(counts, looks):
            if not count:
                continue
            share = 100 * count / sum(counts)
            axes.barh(y, share, 0.72, left, color=shade, edgecolor=RED if hatch else "white", hatch=hatch)
            middle, color = left + share / 2, "white" if shade in shades[2:4] else "black"
            behind = {"facecolor": shade, "linewidth": 0, "pad": 1} if hatch else None
            axes.text(middle, y, str(count), ha="center", va="center", color=color, bbox=behind)
            left += share
    axes.legend(
        handles=[
            Patch(facecolor=shade, edgecolor=RED if hatch else "white", hatch=hatch, label=part)
            for part, shade, hatch in looks
        ],
        ncols=len(parts),
        loc="lower left",
        bbox_to_anchor=(0, 1),
        frameon=False,
        borderaxespad=0.2,
        handlelength=1.2,
    )
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    axes.set(xlim=(0, 100), xlabel=xlabel)
    axes.set_title(title, pad=26)
    return figure


@rc_context(STYLE)
def compared_histograms(
    groups: dict[str, list[float]], *, title: str, xlabel: str, ylabel: str, mark: tuple[str, float] | None = None
) -> Figure:
    """Two sets of numbers as histograms with the same bins, one filled and one in outline, and one marked value."""
    figure, (axes,) = empty_axes(height=3.2)
    low, high = min(map(min, groups.values())), max(map(max, groups.values()))
    bins = [low + (high - low) * i / 50 for i in range(51)]
    for i, (group, values) in enumerate(groups.items()):
        axes.hist(
            values,
            bins,
            label=group,
            histtype="step" if i else "stepfilled",
            linewidth=1.8,
            color=ORANGE if i else SKY,
            edgecolor=RED if i else BLUE,
            alpha=1 if i else 0.75,
        )
    if mark:
        axes.axvline(mark[1], color="black", linestyle="--", linewidth=1.2)
        axes.annotate(
            mark[0], (mark[1], axes.get_ylim()[1]), (4, -2), textcoords="offset points", va="top", fontsize=9
        )
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axes.legend(frameon=False)
    return figure
