"""Chapter 15: the verdicts on the claims."""

import math
from collections.abc import Sequence

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bertutil.course.plots.common import BLUE, ORANGE, RED, SKY, STYLE, empty_axes

# By the place of the verdict in the order: told apart by the hatch alone, too
LOOKS = ((BLUE, ""), (SKY, ".."), ("#DDDDDD", "--"), (ORANGE, "xx"), (RED, "//"), ("#FFFFFF", ""), ("#FFFFFF", "++"))


@rc_context(STYLE)
def ledger_tiles(verdicts: dict[str, str], order: Sequence[str], *, title: str) -> Figure:
    """One tile a claim, with its id, in rows by verdict; `order` is that of the verdicts, from top to bottom.

    Raises ValueError for a verdict that is not in `order`, and for more than seven.
    """
    if lacking := set(verdicts.values()) - set(order):
        raise ValueError(f"order lacks the verdict {', '.join(sorted(lacking))}: its claims would be left out")
    width = 13
    rows = [(verdict, [name for name, own in verdicts.items() if own == verdict]) for verdict in order]
    height = sum(1.5 + max(1, math.ceil(len(names) / width)) for _, names in rows)
    figure, (axes,) = empty_axes(height=0.36 * height)
    y = 0.0
    for (verdict, names), (colour, hatch) in zip(rows, LOOKS[: len(rows)], strict=True):
        axes.text(0, y + 0.75, f"{verdict}: {len(names)}", fontsize=10, fontweight="bold", va="center")
        for i, name in enumerate(names):
            left, top = i % width, y + 1.2 + i // width
            axes.add_patch(
                Rectangle((left, top), 0.92, 0.88, facecolor=colour, edgecolor="#444444", hatch=hatch, lw=0.6)
            )
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
            axes.text(left + 0.46, top + 0.44, name, ha="center", va="center", fontsize=10, bbox=box)
        y += 1.5 + max(1, math.ceil(len(names) / width))
    axes.set(xlim=(-0.1, width), ylim=(y, 0), title=title)
    axes.axis("off")
    return figure
