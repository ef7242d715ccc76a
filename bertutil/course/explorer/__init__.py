"""explore(): choose a piece of a text, and see its cosine with every other piece at each layer.

The drawing is that of the book's page, book/explorer, which takes drawing.js, drawing.css, nearness.js and words.js
from here. What is only in a notebook: widget.py, widget.js, widget.css, and the still picture.
"""

import json
import warnings
from importlib.resources import files

import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from bertutil.checkpoints import Bert
from bertutil.course import plots
from bertutil.encoding import Encoding, encode
from bertutil.layers import hidden_states
from bertutil.similarity import cosine_similarity

MOST = 120  # pieces; each is a button, and with more nobody finds one
WITHOUT = (
    "To choose pieces and layers in the picture, install anywidget (pip install anywidget) and restart the kernel."
)


def explore(bert: Bert, text: str, other: str | None = None) -> None:
    """Show the pieces of one or two texts, and the cosines of a chosen piece with all others, layer by layer.

    In JupyterLab, Notebook, VS Code and Colab, with the package anywidget, pieces and layers are chosen in the
    picture: a click on a piece, or the arrow keys and Enter. All is computed beforehand, so it goes on when the
    kernel has stopped. Anywhere else there is a still picture with alternative text, of the first choice: of the
    words of `text` that stand twice, in one text or in both, the last one, where it comes first and where it comes
    last; else the first and the last word.

    The two texts are read each by itself: no piece of one sees the other. Raises TypeError for what is not a `Bert`
    or a str, and ValueError for texts of more than 120 pieces in all, or of more than the model takes.
    """
    texts, cosines, content = compare(bert, text, other)
    one, two = first_choice(texts, content)
    figure, alt = still(texts, cosines, one, two)
    live = None
    try:
        from bertutil.course.explorer.widget import Explorer
    except ImportError:
        print(WITHOUT)
    else:
        data = cosines.numpy().astype("<f4").tobytes()
        live = Explorer(texts=texts, cosines=data, chosen=[one, two], words=words())
    with warnings.catch_warnings():  # for a script that matplotlib's font lacks: the page and `alt` can write it
        warnings.filterwarnings("ignore", "Glyph .* missing")
        plots.show(figure, alt, live)


def compare(
    bert: Bert, text: str, other: str | None = None
) -> tuple[list[list[str]], Float[Tensor, "states pieces pieces"], list[bool]]:
    """Return the pieces of each text, the cosines of all pieces with all, layer 0 first, and which are not special.

    Pieces are counted over both texts, [CLS] and [SEP] included. Raises what explore() says.
    """
    if not isinstance(bert, Bert):
        raise TypeError(f"bert is of type {type(bert).__name__}; give what bertutil.load() returns")
    rows = [_row(bert, "text", text)] + ([] if other is None else [_row(bert, "other", other)])
    texts = [row.tokens[0] for row in rows]
    if (n := sum(map(len, texts))) > MOST:
        raise ValueError(f"these texts have {n} pieces, and the drawing has room for {MOST}; give a sentence or two")
    states = torch.cat([hidden_states(bert, row)[0] for row in rows]).float().cpu()
    cosines = torch.stack([cosine_similarity(layer) for layer in states.unbind(dim=1)])
    return texts, cosines, [bool(each) for row in rows for each in row.content_mask[0]]


def _row(bert: Bert, name: str, text: str) -> Encoding:
    if not isinstance(text, str):
        raise TypeError(f"{name} is of type {type(text).__name__}; give one text, a str")
    return encode(bert, text)


def first_choice(texts: list[list[str]], content: list[bool]) -> tuple[int, int]:
    """Return the two pieces that are shown first, counted over all texts: see explore().

    `content`: for each piece whether it is no special token. Where a text has one word, the second is what follows.
    """
    pieces = joined(texts)
    places = [i for i, piece in enumerate(pieces) if content[i] and piece.isalnum()] or [0]
    own = [pieces[i] for i in places]
    twice = [i for i in places if i < len(texts[0]) and own.count(pieces[i]) > 1]
    if twice:
        places = [i for i in places if pieces[i] == pieces[twice[-1]]]
    one, two = places[0], places[-1]
    return (one, two) if one != two else (one, one + 1)


def joined(texts: list[list[str]]) -> list[str]:
    """Return the pieces of all texts in one list."""
    return [piece for text in texts for piece in text]


def still(
    texts: list[list[str]], cosines: Float[Tensor, "states pieces pieces"], one: int, two: int
) -> tuple[Figure, str]:
    """Return the figure of one choice at the last layer, and its alternative text."""
    say, pieces = words(), joined(texts)
    names = [
        say["piece_at" if pieces.count(p) > 1 else "piece_quoted"].format(piece=p, place=i)
        for i, p in enumerate(pieces)
    ]
    over, last = cosines[:, one, two].tolist(), len(cosines) - 1
    title = say["curve_title"].format(one=names[one], other=names[two], value=f"{over[-1]:.3f}", layer=last)
    marks = (say["mark_from"], say["mark_to"])
    figure = plots.nearness(texts, cosines[:, one].tolist(), (one, two), title=title, marks=marks)
    shown = ", ".join(f"{name} {x:.2f}" for name, x in zip(names, cosines[-1, one].tolist(), strict=True))
    alt = f"{title}. Bars, the cosine of {names[one]} with every piece at layer {last}: {shown}. "
    alt += (
        f"Below, from layer 0 on, with {names[two]}: {', '.join(f'{x:.3f}' for x in over)}; faint, with all others."
    )
    return figure, alt


def source(name: str) -> str:
    """Return the text of a file beside this one."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def words() -> dict[str, str]:
    """Return what the page and the drawing in a notebook say: words.js."""
    read: dict[str, str] = json.loads(source("words.js").split("export default ")[1].rstrip(" ;\n"))
    return read
