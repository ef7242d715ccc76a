"""Chapter 0: the whole way from a text to vectors in one picture."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bertutil.course.plots.common import BLUE, GREY, STYLE, empty_axes

FEATURES = 12  # of each vector, as the stripes of a strip: enough to see that two vectors differ


@rc_context(STYLE)
def whole_way(
    text: str,
    tokens: Sequence[str],
    ids: Sequence[int],
    states: Float[np.ndarray, "tokens layers features"],
    word_of: Sequence[int],
    vectors: Float[np.ndarray, "words features"],
    sentence: Float[np.ndarray, " features"],
    *,
    title: str,
) -> Figure:
    """Text, pieces, ids, layers and vectors from top to bottom, one column a token.

    A vector is drawn as a strip of its first features, light where they are high and dark where they are low, each
    row of strips on a scale of its own. `word_of` has the word of each token, -1 for none; `vectors` those of words,
    and `sentence` is that of the whole text.
    """
    n, layers = states.shape[:2]
    figure, (axes,) = empty_axes(height=2.9 + 0.27 * layers)
    axes.text(0, -1.75, f"“{text}”", fontsize=11, va="center")
    for i, (token, number) in enumerate(zip(tokens, ids, strict=True)):
        special = token.startswith("[")
        axes.barh(
            -0.7, 0.92, 0.8, i + 0.04, color=BLUE if special else "#F3F3F3", edgecolor=BLUE if special else GREY
        )
        axes.text(i + 0.5, -0.7, token, ha="center", va="center", fontsize=8, color="white" if special else "black")
        axes.text(i + 0.5, 0.2, str(number), ha="center", va="center", fontsize=8)
    below = 1.0 + 0.75 * layers
    for k in range(layers):
        _strips(axes, states[:, k], [(i, i + 1) for i in range(n)], 1.0 + 0.75 * k)
    pieces = [[i for i in range(n) if word_of[i] == word] for word in range(len(vectors))]
    _strips(axes, vectors, [(own[0], own[-1] + 1) for own in pieces], below + 0.55)
    _strips(axes, sentence[None], [(0, n)], below + 1.75)
    names = [(-1.75, "text"), (-0.7, "pieces"), (0.2, "ids")]
    names += [(below + 0.8, "word vectors"), (below + 2.0, "sentence vector")]
    names += [(1.25 + 0.75 * k, f"layer {k}") for k in range(layers)]
    for y, name in names:
        axes.text(-0.2, y, name, ha="right", va="center", fontsize=9, color="#444444")
    arrows = [(-1.45, -1.2), (0.42, 0.92), (below - 0.18, below + 0.47), (below + 1.1, below + 1.68)]
    for start, end in [*arrows, (-0.25, 0.02)]:
        axes.annotate("", (n / 2, end), (n / 2, start), arrowprops={"arrowstyle": "->", "color": GREY})
    axes.set(xlim=(-2.4, n), ylim=(below + 2.4, -2.2), title=title)
    axes.axis("off")
    return figure


def _strips(axes: Axes, vectors: np.ndarray, places: list[tuple[int, int]], y: float) -> None:
    """One strip a vector, 0.5 high, each from its left to its right end; the wider, the more features."""
    low, high = np.quantile(vectors, [0.05, 0.95])
    for vector, (left, right) in zip(vectors, places, strict=True):
        where = (left + 0.04, right - 0.04, y + 0.5, y)
        shown = vector[None, : FEATURES * (right - left)]
        axes.imshow(shown, cmap="cividis", vmin=low, vmax=high, extent=where, aspect="auto")
