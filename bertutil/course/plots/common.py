"""What every figure needs: colours, a style, empty axes, a look for each item, and show() to put it on the page."""

import base64
import html
from collections.abc import Collection, Iterator, Sequence
from io import BytesIO
from typing import Any

from cycler import cycler
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by colour-blind readers too; markers, hatches or labels say the same again
BLUE, ORANGE, GREEN, PURPLE, SKY, RED, GREY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#7A7A7A",
)

STYLE: Any = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREEN, PURPLE, SKY, RED]),
    "figure.constrained_layout.use": True,
    "figure.dpi": 110,
}

PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"  # one, transparent


WIDGET = "application/vnd.jupyter.widget-view+json"


def show(figure: Figure, alt: str, live: Any = None) -> None:
    """Display a figure as a picture with alternative text, for those who cannot see it.

    `alt` says what is drawn and what it shows, with the numbers computed. Raises ValueError where it is empty.
    `live`: a widget that stands in the picture's place where the page can show one.
    JupyterLab does not hand a picture's alternative text on to the page, so an output of its own says it once more.
    """
    if not alt.strip():
        raise ValueError("every figure needs alternative text: what is drawn, and what it shows")
    png = BytesIO()
    figure.savefig(png, format="png", metadata={"Software": None})  # the same bytes with every matplotlib
    data: dict[str, Any] = {"image/png": base64.b64encode(png.getvalue()).decode(), "text/plain": alt}
    metadata = {"image/png": {"alt": alt}}
    if live is not None:  # one output with two forms, of which a page takes one: so there are never two pictures
        form, more = live._repr_mimebundle_()
        data, metadata = data | {WIDGET: form[WIDGET]}, metadata | more
    display(data, metadata=metadata, raw=True)  # type: ignore[no-untyped-call]
    # no text/plain: where no HTML is shown, that of the picture has said it
    display({"text/html": in_words(alt)}, raw=True)  # type: ignore[no-untyped-call]


def in_words(alt: str) -> str:
    """Return HTML that only a screen reader notices: an image of one transparent pixel that is called `alt`.

    Without a style, which a page may not let through: JupyterLab keeps it in notebooks that are not trusted, too.
    """
    return f'<img class="figure-in-words" src="{PIXEL}" alt="{html.escape(alt)}" width="1" height="1">'


def empty_axes(width: float = 8, height: float = 3.5, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """An empty figure and its axes, row by row. Called inside functions decorated with @rc_context(STYLE)."""
    figure = Figure(figsize=(width, height))
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.flat)


def paired(items: Collection[Any], *looks: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """Pair each item with a look of its own. Raises ValueError where there are more: none may be left out."""
    if len(items) > (room := min(map(len, looks))):
        raise ValueError(f"this figure has room for {room}, and {len(items)} were given; draw two figures")
    return zip(items, *looks, strict=False)
